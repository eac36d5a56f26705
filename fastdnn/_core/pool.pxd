cdef enum:
    LARGE = 1 << 17  # bytes of the least array whose memory is kept for another one

# an array as numpy.empty makes it, of so many bytes or more
cdef object new_large(tuple shape, object dtype, bint trans)
