# What crosses the table: each verb looks at the element type, and all below it is called directly.

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


cdef double _epoch(Job *job, Py_ssize_t thread) noexcept nogil:
    if job.net.type == b'f':
        return epoch(job, thread, <const float *> NULL)
    return epoch(job, thread, <const double *> NULL)


cdef bint _all_finite(char type, Py_ssize_t size, const void *x) noexcept nogil:
    if type == b'f':
        return all_finite(size, <const float *> x)
    return all_finite(size, <const double *> x)


cdef void _multiply(
    const Source *A, const Source *B, double alpha, double beta, const Source *C,
) noexcept nogil:
    cdef uint64_t modes = flush_subnormals()
    if C.type == b'f':
        multiply_matrices(A, B, <float> alpha, <float> beta, C, <float *> C.data)
    else:
        multiply_matrices(A, B, alpha, beta, C, <double *> C.data)
    restore_modes(modes)


cdef void _span(
    const Source *X, const Source *W0, const Source *V0, const double *shares, const Source *C,
    Py_ssize_t first, Py_ssize_t stop, const Source *W,
) noexcept nogil:
    cdef uint64_t modes = flush_subnormals()
    if W.type == b'f':
        span_rows(X, W0, V0, shares, C, first, stop, <float *> W.data)
    else:
        span_rows(X, W0, V0, shares, C, first, stop, <double *> W.data)
    restore_modes(modes)


cdef Verbs VERBS

VERBS.predict = _predict
VERBS.evaluate = _evaluate
VERBS.epoch = _epoch
VERBS.first_nonfinite = first_nonfinite_row
VERBS.all_finite = _all_finite
VERBS.multiply = _multiply
VERBS.span = _span
VERBS.caches = &caches
VERBS.joint = FASTDNN_MOST > 0


cdef LoopTable TABLE

TABLE.activate_f = activate[float]
TABLE.activate_d = activate[double]
TABLE.activate_backward_f = activate_backward[float]
TABLE.activate_backward_d = activate_backward[double]
TABLE.bias_activate_f = bias_activate[float]
TABLE.bias_activate_d = bias_activate[double]
TABLE.bias_activate_backward_f = bias_activate_backward[float]
TABLE.bias_activate_backward_d = bias_activate_backward[double]
TABLE.cross_entropy_f = cross_entropy[float]
TABLE.cross_entropy_d = cross_entropy[double]
TABLE.cross_entropy_backward_f = cross_entropy_backward[float]
TABLE.cross_entropy_backward_d = cross_entropy_backward[double]
TABLE.descend_f = descend[float]
TABLE.descend_d = descend[double]
TABLE.small_product_f = small_product[float]
TABLE.small_product_d = small_product[double]
TABLE.turn_f = turn[float]
TABLE.turn_d = turn[double]
TABLE.drop_inactive_f = drop_inactive[float]
TABLE.drop_inactive_d = drop_inactive[double]


def verbs():
    """Hand out the verbs, to be called once by fastdnn._core.levels."""
    return PyCapsule_New(&VERBS, "fastdnn.Verbs", NULL)


def table():
    """Hand out the loops, to be called once by fastdnn._core.levels."""
    return PyCapsule_New(&TABLE, "fastdnn.LoopTable", NULL)
