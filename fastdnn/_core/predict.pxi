# Predictions and the cost of examples, which read the weights and change nothing.

cdef void infer(
    const Layer *layers, Py_ssize_t L, Activation act, const floating *params,
    Py_ssize_t M, Py_ssize_t rows, const floating *X, const Nonzeros *sparse,
    floating *work, floating *work_prev, floating *AL,
) noexcept nogil:
    # AL := act of the logits of rows of X, dense or sparse, some of M; the two pieces of workspace
    # hold the hidden layers in turns
    cdef:
        Py_ssize_t l
        const Layer *layer
        const floating *A_prev = X
        floating *A
    for l in range(L):
        layer = &layers[l]
        A = AL if l == L - 1 else work
        if l == 0 and sparse != NULL:
            sparse_product(
                rows, layer.n_prev, layer.n, sparse.starts, sparse.indices,
                <const floating *> sparse.values, params + layer.at, False, A)
        else:
            forward_product(M, rows, layer.n, layer.n_prev, A_prev, params + layer.at, A)
        add_bias_and_activate(
            act if l == L - 1 else layer.act, False, False, rows, layer.n,
            params + layer.at + layer.n_prev * layer.n, A, A)
        A_prev = A
        work, work_prev = work_prev, work


cdef inline void forward_product(
    Py_ssize_t M, Py_ssize_t rows, Py_ssize_t n, Py_ssize_t n_prev,
    const floating *A_prev, const floating *W, floating *Z,
) noexcept nogil:
    # Z := A_prev W of rows that are some of M. Our own loops give a row the same bits whichever
    # rows are asked for; BLAS is called for FEWEST rows.
    cdef Py_ssize_t i = 0, size = rows
    if not FASTDNN_HAS_VECTORS:
        size = FEWEST
    while i < rows:
        rows_of_product(
            M, False, False, False, min(size, rows - i), n, n_prev,
            <floating> 1, A_prev + i * n_prev, W, <floating> 0, Z + i * n)
        i += size


cdef double predict_rows(
    const Net *net, const Source *X, Py_ssize_t first, Py_ssize_t stop, floating *work,
    const Targets *Y, floating *AL,
) noexcept nogil:
    # the activations of the output, of the rows first .. stop of X, into those of AL; or with
    # targets, those of these rows, the sum of their costs. All of X decides what makes a row.
    cdef:
        Py_ssize_t i = first, j, h, rows, chunk = min(stop - first, net.chunk)
        Py_ssize_t M = min(X.rows, net.chunk)
        Py_ssize_t n_L = net.layers[net.L - 1].n
        bint in_place = X.type == net.type and X.col == 1 and X.row == X.cols
        bint sparse = reads_nonzeros(X, net.layers[0].n, M, sizeof(floating))
        Nonzeros nonzeros = X.csr
        floating *hidden = work
        floating *hidden_prev = hidden + chunk * net.widest
        floating *T_batch = hidden_prev + chunk * net.widest
        floating *Z = T_batch + chunk * n_L
        floating *gathered = Z + chunk * n_L
        floating *out = Z
        const floating *x = NULL
        const floating *w = NULL
        const floating *T
        Activation act = IDENTITY
        double total = 0
        uint64_t modes = flush_subnormals()
    if Y == NULL and net.output == OUTPUT_SIGMOID:
        act = SIGMOID
    while i < stop:
        rows = min(chunk, stop - i)
        if sparse:
            nonzeros.starts = X.csr.starts + i
        elif in_place:
            x = <const floating *> X.data + i * X.cols
        else:
            gather(rows, i, NULL, X, gathered)
            x = gathered
        if Y == NULL:
            out = AL + i * n_L
        infer(net.layers, net.L, act, <const floating *> net.params,
              M, rows, x, &nonzeros if sparse else NULL, hidden, hidden_prev, out)
        if Y != NULL:
            T = targets(Y, NULL, n_L, i - first, rows, T_batch)
            if Y.classes != NULL:
                w = <const floating *> Y.weights
                Y.wrong[0] += wrong_weight(
                    rows, n_L, out, Y.classes + i - first, w if w == NULL else w + i - first)
                w = NULL
            j = 0
            while j < rows:
                h = min(<Py_ssize_t> FEWEST, rows - j)
                if Y.weights != NULL:
                    w = <const floating *> Y.weights + i + j - first
                total += output_delta(
                    net.cost, h, n_L, net.cost_parameter, 1.0, w, T + j * n_L, out + j * n_L)
                j += h
        elif net.output == OUTPUT_SOFTMAX:
            softmax(rows, n_L, out)
        elif net.output == OUTPUT_EXP:
            exp_in_place(rows * n_L, out)
        i += rows
    restore_modes(modes)
    return total
