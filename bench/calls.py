"""Single calls of `partial_fit` beside the step that they take and beside scikit-learn's checks.

The checks are the least that scikit-learn must do to raise the errors of `partial_fit`: the context
of the call, the validation of X and y, and the search for unknown classes in y.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import fastdnn
from bench.timing import compare_all

TITLE = "A call for one step: fastdnn's, scikit-learn's, and the latter's checks alone"
HEADER = (
    "call", "dtype", "labels", "step, µs", "fastdnn, µs", "checks, µs", "times checks",
    "theirs, µs", "faster",
)  # fmt: skip
WIDTHS = (22, 7, 10, 9, 11, 10, 12, 10, 6)


@dataclass(frozen=True)
class Case:
    """Rows of a call, and the labels: classes as numbers or text, or values."""

    rows: int
    labels: str
    outputs: int = 2
    dtype: str = "float64"


CASES = (
    Case(1, "numbers"),
    Case(32, "numbers"),
    Case(32, "numbers", dtype="float32"),
    Case(32, "numbers", outputs=5),
    Case(32, "text"),
    Case(32, "values", outputs=1),
    Case(256, "numbers"),
)
HIDDEN = (64, 64)


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Time each call in turns with scikit-learn's and with scikit-learn's checks alone."""
    rows = []
    for case in CASES:
        calls = [_step(case, threads), *_partial_fits(case, threads)]
        times = compare_all(calls, rounds=rounds, seconds=5e-4 if quick else 0.1)
        of_step, ours, checks, theirs = np.median(times, axis=0)
        row = {
            "call": f"partial_fit, {case.rows} x 4",
            "dtype": case.dtype,
            "labels": f"{case.outputs} {case.labels}",
            "step_us": float(of_step),
            "us": float(ours),
            "checks_us": float(checks),
            "times_checks": float(np.median(times[:, 1] / times[:, 2])),
            "sklearn_us": float(theirs),
            "faster": float(np.median(times[:, 3] / times[:, 1])),
        }
        rows.append(row)
        show(
            (
                str(row["call"]), case.dtype, str(row["labels"]), f"{of_step:.1f}", f"{ours:.1f}",
                f"{checks:.1f}", f"{row['times_checks']:.2f}", f"{theirs:.1f}",
                f"{row['faster']:.1f}",
            )
        )  # fmt: skip
    return rows


def _data(case: Case) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    X = random.normal(size=(case.rows, 4)).astype(case.dtype)
    if case.labels == "values":
        return X, random.normal(size=case.rows).astype(case.dtype), None
    classes = np.arange(case.outputs)
    if case.labels == "text":
        classes = np.array([f"class {c}" for c in classes])
    return X, classes[random.integers(0, case.outputs, case.rows)], classes


def _step(case: Case, threads: int) -> Callable[[], object]:
    """Make a fit of one step by `Network`, beside which a call of `partial_fit` is judged."""
    X, y, classes = _data(case)
    output = "identity" if classes is None else "softmax" if case.outputs > 2 else "sigmoid"
    n_L = case.outputs if output == "softmax" else 1
    net = fastdnn.Network([4, *HIDDEN, n_L], output_activation=output, dtype=case.dtype, rng=0)
    Y = y if classes is None else np.searchsorted(classes, y)
    return partial(net.fit, X, Y, batch_size=case.rows, n_threads=threads)


def _partial_fits(case: Case, threads: int) -> list[Callable[[], object]]:
    X, y, classes = _data(case)
    name = "MLPRegressor" if classes is None else "MLPClassifier"
    modules = [import_module(n) for n in ("fastdnn.estimators", "sklearn.neural_network")]
    ours, theirs = (
        getattr(module, name)(hidden_layer_sizes=HIDDEN, random_state=0) for module in modules
    )
    ours.n_threads = threads
    for model in (ours, theirs):
        model.partial_fit(X, y, **({} if classes is None else {"classes": classes}))
    calls = [partial(model.partial_fit, X, y) for model in (ours, theirs)]
    return [calls[0], partial(_checks(theirs).partial_fit, X, y), calls[1]]


def _checks(fitted: Any) -> Any:
    """Make an estimator that does nothing but scikit-learn's checks."""
    from sklearn.base import _fit_context
    from sklearn.utils.multiclass import unique_labels
    from sklearn.utils.validation import validate_data

    has_classes = hasattr(fitted, "classes_")

    class Checks(type(fitted)):  # type: ignore[misc]
        @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
        def partial_fit(self, X: Any, y: Any) -> None:
            X, y = validate_data(
                self, X, y, accept_sparse=["csr", "csc"], multi_output=True,
                y_numeric=not has_classes, dtype=(np.float64, np.float32), reset=False,
            )  # fmt: skip
            if has_classes:
                np.setdiff1d(unique_labels(y), self.classes_, assume_unique=True)

    model = Checks()
    model.__dict__.update(fitted.__dict__)
    return model
