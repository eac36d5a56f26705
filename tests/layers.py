"""Problems for the tests of the course's layers."""

import numpy as np

TYPES = [np.float32, np.float64]
# an activation as its two functions
TANH = (np.tanh, lambda dA, Z: dA * (1 - np.tanh(Z) ** 2))


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def problem(dims, m, dtype=np.float64, order="C", output="sigmoid"):
    """Draw inputs, labels and parameters with which no unit of relu is near its corner."""
    X = np.asarray(draw(0, dims[0], m), dtype, order=order)
    Y = np.eye(dims[-1])[np.arange(m) % dims[-1]].T
    Y = draw(1, dims[-1], m) if output == "identity" else Y
    parameters = {}
    for l in range(1, len(dims)):
        W = draw(2 * l, dims[l], dims[l - 1]) / np.sqrt(dims[l - 1])
        parameters[f"W{l}"] = np.asarray(W, dtype, order="FC"[l % 2])
        parameters[f"b{l}"] = draw(2 * l + 1, dims[l], 1).astype(dtype)
    return X, np.asarray(Y, dtype), parameters
