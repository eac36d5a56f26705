# Matrix products of a size that BLAS spends much of its time on packing.
#
# The compiler keeps sums in registers only where they are written as vectors, of the width that its
# instruction set has, and fused where it can be, as in BLAS: the levels may differ in the last bit.

from cython cimport floating
from libc.string cimport memcpy


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
    #define FASTDNN_UNROLL _Pragma("unroll")
    #else
    #define FASTDNN_FUSED __attribute__((optimize("fp-contract=fast")))
    #define FASTDNN_CONTRACT
    #define FASTDNN_UNROLL _Pragma("GCC unroll 8")
    #endif
    #define FASTDNN_TILES(T) \\
    typedef T fastdnn_##T##_vector \\
        __attribute__((vector_size(FASTDNN_WIDTH), aligned(sizeof(T)), may_alias)); \\
    FASTDNN_FUSED static inline __attribute__((always_inline)) void fastdnn_##T##_tile_of( \\
            const int R, const int V, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector vector; \\
        const Py_ssize_t w = FASTDNN_WIDTH / sizeof(T); \\
        vector p[6], q[6], b, c = {0}; \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++) p[r] = q[r] = c; \\
        for (Py_ssize_t k = 0; k < K; k++, A += col, B += row_B) { \\
            b = *(const vector *) B; \\
            if (V == 2) c = *(const vector *) (B + w); \\
            FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
                const T a = A[r * row]; \\
                p[r] += a * b; \\
                if (V == 2) q[r] += a * c; \\
            } \\
        } \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++, C += row_C) { \\
            vector *const C0 = (vector *) C, *const C1 = (vector *) (C + w); \\
            *C0 = beta == 0 ? alpha * p[r] : alpha * p[r] + beta * *C0; \\
            if (V == 2) *C1 = beta == 0 ? alpha * q[r] : alpha * q[r] + beta * *C1; \\
        } \\
    } \\
    /* C (R, V vectors) := alpha A (R, K) B (K, V vectors) + beta C; R 6, 4, 2 or 1, V 2 or 1 */ \\
    FASTDNN_FUSED static void fastdnn_##T##_tile( \\
            int R, int V, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C) { \\
        switch (8 * V + R) { \\
        case 22: FASTDNN_TILE(T, 6, 2); break; \\
        case 20: FASTDNN_TILE(T, 4, 2); break; \\
        case 18: FASTDNN_TILE(T, 2, 2); break; \\
        case 17: FASTDNN_TILE(T, 1, 2); break; \\
        case 14: FASTDNN_TILE(T, 6, 1); break; \\
        case 12: FASTDNN_TILE(T, 4, 1); break; \\
        case 10: FASTDNN_TILE(T, 2, 1); break; \\
        default: FASTDNN_TILE(T, 1, 1); \\
        } \\
    }
    #define FASTDNN_TILE(T, R, V) \\
        fastdnn_##T##_tile_of(R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C)
    FASTDNN_TILES(float)
    FASTDNN_TILES(double)
    #else
    #define fastdnn_float_tile(R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C) ((void) 0)
    #define fastdnn_double_tile(R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C) ((void) 0)
    #endif

    /* multiplications of a product up to which this is faster than BLAS */
    #if !defined(__GNUC__) && !defined(__clang__)
    #define FASTDNN_MOST 0
    #elif defined(__AVX__) && !defined(__AVX512F__)
    #define FASTDNN_MOST 64000000
    #else
    #define FASTDNN_MOST 2000000
    #endif
    """
    enum:
        FASTDNN_WIDTH
        FASTDNN_MOST
    void fastdnn_float_tile(
        int R, int V, Py_ssize_t K, float alpha, const float *A, Py_ssize_t row, Py_ssize_t col,
        const float *B, Py_ssize_t row_B, float beta, float *C, Py_ssize_t row_C) noexcept nogil
    void fastdnn_double_tile(
        int R, int V, Py_ssize_t K, double alpha, const double *A, Py_ssize_t row, Py_ssize_t col,
        const double *B, Py_ssize_t row_B, double beta, double *C, Py_ssize_t row_C) noexcept nogil


cdef enum:
    FIRST_LEVEL = 24576                         # bytes of the first-level cache that are for B
    DEPTH = FIRST_LEVEL // (2 * FASTDNN_WIDTH)  # rows of B whose first two vectors fill them
    ROWS = 128                                  # of A that stay in the second-level cache meanwhile
    REPAID = 16                                 # rows of A for which B is worth a copy
    SURE = 2_000_000                            # multiplications up to which any form pays


cdef bint small_product(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; C row-major, A and B with any strides.
    # False if it is left to BLAS.
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), k = 0, i, depth = K, rows = M
        Py_ssize_t work = M * N * K
        bint copies = (col_B != 1 or K * N * <Py_ssize_t> sizeof(floating) > FIRST_LEVEL
                       or N < w or (N % w != 0 and beta != 0))
    if work > FASTDNN_MOST or (copies and (M < REPAID or N < w // 2)):
        return False
    # a large C costs more than what is added to it
    if work > SURE and K < 64:
        return False
    # of doubles a panel has half the columns, and A passes twice as often
    if sizeof(floating) == 8 and 2 * work > SURE and (N > 32 or col_A != 1):
        return False
    if copies:
        depth = min(K, <Py_ssize_t> DEPTH)
    while k < K:
        depth = min(depth, K - k)
        i = 0
        while i < M:
            if copies:
                rows = M - i if M - i < 2 * ROWS else ROWS
            _add_panels(copies, rows, N, depth, alpha, A + i * row_A + k * col_A, row_A, col_A,
                        B + k * row_B, row_B, col_B, beta if k == 0 else <floating> 1, C + i * N)
            i += rows
        k += depth
    return True


cdef inline void _add_panels(
    bint copies, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C,
) noexcept nogil:
    # two columns of vectors of B at a time, as they lie, the last overlapping those before; or
    # copied, and the last filled up with zeros
    cdef:
        char memory[FIRST_LEVEL + 64]
        char last[2 * ROWS * FASTDNN_WIDTH]
        floating *copy = <floating *> (memory + 64 - <size_t> &memory[0] % 64)
        floating *narrow = <floating *> &last[0]
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i, j = 0, v, n, cols
    while j < N:
        n = 2 * w if N - j >= 2 * w else w
        if not copies:
            j = min(j, N - n)
            _add_panel(n // w, M, K, alpha, A, row_A, col_A, B + j, row_B, beta, C + j, N)
        else:
            cols = min(n, N - j)
            _copy_panel(n, cols, K, B + j * col_B, row_B, col_B, copy)
            if cols == n:
                _add_panel(n // w, M, K, alpha, A, row_A, col_A, copy, n, beta, C + j, N)
            else:
                _add_panel(1, M, K, alpha, A, row_A, col_A, copy, n, 0, narrow, w)
                for i in range(M):
                    for v in range(cols):
                        C[i * N + j + v] = narrow[i * w + v] + (
                            0 if beta == 0 else beta * C[i * N + j + v])
        j += n


cdef inline void _copy_panel(
    Py_ssize_t n, Py_ssize_t cols, Py_ssize_t K, const floating *B, Py_ssize_t row_B,
    Py_ssize_t col_B, floating *copy,
) noexcept nogil:
    # copy (K, n), one or two vectors a row, := B (K, cols), and zeros
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), k, v
    if col_B != 1 or cols < n:
        for k in range(K):
            for v in range(n):
                copy[k * n + v] = B[k * row_B + v * col_B] if v < cols else 0
    elif n == w:
        for k in range(K):
            memcpy(copy + k * w, B + k * row_B, FASTDNN_WIDTH)
    else:
        for k in range(K):
            memcpy(copy + k * 2 * w, B + k * row_B, 2 * FASTDNN_WIDTH)


cdef inline void _add_panel(
    int vectors, Py_ssize_t M, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A, const floating *B, Py_ssize_t row_B,
    floating beta, floating *C, Py_ssize_t row_C,
) noexcept nogil:
    # C (M, vectors) := alpha A (M, K) B (K, vectors) + beta C
    cdef:
        Py_ssize_t i = 0
        int rows
    while i < M:
        rows = 6 if M - i >= 6 else 4 if M - i >= 4 else 2 if M - i >= 2 else 1
        if floating is float:
            fastdnn_float_tile(rows, vectors, K, alpha, A + i * row_A, row_A, col_A, B, row_B,
                               beta, C + i * row_C, row_C)
        else:
            fastdnn_double_tile(rows, vectors, K, alpha, A + i * row_A, row_A, col_A, B, row_B,
                                beta, C + i * row_C, row_C)
        i += rows
