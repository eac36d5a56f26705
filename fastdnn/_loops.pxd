# The elementwise loops as fused verbs, whatever instruction set was chosen at import.

from cython cimport floating


cdef enum Activation:
    IDENTITY
    RELU
    SIGMOID


cdef struct LoopTable:
    # what _loops_base, _v3 and _v4 hand out: each loop of _loops.pxi, once an element type
    void (*activate_f)(Activation, Py_ssize_t, const float *, float *) noexcept nogil
    void (*activate_d)(Activation, Py_ssize_t, const double *, double *) noexcept nogil
    void (*activate_backward_f)(
        Activation, Py_ssize_t, const float *, const float *, float *) noexcept nogil
    void (*activate_backward_d)(
        Activation, Py_ssize_t, const double *, const double *, double *) noexcept nogil
    void (*bias_activate_f)(
        Activation, bint, Py_ssize_t, Py_ssize_t, const float *, float *, float *) noexcept nogil
    void (*bias_activate_d)(
        Activation, bint, Py_ssize_t, Py_ssize_t, const double *, double *, double *) noexcept nogil
    void (*bias_activate_backward_f)(
        Activation, bint, Py_ssize_t, Py_ssize_t, double,
        const float *, const float *, float *, float *) noexcept nogil
    void (*bias_activate_backward_d)(
        Activation, bint, Py_ssize_t, Py_ssize_t, double,
        const double *, const double *, double *, double *) noexcept nogil
    double (*cross_entropy_f)(Py_ssize_t, const float *, const float *) noexcept nogil
    double (*cross_entropy_d)(Py_ssize_t, const double *, const double *) noexcept nogil
    void (*cross_entropy_backward_f)(
        Py_ssize_t, const float *, const float *, float *) noexcept nogil
    void (*cross_entropy_backward_d)(
        Py_ssize_t, const double *, const double *, double *) noexcept nogil
    void (*descend_f)(Py_ssize_t, float, const float *, const float *, float *) noexcept nogil
    void (*descend_d)(Py_ssize_t, double, const double *, const double *, double *) noexcept nogil


cdef const LoopTable *loops


cdef inline void activate(
    Activation act, Py_ssize_t size, const floating *Z, floating *A,
) noexcept nogil:
    if floating is float:
        loops.activate_f(act, size, Z, A)
    else:
        loops.activate_d(act, size, Z, A)


cdef inline void activate_backward(
    Activation act, Py_ssize_t size, const floating *dA, const floating *Z, floating *dZ,
) noexcept nogil:
    if floating is float:
        loops.activate_backward_f(act, size, dA, Z, dZ)
    else:
        loops.activate_backward_d(act, size, dA, Z, dZ)


cdef inline void bias_activate(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t cols,
    const floating *b, floating *Z, floating *A,
) noexcept nogil:
    if floating is float:
        loops.bias_activate_f(act, unit_rows, rows, cols, b, Z, A)
    else:
        loops.bias_activate_d(act, unit_rows, rows, cols, b, Z, A)


cdef inline void bias_activate_backward(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t cols, double scale,
    const floating *dA, const floating *Z, floating *dZ, floating *db,
) noexcept nogil:
    if floating is float:
        loops.bias_activate_backward_f(act, unit_rows, rows, cols, scale, dA, Z, dZ, db)
    else:
        loops.bias_activate_backward_d(act, unit_rows, rows, cols, scale, dA, Z, dZ, db)


cdef inline double cross_entropy(
    Py_ssize_t size, const floating *AL, const floating *Y,
) noexcept nogil:
    if floating is float:
        return loops.cross_entropy_f(size, AL, Y)
    else:
        return loops.cross_entropy_d(size, AL, Y)


cdef inline void cross_entropy_backward(
    Py_ssize_t size, const floating *AL, const floating *Y, floating *dAL,
) noexcept nogil:
    if floating is float:
        loops.cross_entropy_backward_f(size, AL, Y, dAL)
    else:
        loops.cross_entropy_backward_d(size, AL, Y, dAL)


cdef inline void descend(
    Py_ssize_t size, floating learning_rate, const floating *P, const floating *dP, floating *P_new,
) noexcept nogil:
    if floating is float:
        loops.descend_f(size, learning_rate, P, dP, P_new)
    else:
        loops.descend_d(size, learning_rate, P, dP, P_new)
