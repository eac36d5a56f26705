"""The course's layers with dropout, L2 and other activations in plain NumPy: the tests' oracle.

One example is one column, as in `reference`. An activation is a name or a pair of functions.
"""

import numpy as np
from reference_network import ACTIVATIONS, OUTPUTS

FORWARD = {name: forward for name, (forward, _) in ACTIVATIONS.items()}
FORWARD["linear"] = FORWARD["identity"]


def softmax(Z):
    return OUTPUTS["softmax"](Z.T).T


def activate(activation, Z):
    if isinstance(activation, tuple):
        return activation[0](Z)
    return softmax(Z) if activation == "softmax" else FORWARD[activation](Z)


def activate_backward(activation, dA, Z):
    if isinstance(activation, tuple):
        return activation[1](dA, Z)
    if activation == "softmax":
        A = softmax(Z)
        return A * (dA - np.sum(dA * A, axis=0, keepdims=True))
    return dA * ACTIVATIONS[activation.replace("linear", "identity")][1](Z)


def each(value, count):
    return value if isinstance(value, list) else [value] * count


def L_model_forward(X, parameters, keep_prob, activation, output_activation, random):
    L = len(parameters) // 2
    A, caches = X, []
    for l in range(1, L + 1):
        A_prev, W, b = A, parameters[f"W{l}"], parameters[f"b{l}"]
        Z = W @ A_prev + b
        name = output_activation if l == L else each(activation, L - 1)[l - 1]
        keep = 1 if l == L else each(keep_prob, L - 1)[l - 1]
        A = activate(name, Z)
        if keep < 1:
            D = random.rand(*A.shape) < keep
            A = A * D / keep
            caches.append(((A_prev, W, b), Z, D))
        else:
            caches.append(((A_prev, W, b), Z))
    return A, caches


def compute_cost(AL, Y, parameters, lambd, output_activation):
    m = AL.shape[1]
    if output_activation == "sigmoid":
        cost = -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL))
    elif output_activation == "softmax":
        cost = -np.sum(np.log(AL[Y == 1])) if np.isin(Y, (0, 1)).all() else -np.sum(Y * np.log(AL))
    else:
        cost = np.sum((AL - Y) ** 2) / 2
    squares = sum(np.sum(W**2) for key, W in parameters.items() if key[0] == "W")
    return (cost + lambd / 2 * squares) / m


def linear_backward(dZ, cache, lambd):
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m + lambd / m * W, np.mean(dZ, axis=1, keepdims=True)


def L_model_backward(AL, Y, caches, lambd, keep_prob, activation, output_activation):
    L, grads = len(caches), {}
    for l in range(L, 0, -1):
        linear_cache, Z, *D = caches[l - 1]
        if l == L:
            if output_activation == "sigmoid":
                dAL = -(Y / AL - (1 - Y) / (1 - AL))
                dZ = activate_backward("sigmoid", dAL, Z)
            else:
                dZ = AL - Y
        else:
            dA = grads[f"dA{l}"]
            if D:
                dA = grads[f"dA{l}"] = dA * D[0] / each(keep_prob, L - 1)[l - 1]
            dZ = activate_backward(each(activation, L - 1)[l - 1], dA, Z)
        of_layer = linear_backward(dZ, linear_cache, lambd)
        grads[f"dA{l - 1}"], grads[f"dW{l}"], grads[f"db{l}"] = of_layer
    return grads
