# The threads of a call, and what a call holds: no interrupt comes between taking and giving back.
#
# Python hears a signal between two of its bytecodes. What is here is compiled, and hears one only
# where it asks or waits for a thread; whatever then comes, the others are waited for first.

import _thread
import ctypes
import os
import sys

from cpython.pythread cimport (
    PyThread_acquire_lock, PyThread_allocate_lock, PyThread_release_lock, PyThread_type_lock,
)
from cython cimport auto_pickle, final, no_gc

from scipy.linalg import cython_blas


cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1


# what BLAS has one of for the whole process: how many calls are at work, which leave it one thread
cdef:
    Get get_threads = NULL
    Set set_threads = NULL
    PyThread_type_lock counting = PyThread_allocate_lock()
    int calls = 0
    int before = 1
    int births = 0  # forks that this process has come of


def _find_blas():
    """Find what tells and sets the number of threads of the OpenBLAS that SciPy links.

    Two addresses; 0 and 0 where it links another BLAS: then nothing is set.
    """
    library = ctypes.CDLL(cython_blas.__file__)
    for prefix in ("scipy_openblas", "openblas"):
        for suffix in ("", "64_"):
            names = (f"{prefix}_{verb}_num_threads{suffix}" for verb in ("get", "set"))
            try:
                return tuple(
                    ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in names)
            except AttributeError:
                continue
    return 0, 0


def blas_threads():
    """How many threads BLAS may use, as it was before the calls that are at work."""
    if calls:
        return before
    return get_threads() if get_threads != NULL else 1


def forget():
    """Start anew in a forked child, in which no other thread lives to end its call."""
    global calls, births
    births += 1
    if calls:
        calls = 0
        if set_threads != NULL:
            set_threads(before)


cdef void begin_call() noexcept:
    global calls, before
    # with the GIL, which nothing here gives up; an interpreter without one needs the lock
    PyThread_acquire_lock(counting, 1)
    if not calls:
        before = get_threads() if get_threads != NULL else 1
        if before != 1:
            set_threads(1)
    calls += 1
    PyThread_release_lock(counting)


cdef void end_call() noexcept:
    global calls
    PyThread_acquire_lock(counting, 1)
    calls -= 1
    if not calls and before != 1:
        set_threads(before)
    PyThread_release_lock(counting)


@auto_pickle(False)
@final
@no_gc
cdef class Exclusive:
    """Hold a lock for the time of a with statement, or say that it is held already.

    Parameters
    ----------
    lock : threading.Lock
    message : str
        Of the RuntimeError.
    """

    cdef:
        object lock
        object message
        bint holds

    def __init__(self, lock, message):
        self.lock, self.message = lock, message

    def __enter__(self):
        if not self.lock.acquire(False):
            raise RuntimeError(self.message)
        self.holds = True

    def __exit__(self, *_):
        self._release()

    def __dealloc__(self):
        # where an interrupt came before the statement's body
        self._release()

    cdef int _release(self) except -1:
        if self.holds:
            self.holds = False
            self.lock.release()
        return 0


@auto_pickle(False)
@final
@no_gc
cdef class Team:
    """So many threads, this one the first, for the time of a with statement; BLAS has one.

    Parameters
    ----------
    n_threads : int
        Fewer, where no more can be started: when the interpreter ends, say.
    """

    cdef:
        readonly Py_ssize_t n_threads
        list workers
        int born
        bint counted

    def __init__(self, Py_ssize_t n_threads):
        self.n_threads = n_threads
        self.workers = []
        self.born = births

    def __enter__(self):
        self._enter()
        return self

    def __exit__(self, *_):
        cdef:
            _Worker worker
            object interrupt = None
        self._let_go()
        if self.born == births:
            for worker in self.workers:
                interrupt = worker.outlast(None) or interrupt
        self.workers = []
        if interrupt is not None:
            raise interrupt

    def __dealloc__(self):
        # where an interrupt came before the statement's body
        self._let_go()

    def run(self, task, abandon=None):
        """Call task(0), ..., task(n_threads - 1) at once; abandon() if one of them fails.

        Returns, or raises, when all have ended.
        """
        cdef:
            _Worker worker
            object error = None, interrupt
            list outcomes
            Py_ssize_t wanted = self.n_threads
        if self.born != births:
            # in a forked child, which has neither the threads nor BLAS's number
            self.workers, self.born, self.counted = [], births, False
            self._enter()
            if self.n_threads < wanted:
                raise RuntimeError(f"cannot start {wanted - 1} threads")
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
        """Call task(first, stop) for even parts of so many things, or for pieces of the parts.

        Between two pieces Ctrl-C is heard.
        """
        cdef _Parts parts
        parts = _Parts(self.n_threads, size, task, piece)
        return [result for results in self.run(parts, parts.abandon) for result in results]

    cdef int _enter(self) except -1:
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
        begin_call()
        self.counted = True
        return 0

    cdef int _let_go(self) except -1:
        cdef _Worker worker
        if self.born != births:
            # a forked child has begun anew
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
    # a task for a part of so many things, one a thread

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
            # nothing but in the main thread
            PyErr_CheckSignals()

    def abandon(self):
        self.stopped = True


@auto_pickle(False)
@final
cdef class _Worker:
    # one of the other threads

    cdef:
        Py_ssize_t index
        object woken   # a lock, free when there is something to do
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
        # where it is at work yet, the interpreter is ending
        if not self.ended and self.at_work.acquire(False):
            self.ended = True
            self.woken.release()
        return 0

    cdef object outlast(self, abandon):
        # Wait until the task has ended, however often that is interrupted; returns the interrupt.
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
                # or the others would wait for this one
                _call(me.abandon)
        me.task = me.abandon = None
        me.at_work.release()


cdef object _call(abandon):
    # whatever comes of it: there is an error to raise already
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
