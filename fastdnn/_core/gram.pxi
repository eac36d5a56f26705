# The first layer in the Gram form.
#
# In full-batch gradient descent the first layer's weights W and their moment V never leave the span
# of their first values W0, V0 and of the data: W = w W0 + w' V0 + X^T C, V = v W0 + v' V0 + X^T U
# with C, U of shape (m, n). The gradient X^T dZ + l2 W moves C by dZ + l2 C and w, w' by l2 w,
# l2 w'. So X is needed only in K = X X^T (m, m), X W0 and X V0, which are computed once:
# X W = w X W0 + w' X V0 + K C. C stands where the engine has W, and U where it has V.

cdef void gram_forward(
    Job *job, const Part *part, const Rows *rows, floating *Z,
) noexcept nogil:
    # the logits of some slices
    cdef:
        Py_ssize_t n = job.net.layers[0].n, size = rows.size * n, at = rows.first * n, s
        const floating *C = <const floating *> job.slots[0].W
        const floating *Z0 = <const floating *> job.Z0 + at
        const floating *ZV0 = NULL
        double w = job.of_W[0], v = job.of_W[1]
    set_scaled(size, <floating> w, Z0, Z)
    if job.ZV0 != NULL:
        ZV0 = <const floating *> job.ZV0 + at
        add_scaled(size, <floating> v, ZV0, Z)
    product_of_slices(
        &part.batch, rows, False, False, False, n, job.m, <floating> 1,
        <const floating *> job.K + rows.first * job.m, C, <floating> 1, Z)
    C += at
    for s in range(rows.begin, rows.end if job.l2 > 0 else rows.begin):
        # |W|^2 = |w W0 + w' V0|^2 + 2 <X (w W0 + w' V0), C> + <K C, C>
        size = (slice_row(&part.batch, s + 1) - slice_row(&part.batch, s)) * n
        job.squares[s] = dot(size, C, <const floating *> Z) + w * dot(size, C, Z0)
        if ZV0 != NULL:
            job.squares[s] += v * dot(size, C, ZV0)
            ZV0 += size
        if s == 0:
            job.squares[s] += w * w * job.W0_W0 + 2 * w * v * job.W0_V0 + v * v * job.V0_V0
        C, Z, Z0 = C + size, Z + size, Z0 + size


cdef bint gram_is_finite(const Job *job, const floating *tag) noexcept nogil:
    # Whether W and V are finite, though they are not written out: no element of theirs is above the
    # norms of their terms, and |X^T C|^2 <= trace(K) |C|^2.
    cdef:
        double most = FLT_MAX if sizeof(floating) == 4 else DBL_MAX
        double W0 = sqrt(job.W0_W0), V0 = sqrt(job.V0_V0), data = sqrt(job.trace)
        Py_ssize_t size = job.m * job.net.layers[0].n
        const floating *C = <const floating *> job.slots[0].W
        const floating *U = <const floating *> job.slots[0].m1_W
        const double *w = job.of_W
        const double *v = job.of_V
        double U_U = 0 if U == NULL else dot(size, U, U)
    return (
        fabs(w[0]) <= most and fabs(w[1]) <= most and fabs(v[0]) <= most and fabs(v[1]) <= most
        and fabs(w[0]) * W0 + fabs(w[1]) * V0 + data * sqrt(dot(size, C, C)) <= most
        and fabs(v[0]) * W0 + fabs(v[1]) * V0 + data * sqrt(U_U) <= most)


cdef void gram_update(Job *job, const Part *part) noexcept nogil:
    move_share(job, part, &job.of_W[0], &job.of_V[0])
    move_share(job, part, &job.of_W[1], &job.of_V[1])


cdef void move_share(const Job *job, const Part *part, double *w, double *v) noexcept nogil:
    # the update of a coefficient w with the moment v and the gradient l2 w
    cdef double d = part.l2 * w[0], rate = part.step.rate
    if job.optimizer == SGD:
        w[0] -= rate * d
    else:
        v[0] = job.step.beta1 * v[0] + d
        w[0] -= rate * (v[0] if job.optimizer == MOMENTUM else d + job.step.beta1 * v[0])


cdef void span_slices(
    const Source *X, const Source *W0, const Source *V0, const double *shares, const Source *C,
    const Cut *cut, const Rows *rows, floating *W,
) noexcept nogil:
    # some slices of W := w W0 + w' V0 + X^T C
    cdef:
        Py_ssize_t n = W0.cols, at = rows.first * n, size = rows.size * n
        bint trans_X = X.col == 1 and X.row == X.cols
    set_scaled(size, <floating> shares[0], <const floating *> W0.data + at, W + at)
    if V0.data != NULL:
        add_scaled(size, <floating> shares[1], <const floating *> V0.data + at, W + at)
    product_of_slices(
        cut, rows, trans_X, False, False, n, X.rows, <floating> 1,
        <const floating *> X.data + rows.first * (1 if trans_X else X.rows),
        <const floating *> C.data, <floating> 1, W + at)
