"""The training loop of the course in plain NumPy, for the command to measure against."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def train(
    X: Array, Y: Array, parameters: dict[str, Array], learning_rate: float, num_iterations: int
) -> tuple[dict[str, Array], Any]:
    """Train as the course's L_layer_model does, every formula as the course writes it.

    Returns
    -------
    parameters : dict of ndarray
        ``W1, b1, ..., WL, bL``.
    cost : numpy scalar
        Of the last iteration, before its update.
    """
    L = len(parameters) // 2
    m = Y.shape[1]
    cost = np.float64(np.nan)
    for _ in range(num_iterations):
        A = X
        caches = []
        for l in range(1, L + 1):
            A_prev, W = A, parameters[f"W{l}"]
            Z = np.dot(W, A_prev) + parameters[f"b{l}"]
            A = np.maximum(0, Z) if l < L else 1 / (1 + np.exp(-Z))
            caches.append((A_prev, W, Z))

        cost = -1 / m * np.sum(np.multiply(Y, np.log(A)) + np.multiply(1 - Y, np.log(1 - A)))

        grads = {}
        dA = -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))
        for l in reversed(range(1, L + 1)):
            A_prev, W, Z = caches[l - 1]
            if l < L:
                dZ = np.array(dA, copy=True)
                dZ[Z <= 0] = 0
            else:
                s = 1 / (1 + np.exp(-Z))
                dZ = dA * s * (1 - s)
            grads[f"W{l}"] = 1 / m * np.dot(dZ, A_prev.T)
            grads[f"b{l}"] = 1 / m * np.sum(dZ, axis=1, keepdims=True)
            dA = np.dot(W.T, dZ)

        parameters = {key: parameters[key] - learning_rate * grads[key] for key in parameters}
    return parameters, cost
