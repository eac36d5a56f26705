"""Many fits at once, beside the same fits one after the other: networks, and the searches."""

import warnings
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

import fastdnn

TITLE = "many fits at once, [30, 32, 1], breast cancer in five folds, batch 32, 50 epochs, float32"
HEADER = ("who", "beside", "threads", "fits", "ms a fit", "beside, ms", "times faster")
WIDTHS = (22, 28, 8, 6, 9, 11, 13)
FOLDS = 5


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Take each pair in turns."""
    X, y = _data()
    epochs = 2 if quick else 50
    found = []
    for who, beside, candidates, one, other in _pairs(X, y, epochs, threads):
        n = 2 if quick else candidates
        count = n * FOLDS
        times = np.array([[_seconds(one, n), _seconds(other, n)] for _ in range(rounds)])
        ms, theirs = 1e3 * np.median(times, axis=0) / count
        faster = float(np.median(times[:, 1] / times[:, 0]))
        row = {"who": who, "beside": beside, "threads": threads, "fits": count}
        found.append(row | {"ms": float(ms), "other_ms": float(theirs), "faster": faster})
        numbers = (f"{ms:.2f}", f"{theirs:.2f}", f"{faster:.2f}")
        show((who, beside, str(threads), str(count), *numbers))
    return found


def _pairs(X: Any, y: Any, epochs: int, threads: int) -> list[tuple[Any, ...]]:
    import sklearn.model_selection as theirs
    from sklearn.neural_network import MLPClassifier

    import fastdnn.estimators as ours

    search = partial(_search, X, y, epochs)
    mine, n_jobs = (ours.GridSearchCV, ours.MLPClassifier), None if threads > 1 else 1
    return [
        (
            "fit_many", "fit, one by one", 200,
            partial(_many, X, y, epochs, threads), partial(_one_by_one, X, y, epochs),
        ),
        (
            "GridSearchCV", "scikit-learn's, one job", 40,
            partial(search, *mine, n_jobs), partial(search, theirs.GridSearchCV, mine[1], 1),
        ),
        (
            "GridSearchCV", "scikit-learn alone, one job", 1,
            partial(search, *mine, n_jobs), partial(search, theirs.GridSearchCV, MLPClassifier, 1),
        ),
    ]  # fmt: skip


def _data() -> tuple[Any, Any]:
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import scale

    X, y = load_breast_cancer(return_X_y=True)
    return scale(X).astype(np.float32), y


def _seconds(call: Callable[[int], object], candidates: int) -> float:
    start = perf_counter()
    call(candidates)
    return perf_counter() - start


def _networks(m: int, candidates: int) -> tuple[list[Any], list[Any], list[Any]]:
    order = np.random.default_rng(0).permutation(m)
    folds = [np.setdiff1d(order, part) for part in np.array_split(order, FOLDS)]
    nets = [fastdnn.Network([30, 32, 1], dtype="float32", rng=0) for _ in range(FOLDS * candidates)]
    rates = np.repeat(np.geomspace(1e-4, 1e-2, candidates), FOLDS)
    return nets, folds * candidates, [fastdnn.Adam(float(rate)) for rate in rates]


def _many(X: Any, y: Any, epochs: int, threads: int, candidates: int) -> None:
    nets, rows, optimizers = _networks(len(X), candidates)
    options = {"batch_size": 32, "epochs": epochs, "n_threads": threads}
    fastdnn.fit_many(nets, X, y, rows=rows, optimizer=optimizers, **options)  # type: ignore[arg-type]


def _one_by_one(X: Any, y: Any, epochs: int, candidates: int) -> None:
    for net, rows, optimizer in zip(*_networks(len(X), candidates), strict=True):
        net.fit(X[rows], y[rows], optimizer=optimizer, batch_size=32, epochs=epochs, n_threads=1)


def _search(
    X: Any, y: Any, epochs: int, kind: Any, estimator: Any, n_jobs: int | None, candidates: int
) -> None:
    model = estimator(
        (32,), batch_size=32, max_iter=epochs, tol=0, n_iter_no_change=epochs + 1, random_state=0
    )
    grid = {"learning_rate_init": list(np.geomspace(1e-4, 1e-2, candidates))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind(model, grid, cv=FOLDS, refit=False, n_jobs=n_jobs).fit(X, y)
