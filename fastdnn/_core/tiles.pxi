# The innermost loops of the products, written as vectors of the instruction set's width: the
# compiler keeps sums in registers only so.
#
# A product and a sum are fused where there is an instruction for that, and each element of C is the
# same chain of operations whatever the width of a vector and the height of a tile: levels with
# fused multiply-adds give the same bits.

from cython cimport floating


cdef extern from *:
    """
    #if FASTDNN_HAS_VECTORS
    /* a product and a sum in one instruction, where there is one, as in BLAS */
    #if defined(__clang__)
    #define FASTDNN_FUSED
    #define FASTDNN_CONTRACT _Pragma("clang fp contract(fast)")
    #elif defined(__aarch64__)
    /* and loads where they are written: were they all first, a tile of 24 vectors would spill */
    #define FASTDNN_FUSED __attribute__((optimize("fp-contract=fast", "no-schedule-insns")))
    #define FASTDNN_CONTRACT
    #else
    #define FASTDNN_FUSED __attribute__((optimize("fp-contract=fast")))
    #define FASTDNN_CONTRACT
    #endif
    /* keeps a value in a register; the compiler fuses nothing across it */
    #if defined(__AVX512F__)
    #define FASTDNN_KEEP(x) __asm__("" : "+v"(x))
    #elif defined(__x86_64__)
    #define FASTDNN_KEEP(x) __asm__("" : "+x"(x))
    #elif defined(__aarch64__)
    #define FASTDNN_KEEP(x) __asm__("" : "+w"(x))
    #else
    #define FASTDNN_KEEP(x) __asm__("" : "+m"(x))
    #endif
    #if defined(__AVX512F__) || defined(__aarch64__)
    /* 32 registers are enough for wide tiles */
    #define FASTDNN_VECTORS 4
    #define FASTDNN_ROW 16
    #define FASTDNN_MORE_TILES(T) FASTDNN_TILES_OF(T, 3, 0) FASTDNN_TILES_OF(T, 4, 0) \\
        FASTDNN_TILE(T, 1, 16, 0) FASTDNN_HALF_TILES(T)
    #define FASTDNN_TABLE(T) \\
        {0, 0, 0, 0, 0, 0}, FASTDNN_NAMES(T, 1, 0), FASTDNN_NAMES(T, 2, 0), \\
        FASTDNN_NAMES(T, 3, 0), FASTDNN_NAMES(T, 4, 0), {fastdnn_##T##_tile_1_8_0}, \\
        {fastdnn_##T##_tile_1_16_0} FASTDNN_HALF_NAMES(T)
    #else
    #define FASTDNN_VECTORS 2
    #define FASTDNN_ROW 8
    #define FASTDNN_MORE_TILES(T)
    #define FASTDNN_TABLE(T) \\
        {0, 0, 0, 0, 0, 0}, FASTDNN_NAMES(T, 1, 0), FASTDNN_NAMES(T, 2, 0), \\
        {fastdnn_##T##_tile_1_8_0}
    #endif
    #if defined(__AVX512F__)
    /* there are processors that take two vectors of half the width at a time */
    #define FASTDNN_HALVES 1
    #define FASTDNN_HALF (FASTDNN_WIDTH / 2)
    #define FASTDNN_HALF_PAIRS_float(half) FASTDNN_PAIRS_8(half)
    #define FASTDNN_HALF_PAIRS_double(half) FASTDNN_PAIRS_4(half)
    #define FASTDNN_HALF_TILES(T) FASTDNN_TILES_OF(T, 1, 1) FASTDNN_TILES_OF(T, 2, 1) \\
        FASTDNN_TILES_OF(T, 3, 1) FASTDNN_TILES_OF(T, 4, 1)
    #define FASTDNN_HALF_NAMES(T) , FASTDNN_NAMES(T, 1, 1), FASTDNN_NAMES(T, 2, 1), \\
        FASTDNN_NAMES(T, 3, 1), FASTDNN_NAMES(T, 4, 1)
    #else
    #define FASTDNN_HALVES 0
    #define FASTDNN_HALF FASTDNN_WIDTH
    #define FASTDNN_HALF_PAIRS_float(half) FASTDNN_PAIRS_float(half)
    #define FASTDNN_HALF_PAIRS_double(half) FASTDNN_PAIRS_double(half)
    #define FASTDNN_HALF_TILES(T)
    #define FASTDNN_HALF_NAMES(T)
    #endif
    /* elements between rows that the processor does not foresee */
    #define FASTDNN_FAR 1024
    #define FASTDNN_AT(v) ((v) == V - 1 ? last : (v) * w)
    /* p := c in the columns before this tile's */
    #define FASTDNN_LEAVE(vector, integers, I, p, c) { \\
        integers lane, done; \\
        FASTDNN_UNROLL for (int i = 0; i < (int) (sizeof(lane) / sizeof(I)); i++) lane[i] = i; \\
        done = lane < (I) -last; \\
        p = (vector) ((done & (integers) c) | (~done & (integers) p)); \\
    }
    /* t[r] := the sum of 64 bytes of partial sums p[r], p[R + r] and so on, of R = 1 or 4 rows, by
       halves; those of two rows in turns */
    #define FASTDNN_SUM_UP(T, I, R, p, t) { \\
        typedef I indices __attribute__((vector_size(FASTDNN_HALF), unused)); \\
        enum { parts = 64 / FASTDNN_HALF, n_part = FASTDNN_HALF / sizeof(T) }; \\
        fastdnn_##T##_half sum_a, sum_b; \\
        FASTDNN_UNROLL for (int u = parts / 2; u > 0; u /= 2) \\
            FASTDNN_UNROLL for (int i = 0; i < u * R; i++) p[i] += p[i + u * R]; \\
        if (R == 4) { \\
            sum_a = FASTDNN_FOLD(T, p[0], p[2]); \\
            sum_b = FASTDNN_FOLD(T, p[1], p[3]); \\
            if (n_part == 2) { \\
                t[0] = sum_a[0], t[1] = sum_b[0], t[2] = sum_a[1], t[3] = sum_b[1]; \\
            } else { \\
                sum_a = FASTDNN_FOLD(T, sum_a, sum_b); \\
                FASTDNN_UNROLL for (int n = 4; n < n_part; n *= 2) \\
                    sum_a = FASTDNN_FOLD(T, sum_a, sum_a); \\
                FASTDNN_UNROLL for (int r = 0; r < R; r++) t[r] = sum_a[r * (n_part / 4)]; \\
            } \\
        } else { \\
            sum_a = p[0]; \\
            FASTDNN_UNROLL for (int n = 1; n < n_part; n *= 2) \\
                sum_a = FASTDNN_FOLD(T, sum_a, sum_a); \\
            t[0] = sum_a[0]; \\
        } \\
    }
    #define FASTDNN_TILES(T, I) \\
    typedef T fastdnn_##T##_half \\
        __attribute__((vector_size(FASTDNN_HALF), aligned(sizeof(T)), may_alias)); \\
    FASTDNN_FUSED static inline __attribute__((always_inline)) void fastdnn_##T##_tile_of( \\
            const int R, const int V, const int H, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C, Py_ssize_t last) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector vector; \\
        typedef fastdnn_##T##_half half; \\
        typedef I integers __attribute__((vector_size(FASTDNN_WIDTH))); \\
        typedef I half_integers __attribute__((vector_size(FASTDNN_HALF))); \\
        enum { w = FASTDNN_WIDTH / sizeof(T) }; \\
        vector p[24], b[16], c[16]; \\
        half p_h[6], b_h, c_h; \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
            FASTDNN_UNROLL for (int v = 0; v < V; v++) { \\
                p[r * V + v] = (vector) {0}; \\
                if (row_C > FASTDNN_FAR) __builtin_prefetch(C + r * row_C + FASTDNN_AT(v), 1); \\
            } \\
            if (H) p_h[r] = (half) {0}; \\
        } \\
        for (Py_ssize_t k = 0; k < K; k++, A += col, B += row_B) { \\
            FASTDNN_UNROLL for (int v = 0; v < V; v++) { \\
                if (v < V - H) b[v] = *(const vector *) (B + FASTDNN_AT(v)); \\
                if (v < V - H && FASTDNN_VECTORS == 4 && R > 1 && R < 5) FASTDNN_KEEP(b[v]); \\
                if (row_B > FASTDNN_FAR) __builtin_prefetch(B + 16 * row_B + FASTDNN_AT(v)); \\
                /* of one row a vector is used once, and needs no register for long */ \\
                if (v < V - H && R == 1) p[v] += A[0] * b[v]; \\
            } \\
            if (H) b_h = *(const half *) (B + last); \\
            FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
                const T a = A[r * row]; \\
                if (R > 1) \\
                    FASTDNN_UNROLL for (int v = 0; v < V - H; v++) p[r * V + v] += a * b[v]; \\
                if (H) p_h[r] += a * b_h; \\
            } \\
        } \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++, C += row_C) { \\
            if (alpha != 1) { \\
                FASTDNN_UNROLL for (int v = 0; v < V - H; v++) { \\
                    p[r * V + v] *= alpha; \\
                    FASTDNN_KEEP(p[r * V + v]); \\
                } \\
                if (H) { \\
                    p_h[r] *= alpha; \\
                    FASTDNN_KEEP(p_h[r]); \\
                } \\
            } \\
            if (beta != 0) { \\
                FASTDNN_UNROLL for (int v = 0; v < V - H; v++) { \\
                    c[v] = *(const vector *) (C + FASTDNN_AT(v)); \\
                    p[r * V + v] += beta * c[v]; \\
                } \\
                if (H) { \\
                    c_h = *(const half *) (C + last); \\
                    p_h[r] += beta * c_h; \\
                } \\
                if (last < 0) { \\
                    /* what the tile before has done */ \\
                    if (H) FASTDNN_LEAVE(half, half_integers, I, p_h[r], c_h) \\
                    else FASTDNN_LEAVE(vector, integers, I, p[r * V + V - 1], c[V - 1]) \\
                } \\
            } \\
            FASTDNN_UNROLL for (int v = 0; v < V - H; v++) \\
                *(vector *) (C + FASTDNN_AT(v)) = p[r * V + v]; \\
            if (H) *(half *) (C + last) = p_h[r]; \\
        } \\
    } \\
    FASTDNN_TILES_OF(T, 1, 0) FASTDNN_TILES_OF(T, 2, 0) FASTDNN_TILE(T, 1, 8, 0) \\
    FASTDNN_MORE_TILES(T) \\
    typedef void (*fastdnn_##T##_any)( \\
        Py_ssize_t, T, const T *, Py_ssize_t, Py_ssize_t, const T *, Py_ssize_t, T, T *, \\
        Py_ssize_t, Py_ssize_t); \\
    static const fastdnn_##T##_any fastdnn_##T##_tiles[][6] = {FASTDNN_TABLE(T)}; \\
    /* C (R, V vectors) := alpha A (R, K) B (K, V vectors) + beta C, V up to FASTDNN_VECTORS, or \\
       of a row 8 or FASTDNN_ROW. The last vector, of half the width if H, begins at this column: \\
       it may overlap the one before, of this tile, or if it is below 0, of the one before. */ \\
    static inline void fastdnn_##T##_tile( \\
            int R, int V, int H, Py_ssize_t K, T alpha, \\
            const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, Py_ssize_t row_B, \\
            T beta, T *C, Py_ssize_t row_C, Py_ssize_t last) { \\
        const int v = H ? FASTDNN_VECTORS + 2 + V : V <= FASTDNN_VECTORS ? V : \\
            V == 8 ? FASTDNN_VECTORS + 1 : FASTDNN_VECTORS + 2; \\
        fastdnn_##T##_tiles[v][R - 1](K, alpha, A, row, col, B, row_B, beta, C, row_C, last); \\
    } \\
    /* panel := A (M, K), whose columns are contiguous, some rows after others: those of a tile, \\
       6 or what is left, as a matrix (K, rows) */ \\
    static void fastdnn_##T##_pack( \\
            Py_ssize_t M, Py_ssize_t K, const T *A, Py_ssize_t col, T *panel) { \\
        const Py_ssize_t whole = M / 6 * 6; \\
        for (Py_ssize_t k = 0; k < K; k++, A += col) { \\
            for (Py_ssize_t i = 0; i < whole; i += 6) \\
                memcpy(panel + i * K + k * 6, A + i, 6 * sizeof(T)); \\
            for (Py_ssize_t i = whole; i < M; i++) \\
                panel[whole * K + k * (M - whole) + i - whole] = A[i]; \\
        } \\
    } \\
    /* panel (K, N) := B (K, N) of whole vectors, of which the last may overlap the one before */ \\
    static void fastdnn_##T##_lay( \\
            Py_ssize_t K, Py_ssize_t N, const T *B, Py_ssize_t row_B, T *panel) { \\
        typedef fastdnn_##T##_vector vector; \\
        enum { w = FASTDNN_WIDTH / sizeof(T) }; \\
        for (Py_ssize_t k = 0; k < K; k++, B += row_B, panel += N) { \\
            for (Py_ssize_t j = 0; j + w < N; j += w) \\
                *(vector *) (panel + j) = *(const vector *) (B + j); \\
            *(vector *) (panel + N - w) = *(const vector *) (B + N - w); \\
            if (row_B > FASTDNN_FAR) \\
                for (Py_ssize_t j = 0; j < N; j += 64 / sizeof(T)) \\
                    __builtin_prefetch(B + 16 * row_B + j); \\
        } \\
    } \\
    /* y[0 .. R] := alpha A x + beta y, the rows of A and x contiguous; the sums run over \\
       64 bytes of partial sums, and so much is read up to the ends of the rows and of x */ \\
    FASTDNN_FUSED static inline __attribute__((always_inline)) void fastdnn_##T##_dots_of( \\
            const int R, Py_ssize_t K, T alpha, const T *A, Py_ssize_t row, const T *x, \\
            T beta, T *y) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_half vector; \\
        typedef I integers \\
            __attribute__((vector_size(FASTDNN_HALF), aligned(sizeof(T)), may_alias)); \\
        enum { w = FASTDNN_HALF / sizeof(T), lanes = 64 / sizeof(T), U = 64 / FASTDNN_HALF }; \\
        static const I some[32] = { \\
            [lanes] = -1, -1, -1, -1, -1, -1, -1, -1, FASTDNN_ONES_##T}; \\
        const Py_ssize_t whole = K / lanes * lanes; \\
        vector p[4 * U], a, b; \\
        T t[4]; \\
        FASTDNN_UNROLL for (int i = 0; i < R * U; i++) p[i] = (vector) {0}; \\
        for (Py_ssize_t k = 0; k < whole; k += lanes) \\
            FASTDNN_UNROLL for (int u = 0; u < U; u++) { \\
                b = *(const vector *) (x + k + u * w); \\
                FASTDNN_UNROLL for (int r = 0; r < R; r++) \\
                    p[u * R + r] += *(const vector *) (A + r * row + k + u * w) * b; \\
            } \\
        if (whole < K) \\
            FASTDNN_UNROLL for (int u = 0; u < U; u++) { \\
                const Py_ssize_t at = K - lanes + u * w; \\
                /* those of the last elements that are left */ \\
                const integers left = *(const integers *) (some + (K - whole) + u * w); \\
                b = (vector) (left & *(const integers *) (x + at)); \\
                FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
                    a = (vector) (left & *(const integers *) (A + r * row + at)); \\
                    p[u * R + r] += a * b; \\
                } \\
            } \\
        FASTDNN_SUM_UP(T, I, R, p, t) \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
            t[r] *= alpha; \\
            FASTDNN_KEEP(t[r]); \\
            if (beta != 0) t[r] += beta * y[r]; \\
            y[r] = t[r]; \\
        } \\
    } \\
    FASTDNN_FUSED static void fastdnn_##T##_dots( \\
            Py_ssize_t M, Py_ssize_t K, T alpha, const T *A, const T *x, T beta, T *y) { \\
        for (; M >= 4; M -= 4, A += 4 * K, y += 4) \\
            fastdnn_##T##_dots_of(4, K, alpha, A, K, x, beta, y); \\
        for (; M > 0; M--, A += K, y++) \\
            fastdnn_##T##_dots_of(1, K, alpha, A, K, x, beta, y); \\
    } \\
    /* of less than 64 bytes, with copies of x and of the first rows, before which is nothing */ \\
    static void fastdnn_##T##_short_dots( \\
            Py_ssize_t M, Py_ssize_t K, T alpha, const T *A, const T *x, T beta, T *y) { \\
        enum { lanes = 64 / sizeof(T) }; \\
        T first[2 * lanes] = {0}, copy[lanes] = {0}; \\
        const Py_ssize_t some = (lanes - 1) / K, rows = M < some ? M : some; \\
        memcpy(copy + lanes - K, x, K * sizeof(T)); \\
        memcpy(first + lanes, A, rows * K * sizeof(T)); \\
        x = copy + lanes - K; \\
        fastdnn_##T##_dots(rows, K, alpha, first + lanes, x, beta, y); \\
        fastdnn_##T##_dots(M - rows, K, alpha, A + rows * K, x, beta, y + rows); \\
    } \\
    /* C (N) := x + beta C */ \\
    FASTDNN_FUSED static inline void fastdnn_##T##_add( \\
            Py_ssize_t N, const T *x, T beta, T *C) { \\
        FASTDNN_CONTRACT \\
        if (beta == 0) memcpy(C, x, N * sizeof(T)); \\
        else for (Py_ssize_t j = 0; j < N; j++) C[j] = x[j] + beta * C[j]; \\
    }
    #define FASTDNN_FOLD(T, x, y) (FASTDNN_SHUFFLE(x, y, indices, FASTDNN_HALF_PAIRS_##T(0)) \\
                                   + FASTDNN_SHUFFLE(x, y, indices, FASTDNN_HALF_PAIRS_##T(1)))
    #define FASTDNN_ONES_float -1, -1, -1, -1, -1, -1, -1, -1
    #define FASTDNN_ONES_double
    #define FASTDNN_TILE(T, R, V, H) \\
    FASTDNN_FUSED static __attribute__((noinline)) void fastdnn_##T##_tile_##R##_##V##_##H( \\
            Py_ssize_t K, T alpha, const T *A, Py_ssize_t row, Py_ssize_t col, const T *B, \\
            Py_ssize_t row_B, T beta, T *C, Py_ssize_t row_C, Py_ssize_t last) { \\
        fastdnn_##T##_tile_of(R, V, H, K, alpha, A, row, col, B, row_B, beta, C, row_C, last); \\
    }
    #define FASTDNN_TILES_OF(T, V, H) \\
        FASTDNN_TILE(T, 1, V, H) FASTDNN_TILE(T, 2, V, H) FASTDNN_TILE(T, 3, V, H) \\
        FASTDNN_TILE(T, 4, V, H) FASTDNN_TILE(T, 5, V, H) FASTDNN_TILE(T, 6, V, H)
    #define FASTDNN_NAMES(T, V, H) { \\
        fastdnn_##T##_tile_1_##V##_##H, fastdnn_##T##_tile_2_##V##_##H, \\
        fastdnn_##T##_tile_3_##V##_##H, fastdnn_##T##_tile_4_##V##_##H, \\
        fastdnn_##T##_tile_5_##V##_##H, fastdnn_##T##_tile_6_##V##_##H}
    FASTDNN_TILES(float, int32_t)
    FASTDNN_TILES(double, int64_t)
    #define fastdnn_fetch(p) __builtin_prefetch(p)
    #else
    #define FASTDNN_VECTORS 2
    #define FASTDNN_ROW 8
    #define FASTDNN_HALVES 0
    #define fastdnn_fetch(p) ((void) 0)
    #define fastdnn_float_tile( \\
            R, V, H, K, alpha, A, row, col, B, row_B, beta, C, row_C, last) \\
        ((void) 0)
    #define fastdnn_double_tile( \\
            R, V, H, K, alpha, A, row, col, B, row_B, beta, C, row_C, last) \\
        ((void) 0)
    #define fastdnn_float_pack(M, K, A, col, panel) ((void) 0)
    #define fastdnn_float_lay(K, N, B, row_B, panel) ((void) 0)
    #define fastdnn_double_pack(M, K, A, col, panel) ((void) 0)
    #define fastdnn_double_lay(K, N, B, row_B, panel) ((void) 0)
    #define fastdnn_float_dots(M, K, alpha, A, x, beta, y) ((void) 0)
    #define fastdnn_double_dots(M, K, alpha, A, x, beta, y) ((void) 0)
    #define fastdnn_float_short_dots(M, K, alpha, A, x, beta, y) ((void) 0)
    #define fastdnn_double_short_dots(M, K, alpha, A, x, beta, y) ((void) 0)
    #define fastdnn_float_add(N, x, beta, C) ((void) 0)
    #define fastdnn_double_add(N, x, beta, C) ((void) 0)
    #endif
    #if FASTDNN_HAS_VECTORS && (defined(__FMA__) || defined(__aarch64__))
    #define FASTDNN_FUSES 1
    #else
    #define FASTDNN_FUSES 0
    #endif
    """
    enum:
        FASTDNN_VECTORS
        FASTDNN_HALVES
        FASTDNN_FUSES
        FASTDNN_ROW
    void fastdnn_fetch(const void *) noexcept nogil
    void fastdnn_float_tile(
        int R, int V, int H, Py_ssize_t K, float alpha, const float *A, Py_ssize_t row,
        Py_ssize_t col, const float *B, Py_ssize_t row_B, float beta, float *C, Py_ssize_t row_C,
        Py_ssize_t last) noexcept nogil
    void fastdnn_double_tile(
        int R, int V, int H, Py_ssize_t K, double alpha, const double *A, Py_ssize_t row,
        Py_ssize_t col, const double *B, Py_ssize_t row_B, double beta, double *C, Py_ssize_t row_C,
        Py_ssize_t last) noexcept nogil
    void fastdnn_float_pack(
        Py_ssize_t M, Py_ssize_t K, const float *A, Py_ssize_t col, float *panel) noexcept nogil
    void fastdnn_float_lay(
        Py_ssize_t K, Py_ssize_t N, const float *B, Py_ssize_t row_B, float *panel) noexcept nogil
    void fastdnn_double_pack(
        Py_ssize_t M, Py_ssize_t K, const double *A, Py_ssize_t col, double *panel) noexcept nogil
    void fastdnn_double_lay(
        Py_ssize_t K, Py_ssize_t N, const double *B, Py_ssize_t row_B, double *panel) noexcept nogil
    void fastdnn_float_dots(
        Py_ssize_t M, Py_ssize_t K, float alpha, const float *A, const float *x, float beta,
        float *y) noexcept nogil
    void fastdnn_double_dots(
        Py_ssize_t M, Py_ssize_t K, double alpha, const double *A, const double *x, double beta,
        double *y) noexcept nogil
    void fastdnn_float_short_dots(
        Py_ssize_t M, Py_ssize_t K, float alpha, const float *A, const float *x, float beta,
        float *y) noexcept nogil
    void fastdnn_double_short_dots(
        Py_ssize_t M, Py_ssize_t K, double alpha, const double *A, const double *x, double beta,
        double *y) noexcept nogil
    void fastdnn_float_add(Py_ssize_t N, const float *x, float beta, float *C) noexcept nogil
    void fastdnn_double_add(Py_ssize_t N, const double *x, double beta, double *C) noexcept nogil
