/* The matrix products of a training step and nothing else, in the forms that a careful person writes
 * first: the forward product with W stored (n, n_prev), the gradients of W and, but for the first
 * layer, of the input. Row-major: BLAS is column-major, so the operands are swapped. */

#include <stddef.h>

typedef void sgemm_(char *, char *, int *, int *, int *, float *, const float *, int *, const float *,
                    int *, float *, float *, int *);
typedef void dgemm_(char *, char *, int *, int *, int *, double *, const double *, int *,
                    const double *, int *, double *, double *, int *);

/* C (M, N) := op(A) (M, K) op(B) (K, N), by panels of C that stay in the cache where K is small */
#define PRODUCTS(T, gemm) \
static void multiply_##gemm(gemm *blas, int trans_A, int trans_B, int M, int N, int K, const T *A, \
                            const T *B, T *C) { \
    T one = 1, zero = 0; \
    char transa = trans_B ? 'T' : 'N', transb = trans_A ? 'T' : 'N'; \
    int lda = trans_B ? K : N, ldb = trans_A ? M : K, rows = M; \
    if (K <= 64 && (ptrdiff_t) M * N > 262144) \
        rows = 131072 / N > 32 ? 131072 / N : 32; \
    for (int i = 0; i < M; i += rows) { \
        rows = rows < M - i ? rows : M - i; \
        blas(&transa, &transb, &N, &rows, &K, &one, B, &lda, A + (trans_A ? i : (ptrdiff_t) i * K), \
             &ldb, &zero, C + (ptrdiff_t) i * N, &N); \
    } \
} \
/* memory: A and dZ of each layer (m, n), W and dW, and room for one product of activations */ \
void products_##gemm(gemm *blas, const int *dims, int L, int m, long steps, int backward, T *memory) { \
    for (long step = 0; step < steps; step++) { \
        T *A = memory, *dZ = memory, *W, *dW, *out; \
        for (int l = 0; l <= L; l++) \
            dZ += (ptrdiff_t) m * dims[l]; \
        W = dW = dZ + (dZ - A); \
        for (int l = 0; l < L; l++) \
            dW += (ptrdiff_t) dims[l] * dims[l + 1]; \
        out = dW + (dW - W); \
        for (int l = 0; l < L; l++) { \
            multiply_##gemm(blas, 0, 1, m, dims[l + 1], dims[l], A, W, out); \
            A += (ptrdiff_t) m * dims[l]; \
            dZ += (ptrdiff_t) m * dims[l]; \
            W += (ptrdiff_t) dims[l] * dims[l + 1]; \
            dW += (ptrdiff_t) dims[l] * dims[l + 1]; \
        } \
        for (int l = L - 1; l >= 0 && backward; l--) { \
            W -= (ptrdiff_t) dims[l] * dims[l + 1]; \
            dW -= (ptrdiff_t) dims[l] * dims[l + 1]; \
            A -= (ptrdiff_t) m * dims[l]; \
            if (l > 0) \
                multiply_##gemm(blas, 0, 0, m, dims[l], dims[l + 1], dZ, W, out); \
            multiply_##gemm(blas, 1, 0, dims[l + 1], dims[l], m, dZ, A, dW); \
            dZ -= (ptrdiff_t) m * dims[l]; \
        } \
    } \
}

PRODUCTS(float, sgemm_)
PRODUCTS(double, dgemm_)

#ifdef __AVX512F__
#define WIDTH 64
#else
#define WIDTH 32
#endif
typedef float vector __attribute__((vector_size(WIDTH)));

/* So many multiplications and additions of float32, in registers alone: no program takes less time
 * for them. Ten sums keep the processor busy while each of them waits for its last result. */
float multiply_and_add(long count, float a, float b) {
    vector sum[10], all = {0};
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++)
        sum[i] = all + (float) i;
    for (long k = 0; k < count; k += 10 * WIDTH / sizeof(float))
#pragma GCC unroll 10
        for (int i = 0; i < 10; i++)
            sum[i] = sum[i] * a + b;
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++)
        all += sum[i];
    return all[0];
}
