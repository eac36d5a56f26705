# The elementwise loops as fused verbs, whatever instruction set was chosen at import.

from cython cimport floating
from libc.stdint cimport int32_t, int64_t


cdef enum Activation:
    IDENTITY
    RELU
    SIGMOID
    SIGMOID_Z  # the same but for its derivative, which is taken from z
    TANH
    LEAKY_RELU
    ELU
    SELU
    GELU
    SILU
    SOFTPLUS


cdef enum Cost:
    SIGMOID_CROSS_ENTROPY
    SOFTMAX_CROSS_ENTROPY
    SQUARED_ERROR
    ABSOLUTE_ERROR
    HUBER
    QUANTILE
    POISSON


cdef enum Optimizer:
    NONE  # leaves the gradient where it is
    SGD
    MOMENTUM
    NESTEROV
    RMSPROP
    ADAM


cdef enum:
    # elements of a block that stays in the first-level cache between the loops that share it
    BLOCK = 1024


cdef struct Step:
    # the numbers of one step of an optimiser
    double rate     # what multiplies the direction
    double scale    # what multiplies the gradient first
    double l2       # what of the parameter is added to it
    double decay    # what share of the parameter is taken off beside it
    double beta1    # decay rates of the moments
    double beta2
    double root     # what multiplies the root of the second moment
    double epsilon


cdef struct Caches:
    # what the products go by, in bytes
    Py_ssize_t first   # of the first-level cache, for B
    Py_ssize_t second  # the second-level cache
    bint fast          # does the processor compute faster than what lies behind that is read?


cdef struct LoopTable:
    # what _loops_base, _v3 and _v4 hand out: each loop of layers.pxi, once an element type
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
    double (*output_delta_f)(
        Cost, Py_ssize_t, Py_ssize_t, double, double,
        const float *, const float *, float *) noexcept nogil
    double (*output_delta_d)(
        Cost, Py_ssize_t, Py_ssize_t, double, double,
        const double *, const double *, double *) noexcept nogil
    double (*relu_and_output_f)(
        Cost, Py_ssize_t, Py_ssize_t, double, double,
        const float *, const float *, const float *, const float *, float,
        float *, float *, float *, float *) noexcept nogil
    double (*relu_and_output_d)(
        Cost, Py_ssize_t, Py_ssize_t, double, double,
        const double *, const double *, const double *, const double *, double,
        double *, double *, double *, double *) noexcept nogil
    void (*softmax_f)(Py_ssize_t, Py_ssize_t, float *) noexcept nogil
    void (*softmax_d)(Py_ssize_t, Py_ssize_t, double *) noexcept nogil
    void (*exp_in_place_f)(Py_ssize_t, float *) noexcept nogil
    void (*exp_in_place_d)(Py_ssize_t, double *) noexcept nogil
    bint (*small_product_f)(
        Py_ssize_t, Py_ssize_t, Py_ssize_t, float, const float *, Py_ssize_t, Py_ssize_t,
        const float *, Py_ssize_t, Py_ssize_t, float, float *) noexcept nogil
    bint (*small_product_d)(
        Py_ssize_t, Py_ssize_t, Py_ssize_t, double, const double *, Py_ssize_t, Py_ssize_t,
        const double *, Py_ssize_t, Py_ssize_t, double, double *) noexcept nogil
    void (*sparse_product_f)(
        Py_ssize_t, Py_ssize_t, Py_ssize_t, const int64_t *, const int32_t *, const float *,
        const float *, float *) noexcept nogil
    void (*sparse_product_d)(
        Py_ssize_t, Py_ssize_t, Py_ssize_t, const int64_t *, const int32_t *, const double *,
        const double *, double *) noexcept nogil
    void (*turn_f)(
        Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, float *, Py_ssize_t) noexcept nogil
    void (*turn_d)(
        Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, double *, Py_ssize_t) noexcept nogil
    void (*drop_inactive_f)(
        Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, float *, Py_ssize_t) noexcept nogil
    void (*drop_inactive_d)(
        Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, double *, Py_ssize_t) noexcept nogil
    void (*update_f)(
        Optimizer, Py_ssize_t, const Step *, const float *, float *, float *, float *
    ) noexcept nogil
    void (*update_d)(
        Optimizer, Py_ssize_t, const Step *, const double *, double *, double *, double *
    ) noexcept nogil
    double (*dot_f)(Py_ssize_t, const float *, const float *) noexcept nogil
    double (*dot_d)(Py_ssize_t, const double *, const double *) noexcept nogil
    void (*add_scaled_f)(Py_ssize_t, float, const float *, float *) noexcept nogil
    void (*add_scaled_d)(Py_ssize_t, double, const double *, double *) noexcept nogil
    void (*set_scaled_f)(Py_ssize_t, float, const float *, float *) noexcept nogil
    void (*set_scaled_d)(Py_ssize_t, double, const double *, double *) noexcept nogil
    void (*scale_f)(Py_ssize_t, float, float *) noexcept nogil
    void (*scale_d)(Py_ssize_t, double, double *) noexcept nogil
    bint (*all_finite_f)(Py_ssize_t, const float *) noexcept nogil
    bint (*all_finite_d)(Py_ssize_t, const double *) noexcept nogil
    void (*drop_f)(Py_ssize_t, float, const unsigned char *, float *) noexcept nogil
    void (*drop_d)(Py_ssize_t, double, const unsigned char *, double *) noexcept nogil
    void (*descend_f)(Py_ssize_t, float, const float *, const float *, float *) noexcept nogil
    void (*descend_d)(Py_ssize_t, double, const double *, const double *, double *) noexcept nogil
    Caches *caches


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


cdef inline double output_delta(
    Cost cost, Py_ssize_t rows, Py_ssize_t cols, double parameter, double scale,
    const floating *w, const floating *T, floating *Z,
) noexcept nogil:
    if floating is float:
        return loops.output_delta_f(cost, rows, cols, parameter, scale, w, T, Z)
    else:
        return loops.output_delta_d(cost, rows, cols, parameter, scale, w, T, Z)


cdef inline double relu_and_output(
    Cost cost, Py_ssize_t rows, Py_ssize_t n, double parameter, double scale,
    const floating *w, const floating *T, const floating *b, const floating *W, floating b_L,
    floating *Z, floating *db, floating *dW, floating *db_L,
) noexcept nogil:
    if floating is float:
        return loops.relu_and_output_f(
            cost, rows, n, parameter, scale, w, T, b, W, b_L, Z, db, dW, db_L)
    else:
        return loops.relu_and_output_d(
            cost, rows, n, parameter, scale, w, T, b, W, b_L, Z, db, dW, db_L)


cdef inline void softmax(Py_ssize_t rows, Py_ssize_t cols, floating *Z) noexcept nogil:
    if floating is float:
        loops.softmax_f(rows, cols, Z)
    else:
        loops.softmax_d(rows, cols, Z)


cdef inline void exp_in_place(Py_ssize_t size, floating *x) noexcept nogil:
    if floating is float:
        loops.exp_in_place_f(size, x)
    else:
        loops.exp_in_place_d(size, x)


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


cdef inline void sparse_product(
    Py_ssize_t rows, Py_ssize_t n_B, Py_ssize_t n, const int64_t *starts, const int32_t *indices,
    const floating *values, const floating *B, floating *C,
) noexcept nogil:
    if floating is float:
        loops.sparse_product_f(rows, n_B, n, starts, indices, values, B, C)
    else:
        loops.sparse_product_d(rows, n_B, n, starts, indices, values, B, C)


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


cdef inline void update(
    Optimizer optimizer, Py_ssize_t size, const Step *step,
    const floating *g, floating *m1, floating *m2, floating *p,
) noexcept nogil:
    if floating is float:
        loops.update_f(optimizer, size, step, g, m1, m2, p)
    else:
        loops.update_d(optimizer, size, step, g, m1, m2, p)


cdef inline double dot(Py_ssize_t size, const floating *x, const floating *y) noexcept nogil:
    if floating is float:
        return loops.dot_f(size, x, y)
    else:
        return loops.dot_d(size, x, y)


cdef inline void add_scaled(
    Py_ssize_t size, floating alpha, const floating *x, floating *y,
) noexcept nogil:
    if floating is float:
        loops.add_scaled_f(size, alpha, x, y)
    else:
        loops.add_scaled_d(size, alpha, x, y)


cdef inline void set_scaled(
    Py_ssize_t size, floating alpha, const floating *x, floating *y,
) noexcept nogil:
    if floating is float:
        loops.set_scaled_f(size, alpha, x, y)
    else:
        loops.set_scaled_d(size, alpha, x, y)


cdef inline void drop(
    Py_ssize_t size, floating scale, const unsigned char *kept, floating *A,
) noexcept nogil:
    if floating is float:
        loops.drop_f(size, scale, kept, A)
    else:
        loops.drop_d(size, scale, kept, A)


cdef inline void scale(Py_ssize_t size, floating alpha, floating *x) noexcept nogil:
    if floating is float:
        loops.scale_f(size, alpha, x)
    else:
        loops.scale_d(size, alpha, x)


cdef inline bint all_finite(Py_ssize_t size, const floating *x) noexcept nogil:
    if floating is float:
        return loops.all_finite_f(size, x)
    else:
        return loops.all_finite_d(size, x)
