"""Derivatives of predictions by the input beside NumPy's, and beside the prediction itself."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import fastdnn
from bench.peers import MNIST
from bench.timing import compare_all

TITLE = (
    "Gradients by the input, relu: the time of `Network.gradient`, how many times as long as a"
    " prediction that takes, and how many times as long NumPy takes."
)
HEADER = ("network", "rows x outputs", "dtype", "fastdnn, µs", "times predict", "NumPy")

# layers, the output's activation, rows, and one of the outputs or all
CASES: tuple[tuple[tuple[int, ...], str, int, int | None], ...] = (
    ((16, 32, 1), "sigmoid", 1, 0),
    ((54, 128, 64, 1), "sigmoid", 1000, 0),
    (MNIST, "softmax", 1, 0),
    (MNIST, "softmax", 32, 0),
    (MNIST, "softmax", 32, None),
    (MNIST, "softmax", 1000, None),
)


def run(quick: bool, rounds: int, threads: int) -> Iterator[dict[str, Any]]:
    """Time each case in turns with the prediction and with NumPy; by one thread alone."""
    if threads > 1:
        return
    for dims, output, m, chosen in CASES[::3] if quick else CASES:
        for dtype in ("float32", "float64"):
            net = fastdnn.Network(dims, output_activation=output, dtype=dtype, rng=0)
            X = np.random.default_rng(0).normal(size=(m, dims[0])).astype(dtype)
            times = compare_all(
                [
                    partial(net.gradient, X, chosen, n_threads=threads),
                    partial(net.predict, X, n_threads=threads),
                    _in_numpy(net, output, X, chosen),
                ],
                rounds=rounds,
                seconds=5e-4 if quick else 30e-3,
            )
            ours, predicted, theirs = times.T
            yield {
                "network": str([*dims]),
                "rows": m,
                "outputs": dims[-1] if chosen is None else 1,
                "dtype": dtype,
                "threads": threads,
                "us": float(np.median(ours)),
                "times_predict": float(np.median(ours / predicted)),
                "numpy": float(np.median(theirs / ours)),
            }


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Write a row's columns."""
    return (
        row["network"], f"{row['rows']} x {row['outputs']}", row["dtype"], f"{row['us']:.1f}",
        f"{row['times_predict']:.1f}", f"{row['numpy']:.2f}",
    )  # fmt: skip


def _in_numpy(net: Any, output: str, X: Any, chosen: int | None) -> Callable[[], object]:
    """Write the same in NumPy, as one does: a product for all outputs of all rows."""
    L = len(net.layer_dims) - 1
    W = [net.parameters[f"W{l}"].T for l in range(1, L + 1)]
    b = [net.parameters[f"b{l}"].ravel() for l in range(1, L + 1)]
    eye = np.eye(net.layer_dims[-1], dtype=net.dtype)

    def gradient() -> object:
        A, active = X, []
        for l in range(L - 1):
            Z = A @ W[l] + b[l]
            active.append(Z > 0)
            A = np.maximum(Z, 0)
        Z = A @ W[-1] + b[-1]
        if output == "sigmoid":
            A = 1 / (1 + np.exp(-Z))
            G = eye * (A * (1 - A))[:, None]
        else:
            A = np.exp(Z - Z.max(axis=1, keepdims=True))
            A /= A.sum(axis=1, keepdims=True)
            G = eye * A[:, None] - A[:, :, None] * A[:, None]
        if chosen is not None:
            G = G[:, chosen]
        for l in reversed(range(1, L)):
            G = _product(G, W[l].T)
            G *= active[l - 1] if chosen is not None else active[l - 1][:, None]
        return _product(G, W[0].T)

    return gradient


def _product(G: Any, W: Any) -> Any:
    """Multiply all rows in one product: `@` makes one for each example."""
    return (G.reshape(-1, len(W)) @ W).reshape(*G.shape[:-1], -1)
