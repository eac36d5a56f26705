# The doors to a network: they look at arrays, predict and evaluate, and release the GIL.
#
# Readable: a matrix of float32 or float64, native and aligned, whose strides are whole elements.

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, Py_buffer, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.object cimport PyObject
from cython cimport always_allow_keywords, auto_pickle, binding, floating
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

import numpy

from fastdnn._core cimport levels
from fastdnn._core.activations cimport IDENTITY, SOFTMAX, Activation, sigmoid_point
from fastdnn._core.board cimport (
    UNITS, Board, charge, clock, finish, lone, make_one, offer, read as look_at, wake, withdraw,
    write,
)
from fastdnn._core.costs cimport Cost
from fastdnn._core.elementary cimport exp_of_any
from fastdnn._core.memory cimport LIMIT, look
from fastdnn._core.modes cimport flush_subnormals, restore_modes
from fastdnn._core.slices cimport cut_rows
from fastdnn._core.source cimport Source, gather
from fastdnn._core.spec cimport (
    CHUNK, DERIVE, OUTPUT_EXP, OUTPUT_SIGMOID, OUTPUT_SOFTMAX, Dropout, Layer, Matrix, Net, Output,
    Targets, chunk_rows, reads_nonzeros, work_size,
)
from fastdnn._core.turns cimport FIRST_HELPED, Turns, next_turn, work_alone
from fastdnn._core.workers cimport account, begin_call, births, borrow, end_call, give_back

from fastdnn._core.csr import Csr


cdef:
    object ndarray = numpy.ndarray
    object empty = numpy.empty

cdef extern from "Python.h":
    object PyObject_Call(object function, object args, PyObject *kwargs)
    int PyErr_CheckSignals() except -1

cdef enum:
    ALIGNMENT = 64   # bytes of a cache line
    # multiplications of a prediction that keeps the GIL: they end sooner than it is taken again,
    # and BLAS starts no thread for them
    TINY = 8192
    SMALL = 1024     # elements of a workspace that lies on the stack


cdef bint read(object array, Source *X) except -1:
    # Look at an array of float32 or float64, whose memory its caller keeps alive.
    cdef:
        Py_buffer buffer
        bint fits
    X.type = look(array, &buffer)
    if X.type == 0:
        return False
    fits = (buffer.ndim == 2 and X.type in b"fd" and buffer.shape[0] <= LIMIT
            and (buffer.shape[0] == 1 or buffer.strides[0] % buffer.itemsize == 0)
            and (buffer.shape[1] == 1 or buffer.strides[1] % buffer.itemsize == 0))
    if fits:
        X.rows, X.cols = buffer.shape[0], buffer.shape[1]
        X.row = buffer.strides[0] // buffer.itemsize
        X.col = buffer.strides[1] // buffer.itemsize
        if X.cols == 1:
            X.col = 1
        if X.rows == 1:
            X.row = X.cols
        X.data, X.csr.starts = buffer.buf, NULL
    PyBuffer_Release(&buffer)
    return fits


cdef bint read_any(object X, Source *x) except -1:
    # Look at an array, or at a Csr: its parts fit each other, and nobody else writes to them.
    if type(X) is not Csr:
        return read(X, x)
    x.type = b'f' if X.dtype == numpy.float32 else b'd'
    x.rows, x.cols = X.shape
    x.row = x.col = 0
    x.data = NULL
    x.csr.starts = <const int64_t *> address(X.indptr)
    x.csr.indices = <const int32_t *> address(X.indices)
    x.csr.values = address(X.data)
    return True


cdef void *address(object array) except? NULL:
    # the address of a contiguous array's memory, which the caller keeps alive; NULL of None
    cdef:
        Py_buffer buffer
        void *data
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES)
    data = buffer.buf
    PyBuffer_Release(&buffer)
    return data


cdef bint is_like(object array, object params, object shape) except -1:
    # whether an array is of this shape, and its memory like the arena of the parameters
    return (isinstance(array, ndarray) and array.dtype == params.dtype and array.shape == shape
            and array.flags.c_contiguous and array.flags.aligned)


def first_nonfinite(X, bint single):
    """The first row of a readable matrix that is not finite, in float32 if single; or -1."""
    cdef:
        Source x
        Py_ssize_t row
    if not read_any(X, &x):
        raise ValueError("X must be readable")
    with nogil:
        row = levels.verbs.first_nonfinite(&x, single)
    return row


include "shared.pxi"


@auto_pickle(False)
cdef class Plan:
    """The shapes of a network, and where each W (n_prev, n) and b (n) stands in its arena.

    Parameters
    ----------
    layer_dims : tuple of int
        Units of each layer, the input's features first.
    offsets : tuple of int
        Where each W stands in the arena, in rising order; its b follows.
    activations : tuple of (int, bool)
        Of the hidden layers: a code of the enum Activation, and whether the derivative is a
        function of A, else of Z.
    output : int
        Code of the enum Output.
    cost : int
        Code of the enum Cost.
    cost_parameter : float
        The threshold of huber, or the quantile.
    params : ndarray, 1-d, of float32 or float64
        The arena.
    alone : int
        Examples that one thread predicts at once.
    scale : int
        Where the numbers stand in the arena by which inputs are multiplied, behind the last bias,
        and behind them what they make W1 of; 0: there are none.
    """

    def __cinit__(self, layer_dims, offsets, activations, int output, int cost,
                  double cost_parameter, params, Py_ssize_t alone, Py_ssize_t scale=0):
        cdef:
            Net *net = &self.net
            Layer *layer
            Py_ssize_t l
            int i
        for i in range(2 * KINDS):
            # a call may be the only one
            self.turns[i].helped, self.turns[i].left = True, FIRST_HELPED
        net.L = len(layer_dims) - 1
        net.output, net.cost = <Output> output, <Cost> cost
        net.cost_parameter = cost_parameter
        self.layers = <Layer *> calloc(net.L, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        net.layers = self.layers
        for l in range(net.L):
            layer = &self.layers[l]
            layer.act, layer.of_Z = IDENTITY, False
            if l < net.L - 1:
                layer.act, layer.of_Z = <Activation> <int> activations[l][0], not activations[l][1]
            layer.n_prev, layer.n = layer_dims[l], layer_dims[l + 1]
            layer.at = offsets[l]
            if layer.at < net.size:
                raise ValueError("the offsets must rise by the sizes of the layers")
            net.size = layer.at + (layer.n_prev + 1) * layer.n
            if l < net.L - 1:
                net.widest = max(net.widest, layer.n)
        if scale > 0:
            if scale < net.size:
                raise ValueError("the scale of the inputs must stand behind the layers")
            net.scale = scale
            net.size = scale + net.layers[0].n_prev * (1 + net.layers[0].n)
        if not is_like(params, params, (net.size,)):
            raise ValueError(f"params must hold {net.size} elements, got {params.size}")
        net.type = b'f' if params.dtype == numpy.float32 else b'd'
        net.params = address(params)
        net.chunk = chunk_rows(net, levels.verbs)
        self.params, self.dtype, self.alone = params, params.dtype, alone
        self.single = (1, layer_dims[net.L]), self.dtype

    def __dealloc__(self):
        free(self.layers)

    def rows(self, X):
        """The number of examples of an array that predict can read as it is, else 0."""
        cdef Source x
        if type(X) is not ndarray or not read(X, &x) or x.cols != self.layers[0].n_prev:
            return 0
        return x.rows

    @binding(False)
    @always_allow_keywords(False)
    def outputs(self, X):
        """The activations of the output (m, n_L) of an array X that can be read as it is.

        Else None, or where there are more examples than one thread takes at once.
        """
        cdef:
            Source x
            Py_buffer buffer
            Py_ssize_t n_L = self.layers[self.net.L - 1].n
            char small[8 * SMALL + ALIGNMENT]
            char *work
        if (type(X) is not ndarray or not read(X, &x) or x.cols != self.layers[0].n_prev
                or not 0 < x.rows <= self.alone):
            return None
        work = small + (ALIGNMENT - <size_t> small % ALIGNMENT)
        if x.rows == 1:
            AL = PyObject_Call(empty, self.single, NULL)
        else:
            AL = empty((x.rows, n_L), self.dtype)
        # the element type is known, and NumPy would write its format anew for each array
        PyObject_GetBuffer(AL, &buffer, PyBUF_SIMPLE)
        PyBuffer_Release(&buffer)
        if buffer.len != x.rows * n_L * (4 if self.net.type == b'f' else 8):
            raise SystemError("numpy.empty returned another array than it was asked for")
        if x.rows * self.net.size <= TINY and work_size(&self.net, &x, x.rows) <= SMALL:
            levels.verbs.predict(&self.net, &x, 0, x.rows, work, buffer.buf)
            return AL
        begin_call()
        try:
            self._run(&x, buffer.buf, 0, x.rows, NULL)
        finally:
            end_call()
        return AL

    def predict(self, X, AL, Py_ssize_t n_threads=1, Py_ssize_t between=LIMIT):
        """AL (m, n_L) := the activations of the output, by so many threads; X readable.

        Ctrl-C is heard each time that the first thread has made so many rows.
        """
        cdef:
            Source x, al
            Py_ssize_t n_L = self.layers[self.net.L - 1].n
        self.check(X, &x)
        if not (read(AL, &al) and al.type == self.net.type and al.rows == x.rows and al.cols == n_L
                and al.col == 1 and al.row == n_L and n_threads > 0):
            raise ValueError("AL must be of the plan's type, with a row for each of X")
        begin_call()
        try:
            share_rows(
                &self.net, &x, <void *> al.data, n_threads, between, &self.turns[kind_of(&x)])
        finally:
            end_call()

    def evaluate(self, X, T, labels, weights, Py_ssize_t first, Py_ssize_t stop, classes=None):
        """The sum of the weighted costs of rows first .. stop of X, and that of their weights.

        Against the targets T (m, n_L) or the class indices labels (m). Given the classes (m), of
        softmax or of one output, also the weights of the rows of which another is predicted.
        """
        cdef:
            Source x
            Targets Y
            double weight = stop - first, total, wrong = 0
        self.check(X, &x)
        if not 0 <= first <= stop <= x.rows:
            raise ValueError("the rows must be some of X")
        for array in (T, labels, weights, classes):
            if array is not None and len(array) != x.rows:
                raise ValueError(f"there must be {x.rows} targets and weights")
        Y.classes, Y.wrong = NULL, NULL
        if classes is not None:
            classes = numpy.ascontiguousarray(classes[first:stop], numpy.int64)
            Y.classes, Y.wrong = <const int64_t *> address(classes), &wrong
        T, labels, weights = (
            array if array is None else array[first:stop] for array in (T, labels, weights))
        T, labels, weights = self.targets(stop - first, T, labels, weights)
        Y.T, Y.labels = address(T), <const int64_t *> address(labels)
        Y.weights = address(weights)
        if weights is not None:
            weight = weights.sum(dtype=numpy.float64)
        total = self._run(&x, NULL, first, stop, &Y)
        if classes is None:
            return total, weight
        return total, weight, wrong

    def jacobian(
        self, X, dX, Py_ssize_t output, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t chunk,
    ):
        """dX := the derivatives of the outputs by X, in rows first .. stop; X readable.

        dX is (m, 1, n_0) for one output, or (m, n_L, n_0) for all if that is below 0. So many rows
        are one chunk.
        """
        cdef:
            Source x
            Jacobian job
            char *memory
            char *out
            Py_ssize_t n_L = self.layers[self.net.L - 1].n
        self.check(X, &x)
        job.net, job.outputs = &self.net, n_L if output < 0 else 1
        if not (output < n_L and is_like(dX, self.params, (x.rows, job.outputs, x.cols))
                and dX.flags.writeable and 0 <= first <= stop <= x.rows and chunk > 0):
            raise ValueError("dX must be of the plan's type, with a row for each of X")
        out = <char *> address(dX)
        memory = <char *> malloc(jacobian_bytes(&job, min(chunk, stop - first)) + ALIGNMENT)
        if memory == NULL:
            raise MemoryError
        divide(&job, memory + (ALIGNMENT - <size_t> memory % ALIGNMENT))
        with nogil:
            derive_rows(&job, &x, first, stop, output, out)
        free(memory)

    cdef int check(self, X, Source *x) except -1:
        if not read_any(X, x) or x.cols != self.layers[0].n_prev:
            raise ValueError(f"X must be readable, with {self.layers[0].n_prev} columns")
        if x.csr.starts != NULL and x.type != self.net.type:
            raise ValueError("a sparse X must be of the plan's type")
        return 0

    cdef tuple targets(self, Py_ssize_t m, T, labels, weights):
        # Judge targets, class indices and weights. The last two decide on addresses and branches,
        # so that they are copied, and only the copy is judged: nobody else can change that.
        cdef Py_ssize_t n_L = self.layers[self.net.L - 1].n
        if (T is None) == (labels is None):
            raise ValueError("either T or labels must be given")
        if T is not None and not is_like(T, self.params, (m, n_L)):
            raise ValueError(f"T must be of the plan's type, of shape ({m}, {n_L})")
        if weights is not None:
            weights = numpy.array(weights, order="C")
            if not is_like(weights, self.params, (m,)):
                raise ValueError(f"weights must be of the plan's type, of shape ({m},)")
        if labels is not None:
            labels = numpy.array(labels, order="C")
            if not (labels.dtype == numpy.int64 and labels.shape == (m,)
                    and (m == 0 or 0 <= labels.min() <= labels.max() < n_L)):
                raise ValueError(f"labels must be {m} class indices below {n_L}")
        return T, labels, weights

    cdef bint is_sparse(self, const Source *X, Py_ssize_t batch) noexcept:
        return reads_nonzeros(X, self.layers[0].n, batch, 4 if self.net.type == b'f' else 8)

    cdef double _run(
        self, const Source *X, void *AL, Py_ssize_t first, Py_ssize_t stop, const Targets *Y,
    ) except? -1:
        # predict into AL, or sum the costs of Y
        cdef:
            size_t itemsize = 4 if self.net.type == b'f' else 8
            char *memory = <char *> malloc(
                work_size(&self.net, X, stop - first) * itemsize + ALIGNMENT)
            char *work = memory + (ALIGNMENT - <size_t> memory % ALIGNMENT)
            double total = 0
        if memory == NULL:
            raise MemoryError
        with nogil:
            if Y == NULL:
                levels.verbs.predict(&self.net, X, first, stop, work, AL)
            else:
                total = levels.verbs.evaluate(&self.net, X, first, stop, work, Y)
        free(memory)
        return total


include "jacobian.pxi"


def slices(Py_ssize_t rows):
    """Count the slices of so many rows of a product."""
    return cut_rows(rows).slices


def multiply(A, B, C, double alpha, double beta, Py_ssize_t begin, Py_ssize_t end):
    """Some slices of the rows of C := alpha A B + beta C.

    A and B are contiguous in either order, C is C-contiguous.
    """
    cdef Source a, b, c
    if not (read(A, &a) and read(B, &b) and read(C, &c) and a.type == b.type == c.type
            and a.cols == b.rows and a.rows == c.rows and b.cols == c.cols
            and c.col == 1 and c.row == c.cols and 0 <= begin <= end <= cut_rows(c.rows).slices):
        raise ValueError("A, B and C must be readable, and their shapes must fit")
    with nogil:
        levels.verbs.multiply(&a, &b, alpha, beta, &c, begin, end)


def span(X, W0, V0, shares, pairs, Py_ssize_t begin, Py_ssize_t end):
    """Write some slices of the rows of W := w W0 + w' V0 + X^T C for each pair of W and C.

    One pair has the first row w, w' of the shares, another the second. X is contiguous, V0 may be
    None. All is written in one call: no interrupt leaves half of it.
    """
    cdef:
        Source x, w0, v0, w, c
        Py_ssize_t i
        double *of = <double *> address(shares)
    v0.data = NULL
    if V0 is not None:
        read(V0, &v0)
    read(X, &x)
    read(W0, &w0)
    for i in range(len(pairs)):
        if pairs[i][0] is None:
            continue
        if not (is_like(pairs[i][0], W0, W0.shape) and is_like(pairs[i][1], W0, (len(X), w0.cols))
                and is_like(shares, numpy.empty(0), (2, 2)) and X.dtype == W0.dtype
                and (V0 is None or is_like(V0, W0, W0.shape)) and X.flags.forc
                and x.cols == w0.rows and 0 <= begin <= end <= cut_rows(w0.rows).slices
                and pairs[i][0].flags.writeable and i < 2):
            raise ValueError("the weights must be like W0, and all of one type")
        read(pairs[i][0], &w)
        read(pairs[i][1], &c)
        with nogil:
            levels.verbs.span(&x, &w0, &v0, of + 2 * i, &c, begin, end, &w)


def take_over(model, params, training, rng):
    """Set a model's parameters, training and generator: in one call, that no interrupt divides."""
    model.params[...] = params
    model.training, model.rng = training, rng


def same(tuple a, tuple b):
    """Whether two tuples hold the very same objects."""
    cdef Py_ssize_t i
    if len(a) != len(b):
        return False
    for i in range(len(a)):
        if a[i] is not b[i]:
            return False
    return True
