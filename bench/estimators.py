"""The estimators beside scikit-learn's own: time, memory, accuracy, loss."""

import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

TITLE = "fastdnn's estimators and scikit-learn's, at the same parameters"
HEADER = (
    "case", "dtype", "fit, s", "theirs", "faster", "quartiles", "predict", "MB", "theirs",
    "score", "theirs", "loss", "theirs",
)  # fmt: skip
WIDTHS = (16, 7, 8, 8, 6, 13, 7, 6, 6, 7, 7, 8, 8)


@dataclass(frozen=True)
class Case:
    """One data set, one class, its parameters; m limits the examples."""

    name: str
    estimator: str
    data: str
    parameters: dict[str, Any]
    m: int | None = None


CASES = (
    Case("cancer", "MLPClassifier", "cancer", {}),
    Case("cancer, small", "MLPClassifier", "cancer", {"hidden_layer_sizes": (32,),
         "batch_size": 32, "max_iter": 50}),
    Case("digits", "MLPClassifier", "digits", {"hidden_layer_sizes": (256, 128),
         "batch_size": 200, "max_iter": 20}),
    Case("which photograph", "MLPClassifier", "pixels", {"hidden_layer_sizes": (128, 64),
         "batch_size": 256, "max_iter": 1}),
    Case("centre's red", "MLPRegressor", "pixels", {"hidden_layer_sizes": (128, 64),
         "batch_size": 256, "max_iter": 1}),
)  # fmt: skip


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Fit each case by both classes in turns."""
    rows = []
    for case in CASES:
        case = _shorten(case) if quick else case
        for dtype in ("float64", "float32"):
            row = _compare(case, dtype, rounds, threads)
            rows.append(row)
            show(
                (
                    case.name, dtype, f"{row['seconds']:.3f}", f"{row['sklearn_seconds']:.3f}",
                    f"{row['faster']:.1f}", f"{row['low']:.1f} - {row['high']:.1f}",
                    f"{row['predict_faster']:.1f}",
                    f"{row['megabytes']:.0f}", f"{row['sklearn_megabytes']:.0f}",
                    f"{row['score']:.4f}", f"{row['sklearn_score']:.4f}",
                    f"{row['loss']:.5f}", f"{row['sklearn_loss']:.5f}",
                )
            )  # fmt: skip
    return rows


def _compare(case: Case, dtype: str, rounds: int, threads: int) -> dict[str, Any]:
    X, y = _load(case, dtype)
    modules = [import_module(n) for n in ("fastdnn.estimators", "sklearn.neural_network")]
    times = np.empty((rounds, 2, 2))
    # the first fit of each class warms the caches, the second one has its memory counted
    fitted = [_fit(module, case, X, y, threads) for module in modules]
    memory = [_peak(partial(_fit, module, case, X, y, threads)) for module in modules]
    for i in range(rounds):
        for k in (0, 1) if i % 2 else (1, 0):
            start = perf_counter()
            est = _fit(modules[k], case, X, y, threads)
            times[i, 0, k] = perf_counter() - start
            start = perf_counter()
            est.predict(X[:100_000])
            times[i, 1, k] = perf_counter() - start
    ratios = times[:, :, 1] / times[:, :, 0]
    low, high = np.percentile(ratios[:, 0], (25, 75))
    scores = [est.score(X[:100_000], y[:100_000]) for est in fitted]
    return {
        "case": case.name,
        "dtype": dtype,
        "seconds": float(np.median(times[:, 0, 0])),
        "sklearn_seconds": float(np.median(times[:, 0, 1])),
        "faster": float(np.median(ratios[:, 0])),
        "low": float(low),
        "high": float(high),
        "predict_faster": float(np.median(ratios[:, 1])),
        "megabytes": memory[0],
        "sklearn_megabytes": memory[1],
        "score": float(scores[0]),
        "sklearn_score": float(scores[1]),
        "loss": float(fitted[0].loss_),
        "sklearn_loss": float(fitted[1].loss_),
    }


def _fit(module: Any, case: Case, X: Any, y: Any, threads: int) -> Any:
    options = {"n_threads": threads} if module.__name__.startswith("fastdnn") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few epochs do not converge
        return getattr(module, case.estimator)(random_state=0, **case.parameters, **options).fit(
            X, y
        )


def _peak(call: Callable[[], object]) -> float:
    """Measure the most memory, in MB, that a call has of NumPy and Python beside its data."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _shorten(case: Case) -> Case:
    return replace(case, parameters=case.parameters | {"max_iter": 1}, m=1000)


def _load(case: Case, dtype: str) -> tuple[Any, Any]:
    datasets = import_module("sklearn.datasets")
    if case.data == "cancer":
        X, y = datasets.load_breast_cancer(return_X_y=True)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    elif case.data == "digits":
        X, y = datasets.load_digits(return_X_y=True)
        X = X / 16
    else:
        X, photograph, colours = pixels(datasets.load_sample_images().images)
        y = photograph if case.estimator == "MLPClassifier" else colours[:, 0]
    chosen: Any = slice(None)
    if case.m is not None:
        chosen = np.random.default_rng(0).permutation(len(X))[: case.m]
    X = X[chosen].astype(dtype)
    return X, y[chosen].astype(dtype) if case.estimator == "MLPRegressor" else y[chosen]


def pixels(images: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Cut 5 x 5 neighbourhoods without their centres: X, which image, the centre's colours."""
    parts = []
    for i, image in enumerate(images):
        windows = np.lib.stride_tricks.sliding_window_view(image / 255.0, (5, 5), axis=(0, 1))
        flat = windows.transpose(0, 1, 3, 4, 2).reshape(-1, 25, 3)
        X = np.delete(flat, 12, axis=1).reshape(len(flat), 72)
        parts.append((X, np.full(len(flat), i), flat[:, 12]))
    X, photograph, colours = (np.concatenate(part) for part in zip(*parts, strict=True))
    return X, photograph, colours
