"""The threads of a call: how many, and how they are run.

A call's threads share its examples, and each computes with a BLAS that has one thread: so all of a
step is shared, not only its large products. BLAS has one number for the whole process.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from scipy.linalg import cython_blas

# multiplications that repay a thread that is at work already, and one that must be started
STEP = 400_000
CALL = 4_000_000
# examples that do
_ROWS = 16

_lock = threading.Lock()
_calls = 0
_before = 1
_births = 0  # forks that this process has come of
_T = TypeVar("_T")


def choose(n_threads: int | None, rows: int, work: float, least: int) -> int:
    """Choose for so many examples and multiplications; a number given is taken as it is."""
    if n_threads is not None:
        return min(n_threads, max(1, rows))
    if work < 2 * least or rows < 2 * _ROWS:
        return 1
    return min(current(), _processors(), int(work // least), rows // _ROWS)


def current() -> int:
    """How many threads BLAS may use now: what its environment or threadpoolctl has set."""
    with _lock:
        return _before if _calls else _blas()[0]()


def address() -> int:
    """Where the C function is that `current` asks; 0 if there is none."""
    get: Any = _blas()[0]
    return ctypes.cast(get, ctypes.c_void_p).value or 0 if hasattr(get, "restype") else 0


class Team:
    """So many threads, this one the first, for the time of a with statement; BLAS has one.

    Parameters
    ----------
    n_threads : int
        Fewer, where no more can be started: when the interpreter ends, say.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._workers: list[_Worker] = []
        self._born = _births

    def __enter__(self) -> "Team":
        global _before, _calls
        self._hire()
        get, set_ = _blas()
        with _lock:
            if not _calls:
                _before = get()
                if _before != 1:
                    set_(1)
            _calls += 1
        return self

    def __exit__(self, *_: object) -> None:
        global _calls
        try:
            if self._born == _births:
                for worker in self._workers:
                    worker.end()
                for worker in self._workers:
                    worker.join()
        finally:
            with _lock:
                # a forked child has begun anew
                if self._born == _births:
                    _calls -= 1
                    if not _calls and _before != 1:
                        _blas()[1](_before)

    def run(self, task: Callable[[int], _T], abandon: Callable[[], object]) -> list[_T]:
        """Call task(0), ..., task(n_threads - 1) at once; abandon, if the first cannot be.

        Returns, or raises, when all have ended.
        """
        if self._born != _births:
            # in a forked child, which has neither the threads nor BLAS's number
            wanted, self._workers, self._born = self.n_threads, [], _births
            self.__enter__()
            if self.n_threads < wanted:
                raise RuntimeError(f"cannot start {wanted - 1} threads")
        try:
            for worker in self._workers:
                worker.begin(task)
            first = task(0)
        except BaseException:
            abandon()
            raise
        finally:
            _outlast(self._workers)
        return [first, *(worker.outcome() for worker in self._workers)]

    def _hire(self) -> None:
        while len(self._workers) < self.n_threads - 1:
            try:
                self._workers.append(_Worker(len(self._workers) + 1))
            except RuntimeError:
                self.n_threads = len(self._workers) + 1

    def share(self, size: int, task: Callable[[int, int], _T]) -> list[_T]:
        """Call task(first, stop) for even parts of so many things."""
        ends = [size * i // self.n_threads for i in range(self.n_threads + 1)]
        return self.run(lambda i: task(ends[i], ends[i + 1]), lambda: None)


class _Worker(threading.Thread):
    """One of the other threads. What it does is told by attributes: an interrupt loses none."""

    def __init__(self, index: int) -> None:
        super().__init__(name=f"fastdnn {index}", daemon=True)
        self._index = index
        self._woken = threading.Semaphore(0)
        self._finished = threading.Event()
        self._task: Callable[[int], Any] | None = None
        self._ended = False
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        while not self._ended:
            self._woken.acquire()
            if self._task is None:
                continue
            try:
                self._result, self._error = self._task(self._index), None
            except BaseException as error:
                self._error = error
            self._task = None
            self._finished.set()

    def begin(self, task: Callable[[int], Any]) -> None:
        self._finished.clear()
        self._task = task
        self._woken.release()

    def wait(self) -> None:
        while self.busy():
            # again, where the thread that began was interrupted before
            self._woken.release()
            self._finished.wait(1)

    def busy(self) -> bool:
        return self._task is not None

    def outcome(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result

    def end(self) -> None:
        self._ended = True
        self._woken.release()


def _outlast(workers: "list[_Worker]") -> None:
    """Wait for all, and only then raise what has interrupted it."""
    interrupt = None
    for worker in workers:
        while worker.busy():
            try:
                worker.wait()
            except KeyboardInterrupt as error:
                interrupt = error
    if interrupt is not None:
        raise interrupt


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
    global _lock, _calls, _births
    _lock = threading.Lock()
    _births += 1
    if _calls:
        _calls = 0
        _blas()[1](_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
