"""How long the estimators of tables take, beside their bare steps and the same ones by PyTorch."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np

from bench import tabular
from bench.tabular import CASES, Case
from fastdnn import Adam, CosLog, Network

TITLE = "a fit of a table: all of it beside its steps, its last epochs beside its first, and others"
HEADER = (
    "table", "steps, s", "fit, s", "fit / steps", "last / first", "8 by two", "PyTorch, times",
)  # fmt: skip
WIDTHS = (15, 9, 8, 12, 13, 9, 15)
# of the photographs' tables, whose whole fits take minutes with PyTorch
FEW = 16
ENSEMBLE = "8 by two"


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Fit each table in each way in turns; the number of threads is that of all but the ensemble.

    A ratio is the median of the rounds' own.
    """
    found = []
    for case in CASES[::3] if quick else CASES:
        X, y = tabular._load(case, 300 if quick else None)
        epochs = 4 if quick else 256 if case.small else FEW
        rows = np.random.RandomState(0).permutation(len(X))[len(X) // 5 :]
        ways = _ways(case, epochs, threads, X[rows], y[rows])
        times: dict[str, list[float]] = {name: [] for name in ways}
        lasts = []
        for seed in range(rounds):
            for name, way in ways.items():
                start = perf_counter()
                made = way(seed)
                seconds = perf_counter() - start
                if name == "steps":
                    seconds, epoch = made.times[-1], np.diff(made.times)
                    some = min(10, len(epoch) // 2)
                    lasts.append(epoch[-some:].sum() / epoch[:some].sum())
                times[name].append(seconds)
        of_fit = {
            name: float(np.median(np.divide(each, times["fit"]))) for name, each in times.items()
        }
        row: dict[str, Any] = {"case": case.name, "epochs": epochs}
        row |= {name: float(np.median(times[name])) for name in ("steps", "fit")}
        row["times_steps"] = float(np.median(np.divide(times["fit"], times["steps"])))
        row["last"] = float(np.median(lasts))
        row |= {"ensemble": of_fit.get(ENSEMBLE), "torch": of_fit.get("PyTorch")}
        found.append(row)
        show((case.name, *cells(row)))
    return found


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Write the numbers of a row."""
    ratios = (row[name] for name in ("times_steps", "last", "ensemble", "torch"))
    return (
        f"{row['steps']:.3f}",
        f"{row['fit']:.3f}",
        *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
    )


def _ways(
    case: Case, epochs: int, threads: int, X: Any, y: Any
) -> dict[str, Callable[[int], Any]]:  # fmt: skip
    estimators = import_module("fastdnn.estimators")
    kind = estimators.TabularMLPClassifier if case.classes else estimators.TabularMLPRegressor

    def fit(seed: int, **more: Any) -> Any:
        return kind(max_iter=epochs, random_state=seed, **more).fit(X, y)

    ways: dict[str, Callable[[int], Any]] = {
        "steps": partial(_steps, case.classes, epochs, threads, X, y),
        "fit": partial(fit, n_threads=threads),
    }
    if case.small:
        ways[ENSEMBLE] = partial(fit, n_threads=2, n_ensemble=8)
    if find_spec("torch"):
        ways["PyTorch"] = partial(tabular._torch, case.classes, epochs, threads, X, y)
    return ways


def _steps(classes: bool, epochs: int, threads: int, X: Any, y: Any, seed: int) -> Any:
    """Take a fit's steps alone: its rows are ready, and no epoch is looked at."""
    estimators = import_module("fastdnn.estimators")
    train = np.random.RandomState(seed).permutation(len(X))[len(X) // 5 :]
    prep = estimators.TabularPreprocessor(dtype="float32").fit(X[train])
    Z, T = prep.transform(X[train]), y[train]
    if classes:
        T = np.searchsorted(np.unique(y), T)
    else:
        T = ((T - T.mean()) / T.std()).astype(np.float32)[:, None]
    net = Network(
        [Z.shape[1], 256, 256, 256, len(np.unique(y)) if classes else 1],
        "selu" if classes else "mish", "softmax" if classes else "identity", dtype="float32",
        init="lecun", init_bias=1.0, zero_output=True, parametrization="ntk", input_scale=True,
        rng=seed,
    )  # fmt: skip
    return net.fit(
        Z, T, epochs=epochs, batch_size=256, last_batch="drop", n_threads=threads,
        optimizer=Adam(CosLog(0.04 if classes else 0.07, epochs), beta2=0.95),
        rate_factors={"scale": 6.0, "b": 0.1}, label_smoothing=0.1 if classes else 0.0,
    )  # fmt: skip
