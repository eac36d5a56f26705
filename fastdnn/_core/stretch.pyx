# The doors to whole fits: epochs in a row, with their orders, validation and early stopping.

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from cython cimport auto_pickle, final, floating
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy

from fastdnn._core cimport board, levels
from fastdnn._core.clock cimport now
from fastdnn._core.draws cimport shuffle
from fastdnn._core.plan cimport address, is_like
from fastdnn._core.spec cimport BitGenerator, Targets, work_size
from fastdnn._core.training cimport Trainer, among, begin_epoch, raise_pending

cdef extern from "Python.h":
    # declared without an exception, which waits until the epoch has ended
    PyObject *PyObject_CallMethod(object, const char *, const char *)
    int PyErr_CheckSignals() except -1
    void Py_XDECREF(PyObject *)

cdef:
    tuple ENDS = ("goes on", "done", "stayed", "late", "diverged", "interrupted", "unknown")
    tuple JUDGED = ("nothing", "cost", "loss", "hits")

cdef enum:
    MOST = 1024    # epochs of a stretch


def shuffled(bits, order):
    """Shuffle an order of int64 in place, by the numbers of a bit generator."""
    if not (is_like(order, numpy.empty(0, numpy.int64), (len(order),)) and order.flags.writeable):
        raise ValueError("the order must be an array of int64")
    shuffle(_generator(bits), len(order), <int64_t *> address(order))


cdef BitGenerator *_generator(bits) except NULL:
    return <BitGenerator *> PyCapsule_GetPointer(bits.capsule, "BitGenerator")


@final
@auto_pickle(False)
cdef class Stretch:
    """The epochs of a fit that nobody watches: some of them at a time, without Python.

    Parameters
    ----------
    trainer : Trainer
        Of the network.
    count : int or None
        Epochs of the fit; None for any number.
    bits : BitGenerator or None
        What draws the order of an epoch, if there is one to be drawn.
    order : ndarray of int64, shape (m,), or None
        What is shuffled further before each epoch; by default the examples as they lie are.
    shared : bool
        Whether others may draw from it too: its lock then is held while an order is drawn, else for
        a stretch.
    passed : float
        Seconds since the fit began.
    most : float
        Seconds of the fit after which no other epoch begins.
    """

    def __cinit__(
        self, Trainer trainer, count, bits, order, bint shared, double passed, double most,
    ):
        cdef:
            Run *run = &self.c
            Py_ssize_t m = trainer.job.m
        self.trainer, self.kept_alive = trainer, []
        run.job, run.net = &trainer.job, &trainer.plan.net
        run.steps, run.epochs = &trainer.counts.n_steps, &trainer.counts.n_epochs
        run.left = -1 if count is None else count
        run.began, run.most = now() - passed, most
        run.size = MOST if count is None else max(1, min(MOST, count))
        run.costs = <double *> PyMem_Calloc(5 * run.size, sizeof(double))
        if run.costs == NULL:
            raise MemoryError
        run.losses, run.scores = run.costs + run.size, run.costs + 2 * run.size
        run.times, run.rates = run.costs + 3 * run.size, run.costs + 4 * run.size
        run.ordered, run.among = trainer.draw is not None, trainer.order
        if bits is not None:
            run.bits = _generator(bits)
            if order is None:
                order = numpy.empty(m, numpy.int64)
                anew = numpy.arange(m, dtype=numpy.int64)
                run.anew = <const int64_t *> address(anew)
                self.kept_alive.append(anew)
            elif not (is_like(order, numpy.empty(0, numpy.int64), (m,))
                      and order.flags.writeable and _are_all(m, <int64_t *> address(order))):
                raise ValueError("the order must hold each of the examples")
            run.order = <int64_t *> address(order)
            self.kept_alive += [bits, order]
            self.lock = bits.lock
            if shared:
                run.lock, self.lock = <PyObject *> bits.lock, None
                self.kept_alive.append(bits.lock)
        elif run.ordered:
            raise ValueError("an order needs a generator")
        if trainer.lock is not None:
            if shared:
                raise ValueError("dropout does not share a generator")
            self.lock = trainer.lock

    def __dealloc__(self):
        PyMem_Free(self.c.costs)

    def validate(self, data, Py_ssize_t piece, double weight, double factor, double constant):
        """Compute the loss of validation data after each epoch.

        Parameters
        ----------
        data : Data
            Examples, and their targets or class indices and weights.
        piece : int
            How many are evaluated at a time.
        weight : float
            Of all together.
        factor, constant : float
            The loss is the mean cost times one, plus the other.
        """
        cdef:
            Run *run = &self.c
            Py_ssize_t m
            size_t itemsize = 4 if run.net.type == b'f' else 8
        self.trainer.plan.check(data.X, &run.X)
        m = run.X.rows
        targets = self.trainer.plan.targets(m, data.T, data.labels, data.weights)
        run.Y.T, run.Y.labels = address(targets[0]), <const int64_t *> address(targets[1])
        run.Y.weights = address(targets[2])
        piece = max(1, min(piece, m))
        # of a sparse X the last piece, which is shorter, may become dense
        size = max(work_size(run.net, &run.X, piece),
                   work_size(run.net, &run.X, m),
                   work_size(run.net, &run.X, (m - 1) % piece + 1))
        work = numpy.empty(size * itemsize + 64, numpy.uint8)
        run.work = <char *> address(work) + (64 - <size_t> address(work) % 64)
        self.kept_alive += [data.X, targets, work]
        run.piece, run.weight, run.factor, run.constant_loss = piece, weight, factor, constant

    def judge(self, what, double tol, double patience, best_params, classes):
        """Stop the fit when there is no improvement for too many epochs.

        Parameters
        ----------
        what : {"cost", "loss", "hits"}
            What is judged: the cost of the training data; or of the validation data the loss, or
            the share of examples whose class is predicted. Of the last two the parameters are kept
            that were best.
        tol : float
            What is an improvement.
        patience : float
            Epochs without one.
        best_params : ndarray or None
            An arena for the best parameters.
        classes : ndarray of int64, shape (m,), or None
            The classes of the validation data: one of as many as there are outputs, or 0 and 1.
        """
        cdef:
            Run *run = &self.c
            Py_ssize_t m = run.X.rows, n_L = run.net.layers[run.net.L - 1].n
        judged = JUDGED.index(what)
        if judged >= LOSS and (run.piece == 0 or not is_like(
                best_params, self.trainer.plan.params, self.trainer.plan.params.shape)
                or not best_params.flags.writeable):
            raise ValueError("to judge validation data needs some, and an arena")
        if judged == HITS:
            classes = numpy.array(classes, order="C")
            if not is_like(classes, numpy.empty(0, numpy.int64), (m,)):
                raise ValueError(f"the classes must be {m} numbers of int64")
            AL = numpy.empty((m, n_L), self.trainer.plan.dtype)
            run.classes, run.AL = <const int64_t *> address(classes), address(AL)
            self.kept_alive += [classes, AL]
        self.kept_alive.append(best_params)
        run.best_params = address(best_params)
        run.judged, run.tol, run.patience = <Judged> <int> judged, tol, patience

    def keep(self, best_params, classes):
        """Keep the parameters of the epoch of which the validation's score was least, or the last.

        Parameters
        ----------
        best_params : ndarray
            An arena for them.
        classes : ndarray of int64, shape (m,), or None
            Those of the validation data, of which the score then is the weight of the examples of
            which another is predicted; by default it is the loss.
        """
        cdef Run *run = &self.c
        params = self.trainer.plan.params
        if run.piece == 0 or not (
                is_like(best_params, params, params.shape) and best_params.flags.writeable):
            raise ValueError("to keep the best parameters needs validation data, and an arena")
        if classes is not None:
            classes = numpy.array(classes, numpy.int64, order="C")
            if classes.shape != (run.X.rows,):
                raise ValueError(f"there must be {run.X.rows} classes")
            run.Y.classes, run.Y.wrong = <const int64_t *> address(classes), &run.wrong
        self.kept_alive += [best_params, classes]
        run.best_params, run.keeps = address(best_params), True
        run.best = INFINITY

    def go_on(self, double best, int64_t stayed, bint has_best):
        """Say what was best before, for how many epochs, and whether its parameters are kept."""
        self.c.best, self.c.stayed, self.c.has_best = best, stayed, has_best

    def run(self, rates, double seconds):
        """Train for so many seconds, or until the fit ends; the epochs' entries are made anew.

        Parameters
        ----------
        rates : float or array_like of float, shape (n,) or (n, steps)
            The learning rate, or those of the next n epochs, or of each of their steps: the stretch
            has no others.
        seconds : float
            No other epoch begins later.
        """
        cdef:
            Trainer trainer = self.trainer
            Run *run = &self.c
            Py_ssize_t i, size = run.size
            double *at = <double *> run.rates
        run.constant, run.each, run.n_each = isinstance(rates, float), NULL, 0
        if run.constant:
            at[0] = rates
        else:
            rates = numpy.ascontiguousarray(rates, numpy.float64)
            size = min(size, <Py_ssize_t> len(rates))
            if rates.ndim == 2:
                if rates.shape[1] != trainer.steps:
                    raise ValueError(f"there must be {trainer.steps} learning rates of an epoch")
                run.each, run.n_each = <const double *> address(rates), trainer.steps
            for i in range(size if run.each == NULL else 0):
                at[i] = rates[i]
        trainer.enter()
        trainer.hold()
        try:
            if self.lock is None:
                self._run(size, seconds)
            else:
                self.lock.acquire()
                try:
                    self._run(size, seconds)
                finally:
                    self.lock.release()
        finally:
            trainer.let_go()
        trainer.leave(run.trained, run.cost)

    cdef int _run(self, Py_ssize_t size, double seconds) except -1:
        cdef Run *run = &self.c
        run.filled, run.trained, run.cost = 0, False, 0
        self.error = None
        with nogil:
            _last(run, size, seconds)
        try:
            if run.end == INTERRUPTED:
                raise_pending()
            # now, since the next bytecode would raise before it has read the entries
            PyErr_CheckSignals()
        except BaseException as error:
            self.error = error
        return 0

    @property
    def steps(self):
        """How many steps an epoch has."""
        return self.trainer.steps

    @property
    def end(self):
        """Why the last stretch ended.

        "goes on", "done", "stayed" (no improvement), "late", "diverged", "interrupted", or
        "unknown", if the loss of the validation data is not finite.
        """
        return ENDS[<int> self.c.end]

    @property
    def over(self):
        """Whether it ended by what its caller has asked for."""
        return self.error is None and self.c.end in (DONE, STAYED, LATE)

    @property
    def interrupt(self):
        """What has interrupted the last epoch, or came when it had ended: an exception, or None."""
        return self.error

    @property
    def filled(self):
        """How many epochs the last stretch had, but for one that was not trained to its end."""
        return self.c.filled

    @property
    def costs(self):
        """Each epoch's mean cost."""
        return self._listed(self.c.costs, self.c.filled)

    @property
    def losses(self):
        """Each epoch's loss of the validation data; none without any."""
        return self._listed(self.c.losses, self.c.filled if self.c.piece > 0 else 0)

    @property
    def scores(self):
        """Each epoch's score of the validation data; none if no score is judged."""
        judged = self.c.judged >= LOSS or self.c.keeps
        return self._listed(self.c.scores, self.c.filled if judged else 0)

    @property
    def times(self):
        """Seconds from the beginning of the fit to the end of each epoch."""
        return self._listed(self.c.times, self.c.filled)

    @property
    def improvement(self):
        """What was best, for how many epochs, and whether its parameters are kept."""
        return self.c.best, self.c.stayed, self.c.has_best

    cdef list _listed(self, const double *entries, Py_ssize_t count):
        return [entries[i] for i in range(count)]


cdef bint _are_all(Py_ssize_t m, const int64_t *order) except -1:
    # whether an order holds indices below m
    cdef Py_ssize_t i
    for i in range(m):
        if not 0 <= order[i] < m:
            return False
    return True


# ------------------------------------------------------------------------- below the Python line

include "judging.pxi"


cdef void last(Run *run, double seconds) noexcept nogil:
    # train for so many seconds, or until the fit ends, at one learning rate
    run.filled, run.trained, run.cost = 0, False, 0
    _last(run, run.size, seconds)


cdef void _last(Run *run, Py_ssize_t size, double seconds) noexcept nogil:
    cdef double start = now() - run.began
    run.end = GOES_ON
    while run.end == GOES_ON:
        if run.left == 0:
            run.end = DONE
        elif run.filled >= size or run.filled > 0 and run.times[run.filled - 1] - start >= seconds:
            break
        else:
            _train(run)


cdef void _train(Run *run) noexcept nogil:
    # one epoch, and what follows from it
    cdef:
        Job *job = run.job
        Py_ssize_t i = run.filled
        double rate = run.rates[0 if run.constant else i]
        const double *each = NULL
    if run.each != NULL:
        each = run.each + i * run.n_each
    if run.bits != NULL:
        if run.anew != NULL:
            memcpy(run.order, run.anew, job.m * sizeof(int64_t))
        if run.lock == NULL:
            shuffle(run.bits, job.m, run.order)
        elif not _draw_alone(run):
            run.end = INTERRUPTED
            return
    begin_epoch(
        job, among(job, run.order if run.ordered else NULL, run.among), rate, each, run.steps[0])
    run.cost = levels.verbs.epoch(job)
    run.trained |= job.ended or job.steps > run.steps[0]
    board.write(run.steps, job.steps)
    if job.ended:
        board.write(run.epochs, run.epochs[0] + 1)
    if job.interrupted:
        run.end = INTERRUPTED
        return
    if job.guarded and not isfinite(run.cost):
        run.end = DIVERGED
        return
    run.costs[i] = run.cost
    if run.piece > 0:
        run.losses[i] = _loss(run)
    if run.keeps:
        _keep(run, i)
    run.filled += 1
    if run.left > 0:
        run.left -= 1
    if run.judged != NOTHING:
        _judge(run, i)
    run.times[i] = now() - run.began
    if run.end == GOES_ON and run.times[i] >= run.most:
        run.end = LATE


cdef bint _draw_alone(Run *run) noexcept nogil:
    # draw an order while nobody else draws; else, as of Ctrl-C, an exception is set
    cdef bint drawn
    with gil:
        drawn = _locked(<object> run.lock)
        if drawn:
            shuffle(run.bits, run.job.m, run.order)
            drawn = _unlocked(<object> run.lock)
    return drawn


cdef bint _locked(lock) noexcept:
    return _keeps_error(PyObject_CallMethod(lock, "acquire", NULL))


cdef bint _unlocked(lock) noexcept:
    return _keeps_error(PyObject_CallMethod(lock, "release", NULL))


cdef bint _keeps_error(PyObject *result) noexcept:
    Py_XDECREF(result)
    return result != NULL
