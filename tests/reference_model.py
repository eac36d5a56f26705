"""Course 2's model() in plain NumPy, at any depth: the oracle of `L_layer_model`'s options.

One example is one column. As in the course the parameters are updated in the caller's dict.
"""

import numpy as np
import reference

ACTIVATIONS = {
    "relu": (lambda Z: np.maximum(0, Z), lambda Z: (Z > 0) * 1.0),
    "tanh": (np.tanh, lambda Z: 1 - np.tanh(Z) ** 2),
    "sigmoid": (lambda Z: reference.sigmoid(Z)[0], lambda Z: reference.sigmoid_backward(1, Z)),
    "softplus": (lambda Z: np.log1p(np.exp(Z)), lambda Z: reference.sigmoid(Z)[0]),
}


def softmax(Z):
    A = np.exp(Z - Z.max(axis=0))
    return A / A.sum(axis=0)


OUTPUTS = {"sigmoid": lambda Z: reference.sigmoid(Z)[0], "softmax": softmax, "identity": np.copy}


def initialize_parameters(layers_dims, scale, seed=3):
    np.random.seed(seed)
    parameters = {}
    for l in range(1, len(layers_dims)):
        parameters[f"W{l}"] = np.random.randn(layers_dims[l], layers_dims[l - 1]) * scale(
            layers_dims[l - 1]
        )
        parameters[f"b{l}"] = np.zeros((layers_dims[l], 1))
    return parameters


def random_mini_batches(X, Y, mini_batch_size, seed):
    np.random.seed(seed)
    m = X.shape[1]
    order = np.random.permutation(m)
    X, Y = X[:, order], Y[:, order]
    return [
        (X[:, k : k + mini_batch_size], Y[:, k : k + mini_batch_size])
        for k in range(0, m, mini_batch_size)
    ]


def forward(X, parameters, hidden, output):
    L = len(parameters) // 2
    A, cache = X, []
    for l in range(1, L + 1):
        Z = parameters[f"W{l}"] @ A + parameters[f"b{l}"]
        cache.append((A, Z))
        A = ACTIVATIONS[hidden[l - 1]][0](Z) if l < L else OUTPUTS[output](Z)
    return A, cache


def cost_sum(AL, Y, parameters, output, lambd):
    if output == "sigmoid":
        total = np.sum(-Y * np.log(AL) - (1 - Y) * np.log(1 - AL))
    elif output == "softmax":
        total = -np.sum(Y * np.log(AL))
    else:
        total = np.sum((AL - Y) ** 2) / 2
    squares = sum(np.sum(W**2) for name, W in parameters.items() if name[0] == "W")
    return total + lambd / 2 * squares


def backward(AL, Y, cache, parameters, hidden, lambd):
    m, L = Y.shape[1], len(cache)
    grads, dZ = {}, AL - Y
    for l in range(L, 0, -1):
        W = parameters[f"W{l}"]
        grads[f"dW{l}"] = dZ @ cache[l - 1][0].T / m + lambd / m * W
        grads[f"db{l}"] = dZ.sum(axis=1, keepdims=True) / m
        if l > 1:
            dZ = W.T @ dZ * ACTIVATIONS[hidden[l - 2]][1](cache[l - 2][1])
    return grads


def update(parameters, grads, v, s, t, optimizer, learning_rate, beta, beta1, beta2, epsilon):
    for name in parameters:
        g = grads["d" + name]
        if optimizer == "gd":
            step = g
        elif optimizer == "momentum":
            v[name] = beta * v[name] + (1 - beta) * g
            step = v[name]
        else:
            v[name] = beta1 * v[name] + (1 - beta1) * g
            s[name] = beta2 * s[name] + (1 - beta2) * g**2
            corrected = v[name] / (1 - beta1**t), s[name] / (1 - beta2**t)
            step = corrected[0] / (np.sqrt(corrected[1]) + epsilon)
        parameters[name] = parameters[name] - learning_rate * step


def model(
    X, Y, parameters, learning_rate, epochs, *, optimizer="gd", mini_batch_size=None, lambd=0.0,
    beta=0.9, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=None, decay_rate=1, hidden=None,
    output="sigmoid", seed=10,
):  # fmt: skip
    """Train, and return the parameters and the cost of every epoch."""
    parameters, m, t, costs = dict(parameters), X.shape[1], 0, []
    hidden = hidden or ("relu",) * (len(parameters) // 2 - 1)
    v = {name: np.zeros_like(array) for name, array in parameters.items()}
    s = dict(v)
    learning_rate0 = learning_rate
    for i in range(epochs):
        seed += 1
        total = 0
        for X_b, Y_b in random_mini_batches(X, Y, mini_batch_size or m, seed):
            AL, cache = forward(X_b, parameters, hidden, output)
            total += cost_sum(AL, Y_b, parameters, output, lambd)
            grads = backward(AL, Y_b, cache, parameters, hidden, lambd)
            t += 1
            update(
                *(parameters, grads, v, s, t, optimizer),
                *(learning_rate, beta, beta1, beta2, epsilon),
            )
        costs.append(total / m)
        if decay:
            learning_rate = decay(learning_rate0, i, decay_rate)
    return parameters, costs
