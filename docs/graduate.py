"""A graduate's path: the ten functions, then mini-batches, dropout and Adam, then a Network.

Each stage is timed beside the same in NumPy, written as the course writes it, on the handwritten
digits of scikit-learn: ``python docs/graduate.py``. The table at the end is what it is about.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits

import fastdnn
from fastdnn import course2

HIDDEN = (128, 64)
KEEP, LAMBD, RATE = 0.9, 0.1, 0.001
SIZE = 64  # of a mini-batch


# ------------------------------------------------------------------------------- NumPy, as taught


def relu(Z):
    return np.maximum(0, Z)


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def softmax(Z):
    exps = np.exp(Z - Z.max(axis=0))
    return exps / exps.sum(axis=0)


def forward(X, parameters, output, keep=1.0, random=None):
    A, caches, L = X, [], len(parameters) // 2
    for l in range(1, L + 1):
        W, b, A_prev, D = parameters[f"W{l}"], parameters[f"b{l}"], A, None
        Z = np.dot(W, A_prev) + b
        A = relu(Z) if l < L else output(Z)
        if l < L and keep < 1:
            D = random.rand(*A.shape) < keep
            A = A * D / keep
        caches.append((A_prev, W, Z, D))
    return A, caches


def backward(AL, Y, caches, lambd=0.0, keep=1.0):
    grads, m, dZ = {}, Y.shape[1], AL - Y
    for l in range(len(caches), 0, -1):
        A_prev, W, _, _ = caches[l - 1]
        grads[f"dW{l}"] = np.dot(dZ, A_prev.T) / m + lambd / m * W
        grads[f"db{l}"] = np.sum(dZ, axis=1, keepdims=True) / m
        if l > 1:
            _, _, Z, D = caches[l - 2]
            dA = np.dot(W.T, dZ)
            if keep < 1:
                dA = dA * D / keep
            dZ = dA * (Z > 0)
    return grads


def adam(parameters, grads, v, s, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    for key in parameters:
        g = grads["d" + key]
        v["d" + key] = beta1 * v["d" + key] + (1 - beta1) * g
        s["d" + key] = beta2 * s["d" + key] + (1 - beta2) * np.square(g)
        v_corrected = v["d" + key] / (1 - np.power(beta1, t))
        s_corrected = s["d" + key] / (1 - np.power(beta2, t))
        parameters[key] = parameters[key] - learning_rate * v_corrected / (
            np.sqrt(s_corrected) + epsilon
        )
    return parameters, v, s


# ------------------------------------------------------------------------------------- the stages


def ten_functions_numpy(X, Y, iterations):
    """Tell an 8 from the other digits by gradient descent on all examples."""
    parameters = fastdnn.initialize_parameters_deep([len(X), *HIDDEN, 1], scale="he")
    for _ in range(iterations):
        AL, caches = forward(X, parameters, sigmoid)
        grads = backward(AL, Y, caches)
        for key in parameters:
            parameters[key] = parameters[key] - 0.1 * grads["d" + key]
    return parameters


def ten_functions(X, Y, iterations):
    """Do the same with the course's names."""
    parameters = fastdnn.initialize_parameters_deep([len(X), *HIDDEN, 1], scale="he")
    for _ in range(iterations):
        AL, caches = fastdnn.L_model_forward(X, parameters)
        grads = fastdnn.L_model_backward(AL, Y, caches)
        parameters = fastdnn.update_parameters(parameters, grads, 0.1)
    return parameters


def mini_batches_numpy(X, Y, epochs):
    """Tell all ten digits: softmax, dropout, L2, mini-batches and Adam."""
    random = np.random.RandomState(1)
    parameters = course2.initialize_parameters_he([len(X), *HIDDEN, len(Y)])
    v = {"d" + key: np.zeros(value.shape) for key, value in parameters.items()}
    s = {key: value.copy() for key, value in v.items()}
    t = 0
    for _ in range(epochs):
        order = random.permutation(X.shape[1])
        X_shuffled, Y_shuffled = X[:, order], Y[:, order]
        for k in range(0, X.shape[1], SIZE):
            X_batch, Y_batch = X_shuffled[:, k : k + SIZE], Y_shuffled[:, k : k + SIZE]
            AL, caches = forward(X_batch, parameters, softmax, KEEP, random)
            grads = backward(AL, Y_batch, caches, LAMBD, KEEP)
            t += 1
            parameters, v, s = adam(parameters, grads, v, s, t, RATE)
    return parameters


def mini_batches(X, Y, epochs):
    """Do the same with the names of the course's second part."""
    random = np.random.default_rng(1)
    parameters = course2.initialize_parameters_he([len(X), *HIDDEN, len(Y)])
    v, s = course2.initialize_adam(parameters)
    t = 0
    for epoch in range(epochs):
        for X_batch, Y_batch in course2.random_mini_batches(X, Y, SIZE, seed=epoch):
            AL, caches = fastdnn.L_model_forward(
                X_batch, parameters, KEEP, output_activation="softmax", rng=random
            )
            grads = fastdnn.L_model_backward(
                AL, Y_batch, caches, LAMBD, KEEP, output_activation="softmax"
            )
            t += 1
            parameters, v, s = course2.update_parameters_with_adam(
                parameters, grads, v, s, t, RATE, corrected=False
            )
    return parameters


def one_call(X, Y, epochs):
    """Do the same in one call, on the engine."""
    parameters, _ = fastdnn.L_layer_model(
        X, Y, [len(X), *HIDDEN, len(Y)], RATE, epochs, optimizer="adam", mini_batch_size=SIZE,
        initialization="he", lambd=LAMBD, keep_prob=KEEP, output_activation="softmax",
    )  # fmt: skip
    return parameters


def network(X, Y, epochs):
    """Train a Network, one example a row: in float32, and open to what the course lacks."""
    net = fastdnn.Network(
        [len(X), *HIDDEN, len(Y)], output_activation="softmax", dtype="float32", rng=1
    )
    net.fit(
        X.T, Y.T, optimizer=fastdnn.Adam(RATE), batch_size=SIZE, epochs=epochs, dropout=1 - KEEP,
        l2=LAMBD / SIZE, n_threads=1,
    )  # fmt: skip
    return net.parameters


def main():
    """Run and time the stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args().epochs
    X, labels = load_digits(return_X_y=True)
    X, X_test = np.hsplit(X.T / 16, [1400])
    X = np.ascontiguousarray(X)
    eight = (labels == 8).astype(float)[None]
    Y = course2.convert_to_one_hot(labels, 10)
    stages = [
        ("the ten functions", ten_functions_numpy, ten_functions, eight),
        ("mini-batches, dropout, L2, Adam", mini_batches_numpy, mini_batches, Y),
        ("the same by L_layer_model", None, one_call, Y),
        ("the same by Network, float32", None, network, Y),
    ]
    print(f"{'':32}  NumPy, s  fastdnn, s  times faster  right, of the rest")
    for name, theirs, ours, targets in stages:
        rounds = epochs if theirs is not ten_functions_numpy else 10 * epochs
        if theirs is not None:
            seconds, _ = timed(theirs, X, targets[:, :1400], rounds)
        faster, parameters = timed(ours, X, targets[:, :1400], rounds)
        output = "softmax" if len(targets) > 1 else "sigmoid"
        AL, _ = fastdnn.L_model_forward(X_test, parameters, output_activation=output)
        if len(AL) == 1:
            right = np.mean((AL > 0.5) == targets[:, 1400:])
        else:
            right = np.mean(AL.argmax(axis=0) == labels[1400:])
        print(f"{name:32}  {seconds:8.3f}  {faster:10.4f}  {seconds / faster:12.1f}  {right:18.3f}")


def timed(train, *arguments):
    """Return how long a training takes, and its parameters."""
    start = time.perf_counter()
    parameters = train(*arguments)
    return time.perf_counter() - start, parameters


if __name__ == "__main__":
    main()
