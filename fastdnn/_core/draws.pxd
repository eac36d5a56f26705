# The order of the examples, drawn from NumPy's bit generator as NumPy draws it.

from libc.stdint cimport int64_t, uint32_t

from fastdnn._core.spec cimport BitGenerator


cdef inline void shuffle(BitGenerator *bits, Py_ssize_t m, int64_t *order) noexcept nogil:
    # What Generator.shuffle and RandomState.shuffle do, to the bit: each example from the last on
    # changes places with one up to it, of which numbers in the smallest power of 2 are tried. No
    # branch depends on a number: one that is too large changes nothing.
    cdef:
        uint32_t i, j, fits, mask = 0
    if m < 2:
        return
    i = <uint32_t> (m - 1)
    while mask < i:
        mask = 2 * mask + 1
    while i > 0:
        if i <= mask >> 1:
            mask >>= 1
        j = bits.next_uint32(bits.state) & mask
        fits = j <= i
        j = i - ((i - j) & (0 - fits))
        order[i], order[j] = order[j], order[i]
        i -= fits
