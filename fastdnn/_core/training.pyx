# The doors to whole training runs: they hand out the workspace and release the GIL.

from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.pythread cimport PyThread_get_thread_ident
from cython cimport auto_pickle, final
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import os
import threading
from copy import copy

import numpy

from fastdnn._core cimport board, levels
from fastdnn._core.activations cimport RELU
from fastdnn._core.numbers cimport take_numbers
from fastdnn._core.optimizers cimport NONE, SGD, Optimizer
from fastdnn._core.plan cimport Plan, address, is_like, read
from fastdnn._core.ranks cimport attach, begin, end
from fastdnn._core.slices cimport cut_batch, cut_weights
from fastdnn._core.source cimport Source
from fastdnn._core.spec cimport (
    BLOCK, WHOLE, BitGenerator, Job, Layer, Slot,
)
from fastdnn._core.taken cimport are_indices, look_at_targets, take_targets
from fastdnn._core.turns cimport FIRST_ALONE
from fastdnn._core.workers cimport borrow, flag_of, give_back
from fastdnn._core.workspace cimport ALIGNMENT, assign, go_on, guard, is_trained

cdef:
    object ndarray = numpy.ndarray
    object empty = numpy.empty
    # Python's main thread: in a forked child the one that has forked
    unsigned long main_thread = threading.main_thread().ident


def _forked():
    global main_thread
    main_thread = PyThread_get_thread_ident()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


cdef bint _take_order(object order, Py_ssize_t m, Py_ssize_t most, int64_t *out) except -1:
    # Copy m indices below another number, and judge the copy: nobody else can change that.
    if isinstance(order, ndarray) and order.dtype.kind in "iu" and order.shape == (m,):
        # NumPy's integer has 32 bits on some platforms
        order = numpy.ascontiguousarray(order, numpy.int64)
        memcpy(out, address(order), m * sizeof(int64_t))
        if are_indices(m, out, most):
            return True
    raise ValueError(f"the order must be an array of {m} indices below {most}")


@final
cdef class Counts:
    """How long a network was trained: steps and epochs, which the engine counts as it takes them.

    Parameters
    ----------
    steps, epochs : int
        At first.
    """

    def __init__(self, int64_t steps=0, int64_t epochs=0):
        self.steps, self.epochs = steps, epochs

    def __reduce__(self):
        return Counts, (self.steps, self.epochs)

    # whole, whichever thread looks while another one trains

    @property
    def steps(self):
        return board.read(&self.n_steps)

    @steps.setter
    def steps(self, int64_t steps):
        board.write(&self.n_steps, steps)

    @property
    def epochs(self):
        return board.read(&self.n_epochs)

    @epochs.setter
    def epochs(self, int64_t epochs):
        board.write(&self.n_epochs, epochs)


@auto_pickle(False)
cdef class Trainer:
    """A training run: a model, data, settings, and the workspace of a batch.

    Parameters
    ----------
    model : Model
        Whose plan, and whose bit generator, if dropout needs one; its lock is held for an epoch.
        It is given the training when a step was taken.
    data : Data
        X is read in place, or gathered batch by batch; contiguous and of the plan's type, if the
        batch is all of it. Class indices and weights are copied.
    settings : Settings
    training : Training
        The moments that the rule needs, and how many steps were taken before; an epoch adds its
        own, and itself when it has ended.
    gram : Gram or None
        What the Gram form of the first layer needs.
    n_threads : int
        That train, at most.
    after : Trainer, optional
        Of the same model and settings: what it trains on are examples of the same epoch, those
        before these. An epoch that diverges leaves all as it was before the first of them.
    """

    def __cinit__(self, model, data, settings, training, gram, Py_ssize_t n_threads,
                  Trainer after=None):
        cdef:
            Plan plan = model.plan
            Job *job = &self.job
            Slot *slot
            Layer *layer
            Py_ssize_t l, at, batch = settings.batch, L = plan.net.L
            size_t itemsize = 4 if plan.net.type == b'f' else 8
            bint rows, cols, shuffled = settings.order is not None
            object X = data.X, m1 = training.m1, m2 = training.m2, bits = None
            object chosen = None
            tuple keep = settings.keep or (1.0,) * L
        job.slots = <Slot *> calloc(L, sizeof(Slot))
        if job.slots == NULL:
            raise MemoryError
        if n_threads < 1:
            raise ValueError("a training has at least one thread")
        job.n_threads, job.turns.left = n_threads, FIRST_ALONE
        self.plan, self.type = plan, plan.net.type
        self.model, self.training, self.counts = model, training, training.counts
        self.ranks = settings.ranks
        job.net = plan.net
        plan.check(X, &job.X)
        job.m, job.batch = data.m, batch
        if not 1 <= batch <= job.m:
            raise ValueError("a batch must be some of the examples")
        if data.rows is not None:
            chosen, shuffled = empty(job.m, numpy.int64), True
            job.chosen = <const int64_t *> address(chosen)
            _take_order(data.rows, job.m, job.X.rows, <int64_t *> job.chosen)
        if not plan.params.flags.writeable:
            raise ValueError("the plan's params must be writeable")
        job.optimizer = <Optimizer> <int> settings.code
        for needed, moments in ((1, m1), (2, m2)):
            if needed in settings.moments and not (
                    moments is not None and is_like(moments, plan.params, plan.params.shape)
                    and moments.flags.writeable):
                raise ValueError("the moments must be arenas like the plan's")
        job.used = job.m - (job.m % settings.drop if settings.drop else 0)
        job.per_step = batch * min(<Py_ssize_t> settings.accumulate, (job.m + batch - 1) // batch)
        rows = job.X.col == 1 and job.X.row == job.X.cols and job.X.csr.starts == NULL
        cols = job.X.row == 1 and job.X.col == job.X.rows and batch == job.m
        job.keep_X = keep[0]
        job.read_in_place = (
            job.X.type == plan.net.type and (rows or cols) and not shuffled and job.keep_X == 1)
        job.trans_X = job.read_in_place and not rows
        self.take(data.T, data.labels, data.weights)
        job.sparse = plan.is_sparse(&job.X, batch) and gram is None
        if job.sparse:
            lengths = numpy.diff(X.indptr)
            lengths.partition(job.X.rows - batch)
            self.most = lengths[job.X.rows - batch:].sum()
        if min(keep) < 1:
            bits = model.bits if self.ranks is None else self.ranks.bits
            job.bits = <BitGenerator *> PyCapsule_GetPointer(bits.capsule, "BitGenerator")
            self.lock = bits.lock
        self.draw = settings.order
        self.kept_alive = [X, bits, m1, m2, gram, settings.stop, chosen]
        job.stop = flag_of(settings.stop)
        job.m1, job.m2 = address(m1), address(m2)
        take_numbers(job, settings)
        for l in range(L):
            layer, slot = &plan.layers[l], &job.slots[l]
            at = layer.at
            slot.W = <char *> plan.net.params + itemsize * at
            if m1 is not None:
                slot.m1_W = <char *> job.m1 + itemsize * at
            if m2 is not None:
                slot.m2_W = <char *> job.m2 + itemsize * at
            at = layer.n_prev * layer.n
            slot.b = <char *> slot.W + itemsize * at
            slot.m1_b = <char *> slot.m1_W + itemsize * at
            slot.m2_b = <char *> slot.m2_W + itemsize * at
            slot.keep = keep[l + 1] if l < L - 1 else 1.0
            slot.cut = cut_weights(layer.n_prev, layer.n, batch)
        if plan.net.scale > 0:
            at = itemsize * plan.net.scale
            job.scale.s = <char *> plan.net.params + at
            job.scale.V = <char *> job.scale.s + itemsize * plan.layers[0].n_prev
            job.scale.m1, job.scale.m2 = <char *> job.m1 + at, <char *> job.m2 + at
        # A last hidden layer of relu is taken with the output where relu_and_output can; few
        # examples of many units lie one unit a row.
        job.top = L - 1
        layer = &plan.layers[L - 2 if L > 1 else 0]
        if (L > 1 and plan.layers[L - 1].n == 1 and layer.act == RELU
                and 16 <= layer.n <= BLOCK and (batch > 32 or batch >= layer.n)
                and job.slots[L - 2].keep == 1 and job.per_step == batch and levels.verbs.joint):
            job.top = L - 2
        if gram is not None:
            self._check_gram(gram)
            job.gram = True
            job.slots[0].cut = cut_batch(job.m, job.net.size)
            job.K, job.Z0, job.ZV0 = address(gram.K), address(gram.Z0), address(gram.ZV0)
            job.slots[0].W, job.slots[0].m1_W = address(gram.C), address(gram.U)
            job.of_W = <double *> address(gram.shares)
            job.of_V = job.of_W + 2
            job.W0_W0, job.W0_V0, job.V0_V0, job.trace = gram.squares
        if job.guarded:
            guard(job, itemsize)
        attach(self.ranks, job)
        self._lay_out(itemsize, shuffled)
        if after is not None:
            if after.training is not training or after.plan is not plan or gram is not None:
                raise ValueError("the trainer of the examples before is of another training")
            self.saved, self.former = after.saved, after.former
            go_on(job, &after.job)

    def __dealloc__(self):
        give_back(self.job.board)
        free(self.job.slots)

    cdef int _check_gram(self, gram) except -1:
        cdef Py_ssize_t m = self.job.m, n = self.plan.layers[0].n
        params = self.plan.params
        for name, shape in (("K", (m, m)), ("Z0", (m, n)), ("C", (m, n))):
            if not is_like(getattr(gram, name), params, shape):
                raise ValueError(f"{name} must be of the plan's type, of shape {shape}")
        for array in (gram.ZV0, gram.U):
            if array is not None and not is_like(array, params, (m, n)):
                raise ValueError("ZV0 and U must be like C")
        if not is_like(gram.shares, numpy.empty(0), (2, 2)):
            raise ValueError("the shares must be two pairs")
        if self.job.optimizer != SGD and gram.U is None:
            raise ValueError("momentum needs U")
        return 0

    cdef int _lay_out(self, size_t itemsize, bint shuffled) except -1:
        # once to count the bytes of the workspace, once to hand them out
        cdef:
            char *start
            size_t size = assign(&self.job, self.most, &self.order, NULL, itemsize, shuffled)
            object work = empty(size + ALIGNMENT, numpy.uint8)
        self.size = size
        start = <char *> address(work)
        start += ALIGNMENT - <size_t> start % ALIGNMENT
        assign(&self.job, self.most, &self.order, start, itemsize, shuffled)
        self.kept_alive.append(work)
        self.saved = work
        if self.job.way == WHOLE:
            # clipping and the update read the gaps between the layers too
            memset(self.job.grads, 0, self.job.net.size * itemsize)
        return 0

    def take(self, T, labels, weights):
        """Train on other targets, class indices and weights from the next epoch on."""
        cdef Job *job = &self.job
        self.targets = self.plan.targets(job.X.rows, T, labels, weights)
        T, labels, weights = self.targets
        job.Y.T, job.Y.labels = address(T), <const int64_t *> address(labels)
        job.Y.weights = address(weights)

    def retake(self, X, Y, double least, double most):
        """Train on other examples from the next epoch on, if they are read as the ones before.

        Whether they are: X an array of the same shape, type and strides, finite, and Y one of
        targets from least to most, or of class indices, both in no memory that is trained. The
        parameters must be finite too. If they are not, the trainer is of no more use.
        """
        cdef:
            Job *job = &self.job
            Source x
        if (type(X) is not ndarray or not read(X, &x) or x.type != job.X.type
                or x.rows != job.X.rows or job.chosen != NULL or x.cols != job.X.cols
                or x.row != job.X.row or x.col != job.X.col
                or job.sparse or job.gram or job.Y.weights != NULL or job.busy):
            return False
        if (is_trained(job, x.data, (x.rows - 1) * x.row, (x.cols - 1) * x.col,
                       4 if x.type == b'f' else 8)
                or levels.verbs.first_nonfinite(&x, self.type == b'f') >= 0
                or not self._retake_targets(Y, least, most)):
            return False
        if not levels.verbs.all_finite(self.type, job.net.size, job.net.params):
            return False
        self.kept_alive[0] = X
        job.X.data = x.data
        return True

    cdef bint _retake_targets(self, Y, double least, double most) except -1:
        # Read targets of the plan's type in place; convert other numbers, and copy class indices.
        cdef:
            Job *job = &self.job
            Py_ssize_t m = job.m, n_L = self.plan.layers[self.plan.net.L - 1].n
            Py_ssize_t cols = 1 if job.Y.labels != NULL else n_L
            Py_ssize_t size = m * cols
            void *at = NULL
            void *out
            char kind = look_at_targets(Y, m, cols, &at) if type(Y) is ndarray else 0
        if kind == 0:
            return False
        if job.Y.labels != NULL:
            # copied before they are judged: nobody else can change the copy
            memcpy(<void *> job.Y.labels, at, size * sizeof(int64_t) if kind == b'q' else 0)
            return kind == b'q' and are_indices(size, job.Y.labels, n_L)
        if kind == self.type:
            if is_trained(job, at, size - 1, 0, 4 if kind == b'f' else 8):
                return False
            out = at
            self.targets = Y, None, None
        else:
            if self.own_targets is None:
                self.own_targets = empty(size, self.plan.dtype)
            out = address(self.own_targets)
            self.targets = self.own_targets, None, None
        job.Y.T = out
        if self.type == b'f':
            return take_targets(size, kind, at, least, most, <float *> out)
        return take_targets(size, kind, at, least, most, <double *> out)

    def release(self):
        """Let go of the examples: there is no epoch before `retake` has taken others."""
        self.kept_alive[0] = self.former = None
        self.targets = None, self.targets[1], self.targets[2]
        self.job.X.data = self.job.Y.T = NULL
        self.job.X.csr.starts = NULL

    @property
    def steps(self):
        """How many steps an epoch has, or that part of it which the examples are."""
        if self.ranks is not None:
            return self.job.n_steps
        return (self.job.used + self.job.per_step - 1) // self.job.per_step

    def begin(self, learning_rate, bint ends=True):
        """Prepare an epoch, or that part of it which the examples are; whether it ends with them.

        The learning rate is a number, or an array of one for each of the steps. Its order, if there
        is to be one, is asked for when the epoch begins, and copied.
        """
        cdef:
            double rate = 0
            const double *rates = NULL
        self.enter()
        if isinstance(learning_rate, ndarray):
            if not is_like(learning_rate, numpy.empty(0), (self.steps,)):
                raise ValueError(f"there must be {self.steps} learning rates")
            rates, self.rates = <const double *> address(learning_rate), learning_rate
        else:
            rate = learning_rate
        self.job.unfinished = not ends
        if not self.job.continued:
            self.former = self.model.training
        begin_epoch(&self.job, NULL if self.draw is None else self.order, rate, rates,
                    self.counts.n_steps)

    cdef int enter(self) except -1:
        # what must be so before an epoch
        if self.job.busy:
            raise RuntimeError("this trainer is at work")
        if self.job.X.data == NULL and self.job.X.csr.starts == NULL:
            raise RuntimeError("this trainer has let go of its examples")
        self.job.hears = PyThread_get_thread_ident() == main_thread
        return 0

    def epoch(self):
        """Train on each example once.

        Returns the mean cost, each batch's taken before its update. It is not finite if the
        training diverged; if guarded, all then is as it was before the epoch.
        """
        self.hold()
        try:
            if self.draw is not None:
                _take_order(self.draw(self.job.m), self.job.m, self.job.m, self.order)
            self.job.order = among(&self.job, self.job.order, self.order)
            begin(self.ranks, &self.job)
            if self.lock is None:
                return self._epoch()
            self.lock.acquire()
            try:
                return self._epoch()
            finally:
                self.lock.release()
        finally:
            self.let_go()

    cdef int hold(self) except -1:
        # for an epoch or several: nobody else trains, and helpers are there
        if self.job.busy:
            raise RuntimeError("this trainer is at work")
        self.job.busy = True
        self.model.whole = False
        self.job.board = borrow(self.job.n_threads - 1)
        return 0

    cdef int let_go(self) except -1:
        give_back(self.job.board)
        self.job.board = NULL
        self.job.busy = False
        self.model.whole = not self.job.gram
        return 0

    cdef double _epoch(self) except? -1:
        cdef:
            double cost
            bint trained
        with nogil:
            cost = levels.verbs.epoch(&self.job)
        trained = self.job.ended or self.job.steps > self.counts.n_steps
        board.write(&self.counts.n_steps, self.job.steps)
        if self.job.ended and not self.job.unfinished:
            board.write(&self.counts.n_epochs, self.counts.n_epochs + 1)
        self.leave(trained, cost)
        if self.job.interrupted:
            raise_pending()
        end(self.ranks)
        return cost

    cdef int leave(self, bint trained, double cost) except -1:
        # Tell the model what was trained, up to an epoch of this cost.
        if trained:
            self.model.training = self.training
        if self.job.guarded and cost != cost:
            # nothing has changed in the end, but who has copied the state meanwhile must see it
            former = self.former if self.job.continued else self.model.training
            self.model.training = copy(former)
        return 0

    def gradient(self, out):
        """Copy the gradient that the optimiser "none" has left to an arena."""
        if (self.job.optimizer != NONE or not out.flags.writeable
                or not is_like(out, self.plan.params, self.plan.params.shape)):
            raise ValueError("out must be like the arena, and the optimiser none")
        memcpy(address(out), self.job.grads, out.nbytes)
