# A part of course.pyx: what else its functions ask of labels and weights, and masks: a caller's,
# and those that nobody asks to have again, drawn from a counter by the mixing of splitmix64.

# the codes of the sums that `total` makes
COSTS = {"sigmoid": CROSS_ENTROPY, "softmax": CATEGORICAL, "identity": SQUARED}
PRODUCTS = DOT
SKIPPING = SKIPPING_NAN


def total(int summed, X, Y):
    """The sum of a cost, by its code in COSTS, over the elements of X and Y; or of X * Y."""
    return _paired(<Pairing> summed, IDENTITY, 0, X, Y)


def are_distributions(Y):
    """Whether no element is below 0 and each column sums to 1, to within 1e-4."""
    cdef:
        Matrix y
        bint fit
    if not _look(Y, &y):
        return None
    with nogil:
        fit = _sum_to_one(&y)
    return fit


cdef bint _sum_to_one(const Matrix *Y) noexcept nogil:
    cdef:
        Py_ssize_t j
        double value, sum_
        const char *data
    for j in range(Y.cols):
        data = <const char *> Y.data + j * Y.col
        sum_ = 0
        for _ in range(Y.rows):
            value = (<const float *> data)[0] if Y.type == b'f' else (<const double *> data)[0]
            if not value >= 0:
                return False
            sum_ += value
            data += Y.row
        if not fabs(sum_ - 1) <= 1e-4:
            return False
    return True


# ------------------------------------------------------------------------------------------- masks

cdef object _mask(object D, const Matrix *like, bint trans, const unsigned char **kept):
    # a mask of the matrix's shape, laid in this order: D itself or a copy; or None
    cdef:
        Py_buffer buffer
        bint fits, laid
    if type(D) is not ndarray or D.dtype is not boolean:
        return None
    PyObject_GetBuffer(D, &buffer, PyBUF_STRIDES)
    fits = (buffer.ndim == 2 and buffer.shape[0] == like.rows and buffer.shape[1] == like.cols
            and buffer.itemsize == 1)
    laid = PyBuffer_IsContiguous(&buffer, b'F' if trans else b'C')
    kept[0] = <const unsigned char *> buffer.buf
    PyBuffer_Release(&buffer)
    if fits and not laid:
        return _mask(D.copy("F" if trans else "C"), like, trans, kept)
    return D if fits else None


# what masks of our own are drawn from: each thread that asks takes the next number
cdef int64_t _counter


def seed_masks(uint64_t seed):
    """Begin the masks of our own anew."""
    write(&_counter, <int64_t> seed)


cdef uint64_t _next() noexcept nogil:
    cdef int64_t before, after
    while True:
        before = read(&_counter)
        after = <int64_t> (<uint64_t> before + STRIDE)
        if swap(&_counter, before, after):
            return mixed(<uint64_t> after)


cdef object _new_mask(
    Py_ssize_t rows, Py_ssize_t cols, bint trans, double keep, const unsigned char **kept,
):
    # a mask of our own, in this memory order
    cdef:
        Py_buffer buffer
        uint64_t counter
    D = empty((rows, cols), boolean, "F" if trans else "C")
    PyObject_GetBuffer(D, &buffer, PyBUF_STRIDES)
    kept[0] = <const unsigned char *> buffer.buf
    counter = _next()
    with nogil:
        levels.verbs.keep(counter, rows * cols, keep, <unsigned char *> buffer.buf)
    PyBuffer_Release(&buffer)
    return D


def new_mask(Py_ssize_t n, Py_ssize_t m, double keep):
    """A mask of our own, (n, m) of bool, True with the probability to keep."""
    cdef const unsigned char *kept
    return _new_mask(n, m, False, keep, &kept)
