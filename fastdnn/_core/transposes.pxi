# Into the other memory order: transposes by squares of whole vectors, turned in registers.

from cython cimport floating


cdef extern from *:
    """
    #if defined(__AVX512F__)
    #define FASTDNN_WIDTH 64
    #define FASTDNN_PAIRS_float(half) FASTDNN_PAIRS_16(half)
    #define FASTDNN_PAIRS_double(half) FASTDNN_PAIRS_8(half)
    #elif defined(__AVX__)
    #define FASTDNN_WIDTH 32
    #define FASTDNN_PAIRS_float(half) FASTDNN_PAIRS_8(half)
    #define FASTDNN_PAIRS_double(half) FASTDNN_PAIRS_4(half)
    #else
    #define FASTDNN_WIDTH 16
    #define FASTDNN_PAIRS_float(half) FASTDNN_PAIRS_4(half)
    #define FASTDNN_PAIRS_double(half) FASTDNN_PAIRS_2(half)
    #endif

    #if (defined(__GNUC__) || defined(__clang__)) && !defined(FASTDNN_PLAIN)
    #define FASTDNN_HAS_VECTORS 1
    #if defined(__clang__)
    #define FASTDNN_UNROLL _Pragma("unroll")
    #define FASTDNN_SHUFFLE(x, y, integers, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
    #else
    #define FASTDNN_UNROLL _Pragma("GCC unroll 24")
    #define FASTDNN_SHUFFLE(x, y, integers, ...) __builtin_shuffle(x, y, (integers) {__VA_ARGS__})
    #endif
    /* the elements of two vectors of n in turns, from their first or second half on */
    #define FASTDNN_PAIRS_2(h) 0 + h, 2 + h
    #define FASTDNN_PAIRS_4(h) 0 + 2 * h, 4 + 2 * h, 1 + 2 * h, 5 + 2 * h
    #define FASTDNN_PAIRS_8(h) 0 + 4 * h, 8 + 4 * h, 1 + 4 * h, 9 + 4 * h, \\
        2 + 4 * h, 10 + 4 * h, 3 + 4 * h, 11 + 4 * h
    #define FASTDNN_PAIRS_16(h) 0 + 8 * h, 16 + 8 * h, 1 + 8 * h, 17 + 8 * h, \\
        2 + 8 * h, 18 + 8 * h, 3 + 8 * h, 19 + 8 * h, 4 + 8 * h, 20 + 8 * h, 5 + 8 * h, \\
        21 + 8 * h, 6 + 8 * h, 22 + 8 * h, 7 + 8 * h, 23 + 8 * h
    #define FASTDNN_TURN(T, I) \\
    typedef T fastdnn_##T##_vector \\
        __attribute__((vector_size(FASTDNN_WIDTH), aligned(sizeof(T)), may_alias)); \\
    /* y := x^T, both of as many rows as a vector has elements */ \\
    static inline void fastdnn_##T##_turn( \\
            const T *x, Py_ssize_t row_x, T *y, Py_ssize_t row_y) { \\
        enum { w = FASTDNN_WIDTH / sizeof(T) }; \\
        typedef T vector __attribute__((vector_size(FASTDNN_WIDTH))); \\
        typedef I integers __attribute__((vector_size(FASTDNN_WIDTH), unused)); \\
        vector p[w], q[w]; \\
        FASTDNN_UNROLL for (int i = 0; i < w; i++) \\
            p[i] = *(const fastdnn_##T##_vector *) (x + i * row_x); \\
        FASTDNN_UNROLL for (int n = 1; n < w; n *= 2) { \\
            FASTDNN_UNROLL for (int i = 0; i < w / 2; i++) { \\
                q[2 * i] = FASTDNN_SHUFFLE( \\
                    p[i], p[i + w / 2], integers, FASTDNN_PAIRS_##T(0)); \\
                q[2 * i + 1] = FASTDNN_SHUFFLE( \\
                    p[i], p[i + w / 2], integers, FASTDNN_PAIRS_##T(1)); \\
            } \\
            FASTDNN_UNROLL for (int i = 0; i < w; i++) p[i] = q[i]; \\
        } \\
        FASTDNN_UNROLL for (int i = 0; i < w; i++) \\
            *(fastdnn_##T##_vector *) (y + i * row_y) = p[i]; \\
    } \\
    /* whether a square has no element of 0 or less */ \\
    static inline int fastdnn_##T##_active(const T *x, Py_ssize_t row) { \\
        enum { w = FASTDNN_WIDTH / sizeof(T) }; \\
        typedef I integers __attribute__((vector_size(FASTDNN_WIDTH))); \\
        integers low = {0}; \\
        I any = 0; \\
        FASTDNN_UNROLL for (int i = 0; i < w; i++) \\
            low |= (integers) (*(const fastdnn_##T##_vector *) (x + i * row) <= (T) 0); \\
        FASTDNN_UNROLL for (int i = 0; i < w; i++) any |= low[i]; \\
        return any == 0; \\
    }
    FASTDNN_TURN(float, int32_t)
    FASTDNN_TURN(double, int64_t)
    #else
    #define FASTDNN_HAS_VECTORS 0
    #define fastdnn_float_turn(x, row_x, y, row_y) ((void) 0)
    #define fastdnn_double_turn(x, row_x, y, row_y) ((void) 0)
    #define fastdnn_float_active(x, row) 0
    #define fastdnn_double_active(x, row) 0
    #endif
    """
    enum:
        FASTDNN_WIDTH
        FASTDNN_HAS_VECTORS
    void fastdnn_float_turn(
        const float *x, Py_ssize_t row_x, float *y, Py_ssize_t row_y) noexcept nogil
    void fastdnn_double_turn(
        const double *x, Py_ssize_t row_x, double *y, Py_ssize_t row_y) noexcept nogil
    bint fastdnn_float_active(const float *x, Py_ssize_t row) noexcept nogil
    bint fastdnn_double_active(const double *x, Py_ssize_t row) noexcept nogil


cdef void turn(
    Py_ssize_t rows, Py_ssize_t cols, const floating *x, Py_ssize_t row_x,
    floating *y, Py_ssize_t row_y,
) noexcept nogil:
    # y (cols, rows) := x (rows, cols)^T, their rows so many elements apart
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i = 0, j
    if not FASTDNN_HAS_VECTORS or rows < w or cols < w:
        if rows < cols:
            for i in range(rows):
                for j in range(cols):
                    y[j * row_y + i] = x[i * row_x + j]
        else:
            for j in range(cols):
                for i in range(rows):
                    y[j * row_y + i] = x[i * row_x + j]
        return
    # the last squares overlap those before
    while i < rows:
        i = min(i, rows - w)
        j = 0
        while j < cols:
            j = min(j, cols - w)
            if floating is float:
                fastdnn_float_turn(x + i * row_x + j, row_x, y + j * row_y + i, row_y)
            else:
                fastdnn_double_turn(x + i * row_x + j, row_x, y + j * row_y + i, row_y)
            j += w
        i += w


cdef void drop_inactive(
    Py_ssize_t rows, Py_ssize_t cols, const floating *S, Py_ssize_t row_S,
    floating *dZ, Py_ssize_t row_dZ,
) noexcept nogil:
    # dZ (cols, rows) := dZ * relu'(S (rows, cols)^T). Only where a unit is inactive is dZ touched.
    cdef:
        floating square[256]
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i = 0, j, k, u
        bint active
    if not FASTDNN_HAS_VECTORS or rows < w or cols < w:
        for j in range(cols):
            for i in range(rows):
                dZ[j * row_dZ + i] = relu_backward_point(dZ[j * row_dZ + i], S[i * row_S + j])
        return
    while i < rows:
        i = min(i, rows - w)
        j = 0
        while j < cols:
            j = min(j, cols - w)
            if floating is float:
                active = fastdnn_float_active(S + i * row_S + j, row_S)
            else:
                active = fastdnn_double_active(S + i * row_S + j, row_S)
            if not active:
                if floating is float:
                    fastdnn_float_turn(S + i * row_S + j, row_S, square, w)
                else:
                    fastdnn_double_turn(S + i * row_S + j, row_S, square, w)
                for k in range(w):
                    for u in range(w):
                        dZ[(j + k) * row_dZ + i + u] = relu_backward_point(
                            dZ[(j + k) * row_dZ + i + u], square[k * w + u])
            j += w
        i += w
