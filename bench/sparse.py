"""The estimators beside scikit-learn's own on sparse matrices: each fit in a process of its own."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np

TITLE = "fastdnn's MLPClassifier and scikit-learn's on sparse matrices, at the same parameters"
HEADER = (
    "case", "dtype", "solver", "fit, s", "theirs", "faster", "quartiles", "predict, ms", "theirs",
    "faster", "MB", "theirs",
)  # fmt: skip
WIDTHS = (22, 7, 8, 7, 7, 6, 13, 11, 7, 6, 6, 6)

# each solver's parameters of the estimator
SOLVERS: dict[str, dict[str, Any]] = {
    "adam": {"solver": "adam"},
    "momentum": {"solver": "sgd"},
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "lbfgs": {"solver": "lbfgs"},
}


@dataclass(frozen=True)
class Case:
    """A matrix with so many nonzeros a row, more of them in the first columns."""

    m: int
    n_0: int
    per_row: int
    epochs: int = 2
    solvers: tuple[str, ...] = ("adam",)

    @property
    def name(self) -> str:
        """Say the shape."""
        return f"{self.m} x {self.n_0}, {self.per_row}"


CASES = (
    Case(4000, 30_000, 60, solvers=tuple(SOLVERS)),
    Case(11_314, 130_107, 157),
    Case(4000, 500_000, 60, epochs=1),
    Case(4000, 30_000, 600),
    Case(4000, 5_000, 250),
    Case(4000, 5_000, 500),
    Case(4000, 5_000, 1500),
)


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Fit each case by both classes in turns."""
    rows = []
    few = replace(CASES[0], m=100, n_0=750, per_row=3, solvers=("adam", "lbfgs"))
    for case in (few,) if quick else CASES:
        both = (zip if quick else product)(("float64", "float32"), case.solvers)
        for dtype, solver in both:
            row = _compare(case, dtype, solver, rounds, threads)
            rows.append(row)
            show(
                (
                    case.name, dtype, solver,
                    f"{row['seconds']:.3f}", f"{row['sklearn_seconds']:.3f}",
                    f"{row['faster']:.1f}", f"{row['low']:.1f} - {row['high']:.1f}",
                    f"{1e3 * row['predict']:.2f}", f"{1e3 * row['sklearn_predict']:.2f}",
                    f"{row['predict_faster']:.1f}",
                    f"{row['megabytes']:.0f}", f"{row['sklearn_megabytes']:.0f}",
                )
            )  # fmt: skip
    return rows


def _compare(case: Case, dtype: str, solver: str, rounds: int, threads: int) -> dict[str, Any]:
    modules = ("fastdnn.estimators", "sklearn.neural_network")
    found: list[list[Any]] = [[None, None] for _ in range(rounds)]
    for i in range(rounds):
        for k in (0, 1) if i % 2 else (1, 0):
            found[i][k] = _in_a_process(asdict(case), dtype, solver, modules[k], threads)
    fit, predict, memory = (
        np.array([[one[key] for one in both] for both in found])
        for key in ("fit", "predict", "megabytes")
    )
    low, high = np.percentile(fit[:, 1] / fit[:, 0], (25, 75))
    return {
        "case": case.name,
        "dtype": dtype,
        "solver": solver,
        "seconds": float(np.median(fit[:, 0])),
        "sklearn_seconds": float(np.median(fit[:, 1])),
        "faster": float(np.median(fit[:, 1] / fit[:, 0])),
        "low": float(low),
        "high": float(high),
        "predict": float(np.median(predict[:, 0])),
        "sklearn_predict": float(np.median(predict[:, 1])),
        "predict_faster": float(np.median(predict[:, 1] / predict[:, 0])),
        "megabytes": float(memory[:, 0].max()),
        "sklearn_megabytes": float(memory[:, 1].max()),
        "loss": found[0][0]["loss"],
        "sklearn_loss": found[0][1]["loss"],
    }


def _in_a_process(*arguments: Any) -> dict[str, Any]:
    threads = str(arguments[-1])
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-m", "bench.sparse", json.dumps(arguments)],
        env=os.environ | dict.fromkeys(names, threads),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --------------------------------------------------------------------------------- in the process


def _measure(
    case: dict[str, Any], dtype: str, solver: str, module: str, threads: int
) -> dict[str, float]:
    X, y = _data(Case(**case), dtype)
    options = {"n_threads": threads} if module.startswith("fastdnn") else {}
    estimator = import_module(module).MLPClassifier(
        max_iter=case["epochs"], random_state=0, **SOLVERS[solver], **options
    )
    warnings.simplefilter("ignore")  # that few epochs do not converge
    before = _peak()
    start = perf_counter()
    estimator.fit(X, y)
    fit = perf_counter() - start
    times = []
    for _ in range(4):
        start = perf_counter()
        estimator.predict(X)
        times.append(perf_counter() - start)
    return {
        "fit": fit,
        # without the first prediction, which warms the caches
        "predict": float(np.median(times[1:])),
        "megabytes": _peak() - before,
        "loss": float(estimator.loss_),
    }


def _data(case: Case, dtype: str) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    m, per_row = case.m, case.per_row
    columns = (case.n_0 * random.random((m, per_row)) ** 2).astype(np.int32)
    if per_row > case.n_0 // 20:
        columns = np.array([random.permutation(case.n_0)[:per_row] for _ in range(m)], np.int32)
    X = import_module("scipy.sparse").csr_matrix(
        (random.random(columns.size).astype(dtype), columns.ravel(), per_row * np.arange(m + 1)),
        shape=(m, case.n_0),
    )
    X.sum_duplicates()
    return X, random.integers(0, 2, m)


def _peak() -> float:
    """Read the most memory, in MB, that this process has had; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0.0
    resource = import_module("resource")
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    print(json.dumps(_measure(*json.loads(sys.argv[1]))))
