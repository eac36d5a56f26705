# The course's updates of one array, from old arrays into new ones.

cdef void descend(
    Py_ssize_t size, floating learning_rate, const floating *P, const floating *dP, floating *P_new,
) noexcept nogil:
    # P_new := P - learning_rate * dP
    cdef Py_ssize_t i
    for i in range(size):
        P_new[i] = P[i] - learning_rate * dP[i]


cdef void step_laid(
    const Descent *descent, int results, const Matrix *given, const Matrix *made,
    const floating *_type,
) noexcept nogil:
    # two results are those of momentum, three or five those of Adam
    cdef:
        Py_ssize_t size = given.rows * given.cols
        const floating *P = <const floating *> given[0].data
        const floating *dP = <const floating *> given[1].data
        const floating *v = <const floating *> given[2].data
        floating *P_new = <floating *> made[0].data
        floating *v_new = <floating *> made[1].data
    if results == 2:
        descend_momentum(descent, size, P, dP, v, P_new, v_new)
    else:
        descend_adam(
            descent, size, P, dP, v, <const floating *> given[3].data, P_new, v_new,
            <floating *> made[2].data, <floating *> (made[3].data if results == 5 else NULL),
            <floating *> (made[4].data if results == 5 else NULL))


cdef void descend_momentum(
    const Descent *descent, Py_ssize_t size, const floating *P, const floating *dP,
    const floating *v, floating *P_new, floating *v_new,
) noexcept nogil:
    # v_new := beta v + (1 - beta) dP, P_new := P - learning_rate v_new
    cdef:
        Py_ssize_t i
        floating beta = <floating> descent.beta1, rest = <floating> (1.0 - descent.beta1)
        floating learning_rate = <floating> descent.learning_rate, mean
    for i in range(size):
        mean = beta * v[i] + rest * dP[i]
        v_new[i] = mean
        P_new[i] = P[i] - learning_rate * mean


cdef void descend_adam(
    const Descent *descent, Py_ssize_t size, const floating *P, const floating *dP,
    const floating *v, const floating *s, floating *P_new, floating *v_new, floating *s_new,
    floating *v_corrected, floating *s_corrected,
) noexcept nogil:
    # v_new := beta1 v + (1 - beta1) dP           v_corrected := v_new / (1 - beta1^t)
    # s_new := beta2 s + (1 - beta2) dP^2         s_corrected := s_new / (1 - beta2^t)
    # P_new := P - learning_rate v_corrected / (sqrt(s_corrected) + epsilon)
    # The corrected moments may have no memory. By blocks that stay in the first-level cache: the
    # compiler does not vectorise one loop over nine arrays of which any two might overlap.
    cdef:
        floating beta1 = <floating> descent.beta1, rest1 = <floating> (1.0 - descent.beta1)
        floating beta2 = <floating> descent.beta2, rest2 = <floating> (1.0 - descent.beta2)
        floating correction1 = <floating> descent.correction1
        floating correction2 = <floating> descent.correction2
        floating learning_rate = <floating> descent.learning_rate
        floating epsilon = <floating> descent.epsilon
        floating means[256]
        floating squares[256]
        floating *vc = &means[0]
        floating *sc = &squares[0]
        Py_ssize_t i, i0 = 0, n = 256
    if size > 4 * n:
        # up to a cache line: NumPy's large arrays all begin 16 bytes into one
        n -= <Py_ssize_t> (<size_t> P_new % 64 // sizeof(floating))
    while i0 < size:
        n = min(n, size - i0)
        if v_corrected != NULL:
            vc, sc = v_corrected + i0, s_corrected + i0
        for i in range(n):
            v_new[i0 + i] = beta1 * v[i0 + i] + rest1 * dP[i0 + i]
        for i in range(n):
            s_new[i0 + i] = beta2 * s[i0 + i] + rest2 * (dP[i0 + i] * dP[i0 + i])
        for i in range(n):
            vc[i] = correction1 * v_new[i0 + i]
        for i in range(n):
            sc[i] = correction2 * s_new[i0 + i]
        for i in range(n):
            P_new[i0 + i] = P[i0 + i] - learning_rate * vc[i] / (sqrt_(sc[i]) + epsilon)
        i0 += n
        n = 256
