# The doors of the course's functions: one layer, one example a column.

from cpython.buffer cimport (
    PyBUF_STRIDES, Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release, PyObject_GetBuffer,
)

from libc.math cimport fabs
from libc.stdint cimport int64_t, uint64_t

import numpy

from fastdnn._core cimport levels
from fastdnn._core.activations cimport IDENTITY, SIGMOID_Z, SOFTMAX, Activation
from fastdnn._core.board cimport read, swap, write
from fastdnn._core.elementary cimport STRIDE, mixed
from fastdnn._core.memory cimport LIMIT, aligned, look
from fastdnn._core.pool cimport LARGE, new_large
from fastdnn._core.spec cimport (
    CATEGORICAL, CROSS_ENTROPY, CROSS_ENTROPY_BACKWARD, DERIVE, DESCEND, DOT, SHORT, SKIPPING_NAN,
    SQUARED, TILED, Descent, Dropout, Matrix, Pairing,
)
from fastdnn._core.workers cimport get_threads

# the activations that differ from the engine's: the caches hold Z
SIGMOID_OF_Z = SIGMOID_Z
# not of elements, but of the units of an example
OVER_UNITS = SOFTMAX

cdef enum:
    SMALL = 4096  # bytes of an array that is not worth memory of its own

cdef:
    object ndarray = numpy.ndarray
    object empty = numpy.empty
    object as_array = numpy.array
    object float32 = numpy.dtype("float32")
    object float64 = numpy.dtype("float64")
    object boolean = numpy.dtype("bool")


# -------------------------------------------------------------------------------------------- doors
#
# A door is a function that Python calls. It looks at its arguments through the buffer protocol
# itself, which costs a fifth of a memoryview argument. If they are NumPy arrays that the kernels
# can read, of one element type, and fit each other, the door allocates the results, computes them
# and returns them. Otherwise it returns None: its caller then has _arrays.py convert the arguments
# or say what is wrong, and calls the door again through `computed`. An array in another memory
# order than its loop reads, or a part of a larger array, is copied.

cdef bint _look(object array, Matrix *matrix) except -1:
    cdef:
        Py_buffer buffer
        bint fits
    # a subclass may give its memory another meaning, as a masked array does
    if type(array) is not ndarray:
        return False
    dtype = array.dtype
    if dtype is float64 or dtype is float32:
        # NumPy would write the format anew at each look
        PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES)
        matrix.type = b'd' if dtype is float64 else b'f'
        if not aligned(&buffer):
            matrix.type = 0
    else:
        matrix.type = look(array, &buffer)
        if matrix.type == 0:
            return False
    fits = (buffer.ndim == 2 and matrix.type in b"fd"
            and 0 < buffer.shape[0] <= LIMIT and 0 < buffer.shape[1] <= LIMIT)
    if fits:
        matrix.rows = buffer.shape[0]
        matrix.cols = buffer.shape[1]
        matrix.row = buffer.strides[0]
        matrix.col = buffer.strides[1]
        matrix.data = buffer.buf
        # as PyBuffer_IsContiguous says it, in a third of the time
        matrix.trans = not (
            (matrix.cols == 1 or matrix.col == buffer.itemsize)
            and (matrix.rows == 1 or matrix.row == matrix.cols * buffer.itemsize))
        matrix.whole = not matrix.trans or (
            (matrix.rows == 1 or matrix.row == buffer.itemsize)
            and (matrix.cols == 1 or matrix.col == matrix.rows * buffer.itemsize))
        if not matrix.whole:
            matrix.trans = (
                matrix.rows > 1 and matrix.cols > 1 and abs(matrix.row) < abs(matrix.col))
    PyBuffer_Release(&buffer)
    return fits


cdef bint _look_like(object array, const Matrix *like, Py_ssize_t rows, Py_ssize_t cols,
                     Matrix *matrix) except -1:
    return (_look(array, matrix) and matrix.type == like.type
            and matrix.rows == rows and matrix.cols == cols)


cdef inline int _threads() noexcept:
    # of BLAS
    return get_threads() if get_threads != NULL and not levels.demanded else 1


cdef object _new(const Matrix *like, Py_ssize_t rows, Py_ssize_t cols, bint trans, Matrix *matrix):
    # a new array of the other array's element type
    cdef:
        Py_buffer buffer
        bint fits
    shape = (rows, cols)
    dtype = float32 if like.type == b'f' else float64
    if rows * cols >= (LARGE // 4 if like.type == b'f' else LARGE // 8):
        array = new_large(shape, dtype, trans)
    else:
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


cdef object _new_block(const Matrix *like, int count, Matrix *matrices):
    # Some new arrays of the other array's shape, in one that holds them all: small ones, which cost
    # more to ask for than to compute, and keep each other's memory. None if they are not small.
    cdef:
        Py_buffer buffer
        bint fits
        size_t itemsize = 4 if like.type == b'f' else 8, size = like.rows * like.cols * itemsize
        int i
    if like.trans or size > SMALL or count < 3:
        return None
    dtype = float32 if like.type == b'f' else float64
    block = empty((count, like.rows, like.cols), dtype)
    PyObject_GetBuffer(block, &buffer, PyBUF_STRIDES)
    fits = (buffer.ndim == 3 and buffer.itemsize == <Py_ssize_t> itemsize
            and buffer.len == <Py_ssize_t> size * count)
    for i in range(count):
        matrices[i] = like[0]
        matrices[i].data = <char *> buffer.buf + i * size
    PyBuffer_Release(&buffer)
    if not fits:
        raise SystemError("numpy.empty returned another array than it was asked for")
    return block


cdef object _laid(object array, Matrix *matrix, bint trans):
    # the array itself if it is contiguous in this memory order, else a copy
    cdef Matrix copy
    if matrix.whole and matrix.trans == trans:
        return array
    array = _new(matrix, matrix.rows, matrix.cols, trans, &copy)
    with nogil:
        levels.verbs.lay(matrix, &copy)
    matrix[0] = copy
    return array


include "kept.pxi"


def layer_forward(int activation, A_prev, W, b):
    """A, Z with Z = W A_prev + b, A = act(Z); with the identity A is Z."""
    return _layer_forward(activation, A_prev, W, b, False, None, 1)


def dropped_layer_forward(int activation, A_prev, W, b, D, double keep):
    """A, Z, D with A = act(Z) / keep where the mask D, a matrix of bool, is True, else 0.

    For None D is a new mask of our own.
    """
    return _layer_forward(activation, A_prev, W, b, True, D, keep)


cdef object _layer_forward(
    int activation, object A_prev, object W, object b, bint drops, object D, double keep,
):
    cdef:
        Matrix a_prev, w, bias, z, a
        Dropout dropout
    if not (_look(W, &w) and _look(A_prev, &a_prev)
            and a_prev.type == w.type and a_prev.rows == w.cols
            and _look_like(b, &w, w.rows, 1, &bias)):
        return None
    A_prev = _laid(A_prev, &a_prev, a_prev.trans)
    W = _laid(W, &w, w.trans)
    b = _laid(b, &bias, False)
    Z = _new(&a_prev, w.rows, a_prev.cols, a_prev.trans, &z)
    dropout.kept = NULL
    given = D
    if drops:
        dropout.keep = keep
        if D is None:
            given = D = _new_mask(z.rows, z.cols, z.trans, keep, &dropout.kept)
        else:
            D = _mask(D, &z, z.trans, &dropout.kept)
            if D is None:
                return None
    A = Z
    if activation == IDENTITY and not drops:
        a = z
    else:
        A = _new(&a_prev, w.rows, a_prev.cols, a_prev.trans, &a)
    cdef int threads = _threads()
    with nogil:
        levels.verbs.layer_forward(
            threads, <Activation> activation, &dropout, &a_prev, &w, &bias, &z, &a)
    if drops:
        return A, Z, given
    return A, Z


def layer_backward(int activation, dA, Z, A_prev, W, double lambd=0, bint passes=True):
    """dA_prev, dW, db with dZ = dA * act'(Z), dA_prev = W^T dZ, db = mean dZ and
    dW = dZ A_prev^T / m + lambd / m W.

    With the identity dA is dZ, and Z is not read. Where nothing passes on, dA_prev is None.
    """
    return _layer_backward(activation, dA, Z, A_prev, W, lambd, None, 1, False, passes)


def dropped_layer_backward(
    int activation, dA, Z, A_prev, W, double lambd, D, double keep, bint in_place, bint passes=True,
):
    """What layer_backward returns of dA / keep where the mask D is True, else 0, and that.

    In place dA itself becomes that, and dZ has its memory order; else it is not returned.
    """
    return _layer_backward(activation, dA, Z, A_prev, W, lambd, D, keep, in_place, passes)


cdef object _layer_backward(
    int activation, object dA, object Z, object A_prev, object W, double lambd, object D,
    double keep, bint in_place, bint passes,
):
    cdef:
        Matrix da, z, dz, a_prev, w, da_prev, dw, bias, left_of_dA
        Dropout dropout
        bint trans
    if not (_look(W, &w) and _look(A_prev, &a_prev)
            and a_prev.type == w.type and a_prev.rows == w.cols
            and _look_like(dA, &w, w.rows, a_prev.cols, &da)
            and _look_like(Z, &da, da.rows, da.cols, &z)):
        return None
    A_prev = _laid(A_prev, &a_prev, a_prev.trans)
    W = _laid(W, &w, w.trans)
    if activation == IDENTITY and D is None:
        dA = _laid(dA, &da, da.trans)
        dz = da
    else:
        in_place = in_place and da.whole
        trans = da.trans if in_place else z.trans
        Z = _laid(Z, &z, trans)
        _dZ = _new(&z, z.rows, z.cols, trans, &dz)
        if da.whole and da.trans == trans:
            pass
        elif activation == SOFTMAX:
            dA = _laid(dA, &da, trans)
        else:
            # dA's copy lies in the memory of dZ, which is then computed in place
            with nogil:
                levels.verbs.lay(&da, &dz)
            da = dz
    dropout.kept = NULL
    dropout.dA = da.data
    left = None
    if D is not None:
        dropout.keep = keep
        D = _mask(D, &dz, dz.trans, &dropout.kept)
        if D is None:
            return None
        if in_place:
            left = dA
        elif activation == SOFTMAX:
            _left = _new(&z, z.rows, z.cols, z.trans, &left_of_dA)
            dropout.dA = left_of_dA.data
        else:
            dropout.dA = dz.data
    dA_prev, da_prev.data = None, NULL
    if passes:
        dA_prev = _new(&a_prev, a_prev.rows, a_prev.cols, a_prev.trans, &da_prev)
    dW = _new(&w, w.rows, w.cols, w.trans, &dw)
    db = _new(&w, w.rows, 1, False, &bias)
    cdef int threads = _threads()
    with nogil:
        levels.verbs.layer_backward(
            threads, <Activation> activation, lambd, &dropout, &da, &z, &dz, &a_prev, &w, &da_prev,
            &dw, &bias)
    if D is not None:
        return dA_prev, dW, db, left
    return dA_prev, dW, db


def activate(int activation, Z):
    """A = act(Z)."""
    cdef Matrix z, a
    if not _look(Z, &z):
        return None
    Z = _laid(Z, &z, z.trans)
    A = _new(&z, z.rows, z.cols, z.trans, &a)
    with nogil:
        levels.verbs.activate(<Activation> activation, &z, &a)
    return A


def activate_backward(int activation, dA, Z):
    """dZ = dA * act'(Z), in the order of dA."""
    return _paired(DERIVE, activation, 0, dA, Z)


def cross_entropy(AL, Y):
    """Sum of -(Y log(AL) + (1 - Y) log(1 - AL)), divided by the number of columns."""
    return _paired(CROSS_ENTROPY, IDENTITY, MEAN, AL, Y)


def cross_entropy_backward(AL, Y):
    """dAL = -(Y / AL - (1 - Y) / (1 - AL))."""
    return _paired(CROSS_ENTROPY_BACKWARD, IDENTITY, 0, AL, Y)


def descend(double learning_rate, P, dP):
    """P - learning_rate * dP."""
    return _paired(DESCEND, IDENTITY, learning_rate, P, dP)


# ------------------------------------------------------------------------- a step of all parameters

def momentum(layers, double beta, double learning_rate, parameters, grads, v):
    """New dicts of parameters and v, with v := beta v + (1 - beta) g, p := p - learning_rate v.

    The layers are the names of W, b, dW, db and dA of each.
    """
    cdef Descent descent
    descent.learning_rate, descent.beta1 = learning_rate, beta
    return _stepped(&descent, layers, parameters, grads, v, None, (dict(parameters), {}))


def adam(layers, double learning_rate, double beta1, double beta2, double correction1,
         double correction2, double epsilon, bint corrected, parameters, grads, v, s):
    """New dicts of parameters, v and s, and of the corrected moments if they are asked for."""
    cdef Descent descent
    descent.learning_rate, descent.epsilon = learning_rate, epsilon
    descent.beta1, descent.correction1 = beta1, correction1
    descent.beta2, descent.correction2 = beta2, correction2
    made = (dict(parameters), {}, {}, {}, {}) if corrected else (dict(parameters), {}, {})
    return _stepped(&descent, layers, parameters, grads, v, s, made)


cdef object _stepped(const Descent *descent, layers, parameters, grads, v, s, tuple made):
    # the dicts that were to be made, filled
    for W_name, b_name, dW_name, db_name, _ in layers:
        if not (_step(descent, W_name, dW_name, parameters, grads, v, s, made)
                and _step(descent, b_name, db_name, parameters, grads, v, s, made)):
            return None
    return made


cdef bint _step(const Descent *descent, name, gradient, parameters, grads, v, s,
                tuple made) except -1:
    cdef:
        Matrix given[4]
        Matrix new[5]
        int i, results = <int> len(made)
        Matrix *p = &given[0]
    try:
        P, dP, mean = parameters[name], grads[gradient], v[gradient]
        # momentum has two results, and no second moment
        square = None if results == 2 else s[gradient]
    except (KeyError, TypeError, IndexError):
        return False
    if not (_look(P, p) and _look_like(dP, p, p.rows, p.cols, &given[1])
            and _look_like(mean, p, p.rows, p.cols, &given[2])
            and (results == 2 or _look_like(square, p, p.rows, p.cols, &given[3]))):
        return False
    P = _laid(P, p, p.trans)
    dP = _laid(dP, &given[1], p.trans)
    mean = _laid(mean, &given[2], p.trans)
    if results > 2:
        square = _laid(square, &given[3], p.trans)
    block = _new_block(p, results, new)
    for i in range(results):
        array = _new(p, p.rows, p.cols, p.trans, &new[i]) if block is None else block[i]
        (<dict> made[i])[gradient if i > 0 else name] = array
    with nogil:
        levels.verbs.step(descent, results, given, new)
    return True


# ---------------------------------------------------------------------------- two arrays, one shape

cdef inline bint _has_rows(const Matrix *matrix, bint trans) noexcept nogil:
    # whether memory rows in this order are contiguous, and long enough for a loop each
    return ((matrix.row if trans else matrix.col) == (4 if matrix.type == b'f' else 8)
            and (matrix.rows if trans else matrix.cols) >= SHORT)


cdef enum:
    MEAN = 1  # the rate of a sum that is divided by the number of columns, and an array


cdef object _paired(Pairing pairing, int activation, double rate, X, Y):
    # the pairing's result for X and Y, in the order of X
    cdef:
        Matrix x, y, out
        double total
    if not (_look(X, &x) and _look_like(Y, &x, x.rows, x.cols, &y)):
        return None
    if not _has_rows(&x, x.trans):
        X = _laid(X, &x, x.trans)
    cdef bint sums = pairing in (CROSS_ENTROPY, SKIPPING_NAN, CATEGORICAL, SQUARED, DOT)
    if sums:
        if x.rows * x.cols > TILED and not _has_rows(&y, x.trans):
            Y = _laid(Y, &y, x.trans)
        out.data = x.data  # never written to
    else:
        made = _new(&x, x.rows, x.cols, x.trans, &out)
    with nogil:
        total = levels.verbs.pair(pairing, <Activation> activation, rate, &x, &y, &out)
    if sums and rate == MEAN:
        return as_array(total / x.cols, float32 if x.type == b'f' else float64)
    if sums:
        return total
    return made


include "repeated.pxi"
