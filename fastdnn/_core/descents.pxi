# The course's updates of one array, from old arrays into new ones.

cdef void descend(
    Py_ssize_t size, floating learning_rate, const floating *P, const floating *dP, floating *P_new,
) noexcept nogil:
    # P_new := P - learning_rate * dP
    cdef Py_ssize_t i
    for i in range(size):
        P_new[i] = P[i] - learning_rate * dP[i]


cdef enum:
    PART = 512  # bytes of each array


cdef inline void ask_for(Py_ssize_t size, const floating *x) noexcept nogil:
    cdef Py_ssize_t i, bytes = size * sizeof(floating)
    for i in range(0, bytes, 64):
        fastdnn_fetch(<const char *> x + i)


cdef void step_laid(
    const Descent *descent, int results, const Matrix *given, const Matrix *made,
    const floating *_type,
) noexcept nogil:
    # Two results are those of momentum, three or five those of Adam. Arrays beyond the second-level
    # cache are stepped by parts, of which the lines to be written are asked for first, array after
    # array: a processor foresees only reading. Momentum's few arrays leave it room to ask for what
    # is read too (AMD EPYC, Zen 4: a tenth to a quarter less time).
    cdef:
        Py_ssize_t size = given.rows * given.cols, n = size, i = 0
        const floating *P = <const floating *> given[0].data
        const floating *dP = <const floating *> given[1].data
        const floating *v = <const floating *> given[2].data
        floating *P_new = <floating *> made[0].data
        floating *v_new = <floating *> made[1].data
        bint by_parts = (results + 4) * size * <Py_ssize_t> sizeof(floating) > caches.second
        int k
    while i < size:
        if by_parts:
            n = min(size - i, <Py_ssize_t> (PART // sizeof(floating)))
            for k in range(results):
                ask_for(n, <const floating *> made[k].data + i)
            for k in range(3 if results == 2 else 0):
                ask_for(n, <const floating *> given[k].data + i)
        if results == 2:
            descend_momentum(descent, n, P + i, dP + i, v + i, P_new + i, v_new + i)
        else:
            descend_adam(
                descent, n, P + i, dP + i, v + i, <const floating *> given[3].data + i,
                P_new + i, v_new + i, <floating *> made[2].data + i,
                <floating *> made[3].data + i if results == 5 else NULL,
                <floating *> made[4].data + i if results == 5 else NULL)
        i += n


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
    # The corrected moments may have no memory.
    cdef:
        floating beta1 = <floating> descent.beta1, rest1 = <floating> (1.0 - descent.beta1)
        floating beta2 = <floating> descent.beta2, rest2 = <floating> (1.0 - descent.beta2)
        floating correction1 = <floating> descent.correction1
        floating correction2 = <floating> descent.correction2
        floating learning_rate = <floating> descent.learning_rate
        floating epsilon = <floating> descent.epsilon
        floating mean, square
        Py_ssize_t i
    if v_corrected == NULL:
        for i in range(size):
            mean = beta1 * v[i] + rest1 * dP[i]
            square = beta2 * s[i] + rest2 * (dP[i] * dP[i])
            v_new[i], s_new[i] = mean, square
            P_new[i] = P[i] - learning_rate * (correction1 * mean) / (
                sqrt_(correction2 * square) + epsilon)
    else:
        for i in range(size):
            mean = beta1 * v[i] + rest1 * dP[i]
            square = beta2 * s[i] + rest2 * (dP[i] * dP[i])
            v_new[i], s_new[i] = mean, square
            mean, square = correction1 * mean, correction2 * square
            v_corrected[i], s_corrected[i] = mean, square
            P_new[i] = P[i] - learning_rate * mean / (sqrt_(square) + epsilon)
