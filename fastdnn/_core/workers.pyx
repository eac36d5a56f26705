# A call's threads and its locks: no interrupt comes between taking them and giving them back.
#
# Python handles a signal between two of its bytecodes. This module is compiled, and handles one
# only where it asks for signals or waits for a thread; even then it first waits for all threads.

import _thread
import ctypes
import os
import sys

from cpython.pythread cimport (
    PyThread_acquire_lock, PyThread_allocate_lock, PyThread_release_lock, PyThread_start_new_thread,
    PyThread_type_lock,
)
from cython cimport auto_pickle, final, no_gc
from libc.stdint cimport int64_t

from fastdnn._core.board cimport (
    ABSENT, ASLEEP, AWAKE, HELPERS, LOOKS, PLACE, Account, Board, Helper, charge, claim, count,
    count_left, processor, read, rest, swap, write,
)
from fastdnn._core.modes cimport restore_modes
from fastdnn._core.turns cimport FIRST_ALONE, Turns, next_turn

from scipy.linalg import cython_blas


cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1


# BLAS has one number of threads for the whole process: 1 while calls of ours are at work
cdef:
    Get get_threads = NULL
    Set set_threads = NULL
    PyThread_type_lock counting = PyThread_allocate_lock()
    int calls = 0
    int before = 1
    int n_births = 0  # how many forks lie between the first process and this one


def _find_blas(library=None):
    """Find the two functions of SciPy's OpenBLAS or MKL that get and set its number of threads.

    Returns their addresses, or 0 and 0 if SciPy links another BLAS: then nothing is set.
    """
    if library is None:
        library = ctypes.CDLL(cython_blas.__file__)
    pairs = [
        [f"{prefix}_{verb}_num_threads{suffix}" for verb in ("get", "set")]
        for prefix in ("scipy_openblas", "openblas") for suffix in ("", "64_")
    ]
    for names in (*pairs, ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads")):
        try:
            return tuple(
                ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in names)
        except AttributeError:
            continue
    return 0, 0


def sets_threads():
    """Whether BLAS's number of threads can be asked and set."""
    return set_threads != NULL


def blas_threads():
    """Return BLAS's number of threads, as it was before the calls that are at work."""
    cdef int found = 1
    PyThread_acquire_lock(counting, 1)
    if calls:
        found = before
    elif get_threads != NULL:
        found = get_threads()
    PyThread_release_lock(counting)
    return found


def forget():
    """Start anew in a forked child, which lacks the threads that would end their calls."""
    global calls, counting, n_births
    n_births += 1
    forget_helpers()
    if PyThread_acquire_lock(counting, 0):
        PyThread_release_lock(counting)
    else:
        # without a GIL a thread that is no more may hold it
        counting = PyThread_allocate_lock()
    if calls:
        calls = 0
        if set_threads != NULL:
            set_threads(before)


cdef int births() noexcept nogil:
    return n_births


cdef void begin_call() noexcept:
    global calls, before
    # the GIL is held throughout; an interpreter without a GIL needs the lock
    PyThread_acquire_lock(counting, 1)
    if not calls:
        before = get_threads() if get_threads != NULL else 1
    # counted first: a forked child sets what it finds counted back
    calls += 1
    if calls == 1 and before != 1:
        set_threads(1)
    PyThread_release_lock(counting)


cdef void end_call() noexcept:
    global calls
    PyThread_acquire_lock(counting, 1)
    if calls == 1 and before != 1:
        set_threads(before)
    calls -= 1
    PyThread_release_lock(counting)


include "helpers.pxi"


def rehearse(alone, helped):
    """Tell of each of some pieces of work whether helpers would be asked.

    Parameters
    ----------
    alone, helped : sequence of int
        How many nanoseconds each would take the caller alone, and with helpers.
    """
    cdef:
        Account account
        Turns turns
        list asked = []
    account.owed = account.lost = account.times = 0
    turns.helped, turns.left = False, FIRST_ALONE
    turns.alone = turns.least = turns.balance = turns.changes = 0
    for each in zip(alone, helped, strict=True):
        asked.append(bool(turns.helped))
        next_turn(&turns, &account, each[turns.helped])
    return asked


@auto_pickle(False)
@final
@no_gc
cdef class Exclusive:
    """Hold locks for the time of a with statement, or say that one is held already.

    Parameters
    ----------
    *locks : threading.Lock
    message : str
        What the RuntimeError says if one is held; none is held then.
    """

    cdef:
        tuple locks
        object message
        Py_ssize_t held

    def __init__(self, *locks, message):
        self.locks, self.message = locks, message

    def __enter__(self):
        while self.held < len(self.locks):
            if not self.locks[self.held].acquire(False):
                self._release()
                raise RuntimeError(self.message)
            self.held += 1

    def __exit__(self, *_):
        self._release()

    def __dealloc__(self):
        # an interrupt may come before the statement's body, and then __exit__ is not called
        self._release()

    cdef int _release(self) except -1:
        while self.held > 0:
            self.held -= 1
            self.locks[self.held].release()
        return 0


@auto_pickle(False)
@final
cdef class Stop:
    """What one thread tells others that train: to end after a batch, as Ctrl-C does.

    Attributes
    ----------
    asked : int
        How often it has.
    """

    def ask(self):
        """Tell it."""
        count(&self.asked)


cdef const int64_t *flag_of(object stop) except? NULL:
    return NULL if stop is None else &(<Stop?> stop).asked


@auto_pickle(False)
@final
@no_gc
cdef class Team:
    """Threads for the time of a with statement, the caller's the first; BLAS then has one.

    Parameters
    ----------
    n_threads : int
        How many; fewer if no more can be started, as when the interpreter ends.
    """

    cdef:
        readonly Py_ssize_t n_threads
        list workers
        int born
        bint counted

    def __init__(self, Py_ssize_t n_threads):
        self.n_threads = n_threads
        self.workers = []
        self.born = n_births

    def __enter__(self):
        self._enter()
        return self

    def __exit__(self, *_):
        cdef:
            _Worker worker
            object interrupt = None
        self._let_go()
        if self.born == n_births:
            for worker in self.workers:
                interrupt = worker.outlast(None) or interrupt
        self.workers = []
        if interrupt is not None:
            raise interrupt

    def __dealloc__(self):
        # an interrupt may come before the statement's body, and then __exit__ is not called
        self._let_go()

    def run(self, task, abandon=None):
        """Call task(0), ..., task(n_threads - 1) at once; abandon() if one of them fails.

        Returns, or raises, when all have ended.
        """
        cdef:
            _Worker worker
            object error = None, interrupt
            list outcomes
        if self.born != n_births:
            # a forked child has neither the threads nor BLAS's number of threads
            self.workers, self.born, self.counted = [], n_births, False
            self._enter()
        self._start()
        if self.n_threads == 1:
            return [task(0)]
        outcomes = [None] * self.n_threads
        try:
            for worker in self.workers:
                worker.begin(task, abandon)
            outcomes[0] = task(0)
        except BaseException as raised:
            error = raised
            _call(abandon)
        for worker in self.workers:
            interrupt = worker.outlast(abandon)
            error = interrupt if error is None else error
        for worker in self.workers:
            outcomes[worker.index] = worker.result
            error = worker.error if error is None else error
            worker.result = worker.error = None
        if error is not None:
            raise error
        return outcomes

    def share(self, Py_ssize_t size, task, Py_ssize_t piece=0):
        """Call task(first, stop) for each thread's even part of range(size), or for its pieces.

        Ctrl-C is heard between two pieces.
        """
        cdef _Parts parts
        parts = _Parts(self.n_threads, size, task, piece)
        return [result for results in self.run(parts, parts.abandon) for result in results]

    cdef int _enter(self) except -1:
        begin_call()
        self.counted = True
        return 0

    cdef int _start(self) except -1:
        # the threads, when there is something for them to do
        cdef _Worker worker
        while len(self.workers) < self.n_threads - 1:
            worker = _Worker(len(self.workers) + 1)
            self.workers.append(worker)
            try:
                if sys.is_finalizing():
                    raise RuntimeError
                _thread.start_new_thread(_work, (worker,))
            except BaseException as error:
                worker.end()
                self.workers.pop()
                if not isinstance(error, RuntimeError):
                    raise
                self.n_threads = worker.index
        return 0

    cdef int _let_go(self) except -1:
        cdef _Worker worker
        if self.born != n_births:
            # forget() has begun anew in a forked child
            return 0
        if self.workers is not None:
            for worker in self.workers:
                worker.end()
        if self.counted:
            self.counted = False
            end_call()
        return 0


@auto_pickle(False)
@final
cdef class _Parts:
    # calls the task for a thread's part of range(size), piece by piece

    cdef:
        Py_ssize_t n_threads
        Py_ssize_t size
        Py_ssize_t piece
        object task
        bint stopped

    def __init__(self, Py_ssize_t n_threads, Py_ssize_t size, task, Py_ssize_t piece):
        self.n_threads, self.size, self.task, self.piece = n_threads, size, task, piece

    def __call__(self, Py_ssize_t thread):
        cdef:
            Py_ssize_t first = self.size * thread // self.n_threads
            Py_ssize_t end = self.size * (thread + 1) // self.n_threads, stop
            list results = []
        while True:
            stop = min(end, first + self.piece) if self.piece > 0 else end
            results.append(self.task(first, stop))
            first = stop
            if first >= end or self.stopped:
                return results
            # other threads than the main one find no signals
            PyErr_CheckSignals()

    def abandon(self):
        self.stopped = True


@auto_pickle(False)
@final
cdef class _Worker:
    # a thread of the team other than the caller's

    cdef:
        Py_ssize_t index
        object woken   # a lock, free when there is a task
        object at_work  # a lock, held from the task's beginning to its end
        object task
        object abandon
        object result
        object error
        bint ended

    def __init__(self, Py_ssize_t index):
        self.index = index
        self.woken, self.at_work = _thread.allocate_lock(), _thread.allocate_lock()
        self.woken.acquire()

    cdef int begin(self, task, abandon) except -1:
        if not self.at_work.acquire(False):
            raise RuntimeError("this team is at work")
        self.task, self.abandon = task, abandon
        try:
            self.woken.release()
        except BaseException:
            self.task = self.abandon = None
            self.at_work.release()
            raise
        return 0

    cdef int end(self) except -1:
        # a thread that is at work here runs while the interpreter ends
        if not self.ended and self.at_work.acquire(False):
            self.ended = True
            self.woken.release()
        return 0

    cdef object outlast(self, abandon):
        # Wait until the task has ended, through all interrupts; return the last interrupt or None.
        cdef object interrupt = None
        while not sys.is_finalizing():
            try:
                if self.at_work.acquire(True, 0.05):
                    self.at_work.release()
                    break
            except BaseException as error:
                interrupt = error
                _call(abandon)
        return interrupt


def _work(_Worker me):
    cdef bint ended = False
    while not ended:
        me.woken.acquire()
        ended = me.ended
        if not ended:
            try:
                me.result = me.task(me.index)
            except BaseException as error:
                me.error = error
                # the other threads would wait for this one
                _call(me.abandon)
        me.task = me.abandon = None
        me.at_work.release()


cdef object _call(abandon):
    # errors of abandon are dropped: another one is being raised already
    if abandon is not None:
        try:
            abandon()
        except BaseException:
            pass


cdef size_t _get, _set
_get, _set = _find_blas()
get_threads, set_threads = <Get> _get, <Set> _set
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
