# What an array's memory holds, which the doors ask through the buffer protocol.

from cpython.buffer cimport Py_buffer


cdef extern from *:
    bint PY_LITTLE_ENDIAN

cdef enum:
    LIMIT = 0x7fffffff  # the largest dimension that a BLAS with 32-bit sizes can count


cdef inline char element(const Py_buffer *buffer) noexcept:
    # b'f' float32, b'd' float64, b'q' int64, b'B' bytes, if native and aligned; else 0
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
        size_t places = <size_t> buffer.buf
        int i
    if PY_LITTLE_ENDIAN:
        order = b'<'
    if format[0] == order or format[0] == b'=':
        for i in range(buffer.ndim):
            # the stride of a dimension of 1 means nothing
            if buffer.shape[i] > 1:
                places |= <size_t> buffer.strides[i]
        # element sizes are powers of 2
        if places & <size_t> (buffer.itemsize - 1):
            return 0
        format += 1
    if format[0] == 0 or format[1] != 0:
        return 0
    if format[0] in b"lq":
        return b'q' if buffer.itemsize == 8 else 0
    return format[0] if format[0] in b"fdB" else 0
