# Loops over layers of activations, forward above backward.

cdef inline void add_bias(
    bint unit_rows, Py_ssize_t size, const floating *b, const floating *x, floating *z,
) noexcept nogil:
    # z := x + b; z may be x
    cdef:
        Py_ssize_t j
        floating b_unit = b[0]
    if z == x:
        if unit_rows:
            for j in range(size):
                z[j] += b_unit
        else:
            for j in range(size):
                z[j] += b[j]
    elif unit_rows:
        for j in range(size):
            z[j] = x[j] + b_unit
    else:
        for j in range(size):
            z[j] = x[j] + b[j]


cdef inline void bias_relu(
    bint unit_rows, Py_ssize_t size, const floating *b, floating *z,
) noexcept nogil:
    # z := relu(z + b), the usual layer of a network in training, in one pass
    cdef:
        Py_ssize_t j
        floating b_unit = b[0]
    if unit_rows:
        for j in range(size):
            z[j] = relu_point(z[j] + b_unit)
    else:
        for j in range(size):
            z[j] = relu_point(z[j] + b[j])


cdef inline floating sum_(Py_ssize_t size, const floating *x) noexcept nogil:
    cdef:
        floating total[16]
        Py_ssize_t i, k, whole = size // 16 * 16
    for k in range(16):
        total[k] = 0
    for i in range(0, whole, 16):
        for k in range(16):
            total[k] += x[i + k]
    for i in range(whole, size):
        total[0] += x[i]
    for k in range(8):
        total[k] += total[k + 8]
    for k in range(4):
        total[k] += total[k + 4]
    return (total[0] + total[2]) + (total[1] + total[3])


cdef inline void copy(Py_ssize_t size, const floating *x, floating *y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = x[i]


cdef inline void multiply_by(Py_ssize_t size, const floating *x, floating *y) noexcept nogil:
    # y := x y, element by element
    cdef Py_ssize_t i
    for i in range(size):
        y[i] *= x[i]


cdef inline void derive(
    Activation act, Py_ssize_t size, const floating *dA, const floating *S, floating *dZ,
    floating *block,
) noexcept nogil:
    # activate_backward, where dZ may be dA
    cdef Py_ssize_t i
    if dA == dZ and act == RELU:
        for i in range(size):
            dZ[i] = relu_backward_point(dZ[i], S[i])
    elif dA == dZ and act != IDENTITY:
        copy(size, dA, block)
        activate_backward(act, size, <const floating *> block, S, dZ)
    else:
        activate_backward(act, size, dA, S, dZ)


cdef void bias_activate(
    Activation act, bint derives, bint unit_rows, Py_ssize_t rows, Py_ssize_t cols,
    const floating *b, floating *Z, floating *A,
) noexcept nogil:
    # Z := Z + b, A := act(Z); A may be Z, and IDENTITY leaves it alone. If it derives, Z := act'(Z)
    # then, which is a function of z, and A is elsewhere.
    cdef:
        Py_ssize_t width = min(cols, BLOCK), height = max(1, BLOCK // cols)
        Py_ssize_t i, i0 = 0, j0, h, w, at
        floating block[BLOCK]
        floating *z
    while i0 < rows:
        h = min(height, rows - i0)
        j0 = 0
        while j0 < cols:
            w = min(width, cols - j0)
            at = i0 * cols + j0
            if A == Z and act == RELU and w >= 32:
                for i in range(h):
                    bias_relu(unit_rows, w, b + (i0 + i if unit_rows else j0), A + at + i * cols)
                j0 += w
                continue
            # the compiler vectorises no loop between two pointers to the same memory
            z = Z + at
            if A == Z and act != IDENTITY:
                z = &block[0]
            for i in range(h):
                add_bias(unit_rows, w, b + (i0 + i if unit_rows else j0), Z + at + i * cols,
                         z + i * cols)
            if derives:
                activate_and_derive(act, h * w, z, A + at)
            else:
                activate(act, h * w, <const floating *> z, A + at)
            j0 += w
        i0 += h


cdef void bias_activate_backward(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t cols, double scale,
    const floating *dA, const floating *S, floating *dZ, floating *db,
) noexcept nogil:
    # dZ := dA * act'(Z), db := scale * (sum of dZ over the examples); dZ may be dA, and is dA with
    # IDENTITY. S is what the derivative is a function of.
    # The sums of the blocks are carried in double, so that they stay right over millions of float32
    # examples.
    cdef:
        Py_ssize_t width = min(cols, BLOCK), height = max(1, BLOCK // cols)
        Py_ssize_t i, j, i0, j0 = 0, h, w, at
        const floating *x = dA if act == IDENTITY else dZ
        floating block[BLOCK]
        double total[BLOCK]
    if unit_rows:
        i0 = 0
        while i0 < rows:
            h = min(height, rows - i0)
            j0 = 0
            while j0 < cols:
                w = min(width, cols - j0)
                at = i0 * cols + j0
                derive(act, h * w, dA + at, S + at, dZ + at, block)
                for i in range(h):
                    total[i] = sum_(w, x + at + i * cols) + (total[i] if j0 > 0 else 0.0)
                j0 += w
            for i in range(h):
                db[i0 + i] = <floating> (scale * total[i])
            i0 += h
    else:
        j0 = 0
        while j0 < cols:
            w = min(width, cols - j0)
            for j in range(w):
                total[j] = 0
            i0 = 0
            while i0 < rows:
                h = min(height, rows - i0)
                at = i0 * cols + j0
                derive(act, h * w, dA + at, S + at, dZ + at, block)
                for j in range(w):
                    block[j] = x[at + j]
                for i in range(1, h):
                    for j in range(w):
                        block[j] += x[at + i * cols + j]
                for j in range(w):
                    total[j] += block[j]
                i0 += h
            for j in range(w):
                db[j0 + j] = <floating> (scale * total[j])
            j0 += w


cdef double cross_entropy(
    Py_ssize_t size, const floating *AL, const floating *Y, bint skips,
) noexcept nogil:
    # sum of -(Y log(AL) + (1 - Y) log(1 - AL)), without terms that are NaN where it skips them
    cdef:
        floating zero = 0, one = 1
        floating term[256]
        Py_ssize_t i, i0 = 0, n
        double total = 0
    while i0 < size:
        n = min(256, size - i0)
        for i in range(n):
            term[i] = Y[i0 + i] * log_(AL[i0 + i]) + (one - Y[i0 + i]) * log_(one - AL[i0 + i])
        if skips:
            for i in range(n):
                term[i] = term[i] if term[i] == term[i] else zero
        total -= sum_(n, <const floating *> term)
        i0 += n
    return total


cdef void cross_entropy_backward(
    Py_ssize_t size, const floating *AL, const floating *Y, floating *dAL,
) noexcept nogil:
    # dAL := -(Y / AL - (1 - Y) / (1 - AL))
    cdef:
        floating one = 1
        Py_ssize_t i
    for i in range(size):
        dAL[i] = (one - Y[i]) / (one - AL[i]) - Y[i] / AL[i]
