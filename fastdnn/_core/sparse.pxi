# The product of a sparse matrix, by its rows, with a dense one.

cdef inline void add_one(
    Py_ssize_t n, floating x, const floating *b, bint begins, floating *c,
) noexcept nogil:
    # c := x b, or c + x b
    cdef Py_ssize_t j
    if begins:
        for j in range(n):
            c[j] = x * b[j]
    else:
        for j in range(n):
            c[j] += x * b[j]


cdef inline void add_four(
    Py_ssize_t n, const floating *x, const floating *b0, const floating *b1, const floating *b2,
    const floating *b3, bint begins, floating *c,
) noexcept nogil:
    # the same with four rows
    cdef:
        Py_ssize_t j
        floating x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3]
    if begins:
        for j in range(n):
            c[j] = (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j])
    else:
        for j in range(n):
            c[j] += (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j])


cdef void sparse_product(
    Py_ssize_t rows, Py_ssize_t n_B, Py_ssize_t n, const int64_t *starts, const int32_t *indices,
    const floating *values, const floating *B, floating *C,
) noexcept nogil:
    # C (rows, n) := A B (n_B, n), where row i of A holds values[k] in column indices[k], with
    # starts[i] <= k < starts[i + 1]. The rows of a large B are fetched ahead, a line at a time.
    cdef:
        Py_ssize_t i, j, line = 64 // sizeof(floating)
        int64_t k, stop, ahead
        const floating *b
        bint far = n_B * n * sizeof(floating) > 262144
    for i in range(rows):
        k, stop = starts[i], starts[i + 1]
        if k == stop:
            for j in range(n):
                C[j] = 0
        while k + 4 <= stop:
            if far:
                for ahead in range(k + 8, min(k + 12, stop)):
                    b = B + <Py_ssize_t> indices[ahead] * n
                    for j in range((n + line - 1) // line):
                        fastdnn_fetch(b + j * line)
            add_four(
                n, values + k, B + <Py_ssize_t> indices[k] * n,
                B + <Py_ssize_t> indices[k + 1] * n, B + <Py_ssize_t> indices[k + 2] * n,
                B + <Py_ssize_t> indices[k + 3] * n, k == starts[i], C)
            k += 4
        while k < stop:
            add_one(n, values[k], B + <Py_ssize_t> indices[k] * n, k == starts[i], C)
            k += 1
        C += n
