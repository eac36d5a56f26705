"""Fits in two threads beside the same fits in one: breast cancer, 32 units, batch 32, 50 epochs."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

TITLE = "Small fits in two threads: breast cancer, 32 units, batch 32, 50 epochs"
HEADER = ("what", "dtype", "one, ms", "with one epoch, ms", "two threads, ms", "times faster")
WIDTHS = (24, 7, 9, 18, 15, 12)
GRID: dict[str, Any] = {
    "alpha": np.logspace(-5, 0, 6),
    "learning_rate_init": (1e-3, 3e-3, 1e-2, 3e-2),
}


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Time fits one after the other, and in two threads, in turns."""
    X, y = import_module("sklearn.datasets").load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    folds, grid, made = (2, {"alpha": (1e-5, 1e-3)}, 4) if quick else (5, GRID, 120)
    rows = []
    for dtype in ("float64", "float32"):
        data = X.astype(dtype), y
        searched = partial(_searched, *data, grid, folds)
        for what, act in (("4 fits", partial(_fits, *data)), (f"a search, {made} fits", searched)):
            times = np.array([[_timed(act, n) for n in (1, 2)] for _ in range(rounds)])
            alone = [_timed(partial(act, epochs=1), 1) for _ in range(rounds)]
            one, two = np.median(times, axis=0)
            row = {
                "what": what,
                "dtype": dtype,
                "one_ms": 1e3 * float(one),
                "alone_ms": 1e3 * float(np.median(alone)),
                "two_ms": 1e3 * float(two),
                "faster": float(np.median(times[:, 0] / times[:, 1])),
            }
            rows.append(row)
            numbers = (f"{row[name]:.1f}" for name in ("one_ms", "alone_ms", "two_ms"))
            show((what, dtype, *numbers, f"{row['faster']:.2f}"))
    return rows


def _new(epochs: int) -> Any:
    kind = import_module("fastdnn.estimators").MLPClassifier
    return kind((32,), batch_size=32, max_iter=epochs, random_state=0, n_threads=1)


def _fits(X: Any, y: Any, n: int, epochs: int = 50) -> None:
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(lambda _: _new(epochs).fit(X, y), range(4)))


def _searched(X: Any, y: Any, grid: dict[str, Any], folds: int, n: int, epochs: int = 50) -> None:
    search = import_module("sklearn.model_selection").GridSearchCV
    with import_module("joblib").parallel_backend("threading"):
        search(_new(epochs), grid, cv=folds, n_jobs=n, refit=False).fit(X, y)


def _timed(act: Callable[[int], None], n: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few epochs do not converge
        start = perf_counter()
        act(n)
        return perf_counter() - start
