"""The course's functions in every mix of memory orders, against NumPy on the same arrays."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

import fastdnn
from bench.cases import LEARNING_RATE, agree, load_course
from bench.timing import Comparison, compare

TITLE = "fastdnn against NumPy where the arguments lie in different memory orders"
HEADER = (
    "function", "dtype", "worst", "n, n_prev, m", "NumPy, µs", "fastdnn, µs", "times faster",
    "quartiles", "all C",
)  # fmt: skip
WIDTHS = (26, 7, 6, 16, 10, 11, 12, 13, 6)

# for each function the arrays whose memory order is varied, and the call; biases are vectors
FUNCTIONS: dict[str, tuple[tuple[str, ...], Callable[..., object]]] = {
    "sigmoid": (("Z",), lambda f, Z: f.sigmoid(Z)),
    "relu": (("Z",), lambda f, Z: f.relu(Z)),
    "sigmoid_backward": (("dA", "Z"), lambda f, dA, Z: f.sigmoid_backward(dA, Z)),
    "relu_backward": (("dA", "Z"), lambda f, dA, Z: f.relu_backward(dA, Z)),
    # where all units are active NumPy's mask selects nothing
    "relu_backward, active": (("dA", "Z > 0"), lambda f, dA, Z: f.relu_backward(dA, Z)),
    "compute_cost": (("AL", "Y"), lambda f, AL, Y: f.compute_cost(AL, Y)),
    "update_parameters": (
        ("W", "dW"),
        lambda f, W, dW, b: f.update_parameters(
            {"W1": W, "b1": b}, {"dW1": dW, "db1": b}, LEARNING_RATE
        ),
    ),
    "linear_forward": (("A_prev", "W"), lambda f, A, W, b: f.linear_forward(A, W, b)),
    "linear_activation_forward": (
        ("A_prev", "W"),
        lambda f, A, W, b: f.linear_activation_forward(A, W, b, "relu"),
    ),
    "L_model_forward": (
        ("A_prev", "W"),
        lambda f, X, W, b: f.L_model_forward(X, {"W1": W, "b1": b}),
    ),
    "linear_backward": (
        ("dA", "A_prev", "W"),
        lambda f, dZ, A, W, b: f.linear_backward(dZ, (A, W, b)),
    ),
    "linear_activation_backward": (
        ("dA", "Z", "A_prev", "W"),
        lambda f, dA, Z, A, W, b: f.linear_activation_backward(dA, ((A, W, b), Z), "relu"),
    ),
    "the same, active": (
        ("dA", "Z > 0", "A_prev", "W"),
        lambda f, dA, Z, A, W, b: f.linear_activation_backward(dA, ((A, W, b), Z), "relu"),
    ),
    "L_model_backward": (
        ("AL", "Y", "Z", "A_prev", "W"),
        lambda f, AL, Y, Z, A, W, b: f.L_model_backward(AL, Y, [((A, W, b), Z)]),
    ),
}
SIZES = ((1, 1, 1), (2, 3, 5), (1, 10, 64), (10, 20, 64), (100, 100, 100), (1000, 1000, 1000))


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Time each function in each mix, and show the worst one of each size."""
    course, rows = load_course(), []
    sizes = SIZES[1:2] if quick else SIZES
    for name, (n, n_prev, m), dtype in product(FUNCTIONS, sizes, ("float64", "float32")):
        timed = {}
        for mix, call in _mixes(name, n, n_prev, m, dtype):
            if not agree(call(course), call(fastdnn)):
                raise ValueError(f"{name} of {mix} in {dtype}: the results differ")
            timed[mix] = _compare(call, course, rounds, quick)
        for mix, times in timed.items():
            rows.append(
                {
                    "function": name, "dtype": dtype, "mix": mix, "n": n, "n_prev": n_prev, "m": m,
                    "numpy_us": times.baseline_us, "fastdnn_us": times.contender_us,
                    "ratio": times.ratio, "ratio_low": times.low, "ratio_high": times.high,
                }
            )  # fmt: skip
        worst = min(timed, key=lambda mix: timed[mix].ratio)
        times, equal = timed[worst], next(iter(timed.values()))
        show(
            (
                name, dtype, worst, f"{n}, {n_prev}, {m}", f"{times.baseline_us:.1f}",
                f"{times.contender_us:.1f}", f"{times.ratio:.2f}",
                f"{times.low:.2f} - {times.high:.2f}", f"{equal.ratio:.2f}",
            )
        )  # fmt: skip
    return rows


def _compare(call: Callable[[Any], object], course: Any, rounds: int, quick: bool) -> Comparison:
    return compare(
        lambda: call(course),
        lambda: call(fastdnn),
        rounds=rounds,
        seconds=2e-4 if quick else 2e-3,
    )


def _mixes(
    name: str, n: int, n_prev: int, m: int, dtype: str
) -> Iterator[tuple[str, Callable[[Any], object]]]:
    """Make every mix of C order, Fortran order and parts of larger arrays."""
    names, function = FUNCTIONS[name]
    random = np.random.default_rng(0)
    shapes = {"W": (n, n_prev), "dW": (n, n_prev), "A_prev": (n_prev, m)}
    arrays = []
    for name in names:
        values = random.standard_normal(shapes.get(name, (n, m)))
        if name in ("AL", "Y"):
            values = 0.5 + 0.4 * np.tanh(values)  # so that the cost is finite
        elif name == "Z > 0":
            values = 0.1 + np.abs(values)
        arrays.append(values.astype(dtype))
    rest = [np.zeros((n, 1), dtype)] if "W" in names else []
    k = len(names)
    for mix in [*map("".join, product("CF", repeat=k)), "S" * k, *("S" + "C" * (k - 1),) * (k > 1)]:
        laid = [_laid(array, order) for array, order in zip(arrays, mix, strict=True)]
        yield mix, lambda side, laid=laid: function(side, *laid, *rest)  # type: ignore[misc]


def _laid(array: Any, order: str) -> Any:
    """Lay an array out by rows, by columns, or as a slice: every other row and some columns."""
    if order != "S":
        return np.asarray(array, order=order)  # type: ignore[call-overload]
    memory = np.zeros((2 * array.shape[0], array.shape[1] + 3), array.dtype)
    part = memory[::2, 3:]
    part[:] = array
    return part
