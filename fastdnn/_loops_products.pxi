# Matrix products of sizes at which they are faster than BLAS's: _pays knows which.
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
    #define FASTDNN_UNROLL _Pragma("GCC unroll 24")
    #endif
    #define FASTDNN_TILES(T) \\
    typedef T fastdnn_##T##_vector \\
        __attribute__((vector_size(FASTDNN_WIDTH), aligned(sizeof(T)), may_alias)); \\
    FASTDNN_FUSED static inline __attribute__((always_inline)) void fastdnn_##T##_tile_of( \\
            const int R, const int V, const int ahead, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector vector; \\
        const Py_ssize_t w = FASTDNN_WIDTH / sizeof(T); \\
        vector p[24], q[24], b, c = {0}; \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
            p[r] = q[r] = c; \\
            __builtin_prefetch(C + r * row_C, 1); \\
            if (V == 2) __builtin_prefetch(C + r * row_C + w, 1); \\
        } \\
        for (Py_ssize_t k = 0; k < K; k++, A += col, B += row_B) { \\
            b = *(const vector *) B; \\
            if (V == 2) c = *(const vector *) (B + w); \\
            if (ahead) __builtin_prefetch(B + ahead * row_B); \\
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
    /* C (R, V vectors) := alpha A (R, K) B (K, V vectors) + beta C; V 2 or 1, R up to 6, or, */ \\
    /* with one vector, up to FASTDNN_TALL: then B is read but once, and fetched ahead */ \\
    FASTDNN_FUSED static void fastdnn_##T##_tile( \\
            int R, int V, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C) { \\
        switch (32 * V + R) { \\
        FASTDNN_CASES(T, 2, 0, 1, 2, 3) FASTDNN_CASES(T, 2, 0, 4, 5, 6) \\
        FASTDNN_CASES(T, 1, 0, 1, 2, 3) FASTDNN_CASES(T, 1, 0, 4, 5, 6) \\
        FASTDNN_TALL_CASES(T) \\
        } \\
    }
    #define FASTDNN_CASE(T, R, V, ahead) case 32 * V + R: fastdnn_##T##_tile_of( \\
        R, V, ahead, K, alpha, A, row, col, B, row_B, beta, C, row_C); break;
    #define FASTDNN_CASES(T, V, ahead, R, S, U) \\
        FASTDNN_CASE(T, R, V, ahead) FASTDNN_CASE(T, S, V, ahead) FASTDNN_CASE(T, U, V, ahead)
    /* AVX-512 has the registers */
    #ifdef __AVX512F__
    #define FASTDNN_TALL 24
    #define FASTDNN_TALL_CASES(T) \\
        FASTDNN_CASES(T, 1, 16, 7, 8, 9) FASTDNN_CASES(T, 1, 16, 10, 11, 12) \\
        FASTDNN_CASES(T, 1, 16, 13, 14, 15) FASTDNN_CASES(T, 1, 16, 16, 17, 18) \\
        FASTDNN_CASES(T, 1, 16, 19, 20, 21) FASTDNN_CASES(T, 1, 16, 22, 23, 24)
    #else
    #define FASTDNN_TALL 0
    #define FASTDNN_TALL_CASES(T)
    #endif
    FASTDNN_TILES(float)
    FASTDNN_TILES(double)
    #else
    #define FASTDNN_TALL 0
    #define fastdnn_float_tile(R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C) ((void) 0)
    #define fastdnn_double_tile(R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C) ((void) 0)
    #endif

    /* multiplications of a product up to which this is faster than BLAS */
    #if !defined(__GNUC__) && !defined(__clang__)
    #define FASTDNN_MOST 0
    #elif defined(__AVX__)
    #define FASTDNN_MOST 64000000
    #else
    #define FASTDNN_MOST 2000000
    #endif
    """
    enum:
        FASTDNN_WIDTH
        FASTDNN_TALL
        FASTDNN_MOST
    void fastdnn_float_tile(
        int R, int V, Py_ssize_t K, float alpha, const float *A, Py_ssize_t row, Py_ssize_t col,
        const float *B, Py_ssize_t row_B, float beta, float *C, Py_ssize_t row_C) noexcept nogil
    void fastdnn_double_tile(
        int R, int V, Py_ssize_t K, double alpha, const double *A, Py_ssize_t row, Py_ssize_t col,
        const double *B, Py_ssize_t row_B, double beta, double *C, Py_ssize_t row_C) noexcept nogil


cdef enum:
    FIRST_LEVEL = 24576                   # bytes of the first-level cache that are for B
    SECOND_LEVEL = 65536                  # bytes of the second-level cache for a copy of some of B
    DEPTH = SECOND_LEVEL // (8 * FASTDNN_WIDTH)  # rows of it, where it has four panels
    ROWS = 128                            # of A that stay in the second-level cache meanwhile
    TILE = 6                              # rows of A that a tile multiplies
    REPAID = 16                           # rows of A for which B is worth a copy
    LARGE = 1048576                       # bytes of a B that some more rows shall repay
    SHALLOW = 32                          # inner dimension of which BLAS makes little
    SMALL = 1_000_000                     # multiplications


cdef inline bint _pays(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t size, bint trans_A, bint trans_B,
    bint copies,
) noexcept nogil:
    # whether a product that no tall tile does is faster than BLAS's, as measured
    cdef Py_ssize_t w = FASTDNN_WIDTH // size, work = M * N * K
    if work > FASTDNN_MOST or (copies and (
            M < REPAID or N < w // 2 or (M < 4 * REPAID and K * N * size > LARGE))):
        return False
    if FASTDNN_WIDTH == 64:
        # OpenBLAS has kernels for small products with AVX-512, in all forms but this one
        return work > SMALL or (trans_B and not trans_A)
    # of doubles a panel has half the columns, and A passes twice as often
    return size == 4 or work <= SMALL or K <= SHALLOW or (N <= 32 and not trans_A)


cdef bint small_product(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; C row-major, A and B with any strides.
    # False if it is left to BLAS.
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), cols, depth, j = 0, k
        bint whole = N >= w and (N % w == 0 or beta == 0)  # vectors, the last may overlap
        bint tall = whole and col_B == 1 and TILE < M <= FASTDNN_TALL and K > SHALLOW
        bint copies = (not whole or col_B != 1
                       or K * N * <Py_ssize_t> sizeof(floating) > FIRST_LEVEL)
    if K == 1:
        _outer(M, N, alpha, A, B, beta, C)
        return True
    if tall:
        _add_in_place(1, M, N, K, alpha, A, row_A, col_A, B, row_B, beta, C)
        return True
    if not _pays(M, N, K, sizeof(floating), col_A != 1, col_B != 1, copies):
        return False
    if not copies:
        _add_in_place(2, M, N, K, alpha, A, row_A, col_A, B, row_B, beta, C)
        return True
    # as many panels of B as fit the first-level cache, four at least
    depth = min(K, <Py_ssize_t> DEPTH)
    cols = 2 * w * max(<Py_ssize_t> 4, FIRST_LEVEL // (2 * FASTDNN_WIDTH * depth))
    while j < N:
        cols = min(cols, N - j)
        k = 0
        while k < K:
            depth = min(<Py_ssize_t> DEPTH, K - k)
            _add_block(M, cols, depth, alpha, A + k * col_A, row_A, col_A,
                       B + k * row_B + j * col_B, row_B, col_B,
                       beta if k == 0 else <floating> 1, C + j, N)
            k += depth
        j += cols
    return True


cdef inline void _outer(
    Py_ssize_t M, Py_ssize_t N, floating alpha, const floating *x, const floating *y,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha x y^T + beta C
    cdef:
        Py_ssize_t i, j
        floating a
    for i in range(M):
        a = alpha * x[i]
        if beta == 0:
            for j in range(N):
                C[i * N + j] = a * y[j]
        else:
            for j in range(N):
                C[i * N + j] = a * y[j] + beta * C[i * N + j]


cdef inline void _add_in_place(
    int vectors, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, floating beta, floating *C,
) noexcept nogil:
    # so many vectors of B's columns at a time, as they lie, the last overlapping those before
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), j = 0
    while j < N:
        if N - j < vectors * w:
            vectors = 1
            j = min(j, N - w)
        _add_panel(vectors, M, K, alpha, A, row_A, col_A, B + j, row_B, beta, C + j, N)
        j += vectors * w


cdef inline void _add_block(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C, Py_ssize_t row_C,
) noexcept nogil:
    # C := alpha A B + beta C by a copy of B, two columns of vectors a panel, the last filled up
    # with zeros
    cdef:
        char memory[SECOND_LEVEL + 64]
        char last[2 * TILE * FASTDNN_WIDTH]
        floating *copy = <floating *> (memory + 64 - <size_t> &memory[0] % 64)
        floating *narrow = <floating *> &last[0]
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i = 0, j = 0, at, v, r, n, rows = ROWS
    while j < N:
        n = 2 * w if N - j > w else w
        _copy_panel(n, min(n, N - j), K, B + j * col_B, row_B, col_B, copy + j * K)
        j += n
    # from the first-level cache all panels serve a tile's rows, which are written side by side;
    # else a panel is brought there for many
    if N * K * <Py_ssize_t> sizeof(floating) <= FIRST_LEVEL:
        rows = TILE
    while i < M:
        rows = min(rows, M - i)
        j = 0
        while j < N:
            n = 2 * w if N - j > w else w
            if N - j >= n:
                _add_panel(<int> (n // w), rows, K, alpha, A + i * row_A, row_A, col_A,
                           copy + j * K, n, beta, C + i * row_C + j, row_C)
            else:
                for r in range(i, i + rows):
                    if (r - i) % TILE == 0:
                        _add_panel(<int> (n // w), min(<Py_ssize_t> TILE, i + rows - r), K, alpha,
                                   A + r * row_A, row_A, col_A, copy + j * K, n,
                                   <floating> 0, narrow, n)
                    at = r * row_C + j
                    for v in range(N - j):
                        C[at + v] = narrow[(r - i) % TILE * n + v] + (
                            0 if beta == 0 else beta * C[at + v])
            j += n
        i += rows


cdef inline void _copy_panel(
    Py_ssize_t n, Py_ssize_t cols, Py_ssize_t K, const floating *B, Py_ssize_t row_B,
    Py_ssize_t col_B, floating *copy,
) noexcept nogil:
    # copy (K, n), one or two vectors a row, := B (K, cols), and zeros
    cdef Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), k, u, v
    if cols < n or n % 4 != 0:
        for k in range(K):
            for v in range(n):
                copy[k * n + v] = B[k * row_B + v * col_B] if v < cols else 0
    elif col_B != 1:
        # a few columns at a time, so that their lines stay in the cache
        for v in range(0, n, 4):
            for k in range(K):
                for u in range(4):
                    copy[k * n + v + u] = B[k * row_B + (v + u) * col_B]
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
        Py_ssize_t i = 0, tiles = (M + TILE - 1) // TILE
        int rows
    while i < M:
        # tiles of even height, or one that is tall
        rows = <int> (M - i if TILE < M <= FASTDNN_TALL and vectors == 1 else
                      (M - i + tiles - 1) // tiles)
        tiles -= 1
        if floating is float:
            fastdnn_float_tile(rows, vectors, K, alpha, A + i * row_A, row_A, col_A, B, row_B,
                               beta, C + i * row_C, row_C)
        else:
            fastdnn_double_tile(rows, vectors, K, alpha, A + i * row_A, row_A, col_A, B, row_B,
                                beta, C + i * row_C, row_C)
        i += rows
