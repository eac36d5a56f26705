# Processes, the ranks of a communicator, that take the same steps, each on examples of its own.
#
# They agree at meetings. There each says whether it is well, and two numbers, and hears all others;
# if one is not well, all tell their errors and part, so none waits for a rank that will not come.
# What follows a meeting depends on what was said there alone, and so is the same on every rank.
#
# Gradients are added in the order of ranks, each slice of them by one rank, for all. Ranks of one
# machine have theirs in memory that all see, and read the others' where they lie; by messages each
# slice would be copied three times more.
#
# This is compiled because Python handles a signal between two of its bytecodes: a meeting is one
# call, and what belongs to it another of mpi4py's, which is compiled too.

import builtins

from cython cimport auto_pickle, final, floating
from libc.string cimport memcpy

import numpy

from fastdnn._core.plan cimport address
from fastdnn._core.spec cimport DIVERGED, GO_ON, LEAVE, Going, Job
from fastdnn._core.workspace cimport ALIGNMENT


cdef enum:
    # doubles of a rank at a meeting: whether it leaves, and two more
    SAID = 3
    # elements that are added at a time
    ADDED = 2048


cdef Going meet_and_add(void *ranks, double *cost) noexcept with gil:
    # the engine's call at the end of a step
    cdef Ranks us = <Ranks> ranks
    try:
        us._exchange(cost)
    except BaseException as error:
        us.error = error
        return LEAVE
    return GO_ON if cost[0] - cost[0] == 0 else DIVERGED


@auto_pickle(False)
@final
cdef class Ranks:
    """The ranks of a communicator, for one fit.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        Of which a duplicate is used.
    mpi : module
        mpi4py.MPI.
    """

    def __init__(self, comm, mpi):
        self.comm, self.mpi = comm, mpi
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        said, heard = numpy.zeros(SAID), numpy.zeros(SAID * self.size)
        self.mine, self.all = <double *> address(said), <double *> address(heard)
        self.said, self.heard = [said, SAID, mpi.DOUBLE], [heard, SAID, mpi.DOUBLE]
        self.bits = numpy.random.PCG64(0)

    def run(self, task):
        """Call task(self), which returns a result and a mark, and return the result.

        The mark must be the same on every rank. An error of one rank is raised on every one.
        """
        self.comm = self.comm.Dup()
        try:
            result, mark = task(self)
            marks = self.gather(mark)
            self.over = True
        except BaseException as error:
            if not self.over:
                self._part(error)
            raise
        finally:
            if not self.broken:
                self.comm.Free()
        for rank in range(self.size):
            if marks[rank] != marks[0]:
                raise RuntimeError(
                    f"the network of rank {rank} differs from that of rank 0 after the fit: was it "
                    "written to on one of them?")
        return result

    def gather(self, thing):
        """Return the things of all ranks, in their order."""
        self._meet(0, 0, 0)
        return self.comm.allgather(thing)

    def meet(self, double a, double b):
        """Return the two numbers of all ranks, in their order."""
        cdef Py_ssize_t i
        self._meet(0, a, b)
        return [(self.all[SAID * i + 1], self.all[SAID * i + 2]) for i in range(self.size)]

    def draw(self, bits, int n):
        """Return so many words of a bit generator: all ranks draw them, or none does."""
        self._meet(0, 0, 0)
        return bits.random_raw(n)

    def row(self, params):
        """Count the bytes that each rank needs of memory that all see."""
        # its gradients, and a sum of one slice of them
        return _whole_lines(params.nbytes) + -(-params.size // self.size) * params.itemsize

    def allot(self, Py_ssize_t n_steps, params, memory):
        """Take so many steps an epoch, and allot memory to gradients of these parameters.

        Parameters
        ----------
        memory : array (n, at least `row` bytes) or None
            What all ranks see, a row for each. If there is none, they send messages.
        """
        cdef:
            Py_ssize_t i, slice
            list at, sizes
        self.n_steps, self.memory, self.shares = n_steps, memory, memory is not None
        self.n_params, self.itemsize = params.size, params.itemsize
        at = [self._at(i) for i in range(self.size)]
        sizes = [self._at(i + 1) - self._at(i) for i in range(self.size)]
        slice = sizes[self.rank]
        if self.shares:
            self.parts, self.stride = <char *> address(memory), memory.shape[1]
            self.grads = self.parts + self.rank * self.stride
            self.sums = self.parts + _whole_lines(params.nbytes)
            self.sum = self.sums + self.rank * self.stride
            self.parts += self._at(self.rank)
            return
        grads, parts = _lines(params.nbytes), _lines(self.size * slice)
        self.parts, self.stride = <char *> address(parts), slice
        self.grads = <char *> address(grads)
        self.sum = self.grads + self._at(self.rank)
        self.sent = [grads, (sizes, at), self.mpi.BYTE]
        self.taken = [
            parts, ([slice] * self.size, [i * slice for i in range(self.size)]), self.mpi.BYTE]

    cdef Py_ssize_t _at(self, Py_ssize_t rank) noexcept:
        # the first byte of a rank's slice of the gradients
        return self.n_params * rank // self.size * self.itemsize

    cdef int _meet(self, double state, double a, double b) except -1:
        cdef Py_ssize_t i
        self.mine[0], self.mine[1], self.mine[2] = state, a, b
        try:
            self.comm.Allgather(self.said, self.heard)
        except BaseException:
            # there is nobody to tell
            self.over = self.broken = True
            raise
        for i in range(self.size):
            if self.all[SAID * i] != 0 and state == 0:
                self._part(None)
        return 0

    cdef int _part(self, error) except -1:
        # Leave with an error, or hear with which one another rank leaves, and raise it here too.
        cdef object told
        if error is not None:
            self._meet(1, 0, 0)
        # unless all have told, there is nobody to free the communicator with
        self.over = self.broken = True
        told = self.comm.allgather(
            None if error is None else (type(error).__name__, str(error)))
        self.broken = False
        if error is None:
            for rank in range(self.size):
                if told[rank] is not None:
                    raise _error_of(rank, *told[rank])
        return 0

    # ------------------------------------------------------------------------------- a training

    cdef int _attach(self, Job *job) except -1:
        job.ranks, job.exchange, job.n_steps = <void *> self, meet_and_add, self.n_steps
        job.grads = self.grads
        return 0

    cdef int _begin(self, Job *job) except -1:
        cdef:
            Py_ssize_t i, s, rank
            double *mine
            const double *every
        for rate, _ in self.meet(job.learning_rate, 0):
            if rate != job.learning_rate:
                raise ValueError("learning_rate must be the same on every rank")
        own, heard = numpy.zeros(self.n_steps), numpy.zeros((self.size, self.n_steps))
        mine = <double *> address(own)
        for s in range(self.n_steps):
            for i in range(min(s * job.per_step, job.m), min((s + 1) * job.per_step, job.m)):
                mine[s] += weight(job, i)
        self.comm.Allgather(own, heard)
        every = <const double *> address(heard)
        own = numpy.zeros(self.n_steps)
        mine = <double *> address(own)
        for rank in range(self.size):
            for s in range(self.n_steps):
                mine[s] += every[rank * self.n_steps + s]
        self.step_weights = own
        job.step_weights = mine
        self.error = None
        return 0

    cdef int _exchange(self, double *cost) except -1:
        cdef Py_ssize_t i
        self._meet(0, cost[0], 0)
        cost[0] = 0
        for i in range(self.size):
            cost[0] += self.all[SAID * i + 1]
        if cost[0] - cost[0] != 0:
            return 0
        try:
            if self.shares:
                # The sums lie beside the gradients: a rank that makes new ones before another has
                # read the sums changes none of these.
                self._add()
                self.comm.Barrier()
                for i in range(self.size):
                    memcpy(self.grads + self._at(i), self.sums + i * self.stride,
                           self._at(i + 1) - self._at(i))
            else:
                self.comm.Alltoallv(self.sent, self.taken)
                self._add()
                self.comm.Allgatherv(self.mpi.IN_PLACE, self.sent)
        except BaseException:
            self.over = self.broken = True
            raise
        return 0

    cdef void _add(self) noexcept:
        cdef:
            Py_ssize_t size = (self._at(self.rank + 1) - self._at(self.rank)) // self.itemsize
            Py_ssize_t stride = self.stride // self.itemsize
        if self.itemsize == 4:
            add_parts(self.size, size, stride, <float *> self.parts, <float *> self.sum)
        else:
            add_parts(self.size, size, stride, <double *> self.parts, <double *> self.sum)


cdef int attach(Ranks ranks, Job *job) except -1:
    # let a job's steps end with an exchange of gradients, which lie where that can be
    return 0 if ranks is None else ranks._attach(job)


cdef int begin(Ranks ranks, Job *job) except -1:
    # begin an epoch: the weights of its steps are those of all ranks' examples
    return 0 if ranks is None else ranks._begin(job)


cdef int end(Ranks ranks) except -1:
    # raise the error with which an epoch has ended
    if ranks is not None and ranks.error is not None:
        raise ranks.error
    return 0


cdef double weight(const Job *job, Py_ssize_t i) noexcept:
    # of the example that is number i of the order
    cdef const void *weights = job.Y.weights
    if job.order != NULL:
        i = <Py_ssize_t> job.order[i]
    if weights == NULL:
        return 1
    return (<const float *> weights)[i] if job.net.type == b'f' else (<const double *> weights)[i]


cdef void add_parts(
    Py_ssize_t n, Py_ssize_t size, Py_ssize_t stride, const floating *parts, floating *out,
) noexcept nogil:
    # the sum of n parts, in their order
    cdef Py_ssize_t i, j, first = 0, stop
    while first < size:
        stop = min(size, first + ADDED)
        for j in range(first, stop):
            out[j] = parts[j]
        for i in range(1, n):
            for j in range(first, stop):
                out[j] += parts[i * stride + j]
        first = stop


cdef Py_ssize_t _whole_lines(Py_ssize_t nbytes) noexcept:
    return (nbytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef object _lines(Py_ssize_t nbytes):
    # an array that begins with a cache line
    cdef object array = numpy.empty(nbytes + ALIGNMENT, numpy.uint8)
    return array[ALIGNMENT - <size_t> address(array) % ALIGNMENT:][:nbytes]


def _error_of(rank, name, message):
    # an error that another rank has told
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            return kind(f"rank {rank}: {message}" if message else f"rank {rank}")
        except TypeError:
            pass
    return RuntimeError(f"rank {rank}: {name}: {message}")
