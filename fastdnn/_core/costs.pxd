# The costs: their codes, what they are for one output, and the loop that chooses one.
#
# The cost of one output z against its target t; its derivative by z goes into dz. That of softmax
# is of a whole row: see softmax_delta.

from cython cimport floating

from fastdnn._core.activations cimport sigmoid_point, tanh_point
from fastdnn._core.elementary cimport exp_of_any, expm1_, log1p_, log1p_exp


cdef enum Cost:
    SIGMOID_CROSS_ENTROPY
    SOFTMAX_CROSS_ENTROPY
    SQUARED_ERROR
    ABSOLUTE_ERROR
    HUBER
    QUANTILE
    POISSON
    LOG_COSH


cdef inline floating sigmoid_cost(floating z, floating t, floating *dz) noexcept nogil:
    # cross-entropy of sigmoid(z): log(1 + exp(z)) - t z
    dz[0] = sigmoid_point(z) - t
    return log1p_exp(z) - t * z


cdef inline floating squared_error(floating z, floating t, floating *dz) noexcept nogil:
    # (z - t)^2 / 2
    cdef floating r = z - t
    dz[0] = r
    return <floating> 0.5 * r * r


cdef inline floating huber(floating z, floating t, floating delta, floating *dz) noexcept nogil:
    # r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2)
    cdef:
        floating r = z - t
        floating d = -delta if r < -delta else r
    d = delta if r > delta else d
    dz[0] = d
    return d * (r - <floating> 0.5 * d)


cdef inline floating absolute_error(
    floating z, floating t, floating below, floating above, floating *dz,
) noexcept nogil:
    # below (t - z) where z < t, else above (z - t): of a quantile q with q and 1 - q
    cdef:
        floating r = z - t
        floating d = -below if r < 0 else above
    d = r if r == 0 or r != r else d
    dz[0] = d
    return d * r


cdef inline floating poisson(floating z, floating t, floating *dz) noexcept nogil:
    # exp(z) - t z: the negative log-likelihood of a mean exp(z), without its constant
    cdef floating a = exp_of_any(z)
    dz[0] = a - t
    return a - t * z


cdef inline floating log_cosh(floating z, floating t, floating *dz) noexcept nogil:
    # With r = |z - t| it is r - log(2) + log(1 + exp(-2 r)). Below 1 that would lose digits:
    # log(1 + u) does not, u = cosh(r) - 1 = s^2 / (2 (1 + s)), s = exp(-r) - 1.
    cdef:
        floating one = 1, two = 2, zero = 0
        floating r = z - t
        floating s = expm1_(r if r < 0 else -r)
        floating e = one + s
        bint near = s > <floating> -0.6321205588285577
    dz[0] = tanh_point(r)
    r = -r if r < 0 else r
    return (zero if near else r - <floating> 0.6931471805599453) + log1p_(
        s * s / (two * e) if near else e * e)


# --------------------------------------------------------------------------------------------- loop

cdef inline void cost_terms(
    Cost cost, Py_ssize_t size, floating p, const floating *T, floating *Z, floating *term,
) noexcept nogil:
    # term := cost(Z, T), Z := its gradient
    cdef:
        Py_ssize_t i
        floating one = 1
    if cost == SIGMOID_CROSS_ENTROPY:
        for i in range(size):
            term[i] = sigmoid_cost(Z[i], T[i], &Z[i])
        if p > 0:
            for i in range(size):
                term[i] = p if term[i] > p else term[i]
    elif cost == SQUARED_ERROR:
        for i in range(size):
            term[i] = squared_error(Z[i], T[i], &Z[i])
    elif cost == HUBER:
        for i in range(size):
            term[i] = huber(Z[i], T[i], p, &Z[i])
    elif cost == ABSOLUTE_ERROR:
        for i in range(size):
            term[i] = absolute_error(Z[i], T[i], one, one, &Z[i])
    elif cost == QUANTILE:
        for i in range(size):
            term[i] = absolute_error(Z[i], T[i], p, one - p, &Z[i])
    elif cost == POISSON:
        for i in range(size):
            term[i] = poisson(Z[i], T[i], &Z[i])
    elif cost == LOG_COSH:
        for i in range(size):
            term[i] = log_cosh(Z[i], T[i], &Z[i])
