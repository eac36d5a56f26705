"""The course's second part against NumPy as the course writes it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

import fastdnn
from bench.cases import DTYPES, agree, load_course
from bench.layers import KEEP_PROB, LAMBD, load_layers
from bench.timing import compare
from fastdnn import course2

TITLE = "fastdnn against NumPy as the course's second part writes it"
HEADER = ("function", "dtype", "of", "NumPy, µs", "fastdnn, µs", "times faster", "quartiles")
WIDTHS = (28, 7, 26, 10, 11, 12, 13)

Call = Callable[[], Any]
Arrays = dict[str, Any]

# layers of about so many parameters
DIMS = {"1 000 parameters": (16, 32, 12, 4), "10^6 parameters": (784, 1000, 200, 50, 1)}
# features, examples and the memory order of X
SHAPES = {
    "(2, 300)": (2, 300, "C"),
    "(784, 5000)": (784, 5000, "C"),
    "(784, 5000), Fortran order": (784, 5000, "F"),
}


# networks whose output is sigmoid's or softmax's, on mini-batches
NETWORKS = {"[16, 32, 1]": (16, 32, 1), "[784, 256, 128, 10]": (784, 256, 128, 10)}
BATCH = 64
LEARNING_RATE = 0.001


@dataclass(frozen=True)
class Case:
    """One row of the table: the same call on both sides."""

    function: str
    dtype: str
    of: str
    begin: Callable[[Any, str, str], Call]


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Time each call in turns with NumPy's."""
    course, rows = load_course("reference_course2"), []
    for case in _cases(quick):
        numpy_call, call = (case.begin(side, case.of, case.dtype) for side in (course, course2))
        if case.begin is not _fit and not agree(numpy_call(), call()):
            raise ValueError(f"{case.function} of {case.of} in {case.dtype}: the results differ")
        times = compare(numpy_call, call, rounds=4 * rounds, seconds=5e-4 if quick else 30e-3)
        rows.append(
            {
                "function": case.function, "dtype": case.dtype, "of": case.of,
                "numpy_us": times.baseline_us, "fastdnn_us": times.contender_us,
                "ratio": times.ratio, "ratio_low": times.low, "ratio_high": times.high,
            }
        )  # fmt: skip
        show(
            (
                case.function, case.dtype, case.of, f"{times.baseline_us:.1f}",
                f"{times.contender_us:.1f}", f"{times.ratio:.2f}",
                f"{times.low:.2f} - {times.high:.2f}",
            )
        )  # fmt: skip
    return rows


def _cases(quick: bool) -> Iterator[Case]:
    updates = {"momentum": _momentum, "Adam": _adam, "Adam, corrected=False": _adam_of_three}
    for of, (name, begin), dtype in product(
        list(DIMS)[: 1 if quick else 2], updates.items(), DTYPES
    ):
        yield Case(name, dtype, of, begin)
    for of, dtype in product(list(SHAPES)[: 1 if quick else 3], DTYPES):
        yield Case("random_mini_batches", dtype, of, _batches)
    chosen = list(NETWORKS)[: 1 if quick else 2]
    for (name, begin), of, dtype in product(
        {"step": _step, "L_layer_model": _fit}.items(), chosen, DTYPES
    ):
        yield Case(name, dtype, of, begin)


# ----------------------------------------------------------------------------------------- updates


def _drawn(of: str, dtype: str) -> tuple[Arrays, Arrays]:
    random, parameters, grads, dims = np.random.default_rng(0), {}, {}, DIMS[of]
    for l in range(1, len(dims)):
        for key, shape in ((f"W{l}", (dims[l], dims[l - 1])), (f"b{l}", (dims[l], 1))):
            parameters[key] = random.standard_normal(shape).astype(dtype)
            grads[f"d{key}"] = 0.1 * random.standard_normal(shape).astype(dtype)
    return parameters, grads


def _momentum(side: Any, of: str, dtype: str) -> Call:
    """Make a call that goes on from the step before, as training does."""
    parameters, grads = _drawn(of, dtype)
    now = [parameters, side.initialize_velocity(parameters)]

    def step() -> object:
        now[:] = side.update_parameters_with_momentum(now[0], grads, now[1], 0.9, 0.01)
        return tuple(now)

    return step


def _adam(side: Any, of: str, dtype: str, **options: bool) -> Call:
    parameters, grads = _drawn(of, dtype)
    now = [parameters, *side.initialize_adam(parameters)]

    def step() -> object:
        now[:] = side.update_parameters_with_adam(*now[:1], grads, *now[1:3], t=2, **options)
        return tuple(now[:3])

    return step


def _adam_of_three(side: Any, of: str, dtype: str) -> Call:
    # the course computes the corrected moments all the same
    return _adam(side, of, dtype, **({"corrected": False} if side is course2 else {}))


# ------------------------------------------------------------------------------------ mini-batches


def _batches(side: Any, of: str, dtype: str) -> Call:
    random, (n, m, order) = np.random.default_rng(0), SHAPES[of]
    X = np.asarray(random.standard_normal((n, m)), dtype, order)  # type: ignore[call-overload]
    Y = random.integers(0, 2, (1, m)).astype(dtype)
    return lambda: side.random_mini_batches(X, Y)


# ------------------------------------------------------------------------------- steps, and fits


def _problem(layer_dims: tuple[int, ...], m: int, dtype: str) -> tuple[Any, Any]:
    random = np.random.RandomState(0)
    X = random.random_sample((layer_dims[0], m)).astype(dtype)
    classes = random.randint(0, max(layer_dims[-1], 2), m)
    Y = classes[None] if layer_dims[-1] == 1 else np.eye(layer_dims[-1])[:, classes]
    return X, Y.astype(dtype)


def _output(layer_dims: tuple[int, ...]) -> Any:
    return "sigmoid" if layer_dims[-1] == 1 else "softmax"


def _step(side: Any, of: str, dtype: str) -> Call:
    """Make a step of a mini-batch: the first one's masks are the same on both sides."""
    layers = course2 if side is course2 else load_layers()
    layer_dims, masks = NETWORKS[of], [np.random.RandomState(0)]
    X, Y = _problem(layer_dims, BATCH, dtype)
    output = {"output_activation": _output(layer_dims)}
    parameters = course2.initialize_parameters_he(layer_dims, dtype=dtype)
    now = [parameters, *side.initialize_adam(parameters)]

    def step() -> object:
        rng = masks.pop() if masks else None if side is course2 else np.random
        AL, caches = layers.L_model_forward(X, now[0], KEEP_PROB, rng=rng, **output)
        cost = layers.compute_cost(AL, Y, now[0], LAMBD, **output)
        grads = layers.L_model_backward(AL, Y, caches, LAMBD, KEEP_PROB, **output)
        now[:] = _moved(side, now, grads)
        return cost, tuple(now)

    return step


def _moved(side: Any, now: list[Arrays], grads: Arrays) -> list[Arrays]:
    options = {"corrected": False} if side is course2 else {}
    results = side.update_parameters_with_adam(now[0], grads, *now[1:], 2, LEARNING_RATE, **options)
    return list(results[:3])


def _fit(side: Any, of: str, dtype: str) -> Call:
    """Make a fit of ten epochs of 20 mini-batches, by L_layer_model or by Network."""
    layer_dims = NETWORKS[of]
    X, Y = _problem(layer_dims, 20 * BATCH, dtype)
    X = np.asfortranarray(X)
    output = _output(layer_dims)
    if side is course2:
        return lambda: course2.L_layer_model(
            X, Y, layer_dims, LEARNING_RATE, 10, optimizer="adam", mini_batch_size=BATCH,
            initialization="he", output_activation=output,
        )  # fmt: skip
    T, adam = np.ascontiguousarray(Y.T), fastdnn.Adam(LEARNING_RATE)

    def fit() -> object:
        net = fastdnn.Network(layer_dims, output_activation=output, dtype=dtype, rng=0)
        return net.fit(X.T, T, optimizer=adam, batch_size=BATCH, epochs=10)

    return fit
