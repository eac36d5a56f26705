# The last hidden layer, of relu, with an output of one unit: forward and backward in one go.
#
# As in the products, vectors are written out. Sums over units run over 64 bytes of partial sums,
# whatever a vector's width. The ordinary loops, some rows at a time too, would take a seventh of a
# step more.

from libc.string cimport memset


cdef extern from *:
    """
    #if FASTDNN_HAS_VECTORS
    /* relu_point, of a and a, and relu_backward_point of vectors */
    #define FASTDNN_WHERE_ACTIVE(a, x) ((vector) (~(truth) ((a) <= 0) & (truth) (x)))
    #define FASTDNN_ROWS(T, I) \\
    typedef __typeof__((fastdnn_##T##_vector) {0} > 0) fastdnn_##T##_truth; \\
    /* A (R, n) := relu(A + b), z (R) := A W + b_L; W_last are the last of W, but 0 where the */ \\
    /* vectors before had them too */ \\
    FASTDNN_FUSED static inline __attribute__((always_inline)) void fastdnn_##T##_output_of( \\
            const int R, Py_ssize_t n, const T *b, const T *W, const T *W_last, T b_L, \\
            T *A, T *z) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector vector; \\
        typedef fastdnn_##T##_truth truth; \\
        enum { w = FASTDNN_WIDTH / sizeof(T), lanes = 64 / sizeof(T), U = 64 / FASTDNN_WIDTH }; \\
        const Py_ssize_t whole = n / lanes * lanes; \\
        enum { w_half = FASTDNN_HALF / sizeof(T) }; \\
        fastdnn_##T##_half p[4 * (64 / FASTDNN_HALF)]; \\
        T sums[4 * lanes], t[4]; \\
        vector sum[4 * U], last[4 * U], a, c, d; \\
        FASTDNN_UNROLL for (int i = 0; i < R * U; i++) { \\
            sum[i] = (vector) {0}; \\
            last[i] = *(const vector *) (A + i % R * n + n - lanes + i / R * w); \\
        } \\
        for (Py_ssize_t j = 0; j < whole; j += lanes) \\
            FASTDNN_UNROLL for (int u = 0; u < U; u++) { \\
                c = *(const vector *) (W + j + u * w); \\
                d = *(const vector *) (b + j + u * w); \\
                FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
                    a = *(vector *) (A + r * n + j + u * w) + d; \\
                    a = FASTDNN_WHERE_ACTIVE(a, a); \\
                    *(vector *) (A + r * n + j + u * w) = a; \\
                    sum[u * R + r] += a * c; \\
                } \\
            } \\
        if (whole < n) \\
            FASTDNN_UNROLL for (int u = 0; u < U; u++) { \\
                c = *(const vector *) (W_last + u * w); \\
                d = *(const vector *) (b + n - lanes + u * w); \\
                FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
                    a = last[u * R + r] + d; \\
                    a = FASTDNN_WHERE_ACTIVE(a, a); \\
                    *(vector *) (A + r * n + n - lanes + u * w) = a; \\
                    sum[u * R + r] += a * c; \\
                } \\
            } \\
        FASTDNN_UNROLL for (int i = 0; i < R * U; i++) \\
            *(vector *) (sums + i % R * lanes + i / R * w) = sum[i]; \\
        FASTDNN_UNROLL for (int i = 0; i < R * (64 / FASTDNN_HALF); i++) \\
            p[i] = *(fastdnn_##T##_half *) (sums + i % R * lanes + i / R * w_half); \\
        FASTDNN_SUM_UP(T, I, R, p, t) \\
        FASTDNN_UNROLL for (int r = 0; r < R; r++) z[r] = t[r] + b_L; \\
    } \\
    /* sum_W += A^T dz, A := dz W^T where A > 0, else 0, sum_b += its sum over the rows; the */ \\
    /* last vector of the sums is that of the last elements, whatever those before had */ \\
    FASTDNN_FUSED static inline __attribute__((always_inline)) void fastdnn_##T##_deltas_of( \\
            const int R, Py_ssize_t n, const T *dz, const T *W, T *A, T *sum_W, T *sum_b) { \\
        FASTDNN_CONTRACT \\
        typedef fastdnn_##T##_vector vector; \\
        typedef fastdnn_##T##_truth truth; \\
        enum { w = FASTDNN_WIDTH / sizeof(T), lanes = 64 / sizeof(T), U = 64 / FASTDNN_WIDTH }; \\
        const Py_ssize_t whole = n / lanes * lanes; \\
        vector last[4 * U], a, c, s, t; \\
        FASTDNN_UNROLL for (int i = 0; i < R * U; i++) \\
            last[i] = *(const vector *) (A + i % R * n + n - lanes + i / R * w); \\
        for (Py_ssize_t j = 0; j < n; j += lanes) \\
            FASTDNN_UNROLL for (int u = 0; u < U; u++) { \\
                const Py_ssize_t at = (j < whole ? j : n - lanes) + u * w; \\
                c = *(const vector *) (W + at); \\
                s = *(vector *) (sum_W + j + u * w); \\
                t = *(vector *) (sum_b + j + u * w); \\
                FASTDNN_UNROLL for (int r = 0; r < R; r++) { \\
                    a = j < whole ? *(vector *) (A + r * n + at) : last[u * R + r]; \\
                    s += dz[r] * a; \\
                    a = FASTDNN_WHERE_ACTIVE(a, dz[r] * c); \\
                    *(vector *) (A + r * n + at) = a; \\
                    t += a; \\
                } \\
                *(vector *) (sum_W + j + u * w) = s; \\
                *(vector *) (sum_b + j + u * w) = t; \\
            } \\
    } \\
    FASTDNN_FUSED static void fastdnn_##T##_output( \\
            Py_ssize_t rows, Py_ssize_t n, const T *b, const T *W, const T *W_last, T b_L, \\
            T *A, T *z) { \\
        for (; rows >= 4; rows -= 4, A += 4 * n, z += 4) \\
            fastdnn_##T##_output_of(4, n, b, W, W_last, b_L, A, z); \\
        for (; rows > 0; rows--, A += n, z++) \\
            fastdnn_##T##_output_of(1, n, b, W, W_last, b_L, A, z); \\
    } \\
    FASTDNN_FUSED static void fastdnn_##T##_deltas( \\
            Py_ssize_t rows, Py_ssize_t n, const T *dz, const T *W, T *A, T *sum_W, T *sum_b) { \\
        for (; rows >= 4; rows -= 4, A += 4 * n, dz += 4) \\
            fastdnn_##T##_deltas_of(4, n, dz, W, A, sum_W, sum_b); \\
        for (; rows > 0; rows--, A += n, dz++) \\
            fastdnn_##T##_deltas_of(1, n, dz, W, A, sum_W, sum_b); \\
    }
    FASTDNN_ROWS(float, int32_t)
    FASTDNN_ROWS(double, int64_t)
    #else
    #define fastdnn_float_output(rows, n, b, W, W_last, b_L, A, z) ((void) 0)
    #define fastdnn_double_output(rows, n, b, W, W_last, b_L, A, z) ((void) 0)
    #define fastdnn_float_deltas(rows, n, dz, W, A, sum_W, sum_b) ((void) 0)
    #define fastdnn_double_deltas(rows, n, dz, W, A, sum_W, sum_b) ((void) 0)
    #endif
    """
    void fastdnn_float_output(
        Py_ssize_t rows, Py_ssize_t n, const float *b, const float *W, const float *W_last,
        float b_L, float *A, float *z) noexcept nogil
    void fastdnn_double_output(
        Py_ssize_t rows, Py_ssize_t n, const double *b, const double *W, const double *W_last,
        double b_L, double *A, double *z) noexcept nogil
    void fastdnn_float_deltas(
        Py_ssize_t rows, Py_ssize_t n, const float *dz, const float *W, float *A,
        float *sum_W, float *sum_b) noexcept nogil
    void fastdnn_double_deltas(
        Py_ssize_t rows, Py_ssize_t n, const double *dz, const double *W, double *A,
        double *sum_W, double *sum_b) noexcept nogil


cdef enum:
    TOGETHER = 32  # rows that stay in the first-level cache


cdef double relu_and_output(
    Cost cost, Py_ssize_t rows, Py_ssize_t n, double parameter, double scale,
    const floating *w, const floating *T, const floating *b, const floating *W, floating b_L,
    floating *Z, floating *db, floating *dW, floating *db_L,
) noexcept nogil:
    # Some rows at a time,
    #     A = relu(Z + b), z = A W + b_L, dz = the cost's gradient by z, dW = A^T dz,
    #     db_L = sum of dz, Z := dz W^T * relu'(A), db = sum of that,
    # and the cost is returned, as by output_delta, whose arguments come first; n from 16 to BLOCK.
    # The sums of the blocks are carried in double.
    cdef:
        Py_ssize_t lanes = 64 // sizeof(floating), whole = n // lanes * lanes
        Py_ssize_t i = 0, j, at, h, room = (n + lanes + 15) // 16 * 16
        floating z[TOGETHER]
        floating W_last[16]
        double *totals_W = <double *> fastdnn_scratch()
        double *totals_b = totals_W + room
        floating *sums_W = <floating *> (totals_b + room)
        floating *sums_b = sums_W + room
        double total = 0, total_b_L = 0
        bint once = rows <= TOGETHER
    for j in range(lanes):
        W_last[j] = W[n - lanes + j] if j >= lanes - (n - whole) else 0
    if not once:
        memset(totals_W, 0, (n + lanes) * sizeof(double))
        memset(totals_b, 0, (n + lanes) * sizeof(double))
    while i < rows:
        h = min(<Py_ssize_t> TOGETHER, rows - i)
        if floating is float or i == 0:
            memset(sums_W, 0, (n + lanes) * sizeof(floating))
            memset(sums_b, 0, (n + lanes) * sizeof(floating))
        if floating is float:
            fastdnn_float_output(h, n, b, W, W_last, b_L, Z + i * n, z)
        else:
            fastdnn_double_output(h, n, b, W, W_last, b_L, Z + i * n, z)
        total += output_delta(
            cost, h, 1, parameter, scale, <const floating *> NULL if w == NULL else w + i, T + i,
            z)
        if floating is float:
            fastdnn_float_deltas(h, n, z, W, Z + i * n, sums_W, sums_b)
        else:
            fastdnn_double_deltas(h, n, z, W, Z + i * n, sums_W, sums_b)
        if not once and (floating is float or i + h == rows):
            for j in range(n + lanes):
                totals_W[j] += sums_W[j]
                totals_b[j] += sums_b[j]
        total_b_L += sum_(h, <const floating *> z)
        i += h
    for j in range(n):
        at = j if j < whole else j + lanes - (n - whole)
        dW[j] = sums_W[at] if once else <floating> totals_W[at]
        db[j] = sums_b[at] if once else <floating> totals_b[at]
    db_L[0] = <floating> total_b_L
    return total
