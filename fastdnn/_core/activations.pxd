# The activations: their codes, what they compute for one element, and the loops that choose one.
#
# Forward above backward. A derivative is a function of what the forward pass keeps, s: the
# activation a itself, or z, where a does not tell it; the rows of names.py say which. Sigmoid_z is
# the sigmoid whose caller kept z.

from cython cimport floating

from fastdnn._core.elementary cimport exp_, exp_rest, expm1_, log1p_exp, normal_point


cdef extern from *:
    """
    #define LEAKY_SLOPE 0.01
    #define SELU_SCALE 1.0507009873554805
    #define SELU_ALPHA 1.6732632423543772
    #define INVERSE_SQRT_2PI 0.3989422804014327
    """
    const double LEAKY_SLOPE, SELU_SCALE, SELU_ALPHA, INVERSE_SQRT_2PI


cdef enum Activation:
    IDENTITY
    RELU
    SIGMOID
    SIGMOID_Z  # the same but for its derivative, which is taken from z
    TANH
    LEAKY_RELU
    ELU
    SELU
    GELU
    SILU
    SOFTPLUS
    MISH
    SOFTMAX    # over the units of an example, in the course's functions alone


cdef inline bint keeps_output(Activation act) noexcept nogil:
    # whether the derivative is a function of a, of which z does not tell it as well
    return act == TANH or act == ELU or act == SELU or act == SOFTPLUS


cdef inline floating relu_point(floating z) noexcept nogil:
    # z > 0 ? z : 0 would turn NaN into 0 and hide a divergence
    return <floating> 0 if z <= 0 else z


cdef inline floating relu_backward_point(floating dA, floating a) noexcept nogil:
    return <floating> 0 if a <= 0 else dA


cdef inline floating sigmoid_point(floating z) noexcept nogil:
    # 1 / (1 + exp(-z)) for z > 0, else exp(z) / (1 + exp(z)): an exponent that never overflows.
    # One Newton step with the parts that rounding took off keeps the error below 2 ulp:
    # (n + dn) / (d + dd) = q + (dn - q dd) / d, q = n / d.
    cdef:
        floating one = 1, zero = 0
        floating e_rest
        floating e = exp_rest(-z if z > 0 else z, &e_rest)
        floating d = one + e
        floating q = (one if z > 0 else e) / d
        floating d_rest = ((one - d) + e) + e_rest
        floating n_rest = zero if z > 0 else e_rest
    return q + (n_rest - q * d_rest) * (q if z > 0 else one - q)


cdef inline floating sigmoid_backward_point(floating dA, floating a) noexcept nogil:
    return dA * a * (<floating> 1 - a)


cdef inline floating sigmoid_z_backward_point(floating dA, floating z) noexcept nogil:
    return sigmoid_backward_point(dA, sigmoid_point(z))


cdef inline floating tanh_point(floating z) noexcept nogil:
    # tanh(x) = -t / (2 + t), t = exp(-2 x) - 1, x >= 0
    cdef:
        floating two = 2
        floating t = expm1_(-two * (z if z > 0 else -z))
        floating a = t / (two + t)
    return -a if z > 0 else a


cdef inline floating tanh_backward_point(floating dA, floating a) noexcept nogil:
    return dA * (<floating> 1 - a * a)


cdef inline floating leaky_relu_point(floating z) noexcept nogil:
    return z * <floating> LEAKY_SLOPE if z <= 0 else z


cdef inline floating leaky_relu_backward_point(floating dA, floating a) noexcept nogil:
    return dA * <floating> LEAKY_SLOPE if a <= 0 else dA


cdef inline floating elu_point(floating z) noexcept nogil:
    cdef floating e = expm1_(<floating> 0 if z > 0 else z)
    return z if z > 0 else e


cdef inline floating elu_backward_point(floating dA, floating a) noexcept nogil:
    return dA * (a + <floating> 1) if a <= 0 else dA


cdef inline floating selu_point(floating z) noexcept nogil:
    cdef floating e = expm1_(<floating> 0 if z > 0 else z)
    return <floating> SELU_SCALE * z if z > 0 else <floating> (SELU_SCALE * SELU_ALPHA) * e


cdef inline floating selu_backward_point(floating dA, floating a) noexcept nogil:
    return dA * (a + <floating> (SELU_SCALE * SELU_ALPHA) if a <= 0 else <floating> SELU_SCALE)


cdef inline floating gelu_point(floating z) noexcept nogil:
    # z P(z), P the standard normal distribution function
    return z * normal_point(z)


cdef inline floating gelu_slope(floating z) noexcept nogil:
    # P(z) + z P'(z)
    cdef floating density = <floating> INVERSE_SQRT_2PI * exp_(<floating> -0.5 * z * z)
    return normal_point(z) + z * density


cdef inline floating silu_point(floating z) noexcept nogil:
    return z * sigmoid_point(z)


cdef inline floating silu_slope(floating z) noexcept nogil:
    # s + z s (1 - s)
    cdef floating one = 1, s = sigmoid_point(z)
    return s * (one + z * (one - s))


cdef inline floating softplus_point(floating z) noexcept nogil:
    return log1p_exp(z)


cdef inline floating softplus_backward_point(floating dA, floating a) noexcept nogil:
    # sigmoid(z) = 1 - exp(-a)
    return -dA * expm1_(-a)


cdef inline floating mish_point(floating z) noexcept nogil:
    # z tanh(log(1 + E)) = z n / (n + 2), E = exp(z), n = E^2 + 2 E; for z > 0 n and 2 are divided
    # by E^2, so that nothing overflows
    cdef:
        floating one = 1, two = 2
        floating e = exp_(-z if z > 0 else z)
        floating n = one + two * e if z > 0 else e * (e + two)
        floating d = n + two * (e * e if z > 0 else one)
    return z * (n / d)


cdef inline floating mish_slope(floating z) noexcept nogil:
    # n / (n + 2) + z 4 E (1 + E) / (n + 2)^2
    cdef:
        floating one = 1, two = 2, four = 4
        floating e = exp_(-z if z > 0 else z)
        floating n = one + two * e if z > 0 else e * (e + two)
        floating d = n + two * (e * e if z > 0 else one)
        floating slope = four * (e * e if z > 0 else e) * (one + e) / (d * d)
    return n / d + z * slope


# -------------------------------------------------------------------------------------------- loops

cdef inline void activate(
    Activation act, Py_ssize_t size, const floating *Z, floating *A,
) noexcept nogil:
    # A := act(Z)
    cdef Py_ssize_t i
    if act == RELU:
        for i in range(size):
            A[i] = relu_point(Z[i])
    elif act == SIGMOID or act == SIGMOID_Z:
        for i in range(size):
            A[i] = sigmoid_point(Z[i])
    elif act == TANH:
        for i in range(size):
            A[i] = tanh_point(Z[i])
    elif act == LEAKY_RELU:
        for i in range(size):
            A[i] = leaky_relu_point(Z[i])
    elif act == ELU:
        for i in range(size):
            A[i] = elu_point(Z[i])
    elif act == SELU:
        for i in range(size):
            A[i] = selu_point(Z[i])
    elif act == GELU:
        for i in range(size):
            A[i] = gelu_point(Z[i])
    elif act == SILU:
        for i in range(size):
            A[i] = silu_point(Z[i])
    elif act == SOFTPLUS:
        for i in range(size):
            A[i] = softplus_point(Z[i])
    elif act == MISH:
        for i in range(size):
            A[i] = mish_point(Z[i])


cdef inline void activate_backward(
    Activation act, Py_ssize_t size, const floating *dA, const floating *S, floating *dZ,
) noexcept nogil:
    # dZ := dA * act'(Z), where S is what the derivative is a function of
    cdef Py_ssize_t i
    if act == RELU:
        for i in range(size):
            dZ[i] = relu_backward_point(dA[i], S[i])
    elif act == SIGMOID:
        for i in range(size):
            dZ[i] = sigmoid_backward_point(dA[i], S[i])
    elif act == SIGMOID_Z:
        for i in range(size):
            dZ[i] = sigmoid_z_backward_point(dA[i], S[i])
    elif act == TANH:
        for i in range(size):
            dZ[i] = tanh_backward_point(dA[i], S[i])
    elif act == LEAKY_RELU:
        for i in range(size):
            dZ[i] = leaky_relu_backward_point(dA[i], S[i])
    elif act == ELU:
        for i in range(size):
            dZ[i] = elu_backward_point(dA[i], S[i])
    elif act == SELU:
        for i in range(size):
            dZ[i] = selu_backward_point(dA[i], S[i])
    elif act == GELU:
        for i in range(size):
            dZ[i] = dA[i] * gelu_slope(S[i])
    elif act == SILU:
        for i in range(size):
            dZ[i] = dA[i] * silu_slope(S[i])
    elif act == SOFTPLUS:
        for i in range(size):
            dZ[i] = softplus_backward_point(dA[i], S[i])
    elif act == MISH:
        for i in range(size):
            dZ[i] = dA[i] * mish_slope(S[i])


cdef inline void activate_and_derive(
    Activation act, Py_ssize_t size, floating *Z, floating *A,
) noexcept nogil:
    # A := act(Z), Z := act'(Z), where that is a function of z: both have most of their work in
    # common. An act without such a derivative does nothing.
    cdef:
        Py_ssize_t i
        floating z
    if act == GELU:
        for i in range(size):
            z = Z[i]
            A[i], Z[i] = gelu_point(z), gelu_slope(z)
    elif act == SILU:
        for i in range(size):
            z = Z[i]
            A[i], Z[i] = silu_point(z), silu_slope(z)
    elif act == MISH:
        for i in range(size):
            z = Z[i]
            A[i], Z[i] = mish_point(z), mish_slope(z)
