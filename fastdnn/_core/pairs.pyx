# The pairs of L-BFGS: its last steps, the changes of the gradient on them, and all sums over them.
#
# The long sums are products of the level's, and no short one is fused: levels that give the same
# bits give the same descent. NumPy and BLAS choose the order of a sum by the processor.

from cpython.buffer cimport PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cython cimport auto_pickle, final
from libc.string cimport memmove, memset

import numpy

from fastdnn._core cimport levels
from fastdnn._core.source cimport Source


cdef enum:
    PAIRS = 10     # at most
    BLOCK = 4000   # numbers of a vector: blocks of all pairs fit the second-level cache together

cdef double EPSILON = 2.0 ** -52


cdef double *vector(object array, Py_ssize_t n) except NULL:
    # the memory of a vector of doubles, which the caller keeps alive
    cdef:
        Py_buffer buffer
        double *data
        bint fits
    if array.dtype != float:
        raise ValueError("the vectors must be of float64")
    PyObject_GetBuffer(array, &buffer, PyBUF_WRITABLE)
    data, fits = <double *> buffer.buf, buffer.len == n * <Py_ssize_t> sizeof(double)
    PyBuffer_Release(&buffer)
    if not fits:
        raise ValueError(f"the vectors must have {n} numbers")
    return data


cdef void multiply(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const double *A, const double *B, double beta,
    double *C,
) noexcept nogil:
    # C (M, N) := A (M, K) B (K, N) + beta C
    cdef Source a, b, c
    a.type = b.type = c.type = b'd'
    a.csr.starts = b.csr.starts = c.csr.starts = NULL
    a.col = b.col = c.col = 1
    a.rows, a.cols, a.row, a.data = M, K, K, A
    b.rows, b.cols, b.row, b.data = K, N, N, B
    c.rows, c.cols, c.row, c.data = M, N, N, C
    levels.verbs.multiply(&a, &b, 1, beta, &c, 0, 1)


def dot(x, y):
    """The inner product of two vectors."""
    cdef:
        const double *of_x = vector(x, x.size)
        const double *of_y = vector(y, x.size)
        double found
        Py_ssize_t n = x.size
    with nogil:
        multiply(1, 1, n, of_x, of_y, 0, &found)
    return found


@auto_pickle(False)
@final
cdef class Pairs:
    """The pairs of vectors of n numbers: none at first."""

    cdef:
        Py_ssize_t n
        object memory
        # block after block, of each the pairs, s and y of one after the other
        double *pairs
        Py_ssize_t count
        Py_ssize_t order[PAIRS]         # the pairs' places, oldest first
        double sy[PAIRS][PAIRS]         # s_i . y_j for i <= j, in that order
        double yy[PAIRS][PAIRS]
        double gamma
        double of_g[2 * PAIRS]          # all pairs' products with the gradient

    def __cinit__(self, Py_ssize_t n):
        self.n, self.count = n, 0
        # memory is taken as it is written
        self.memory = numpy.empty(2 * PAIRS * n)
        self.pairs = vector(self.memory, 2 * PAIRS * n)

    def forget(self):
        """Begin anew."""
        self.count = 0

    def __len__(self):
        # Cython would write a docstring that nothing reads
        return self.count

    def remember(self, double step, double slope, double there, d, g, g_before):
        """Keep an iteration's pair, if it is one, and multiply all pairs by the gradient.

        Of the step along d, the slopes at both its ends, and the gradients there.
        """
        cdef:
            double sy = step * (there - slope)
            bint kept = sy > -EPSILON * step * slope
            double of_y[2 * PAIRS]
            double *of_d = vector(d, self.n)
            double *now = vector(g, self.n)
            double *before = vector(g_before, self.n)
            Py_ssize_t i, last
        if kept:
            self._make_room()
        if self.count == 0:
            return
        last = self.count - 1
        with nogil:
            self._multiply(kept, step, of_d, now, before, of_y)
        if not kept:
            return
        for i in range(self.count):
            self.sy[i][last] = of_y[2 * self.order[i]]
            self.yy[i][last] = self.yy[last][i] = of_y[2 * self.order[i] + 1]
        self.sy[last][last] = sy
        self.gamma = sy / self.yy[last][last]

    cdef void _make_room(self) noexcept:
        cdef Py_ssize_t i, oldest
        if self.count < PAIRS:
            self.order[self.count] = self.count
            self.count += 1
            return
        oldest = self.order[0]
        memmove(self.order, &self.order[1], (PAIRS - 1) * sizeof(Py_ssize_t))
        self.order[PAIRS - 1] = oldest
        for i in range(PAIRS - 1):
            memmove(self.sy[i], &self.sy[i + 1][1], (PAIRS - 1) * sizeof(double))
            memmove(self.yy[i], &self.yy[i + 1][1], (PAIRS - 1) * sizeof(double))

    cdef void _multiply(
        self, bint kept, double step, const double *d, const double *g, const double *g_before,
        double *of_y,
    ) noexcept nogil:
        cdef:
            Py_ssize_t a = 0, i, size, rows = 2 * self.count
            Py_ssize_t at = 2 * self.order[self.count - 1]
            double *block
            double *s
            double *y
        memset(of_y, 0, rows * sizeof(double))
        memset(self.of_g, 0, rows * sizeof(double))
        while a < self.n:
            size = min(<Py_ssize_t> BLOCK, self.n - a)
            block = self.pairs + 2 * PAIRS * a
            if kept:
                s = block + at * size
                y = s + size
                for i in range(size):
                    s[i] = step * d[a + i]
                    y[i] = g[a + i] - g_before[a + i]
                multiply(rows, 1, size, block, y, 1, of_y)
            multiply(rows, 1, size, block, g + a, 1, self.of_g)
            a += size

    def turn(self, g, d):
        """Compute d = -H g; without pairs, -g."""
        cdef:
            double shares[2 * PAIRS]
            double *of_g = vector(g, self.n)
            double *of_d = vector(d, self.n)
        with nogil:
            self._share(shares)
            self._turn(shares, of_g, of_d)

    cdef void _share(self, double *shares) noexcept nogil:
        # of each s and y in d
        #
        #     R a = S g,  R^T e = D a - gamma Y (g - Y^T a),  H g = gamma (g - Y^T a) + S^T e
        cdef:
            double a[PAIRS]
            double e[PAIRS]
            double by_y
            Py_ssize_t i, j, k
        for i in range(self.count - 1, -1, -1):
            a[i] = self.of_g[2 * self.order[i]]
            for j in range(i + 1, self.count):
                a[i] -= self.sy[i][j] * a[j]
            a[i] /= self.sy[i][i]
        for i in range(self.count):
            by_y = self.of_g[2 * self.order[i] + 1]
            for j in range(self.count):
                by_y -= self.yy[i][j] * a[j]
            e[i] = self.sy[i][i] * a[i] - self.gamma * by_y
            for j in range(i):
                e[i] -= self.sy[j][i] * e[j]
            e[i] /= self.sy[i][i]
        for i in range(self.count):
            k = 2 * self.order[i]
            shares[k], shares[k + 1] = -e[i], self.gamma * a[i]

    cdef void _turn(self, const double *shares, const double *g, double *d) noexcept nogil:
        cdef:
            Py_ssize_t a = 0, i, size
            double scale = self.gamma if self.count else 1
        while a < self.n:
            size = min(<Py_ssize_t> BLOCK, self.n - a)
            for i in range(a, a + size):
                d[i] = -scale * g[i]
            if self.count:
                multiply(1, size, 2 * self.count, shares, self.pairs + 2 * PAIRS * a, 1, d + a)
            a += size
