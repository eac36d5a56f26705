"""How long a step takes at the beginning of a long fit, and late in it."""

import warnings
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from bench.peers import CONTENDERS, Call, Case, installed

TITLE = "A step early in a fit and late in it"
HEADER = ("network", "dtype", "who", "epoch 5, µs", "epoch 200, µs", "later / earlier")
WIDTHS = (12, 7, 16, 11, 13, 15)
WHO = ("fastdnn", "NumPy", "scikit-learn", "PyTorch", "PyTorch compiled", "JAX")
EARLY, LATE = 5, 200
# epochs before and after each of the two, of which the median is taken together
AROUND = 2
CASES = tuple(
    Case("16 x 64, Adam", (*[64] * 17, 1), 64, "adam", dtype=dtype, batches=60)
    for dtype in ("float32", "float64")
)


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Train each contender for some 200 epochs once, an epoch of each in turns."""
    rows = []
    for case in CASES[:1] if quick else CASES:
        late = 2 * EARLY if quick else LATE
        names = [name for name in WHO if installed(name)]
        epochs = [_begin(name, case, threads) for name in names]
        times = np.empty((late + AROUND, len(epochs)))
        for i in range(len(times)):
            for k, epoch in enumerate(epochs):
                start = perf_counter()
                epoch()
                times[i, k] = 1e6 * (perf_counter() - start) / case.batches
        for k, name in enumerate(names):
            early, later = (
                float(np.median(times[at - 1 - AROUND : at + AROUND, k])) for at in (EARLY, late)
            )
            row = {"case": case.name, "dtype": case.dtype, "who": name}
            rows.append(row | {"early_us": early, "late_us": later, "ratio": later / early})
            numbers = (f"{early:.1f}", f"{later:.1f}", f"{later / early:.2f}")
            show((case.name, case.dtype, name, *numbers))
    return rows


def _sklearn(case: Case) -> Call:
    # one partial_fit is one epoch: every batch once
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    X, y = case.data()
    model = MLPClassifier(
        case.layer_dims[1:-1], alpha=0.0, batch_size=case.m, learning_rate_init=case.rate,
        shuffle=False,
    )  # fmt: skip
    return partial(model.partial_fit, X, y, classes=[0, 1])


def _begin(name: str, case: Case, threads: int) -> Call:
    """Make a call that is one epoch, and goes on where the last one ended."""
    if name == "scikit-learn":
        return _sklearn(case)
    call = CONTENDERS[name][0](case, threads)
    assert call is not None
    return call
