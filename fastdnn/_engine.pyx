# Whole training runs: loops of kernels over layers and batches.
#
# Row notation: one example a row, W (n_prev, n), as it lies in memory. A step, L layers:
#
#     A[l] = act(A[l-1] W[l] + b[l])                     A[0] = X
#     dZ[L] = the cost's gradient by the output's logits, over the batch's weight
#     dA[l-1] = dZ[l] W[l]^T                             dZ[l-1] = dA[l-1] * act'
#     dW[l] = A[l-1]^T dZ[l]                             db[l] = sum of dZ[l]
#
# Below the doors nothing allocates, and all work is done with the GIL released. One call is one
# epoch; Ctrl-C is asked for after a batch.

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, Py_buffer, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_GetPointer
from cython cimport floating
from libc.math cimport NAN, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import numpy

from fastdnn cimport _loops
from fastdnn._blas cimport blas_int, product
from fastdnn._loops cimport (
    ABSOLUTE_ERROR, ADAM, ELU, GELU, HUBER, IDENTITY, LEAKY_RELU, MOMENTUM, NESTEROV, POISSON,
    QUANTILE, RELU, RMSPROP, SELU, SGD, SIGMOID, SIGMOID_CROSS_ENTROPY, SILU,
    SOFTMAX_CROSS_ENTROPY, SOFTPLUS, SQUARED_ERROR, TANH, Activation, Cost, Optimizer, Step,
)

ACTIVATIONS = {
    "identity": IDENTITY, "sigmoid": SIGMOID, "tanh": TANH, "relu": RELU,
    "leaky_relu": LEAKY_RELU, "elu": ELU, "selu": SELU, "gelu": GELU, "silu": SILU,
    "softplus": SOFTPLUS,
}
# the costs of each activation of the output, the default first
COSTS = {
    "sigmoid": {"cross_entropy": SIGMOID_CROSS_ENTROPY},
    "softmax": {"cross_entropy": SOFTMAX_CROSS_ENTROPY},
    "identity": {
        "squared_error": SQUARED_ERROR, "absolute_error": ABSOLUTE_ERROR, "huber": HUBER,
        "quantile": QUANTILE,
    },
    "exp": {"poisson": POISSON},
}
OPTIMIZERS = {
    "sgd": SGD, "momentum": MOMENTUM, "nesterov": NESTEROV, "rmsprop": RMSPROP, "adam": ADAM,
}

cdef enum:
    CHUNK = 1024     # rows that predict takes at a time
    ALIGNMENT = 64   # bytes of a cache line

# multiplications between two looks for Ctrl-C: a fraction of a millisecond
cdef double PATIENCE = 1e6


# ------------------------------------------------------------------------------------------- shapes

cdef struct Layer:
    Activation act
    Py_ssize_t n_prev
    Py_ssize_t n
    Py_ssize_t at  # where W stands in the arena; b follows it


cdef struct Source:
    # a matrix of any strides, counted in elements
    char type  # b'f' float32, b'd' float64
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row
    Py_ssize_t col
    const void *data


cdef struct Slot:
    # where a layer's arrays are, while it trains
    void *W
    void *b
    void *dW
    void *db
    void *m1_W
    void *m1_b
    void *m2_W
    void *m2_b
    void *A
    void *S              # what the derivative of the activation is a function of: A, or Z
    double keep          # the probability that dropout keeps an output
    unsigned char *kept


cdef struct BitGenerator:
    # NumPy's bitgen_t
    void *state
    uint64_t (*next_uint64)(void *) noexcept nogil


cdef struct Region:
    # memory that an epoch changes, and where it is kept meanwhile
    char *live
    char *saved
    size_t size


cdef enum:
    REGIONS = 6


cdef struct Job:
    Py_ssize_t L
    const Layer *layers
    Slot *slots
    Cost cost
    double cost_parameter
    # the data
    Source X
    const void *T
    const int64_t *labels
    const void *weights
    Py_ssize_t m
    Py_ssize_t batch
    bint read_in_place
    bint trans_X
    const int64_t *order
    # workspace
    void *X_batch
    void *T_batch
    void *w_batch
    void *dA
    void *dA_prev
    unsigned char *kept_X
    # the optimiser
    Optimizer optimizer
    Step step
    bint fused           # plain gradient descent: the product updates W itself
    bint bias_corrected
    bint decoupled
    double learning_rate
    double weight_decay
    double clip_norm
    double l2
    int64_t steps
    # dropout
    BitGenerator *bits
    double keep_X
    # the Gram form of the first layer
    bint gram
    const void *K        # X X^T
    const void *Z0       # X W0
    const void *ZV0      # X V0
    double *of_W         # w, w', v, v' in W = w W0 + w' V0 + ... and V = v W0 + v' V0 + ...
    double *of_V
    double gram_squares  # the sum of the squares of W
    double W0_W0         # inner products
    double W0_V0
    double V0_V0
    # what is undone if the epoch is not finite
    bint guarded
    Region regions[REGIONS]
    int64_t saved_steps


# ---------------------------------------------------------------------------------------- forward

cdef inline void _gather(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X, floating *out,
) noexcept nogil:
    # out := the rows order[first:first + rows] of X, or first .. first + rows
    if X.type == b'f':
        _gather_from(rows, first, order, X, <const float *> X.data, out)
    else:
        _gather_from(rows, first, order, X, <const double *> X.data, out)


ctypedef fused source:
    float
    double


cdef void _gather_from(
    Py_ssize_t rows, Py_ssize_t first, const int64_t *order, const Source *X,
    const source *data, floating *out,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, at, cols = X.cols
        const source *x
    for i in range(rows):
        at = first + i
        if order != NULL:
            at = <Py_ssize_t> order[at]
        x = data + at * X.row
        if X.col == 1 and sizeof(source) == sizeof(floating):
            memcpy(out, x, cols * sizeof(floating))
        elif X.col == 1:
            for j in range(cols):
                out[j] = <floating> x[j]
        else:
            for j in range(cols):
                out[j] = <floating> x[j * X.col]
        out += cols


cdef inline void _layer_forward(
    Activation act, const Layer *layer, Py_ssize_t rows, bint trans_A_prev, const floating *A_prev,
    const floating *W, const floating *b, floating *Z, floating *A,
) noexcept nogil:
    # Z := A_prev W + b, A := act(Z); A may be Z
    product(trans_A_prev, False, False, <blas_int> rows, <blas_int> layer.n,
            <blas_int> layer.n_prev, <floating> 1, A_prev, W, <floating> 0, Z)
    _loops.bias_activate(act, False, rows, layer.n, b, Z, A)


cdef void _predict(
    const Layer *layers, Py_ssize_t L, Activation act, const floating *params,
    Py_ssize_t rows, const floating *X, floating *work, floating *work_prev, floating *AL,
) noexcept nogil:
    # AL := act of the logits of rows of X; the two pieces of workspace hold the hidden layers in
    # turns
    cdef:
        Py_ssize_t l
        const Layer *layer
        const floating *A_prev = X
        floating *A
    for l in range(L):
        layer = &layers[l]
        A = AL if l == L - 1 else work
        _layer_forward(act if l == L - 1 else layer.act, layer, rows, False, A_prev,
                       params + layer.at, params + layer.at + layer.n_prev * layer.n, A, A)
        A_prev = A
        work, work_prev = work_prev, work


# ------------------------------------------------------------------------------------------- epoch

cdef int _look_for_signals() except -1 with gil:
    PyErr_CheckSignals()
    return 0


cdef double _epoch(Job *job, const floating *tag) except? -1 nogil:
    # One pass over the data, and the mean cost before each update. If that or a parameter is not
    # finite, a guarded job is as it was before, and NaN returned. The tag says the element type.
    cdef:
        Py_ssize_t rows, l, i = 0
        double total = 0, weight, total_weight = 0, work = 0, done = 0
    if job.guarded:
        _save(job)
    for l in range(job.L):
        work += <double> job.layers[l].n_prev * job.layers[l].n
    while i < job.m:
        rows = min(job.batch, job.m - i)
        total += _step(job, tag, i, rows, &weight)
        total_weight += weight
        if job.guarded and total - total != 0:
            _restore(job)
            return NAN
        i += rows
        done += work * rows
        if done >= PATIENCE or i == job.m:
            done = 0
            _look_for_signals()
    if job.guarded and not _is_finite(job, tag):
        _restore(job)
        return NAN
    return total / total_weight if total_weight > 0 else 0.0


cdef void _save(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    job.saved_steps = job.steps
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].saved, job.regions[i].live, job.regions[i].size)


cdef void _restore(Job *job) noexcept nogil:
    cdef Py_ssize_t i
    job.steps = job.saved_steps
    for i in range(REGIONS):
        if job.regions[i].size > 0:
            memcpy(job.regions[i].live, job.regions[i].saved, job.regions[i].size)


cdef bint _is_finite(Job *job, const floating *tag) noexcept nogil:
    # the parameters, which stand in the first two regions
    cdef Py_ssize_t i
    for i in range(2):
        if not _loops.all_finite(<Py_ssize_t> (job.regions[i].size // sizeof(floating)),
                                 <const floating *> job.regions[i].live):
            return False
    return True


cdef double _step(
    Job *job, const floating *tag, Py_ssize_t first, Py_ssize_t rows, double *weight,
) noexcept nogil:
    # forward, cost, backward and update on the examples first .. first + rows of the order;
    # returns the cost times the weight of the batch
    cdef:
        Py_ssize_t l, n_L = job.layers[job.L - 1].n
        const floating *X
        const floating *T
        const floating *w = NULL
        floating *Z
        double total
        bint trans_X = job.trans_X
    # the batch
    if job.read_in_place:
        X = <const floating *> job.X.data + first * job.X.row
    else:
        _gather(rows, first, job.order, &job.X, <floating *> job.X_batch)
        X = <const floating *> job.X_batch
    if job.keep_X < 1:
        _draw_kept(job.bits, rows * job.X.cols, job.keep_X, job.kept_X)
        _loops.drop(rows * job.X.cols, <floating> (1 / job.keep_X), job.kept_X,
                    <floating *> job.X_batch)
    T = _targets(job, tag, first, rows)
    weight[0] = rows
    if job.weights != NULL:
        w = _weights(job, tag, first, rows)
        weight[0] = _sum(rows, w)
        if weight[0] == 0:
            return 0
    # forward and cost
    _forward(job, rows, trans_X, X)
    Z = <floating *> job.slots[job.L - 1].A
    total = _loops.output_delta(
        job.cost, rows, n_L, job.cost_parameter, 1 / weight[0], w, T, Z)
    if job.l2 > 0:
        total += weight[0] * job.l2 * 0.5 * _sum_of_squares(job, tag)
    if job.guarded and total - total != 0:
        return total
    # backward and update
    job.steps += 1
    _prepare_step(job)
    _backward(job, rows, trans_X, X)
    if job.clip_norm > 0:
        _clip_and_update(job, tag)
    return total


cdef const floating *_targets(
    Job *job, const floating *tag, Py_ssize_t first, Py_ssize_t rows,
) noexcept nogil:
    cdef:
        Py_ssize_t i, j, at, n_L = job.layers[job.L - 1].n
        floating *out = <floating *> job.T_batch
        const floating *T
    if job.labels == NULL:
        T = <const floating *> job.T
        if job.order == NULL:
            return T + first * n_L
        for i in range(rows):
            for j in range(n_L):
                out[i * n_L + j] = T[job.order[first + i] * n_L + j]
        return out
    # one-hot rows of class indices
    for i in range(rows):
        at = first + i
        if job.order != NULL:
            at = <Py_ssize_t> job.order[at]
        for j in range(n_L):
            out[i * n_L + j] = 0
        out[i * n_L + job.labels[at]] = 1
    return out


cdef const floating *_weights(
    Job *job, const floating *tag, Py_ssize_t first, Py_ssize_t rows,
) noexcept nogil:
    cdef:
        Py_ssize_t i
        const floating *w = <const floating *> job.weights
        floating *out = <floating *> job.w_batch
    if job.order == NULL:
        return w + first
    for i in range(rows):
        out[i] = w[job.order[first + i]]
    return out


cdef double _sum(Py_ssize_t size, const floating *x) noexcept nogil:
    cdef:
        Py_ssize_t i
        double total = 0
    for i in range(size):
        total += x[i]
    return total


cdef void _draw_kept(
    BitGenerator *bits, Py_ssize_t size, double keep, unsigned char *kept,
) noexcept nogil:
    # each 64 bits decide on two elements
    cdef:
        Py_ssize_t i = 0
        uint64_t word, limit = <uint64_t> (keep * 4294967296.0)
    while i < size:
        word = bits.next_uint64(bits.state)
        kept[i] = (word & <uint64_t> 0xffffffff) < limit
        if i + 1 < size:
            kept[i + 1] = (word >> 32) < limit
        i += 2


cdef void _forward(Job *job, Py_ssize_t rows, bint trans_X, const floating *X) noexcept nogil:
    cdef:
        Py_ssize_t l, size
        const Layer *layer
        Slot *slot
        const floating *A_prev = X
    for l in range(job.L):
        layer = &job.layers[l]
        slot = &job.slots[l]
        if l == 0 and job.gram:
            _gram_forward(job, <floating *> slot.S)
            _loops.bias_activate(layer.act, False, rows, layer.n, <const floating *> slot.b,
                                 <floating *> slot.S, <floating *> slot.A)
        else:
            _layer_forward(
                layer.act, layer, rows, trans_X and l == 0, A_prev, <const floating *> slot.W,
                <const floating *> slot.b, <floating *> slot.S, <floating *> slot.A)
        if slot.keep < 1:
            size = rows * layer.n
            _draw_kept(job.bits, size, slot.keep, slot.kept)
            _loops.drop(size, <floating> (1 / slot.keep), slot.kept, <floating *> slot.A)
        A_prev = <const floating *> slot.A


cdef void _backward(Job *job, Py_ssize_t rows, bint trans_X, const floating *X) noexcept nogil:
    # from dZ[L], which stands in A[L]; db[l] is summed where dZ[l] is made
    cdef:
        Py_ssize_t l, size
        const Layer *layer
        Slot *slot = &job.slots[job.L - 1]
        Slot *prev = slot
        const floating *A_prev
        floating *dZ = <floating *> job.slots[job.L - 1].A
        floating *dA = <floating *> job.dA
        floating *dA_next = <floating *> job.dA_prev
    _loops.bias_activate_backward(IDENTITY, False, rows, job.layers[job.L - 1].n, 1.0,
                                  dZ, dZ, dZ, <floating *> slot.db)
    for l in range(job.L - 1, -1, -1):
        layer = &job.layers[l]
        slot = &job.slots[l]
        A_prev = X
        if l > 0:
            prev = &job.slots[l - 1]
            A_prev = <const floating *> prev.A
            # dA_prev = dZ W^T, with the W of before the update
            product(False, True, False, <blas_int> rows, <blas_int> layer.n_prev,
                    <blas_int> layer.n, <floating> 1, dZ, <const floating *> slot.W,
                    <floating> 0, dA)
        _layer_update(job, layer, slot, rows, trans_X and l == 0, A_prev, dZ,
                      l == 0 and job.gram)
        if l > 0:
            size = rows * layer.n_prev
            if prev.keep < 1:
                _loops.drop(size, <floating> (1 / prev.keep), prev.kept, dA)
                # A again as it was, for its derivative; where it was dropped dA is 0
                _loops.scale(size, <floating> prev.keep, <floating *> prev.A)
            _loops.bias_activate_backward(
                job.layers[l - 1].act, False, rows, layer.n_prev, 1.0,
                dA, <const floating *> prev.S, dA, <floating *> prev.db)
            dZ = dA
            dA, dA_next = dA_next, dA


cdef void _layer_update(
    Job *job, const Layer *layer, Slot *slot, Py_ssize_t rows, bint trans_A_prev,
    const floating *A_prev, const floating *dZ, bint gram,
) noexcept nogil:
    # dW := A_prev^T dZ, and where no clipping must wait for the other layers, the update
    cdef:
        Py_ssize_t size = layer.n_prev * layer.n
        floating rate = <floating> job.step.rate
    if job.fused and not gram:
        product(not trans_A_prev, False, False, <blas_int> layer.n_prev, <blas_int> layer.n,
                <blas_int> rows, -rate, A_prev, dZ,
                <floating> (1 - job.step.rate * job.l2), <floating *> slot.W)
        _loops.add_scaled(layer.n, -rate, <const floating *> slot.db, <floating *> slot.b)
        return
    if gram:
        # of the coefficients C of W = W_of_W0 W0 + X^T C, (m, n), dZ is the gradient
        _update(job, rows * layer.n, job.l2, dZ, <floating *> slot.m1_W,
                <floating *> slot.m2_W, <floating *> slot.W)
        _gram_update(job)
    else:
        product(not trans_A_prev, False, False, <blas_int> layer.n_prev, <blas_int> layer.n,
                <blas_int> rows, <floating> 1, A_prev, dZ, <floating> 0, <floating *> slot.dW)
        if job.clip_norm > 0:
            return
        _update(job, size, job.l2, <const floating *> slot.dW, <floating *> slot.m1_W,
                <floating *> slot.m2_W, <floating *> slot.W)
    _update(job, layer.n, 0, <const floating *> slot.db, <floating *> slot.m1_b,
            <floating *> slot.m2_b, <floating *> slot.b)


cdef inline void _update(
    Job *job, Py_ssize_t size, double l2, const floating *g, floating *m1, floating *m2, floating *p,
) noexcept nogil:
    job.step.l2 = l2
    _loops.update(job.optimizer, size, &job.step, g, m1, m2, p)


cdef void _prepare_step(Job *job) noexcept nogil:
    # the numbers of this step; the corrections of Adam's bias depend on how many there were
    job.step.rate = job.learning_rate
    job.step.scale = 1
    job.step.root = 1
    job.step.decay = job.learning_rate * job.weight_decay
    if job.bias_corrected:
        job.step.rate = job.learning_rate / (1 - _power(job.step.beta1, job.steps))
        job.step.root = 1 / sqrt(1 - _power(job.step.beta2, job.steps))


cdef double _power(double base, int64_t exponent) noexcept nogil:
    cdef double power = 1
    while exponent > 0:
        if exponent & 1:
            power *= base
        base *= base
        exponent >>= 1
    return power


cdef void _clip_and_update(Job *job, const floating *tag) noexcept nogil:
    # scale the gradient of all layers to a norm of at most clip_norm
    cdef:
        Py_ssize_t l, size
        const Layer *layer
        Slot *slot
        double squares = 0
    for l in range(job.L):
        layer, slot = &job.layers[l], &job.slots[l]
        size = layer.n_prev * layer.n
        if job.l2 > 0:
            _loops.add_scaled(size, <floating> job.l2, <const floating *> slot.W,
                              <floating *> slot.dW)
        squares += _loops.dot(size, <const floating *> slot.dW, <const floating *> slot.dW)
        squares += _loops.dot(layer.n, <const floating *> slot.db, <const floating *> slot.db)
    if squares > job.clip_norm * job.clip_norm:
        job.step.scale = job.clip_norm / sqrt(squares)
    for l in range(job.L):
        layer, slot = &job.layers[l], &job.slots[l]
        _update(job, layer.n_prev * layer.n, 0, <const floating *> slot.dW,
                <floating *> slot.m1_W, <floating *> slot.m2_W, <floating *> slot.W)
        _update(job, layer.n, 0, <const floating *> slot.db, <floating *> slot.m1_b,
                <floating *> slot.m2_b, <floating *> slot.b)


cdef double _sum_of_squares(Job *job, const floating *tag) noexcept nogil:
    # of all weights
    cdef:
        Py_ssize_t l
        double total = 0
        const floating *W
    for l in range(job.L):
        if l == 0 and job.gram:
            total += job.gram_squares
        else:
            W = <const floating *> job.slots[l].W
            total += _loops.dot(job.layers[l].n_prev * job.layers[l].n, W, W)
    return total


# ------------------------------------------------------------------------------------ the Gram form
#
# In full-batch gradient descent the first layer's weights W and their moment V never leave the span
# of their first values W0, V0 and of the data: W = w W0 + w' V0 + X^T C, V = v W0 + v' V0 + X^T U
# with C, U of shape (m, n). The gradient X^T dZ + l2 W moves C by dZ + l2 C and w, w' by l2 w,
# l2 w'. So X is needed only in K = X X^T (m, m), X W0 and X V0, which are computed once:
# X W = w X W0 + w' X V0 + K C. C stands where the engine has W, and U where it has V.

cdef void _gram_forward(Job *job, floating *Z) noexcept nogil:
    cdef:
        Py_ssize_t n = job.layers[0].n, size = job.m * n
        const floating *C = <const floating *> job.slots[0].W
        const floating *Z0 = <const floating *> job.Z0
        const floating *ZV0 = <const floating *> job.ZV0
        double w = job.of_W[0], v = job.of_W[1]
    _loops.set_scaled(size, <floating> w, Z0, Z)
    if ZV0 != NULL:
        _loops.add_scaled(size, <floating> v, ZV0, Z)
    product(False, False, False, <blas_int> job.m, <blas_int> n, <blas_int> job.m,
            <floating> 1, <const floating *> job.K, C, <floating> 1, Z)
    if job.l2 > 0:
        # |W|^2 = |w W0 + w' V0|^2 + 2 <X (w W0 + w' V0), C> + <K C, C>
        job.gram_squares = (w * w * job.W0_W0 + 2 * w * v * job.W0_V0 + v * v * job.V0_V0
                            + _loops.dot(size, C, Z) + w * _loops.dot(size, C, Z0))
        if ZV0 != NULL:
            job.gram_squares += v * _loops.dot(size, C, ZV0)


cdef void _gram_update(Job *job) noexcept nogil:
    _move(job, &job.of_W[0], &job.of_V[0])
    _move(job, &job.of_W[1], &job.of_V[1])


cdef void _move(Job *job, double *w, double *v) noexcept nogil:
    # what _loops.update does to a weight w with the moment v and the gradient l2 w
    cdef double rate = job.step.rate, d = job.l2 * w[0]
    if job.optimizer == SGD:
        w[0] -= rate * d
    else:
        v[0] = job.step.beta1 * v[0] + d
        w[0] -= rate * (v[0] if job.optimizer == MOMENTUM else d + job.step.beta1 * v[0])


# -------------------------------------------------------------------------------------------- doors

cdef bint _read(object array, Source *X) except -1:
    # Look at an array of float32 or float64, whose memory its caller keeps alive.
    cdef:
        Py_buffer buffer
        bint fits
    PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES)
    fits = (buffer.ndim == 2 and buffer.format[0] in b"fd" and buffer.format[1] == 0
            and buffer.strides[0] % buffer.itemsize == 0
            and buffer.strides[1] % buffer.itemsize == 0)
    if fits:
        X.type = buffer.format[0]
        X.rows, X.cols = buffer.shape[0], buffer.shape[1]
        X.row = buffer.strides[0] // buffer.itemsize
        X.col = buffer.strides[1] // buffer.itemsize
        if X.cols == 1:
            X.col = 1
        if X.rows == 1:
            X.row = X.cols
        X.data = buffer.buf
    PyBuffer_Release(&buffer)
    return fits


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


cdef Py_ssize_t _first_nonfinite(const Source *X) noexcept nogil:
    if X.type == b'f':
        return _first_nonfinite_of(X, <const float *> X.data)
    return _first_nonfinite_of(X, <const double *> X.data)


cdef Py_ssize_t _first_nonfinite_of(const Source *X, const floating *data) noexcept nogil:
    cdef:
        Py_ssize_t i, j, found = X.rows
        floating x
    if X.col == 1:
        for i in range(X.rows):
            if not _loops.all_finite(X.cols, data + i * X.row):
                return i
        return -1
    for j in range(X.cols):
        for i in range(found):
            x = data[i * X.row + j * X.col]
            if x - x != 0:
                found = i
                break
    return -1 if found == X.rows else found


def first_nonfinite(X):
    """The first row of a matrix of float32 or float64 that holds NaN or an infinity, or -1."""
    cdef:
        Source x
        Py_ssize_t row
    if not _read(X, &x):
        raise TypeError("X must be readable: see is_readable")
    with nogil:
        row = _first_nonfinite(&x)
    return row


def is_readable(X):
    """Whether an array's memory is what the engine reads: 2-d, float32 or float64, any strides."""
    cdef Source x
    return bool(_read(X, &x))


cdef class Plan:
    """The shapes of a network, and where each W (n_prev, n) and b (n) stands in its arena.

    Parameters
    ----------
    layer_dims : tuple of int
        Units of each layer, the input's features first.
    activations : tuple of int
        Codes of the hidden layers, from ACTIVATIONS.
    cost : int
        Code, from COSTS.
    cost_parameter : float
        The threshold of huber, or the quantile.
    params : ndarray, 1-d, of float32 or float64
        The arena: W1, b1, ..., WL, bL.
    """

    cdef:
        Layer *layers
        readonly Py_ssize_t L
        readonly Py_ssize_t n_params
        Py_ssize_t widest          # of the hidden layers
        Cost cost
        double cost_parameter
        char type
        object params
        void *data

    def __cinit__(self, layer_dims, activations, int cost, double cost_parameter, params):
        cdef Py_ssize_t l, at = 0
        self.L = len(layer_dims) - 1
        self.cost = <Cost> cost
        self.cost_parameter = cost_parameter
        self.layers = <Layer *> calloc(self.L, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError
        for l in range(self.L):
            self.layers[l].act = <Activation> (<int> activations[l] if l < self.L - 1 else IDENTITY)
            self.layers[l].n_prev = layer_dims[l]
            self.layers[l].n = layer_dims[l + 1]
            self.layers[l].at = at
            at += (self.layers[l].n_prev + 1) * self.layers[l].n
            if l < self.L - 1:
                self.widest = max(self.widest, self.layers[l].n)
        self.n_params = at
        if params.size != at:
            raise ValueError(f"params must hold {at} elements, got {params.size}")
        self.type = b'f' if params.dtype == numpy.float32 else b'd'
        self.params = params
        self.data = _address(params)

    def __dealloc__(self):
        free(self.layers)

    def predict(self, X):
        """AL (m, n_L), the activations of the output; X (m, n_0) readable."""
        cdef:
            Source x
            object AL
        self._check(X, &x)
        AL = numpy.empty((x.rows, self.layers[self.L - 1].n), self.params.dtype)
        self._run(&x, AL, NULL)
        return AL

    def evaluate(self, X, T, labels, weights):
        """The mean cost of X against the targets T (m, n_L) or the class indices labels (m)."""
        cdef:
            Source x
            Job job
            Py_ssize_t n_L = self.layers[self.L - 1].n
            object T_batch
        self._check(X, &x)
        memset(&job, 0, sizeof(Job))
        job.L, job.layers = self.L, self.layers
        T_batch = numpy.empty((min(x.rows, CHUNK), 2 * n_L), self.params.dtype)
        job.T_batch = _address(T_batch)
        job.T, job.labels = _address(T), <const int64_t *> _address(labels)
        job.weights = _address(weights)
        return self._run(&x, None, &job)

    cdef int _check(self, X, Source *x) except -1:
        if not _read(X, x) or x.cols != self.layers[0].n_prev:
            raise ValueError(f"X must be readable, with {self.layers[0].n_prev} columns")
        return 0

    cdef double _run(self, const Source *X, object AL, Job *job) except? -1:
        cdef:
            Py_ssize_t rows = min(X.rows, CHUNK), n_L = self.layers[self.L - 1].n
            object work = numpy.empty(rows * (2 * self.widest + X.cols + n_L), self.params.dtype)
            double total
        if self.type == b'f':
            total = self._run_on(X, <float *> _address(work), <float *> _address(AL), job)
        else:
            total = self._run_on(X, <double *> _address(work), <double *> _address(AL), job)
        return total

    cdef double _run_on(
        self, const Source *X, floating *work, floating *AL, Job *job,
    ) noexcept:
        # predict into AL, or with a job the mean cost of what it says, chunk by chunk
        cdef:
            Py_ssize_t i = 0, rows, chunk = min(X.rows, CHUNK), n_L = self.layers[self.L - 1].n
            bint in_place = X.type == self.type and X.col == 1 and X.row == X.cols
            floating *hidden = work
            floating *hidden_prev = work + chunk * self.widest
            floating *gathered = work + 2 * chunk * self.widest
            floating *out = AL if job == NULL else gathered + chunk * X.cols
            const floating *x
            const floating *w = NULL
            Activation act = IDENTITY
            double total = 0, weight = 0
        if job == NULL and self.cost == SIGMOID_CROSS_ENTROPY:
            act = SIGMOID
        with nogil:
            while i < X.rows:
                rows = min(chunk, X.rows - i)
                if in_place:
                    x = <const floating *> X.data + i * X.cols
                else:
                    _gather(rows, i, NULL, X, gathered)
                    x = gathered
                _predict(self.layers, self.L, act, <const floating *> self.data,
                         rows, x, hidden, hidden_prev, out)
                if job != NULL:
                    if job.weights != NULL:
                        w = <const floating *> job.weights + i
                    weight += rows if w == NULL else _sum(rows, w)
                    total += _loops.output_delta(
                        self.cost, rows, n_L, self.cost_parameter, 1.0, w,
                        _targets(job, <const floating *> work, i, rows), out)
                else:
                    if self.cost == SOFTMAX_CROSS_ENTROPY:
                        _loops.softmax(rows, n_L, out)
                    elif self.cost == POISSON:
                        _loops.exp_in_place(rows * n_L, out)
                    out += rows * n_L
                i += rows
        return total / weight if weight > 0 else 0.0


def multiply(A, B, C, double alpha, double beta):
    """C := alpha A B + beta C for matrices that are contiguous in either order."""
    cdef:
        Source a, b, c
    if not (_read(A, &a) and _read(B, &b) and _read(C, &c) and a.type == b.type == c.type
            and a.cols == b.rows and a.rows == c.rows and b.cols == c.cols):
        raise ValueError("A, B and C must be readable, and their shapes must fit")
    with nogil:
        if a.type == b'f':
            _multiply(&a, &b, &c, alpha, beta, <float *> c.data)
        else:
            _multiply(&a, &b, &c, alpha, beta, <double *> c.data)


cdef void _multiply(
    const Source *A, const Source *B, const Source *C, double alpha, double beta, floating *data,
) noexcept nogil:
    product(A.row < A.col, B.row < B.col, C.row < C.col,
            <blas_int> A.rows, <blas_int> B.cols, <blas_int> A.cols, <floating> alpha,
            <const floating *> A.data, <const floating *> B.data, <floating> beta, data)


cdef class Trainer:
    """A training run: a plan, the data, an optimiser, and the workspace of a batch.

    Parameters
    ----------
    plan : Plan
    X : ndarray (m, n_0), readable
        Read in place, or gathered batch by batch; contiguous and of the plan's type, if the batch
        is all of it.
    T : ndarray (m, n_L) or None
        Targets, C-contiguous, of the plan's type.
    labels : ndarray (m) of int64 or None
        Class indices instead.
    weights : ndarray (m) or None
        Weights of the examples, of the plan's type.
    batch : int
        Examples of a step, at most m.
    shuffled : bool
        Whether the epochs will name an order.
    keep : tuple of L floats
        Probabilities that dropout keeps an input, and an output of each hidden layer.
    bits : capsule or None
        NumPy's bit generator, if a probability is below 1.
    optimizer : int
        Code, from OPTIMIZERS.
    numbers : dict of float
        beta1, beta2, epsilon, weight_decay, bias_corrected, l2, clip_norm; 0 where unused.
    m1, m2 : ndarray or None
        Arenas of the moments.
    steps : int
        How many steps were taken before.
    gram : Gram or None
        What the Gram form of the first layer needs.
    guarded : bool
        Whether an epoch that is not finite is undone.
    """

    cdef:
        Job job
        char type
        Plan plan
        object kept_alive

    def __cinit__(self, Plan plan, X, T, labels, weights, Py_ssize_t batch, bint shuffled, keep, bits,
                  int optimizer, numbers, m1, m2, int64_t steps, gram, bint guarded):
        cdef:
            Job *job = &self.job
            Slot *slot
            Layer *layer
            Py_ssize_t l, at, L = plan.L
            size_t itemsize = 4 if plan.type == b'f' else 8
            bint rows, cols
        job.slots = <Slot *> calloc(L, sizeof(Slot))
        if job.slots == NULL:
            raise MemoryError
        self.plan, self.type = plan, plan.type
        self.kept_alive = [X, T, labels, weights, bits, m1, m2, gram]
        job.L, job.layers = L, plan.layers
        job.cost, job.cost_parameter = plan.cost, plan.cost_parameter
        plan._check(X, &job.X)
        job.m, job.batch = job.X.rows, batch
        rows = job.X.col == 1 and job.X.row == job.X.cols
        cols = job.X.row == 1 and job.X.col == job.X.rows and batch == job.m
        job.keep_X = keep[0]
        job.read_in_place = (
            job.X.type == plan.type and (rows or cols) and not shuffled and job.keep_X == 1)
        job.trans_X = job.read_in_place and not rows
        job.T, job.labels = _address(T), <const int64_t *> _address(labels)
        job.weights = _address(weights)
        if bits is not None:
            job.bits = <BitGenerator *> PyCapsule_GetPointer(bits, "BitGenerator")
        job.optimizer = <Optimizer> optimizer
        job.step.beta1, job.step.beta2 = numbers["beta1"], numbers["beta2"]
        job.step.epsilon = numbers["epsilon"]
        job.weight_decay, job.bias_corrected = numbers["weight_decay"], numbers["bias_corrected"]
        job.l2, job.clip_norm = numbers["l2"], numbers["clip_norm"]
        job.fused = job.optimizer == SGD and job.clip_norm == 0
        job.steps = steps
        for l in range(L):
            layer, slot = &plan.layers[l], &job.slots[l]
            at = layer.at
            slot.W = <char *> plan.data + itemsize * at
            if m1 is not None:
                slot.m1_W = <char *> _address(m1) + itemsize * at
            if m2 is not None:
                slot.m2_W = <char *> _address(m2) + itemsize * at
            at = layer.n_prev * layer.n
            slot.b = <char *> slot.W + itemsize * at
            slot.m1_b = <char *> slot.m1_W + itemsize * at
            slot.m2_b = <char *> slot.m2_W + itemsize * at
            slot.keep = keep[l + 1] if l < L - 1 else 1.0
        if gram is not None:
            job.gram = True
            job.K, job.Z0, job.ZV0 = _address(gram.K), _address(gram.Z0), _address(gram.ZV0)
            job.slots[0].W, job.slots[0].m1_W = _address(gram.C), _address(gram.U)
            job.of_W = <double *> _address(gram.shares)
            job.of_V = job.of_W + 2
            job.W0_W0, job.W0_V0, job.V0_V0 = gram.squares
        job.guarded = guarded
        if guarded:
            self._guard(m1, m2, gram)
        self._lay_out(itemsize)

    def __dealloc__(self):
        free(self.job.slots)

    cdef int _guard(self, m1, m2, gram) except -1:
        # in the Gram form the first layer's weights stay as they are until they are written out
        cdef:
            Job *job = &self.job
            size_t itemsize = 4 if self.type == b'f' else 8
            size_t at = 0, size = itemsize * self.plan.n_params
            Py_ssize_t i
        if gram is not None:
            at = itemsize * self.plan.layers[0].n_prev * self.plan.layers[0].n
            job.regions[1].live, job.regions[1].size = <char *> _address(gram.C), gram.C.nbytes
            job.regions[2].live, job.regions[2].size = <char *> job.of_W, gram.shares.nbytes
            if gram.U is not None:
                job.regions[3].live, job.regions[3].size = <char *> _address(gram.U), gram.U.nbytes
        job.regions[0].live, job.regions[0].size = <char *> self.plan.data + at, size - at
        if m1 is not None:
            job.regions[4].live, job.regions[4].size = <char *> _address(m1) + at, size - at
        if m2 is not None:
            job.regions[5].live, job.regions[5].size = <char *> _address(m2) + at, size - at
        return 0

    cdef int _lay_out(self, size_t itemsize) except -1:
        # once to count the bytes of the workspace, once to hand them out
        cdef:
            Job *job = &self.job
            char *start
            size_t size = self._assign(NULL, itemsize)
            object work = numpy.empty(size + ALIGNMENT, numpy.uint8)
        start = <char *> _address(work)
        self._assign(start + (ALIGNMENT - <size_t> start % ALIGNMENT), itemsize)
        self.kept_alive.append(work)
        return 0

    cdef size_t _assign(self, char *start, size_t itemsize) noexcept:
        cdef:
            Job *job = &self.job
            Py_ssize_t i, l, n_L = job.layers[job.L - 1].n, batch = job.batch
            Py_ssize_t widest = 0, n_weights = 0, heaviest = 0
            const Layer *layer
            Slot *slot
            char *at = start
        for l in range(job.L):
            layer, slot = &job.layers[l], &job.slots[l]
            slot.A = _take(&at, batch * layer.n * itemsize)
            slot.S = slot.A
            if layer.act == GELU or layer.act == SILU:
                slot.S = _take(&at, batch * layer.n * itemsize)
            if slot.keep < 1:
                slot.kept = <unsigned char *> _take(&at, batch * layer.n)
            slot.db = _take(&at, layer.n * itemsize)
            if l > 0:
                widest = max(widest, layer.n_prev)
            heaviest = max(heaviest, layer.n_prev * layer.n)
        job.dA = _take(&at, batch * widest * itemsize)
        job.dA_prev = _take(&at, batch * widest * itemsize)
        if job.clip_norm > 0:
            for l in range(job.L):
                job.slots[l].dW = _take(
                    &at, job.layers[l].n_prev * job.layers[l].n * itemsize)
        elif not job.fused:
            # each is used at once
            job.slots[0].dW = _take(&at, heaviest * itemsize)
            for l in range(job.L):
                job.slots[l].dW = job.slots[0].dW
        if not job.read_in_place:
            job.X_batch = _take(&at, batch * job.X.cols * itemsize)
        job.T_batch = _take(&at, batch * n_L * itemsize)
        job.w_batch = _take(&at, batch * itemsize)
        if job.keep_X < 1:
            job.kept_X = <unsigned char *> _take(&at, batch * job.X.cols)
        for i in range(REGIONS):
            job.regions[i].saved = <char *> _take(&at, job.regions[i].size)
        return at - start

    @property
    def steps(self):
        return self.job.steps

    def epoch(self, order, double learning_rate):
        """Train on each example once, in the order of their indices, (m) of int64, or as they lie.

        Returns the mean cost, each batch's taken before its update. It is not finite if the
        training diverged; the weights then are those of before that batch.
        """
        cdef:
            Job *job = &self.job
            double cost
        job.learning_rate = learning_rate
        job.order = <const int64_t *> _address(order)
        with nogil:
            if self.type == b'f':
                cost = _epoch(job, <const float *> NULL)
            else:
                cost = _epoch(job, <const double *> NULL)
        return cost


cdef inline void *_take(char **at, size_t size) noexcept:
    cdef char *start = at[0]
    at[0] += (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    return start
