# What an array's memory holds, which the doors ask through the buffer protocol.

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, Py_buffer, PyBuffer_Release, PyObject_GetBuffer,
)


cdef extern from *:
    bint PY_LITTLE_ENDIAN

cdef enum:
    LIMIT = 0x7fffffff  # the largest dimension that a BLAS with 32-bit sizes can count


cdef inline bint aligned(const Py_buffer *buffer) noexcept:
    cdef:
        size_t places = <size_t> buffer.buf
        int i
    for i in range(buffer.ndim):
        # the stride of a dimension of 1 means nothing
        if buffer.shape[i] > 1:
            places |= <size_t> buffer.strides[i]
    # element sizes are powers of 2
    return places & <size_t> (buffer.itemsize - 1) == 0


cdef inline char look(object array, Py_buffer *buffer) except? -1:
    # The element type of an array, whose buffer the caller then releases, or 0. The memory
    # outlives the buffer: the caller holds the array, as for any NumPy function.
    cdef char type
    try:
        PyObject_GetBuffer(array, buffer, PyBUF_FORMAT | PyBUF_STRIDES)
    except ValueError:  # an element type that the protocol does not know
        return 0
    type = element(buffer)
    if type == 0:
        PyBuffer_Release(buffer)
    return type


cdef inline char element(const Py_buffer *buffer) noexcept:
    # f float32, d float64, q int64, B bytes, ? booleans, if native and aligned; else 0
    # If the memory is native and aligned, NumPy's format is one letter.
    if buffer.format[0] in b"fd" and buffer.format[1] == 0:
        return buffer.format[0]
    return _unusual(buffer)


cdef inline char _unusual(const Py_buffer *buffer) noexcept:
    # A sign stands before the letter where the memory is not aligned, or where the type was made
    # with an explicit byte order, though it equals the native one.
    cdef:
        const char *format = buffer.format
        char order = b'>'
    if PY_LITTLE_ENDIAN:
        order = b'<'
    if format[0] == order or format[0] == b'=':
        if not aligned(buffer):
            return 0
        format += 1
    if format[0] == 0 or format[1] != 0:
        return 0
    if format[0] in b"lq":
        return b'q' if buffer.itemsize == 8 else 0
    return format[0] if format[0] in b"fdB?" else 0
