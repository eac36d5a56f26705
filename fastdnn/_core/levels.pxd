# The level that was chosen at import: its verbs, whatever instruction set they were compiled for.

from cython cimport floating

from fastdnn._core.spec cimport Activation, Verbs


cdef struct LoopTable:
    # the loops of the course's functions, once an element type
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
    bint (*small_product_f)(
        Py_ssize_t, Py_ssize_t, Py_ssize_t, float, const float *, Py_ssize_t, Py_ssize_t,
        const float *, Py_ssize_t, Py_ssize_t, float, float *) noexcept nogil
    bint (*small_product_d)(
        Py_ssize_t, Py_ssize_t, Py_ssize_t, double, const double *, Py_ssize_t, Py_ssize_t,
        const double *, Py_ssize_t, Py_ssize_t, double, double *) noexcept nogil
    void (*descend_f)(Py_ssize_t, float, const float *, const float *, float *) noexcept nogil
    void (*descend_d)(Py_ssize_t, double, const double *, const double *, double *) noexcept nogil
    void (*turn_f)(
        Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, float *, Py_ssize_t) noexcept nogil
    void (*turn_d)(
        Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, double *, Py_ssize_t) noexcept nogil
    void (*drop_inactive_f)(
        Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, float *, Py_ssize_t) noexcept nogil
    void (*drop_inactive_d)(
        Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, double *, Py_ssize_t) noexcept nogil


cdef const LoopTable *loops
cdef const Verbs *verbs


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


cdef inline bint small_product(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B, floating beta, floating *C,
) noexcept nogil:
    if floating is float:
        return loops.small_product_f(
            M, N, K, alpha, A, row_A, col_A, B, row_B, col_B, beta, C)
    else:
        return loops.small_product_d(
            M, N, K, alpha, A, row_A, col_A, B, row_B, col_B, beta, C)


cdef inline void turn(
    Py_ssize_t rows, Py_ssize_t cols, const floating *x, Py_ssize_t row_x,
    floating *y, Py_ssize_t row_y,
) noexcept nogil:
    if floating is float:
        loops.turn_f(rows, cols, x, row_x, y, row_y)
    else:
        loops.turn_d(rows, cols, x, row_x, y, row_y)


cdef inline void drop_inactive(
    Py_ssize_t rows, Py_ssize_t cols, const floating *S, Py_ssize_t row_S,
    floating *dZ, Py_ssize_t row_dZ,
) noexcept nogil:
    if floating is float:
        loops.drop_inactive_f(rows, cols, S, row_S, dZ, row_dZ)
    else:
        loops.drop_inactive_d(rows, cols, S, row_S, dZ, row_dZ)
