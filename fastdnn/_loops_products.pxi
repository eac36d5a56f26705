# Small matrix products: some thousand multiplications are done before BLAS has packed its operands.
#
# The compiler keeps sums in registers only where they are written as vectors, of the width that its
# instruction set has, and fused where it can be, as in BLAS: the levels may differ in the last bit.

from cython cimport floating

from fastdnn._loops cimport deepest, is_small


cdef extern from *:
    """
    #if defined(__AVX512F__)
    #define FASTDNN_WIDTH 64
    #elif defined(__AVX__)
    #define FASTDNN_WIDTH 32
    #else
    #define FASTDNN_WIDTH 16
    #endif

    #if defined(__GNUC__) || defined(__clang__)
    /* what BLAS does too: a product and a sum in one instruction, where there is one */
    #if defined(__clang__)
    #define FASTDNN_FUSED
    #define FASTDNN_CONTRACT _Pragma("clang fp contract(fast)")
    #else
    #define FASTDNN_FUSED __attribute__((optimize("fp-contract=fast")))
    #define FASTDNN_CONTRACT
    #endif
    #define FASTDNN_STORE(C, s) \\
        (*(V *) (C) = beta == 0 ? alpha * (s) : alpha * (s) + beta * *(V *) (C))
    #define FASTDNN_PANELS(T) \\
    typedef T fastdnn_##T##_vector \\
        __attribute__((vector_size(FASTDNN_WIDTH), aligned(sizeof(T)), may_alias)); \\
    /* C (4, 2 vectors) := alpha A (4, K) B (K, 2 vectors) + beta C; rows of B and C N apart */ \\
    FASTDNN_FUSED static void fastdnn_##T##_panel_4( \\
            Py_ssize_t K, Py_ssize_t N, T alpha, const T *A, Py_ssize_t row, Py_ssize_t col, \\
            const T *B, T beta, T *C) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector V; \\
        const Py_ssize_t w = FASTDNN_WIDTH / sizeof(T); \\
        V p0 = {0}, q0 = {0}, p1 = {0}, q1 = {0}, p2 = {0}, q2 = {0}, p3 = {0}, q3 = {0}; \\
        for (Py_ssize_t k = 0; k < K; k++, A += col, B += N) { \\
            const V p = *(const V *) B, q = *(const V *) (B + w); \\
            const T a0 = A[0], a1 = A[row], a2 = A[2 * row], a3 = A[3 * row]; \\
            p0 += a0 * p; q0 += a0 * q; p1 += a1 * p; q1 += a1 * q; \\
            p2 += a2 * p; q2 += a2 * q; p3 += a3 * p; q3 += a3 * q; \\
        } \\
        FASTDNN_STORE(C, p0); FASTDNN_STORE(C + w, q0); C += N; \\
        FASTDNN_STORE(C, p1); FASTDNN_STORE(C + w, q1); C += N; \\
        FASTDNN_STORE(C, p2); FASTDNN_STORE(C + w, q2); C += N; \\
        FASTDNN_STORE(C, p3); FASTDNN_STORE(C + w, q3); \\
    } \\
    /* C (4, 1 vector) likewise */ \\
    FASTDNN_FUSED static void fastdnn_##T##_narrow_4( \\
            Py_ssize_t K, Py_ssize_t N, T alpha, const T *A, Py_ssize_t row, Py_ssize_t col, \\
            const T *B, T beta, T *C) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector V; \\
        V p0 = {0}, p1 = {0}, p2 = {0}, p3 = {0}; \\
        for (Py_ssize_t k = 0; k < K; k++, A += col, B += N) { \\
            const V p = *(const V *) B; \\
            p0 += A[0] * p; p1 += A[row] * p; p2 += A[2 * row] * p; p3 += A[3 * row] * p; \\
        } \\
        FASTDNN_STORE(C, p0); C += N; FASTDNN_STORE(C, p1); C += N; \\
        FASTDNN_STORE(C, p2); C += N; FASTDNN_STORE(C, p3); \\
    } \\
    /* C (1, 1 vector) := alpha A (1, K) B (K, 1 vector) + beta C */ \\
    FASTDNN_FUSED static void fastdnn_##T##_panel_1( \\
            Py_ssize_t K, Py_ssize_t N, T alpha, const T *A, Py_ssize_t col, const T *B, \\
            T beta, T *C) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector V; \\
        V p = {0}; \\
        for (Py_ssize_t k = 0; k < K; k++, A += col, B += N) \\
            p += A[0] * *(const V *) B; \\
        FASTDNN_STORE(C, p); \\
    }
    FASTDNN_PANELS(float)
    FASTDNN_PANELS(double)
    #define FASTDNN_SMALL_PRODUCTS 1
    #else
    #define FASTDNN_SMALL_PRODUCTS 0
    #define fastdnn_float_panel_4(K, N, alpha, A, row, col, B, beta, C) ((void) 0)
    #define fastdnn_double_panel_4(K, N, alpha, A, row, col, B, beta, C) ((void) 0)
    #define fastdnn_float_narrow_4(K, N, alpha, A, row, col, B, beta, C) ((void) 0)
    #define fastdnn_double_narrow_4(K, N, alpha, A, row, col, B, beta, C) ((void) 0)
    #define fastdnn_float_panel_1(K, N, alpha, A, col, B, beta, C) ((void) 0)
    #define fastdnn_double_panel_1(K, N, alpha, A, col, B, beta, C) ((void) 0)
    #endif
    """
    enum:
        FASTDNN_WIDTH
        FASTDNN_SMALL_PRODUCTS
    void fastdnn_float_panel_4(
        Py_ssize_t K, Py_ssize_t N, float alpha, const float *A, Py_ssize_t row, Py_ssize_t col,
        const float *B, float beta, float *C) noexcept nogil
    void fastdnn_double_panel_4(
        Py_ssize_t K, Py_ssize_t N, double alpha, const double *A, Py_ssize_t row, Py_ssize_t col,
        const double *B, double beta, double *C) noexcept nogil
    void fastdnn_float_narrow_4(
        Py_ssize_t K, Py_ssize_t N, float alpha, const float *A, Py_ssize_t row, Py_ssize_t col,
        const float *B, float beta, float *C) noexcept nogil
    void fastdnn_double_narrow_4(
        Py_ssize_t K, Py_ssize_t N, double alpha, const double *A, Py_ssize_t row, Py_ssize_t col,
        const double *B, double beta, double *C) noexcept nogil
    void fastdnn_float_panel_1(
        Py_ssize_t K, Py_ssize_t N, float alpha, const float *A, Py_ssize_t col,
        const float *B, float beta, float *C) noexcept nogil
    void fastdnn_double_panel_1(
        Py_ssize_t K, Py_ssize_t N, double alpha, const double *A, Py_ssize_t col,
        const double *B, double beta, double *C) noexcept nogil


cdef bint small_product(
    Py_ssize_t most, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row, Py_ssize_t col, const floating *B,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; B and C row-major, A with any strides.
    # False if it is left to BLAS: if it is not small, or a row of C has no whole vectors.
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), k = 0, depth
        Py_ssize_t step = deepest(N, K, sizeof(floating))
    if (not FASTDNN_SMALL_PRODUCTS or not is_small(most, M, N, K, sizeof(floating)) or N < w
            or (N % w != 0 and (beta != 0 or step < K))):
        return False
    while k < K:
        depth = min(step, K - k)
        add_panels(M, N, depth, alpha, A + k * col, row, col, B + k * N,
                   beta if k == 0 else <floating> 1, C)
        k += depth
    return True


cdef inline void add_panels(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row, Py_ssize_t col, const floating *B,
    floating beta, floating *C,
) noexcept nogil:
    # without beta the last rows and the last vector may overlap those before
    cdef Py_ssize_t i = 0
    while i < M:
        if M - i >= 4 or (M >= 4 and beta == 0):
            i = min(i, M - 4)
            four_rows(N, K, alpha, A + i * row, row, col, B, beta, C + i * N)
            i += 4
        else:
            one_row(N, K, alpha, A + i * row, col, B, beta, C + i * N)
            i += 1


cdef inline void four_rows(
    Py_ssize_t N, Py_ssize_t K, floating alpha, const floating *A, Py_ssize_t row, Py_ssize_t col,
    const floating *B, floating beta, floating *C,
) noexcept nogil:
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), j = 0
    while N - j >= 2 * w:
        if floating is float:
            fastdnn_float_panel_4(K, N, alpha, A, row, col, B + j, beta, C + j)
        else:
            fastdnn_double_panel_4(K, N, alpha, A, row, col, B + j, beta, C + j)
        j += 2 * w
    while j < N:
        j = min(j, N - w)
        if floating is float:
            fastdnn_float_narrow_4(K, N, alpha, A, row, col, B + j, beta, C + j)
        else:
            fastdnn_double_narrow_4(K, N, alpha, A, row, col, B + j, beta, C + j)
        j += w


cdef inline void one_row(
    Py_ssize_t N, Py_ssize_t K, floating alpha, const floating *A, Py_ssize_t col,
    const floating *B, floating beta, floating *C,
) noexcept nogil:
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), j = 0
    while j < N:
        j = min(j, N - w)
        if floating is float:
            fastdnn_float_panel_1(K, N, alpha, A, col, B + j, beta, C + j)
        else:
            fastdnn_double_panel_1(K, N, alpha, A, col, B + j, beta, C + j)
        j += w


cdef void transpose(
    Py_ssize_t rows, Py_ssize_t cols, const floating *x, floating *y,
) noexcept nogil:
    # y (cols, rows) := x^T
    cdef Py_ssize_t i = 0, j, r
    while i + 8 <= rows:
        for j in range(cols):
            for r in range(8):
                y[j * rows + i + r] = x[(i + r) * cols + j]
        i += 8
    while i < rows:
        for j in range(cols):
            y[j * rows + i] = x[i * cols + j]
        i += 1
