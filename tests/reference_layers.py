"""The course's layers with dropout, L2 and other activations in plain NumPy: the tests' oracle.

As `reference` it is meant to be read next to the formulas, one example a column. An activation is a
name or a pair of functions.
"""

import numpy as np
from reference import relu, relu_backward, sigmoid, sigmoid_backward
from reference_network import ACTIVATIONS


def softmax(Z):
    E = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    return E / np.sum(E, axis=0, keepdims=True)


def activate(activation, Z):
    if isinstance(activation, tuple):
        return activation[0](Z)
    if activation == "relu":
        return relu(Z)[0]
    if activation == "sigmoid":
        return sigmoid(Z)[0]
    if activation == "softmax":
        return softmax(Z)
    return ACTIVATIONS[activation.replace("linear", "identity")][0](Z)


def activate_backward(activation, dA, Z):
    if isinstance(activation, tuple):
        return activation[1](dA, Z)
    if activation == "relu":
        return relu_backward(dA, Z)
    if activation == "sigmoid":
        return sigmoid_backward(dA, Z)
    if activation == "softmax":
        A = softmax(Z)
        return A * (dA - np.sum(dA * A, axis=0, keepdims=True))
    return dA * ACTIVATIONS[activation.replace("linear", "identity")][1](Z)


def linear_activation_forward(A_prev, W, b, activation, keep_prob=1, *, rng=None):
    Z = np.dot(W, A_prev) + b
    A = activate(activation, Z)
    if keep_prob == 1:
        return A, ((A_prev, W, b), Z)
    D = rng.rand(A.shape[0], A.shape[1]) < keep_prob
    A = A * D
    A = A / keep_prob
    return A, ((A_prev, W, b), Z, D)


def each(value, count):
    return value if isinstance(value, list) else [value] * count


def L_model_forward(
    X, parameters, keep_prob=1, *, activation="relu", output_activation="sigmoid", rng=None
):
    L = len(parameters) // 2
    activations = [*each(activation, L - 1), output_activation]
    keeps = [*each(keep_prob, L - 1), 1]
    A, caches = X, []
    for l in range(1, L + 1):
        A, cache = linear_activation_forward(
            A, parameters["W" + str(l)], parameters["b" + str(l)], activations[l - 1],
            keeps[l - 1], rng=rng,
        )  # fmt: skip
        caches.append(cache)
    return A, caches


def compute_cost(AL, Y, parameters=None, lambd=0, *, output_activation="sigmoid"):
    m = AL.shape[1]
    if output_activation == "sigmoid":
        cost = -1 / m * np.sum(np.multiply(Y, np.log(AL)) + np.multiply(1 - Y, np.log(1 - AL)))
    elif output_activation == "softmax":
        cost = -1 / m * np.sum(np.multiply(Y, np.log(AL)))
    else:
        cost = 1 / (2 * m) * np.sum((AL - Y) ** 2)
    L = 0 if parameters is None else len(parameters) // 2
    squares = sum(np.sum(np.square(parameters["W" + str(l)])) for l in range(1, L + 1))
    return np.array(cost + lambd / (2 * m) * squares, AL.dtype)


def linear_backward(dZ, cache, lambd=0):
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    dW = 1 / m * np.dot(dZ, A_prev.T) + lambd / m * W
    db = 1 / m * np.sum(dZ, axis=1, keepdims=True)
    return np.dot(W.T, dZ), dW, db


def linear_activation_backward(dA, cache, activation, lambd=0, keep_prob=1):
    linear_cache, Z, *D = cache
    for mask in D:
        dA = dA * mask
        dA = dA / keep_prob
    return linear_backward(activate_backward(activation, dA, Z), linear_cache, lambd)


def L_model_backward(
    AL, Y, caches, lambd=0, keep_prob=1, *, activation="relu", output_activation="sigmoid"
):
    L, grads = len(caches), {}
    linear_cache, Z = caches[L - 1]
    if output_activation == "sigmoid":
        dZ = sigmoid_backward(-(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)), Z)
    else:
        dZ = AL - Y
    dA, dW, db = linear_backward(dZ, linear_cache, lambd)
    for l in reversed(range(1, L + 1)):
        grads["dA" + str(l - 1)] = dA
        grads["dW" + str(l)] = dW
        grads["db" + str(l)] = db
        if l > 1:
            linear_cache, Z, *D = caches[l - 2]
            for mask in D:
                dA = dA * mask
                dA = dA / each(keep_prob, L - 1)[l - 2]
                grads["dA" + str(l - 1)] = dA
            dZ = activate_backward(each(activation, L - 1)[l - 2], dA, Z)
            dA, dW, db = linear_backward(dZ, linear_cache, lambd)
    return grads
