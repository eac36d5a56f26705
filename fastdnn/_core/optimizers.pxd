# The optimisers: their codes, the numbers of one step, and the loop that changes the parameters.

from cython cimport floating
from libc.stdint cimport int64_t

from fastdnn._core.elementary cimport sqrt, sqrt_


cdef enum Optimizer:
    NONE  # leaves the gradient where it is
    SGD
    MOMENTUM
    NESTEROV
    RMSPROP
    ADAM
    NADAM


cdef struct Step:
    # the numbers of one step of an optimiser
    double rate     # what multiplies the direction
    double ahead    # what multiplies the gradient beside its first moment
    double decay    # what share of the parameter is taken off beside it
    double beta1    # decay rates of the moments
    double beta2
    double root     # what multiplies the root of the second moment
    double epsilon


cdef inline void correct(
    Optimizer optimizer, double learning_rate, int64_t steps, Step *step,
) noexcept nogil:
    # The rate and the root of a step, where there were so many, this one included: moments that
    # begin with 0 are too small at first.
    step.rate, step.root = learning_rate, 1
    if optimizer == ADAM or optimizer == NADAM:
        step.rate = learning_rate / (1 - power(step.beta1, steps))
        step.root = 1 / sqrt(1 - power(step.beta2, steps))
    if optimizer == NADAM:
        # of the next step's moment, with a gradient of 0, and of this gradient
        step.ahead = step.rate * (1 - step.beta1)
        step.rate = learning_rate * step.beta1 / (1 - power(step.beta1, steps + 1))


cdef inline double power(double base, int64_t exponent) noexcept nogil:
    # without a branch on the exponent's bits, which no processor foresees
    cdef double power = 1, factors[2]
    factors[0] = 1
    while exponent > 0:
        factors[1] = base
        power *= factors[exponent & 1]
        base *= base
        exponent >>= 1
    return power


cdef inline void move(
    Optimizer optimizer, const Step *step, Py_ssize_t size, floating scale, floating l2,
    const floating *g, floating *m1, floating *m2, floating *p,
) noexcept nogil:
    # one step from the gradient scale g + l2 p; m1 and m2 are its moments, where there are any
    cdef:
        Py_ssize_t i
        floating d
        floating rate = <floating> step.rate, keep = <floating> (1.0 - step.decay)
        floating beta1 = <floating> step.beta1, rest1 = <floating> (1.0 - step.beta1)
        floating beta2 = <floating> step.beta2, rest2 = <floating> (1.0 - step.beta2)
        floating root = <floating> step.root, epsilon = <floating> step.epsilon
        floating ahead = <floating> step.ahead
    if optimizer == SGD:
        for i in range(size):
            p[i] -= rate * (scale * g[i] + l2 * p[i])
    elif optimizer == MOMENTUM:
        for i in range(size):
            m1[i] = beta1 * m1[i] + (scale * g[i] + l2 * p[i])
            p[i] -= rate * m1[i]
    elif optimizer == NESTEROV:
        for i in range(size):
            d = scale * g[i] + l2 * p[i]
            m1[i] = beta1 * m1[i] + d
            p[i] -= rate * (d + beta1 * m1[i])
    elif optimizer == RMSPROP:
        for i in range(size):
            d = scale * g[i] + l2 * p[i]
            m2[i] = beta2 * m2[i] + rest2 * (d * d)
            p[i] -= rate * d / (sqrt_(m2[i]) + epsilon)
    elif optimizer == ADAM:
        for i in range(size):
            d = scale * g[i] + l2 * p[i]
            m1[i] = beta1 * m1[i] + rest1 * d
            m2[i] = beta2 * m2[i] + rest2 * (d * d)
            p[i] = keep * p[i] - rate * m1[i] / (sqrt_(m2[i]) * root + epsilon)
    elif optimizer == NADAM:
        for i in range(size):
            d = scale * g[i] + l2 * p[i]
            m1[i] = beta1 * m1[i] + rest1 * d
            m2[i] = beta2 * m2[i] + rest2 * (d * d)
            p[i] -= (rate * m1[i] + ahead * d) / (sqrt_(m2[i]) * root + epsilon)
