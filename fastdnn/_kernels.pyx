# One layer's mathematics: forward above backward, then the checked doors that Python calls.

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cython cimport floating

from numpy import ndarray

from fastdnn cimport _loops
from fastdnn._blas cimport blas_int, product
from fastdnn._loops cimport IDENTITY, RELU, SIGMOID, Activation

# the codes of the activations, the first for none at all
ACTIVATIONS = {"identity": IDENTITY, "relu": RELU, "sigmoid": SIGMOID}

# the largest dimension that this BLAS can count
BLAS_MAX = 2 ** (8 * sizeof(blas_int) - 1) - 1


# -------------------------------------------------------------------------------------------- layer

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
    product(trans_W, trans_A_prev, trans_A, <blas_int> n, <blas_int> m, <blas_int> n_prev,
            <floating> 1, W, A_prev, Z)
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
        floating scale = <floating> 1 / m
        const floating *delta = dA if act == IDENTITY else dZ
    _loops.bias_activate_backward(
        act, unit_rows, n if unit_rows else m, m if unit_rows else n, scale, dA, Z, dZ, db)
    product(trans_dA, not trans_A_prev, trans_dW, <blas_int> n, <blas_int> n_prev, <blas_int> m,
            scale, delta, A_prev, dW)
    product(not trans_W, trans_dA, trans_dA_prev, <blas_int> n_prev, <blas_int> m, <blas_int> n,
            <floating> 1, W, delta, dA_prev)


# -------------------------------------------------------------------------------------------- doors
#
# A door takes the arrays that _arrays.py has judged and outputs that were allocated for it. It looks
# at them through the buffer protocol itself, which costs a fifth of a memoryview argument, and checks
# whatever could make a kernel leave an array. The errors that a user meets are raised above.

cdef struct Matrix:
    char type   # b'f' float32, b'd' float64, 0 not a matrix for the kernels
    bint trans  # the memory holds the transposed matrix, row-major
    Py_ssize_t rows
    Py_ssize_t cols
    void *data


cdef int _look(object array, Matrix *matrix, int flags=0) except -1:
    # The array's memory outlives the buffer: the caller holds a reference, as for any NumPy call.
    cdef Py_buffer buffer
    matrix.type = 0
    PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES | flags)
    # a format of one letter is native and aligned
    if buffer.ndim == 2 and buffer.format[0] in b"fd" and buffer.format[1] == 0:
        matrix.trans = not PyBuffer_IsContiguous(&buffer, b'C')
        if not matrix.trans or PyBuffer_IsContiguous(&buffer, b'F'):
            matrix.type = buffer.format[0]
            matrix.rows = buffer.shape[0]
            matrix.cols = buffer.shape[1]
            matrix.data = buffer.buf
    PyBuffer_Release(&buffer)
    return 0


cdef int _take(object array, Matrix *matrix) except -1:
    _look(array, matrix)
    if matrix.type == 0 or not 0 < matrix.rows <= BLAS_MAX or not 0 < matrix.cols <= BLAS_MAX:
        raise ValueError("expected a contiguous array of float32 or float64 with two dimensions of "
                         f"1 to {BLAS_MAX}, got {array.dtype} {array.shape}")
    return 0


cdef int _take_like(object array, Py_ssize_t rows, Py_ssize_t cols, const Matrix *like,
                    Matrix *matrix, int flags=0) except -1:
    _look(array, matrix, flags)
    if matrix.type != like.type or matrix.rows != rows or matrix.cols != cols:
        raise ValueError(f"expected a contiguous array of shape ({rows}, {cols}) and of the same "
                         f"element type as the others, got {array.dtype} {array.shape}")
    return 0


cdef int _take_same(object array, const Matrix *like, Matrix *matrix, int flags=0) except -1:
    _take_like(array, like.rows, like.cols, like, matrix, flags)
    if matrix.trans != like.trans:
        raise ValueError("expected arrays of one memory order")
    return 0


def ready(*arrays):
    """Can the kernels read these arrays as they are, all being of one element type?"""
    cdef:
        Matrix matrix
        char type = 0
    for array in arrays:
        # a subclass may mean something else by its memory, as a masked array does
        if array.__class__ is not ndarray:
            return False
        _look(array, &matrix)
        if matrix.type == 0 or (type != 0 and matrix.type != type):
            return False
        type = matrix.type
    return True


cdef void _forward(
    Activation act, const Matrix *A_prev, const Matrix *W, const floating *b, bint trans_A,
    floating *Z, floating *A,
) noexcept nogil:
    linear_activation_forward(
        act, W.rows, W.cols, A_prev.cols, A_prev.trans, <const floating *> A_prev.data,
        W.trans, <const floating *> W.data, b, trans_A, Z, A)


def linear_activation_forward_into(int activation, A_prev, W, b, Z, A):
    """Z := W A_prev + b, A := act(Z); A is not touched by the identity."""
    cdef Matrix a_prev, w, bias, z, a
    _take(W, &w)
    _take(A_prev, &a_prev)
    _take_like(A_prev, w.cols, a_prev.cols, &w, &a_prev)
    _take_like(b, w.rows, 1, &w, &bias)
    _take_like(Z, w.rows, a_prev.cols, &w, &z, PyBUF_WRITABLE)
    _take_same(A, &z, &a, PyBUF_WRITABLE)
    with nogil:
        if w.type == b'f':
            _forward(<Activation> activation, &a_prev, &w, <float *> bias.data,
                     z.trans, <float *> z.data, <float *> a.data)
        else:
            _forward(<Activation> activation, &a_prev, &w, <double *> bias.data,
                     z.trans, <double *> z.data, <double *> a.data)


cdef void _backward(
    Activation act, const Matrix *dA, const Matrix *Z, const Matrix *dZ, const Matrix *A_prev,
    const Matrix *W, const Matrix *dA_prev, const Matrix *dW, floating *db,
) noexcept nogil:
    linear_activation_backward(
        act, W.rows, W.cols, A_prev.cols, dA.trans, <const floating *> dA.data,
        <const floating *> Z.data, <floating *> dZ.data,
        A_prev.trans, <const floating *> A_prev.data, W.trans, <const floating *> W.data,
        dA_prev.trans, <floating *> dA_prev.data, dW.trans, <floating *> dW.data, db)


def linear_activation_backward_into(int activation, dA, Z, dZ, A_prev, W, dA_prev, dW, db):
    """dZ := dA * act'(Z), db := sum of dZ / m, dW := dZ A_prev^T / m, dA_prev := W^T dZ.

    With the identity dZ is dA, and neither Z nor dZ is touched.
    """
    cdef Matrix da, z, dz, a_prev, w, da_prev, dw, bias
    _take(W, &w)
    _take(A_prev, &a_prev)
    _take_like(A_prev, w.cols, a_prev.cols, &w, &a_prev)
    _take_like(dA, w.rows, a_prev.cols, &w, &da)
    _take_same(Z, &da, &z)
    _take_same(dZ, &da, &dz, PyBUF_WRITABLE)
    _take_like(dA_prev, w.cols, a_prev.cols, &w, &da_prev, PyBUF_WRITABLE)
    _take_like(dW, w.rows, w.cols, &w, &dw, PyBUF_WRITABLE)
    _take_like(db, w.rows, 1, &w, &bias, PyBUF_WRITABLE)
    with nogil:
        if w.type == b'f':
            _backward(<Activation> activation, &da, &z, &dz, &a_prev, &w, &da_prev, &dw,
                      <float *> bias.data)
        else:
            _backward(<Activation> activation, &da, &z, &dz, &a_prev, &w, &da_prev, &dw,
                      <double *> bias.data)


def activate_into(int activation, Z, A):
    """A := act(Z)."""
    cdef Matrix z, a
    _take(Z, &z)
    _take_same(A, &z, &a, PyBUF_WRITABLE)
    with nogil:
        if z.type == b'f':
            _loops.activate(
                <Activation> activation, z.rows * z.cols, <float *> z.data, <float *> a.data)
        else:
            _loops.activate(
                <Activation> activation, z.rows * z.cols, <double *> z.data, <double *> a.data)


def activate_backward_into(int activation, dA, Z, dZ):
    """dZ := dA * act'(Z)."""
    cdef Matrix da, z, dz
    _take(dA, &da)
    _take_same(Z, &da, &z)
    _take_same(dZ, &da, &dz, PyBUF_WRITABLE)
    with nogil:
        if da.type == b'f':
            _loops.activate_backward(<Activation> activation, da.rows * da.cols,
                                     <float *> da.data, <float *> z.data, <float *> dz.data)
        else:
            _loops.activate_backward(<Activation> activation, da.rows * da.cols,
                                     <double *> da.data, <double *> z.data, <double *> dz.data)


def cross_entropy(AL, Y):
    """Sum of -(Y log(AL) + (1 - Y) log(1 - AL))."""
    cdef:
        Matrix al, y
        double total
    _take(AL, &al)
    _take_same(Y, &al, &y)
    with nogil:
        if al.type == b'f':
            total = _loops.cross_entropy(al.rows * al.cols, <float *> al.data, <float *> y.data)
        else:
            total = _loops.cross_entropy(al.rows * al.cols, <double *> al.data, <double *> y.data)
    return total


def cross_entropy_backward_into(AL, Y, dAL):
    """dAL := -(Y / AL - (1 - Y) / (1 - AL))."""
    cdef Matrix al, y, dal
    _take(AL, &al)
    _take_same(Y, &al, &y)
    _take_same(dAL, &al, &dal, PyBUF_WRITABLE)
    with nogil:
        if al.type == b'f':
            _loops.cross_entropy_backward(
                al.rows * al.cols, <float *> al.data, <float *> y.data, <float *> dal.data)
        else:
            _loops.cross_entropy_backward(
                al.rows * al.cols, <double *> al.data, <double *> y.data, <double *> dal.data)


def descend_into(double learning_rate, P, dP, P_new):
    """P_new := P - learning_rate * dP."""
    cdef Matrix p, dp, p_new
    _take(P, &p)
    _take_same(dP, &p, &dp)
    _take_same(P_new, &p, &p_new, PyBUF_WRITABLE)
    with nogil:
        if p.type == b'f':
            _loops.descend(p.rows * p.cols, <float> learning_rate,
                           <float *> p.data, <float *> dp.data, <float *> p_new.data)
        else:
            _loops.descend(p.rows * p.cols, learning_rate,
                           <double *> p.data, <double *> dp.data, <double *> p_new.data)
