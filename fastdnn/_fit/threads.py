"""The threads of a call: how many. `workers.pyx` runs them.

A call's threads share its examples, and each computes with a BLAS that has one thread: so all of a
step is shared, not only its large products. BLAS has one number for the whole process.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from fastdnn._core.workers import Team as Team
from fastdnn._core.workers import blas_threads

# multiplications that repay a thread that is at work already, one that must be started, and one
# that waits for a prediction
STEP = 400_000
CALL = 4_000_000
BARE = 500_000
# examples that do, and of a prediction
_ROWS = 16
_FEW = 2
# examples that are predicted at a time, and what they are a multiple of
CHUNK = 1008
_FEWEST = 48
# threads a processor that may be asked for: more of them only wait for each other
_MOST = 4


def choose(
    n_threads: int | None, rows: int, work: float, least: int, least_rows: int = _ROWS
) -> int:
    """Choose for so many examples and multiplications, or take the number given.

    That is taken as it is, but for more than examples, or than four times the processors.
    """
    if n_threads is not None:
        n_threads = min(n_threads, max(1, rows))
        return n_threads if n_threads <= _MOST else min(n_threads, _MOST * processors())
    if work < 2 * least or rows < 2 * least_rows:
        return 1
    most = current()
    if most == 1:
        return 1
    return min(most, processors(), int(work // least), rows // least_rows)


def helpers(n_threads: int | None, rows: int, work: float) -> int:
    """Choose for predictions, whose threads are there, and share what is left."""
    return choose(n_threads, rows, work, BARE, _FEW)


def at_once(n_threads: int | None, count: int) -> tuple[int, int]:
    """Choose how many of some networks are trained at once, and how many threads each may have."""
    most = min(current() if n_threads is None else n_threads, _MOST * processors())
    if n_threads is None:
        most = min(most, processors())
    return min(most, count), max(1, most // count)


def alone(work: int) -> int:
    """Say up to how many examples, of so many multiplications, one thread takes at once."""
    return max(2 * _FEW, -(2 * BARE // -work)) - 1


def piece(work: int) -> int:
    """Say how many examples, of so many multiplications, come between two looks for Ctrl-C."""
    return max(10**8 // work, min(CHUNK, max(64, 10**9 // work)))


def portion(work: int, m: int) -> int:
    """Say of how many of m examples, of so many multiplications, the costs are summed together.

    All threads of a call share these portions, whose sums are added in order.
    """
    rows = min(piece(work), max(4 * CALL // work, -(m // -16)))
    return max(1, rows // _FEWEST) * _FEWEST


def chunk(m: int, outputs: int) -> int:
    """Say of how many of m examples so many outputs' derivatives are made together."""
    return max(1, min(max(5 * _FEWEST, -(m // -4)), CHUNK // outputs))


def current() -> int:
    """How many threads BLAS may use now: what its environment or threadpoolctl has set."""
    return blas_threads()


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, min(count, _quota()))


@cache
def _quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Read the least share of processor time, in whole processors, of the process's control groups.

    A group has no more than those that it lies in, whatever it says itself.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = ["0::/", "0:cpu:/"]
    shares = [2.0**31]
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        # version 1 has a folder for each controller or few of them, and a link for each
        for folder in (root / controllers, root / "cpu") if controllers else (root,):
            group = folder / path.lstrip("/")
            shares += _shares(group)
            while group != folder and folder in group.parents:
                group = group.parent
                shares += _shares(group)
    return max(1, int(min(shares)))


def _shares(group: Path) -> Iterator[float]:
    """Read what one control group says; nothing, where there is none or it is not limited."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            text = " ".join((group / name).read_text(encoding="ascii") for name in names)
            quota, period = map(int, text.split())
        except (OSError, ValueError):  # or max
            continue
        if quota > 0 < period:
            yield quota / period
