# The doors of the course's functions: one layer, one example a column.

from cpython.buffer cimport (
    PyBUF_STRIDES, Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release, PyObject_GetBuffer,
)

import numpy

from fastdnn._core cimport levels
from fastdnn._core.activations cimport IDENTITY, RELU, SIGMOID_Z, Activation
from fastdnn._core.memory cimport LIMIT, look
from fastdnn._core.spec cimport (
    CROSS_ENTROPY, CROSS_ENTROPY_BACKWARD, DERIVE, DESCEND, SHORT, TILED, Descent, Matrix, Pairing,
)
from fastdnn._core.workers cimport get_threads

# the codes of the activations; the first one stands for no activation
ACTIVATIONS = {"identity": IDENTITY, "relu": RELU, "sigmoid": SIGMOID_Z}

cdef:
    object ndarray = numpy.ndarray
    object empty = numpy.empty
    object float32 = numpy.dtype("float32")
    object float64 = numpy.dtype("float64")


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


cdef inline int _threads() noexcept:
    # of BLAS
    return get_threads() if get_threads != NULL else 1


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
    with nogil:
        levels.verbs.lay(matrix, &copy)
    matrix[0] = copy
    return array


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
    cdef int threads = _threads()
    with nogil:
        levels.verbs.layer_forward(
            threads, <Activation> activation, &a_prev, &w, &bias, &z, &a)
    return A, Z


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
            # dA's copy lies in the memory of dZ, which is then computed in place
            with nogil:
                levels.verbs.lay(&da, &dz)
            da = dz
    dA_prev = _new(&a_prev, a_prev.rows, a_prev.cols, a_prev.trans, &da_prev)
    dW = _new(&w, w.rows, w.cols, w.trans, &dw)
    db = _new(&w, w.rows, 1, False, &bias)
    cdef int threads = _threads()
    with nogil:
        levels.verbs.layer_backward(
            threads, <Activation> activation, &da, &z, &dz, &a_prev, &w, &da_prev, &dw, &bias)
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
    return _paired(CROSS_ENTROPY, IDENTITY, 0, AL, Y)


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
        square = None if s is None else s[gradient]
    except (KeyError, TypeError, IndexError):
        return False
    if not (_look(P, p) and _look_like(dP, p, p.rows, p.cols, &given[1])
            and _look_like(mean, p, p.rows, p.cols, &given[2])
            and (s is None or _look_like(square, p, p.rows, p.cols, &given[3]))):
        return False
    P = _laid(P, p, p.trans)
    dP = _laid(dP, &given[1], p.trans)
    mean = _laid(mean, &given[2], p.trans)
    if s is not None:
        square = _laid(square, &given[3], p.trans)
    for i in range(results):
        (<dict> made[i])[gradient if i > 0 else name] = _new(p, p.rows, p.cols, p.trans, &new[i])
    with nogil:
        levels.verbs.step(descent, results, given, new)
    return True


# ---------------------------------------------------------------------------- two arrays, one shape

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
        if x.rows * x.cols > TILED and not _has_rows(&y, x.trans):
            Y = _laid(Y, &y, x.trans)
        out.data = x.data  # never written to
    else:
        made = _new(&x, x.rows, x.cols, x.trans, &out)
    with nogil:
        total = levels.verbs.pair(pairing, <Activation> activation, rate, &x, &y, &out)
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
        Matrix a, b, c
        bint done
    if not (_look(C, &c) and _look_like(A, &c, A.shape[0], A.shape[1], &a)
            and _look_like(B, &c, B.shape[0], B.shape[1], &b)
            and A.flags.c_contiguous and B.flags.c_contiguous and C.flags.c_contiguous):
        raise ValueError("all must be whole matrices of one element type")
    _transpose(&a, trans_A)
    _transpose(&b, trans_B)
    if not (a.rows == c.rows and a.cols == b.rows and b.cols == c.cols):
        raise ValueError("the shapes do not fit")
    with nogil:
        done = levels.verbs.multiply_often(&a, &b, &c, ours, steps)
    return done


cdef void _transpose(Matrix *matrix, bint trans) noexcept:
    # a C-contiguous one, if so asked
    if trans:
        matrix.rows, matrix.cols = matrix.cols, matrix.rows
    matrix.trans = trans
