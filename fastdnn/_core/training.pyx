# The doors to whole training runs: they look at arrays, hand out the workspace and release the GIL.
#
# Readable: a matrix of float32 or float64, native and aligned, whose strides are whole elements.

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.pycapsule cimport PyCapsule_GetPointer
from cython cimport auto_pickle, final, floating
from libc.float cimport DBL_MIN, FLT_MIN
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import numpy

from fastdnn._core cimport levels
from fastdnn._core.memory cimport LIMIT, element
from fastdnn._core.source cimport Source
from fastdnn._core.spec cimport (
    ADAM, BLOCK, IDENTITY, MOMENTUM, NESTEROV, NONE, REGIONS, RELU, RMSPROP, SGD, SHARES, STREAM,
    WHOLE, Activation, BitGenerator, Cost, Job, Layer, Net, Optimizer, Output, Share, Slot, Targets,
    block_rows, needs_Z, reads_nonzeros, work_size,
)
from fastdnn._core.team cimport abandon
from fastdnn._core.workers cimport begin_call, end_call

from fastdnn._core.csr import Csr

cdef:
    object ndarray = numpy.ndarray
    object empty = numpy.empty

cdef enum:
    ALIGNMENT = 64   # bytes of a cache line
    # multiplications for which BLAS asks no other thread, and that end before the GIL is had again
    TINY = 8192
    SMALL = 1024     # elements of a workspace that lies on the stack


cdef bint _read(object array, Source *X) except -1:
    # Look at an array of float32 or float64, whose memory its caller keeps alive.
    cdef:
        Py_buffer buffer
        bint fits
    try:
        PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES)
    except ValueError:  # an element type that the protocol does not know
        return False
    X.type = element(&buffer)
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


cdef bint _read_any(object X, Source *x) except -1:
    # the same of an array or of a Csr, whose parts fit each other and which nobody else writes to
    if type(X) is not Csr:
        return _read(X, x)
    x.type = b'f' if X.dtype == numpy.float32 else b'd'
    x.rows, x.cols = X.shape
    x.row = x.col = 0
    x.data = NULL
    x.csr.starts = <const int64_t *> _address(X.indptr)
    x.csr.indices = <const int32_t *> _address(X.indices)
    x.csr.values = _address(X.data)
    return True


cdef void *_address(object array) except? NULL:
    # of a contiguous array, whose memory its caller keeps alive
    cdef:
        Py_buffer buffer
        void *data
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES)
    data = buffer.buf
    PyBuffer_Release(&buffer)
    return data


cdef bint _is_like(object array, object params, object shape) except -1:
    # whether the memory of an array is all that the engine takes it for
    return (isinstance(array, ndarray) and array.dtype == params.dtype and array.shape == shape
            and array.flags.c_contiguous and array.flags.aligned)


cdef bint _take_order(object order, Py_ssize_t m, int64_t *out) except -1:
    # Copy an order of m examples, and judge the copy: nobody else can change that.
    cdef:
        Py_ssize_t i
        uint64_t most = 0
        const int64_t *given
    if isinstance(order, ndarray) and order.dtype.kind in "iu" and order.shape == (m,):
        # NumPy's integer has 32 bits on some platforms
        order = numpy.ascontiguousarray(order, numpy.int64)
        given = <const int64_t *> _address(order)
        memcpy(out, given, m * sizeof(int64_t))
        for i in range(m):
            most = max(most, <uint64_t> out[i])
        if most < <uint64_t> m:
            return True
    raise ValueError(f"the order must be an array of {m} indices below {m}")


def first_nonfinite(X, bint single):
    """The first row of a readable matrix that is not finite, in float32 if single; or -1."""
    cdef:
        Source x
        Py_ssize_t row
    if not _read_any(X, &x):
        raise ValueError("X must be readable")
    with nogil:
        row = levels.verbs.first_nonfinite(&x, single)
    return row


@auto_pickle(False)
cdef class Plan:
    """The shapes of a network, and where each W (n_prev, n) and b (n) stands in its arena.

    Parameters
    ----------
    layer_dims : tuple of int
        Units of each layer, the input's features first.
    offsets : tuple of int
        Where each W stands in the arena, in rising order; its b follows.
    activations : tuple of int
        Of the hidden layers: codes of the enum Activation.
    output : int
        Code of the enum Output.
    cost : int
        Code of the enum Cost.
    cost_parameter : float
        The threshold of huber, or the quantile.
    params : ndarray, 1-d, of float32 or float64
        The arena.
    """

    cdef:
        Net net
        Layer *layers
        object params
        object dtype

    def __cinit__(self, layer_dims, offsets, activations, int output, int cost,
                  double cost_parameter, params):
        cdef:
            Net *net = &self.net
            Layer *layer
            Py_ssize_t l
        net.L = len(layer_dims) - 1
        net.output, net.cost = <Output> output, <Cost> cost
        net.cost_parameter = cost_parameter
        self.layers = <Layer *> calloc(net.L, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        net.layers = self.layers
        for l in range(net.L):
            layer = &self.layers[l]
            layer.act = <Activation> (<int> activations[l] if l < net.L - 1 else IDENTITY)
            layer.n_prev, layer.n = layer_dims[l], layer_dims[l + 1]
            layer.at = offsets[l]
            if layer.at < net.size:
                raise ValueError("the offsets must rise by the sizes of the layers")
            net.size = layer.at + (layer.n_prev + 1) * layer.n
            if l < net.L - 1:
                net.widest = max(net.widest, layer.n)
        if not _is_like(params, params, (net.size,)):
            raise ValueError(f"params must hold {net.size} elements, got {params.size}")
        net.type = b'f' if params.dtype == numpy.float32 else b'd'
        net.params = _address(params)
        self.params, self.dtype = params, params.dtype

    def __dealloc__(self):
        free(self.layers)

    def rows(self, X):
        """The number of examples of an array that predict can read as it is, else 0."""
        cdef Source x
        if type(X) is not ndarray or not _read(X, &x) or x.cols != self.layers[0].n_prev:
            return 0
        return x.rows

    def outputs(self, X, Py_ssize_t most):
        """The activations of the output (m, n_L) of an array X that can be read as it is.

        Else None, or where there are more examples than one thread takes at once.
        """
        cdef:
            Source x
            Py_buffer buffer
            Py_ssize_t n_L = self.layers[self.net.L - 1].n
            char small[8 * SMALL + ALIGNMENT]
            char *work
        if (type(X) is not ndarray or not _read(X, &x) or x.cols != self.layers[0].n_prev
                or not 0 < x.rows <= most):
            return None
        AL = empty((x.rows, n_L), self.dtype)
        # what it holds is known: NumPy would spell the format out anew
        PyObject_GetBuffer(AL, &buffer, PyBUF_SIMPLE)
        PyBuffer_Release(&buffer)
        if buffer.len != x.rows * n_L * (4 if self.net.type == b'f' else 8):
            raise SystemError("numpy.empty returned another array than it was asked for")
        if x.rows * self.net.size <= TINY and work_size(&self.net, &x, x.rows) <= SMALL:
            work = small + (ALIGNMENT - <size_t> small % ALIGNMENT)
            levels.verbs.predict(&self.net, &x, 0, x.rows, work, buffer.buf)
            return AL
        begin_call()
        try:
            self._run(&x, buffer.buf, 0, x.rows, NULL)
        finally:
            end_call()
        return AL

    def predict(self, X, AL, Py_ssize_t first, Py_ssize_t stop):
        """AL (m, n_L) := the activations of the output, in rows first .. stop; X readable."""
        cdef:
            Source x, al
            Py_ssize_t n_L = self.layers[self.net.L - 1].n
        self._check(X, &x)
        if not (_read(AL, &al) and al.type == self.net.type and al.rows == x.rows and al.cols == n_L
                and al.col == 1 and al.row == n_L and 0 <= first <= stop <= x.rows):
            raise ValueError("AL must be of the plan's type, with a row for each of X")
        self._run(&x, <void *> al.data, first, stop, NULL)

    def evaluate(self, X, T, labels, weights, Py_ssize_t first, Py_ssize_t stop):
        """The sum of the weighted costs of rows first .. stop of X, and that of their weights.

        Against the targets T (m, n_L) or the class indices labels (m).
        """
        cdef:
            Source x
            Targets Y
            double weight = stop - first
        self._check(X, &x)
        if not 0 <= first <= stop <= x.rows:
            raise ValueError("the rows must be some of X")
        for array in (T, labels, weights):
            if array is not None and len(array) != x.rows:
                raise ValueError(f"there must be {x.rows} targets and weights")
        T, labels, weights = (
            array if array is None else array[first:stop] for array in (T, labels, weights))
        T, labels, weights = self._targets(stop - first, T, labels, weights)
        Y.T, Y.labels = _address(T), <const int64_t *> _address(labels)
        Y.weights = _address(weights)
        if weights is not None:
            weight = weights.sum(dtype=numpy.float64)
        return self._run(&x, NULL, first, stop, &Y), weight

    cdef int _check(self, X, Source *x) except -1:
        if not _read_any(X, x) or x.cols != self.layers[0].n_prev:
            raise ValueError(f"X must be readable, with {self.layers[0].n_prev} columns")
        if x.csr.starts != NULL and x.type != self.net.type:
            raise ValueError("a sparse X must be of the plan's type")
        return 0

    cdef tuple _targets(self, Py_ssize_t m, T, labels, weights):
        # Judge targets, class indices and weights. The last two decide on addresses and branches,
        # so that they are copied, and only the copy is judged: nobody else can change that.
        cdef Py_ssize_t n_L = self.layers[self.net.L - 1].n
        if (T is None) == (labels is None):
            raise ValueError("either T or labels must be given")
        if T is not None and not _is_like(T, self.params, (m, n_L)):
            raise ValueError(f"T must be of the plan's type, of shape ({m}, {n_L})")
        if weights is not None:
            weights = numpy.array(weights, order="C")
            if not _is_like(weights, self.params, (m,)):
                raise ValueError(f"weights must be of the plan's type, of shape ({m},)")
        if labels is not None:
            labels = numpy.array(labels, order="C")
            if not (labels.dtype == numpy.int64 and labels.shape == (m,)
                    and (m == 0 or 0 <= labels.min() <= labels.max() < n_L)):
                raise ValueError(f"labels must be {m} class indices below {n_L}")
        return T, labels, weights

    cdef bint _reads_nonzeros(self, const Source *X, Py_ssize_t batch) noexcept:
        return reads_nonzeros(X, self.layers[0].n, batch, 4 if self.net.type == b'f' else 8)

    cdef double _run(
        self, const Source *X, void *AL, Py_ssize_t first, Py_ssize_t stop, const Targets *Y,
    ) except? -1:
        # predict into AL, or with targets sum the costs
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


def multiply(A, B, C, double alpha, double beta):
    """C := alpha A B + beta C for matrices that are contiguous in either order.

    A may be some rows of one, if C is C-contiguous.
    """
    cdef Source a, b, c
    if not (_read(A, &a) and _read(B, &b) and _read(C, &c) and a.type == b.type == c.type
            and a.cols == b.rows and a.rows == c.rows and b.cols == c.cols):
        raise ValueError("A, B and C must be readable, and their shapes must fit")
    with nogil:
        levels.verbs.multiply(&a, &b, alpha, beta, &c)


def span(X, W0, V0, shares, pairs, Py_ssize_t first, Py_ssize_t stop):
    """Write the rows first .. stop of W := w W0 + w' V0 + X^T C for each pair of W and C.

    One pair has the first row w, w' of the shares, another the second. X is contiguous, V0 may be
    None. All is written in one call: no interrupt leaves half of it.
    """
    cdef:
        Source x, w0, v0, w, c
        Py_ssize_t i
        double *of = <double *> _address(shares)
    v0.data = NULL
    if V0 is not None:
        _read(V0, &v0)
    _read(X, &x)
    _read(W0, &w0)
    for i in range(len(pairs)):
        if pairs[i][0] is None:
            continue
        if not (_is_like(pairs[i][0], W0, W0.shape) and _is_like(pairs[i][1], W0, (len(X), w0.cols))
                and _is_like(shares, numpy.empty(0), (2, 2)) and X.dtype == W0.dtype
                and (V0 is None or _is_like(V0, W0, W0.shape)) and X.flags.forc
                and x.cols == w0.rows and 0 <= first <= stop <= w0.rows
                and pairs[i][0].flags.writeable and i < 2):
            raise ValueError("the weights must be like W0, and all of one type")
        _read(pairs[i][0], &w)
        _read(pairs[i][1], &c)
        with nogil:
            levels.verbs.span(&x, &w0, &v0, of + 2 * i, &c, first, stop, &w)


def take_over(model, params, training, rng):
    """Set a model's parameters, training and generator: in one call, that no interrupt divides."""
    model.params[...] = params
    model.training, model.rng = training, rng


@final
cdef class Counts:
    """How long a network was trained: steps and epochs, which the engine counts as it takes them.

    Parameters
    ----------
    steps, epochs : int
        At first.
    """

    cdef:
        public int64_t steps
        public int64_t epochs

    def __init__(self, int64_t steps=0, int64_t epochs=0):
        self.steps, self.epochs = steps, epochs

    def __reduce__(self):
        return Counts, (self.steps, self.epochs)


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
        Of the team that trains.
    """

    cdef:
        Job job
        char type
        Plan plan
        Counts counts
        object model
        object training
        object kept_alive
        object targets
        object lock        # of the bit generator
        object draw        # makes the order of an epoch
        int64_t *order     # the workspace of one, if the epochs will name it
        object own_targets  # where they are not of the plan's type
        readonly size_t size  # bytes of the workspace
        Py_ssize_t most    # nonzeros of a batch of a sparse X, or more

    def __cinit__(self, model, data, settings, training, gram, Py_ssize_t n_threads):
        cdef:
            Plan plan = model.plan
            Job *job = &self.job
            Slot *slot
            Layer *layer
            Py_ssize_t l, at, batch = settings.batch, L = plan.net.L
            size_t itemsize = 4 if plan.net.type == b'f' else 8
            bint rows, cols, shuffled = settings.order is not None
            object X = data.X, m1 = training.m1, m2 = training.m2, bits = None
            tuple keep = settings.keep or (1.0,) * L
        job.slots = <Slot *> calloc(L, sizeof(Slot))
        if job.slots == NULL:
            raise MemoryError
        if n_threads < 1:
            raise ValueError("a team has at least one thread")
        job.team.n_threads = n_threads
        self.plan, self.type = plan, plan.net.type
        self.model, self.training, self.counts = model, training, training.counts
        job.net = plan.net
        plan._check(X, &job.X)
        if not 1 <= batch <= job.X.rows:
            raise ValueError("a batch must be some of the examples")
        if not plan.params.flags.writeable:
            raise ValueError("the plan's params must be writeable")
        job.optimizer = <Optimizer> <int> settings.code
        for needed, moments in (((MOMENTUM, NESTEROV, ADAM), m1), ((RMSPROP, ADAM), m2)):
            if job.optimizer in needed and not (
                    moments is not None and _is_like(moments, plan.params, plan.params.shape)
                    and moments.flags.writeable):
                raise ValueError("the moments must be arenas like the plan's")
        job.m, job.batch = job.X.rows, batch
        job.per_step = batch * min(<Py_ssize_t> settings.accumulate, (job.m + batch - 1) // batch)
        rows = job.X.col == 1 and job.X.row == job.X.cols and job.X.csr.starts == NULL
        cols = job.X.row == 1 and job.X.col == job.X.rows and batch == job.m
        job.keep_X = keep[0]
        job.read_in_place = (
            job.X.type == plan.net.type and (rows or cols) and not shuffled and job.keep_X == 1)
        job.trans_X = job.read_in_place and not rows
        self.take(data.T, data.labels, data.weights)
        job.sparse = plan._reads_nonzeros(&job.X, batch) and gram is None
        if job.sparse:
            lengths = numpy.diff(X.indptr)
            lengths.partition(job.m - batch)
            self.most = lengths[job.m - batch:].sum()
        if min(keep) < 1:
            bits = model.bits
            job.bits = <BitGenerator *> PyCapsule_GetPointer(bits.capsule, "BitGenerator")
            self.lock = bits.lock
        self.draw = settings.order
        self.kept_alive = [X, bits, m1, m2, gram]
        job.m1, job.m2 = _address(m1), _address(m2)
        self._set_numbers(settings)
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
        # A last hidden layer of relu is taken with the output where relu_and_output can; few
        # examples of many units lie one unit a row.
        job.top = L - 1
        layer = &plan.layers[L - 2 if L > 1 else 0]
        if (n_threads == 1 and L > 1 and plan.layers[L - 1].n == 1 and layer.act == RELU
                and 16 <= layer.n <= BLOCK and (batch > 32 or batch >= layer.n)
                and job.slots[L - 2].keep == 1 and job.per_step == batch and levels.verbs.joint):
            job.top = L - 2
        if gram is not None:
            self._check_gram(gram)
            job.gram = True
            job.K, job.Z0, job.ZV0 = _address(gram.K), _address(gram.Z0), _address(gram.ZV0)
            job.slots[0].W, job.slots[0].m1_W = _address(gram.C), _address(gram.U)
            job.of_W = <double *> _address(gram.shares)
            job.of_V = job.of_W + 2
            job.W0_W0, job.W0_V0, job.V0_V0, job.trace = gram.squares
        if job.guarded:
            self._guard(m1, m2, gram)
        self._lay_out(itemsize, shuffled)

    def __dealloc__(self):
        free(self.job.slots)

    cdef int _set_numbers(self, settings) except -1:
        cdef Job *job = &self.job
        job.step.beta1, job.step.beta2 = settings.beta1, settings.beta2
        # what is below the smallest normal number would be taken as 0, which means something else
        job.step.epsilon, job.clip_norm = settings.epsilon, settings.clip_norm
        if job.step.epsilon > 0:
            job.step.epsilon = max(job.step.epsilon, FLT_MIN if self.type == b'f' else DBL_MIN)
        if job.clip_norm > 0:
            job.clip_norm = max(job.clip_norm, DBL_MIN)
        job.weight_decay, job.bias_corrected = settings.weight_decay, settings.bias_corrected
        job.l2, job.l2_per_weight = settings.l2, settings.l2_per_weight
        job.epsilon_corrected, job.cost_per_row = settings.epsilon_corrected, settings.cost_per_row
        job.cost_scale = settings.cost_scale
        # the gradient is whole where it is looked at, left, or summed over several batches
        job.way = STREAM
        if job.clip_norm > 0 or job.optimizer == NONE or job.per_step > job.batch:
            job.way = WHOLE
        job.guarded = settings.guarded
        return 0

    cdef int _check_gram(self, gram) except -1:
        cdef Py_ssize_t m = self.job.m, n = self.plan.layers[0].n
        params = self.plan.params
        for name, shape in (("K", (m, m)), ("Z0", (m, n)), ("C", (m, n))):
            if not _is_like(getattr(gram, name), params, shape):
                raise ValueError(f"{name} must be of the plan's type, of shape {shape}")
        for array in (gram.ZV0, gram.U):
            if array is not None and not _is_like(array, params, (m, n)):
                raise ValueError("ZV0 and U must be like C")
        if not _is_like(gram.shares, numpy.empty(0), (2, 2)):
            raise ValueError("the shares must be two pairs")
        if self.job.optimizer != SGD and gram.U is None:
            raise ValueError("momentum needs U")
        return 0

    cdef int _guard(self, m1, m2, gram) except -1:
        # in the Gram form the first layer's weights stay as they are until they are written out
        cdef:
            Job *job = &self.job
            size_t itemsize = 4 if self.type == b'f' else 8
            size_t at = 0, size = itemsize * self.plan.net.size
        if gram is not None:
            at = itemsize * self.plan.layers[0].n_prev * self.plan.layers[0].n
            job.regions[1].live, job.regions[1].size = <char *> _address(gram.C), gram.C.nbytes
            job.regions[SHARES].live = <char *> job.of_W
            job.regions[SHARES].size = gram.shares.nbytes
            if gram.U is not None:
                job.regions[3].live = <char *> _address(gram.U)
                job.regions[3].size = gram.U.nbytes
        job.regions[0].live, job.regions[0].size = <char *> self.plan.net.params + at, size - at
        if m1 is not None:
            job.regions[4].live, job.regions[4].size = <char *> _address(m1) + at, size - at
        if m2 is not None:
            job.regions[5].live, job.regions[5].size = <char *> _address(m2) + at, size - at
        return 0

    cdef int _lay_out(self, size_t itemsize, bint shuffled) except -1:
        # once to count the bytes of the workspace, once to hand them out
        cdef:
            char *start
            size_t size = self._assign(NULL, itemsize, shuffled)
            object work = empty(size + ALIGNMENT, numpy.uint8)
        self.size = size
        start = <char *> _address(work)
        self._assign(start + (ALIGNMENT - <size_t> start % ALIGNMENT), itemsize, shuffled)
        self.kept_alive.append(work)
        memset(self.job.shares, 0, self.job.team.n_threads * sizeof(Share))
        if self.job.way == WHOLE:
            # between the layers too, where the arena has gaps
            memset(self.job.grads, 0, self.job.net.size * itemsize)
        return 0

    cdef size_t _assign(self, char *start, size_t itemsize, bint shuffled) noexcept:
        cdef:
            Job *job = &self.job
            Py_ssize_t i, l, n_L = job.net.layers[job.net.L - 1].n, batch = job.batch
            Py_ssize_t widest = 0, n_threads = job.team.n_threads
            const Layer *layer
            Slot *slot
            void *dZ[2]
            void *dW
            char *at = start
        job.shares = <Share *> _take(&at, n_threads * sizeof(Share))
        for l in range(job.net.L):
            layer, slot = &job.net.layers[l], &job.slots[l]
            slot.A = _take(&at, batch * layer.n * itemsize)
            slot.S = slot.A
            if needs_Z(layer.act) or slot.keep < 1:
                slot.S = _take(&at, batch * layer.n * itemsize)
            if slot.keep < 1:
                slot.kept = <unsigned char *> _take(&at, batch * layer.n)
            slot.db = _take(&at, n_threads * layer.n * itemsize)
            if l < job.net.L - 1:
                widest = max(widest, layer.n)
            if not (job.sparse and l == 0):
                job.scratch = max(
                    job.scratch, (layer.n_prev + n_threads - 1) // n_threads * layer.n)
        # alone, a thread is done with dZ[l + 1] when it makes dZ[l - 1]
        job.slots[job.net.L - 1].dZ = job.slots[job.net.L - 1].A
        if n_threads == 1:
            dZ[0] = _take(&at, batch * widest * itemsize)
            dZ[1] = _take(&at, batch * widest * itemsize)
        for l in range(job.net.L - 1):
            job.slots[l].dZ = (dZ[l % 2] if n_threads == 1
                               else _take(&at, batch * job.net.layers[l].n * itemsize))
        if job.top < job.net.L - 1:
            job.slots[job.top].dZ = job.slots[job.top].A
        if job.way == WHOLE:
            job.grads = _take(&at, job.net.size * itemsize)
            for l in range(job.net.L):
                job.slots[l].dW = <char *> job.grads + job.net.layers[l].at * itemsize
        elif job.optimizer != SGD or job.top < job.net.L - 1:
            # each is used at once
            dW = _take(&at, n_threads * job.scratch * itemsize)
            for l in range(job.net.L):
                job.slots[l].dW = dW
        if job.sparse:
            layer = job.net.layers
            job.starts[0] = <int64_t *> _take(&at, (batch + 1) * sizeof(int64_t))
            job.starts[1] = <int64_t *> _take(&at, (batch + 1) * sizeof(int64_t))
            if shuffled or job.keep_X < 1:
                job.indices = <int32_t *> _take(&at, self.most * sizeof(int32_t))
                job.values = _take(&at, self.most * itemsize)
            job.starts_T = <int64_t *> _take(
                &at, (layer.n_prev + 2 * n_threads) * sizeof(int64_t))
            job.indices_T = <int32_t *> _take(&at, self.most * sizeof(int32_t))
            job.values_T = _take(&at, self.most * itemsize)
            job.dW_block = _take(&at, n_threads * block_rows(layer.n) * layer.n * itemsize)
        elif not job.read_in_place:
            job.X_batch = _take(&at, batch * job.X.cols * itemsize)
        job.T_batch = _take(&at, batch * n_L * itemsize)
        job.w_batch = _take(&at, batch * itemsize)
        if job.keep_X < 1:
            job.kept_X = <unsigned char *> _take(
                &at, self.most if job.sparse else batch * job.X.cols)
        self.order = NULL
        if shuffled:
            self.order = <int64_t *> _take(&at, job.m * sizeof(int64_t))
        for i in range(REGIONS):
            job.regions[i].saved = <char *> _take(&at, job.regions[i].size)
        return at - start

    def take(self, T, labels, weights):
        """Train on other targets, class indices and weights from the next epoch on."""
        cdef Job *job = &self.job
        self.targets = self.plan._targets(job.m, T, labels, weights)
        T, labels, weights = self.targets
        job.Y.T, job.Y.labels = _address(T), <const int64_t *> _address(labels)
        job.Y.weights = _address(weights)

    def retake(self, X, Y, double least, double most):
        """Train on other examples from the next epoch on, if they are read as the ones before.

        Whether they are: X an array of the same shape, type and strides, finite, and Y one of
        targets from least to most, or of class indices, both in no memory that is trained. The
        parameters must be finite too. If they are not, the trainer is of no more use.
        """
        cdef:
            Job *job = &self.job
            Source x
        if (type(X) is not ndarray or not _read(X, &x) or x.type != job.X.type
                or x.rows != job.X.rows or x.cols != job.X.cols
                or x.row != job.X.row or x.col != job.X.col
                or job.sparse or job.gram or job.Y.weights != NULL or job.shares[0].busy):
            return False
        if (self._is_trained(x.data, (x.rows - 1) * x.row, (x.cols - 1) * x.col,
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
        # in place, if they are of the plan's type; of other numbers, and of indices, a copy
        cdef:
            Job *job = &self.job
            Py_buffer buffer
            Py_ssize_t m = job.m, n_L = self.plan.layers[self.plan.net.L - 1].n
            Py_ssize_t cols = 1 if job.Y.labels != NULL else n_L
            Py_ssize_t size = m * cols
            char kind
            bint fits
            void *out
        if type(Y) is not ndarray:
            return False
        try:
            PyObject_GetBuffer(Y, &buffer, PyBUF_FORMAT | PyBUF_STRIDES)
        except ValueError:  # an element type that the protocol does not know
            return False
        kind = element(&buffer)
        if buffer.format[0] == b'?' and buffer.format[1] == 0:
            kind = b'?'
        fits = (kind in b"fdq?" and PyBuffer_IsContiguous(&buffer, b'C') and buffer.shape[0] == m
                and (buffer.ndim == 2 and buffer.shape[1] == cols or buffer.ndim == 1 == cols))
        PyBuffer_Release(&buffer)
        if not fits:
            return False
        if job.Y.labels != NULL:
            # nobody else can change the copy
            memcpy(<void *> job.Y.labels, buffer.buf, size * sizeof(int64_t) if kind == b'q' else 0)
            return kind == b'q' and _are_indices(size, job.Y.labels, n_L)
        if kind == self.type:
            if self._is_trained(buffer.buf, size - 1, 0, 4 if kind == b'f' else 8):
                return False
            out = buffer.buf
            self.targets = Y, None, None
        else:
            if self.own_targets is None:
                self.own_targets = empty(size, self.plan.dtype)
            out = _address(self.own_targets)
            self.targets = self.own_targets, None, None
        job.Y.T = out
        if self.type == b'f':
            return _take_targets(size, kind, buffer.buf, least, most, <float *> out)
        return _take_targets(size, kind, buffer.buf, least, most, <double *> out)

    cdef bint _is_trained(
        self, const void *data, Py_ssize_t row, Py_ssize_t col, Py_ssize_t itemsize,
    ) noexcept:
        # whether an array from here to its last row and column lies in memory that is trained
        cdef:
            const char *first = <const char *> data + itemsize * (min(row, 0) + min(col, 0))
            const char *stop = <const char *> data + itemsize * (max(row, 0) + max(col, 0) + 1)
            size_t size = self.plan.net.size * (4 if self.type == b'f' else 8)
            const char *arenas[3]
            Py_ssize_t i
        arenas[0], arenas[1] = <const char *> self.plan.net.params, <const char *> self.job.m1
        arenas[2] = <const char *> self.job.m2
        for i in range(3):
            if arenas[i] != NULL and first < arenas[i] + size and arenas[i] < stop:
                return True
        return False

    def release(self):
        """Let go of the examples: there is no epoch before `retake` has taken others."""
        self.kept_alive[0] = None
        self.targets = None, self.targets[1], self.targets[2]
        self.job.X.data = self.job.Y.T = NULL
        self.job.X.csr.starts = NULL

    def begin(self, double learning_rate):
        """Prepare an epoch.

        Its order, if there is to be one, is asked for when the epoch begins, and copied.
        """
        cdef:
            Job *job = &self.job
            Py_ssize_t i
        for i in range(job.team.n_threads):
            if job.shares[i].busy:
                raise RuntimeError("this trainer is at work")
        if job.X.data == NULL and job.X.csr.starts == NULL:
            raise RuntimeError("this trainer has let go of its examples")
        job.order = self.order
        job.learning_rate = learning_rate
        job.steps = self.counts.steps
        # whatever became of an epoch before
        job.interrupted = False
        job.team.arrived = job.team.abandoned = 0

    def epoch(self, Py_ssize_t thread):
        """Train on each example once: what one thread of the team does, while the others do theirs.

        The first thread returns the mean cost, each batch's taken before its update. It is not
        finite if the training diverged; if guarded, all then is as it was before the epoch.
        """
        if not 0 <= thread < self.job.team.n_threads:
            raise ValueError("the team has no such thread")
        if self.job.shares[thread].busy:
            raise RuntimeError("this trainer is at work")
        self.job.shares[thread].busy = True
        try:
            if thread > 0:
                return self._epoch(thread)
            self.model.whole = False
            try:
                if self.draw is not None:
                    _take_order(self.draw(self.job.m), self.job.m, self.order)
                if self.lock is None:
                    return self._epoch(thread)
                self.lock.acquire()
                try:
                    return self._epoch(thread)
                finally:
                    self.lock.release()
            finally:
                self.model.whole = not self.job.gram
        finally:
            self.job.shares[thread].busy = False

    cdef double _epoch(self, Py_ssize_t thread) except? -1:
        cdef double cost
        with nogil:
            cost = levels.verbs.epoch(&self.job, thread)
        if thread == 0:
            if self.job.ended or self.job.steps > self.counts.steps:
                self.model.training = self.training
            self.counts.steps = self.job.steps
            self.counts.epochs += self.job.ended
            if self.job.interrupted:
                _raise_pending()
        return cost

    def gradient(self, out):
        """Copy the gradient that the optimiser "none" has left to an arena."""
        if (self.job.optimizer != NONE or not out.flags.writeable
                or not _is_like(out, self.plan.params, self.plan.params.shape)):
            raise ValueError("out must be like the arena, and the optimiser none")
        memcpy(_address(out), self.job.grads, out.nbytes)

    def abandon(self):
        """Let the threads go that wait for one that will not come."""
        abandon(&self.job.team)


cdef bint _are_indices(Py_ssize_t size, const int64_t *labels, Py_ssize_t n_L) noexcept:
    cdef:
        Py_ssize_t i
        uint64_t most = 0
    for i in range(size):
        most = max(most, <uint64_t> labels[i])
    return most < <uint64_t> n_L


ctypedef fused number:
    float
    double
    int64_t
    unsigned char


cdef bint _take_targets(
    Py_ssize_t size, char type, const void *Y, double least, double most, floating *T,
) noexcept:
    # T := Y, where they are not the same; whether all are finite and from least to most
    cdef:
        Py_ssize_t i
        bint fits = True
    if type == b'f':
        _convert(size, <const float *> Y, T)
    elif type == b'd':
        _convert(size, <const double *> Y, T)
    elif type == b'q':
        _convert(size, <const int64_t *> Y, T)
    else:
        _convert(size, <const unsigned char *> Y, T)
    for i in range(size):
        fits &= least <= T[i] <= most and T[i] - T[i] == 0
    return fits


cdef void _convert(Py_ssize_t size, const number *Y, floating *T) noexcept:
    cdef Py_ssize_t i
    if <const void *> Y != <const void *> T:
        for i in range(size):
            T[i] = <floating> Y[i]


def same(tuple a, tuple b):
    """Whether two tuples hold the very same objects."""
    cdef Py_ssize_t i
    if len(a) != len(b):
        return False
    for i in range(len(a)):
        if a[i] is not b[i]:
            return False
    return True


cdef int _raise_pending() except -1:
    # the exception that the engine has set
    return -1


cdef inline void *_take(char **at, size_t size) noexcept:
    cdef char *start = at[0]
    at[0] += (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    return start
