# The elementwise loops, written once for float32 and float64.
#
# Three tiers: point functions compute one element, loops wrap them, and TABLE hands the loops out
# for both element types. The file is included by _loops_base, _loops_v3 and _loops_v4, which
# differ only in the instruction set that the compiler may use. Branches are written as selects so
# that every loop becomes SIMD, sums run over sixteen fixed accumulators, and products are not
# contracted into fused multiply-adds: so each level gives the same bits.
#
# A matrix (rows, cols) is contiguous. Units lie along its rows (unit_rows: one unit a row, its
# examples contiguous) or along its columns (one example a row, its units contiguous).

from cpython.pycapsule cimport PyCapsule_New
from cython cimport floating
from libc.math cimport INFINITY, NAN
from libc.stdint cimport uint32_t, uint64_t

from fastdnn._loops cimport IDENTITY, RELU, SIGMOID, Activation, LoopTable


# ---------------------------------------------------------------------------------- point functions

cdef union Bits64:
    double value
    uint64_t bits


cdef union Bits32:
    float value
    uint32_t bits


cdef inline floating exp_(floating x, floating *rest) noexcept nogil:
    # exp(x) for x <= 0, and what rounding took from it: 2^k exp(r), k = rint(x / ln 2),
    # |r| <= ln(2) / 2, exp(r) = 1 + (r + r^2 q(r)); q was fitted at Chebyshev nodes. Adding
    # 1.5 * 2^52 (2^23) rounds to an integer and leaves it in the low bits. 2^k is made in two
    # halves, so that subnormal results are reached. NaN passes through.
    cdef:
        double x64, k64, h64, r64, q64
        float x32, k32, h32, r32, q32
        Bits64 s64, t64
        Bits32 s32, t32
    if floating is double:
        x64 = -746.0 if x < -746.0 else x
        k64 = (x64 * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
        r64 = (x64 - k64 * 0.6931471805598903) - k64 * 5.497923018708371e-14
        q64 = 2.5100385495510319e-8
        q64 = q64 * r64 + 2.7620088445409748e-7
        q64 = q64 * r64 + 2.7557268459997065e-6
        q64 = q64 * r64 + 2.4801521295954375e-5
        q64 = q64 * r64 + 1.9841269863053617e-4
        q64 = q64 * r64 + 1.3888888917213717e-3
        q64 = q64 * r64 + 8.3333333333300618e-3
        q64 = q64 * r64 + 4.1666666666624128e-2
        q64 = q64 * r64 + 0.16666666666666667
        q64 = q64 * r64 + 0.5
        q64 = r64 * r64 * q64 + r64
        h64 = (k64 * 0.5 + 6755399441055744.0) - 6755399441055744.0
        s64.value = h64 + (6755399441055744.0 + 1023.0)
        t64.value = (k64 - h64) + (6755399441055744.0 + 1023.0)
        s64.bits = s64.bits << 52
        t64.bits = t64.bits << 52
        x64 = 1.0 + q64
        rest[0] = ((1.0 - x64) + q64) * s64.value * t64.value
        return x64 * s64.value * t64.value
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
        x32 = <float> 1.0 + q32
        rest[0] = ((<float> 1.0 - x32) + q32) * s32.value * t32.value
        return x32 * s32.value * t32.value


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


# Every 0 and 1 is typed: a bare one would make its loop double.

cdef inline floating relu_point(floating z) noexcept nogil:
    # not z > 0 ? z : 0, which would turn NaN into 0 and hide a divergence
    return <floating> 0 if z <= 0 else z


cdef inline floating sigmoid_point(floating z) noexcept nogil:
    # 1 / (1 + exp(-z)) for z > 0, else exp(z) / (1 + exp(z)): an exponent that never overflows.
    # One Newton step with the parts that rounding took off keeps the error below 2 ulp:
    # (n + dn) / (d + dd) = q + (dn - q dd) / d, q = n / d.
    cdef:
        floating one = 1, zero = 0
        floating e_rest
        floating e = exp_(-z if z > 0 else z, &e_rest)
        floating d = one + e
        floating q = (one if z > 0 else e) / d
        floating d_rest = ((one - d) + e) + e_rest
        floating n_rest = zero if z > 0 else e_rest
    return q + (n_rest - q * d_rest) * (q if z > 0 else one - q)


cdef inline floating relu_backward_point(floating dA, floating z) noexcept nogil:
    return <floating> 0 if z <= 0 else dA


cdef inline floating sigmoid_backward_point(floating dA, floating z) noexcept nogil:
    cdef floating s = sigmoid_point(z)
    return dA * s * (<floating> 1 - s)


# -------------------------------------------------------------------------------------------- loops

cdef enum:
    # elements of a block that stays in the first-level cache between the loops that share it
    BLOCK = 1024


cdef void activate(Activation act, Py_ssize_t size, const floating *Z, floating *A) noexcept nogil:
    # A := act(Z); may work in place
    cdef Py_ssize_t i
    if act == RELU:
        for i in range(size):
            A[i] = relu_point(Z[i])
    elif act == SIGMOID:
        for i in range(size):
            A[i] = sigmoid_point(Z[i])


cdef void activate_backward(
    Activation act, Py_ssize_t size, const floating *dA, const floating *Z, floating *dZ,
) noexcept nogil:
    # dZ := dA * act'(Z)
    cdef Py_ssize_t i
    if act == RELU:
        for i in range(size):
            dZ[i] = relu_backward_point(dA[i], Z[i])
    elif act == SIGMOID:
        for i in range(size):
            dZ[i] = sigmoid_backward_point(dA[i], Z[i])


cdef inline void add_bias(
    bint unit_rows, Py_ssize_t size, const floating *b, floating *z,
) noexcept nogil:
    cdef:
        Py_ssize_t j
        floating b_unit = b[0]
    if unit_rows:
        for j in range(size):
            z[j] += b_unit
    else:
        for j in range(size):
            z[j] += b[j]


cdef inline floating sum_(Py_ssize_t size, const floating *x) noexcept nogil:
    cdef:
        floating total[16]
        Py_ssize_t i = 0, k
    for k in range(16):
        total[k] = 0
    while i + 16 <= size:
        for k in range(16):
            total[k] += x[i + k]
        i += 16
    while i < size:
        total[0] += x[i]
        i += 1
    for k in range(8):
        total[k] += total[k + 8]
    for k in range(4):
        total[k] += total[k + 4]
    return (total[0] + total[2]) + (total[1] + total[3])


cdef void bias_activate(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t cols,
    const floating *b, floating *Z, floating *A,
) noexcept nogil:
    # Z := Z + b, A := act(Z); A is not touched by IDENTITY
    cdef:
        Py_ssize_t width = min(cols, BLOCK), height = max(1, BLOCK // cols)
        Py_ssize_t i, i0 = 0, j0, h, w, at
    while i0 < rows:
        h = min(height, rows - i0)
        j0 = 0
        while j0 < cols:
            w = min(width, cols - j0)
            at = i0 * cols + j0
            for i in range(h):
                add_bias(unit_rows, w, b + (i0 + i if unit_rows else j0), Z + at + i * cols)
            activate(act, h * w, Z + at, A + at)
            j0 += w
        i0 += h


cdef void bias_activate_backward(
    Activation act, bint unit_rows, Py_ssize_t rows, Py_ssize_t cols, double scale,
    const floating *dA, const floating *Z, floating *dZ, floating *db,
) noexcept nogil:
    # dZ := dA * act'(Z), db := scale * (sum of dZ over the examples); with IDENTITY dZ is dA.
    # The sums are carried in double, so that they stay right over millions of float32 examples.
    cdef:
        Py_ssize_t width = min(cols, BLOCK), height = max(1, BLOCK // cols)
        Py_ssize_t i, j, i0, j0 = 0, h, w, at
        const floating *x = dA if act == IDENTITY else dZ
        double total[BLOCK]
    if unit_rows:
        i0 = 0
        while i0 < rows:
            h = min(height, rows - i0)
            j0 = 0
            while j0 < cols:
                w = min(width, cols - j0)
                at = i0 * cols + j0
                activate_backward(act, h * w, dA + at, Z + at, dZ + at)
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
                activate_backward(act, h * w, dA + at, Z + at, dZ + at)
                for i in range(h):
                    for j in range(w):
                        total[j] += x[at + i * cols + j]
                i0 += h
            for j in range(w):
                db[j0 + j] = <floating> (scale * total[j])
            j0 += w


cdef double cross_entropy(Py_ssize_t size, const floating *AL, const floating *Y) noexcept nogil:
    # sum of -(Y log(AL) + (1 - Y) log(1 - AL))
    cdef:
        floating one = 1
        floating term[256]
        Py_ssize_t i, i0 = 0, n
        double total = 0
    while i0 < size:
        n = min(256, size - i0)
        for i in range(n):
            term[i] = Y[i0 + i] * log_(AL[i0 + i]) + (one - Y[i0 + i]) * log_(one - AL[i0 + i])
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


cdef void descend(
    Py_ssize_t size, floating learning_rate, const floating *P, const floating *dP, floating *P_new,
) noexcept nogil:
    # P_new := P - learning_rate * dP
    cdef Py_ssize_t i
    for i in range(size):
        P_new[i] = P[i] - learning_rate * dP[i]


# -------------------------------------------------------------------------------------------- table

cdef LoopTable TABLE

TABLE.activate_f = activate[float]
TABLE.activate_d = activate[double]
TABLE.activate_backward_f = activate_backward[float]
TABLE.activate_backward_d = activate_backward[double]
TABLE.bias_activate_f = bias_activate[float]
TABLE.bias_activate_d = bias_activate[double]
TABLE.bias_activate_backward_f = bias_activate_backward[float]
TABLE.bias_activate_backward_d = bias_activate_backward[double]
TABLE.cross_entropy_f = cross_entropy[float]
TABLE.cross_entropy_d = cross_entropy[double]
TABLE.cross_entropy_backward_f = cross_entropy_backward[float]
TABLE.cross_entropy_backward_d = cross_entropy_backward[double]
TABLE.descend_f = descend[float]
TABLE.descend_d = descend[double]


def table():
    """Hand out the loops, to be called once by fastdnn._loops."""
    return PyCapsule_New(&TABLE, "fastdnn.LoopTable", NULL)
