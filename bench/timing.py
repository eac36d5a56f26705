"""Two calls timed against each other."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter, sleep

import numpy as np
from numpy.typing import NDArray

Call = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """Medians over the rounds: microseconds a call, and how many times faster the second call is.

    The ratio is taken within a round, where both sides met the same machine; `low` and `high` are
    its quartiles.
    """

    baseline_us: float
    contender_us: float
    ratio: float
    low: float
    high: float


def compare(baseline: Call, contender: Call, *, rounds: int, seconds: float) -> Comparison:
    """Time two calls in turns, the first one first in every other round.

    Parameters
    ----------
    baseline, contender : callable
        What to time; the results are dropped.
    rounds : int
        Samples of each.
    seconds : float
        How long a sample shall last: as many calls as fit, at least one.
    """
    sides = ((0, baseline), (1, contender))
    with _no_garbage_collection():
        counts = [calls_in(call, seconds) for _, call in sides]
        times = np.empty((rounds, 2))
        for i in range(rounds):
            for side, call in sides if i % 2 == 0 else sides[::-1]:
                times[i, side] = _sample(call, counts[side]) / counts[side]
    baseline_us, contender_us = 1e6 * np.median(times, axis=0)
    low, ratio, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
    return Comparison(*map(float, (baseline_us, contender_us, ratio, low, high)))


def compare_all(
    calls: Sequence[Call], *, rounds: int, seconds: float, pause: float = 0.0
) -> NDArray[np.float64]:
    """Time several calls in turns, another one first in each round.

    Parameters
    ----------
    calls : sequence of callable
        What to time; the results are dropped.
    rounds : int
        Samples of each.
    seconds : float
        How long a sample shall last: as many calls as fit, at least one.
    pause : float
        Seconds before each sample, in which the threads of the call before fall asleep: BLAS's and
        OpenMP's look for more work for a while, on a processor that the next call could use.

    Returns
    -------
    times : ndarray, shape (rounds, len(calls))
        Microseconds a call.
    """
    n = len(calls)
    with _no_garbage_collection():
        counts = [calls_in(call, seconds) for call in calls]
        times = np.empty((rounds, n))
        for i in range(rounds):
            for k in range(n):
                j = (i + k) % n
                sleep(pause)
                times[i, j] = 1e6 * _sample(calls[j], counts[j]) / counts[j]
    return times


def _sample(call: Call, count: int) -> float:
    start = perf_counter()
    for _ in repeat(None, count):
        call()
    return perf_counter() - start


def calls_in(call: Call, seconds: float) -> int:
    """Count the calls that fill so many seconds; this warms the caches too."""
    count = 1
    while (elapsed := _sample(call, count)) < seconds / 4:
        count *= 2
    return max(1, round(count * seconds / elapsed))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
