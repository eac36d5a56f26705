"""Single calls of one row: how long one takes at the median and at the 99th percentile."""

import threading
import warnings
from collections.abc import Iterator
from itertools import product
from time import perf_counter_ns, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers import CONTENDERS, MNIST, Call, Case, installed
from bench.timing import calls_in

TITLE = (
    "Calls of one row, float32, each timed by itself, in microseconds: the median and the 99th"
    " percentile, of one call after the other, and after 10 ms of idleness; from one thread and"
    " from four at once. Beside `predict_proba` stands scikit-learn's own validation of that call:"
    " `check_is_fitted`, and `validate_data` as its MLPClassifier has it."
)
HEADER = ("network", "call", "threads", "median", "99 %", "idle: median", "99 %")

NETWORKS = {(4, 8, 1): "sigmoid", (16, 32, 1): "sigmoid", MNIST: "softmax"}
PEERS = ("onnxruntime", "scikit-learn", "NumPy")
THREADS = (1, 4)
IDLE = 10e-3


def run(quick: bool, rounds: int, threads: int) -> Iterator[dict[str, Any]]:
    """Time the calls of each network, in turns; two threads have nothing to share in one row."""
    if threads > 1:
        return
    seconds, idle, turns = (1e-3, 4, 1) if quick else (0.1, 200, 4)
    for (dims, output), together in product([*NETWORKS.items()][:: 2 if quick else 1], THREADS):
        calls = _calls(Case("", dims, 1, "", output, batches=0))
        times: dict[str, list[list[NDArray[np.float64]]]] = {name: [[], []] for name in calls}
        for _ in range(turns):
            for name, call in calls.items():
                warm = calls_in(call, seconds / turns)
                times[name][0].append(_time(call, together, warm, 0.0))
                times[name][1].append(
                    _time(call, together, max(1, idle // turns // together), IDLE)
                )
        for name, found in times.items():
            warm_us, idle_us = (np.percentile(np.concatenate(part), (50, 99)) for part in found)
            yield {
                "network": str([*dims]),
                "call": name,
                "threads": together,
                "us": [*map(float, warm_us)],
                "idle_us": [*map(float, idle_us)],
            }


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Write a row's columns."""
    times = (f"{us:.2f}" if us < 10 else f"{us:.1f}" for us in row["us"] + row["idle_us"])
    return (row["network"], row["call"], str(row["threads"]), *times)


def _calls(case: Case) -> dict[str, Call]:
    """Prepare the calls: ours, and those of the peers that are installed."""
    calls = {"Network.predict": CONTENDERS["fastdnn"][0](case, 1)}
    if installed("scikit-learn"):
        calls |= _of_an_estimator(case)
    calls |= {name: CONTENDERS[name][0](case, 1) for name in PEERS if installed(name)}
    return {name: call for name, call in calls.items() if call is not None}


def _of_an_estimator(case: Case) -> dict[str, Call]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.validation import check_is_fitted, validate_data

    from fastdnn.estimators import MLPClassifier

    x = case.data()[0]
    random = np.random.default_rng(0)
    X = random.normal(size=(200, x.shape[1])).astype(x.dtype)
    y = np.arange(200) % max(2, case.layer_dims[-1])
    est = MLPClassifier(case.layer_dims[1:-1], max_iter=2)
    warnings.simplefilter("ignore", ConvergenceWarning)
    est.fit(X, y)

    def validated() -> None:
        check_is_fitted(est)
        validate_data(est, x, accept_sparse=["csr", "csc"], reset=False)

    return {
        "est.network_.predict": lambda: est.network_.predict(x),
        "est.predict_proba": lambda: est.predict_proba(x),
        "its validation": validated,
    }


def _time(call: Call, threads: int, count: int, pause: float) -> NDArray[np.float64]:
    """Time so many calls by each of some threads, in microseconds without the clock's own."""
    start = threading.Barrier(threads)
    found = np.empty((threads, count))

    def calls(times: NDArray[np.float64]) -> None:
        call()
        start.wait()
        for i in range(len(times)):
            if pause:
                sleep(pause)
                start.wait()
            begin = perf_counter_ns()
            call()
            times[i] = perf_counter_ns() - begin

    others = [threading.Thread(target=calls, args=(times,)) for times in found[1:]]
    for thread in others:
        thread.start()
    calls(found[0])
    for thread in others:
        thread.join()
    empty = [-perf_counter_ns() + perf_counter_ns() for _ in range(100)]
    return (found.ravel() - np.median(empty)) / 1e3
