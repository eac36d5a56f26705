"""Reading one step ahead, in a thread that ends with what it reads."""

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# seconds between two looks for Ctrl-C, where a lock does not hear it by itself
_PATIENCE = 0.05


class Ahead(Generic[T]):
    """Reads numbered things, the next one while the last one is in use.

    In a with statement; the thread has ended when that has, unless a second Ctrl-C comes while its
    end is awaited.

    Parameters
    ----------
    read : callable
        Reads number i: in another thread, but only one at a time.
    """

    def __init__(self, read: Callable[[int], T]) -> None:
        self._read = read
        self._now: _Reading[T] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._now is not None:
            self._now.wait()
            self._now = None

    def begin(self, i: int) -> None:
        """Begin to read number i, if nothing is being read."""
        if self._now is None:
            # kept before it begins, so that no interrupt loses it
            self._now = _Reading(self._read, i)
            self._now.begin()

    def take(self, i: int) -> T:
        """Wait for number i, and raise what its reading has raised; what else was read is lost."""
        if self._now is not None and self._now.i != i:
            self._now.wait()
            self._now = None
        self.begin(i)
        assert self._now is not None
        self._now.wait()
        reading, self._now = self._now, None
        return reading.result()

    def apply(self, order: Sequence[int], task: Callable[[int, T], R]) -> list[R]:
        """Call task(i, what number i is) for the numbers of an order, and list the results.

        The loop is a call of its own: on Python 3.13 its jump back would lie outside a caller's
        with statement.
        """
        results = []
        for k, i in enumerate(order):
            thing = self.take(i)
            if k + 1 < len(order):
                self.begin(order[k + 1])
            results.append(task(i, thing))
            # released before the one after the next is read
            del thing
        return results


class _Reading(Generic[T]):
    """The reading of number i."""

    def __init__(self, read: Callable[[int], T], i: int) -> None:
        self.i, self._read = i, read
        self._context, self._process = copy_context(), os.getpid()
        self._at_work, self._ended = allocate_lock(), False
        self._threads: list[int] = []
        self._found: list[T] = []
        self._error: BaseException | None = None

    def begin(self) -> None:
        self._at_work.acquire()
        try:
            # one call of C: no interrupt comes between a thread's beginning and the note of it
            self._threads.extend(map(start_new_thread, (self._run,), ((),)))
        except RuntimeError:  # there can be no more threads
            self._run()

    def _run(self) -> None:
        try:
            self._found = [self._context.run(self._read, self.i)]
        except BaseException as error:
            self._error = error
        self._ended = True
        self._at_work.release()

    def wait(self) -> None:
        """Wait for the thread's end, and hear Ctrl-C meanwhile."""
        if self._process != os.getpid() and not self._ended:
            # a forked child has not the thread
            self._run()
        while self._threads and not self._ended and not self._at_work.acquire(True, _PATIENCE):
            pass

    def result(self) -> T:
        """Return what was read, or raise what its reading has raised."""
        error, self._error = self._error, None
        try:
            if isinstance(error, StopIteration):
                # in a generator it would be the end
                raise RuntimeError("the reader raised StopIteration") from error
            if error is not None:
                raise error
            return self._found.pop()
        finally:
            # its traceback would keep what was read
            del error
