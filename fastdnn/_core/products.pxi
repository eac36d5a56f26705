# Matrix products of our own; choice.pxi knows which are faster than BLAS's.
#
# The compiler keeps sums in registers only where they are written as vectors of the instruction
# set's width. Products and sums are fused if they can be, as in BLAS: the levels may differ in the
# last bit.

from cython cimport floating
from libc.string cimport memcpy


cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    /* a product and a sum in one instruction, where there is one, as in BLAS */
    #if defined(__clang__)
    #define FASTDNN_FUSED
    #define FASTDNN_CONTRACT _Pragma("clang fp contract(fast)")
    #else
    #define FASTDNN_FUSED __attribute__((optimize("fp-contract=fast")))
    #define FASTDNN_CONTRACT
    #endif
    /* elements between rows that the processor does not foresee */
    #define FASTDNN_FAR 1024
    #define FASTDNN_TILES(T) \\
    FASTDNN_FUSED static inline __attribute__((always_inline)) void fastdnn_##T##_tile_of( \\
            const int R, const int V, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C, Py_ssize_t last) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector vector; \\
        const Py_ssize_t w = FASTDNN_WIDTH / sizeof(T); \\
        vector p[24], b[4]; \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++) \\
            FASTDNN_UNROLL for (int v = 0; v < V; v++) { \\
                p[r * V + v] = (vector) {0}; \\
                if (row_C > FASTDNN_FAR) __builtin_prefetch(C + r * row_C + FASTDNN_AT(v), 1); \\
            } \\
        for (Py_ssize_t k = 0; k < K; k++, A += col, B += row_B) { \\
            FASTDNN_UNROLL for (int v = 0; v < V; v++) { \\
                b[v] = *(const vector *) (B + FASTDNN_AT(v)); \\
                if (R > 1 && R < 5) FASTDNN_KEEP(b[v]); \\
                if (row_B > FASTDNN_FAR) __builtin_prefetch(B + 16 * row_B + FASTDNN_AT(v)); \\
            } \\
            FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
                const T a = A[r * row]; \\
                FASTDNN_UNROLL for (int v = 0; v < V; v++) p[r * V + v] += a * b[v]; \\
            } \\
        } \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++, C += row_C) \\
            FASTDNN_UNROLL for (int v = 0; v < V; v++) { \\
                vector *const c = (vector *) (C + FASTDNN_AT(v)), sum = p[r * V + v]; \\
                if (alpha != 1) sum *= alpha; \\
                if (beta != 0) sum += beta * *c; \\
                *c = sum; \\
            } \\
    } \\
    /* C (R, V vectors) := alpha A (R, K) B (K, V vectors) + beta C, V up to FASTDNN_VECTORS; the \\
       last vector begins at this column, and may overlap the one before if beta is 0 */ \\
    FASTDNN_FUSED static void fastdnn_##T##_tile( \\
            int R, int V, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C, Py_ssize_t last) { \\
        switch (8 * V + R) { \\
        FASTDNN_CASES(T, 1) FASTDNN_CASES(T, 2) FASTDNN_MORE_CASES(T) \\
        } \\
    }
    #define FASTDNN_AT(v) ((v) == V - 1 ? last : (v) * w)
    #define FASTDNN_CASE(T, R, V) case 8 * V + R: fastdnn_##T##_tile_of( \\
        R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C, last); break;
    #define FASTDNN_CASES(T, V) \\
        FASTDNN_CASE(T, 1, V) FASTDNN_CASE(T, 2, V) FASTDNN_CASE(T, 3, V) \\
        FASTDNN_CASE(T, 4, V) FASTDNN_CASE(T, 5, V) FASTDNN_CASE(T, 6, V)
    #ifdef __AVX512F__
    /* AVX-512 has the registers for wide tiles */
    #define FASTDNN_VECTORS 4
    #define FASTDNN_MORE_CASES(T) FASTDNN_CASES(T, 3) FASTDNN_CASES(T, 4)
    /* keeps a vector in its register: the compiler would read it again for each of a few rows */
    #define FASTDNN_KEEP(x) __asm__("" : "+v"(x))
    #else
    #define FASTDNN_VECTORS 2
    #define FASTDNN_MORE_CASES(T)
    #define FASTDNN_KEEP(x) ((void) 0)
    #endif
    FASTDNN_TILES(float)
    FASTDNN_TILES(double)
    #define fastdnn_fetch(p) __builtin_prefetch(p)
    #else
    #define FASTDNN_VECTORS 2
    #define fastdnn_fetch(p) ((void) 0)
    #define fastdnn_float_tile(R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C, last) \\
        ((void) 0)
    #define fastdnn_double_tile(R, V, K, alpha, A, row, col, B, row_B, beta, C, row_C, last) \\
        ((void) 0)
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
        FASTDNN_VECTORS
        FASTDNN_MOST
    void fastdnn_fetch(const void *) noexcept nogil
    void fastdnn_float_tile(
        int R, int V, Py_ssize_t K, float alpha, const float *A, Py_ssize_t row, Py_ssize_t col,
        const float *B, Py_ssize_t row_B, float beta, float *C, Py_ssize_t row_C,
        Py_ssize_t last) noexcept nogil
    void fastdnn_double_tile(
        int R, int V, Py_ssize_t K, double alpha, const double *A, Py_ssize_t row, Py_ssize_t col,
        const double *B, Py_ssize_t row_B, double beta, double *C, Py_ssize_t row_C,
        Py_ssize_t last) noexcept nogil


cdef enum:
    COPY = FASTDNN_SCRATCH                # bytes of the second-level cache for a copy of some of B
    COLUMNS = 8                           # width of the copy, in vectors
    DEPTH = COPY // (COLUMNS * FASTDNN_WIDTH)  # rows of the copy
    ROWS = 128                            # rows of A that stay in the second-level cache meanwhile
    TILE = 6                              # rows of A that a tile multiplies

cdef Caches caches  # read at import by levels.pyx


cdef void small_product(
    bint lies, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C,
) noexcept nogil:
    # C (M, N) := alpha A (M, K) B (K, N) + beta C; C row-major, A and B too, or transposed.
    # B is read where it lies, or by copies of some of it.
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), cols, depth, j = 0, k
    if K == 1:
        _outer(M, N, alpha, A, B, beta, C)
        return
    if lies:
        # the last vectors may overlap those before, if nothing is added
        j = N if beta == 0 else N // w * w
        _add_block(M, j, K, alpha, A, row_A, col_A, B, row_B, beta, C, N)
    while j < N:
        depth = min(K, <Py_ssize_t> DEPTH)
        cols = w * max(<Py_ssize_t> COLUMNS, min(caches.first, COPY) // (FASTDNN_WIDTH * depth))
        cols = min(cols, (N - j + w - 1) // w * w)
        if N - j < cols <= N and beta == 0:
            j = N - cols
        k = 0
        while k < K:
            depth = min(<Py_ssize_t> DEPTH, K - k)
            _add_copied(M, cols, min(cols, N - j), depth, alpha, A + k * col_A, row_A, col_A,
                        B + k * row_B + j * col_B, row_B, col_B,
                        beta if k == 0 else <floating> 1, C + j, N)
            k += depth
        j += cols


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


cdef inline void _add_block(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A, const floating *B, Py_ssize_t row_B,
    floating beta, floating *C, Py_ssize_t row_C,
) noexcept nogil:
    # C := alpha A B + beta C by some vectors of B's columns at a time, the last overlapping the one
    # before, for some rows of A that stay in the second-level cache
    cdef:
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), i = 0, j, last, n, rows
        Py_ssize_t height = _height(N, K, sizeof(floating)), blocks = (M + height - 1) // height
    while i < M:
        rows = (M - i + blocks - 1) // blocks
        blocks -= 1
        j = 0
        while j < N:
            n = (N - j + w - 1) // w
            if n > FASTDNN_VECTORS:
                # the last two tiles are of even width
                n = min((n + 1) // 2, <Py_ssize_t> FASTDNN_VECTORS)
            last = min((n - 1) * w, N - w - j)
            _add_panel(<int> n, rows, K, alpha, A + i * row_A, row_A, col_A, B + j, row_B,
                       beta, C + i * row_C + j, row_C, last)
            j += n * w
        i += rows


cdef inline Py_ssize_t _height(Py_ssize_t N, Py_ssize_t K, Py_ssize_t size) noexcept nogil:
    # If all of B fits the first-level cache, it serves a tile's rows, which are written side by
    # side; else some of B's columns are brought there for many rows.
    return TILE if N * K * size <= caches.first else ROWS


cdef inline void _add_copied(
    Py_ssize_t M, Py_ssize_t width, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B,
    floating beta, floating *C, Py_ssize_t row_C,
) noexcept nogil:
    # the same by a copy of B that is whole vectors wide, the last one filled up with zeros
    cdef:
        char last[TILE * FASTDNN_WIDTH]
        floating *copy = <floating *> fastdnn_scratch()
        floating *narrow = <floating *> &last[0]
        Py_ssize_t w = FASTDNN_WIDTH // sizeof(floating), whole = N // w * w, i = 0, j, r, rows
        Py_ssize_t height = _height(N, K, sizeof(floating))
        floating *c
    _copy_block(width, N, K, B, row_B, col_B, copy)
    while i < M:
        rows = min(height, M - i)
        if whole > 0:
            _add_block(rows, whole, K, alpha, A + i * row_A, row_A, col_A, copy, width,
                       beta, C + i * row_C, row_C)
        for r in range(rows if whole < N else 0):
            if r % TILE == 0:
                _add_panel(1, min(<Py_ssize_t> TILE, rows - r), K, alpha, A + (i + r) * row_A,
                           row_A, col_A, copy + whole, width, <floating> 0, narrow, w, 0)
            c = C + (i + r) * row_C + whole
            for j in range(N - whole):
                c[j] = narrow[r % TILE * w + j] + (0 if beta == 0 else beta * c[j])
        i += rows


cdef inline void _copy_block(
    Py_ssize_t width, Py_ssize_t N, Py_ssize_t K,
    const floating *B, Py_ssize_t row_B, Py_ssize_t col_B, floating *copy,
) noexcept nogil:
    # copy (K, width) := B (K, N), and zeros; row_B or col_B is 1
    cdef Py_ssize_t fours = N // 4 * 4, k0, k, j, u
    if col_B == 1:
        for k in range(K):
            memcpy(copy + k * width, B + k * row_B, N * sizeof(floating))
            for j in range(N, width):
                copy[k * width + j] = 0
        return
    # some rows at a time, whose lines stay in the cache
    for k0 in range(0, K, 16):
        for j in range(0, fours, 4):
            for u in range(4):
                fastdnn_fetch(B + k0 + 16 + (j + u) * col_B)
                fastdnn_fetch(B + k0 + 24 + (j + u) * col_B)
            for k in range(k0, min(k0 + 16, K)):
                for u in range(4):
                    copy[k * width + j + u] = B[k + (j + u) * col_B]
    for j in range(fours, width):
        for k in range(K):
            copy[k * width + j] = B[k + j * col_B] if j < N else 0


cdef inline void _add_panel(
    int vectors, Py_ssize_t M, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t row_A, Py_ssize_t col_A, const floating *B, Py_ssize_t row_B,
    floating beta, floating *C, Py_ssize_t row_C, Py_ssize_t last,
) noexcept nogil:
    # C (M, vectors) := alpha A (M, K) B (K, vectors) + beta C
    cdef:
        Py_ssize_t i = 0, tiles = (M + TILE - 1) // TILE
        int rows
    while i < M:
        # tiles of even height
        rows = <int> ((M - i + tiles - 1) // tiles)
        tiles -= 1
        if floating is float:
            fastdnn_float_tile(rows, vectors, K, alpha, A + i * row_A, row_A, col_A, B, row_B,
                               beta, C + i * row_C, row_C, last)
        else:
            fastdnn_double_tile(rows, vectors, K, alpha, A + i * row_A, row_A, col_A, B, row_B,
                                beta, C + i * row_C, row_C, last)
        i += rows
