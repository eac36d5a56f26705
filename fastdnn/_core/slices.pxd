# Fixed slices of a matrix's rows: of a batch, or of a W.
#
# They follow from shapes alone. A sum over rows is that of each slice, added in a fixed order, and
# a product of BLAS is made slice by slice: so no bit depends on the threads that share the slices.

cdef enum:
    SLICES = 64         # of a matrix, at most
    ONE = 32            # examples of a batch that is one slice
    GROUP = 8           # slices whose sums are added before those of the next ones
    WORTH = 65_536      # multiplications that are worth a slice
    OF_VECTOR = 1024    # rows of a W of one unit that are
    PORTIONS = 4        # units of work for each of several threads, some slices each


cdef struct Cut:
    # how a matrix is cut
    Py_ssize_t rows
    Py_ssize_t slices
    Py_ssize_t grain  # slices begin at its multiples


cdef struct Rows:
    # some slices, one after the other, and their rows
    Py_ssize_t begin
    Py_ssize_t end
    Py_ssize_t first
    Py_ssize_t size


cdef inline Cut cut_rows(Py_ssize_t rows) noexcept nogil:
    # an even number of slices, of at least half of ONE; the loops take four rows at a time
    cdef Cut cut
    cut.rows, cut.slices, cut.grain = rows, 1, 4
    if rows > ONE:
        cut.slices = min(<Py_ssize_t> SLICES, 2 * ((rows + 2 * ONE - 1) // (2 * ONE)))
    return cut


cdef inline Cut cut_batch(Py_ssize_t rows, Py_ssize_t size) noexcept nogil:
    # of a network with so many parameters: slices as long as a group of others where such a group
    # is not worth four
    cdef:
        Cut cut = cut_rows(rows)
        Py_ssize_t long_ = GROUP * ONE
    if long_ * size < 4 * WORTH:
        cut.slices = min(cut.slices, (rows + long_ - 1) // long_)
    return cut


cdef inline Cut cut_weights(Py_ssize_t n_prev, Py_ssize_t n, Py_ssize_t batch) noexcept nogil:
    # as many slices as are worth a thread; those of a vector begin with whole vectors
    cdef Cut cut
    cut.rows, cut.grain = n_prev, 1 if n > 1 else 64
    cut.slices = min(<Py_ssize_t> SLICES, <Py_ssize_t> (<double> n_prev * n * batch / WORTH))
    cut.slices = max(1, min(cut.slices, n_prev // (4 if n > 1 else OF_VECTOR)))
    return cut


cdef inline Py_ssize_t slice_row(const Cut *cut, Py_ssize_t s) noexcept nogil:
    # the first row of a slice; that of the slice behind the last is behind the last row
    if s == 0:
        return 0
    if s == cut.slices:
        return cut.rows
    return cut.rows * s // cut.slices // cut.grain * cut.grain


cdef inline Rows some(const Cut *cut, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Rows rows
    rows.begin, rows.end, rows.first = begin, end, slice_row(cut, begin)
    rows.size = slice_row(cut, end) - rows.first
    return rows


cdef inline Py_ssize_t portions(const Cut *cut, Py_ssize_t n_threads) noexcept nogil:
    return min(cut.slices, PORTIONS * n_threads if n_threads > 1 else 1)


cdef inline Rows unit_of(const Cut *cut, Py_ssize_t units, Py_ssize_t unit) noexcept nogil:
    return some(cut, cut.slices * unit // units, cut.slices * (unit + 1) // units)


cdef inline double added(Py_ssize_t count, const double *x) noexcept nogil:
    # the sum of the slices' sums
    cdef:
        Py_ssize_t s = 0, end
        double total = 0, group
    if count == 1:
        return x[0]
    while s < count:
        end = min(s + GROUP, count)
        group = 0
        while s < end:
            group += x[s]
            s += 1
        total += group
    return total
