"""The course's functions with dropout and L2, against NumPy as the course writes them."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

import fastdnn
from bench import ROOT
from bench.cases import agree
from bench.timing import compare

TITLE = "fastdnn against NumPy as the course writes it: dropout, L2 and softmax"
HEADER = (
    "network", "dtype", "function", "NumPy, µs", "fastdnn, µs", "times faster", "quartiles",
)  # fmt: skip
WIDTHS = (22, 7, 28, 10, 11, 12, 13)

# sizes of the layers with the activation of the output, on mini-batches of 64 in C order
NETWORKS = {(16, 32, 1): "sigmoid", (784, 256, 128, 10): "softmax"}
M, LAMBD, KEEP_PROB = 64, 0.7, 0.8


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Time each function on each network, with new masks at each call."""
    rows = []
    for layer_dims, output in NETWORKS.items():
        for dtype in ("float64", "float32"):
            numpy_calls, calls = (
                dict(_calls(side, layer_dims, output, dtype)) for side in (load_layers(), fastdnn)
            )
            for name, call in calls.items():
                if not agree(numpy_calls[name](_seeded()), call(_seeded())):
                    raise ValueError(f"{name} of {layer_dims} in {dtype}: the results differ")
                times = compare(
                    lambda one=numpy_calls[name]: one(np.random),  # type: ignore[misc]
                    lambda one=call: one(None),  # type: ignore[misc]
                    rounds=rounds,
                    seconds=2e-4 if quick else 15e-3,
                )
                rows.append(
                    {
                        "network": str(list(layer_dims)), "dtype": dtype, "function": name,
                        "numpy_us": times.baseline_us, "fastdnn_us": times.contender_us,
                        "ratio": times.ratio, "ratio_low": times.low, "ratio_high": times.high,
                    }
                )  # fmt: skip
                show(
                    (
                        str(list(layer_dims)), dtype, name, f"{times.baseline_us:.1f}",
                        f"{times.contender_us:.1f}", f"{times.ratio:.2f}",
                        f"{times.low:.2f} - {times.high:.2f}",
                    )
                )  # fmt: skip
    return rows


def load_layers() -> Any:
    """Load the tests' reference: NumPy as the course writes it."""
    folder = str(ROOT / "tests")
    sys.path.insert(0, folder)
    try:
        return import_module("reference_layers")
    finally:
        sys.path.remove(folder)


def _seeded() -> Any:
    return np.random.RandomState(0)


def _calls(
    side: Any, layer_dims: tuple[int, ...], output: str, dtype: str
) -> Iterator[tuple[str, Callable[[Any], object]]]:
    """Give every function, with a source of masks, what those of its own side hand it."""
    random = np.random.RandomState(0)
    n_x, n_L = layer_dims[0], layer_dims[-1]
    X = random.random_sample((n_x, M)).astype(dtype)
    Y = np.eye(n_L)[random.randint(0, n_L, M)].T.astype(dtype)
    if n_L == 1:
        Y = random.randint(0, 2, (1, M)).astype(dtype)
    parameters = fastdnn.initialize_parameters_deep(layer_dims, scale="he", dtype=dtype)
    W, b = parameters["W1"], parameters["b1"]
    last = {"output_activation": output}

    def forward(rng: Any) -> Any:
        return side.L_model_forward(X, parameters, KEEP_PROB, rng=rng, **last)

    def backward(AL: Any, caches: Any) -> Any:
        return side.L_model_backward(AL, Y, caches, LAMBD, KEEP_PROB, **last)

    def cost(AL: Any) -> Any:
        return side.compute_cost(AL, Y, parameters, LAMBD, **last)

    def step(rng: Any) -> Any:
        AL, caches = forward(rng)
        return cost(AL), backward(AL, caches)

    AL, caches = forward(_seeded())
    dA = backward(AL, caches)["dA1"]
    yield (
        "linear_activation_forward",
        lambda rng: side.linear_activation_forward(X, W, b, "relu", KEEP_PROB, rng=rng),
    )
    yield (
        "linear_activation_backward",
        lambda rng: side.linear_activation_backward(dA, caches[0], "relu", LAMBD, KEEP_PROB),
    )
    yield "L_model_forward", forward
    yield "compute_cost", lambda rng: cost(AL)
    yield "L_model_backward", lambda rng: backward(AL, caches)
    yield "forward, cost, backward", step
