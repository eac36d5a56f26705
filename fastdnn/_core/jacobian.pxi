# A part of plan.pyx: the derivatives of a network's outputs by its inputs, one example a row.
#
#     forward      Z[l] = A[l-1] W[l] + b[l]             A[l] = act(Z[l])
#     seed         G[L] = the output's derivatives by Z[L]
#     backward     dA[l-1] = G[l] W[l]^T                 G[l-1] = dA[l-1] * act'
#
# The last dA, by the input, is the result. A row of G belongs to an example and to one of its
# outputs, so that all outputs of some examples are one product. Whatever takes time is a verb.

cdef struct Jacobian:
    const Net *net
    Py_ssize_t outputs  # 1, or all
    Py_ssize_t chunk    # examples at a time
    Py_ssize_t pairs    # of an example and an output, at a time
    Py_ssize_t hidden   # units of all hidden layers
    Py_ssize_t itemsize
    # workspace: (chunk, n) of each hidden layer, one after the other, what act' is a function of
    char *S
    char *A             # (chunk, n) of a layer whose S is Z
    char *Z             # (chunk, n_L): what the output's derivatives are functions of
    char *G             # (pairs, n)
    char *dA


cdef Py_ssize_t jacobian_bytes(Jacobian *job, Py_ssize_t rows) noexcept nogil:
    # how much is done at a time of so many rows; returns the bytes of workspace for that
    cdef:
        const Net *net = job.net
        Py_ssize_t l, n_L = net.layers[net.L - 1].n
    job.hidden = 0
    for l in range(net.L - 1):
        job.hidden += net.layers[l].n
    job.itemsize = 4 if net.type == b'f' else 8
    job.chunk = rows
    job.pairs = min(<Py_ssize_t> CHUNK, job.chunk * job.outputs)
    return job.itemsize * (job.chunk * (job.hidden + net.widest + n_L)
                           + 2 * job.pairs * max(net.widest, n_L))


cdef void divide(Jacobian *job, char *work) noexcept nogil:
    cdef:
        const Net *net = job.net
        Py_ssize_t n_L = net.layers[net.L - 1].n
    job.S = work
    job.A = job.S + job.chunk * job.hidden * job.itemsize
    job.Z = job.A + job.chunk * net.widest * job.itemsize
    job.G = job.Z + job.chunk * n_L * job.itemsize
    job.dA = job.G + job.pairs * max(net.widest, n_L) * job.itemsize


cdef void derive_rows(
    Jacobian *job, const Source *X, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t output, char *dX,
) noexcept nogil:
    # of the rows first .. stop of X into those of dX: (m, n_0) of one output, or, if that is below
    # 0, (m, n_L, n_0) of all
    cdef:
        Py_ssize_t i = first, j, rows, size, n_0 = X.cols
        Py_ssize_t n_L = job.net.layers[job.net.L - 1].n
        Py_ssize_t end = n_L if output < 0 else output + 1
        char *out
        const void *x
        uint64_t modes = flush_subnormals()
    while i < stop:
        rows = min(job.chunk, stop - i)
        out = dX + i * job.outputs * n_0 * job.itemsize
        if X.type == job.net.type and X.col == 1 and X.row == n_0:
            x = <const char *> X.data + i * n_0 * job.itemsize
        else:
            # to where its derivatives go: it is read before they are there
            x = out
            if job.net.type == b'f':
                gather(rows, i, NULL, X, <float *> out)
            else:
                gather(rows, i, NULL, X, <double *> out)
        forward(job, rows, x)
        j = max(output, <Py_ssize_t> 0)
        while j < end:
            # one example may have more outputs than are taken at a time
            size = min(end - j, <Py_ssize_t> CHUNK)
            if job.net.type == b'f':
                seed(job.net.output, rows, n_L, j, size, <float *> job.Z, <float *> job.G)
            else:
                seed(job.net.output, rows, n_L, j, size, <double *> job.Z, <double *> job.G)
            backward(job, rows, size, out)
            j += size
            out += size * n_0 * job.itemsize
        i += rows
    restore_modes(modes)


cdef void forward(Jacobian *job, Py_ssize_t rows, const void *X) noexcept nogil:
    # S of the hidden layers, and Z: the logits, or of softmax the probabilities
    cdef:
        Py_ssize_t l
        const Layer *layer
        Activation act
        Dropout none
        Matrix A_prev, W, b, Z, A
        char *S = job.S
        char *params = <char *> job.net.params
    none.kept, none.keep, none.dA = NULL, 1, NULL
    A_prev = examples(job, rows, job.net.layers[0].n_prev, <void *> X)
    for l in range(job.net.L):
        layer = &job.net.layers[l]
        act = layer.act
        if l == job.net.L - 1:
            S = job.Z
            if job.net.output == OUTPUT_SOFTMAX:
                act = SOFTMAX
        # W (n, n_prev) as the course has it
        W = examples(job, layer.n_prev, layer.n, params + layer.at * job.itemsize)
        b = examples(job, 1, layer.n, <char *> W.data + layer.n_prev * layer.n * job.itemsize)
        Z = A = examples(job, rows, layer.n, S)
        if layer.of_Z:
            A.data = job.A
        levels.verbs.layer_forward(1, act, &none, &A_prev, &W, &b, &Z, &A)
        A_prev = A
        S += rows * layer.n * job.itemsize


cdef Matrix examples(
    const Jacobian *job, Py_ssize_t rows, Py_ssize_t n, void *data,
) noexcept nogil:
    # rows of n units as the matrix (n, rows) that one layer of the course reads
    cdef Matrix matrix
    matrix.type, matrix.trans, matrix.whole = job.net.type, True, True
    matrix.rows, matrix.cols = n, rows
    matrix.row, matrix.col = job.itemsize, n * job.itemsize
    matrix.data = data
    return matrix


cdef void seed(
    Output output, Py_ssize_t rows, Py_ssize_t n_L, Py_ssize_t first, Py_ssize_t outputs,
    const floating *Z, floating *G,
) noexcept nogil:
    # G (rows, outputs, n_L) := the derivatives of the outputs from the first one on by the logits
    cdef:
        Py_ssize_t i, j, k
        floating others
    for i in range(rows):
        for j in range(first, first + outputs):
            others = 0
            for k in range(n_L):
                # of softmax -p_j p_k, and p_j (1 - p_j) is the sum of the others' p_j p_k
                G[k] = -Z[j] * Z[k] if output == OUTPUT_SOFTMAX and k != j else 0
                others -= G[k]
            if output == OUTPUT_SIGMOID:
                # a (1 - a) would be 0 where a rounds to 1
                G[j] = sigmoid_point(Z[j]) * sigmoid_point(-Z[j])
            elif output == OUTPUT_SOFTMAX:
                G[j] = others
            else:
                G[j] = exp_of_any(Z[j]) if output == OUTPUT_EXP else 1
            G += n_L
        Z += n_L


cdef void backward(
    const Jacobian *job, Py_ssize_t rows, Py_ssize_t outputs, char *dX,
) noexcept nogil:
    # dX (rows, outputs, n_0) := the derivatives by the input from those by the logits, G
    cdef:
        Py_ssize_t l, n
        const Layer *layer
        Source left, W, right
        char *S = job.S + rows * job.hidden * job.itemsize
        char *G = job.G
        char *dA = job.dA
    for l in range(job.net.L - 1, -1, -1):
        layer = &job.net.layers[l]
        n = layer.n_prev
        if l == 0:
            dA = dX
        left = matrix(job, rows * outputs, layer.n, G)
        W = matrix(job, n, layer.n, <char *> job.net.params + layer.at * job.itemsize)
        # transposed
        W.rows, W.cols, W.row, W.col = layer.n, n, 1, layer.n
        right = matrix(job, rows * outputs, n, dA)
        levels.verbs.multiply(&left, &W, 1, 0, &right, 0, cut_rows(right.rows).slices)
        if l > 0:
            S -= rows * n * job.itemsize
            if layer[-1].act == IDENTITY:
                G, dA = dA, G
            else:
                derive(job, layer[-1].act, rows, outputs, n, dA, S, G)


cdef Source matrix(
    const Jacobian *job, Py_ssize_t rows, Py_ssize_t cols, void *data,
) noexcept nogil:
    cdef Source source
    source.type, source.rows, source.cols = job.net.type, rows, cols
    source.row, source.col, source.data = cols, 1, data
    source.csr.starts, source.csr.indices, source.csr.values = NULL, NULL, NULL
    return source


cdef void derive(
    const Jacobian *job, Activation act, Py_ssize_t rows, Py_ssize_t outputs, Py_ssize_t n,
    char *dA, char *S, char *G,
) noexcept nogil:
    # G (rows, outputs, n) := dA * act', where S (rows, n) has one row for all outputs of an example
    cdef:
        Py_ssize_t size
        bint several = outputs > 1
        Matrix x, y, out
    if not several:
        outputs, rows = rows, 1
    size = outputs * n * job.itemsize
    for _ in range(rows):
        x, y = examples(job, outputs, n, dA), examples(job, outputs, n, S)
        out = examples(job, outputs, n, G)
        if several:
            y.col, y.whole = 0, False
        levels.verbs.pair(DERIVE, act, 0, &x, &y, &out)
        dA, S, G = dA + size, S + n * job.itemsize, G + size
