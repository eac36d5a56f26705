"""The estimators of tables: errors and times beside other methods, and beside PyTorch's steps."""

import copy
import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.estimators import pixels

TITLE = "tables: error of a fifth that is kept for testing, mean of as many splits, and one fit"
HEADER = ("table", "who", "fits", "error", "std. error", "log loss", "fit, s", "PyTorch, times")
WIDTHS = (18, 27, 5, 9, 11, 9, 8, 14)
# of a table that no rounds are of
SPLITS = 3
# rows of the photographs' neighbourhoods
ROWS = 20_000


@dataclass(frozen=True)
class Case:
    """A table, whether it has classes, and its splits a round: more where each tells less."""

    name: str
    classes: bool
    splits: int = 0

    @property
    def small(self) -> bool:
        """Tell whether there are rounds of it."""
        return self.splits > 0


CASES = (
    Case("breast cancer", True, 10),
    Case("wine", True, 10),
    Case("digits", True, 3),
    Case("diabetes", False, 10),
    Case("which photograph", True),
    Case("centre's green", False),
)


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Fit each table by each method, every time to another split with another seed."""
    found = []
    for case in CASES:
        X, y = _load(case, 300 if quick else None)
        methods = _methods(case, quick, threads)
        for who, fit in methods.items():
            errors, losses, times = [], [], []
            for split in range(2 if quick else rounds * case.splits if case.small else SPLITS):
                order = np.random.RandomState(split).permutation(len(X))
                test, train = order[: len(X) // 5], order[len(X) // 5 :]
                start = perf_counter()
                model = fit(X[train], y[train], 100 * split)
                times.append(perf_counter() - start)
                errors.append(_error(case, model.predict(X[test]), y[test]))
                if hasattr(model, "predict_proba"):
                    losses.append(_log_loss(model, X[test], y[test]))
            row: dict[str, Any] = {"case": case.name, "who": who, "fits": len(errors)}
            row |= {"error": float(np.mean(errors)), "seconds": float(np.median(times))}
            row["standard_error"] = float(np.std(errors, ddof=1) / len(errors) ** 0.5)
            row["log_loss"] = float(np.mean(losses)) if losses else None
            found.append(row)
            ours = next(each for each in found if each["case"] == case.name)
            row["times"] = row["seconds"] / ours["seconds"]
            show((case.name, *cells(row)))
    return found


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Write the cells of a row, but for the name of its table."""
    digits = 4 if row["log_loss"] is not None or row["error"] < 1 else 2
    return (
        row["who"],
        str(row["fits"]),
        f"{row['error']:.{digits}f}",
        f"{row['standard_error']:.{digits}f}",
        "" if row["log_loss"] is None else f"{row['log_loss']:.3f}",
        f"{row['seconds']:.2f}",
        f"{row['times']:.1f}" if "PyTorch" in row["who"] else "",
    )


def _methods(case: Case, quick: bool, threads: int) -> dict[str, Callable[..., Any]]:
    """Name functions of rows, targets and a seed that give what predicts."""
    ours, ensemble = import_module("fastdnn.estimators"), import_module("sklearn.ensemble")
    kind = "Classifier" if case.classes else "Regressor"
    tabular = getattr(ours, f"TabularMLP{kind}")
    epochs, few = 2 if quick else 256, {"max_iter": 2} if quick else {}
    settings: dict[str, Any] = {"max_iter": epochs, "n_threads": threads}
    methods: dict[str, Callable[..., Any]] = {
        f"TabularMLP{kind}": partial(_fitted, tabular, settings),
        "an ensemble of 8": partial(_fitted, tabular, settings | {"n_ensemble": 8}),
        f"MLP{kind}, standardised": partial(
            _standardised, getattr(ours, f"MLP{kind}"), {"n_threads": threads, **few}
        ),
        "HistGradientBoosting": partial(
            _fitted, getattr(ensemble, f"HistGradientBoosting{kind}"), few
        ),
    }
    if case.classes:
        sharp = {"label_smoothing": 0, "scoring": "neg_log_loss"}
        methods["calibrated"] = partial(_fitted, tabular, settings | {"calibrate": True})
        methods["by the log loss"] = partial(_fitted, tabular, settings | sharp)
    if find_spec("torch"):
        methods["PyTorch, the same steps"] = partial(_torch, case.classes, epochs, threads)
    return methods


def _fitted(kind: Any, settings: dict[str, Any], X: Any, y: Any, seed: int) -> Any:
    return kind(**settings, random_state=seed).fit(X, y)


def _standardised(kind: Any, settings: dict[str, Any], X: Any, y: Any, seed: int) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), kind(**settings, random_state=seed))
    if y.dtype.kind == "f":
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        return model.fit(X, y)


def _error(case: Case, found: Any, y: Any) -> float:
    return float(np.mean(found != y) if case.classes else np.sqrt(np.mean((found - y) ** 2)))


def _log_loss(model: Any, X: Any, y: Any) -> float:
    P = np.asarray(model.predict_proba(X), np.float64)[
        np.arange(len(y)), np.searchsorted(model.classes_, y)
    ]
    return float(-np.log(np.maximum(P, np.finfo(np.float32).tiny)).mean())


def _load(case: Case, m: int | None) -> tuple[Any, Any]:
    datasets = import_module("sklearn.datasets")
    names = {"breast cancer": "breast_cancer", "wine": "wine", "digits": "digits"}
    names["diabetes"] = "diabetes"
    if case.name in names:
        X, y = getattr(datasets, f"load_{names[case.name]}")(return_X_y=True)
    else:
        X, photograph, colours = pixels(datasets.load_sample_images().images)
        chosen = np.random.default_rng(0).permutation(len(X))[:ROWS]
        X = X[chosen]
        y = photograph[chosen] if case.classes else 255 * colours[chosen, 1]
    return X[:m], y[:m] if case.classes else y[:m].astype(float)


# -------------------------------------------------------------------------------------------- torch


def _torch(classes: bool, epochs: int, threads: int, X: Any, y: Any, seed: int) -> Any:
    """Take the same steps by PyTorch: the same preprocessing, network, optimiser and best epoch."""
    import torch

    from fastdnn.estimators import TabularPreprocessor

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    order = np.random.RandomState(seed).permutation(len(X))
    val, train = order[: len(X) // 5], order[len(X) // 5 :]
    prep = TabularPreprocessor(dtype="float32").fit(X[train])
    kinds: Any = np.unique(y) if classes else None
    mean, std = (0.0, 1.0) if classes else (y[train].mean(), y[train].std())
    targets = np.searchsorted(kinds, y) if classes else ((y - mean) / std).astype(np.float32)
    Z, T = torch.from_numpy(prep.transform(X)), torch.from_numpy(targets)
    dims = [Z.shape[1], 256, 256, 256, len(kinds) if kinds is not None else 1]
    pairs = list(itertools.pairwise(dims))
    weights = [torch.randn(i, o) for i, o in pairs]
    biases = [torch.randn(o) for _, o in pairs]
    weights[-1].zero_()
    biases[-1].zero_()
    scale = torch.ones(dims[0])
    for P in (scale, *weights, *biases):
        P.requires_grad_(True)
    groups = [([scale], 6.0), (weights, 1.0), (biases, 0.1)]
    optimizer = torch.optim.Adam(
        [{"params": params, "factor": factor} for params, factor in groups], betas=(0.9, 0.95)
    )
    activation = torch.nn.functional.selu if classes else torch.nn.functional.mish
    cost: Any = torch.nn.functional.mse_loss
    if classes:
        cost = partial(torch.nn.functional.cross_entropy, label_smoothing=0.1)

    def outputs(A: Any) -> Any:
        A = A * scale
        for l, (W, b) in enumerate(zip(weights, biases, strict=True), 1):
            A = (A @ W) / W.shape[0] ** 0.5 + b
            if l < len(weights):
                A = activation(A)
        return A if classes else A[:, 0]

    rows, held, batch = torch.from_numpy(train), torch.from_numpy(val), min(256, len(train))
    steps, step, best, kept = len(train) // batch, 0, np.inf, None
    for _ in range(epochs):
        order = rows[torch.randperm(len(rows))]
        for k in range(steps):
            at = order[k * batch : (k + 1) * batch]
            t = step / (epochs * steps)
            wave = (1 - np.cos(2 * np.pi * np.log2(1 + 15 * t))) / 2
            for group in optimizer.param_groups:
                group["lr"] = (0.04 if classes else 0.07) * wave * group["factor"]
            optimizer.zero_grad()
            cost(outputs(Z[at]), T[at]).backward()
            optimizer.step()
            step += 1
        with torch.no_grad():
            AL = outputs(Z[held])
            wrong = AL.argmax(1) != T[held] if classes else (AL - T[held]) ** 2
            value = float(wrong.float().mean())
            if value <= best:
                best, kept = value, copy.deepcopy((scale, weights, biases))
    assert kept is not None
    scale, weights, biases = kept

    def predict(X: Any) -> Any:
        with torch.no_grad():
            AL = outputs(torch.from_numpy(prep.transform(X))).numpy()
        return kinds[AL.argmax(1)] if kinds is not None else AL * std + mean

    return SimpleNamespace(predict=predict)
