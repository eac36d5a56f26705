"""How many threads SciPy's BLAS uses: chosen by the work of a product, set for the time of a call.

Two threads pay from about half a million multiplications a product on. BLAS has one number for the
whole process: where two calls overlap, the smaller one holds until both are done.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from scipy.linalg import cython_blas

# multiplications of a product that one thread does as soon as two
_SMALL = 500_000

_lock = threading.Lock()
_wanted: list[int] = []
_before = 1


def choose(n_threads: int | None, work: float) -> int:
    """Choose for products of at most so many multiplications; a number given is taken as it is."""
    if n_threads is not None:
        return n_threads
    if work < _SMALL:
        return 1
    return min(current(), _processors())


def current() -> int:
    """How many threads BLAS may use now: what its environment or threadpoolctl has set."""
    get, _ = _blas()
    return get()


class limit:  # noqa: N801
    """Let BLAS use so many threads, in a with statement."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads

    def __enter__(self) -> None:
        global _before
        get, set_ = _blas()
        with _lock:
            if not _wanted:
                _before = get()
            _wanted.append(self._n_threads)
            set_(min(_wanted))

    def __exit__(self, *_: object) -> None:
        set_ = _blas()[1]
        with _lock:
            _wanted.remove(self._n_threads)
            set_(min(_wanted, default=_before))


@cache
def _blas() -> tuple[Callable[[], int], Callable[[int], object]]:
    """Find the functions of the OpenBLAS that SciPy links; without one nothing is set."""
    library = ctypes.CDLL(cython_blas.__file__)
    for prefix in ("scipy_openblas", "openblas"):
        for suffix in ("", "64_"):
            try:
                get = getattr(library, f"{prefix}_get_num_threads{suffix}")
                set_ = getattr(library, f"{prefix}_set_num_threads{suffix}")
            except AttributeError:
                continue
            get.argtypes, get.restype = (), ctypes.c_int
            set_.argtypes, set_.restype = (ctypes.c_int,), None
            return get, set_
    return (lambda: 1), (lambda n: None)


def _processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, min(count, _quota()))


@cache
def _quota() -> int:
    """Read the control group's share of processor time, in whole processors."""
    root = Path("/sys/fs/cgroup")
    try:
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (root / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip()
                for name in ("quota", "period")
            )
        except OSError:
            return 2**31
    try:
        share = int(quota) / int(period)
    except ValueError:  # max
        return 2**31
    return max(1, int(share)) if share > 0 else 2**31


def _forget() -> None:
    """Start anew in a forked child, in which no other thread lives to end its call."""
    global _lock
    _lock = threading.Lock()
    if _wanted:
        _wanted.clear()
        _blas()[1](_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
