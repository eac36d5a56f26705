# One layer's mathematics: forward above backward, then the checked doors that Python calls.

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cython cimport floating
from libc.string cimport memcpy

import numpy

from fastdnn._core cimport blas, levels
from fastdnn._core.blas cimport blas_int
from fastdnn._core.memory cimport LIMIT, element
from fastdnn._core.choice cimport product
from fastdnn._core.spec cimport IDENTITY, RELU, SIGMOID_Z, Activation
from fastdnn._core.workers cimport get_threads

# the codes of the activations; the first one stands for no activation
ACTIVATIONS = {"identity": IDENTITY, "relu": RELU, "sigmoid": SIGMOID_Z}

cdef enum:
    THREADED = 500_000  # multiplications of a product that one thread does as soon as two
    TILE = 1024         # elements that are copied at a time
    SHORT = 16          # elements of a row below which rows are not worth a loop each
    THIN = 32           # rows, columns or inner dimension that BLAS multiplies slowly

cdef:
    object ndarray = numpy.ndarray
    object empty = numpy.empty
    object float32 = numpy.dtype("float32")
    object float64 = numpy.dtype("float64")


# -------------------------------------------------------------------------------------------- layer

cdef inline void _product(
    bint trans_A, bint trans_B, bint trans_C, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # as product, but a product large enough for several threads is left to a BLAS that has them: to
    # three and more if the product is thin, and to none if its inner dimension is 1
    if K > 1 and M * N * K > THREADED and get_threads != NULL and (
            get_threads() > (2 if min(M, N, K) <= THIN else 1)):
        blas.product(trans_A, trans_B, trans_C, <blas_int> M, <blas_int> N, <blas_int> K,
                     alpha, A, <blas_int> M, B, beta, C)
    else:
        product(trans_A, trans_B, trans_C, M, N, K, alpha, A, B, beta, C)


cdef inline bint _unit_rows(Py_ssize_t n, Py_ssize_t m, bint trans) noexcept nogil:
    # does the memory of an (n, m) matrix hold one unit a row? A vector is read as one long row.
    return n == 1 or (m > 1 and not trans)


cdef void linear_activation_forward(
    Activation act, Py_ssize_t n, Py_ssize_t n_prev, Py_ssize_t m,
    bint trans_A_prev, const floating *A_prev, bint trans_W, const floating *W, const floating *b,
    bint trans_A, floating *Z, floating *A,
) noexcept nogil:
    # Z := W A_prev + b, A := act(Z)
    cdef bint unit_rows = _unit_rows(n, m, trans_A)
    _product(trans_W, trans_A_prev, trans_A, n, m, n_prev,
             <floating> 1, W, A_prev, <floating> 0, Z)
    levels.bias_activate(act, unit_rows, n if unit_rows else m, m if unit_rows else n, b, Z, A)


cdef void linear_activation_backward(
    Activation act, Py_ssize_t n, Py_ssize_t n_prev, Py_ssize_t m,
    bint trans_dA, const floating *dA, const floating *Z, floating *dZ,
    bint trans_A_prev, const floating *A_prev, bint trans_W, const floating *W,
    bint trans_dA_prev, floating *dA_prev, bint trans_dW, floating *dW, floating *db,
) noexcept nogil:
    # dZ := dA * act'(Z), db := sum of dZ / m, dW := dZ A_prev^T / m, dA_prev := W^T dZ
    # with IDENTITY dZ is dA, and neither Z nor memory for dZ is needed
    cdef:
        bint unit_rows = _unit_rows(n, m, trans_dA)
        double scale = 1.0 / m
        const floating *delta = dA if act == IDENTITY else dZ
    levels.bias_activate_backward(
        act, unit_rows, n if unit_rows else m, m if unit_rows else n, scale, dA, Z, dZ, db)
    _product(trans_dA, not trans_A_prev, trans_dW, n, n_prev, m,
             <floating> scale, delta, A_prev, <floating> 0, dW)
    _product(not trans_W, trans_dA, trans_dA_prev, n_prev, m, n,
             <floating> 1, W, delta, <floating> 0, dA_prev)


# -------------------------------------------------------------------------------------------- doors
#
# A door is a function that Python calls. It looks at its arguments through the buffer protocol
# itself, which costs a fifth of a memoryview argument. If they are NumPy arrays that the kernels
# can read, of one element type, and fit each other, the door allocates the results, computes them
# and returns them. Otherwise it returns None: its caller then has _arrays.py convert the arguments
# or say what is wrong, and calls the door again through `computed`. An array in another memory
# order than its loop reads, or a part of a larger array, is copied.

cdef struct Matrix:
    char type    # b'f' float32, b'd' float64
    bint trans   # the memory holds the transposed matrix, row-major; never of a vector
    bint whole   # nothing lies between the elements
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row  # bytes from a row to the next
    Py_ssize_t col
    void *data


cdef bint _look(object array, Matrix *matrix) except -1:
    # The memory outlives the buffer: the caller holds a reference, as for any NumPy function.
    cdef:
        Py_buffer buffer
        bint fits
    # a subclass may give its memory another meaning, as a masked array does
    if type(array) is not ndarray:
        return False
    try:
        PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES)
    except ValueError:  # an element type that the protocol does not know
        return False
    matrix.type = element(&buffer)
    fits = (buffer.ndim == 2 and matrix.type in b"fd"
            and 0 < buffer.shape[0] <= LIMIT and 0 < buffer.shape[1] <= LIMIT)
    if fits:
        matrix.rows = buffer.shape[0]
        matrix.cols = buffer.shape[1]
        matrix.row = buffer.strides[0]
        matrix.col = buffer.strides[1]
        matrix.data = buffer.buf
        matrix.trans = not PyBuffer_IsContiguous(&buffer, b'C')
        matrix.whole = not matrix.trans or PyBuffer_IsContiguous(&buffer, b'F')
        if not matrix.whole:
            matrix.trans = (
                matrix.rows > 1 and matrix.cols > 1 and abs(matrix.row) < abs(matrix.col))
    PyBuffer_Release(&buffer)
    return fits


cdef bint _look_like(object array, const Matrix *like, Py_ssize_t rows, Py_ssize_t cols,
                     Matrix *matrix) except -1:
    return (_look(array, matrix) and matrix.type == like.type
            and matrix.rows == rows and matrix.cols == cols)


cdef object _new(const Matrix *like, Py_ssize_t rows, Py_ssize_t cols, bint trans, Matrix *matrix):
    # a new array of the other array's element type
    cdef:
        Py_buffer buffer
        bint fits
    shape = (rows, cols)
    dtype = float32 if like.type == b'f' else float64
    array = empty(shape, dtype, "F") if trans else empty(shape, dtype)
    # the element type is known, and NumPy would write its format anew for each array
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES)
    fits = (buffer.ndim == 2 and buffer.shape[0] == rows and buffer.shape[1] == cols
            and buffer.itemsize == (4 if like.type == b'f' else 8))
    if fits:
        matrix.type, matrix.rows, matrix.cols = like.type, rows, cols
        matrix.row, matrix.col = buffer.strides[0], buffer.strides[1]
        matrix.data = buffer.buf
        matrix.trans = trans and rows > 1 and cols > 1
        matrix.whole = True
    PyBuffer_Release(&buffer)
    if not fits:
        raise SystemError("numpy.empty returned another array than it was asked for")
    return array


cdef object _laid(object array, Matrix *matrix, bint trans):
    # the array itself if it is contiguous in this memory order, else a copy
    cdef Matrix copy
    if matrix.whole and matrix.trans == trans:
        return array
    array = _new(matrix, matrix.rows, matrix.cols, trans, &copy)
    _lay(matrix, &copy)
    matrix[0] = copy
    return array


cdef void _lay(const Matrix *matrix, const Matrix *copy) noexcept:
    # copies into memory of the same element type and shape
    cdef:
        bint trans = copy.trans
        Py_ssize_t rows = copy.cols if trans else copy.rows
        Py_ssize_t cols = copy.rows if trans else copy.cols
        Py_ssize_t row = matrix.col if trans else matrix.row
        Py_ssize_t col = matrix.row if trans else matrix.col
        const char *x = <const char *> matrix.data
    with nogil:
        if copy.type == b'f':
            _copy(rows, cols, x, row, col, <float *> copy.data)
        else:
            _copy(rows, cols, x, row, col, <double *> copy.data)


cdef void _copy(
    Py_ssize_t rows, Py_ssize_t cols, const char *x, Py_ssize_t row, Py_ssize_t col, floating *y,
) noexcept nogil:
    # y (rows, cols), row-major, := x of these strides, by blocks whose lines stay in the cache
    cdef Py_ssize_t i0, i, j0, j, j1
    if row == sizeof(floating) and col % <Py_ssize_t> sizeof(floating) == 0:
        levels.turn(cols, rows, <const floating *> x, col // <Py_ssize_t> sizeof(floating), y, cols)
        return
    if col == sizeof(floating) and (cols >= SHORT or row == cols * <Py_ssize_t> sizeof(floating)):
        if row == cols * <Py_ssize_t> sizeof(floating):
            rows, cols = 1, rows * cols
        for i in range(rows):
            memcpy(y + i * cols, x + i * row, cols * sizeof(floating))
        return
    for i0 in range(0, rows, 16):
        for j0 in range(0, cols, 16):
            j1 = min(cols, j0 + 16)
            for i in range(i0, min(rows, i0 + 16)):
                for j in range(j0, j1):
                    y[i * cols + j] = (<const floating *> (x + i * row + j * col))[0]


cdef void _forward(
    Activation act, const Matrix *A_prev, const Matrix *W, const floating *b, bint trans_A,
    floating *Z, floating *A,
) noexcept nogil:
    linear_activation_forward(
        act, W.rows, W.cols, A_prev.cols, A_prev.trans, <const floating *> A_prev.data,
        W.trans, <const floating *> W.data, b, trans_A, Z, A)


def layer_forward(int activation, A_prev, W, b):
    """A, Z with Z = W A_prev + b, A = act(Z); with the identity A is Z."""
    cdef Matrix a_prev, w, bias, z, a
    if not (_look(W, &w) and _look(A_prev, &a_prev)
            and a_prev.type == w.type and a_prev.rows == w.cols
            and _look_like(b, &w, w.rows, 1, &bias)):
        return None
    A_prev = _laid(A_prev, &a_prev, a_prev.trans)
    W = _laid(W, &w, w.trans)
    b = _laid(b, &bias, False)
    Z = _new(&a_prev, w.rows, a_prev.cols, a_prev.trans, &z)
    A = Z
    if activation == IDENTITY:
        a = z
    else:
        A = _new(&a_prev, w.rows, a_prev.cols, a_prev.trans, &a)
    with nogil:
        if w.type == b'f':
            _forward(<Activation> activation, &a_prev, &w, <float *> bias.data,
                     z.trans, <float *> z.data, <float *> a.data)
        else:
            _forward(<Activation> activation, &a_prev, &w, <double *> bias.data,
                     z.trans, <double *> z.data, <double *> a.data)
    return A, Z


cdef void _backward(
    Activation act, const Matrix *dA, const Matrix *Z, const Matrix *dZ, const Matrix *A_prev,
    const Matrix *W, const Matrix *dA_prev, const Matrix *dW, floating *db,
) noexcept nogil:
    linear_activation_backward(
        act, W.rows, W.cols, A_prev.cols, dA.trans, <const floating *> dA.data,
        <const floating *> Z.data, <floating *> dZ.data,
        A_prev.trans, <const floating *> A_prev.data, W.trans, <const floating *> W.data,
        dA_prev.trans, <floating *> dA_prev.data, dW.trans, <floating *> dW.data, db)


def layer_backward(int activation, dA, Z, A_prev, W):
    """dA_prev, dW, db with dZ = dA * act'(Z), dA_prev = W^T dZ, dW = dZ A_prev^T / m, db = mean dZ.

    With the identity dA is dZ, and Z is not read.
    """
    cdef Matrix da, z, dz, a_prev, w, da_prev, dw, bias
    if not (_look(W, &w) and _look(A_prev, &a_prev)
            and a_prev.type == w.type and a_prev.rows == w.cols
            and _look_like(dA, &w, w.rows, a_prev.cols, &da)
            and _look_like(Z, &da, da.rows, da.cols, &z)):
        return None
    A_prev = _laid(A_prev, &a_prev, a_prev.trans)
    W = _laid(W, &w, w.trans)
    if activation == IDENTITY:
        dA = _laid(dA, &da, da.trans)
        dz = da
    else:
        Z = _laid(Z, &z, z.trans)
        _dZ = _new(&z, z.rows, z.cols, z.trans, &dz)
        if not da.whole or da.trans != z.trans:
            # Z's copy lies in the memory of dZ, which is then computed in place
            _lay(&da, &dz)
            da = dz
    dA_prev = _new(&a_prev, a_prev.rows, a_prev.cols, a_prev.trans, &da_prev)
    dW = _new(&w, w.rows, w.cols, w.trans, &dw)
    db = _new(&w, w.rows, 1, False, &bias)
    with nogil:
        if w.type == b'f':
            _backward(<Activation> activation, &da, &z, &dz, &a_prev, &w, &da_prev, &dw,
                      <float *> bias.data)
        else:
            _backward(<Activation> activation, &da, &z, &dz, &a_prev, &w, &da_prev, &dw,
                      <double *> bias.data)
    return dA_prev, dW, db


def activate(int activation, Z):
    """A = act(Z)."""
    cdef Matrix z, a
    if not _look(Z, &z):
        return None
    Z = _laid(Z, &z, z.trans)
    A = _new(&z, z.rows, z.cols, z.trans, &a)
    with nogil:
        if z.type == b'f':
            levels.activate(
                <Activation> activation, z.rows * z.cols, <float *> z.data, <float *> a.data)
        else:
            levels.activate(
                <Activation> activation, z.rows * z.cols, <double *> z.data, <double *> a.data)
    return A


def activate_backward(int activation, dA, Z):
    """dZ = dA * act'(Z), in the order of dA."""
    return _paired(DERIVE, activation, 0, dA, Z)


def cross_entropy(AL, Y):
    """Sum of -(Y log(AL) + (1 - Y) log(1 - AL)), divided by the number of columns."""
    return _paired(CROSS_ENTROPY, IDENTITY, 0, AL, Y)


def cross_entropy_backward(AL, Y):
    """dAL = -(Y / AL - (1 - Y) / (1 - AL))."""
    return _paired(CROSS_ENTROPY_BACKWARD, IDENTITY, 0, AL, Y)


def descend(double learning_rate, P, dP):
    """P - learning_rate * dP."""
    return _paired(DESCEND, IDENTITY, learning_rate, P, dP)


# ---------------------------------------------------------------------------- two arrays, one shape

cdef enum Pairing:
    DERIVE
    CROSS_ENTROPY
    CROSS_ENTROPY_BACKWARD
    DESCEND


cdef double _pair(
    Pairing pairing, Activation act, double rate, Py_ssize_t size,
    const floating *x, const floating *y, floating *out,
) noexcept nogil:
    if pairing == DERIVE:
        levels.activate_backward(act, size, x, y, out)
    elif pairing == CROSS_ENTROPY:
        return levels.cross_entropy(size, x, y)
    elif pairing == CROSS_ENTROPY_BACKWARD:
        levels.cross_entropy_backward(size, x, y, out)
    else:
        levels.descend(size, <floating> rate, x, y, out)
    return 0


cdef double _pair_laid(
    Pairing pairing, Activation act, double rate, const Matrix *x, const Matrix *y, floating *out,
) noexcept nogil:
    # By memory rows of x, whose elements are contiguous, into an out that is whole. Where those of
    # y are not, y is laid as x is: as one tile, or into out, which is computed from copied tiles.
    # But relu's gradient is a copy of x except where a unit is inactive, which may be nowhere.
    cdef:
        floating tile[TILE]
        floating *laid = &tile[0]
        floating *part
        Py_ssize_t rows = x.cols if x.trans else x.rows, cols = x.rows if x.trans else x.cols
        Py_ssize_t row_x = x.col if x.trans else x.row
        Py_ssize_t row_y = y.col if x.trans else y.row, col_y = y.row if x.trans else y.col
        Py_ssize_t i, j, n
        const char *x_row = <const char *> x.data
        const char *y_row = <const char *> y.data
        double total = 0
    if x.whole and y.whole and x.trans == y.trans:
        return _pair(pairing, act, rate, rows * cols, <const floating *> x.data,
                     <const floating *> y.data, out)
    if col_y == sizeof(floating) and cols >= SHORT:
        for i in range(rows):
            total += _pair(pairing, act, rate, cols, <const floating *> (x_row + i * row_x),
                           <const floating *> (y_row + i * row_y), out + i * cols)
        return total
    if (min(rows, cols) >= SHORT and pairing == DERIVE and act == RELU and row_y == sizeof(floating)
            and col_y % <Py_ssize_t> sizeof(floating) == 0):
        _copy(rows, cols, x_row, row_x, sizeof(floating), out)
        levels.drop_inactive(cols, rows, <const floating *> y_row,
                             col_y // <Py_ssize_t> sizeof(floating), out, cols)
        return 0
    if rows * cols > TILE:
        laid = out
    _copy(rows, cols, y_row, row_y, col_y, laid)
    if x.whole:
        rows, cols = 1, rows * cols
    for i in range(rows):
        j = 0
        while j < cols:
            n = min(<Py_ssize_t> TILE, cols - j)
            part = laid + i * cols + j
            if laid == out:
                part = <floating *> memcpy(tile, part, n * sizeof(floating))
            total += _pair(pairing, act, rate, n, <const floating *> (x_row + i * row_x) + j,
                           <const floating *> part, out + i * cols + j)
            j += n
    return total


cdef inline bint _has_rows(const Matrix *matrix, bint trans) noexcept nogil:
    # whether memory rows in this order are contiguous, and long enough for a loop each
    return ((matrix.row if trans else matrix.col) == (4 if matrix.type == b'f' else 8)
            and (matrix.rows if trans else matrix.cols) >= SHORT)


cdef object _paired(Pairing pairing, int activation, double rate, X, Y):
    # the pairing's result for X and Y, in the order of X
    cdef:
        Matrix x, y, out
        double total
    if not (_look(X, &x) and _look_like(Y, &x, x.rows, x.cols, &y)):
        return None
    if not _has_rows(&x, x.trans):
        X = _laid(X, &x, x.trans)
    if pairing == CROSS_ENTROPY:
        if x.rows * x.cols > TILE and not _has_rows(&y, x.trans):
            Y = _laid(Y, &y, x.trans)
        out.data = x.data  # never written to
    else:
        made = _new(&x, x.rows, x.cols, x.trans, &out)
    with nogil:
        if x.type == b'f':
            total = _pair_laid(pairing, <Activation> activation, rate, &x, &y,
                               <float *> out.data)
        else:
            total = _pair_laid(pairing, <Activation> activation, rate, &x, &y,
                               <double *> out.data)
    if pairing == CROSS_ENTROPY:
        return numpy.array(total / x.cols, float32 if x.type == b'f' else float64)
    return made


# --------------------------------------------------------------------- a product for the benchmark

def multiply(A, bint trans_A, B, bint trans_B, C, bint ours, Py_ssize_t steps=1):
    """Compute C (M, N) := A B so many times.

    Parameters
    ----------
    A, B : ndarray
        The memory of A (M, K) and B (K, N) in C order, or of their transposes.
    trans_A, trans_B : bool
        Whether it holds the transpose.
    C : ndarray, shape (M, N)
        The result, in C order. All three are of one element type, float32 or float64.
    ours : bool
        Whether to multiply by the loops, if they are chosen, or by BLAS.
    steps : int
        How many times.

    Returns
    -------
    bool
        Whether it was done by the loops.
    """
    cdef:
        Py_ssize_t M = C.shape[0], N = C.shape[1], K = A.shape[0 if trans_A else 1]
        float[:, ::1] a_f, b_f, c_f
        double[:, ::1] a_d, b_d, c_d
        bint done
    if (A.shape != ((K, M) if trans_A else (M, K)) or B.shape != ((N, K) if trans_B else (K, N))):
        raise ValueError("the shapes do not fit")
    if C.dtype == numpy.float32:
        a_f, b_f, c_f = A, B, C
        with nogil:
            done = _multiply(M, N, K, trans_A, &a_f[0, 0], trans_B, &b_f[0, 0], &c_f[0, 0], ours,
                             steps)
    else:
        a_d, b_d, c_d = A, B, C
        with nogil:
            done = _multiply(M, N, K, trans_A, &a_d[0, 0], trans_B, &b_d[0, 0], &c_d[0, 0], ours,
                             steps)
    return done


cdef bint _multiply(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, bint trans_A, const floating *A, bint trans_B,
    const floating *B, floating *C, bint ours, Py_ssize_t steps,
) noexcept nogil:
    cdef:
        Py_ssize_t row_A = 1 if trans_A else K, col_A = M if trans_A else 1
        Py_ssize_t row_B = 1 if trans_B else N, col_B = K if trans_B else 1
        floating one = 1, zero = 0
        bint done = False
    for _ in range(steps):
        done = ours and levels.small_product(
            M, N, K, one, A, row_A, col_A, B, row_B, col_B, zero, C)
        if not done:
            blas.product(trans_A, trans_B, False, <blas_int> M, <blas_int> N, <blas_int> K,
                         one, A, <blas_int> M, B, zero, C)
    return done
