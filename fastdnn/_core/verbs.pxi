# The verbs of a level: each branches by the element type, and calls all below it directly.

cdef void _predict(
    const Net *net, const Source *X, Py_ssize_t first, Py_ssize_t stop, void *work, void *AL,
) noexcept nogil:
    if net.type == b'f':
        predict_rows(net, X, first, stop, <float *> work, NULL, <float *> AL)
    else:
        predict_rows(net, X, first, stop, <double *> work, NULL, <double *> AL)


cdef double _evaluate(
    const Net *net, const Source *X, Py_ssize_t first, Py_ssize_t stop, void *work,
    const Targets *Y,
) noexcept nogil:
    if net.type == b'f':
        return predict_rows(net, X, first, stop, <float *> work, Y, <float *> NULL)
    return predict_rows(net, X, first, stop, <double *> work, Y, <double *> NULL)


cdef double _epoch(Job *job) noexcept nogil:
    if job.net.type == b'f':
        return epoch(job, <const float *> NULL)
    return epoch(job, <const double *> NULL)


cdef bint _all_finite(char type, Py_ssize_t size, const void *x) noexcept nogil:
    if type == b'f':
        return all_finite(size, <const float *> x)
    return all_finite(size, <const double *> x)


cdef void _multiply(
    const Source *A, const Source *B, double alpha, double beta, const Source *C,
    Py_ssize_t begin, Py_ssize_t end,
) noexcept nogil:
    cdef:
        uint64_t modes = flush_subnormals()
        Cut cut = cut_rows(C.rows)
        Rows rows = some(&cut, begin, end)
    if C.type == b'f':
        multiply_matrices(A, B, <float> alpha, <float> beta, C, &cut, &rows, <float *> C.data)
    else:
        multiply_matrices(A, B, alpha, beta, C, &cut, &rows, <double *> C.data)
    restore_modes(modes)


cdef void _span(
    const Source *X, const Source *W0, const Source *V0, const double *shares, const Source *C,
    Py_ssize_t begin, Py_ssize_t end, const Source *W,
) noexcept nogil:
    cdef:
        uint64_t modes = flush_subnormals()
        Cut cut = cut_rows(W.rows)
        Rows rows = some(&cut, begin, end)
    if W.type == b'f':
        span_slices(X, W0, V0, shares, C, &cut, &rows, <float *> W.data)
    else:
        span_slices(X, W0, V0, shares, C, &cut, &rows, <double *> W.data)
    restore_modes(modes)


cdef void _layer_forward(
    int threads, Activation act, const Dropout *dropout, const Matrix *A_prev, const Matrix *W,
    const Matrix *b, const Matrix *Z, const Matrix *A,
) noexcept nogil:
    if W.type == b'f':
        layer_forward(threads, act, dropout, A_prev, W, <const float *> b.data, Z, A)
    else:
        layer_forward(threads, act, dropout, A_prev, W, <const double *> b.data, Z, A)


cdef void _layer_backward(
    int threads, Activation act, double lambd, const Dropout *dropout, const Matrix *dA,
    const Matrix *Z, const Matrix *dZ, const Matrix *A_prev, const Matrix *W,
    const Matrix *dA_prev, const Matrix *dW, const Matrix *db,
) noexcept nogil:
    if W.type == b'f':
        layer_backward(threads, act, lambd, dropout, dA, Z, dZ, A_prev, W, dA_prev, dW,
                       <float *> db.data)
    else:
        layer_backward(threads, act, lambd, dropout, dA, Z, dZ, A_prev, W, dA_prev, dW,
                       <double *> db.data)


cdef void _activate(Activation act, const Matrix *Z, const Matrix *A) noexcept nogil:
    if Z.type == b'f':
        activate(act, Z.rows * Z.cols, <const float *> Z.data, <float *> A.data)
    else:
        activate(act, Z.rows * Z.cols, <const double *> Z.data, <double *> A.data)


cdef double _pair(
    Pairing pairing, Activation act, double rate, const Matrix *X, const Matrix *Y,
    const Matrix *out,
) noexcept nogil:
    if X.type == b'f':
        return pair_laid(pairing, act, rate, X, Y, <float *> out.data)
    return pair_laid(pairing, act, rate, X, Y, <double *> out.data)


cdef void _step(
    const Descent *descent, int results, const Matrix *given, const Matrix *made,
) noexcept nogil:
    if given.type == b'f':
        step_laid(descent, results, given, made, <const float *> NULL)
    else:
        step_laid(descent, results, given, made, <const double *> NULL)


cdef void _lay(const Matrix *matrix, const Matrix *copy) noexcept nogil:
    if copy.type == b'f':
        lay_as(matrix, copy, <float *> copy.data)
    else:
        lay_as(matrix, copy, <double *> copy.data)


cdef bint _multiply_often(
    const Matrix *A, const Matrix *B, const Matrix *C, bint ours, Py_ssize_t height,
    Py_ssize_t steps,
) noexcept nogil:
    if C.type == b'f':
        return multiply_often(A, B, C, ours, height, steps, <float *> C.data)
    return multiply_often(A, B, C, ours, height, steps, <double *> C.data)


cdef Verbs VERBS

VERBS.predict = _predict
VERBS.evaluate = _evaluate
VERBS.epoch = _epoch
VERBS.first_nonfinite = first_nonfinite_row
VERBS.all_finite = _all_finite
VERBS.grain = 1 if FASTDNN_HAS_VECTORS else FEWEST
VERBS.multiply = _multiply
VERBS.span = _span
VERBS.layer_forward = _layer_forward
VERBS.layer_backward = _layer_backward
VERBS.activate = _activate
VERBS.pair = _pair
VERBS.step = _step
VERBS.lay = _lay
VERBS.keep = keep_some
VERBS.multiply_often = _multiply_often
VERBS.caches = &caches
VERBS.fused = FASTDNN_FUSES
VERBS.joint = FASTDNN_HAS_VECTORS
VERBS.wide = FASTDNN_VECTORS == 4


def verbs():
    """Hand out the verbs, to be called once by fastdnn._core.levels."""
    return PyCapsule_New(&VERBS, "fastdnn.Verbs", NULL)
