"""Course 2's passes through a network in plain NumPy, at any depth: the oracle of `course2`.

One example is one column; caches are flat, as the course's are.
"""

import numpy as np
from reference import sigmoid


def forward_propagation(X, parameters):
    L = len(parameters) // 2
    A, cache = X, ()
    for l in range(1, L + 1):
        W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        Z = np.dot(W, A) + b
        A = np.maximum(0, Z) if l < L else sigmoid(Z)[0]
        cache += (Z, A, W, b)
    return A, cache


def forward_propagation_with_dropout(X, parameters, keep_prob=0.5):
    np.random.seed(1)
    L = len(parameters) // 2
    A, cache = X, ()
    for l in range(1, L + 1):
        W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        Z = np.dot(W, A) + b
        if l == L:
            A = sigmoid(Z)[0]
            return A, (*cache, Z, A, W, b)
        D = np.random.rand(*Z.shape) < keep_prob
        A = np.maximum(0, Z) * D / keep_prob
        cache += (Z, D, A, W, b)


def compute_cost(a3, Y):
    m = Y.shape[1]
    logprobs = np.multiply(-np.log(a3), Y) + np.multiply(-np.log(1 - a3), 1 - Y)
    return 1 / m * np.nansum(logprobs)


def compute_cost_with_regularization(A3, Y, parameters, lambd):
    squares = sum(np.sum(np.square(W)) for name, W in parameters.items() if name[0] == "W")
    return compute_cost(A3, Y) + lambd / (2 * Y.shape[1]) * squares


def backward_propagation(X, Y, cache, lambd=0.0, keep_prob=None):
    m, size = X.shape[1], 4 if keep_prob is None else 5
    layers = [cache[at : at + size] for at in range(0, len(cache), size)]
    L = len(layers)
    As, Ws = [X, *(layer[-3] for layer in layers)], [layer[-2] for layer in layers]
    gradients = {}
    dZ = As[L] - Y
    for l in range(L, 0, -1):
        if l < L:
            dA = np.dot(Ws[l].T, dZ)
            if keep_prob is not None:
                dA = dA * layers[l - 1][1] / keep_prob
            dZ = np.multiply(dA, np.int64(As[l] > 0))
            gradients[f"dA{l}"] = dA
        gradients[f"dZ{l}"] = dZ
        gradients[f"dW{l}"] = 1 / m * np.dot(dZ, As[l - 1].T) + lambd / m * Ws[l - 1]
        gradients[f"db{l}"] = 1 / m * np.sum(dZ, axis=1, keepdims=True)
    return gradients
