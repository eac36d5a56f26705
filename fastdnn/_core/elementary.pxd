# Exponential, logarithm and the normal distribution of one element, in float32 and float64.

from cython cimport floating
from libc.math cimport INFINITY, NAN
from libc.stdint cimport uint32_t, uint64_t


cdef extern from *:
    """
    #include <math.h>
    """
    float sqrtf(float x) noexcept nogil
    double sqrt(double x) noexcept nogil


cdef union Bits64:
    double value
    uint64_t bits


cdef union Bits32:
    float value
    uint32_t bits


cdef inline floating sqrt_(floating x) noexcept nogil:
    return sqrtf(x) if floating is float else sqrt(x)


cdef inline floating exp_parts(floating x, floating *s, floating *t) noexcept nogil:
    # q, s, t with exp(x) = (1 + q) s t for x <= 710 (89): 2^k exp(r), k = rint(x / ln 2),
    # |r| <= ln(2) / 2, exp(r) = 1 + (r + r^2 p(r)); p was fitted at Chebyshev nodes. Adding
    # 1.5 * 2^52 (2^23) rounds to an integer and leaves it in the low bits. 2^k is made in two
    # halves, so that subnormal results are reached. NaN passes through.
    cdef:
        double x64, k64, h64, r64, q64, r2, r4
        float x32, k32, h32, r32, q32
        Bits64 s64, t64
        Bits32 s32, t32
    if floating is double:
        x64 = -746.0 if x < -746.0 else x
        k64 = (x64 * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
        r64 = (x64 - k64 * 0.6931471805598903) - k64 * 5.497923018708371e-14
        r2 = r64 * r64
        r4 = r2 * r2
        q64 = ((2.5100385495510319e-8 * r64 + 2.7620088445409748e-7) * r2
               + (2.7557268459997065e-6 * r64 + 2.4801521295954375e-5))
        q64 = q64 * r4 + ((1.9841269863053617e-4 * r64 + 1.3888888917213717e-3) * r2
                          + (8.3333333333300618e-3 * r64 + 4.1666666666624128e-2))
        q64 = q64 * r2 + (0.16666666666666667 * r64 + 0.5)
        q64 = r2 * q64 + r64
        h64 = (k64 * 0.5 + 6755399441055744.0) - 6755399441055744.0
        s64.value = h64 + (6755399441055744.0 + 1023.0)
        t64.value = (k64 - h64) + (6755399441055744.0 + 1023.0)
        s64.bits = s64.bits << 52
        t64.bits = t64.bits << 52
        s[0] = s64.value
        t[0] = t64.value
        return q64
    else:
        x32 = <float> -104.0 if x < <float> -104.0 else x
        k32 = (x32 * <float> 1.44269504 + <float> 12582912.0) - <float> 12582912.0
        r32 = (x32 - k32 * <float> 0.69311523) - k32 * <float> 3.1946184e-05
        q32 = <float> 1.3926183587713495e-3
        q32 = q32 * r32 + <float> 8.3631790527225774e-3
        q32 = q32 * r32 + <float> 4.1666554617204574e-2
        q32 = q32 * r32 + <float> 0.16666576989698776
        q32 = q32 * r32 + <float> 0.5
        q32 = r32 * r32 * q32 + r32
        h32 = (k32 * <float> 0.5 + <float> 12582912.0) - <float> 12582912.0
        s32.value = h32 + (<float> 12582912.0 + <float> 127.0)
        t32.value = (k32 - h32) + (<float> 12582912.0 + <float> 127.0)
        s32.bits = s32.bits << 23
        t32.bits = t32.bits << 23
        s[0] = s32.value
        t[0] = t32.value
        return q32


# Every number has the element type: a bare 0 or 1 would make a float32 loop compute in double.

cdef inline floating exp_rest(floating x, floating *rest) noexcept nogil:
    # exp(x) for x <= 0, and the part that rounding took from it
    cdef:
        floating one = 1, s, t
        floating q = exp_parts(x, &s, &t)
        floating e = one + q
    rest[0] = ((one - e) + q) * s * t
    return e * s * t


cdef inline floating exp_(floating x) noexcept nogil:
    # exp(x) for x <= 0
    cdef:
        floating one = 1, s, t
        floating q = exp_parts(x, &s, &t)
    return (one + q) * s * t


cdef inline floating expm1_(floating x) noexcept nogil:
    # exp(x) - 1 for x <= 0, with no digit lost near 0
    cdef:
        floating one = 1, s, t
        floating q = exp_parts(x, &s, &t)
    s *= t
    return q * s + (s - one)


cdef inline floating exp_of_any(floating x) noexcept nogil:
    cdef floating top = 710 if floating is double else 89
    return exp_(top if x > top else x)


cdef inline floating log_(floating x) noexcept nogil:
    # log(x) = k ln 2 + log(1 + f), sqrt(1/2) <= 1 + f < sqrt(2); with s = f / (2 + f)
    # log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))); R was fitted at Chebyshev nodes.
    # log(0) = -inf, log(x < 0) = NaN, inf and NaN pass through.
    cdef:
        double f64, s64, z64, k64, h64, y64
        float f32, s32, z32, k32, h32, y32
        Bits64 m64, e64
        Bits32 m32, e32
    if floating is double:
        # subnormals are scaled up by 2^54
        m64.value = x * 18014398509481984.0 if x < 2.2250738585072014e-308 else x
        k64 = -54.0 if x < 2.2250738585072014e-308 else 0.0
        # moves the mantissa's range from [1, 2) to [sqrt(1/2), sqrt(2))
        m64.bits = m64.bits + <uint64_t> 0x00095f619980c433
        e64.bits = (m64.bits >> 52) | <uint64_t> 0x4330000000000000
        k64 = k64 + (e64.value - (4503599627370496.0 + 1023.0))
        m64.bits = (m64.bits & <uint64_t> 0x000fffffffffffff) + <uint64_t> 0x3fe6a09e667f3bcd
        f64 = m64.value - 1.0
        s64 = f64 / (2.0 + f64)
        z64 = s64 * s64
        y64 = 0.14617807153417325
        y64 = y64 * z64 + 0.15331611722055008
        y64 = y64 * z64 + 0.18182892432536871
        y64 = y64 * z64 + 0.22222211089379496
        y64 = y64 * z64 + 0.28571428626253838
        y64 = y64 * z64 + 0.39999999999898891
        y64 = y64 * z64 + 0.66666666666666697
        h64 = 0.5 * f64 * f64
        y64 = s64 * (h64 + y64 * z64)
        y64 = k64 * 0.6931471805598903 + (f64 - (h64 - (y64 + k64 * 5.497923018708371e-14)))
        y64 = x if x == INFINITY else y64
        y64 = -INFINITY if x == 0.0 else y64
        return y64 if x >= 0.0 else <double> NAN
    else:
        m32.value = x * <float> 33554432.0 if x < <float> 1.17549435e-38 else x
        k32 = <float> -25.0 if x < <float> 1.17549435e-38 else <float> 0.0
        m32.bits = m32.bits + <uint32_t> 0x004afb0d
        e32.bits = (m32.bits >> 23) | <uint32_t> 0x4b000000
        k32 = k32 + (e32.value - (<float> 8388608.0 + <float> 127.0))
        m32.bits = (m32.bits & <uint32_t> 0x007fffff) + <uint32_t> 0x3f3504f3
        f32 = m32.value - <float> 1.0
        s32 = f32 / (<float> 2.0 + f32)
        z32 = s32 * s32
        y32 = <float> 0.23331614471843499
        y32 = y32 * z32 + <float> 0.28550778633191965
        y32 = y32 * z32 + <float> 0.40000122211810650
        y32 = y32 * z32 + <float> 0.66666666554042012
        h32 = <float> 0.5 * f32 * f32
        y32 = s32 * (h32 + y32 * z32)
        y32 = k32 * <float> 0.69311523 + (f32 - (h32 - (y32 + k32 * <float> 3.1946184e-05)))
        y32 = x if x == <float> INFINITY else y32
        y32 = -<float> INFINITY if x == <float> 0.0 else y32
        return y32 if x >= <float> 0.0 else <float> NAN


cdef inline floating log1p_(floating x) noexcept nogil:
    # log(1 + x) for x >= 0, with the part of x that rounding took from 1 + x
    cdef:
        floating one = 1
        floating u = one + x
    return log_(u) + (x - (u - one)) / u


cdef inline floating log1p_exp(floating z) noexcept nogil:
    # log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|))
    cdef floating zero = 0
    return (z if z > 0 else zero) + log1p_(exp_(-z if z > 0 else z))


cdef inline floating exp_of_square(floating x, floating shift) noexcept nogil:
    # exp(-x^2 / 2); the shift splits x in two, whose products give what rounding takes from x^2
    cdef:
        floating half = 0.5
        floating square = x * x
        floating top = (x + shift) - shift
        floating low = x - top
        floating rest = ((top * top - square) + (top + top) * low) + low * low
        floating e = exp_(-half * square)
    return e - e * half * rest


cdef inline floating normal_point(floating z) noexcept nogil:
    # the standard normal distribution function. With x = |z|
    # P(-x) = exp(-x^2/2) h(y) / (1 + x), y = (x - a) / (x + a); h was fitted at Chebyshev nodes
    cdef:
        double x64, y64, h64
        float x32, y32, h32
    if floating is double:
        x64 = -z if z < 0 else z
        x64 = 39.0 if x64 > 39.0 else x64
        y64 = (x64 - 6.0) / (x64 + 6.0)
        h64 = 1.5659013079192759e-9
        h64 = h64 * y64 + 2.9330992736293061e-9
        h64 = h64 * y64 - 1.5635639755801341e-8
        h64 = h64 * y64 - 1.9999357197391988e-8
        h64 = h64 * y64 + 1.3237526176866645e-7
        h64 = h64 * y64 - 4.6496296329291671e-10
        h64 = h64 * y64 - 9.9960828866340286e-7
        h64 = h64 * y64 + 1.78383623414682e-6
        h64 = h64 * y64 + 4.4124209884651291e-6
        h64 = h64 * y64 - 2.6353403713200723e-5
        h64 = h64 * y64 + 3.7794893704466745e-5
        h64 = h64 * y64 + 1.194896582852616e-4
        h64 = h64 * y64 - 8.6899466332257836e-4
        h64 = h64 * y64 + 2.935655517518445e-3
        h64 = h64 * y64 - 7.059819421462764e-3
        h64 = h64 * y64 + 1.3246864154047862e-2
        h64 = h64 * y64 - 1.9766479219931786e-2
        h64 = h64 * y64 + 2.2592467062781274e-2
        h64 = h64 * y64 - 1.6141517332199268e-2
        h64 = h64 * y64 - 4.3733867795931856e-3
        h64 = h64 * y64 + 3.9811424562429858e-2
        h64 = h64 * y64 - 8.5025362305770723e-2
        h64 = h64 * y64 + 0.45345520027112794
        h64 = h64 * exp_of_square(x64, 6442450944.0) / (1.0 + x64)
        return 1.0 - h64 if z > 0 else h64
    else:
        x32 = -z if z < 0 else z
        x32 = <float> 14.5 if x32 > <float> 14.5 else x32
        y32 = (x32 - <float> 3.5) / (x32 + <float> 3.5)
        h32 = <float> 1.512854969e-4
        h32 = h32 * y32 + <float> 1.020168332e-4
        h32 = h32 * y32 - <float> 1.388474692e-3
        h32 = h32 * y32 + <float> 2.888106423e-4
        h32 = h32 * y32 + <float> 1.037054394e-2
        h32 = h32 * y32 - <float> 3.026173342e-2
        h32 = h32 * y32 + <float> 3.804880698e-2
        h32 = h32 * y32 + <float> 7.872550457e-4
        h32 = h32 * y32 - <float> 9.771261646e-2
        h32 = h32 * y32 + <float> 0.4785531866
        h32 = h32 * exp_of_square(x32, <float> 49152.0) / (<float> 1.0 + x32)
        return <float> 1.0 - h32 if z > 0 else h32


# ----------------------------------------------------------------------------------- random numbers

cdef extern from *:
    """
    #define FASTDNN_STRIDE 0x9e3779b97f4a7c15ull
    """
    const uint64_t STRIDE "FASTDNN_STRIDE"  # of splitmix64's counter


cdef inline uint64_t mixed(uint64_t z) noexcept nogil:
    # the number of a counter, by splitmix64
    z = (z ^ (z >> 30)) * <uint64_t> 0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94d049bb133111eb
    return z ^ (z >> 31)
