# One layer's mathematics: forward above backward, then the checked doors that Python calls.

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cython cimport floating

import numpy

from fastdnn cimport _blas, _loops
from fastdnn._blas cimport blas_int
from fastdnn._loops cimport IDENTITY, RELU, SIGMOID_Z, Activation
from fastdnn._products cimport product

# the codes of the activations, the first for none at all
ACTIVATIONS = {"identity": IDENTITY, "relu": RELU, "sigmoid": SIGMOID_Z}

cdef enum:
    LIMIT = 0x7fffffff  # the largest dimension that a BLAS with 32-bit sizes can count
    THREADED = 500_000  # multiplications of a product that one thread does as soon as two
    THIN = 32           # rows, columns or inner dimension that BLAS multiplies slowly

cdef:
    object ndarray = numpy.ndarray
    object empty = numpy.empty
    object float32 = numpy.dtype("float32")
    object float64 = numpy.dtype("float64")


ctypedef int (*Asked)() noexcept nogil

# how many threads BLAS has now; NULL if it cannot be asked
cdef Asked blas_threads = NULL


def ask_threads(size_t address):
    """Ask a C function without arguments, at this address, how many threads BLAS has."""
    global blas_threads
    blas_threads = <Asked> address


# -------------------------------------------------------------------------------------------- layer

cdef inline void _product(
    bint trans_A, bint trans_B, bint trans_C, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, floating beta, floating *C,
) noexcept nogil:
    # as product, but what pays more threads is left to a BLAS that has them: more than two for a
    # product that it multiplies slowly, and none where the inner dimension is 1
    if K > 1 and M * N * K > THREADED and blas_threads != NULL and (
            blas_threads() > (2 if min(M, N, K) <= THIN else 1)):
        _blas.product(trans_A, trans_B, trans_C, <blas_int> M, <blas_int> N, <blas_int> K,
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
    _loops.bias_activate(act, unit_rows, n if unit_rows else m, m if unit_rows else n, b, Z, A)


cdef void linear_activation_backward(
    Activation act, Py_ssize_t n, Py_ssize_t n_prev, Py_ssize_t m,
    bint trans_dA, const floating *dA, const floating *Z, floating *dZ,
    bint trans_A_prev, const floating *A_prev, bint trans_W, const floating *W,
    bint trans_dA_prev, floating *dA_prev, bint trans_dW, floating *dW, floating *db,
) noexcept nogil:
    # dZ := dA * act'(Z), db := sum of dZ / m, dW := dZ A_prev^T / m, dA_prev := W^T dZ
    # with IDENTITY dZ is dA, and neither Z nor dZ is touched
    cdef:
        bint unit_rows = _unit_rows(n, m, trans_dA)
        double scale = 1.0 / m
        const floating *delta = dA if act == IDENTITY else dZ
    _loops.bias_activate_backward(
        act, unit_rows, n if unit_rows else m, m if unit_rows else n, scale, dA, Z, dZ, db)
    _product(trans_dA, not trans_A_prev, trans_dW, n, n_prev, m,
             <floating> scale, delta, A_prev, <floating> 0, dW)
    _product(not trans_W, trans_dA, trans_dA_prev, n_prev, m, n,
             <floating> 1, W, delta, <floating> 0, dA_prev)


# -------------------------------------------------------------------------------------------- doors
#
# What Python calls. A door looks at its arguments through the buffer protocol itself, which costs a
# fifth of a memoryview argument. Where they are all NumPy arrays that the kernels can read, of one
# element type, and fit each other, it allocates the results, computes them, and returns them; else
# it returns None, and its caller has _arrays.py convert the arguments or say what is wrong.

cdef struct Matrix:
    char type   # b'f' float32, b'd' float64
    bint trans  # the memory holds the transposed matrix, row-major; never of a vector
    Py_ssize_t rows
    Py_ssize_t cols
    void *data


cdef bint _look(object array, Matrix *matrix) except -1:
    # The memory outlives the buffer: the caller holds a reference, as for any NumPy function.
    cdef:
        Py_buffer buffer
        bint fits
    # a subclass may mean something else by its memory, as a masked array does
    if type(array) is not ndarray:
        return False
    try:
        PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES)
    except ValueError:  # an element type that the protocol does not know
        return False
    # a format of one letter is native and aligned
    fits = (buffer.ndim == 2 and buffer.format[0] in b"fd" and buffer.format[1] == 0
            and 0 < buffer.shape[0] <= LIMIT and 0 < buffer.shape[1] <= LIMIT)
    if fits:
        matrix.trans = not PyBuffer_IsContiguous(&buffer, b'C')
        fits = not matrix.trans or PyBuffer_IsContiguous(&buffer, b'F')
        matrix.type = buffer.format[0]
        matrix.rows = buffer.shape[0]
        matrix.cols = buffer.shape[1]
        matrix.data = buffer.buf
    PyBuffer_Release(&buffer)
    return fits


cdef bint _look_like(object array, const Matrix *like, Py_ssize_t rows, Py_ssize_t cols,
                     Matrix *matrix) except -1:
    return (_look(array, matrix) and matrix.type == like.type
            and matrix.rows == rows and matrix.cols == cols)


cdef bint _look_same(object array, const Matrix *like, Matrix *matrix) except -1:
    return (_look_like(array, like, like.rows, like.cols, matrix) and matrix.trans == like.trans)


cdef object _new(const Matrix *like, Py_ssize_t rows, Py_ssize_t cols, bint trans, Matrix *matrix):
    # an array of the element type of another one
    shape = (rows, cols)
    dtype = float32 if like.type == b'f' else float64
    array = empty(shape, dtype, "F") if trans else empty(shape, dtype)
    if not _look_like(array, like, rows, cols, matrix):
        raise SystemError("numpy.empty returned another array than it was asked for")
    return array


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
            and _look_like(dA, &w, w.rows, a_prev.cols, &da) and _look_same(Z, &da, &z)):
        return None
    if activation == IDENTITY:
        dz = da
    else:
        _dZ = _new(&da, da.rows, da.cols, da.trans, &dz)
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
    A = _new(&z, z.rows, z.cols, z.trans, &a)
    with nogil:
        if z.type == b'f':
            _loops.activate(
                <Activation> activation, z.rows * z.cols, <float *> z.data, <float *> a.data)
        else:
            _loops.activate(
                <Activation> activation, z.rows * z.cols, <double *> z.data, <double *> a.data)
    return A


def activate_backward(int activation, dA, Z):
    """dZ = dA * act'(Z)."""
    cdef Matrix da, z, dz
    if not (_look(Z, &z) and _look_same(dA, &z, &da)):
        return None
    dZ = _new(&z, z.rows, z.cols, z.trans, &dz)
    with nogil:
        if z.type == b'f':
            _loops.activate_backward(<Activation> activation, z.rows * z.cols,
                                     <float *> da.data, <float *> z.data, <float *> dz.data)
        else:
            _loops.activate_backward(<Activation> activation, z.rows * z.cols,
                                     <double *> da.data, <double *> z.data, <double *> dz.data)
    return dZ


def cross_entropy(AL, Y):
    """Sum of -(Y log(AL) + (1 - Y) log(1 - AL)), divided by the number of columns."""
    cdef:
        Matrix al, y
        double total
    if not (_look(AL, &al) and _look_same(Y, &al, &y)):
        return None
    with nogil:
        if al.type == b'f':
            total = _loops.cross_entropy(al.rows * al.cols, <float *> al.data, <float *> y.data)
        else:
            total = _loops.cross_entropy(al.rows * al.cols, <double *> al.data, <double *> y.data)
    return numpy.array(total / al.cols, float32 if al.type == b'f' else float64)


def cross_entropy_backward(AL, Y):
    """dAL = -(Y / AL - (1 - Y) / (1 - AL))."""
    cdef Matrix al, y, dal
    if not (_look(AL, &al) and _look_same(Y, &al, &y)):
        return None
    dAL = _new(&al, al.rows, al.cols, al.trans, &dal)
    with nogil:
        if al.type == b'f':
            _loops.cross_entropy_backward(
                al.rows * al.cols, <float *> al.data, <float *> y.data, <float *> dal.data)
        else:
            _loops.cross_entropy_backward(
                al.rows * al.cols, <double *> al.data, <double *> y.data, <double *> dal.data)
    return dAL


def descend(double learning_rate, P, dP):
    """P - learning_rate * dP."""
    cdef Matrix p, dp, p_new
    if not (_look(P, &p) and _look_same(dP, &p, &dp)):
        return None
    P_new = _new(&p, p.rows, p.cols, p.trans, &p_new)
    with nogil:
        if p.type == b'f':
            _loops.descend(p.rows * p.cols, <float> learning_rate,
                           <float *> p.data, <float *> dp.data, <float *> p_new.data)
        else:
            _loops.descend(p.rows * p.cols, learning_rate,
                           <double *> p.data, <double *> dp.data, <double *> p_new.data)
    return P_new
