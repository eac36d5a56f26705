"""The C texts of what is computed for one element: exp, log, the activations, their derivatives.

The formulas and constants are those of `_core/elementary.pxd` and `_core/activations.pxd`. In a
text NAME is the model's name, REAL its element type, BITS the unsigned integer of that size, and a
number that ends in R one of the type. Every product that meets a sum is written as `NAME_fma`, so
that a compiler has nothing left to contract at some levels of optimisation and not at others. A
choice is between numbers that are there: one between computations would be a branch, in which a
compiler finds no vectors.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Text(NamedTuple):
    """A C function: its text, or the two for float and double, and the functions that it calls."""

    needs: tuple[str, ...]
    text: str | dict[str, str]


_EXP_PARTS_OF = """
/* q, s, t with exp(x) = (1 + q) s t for x <= TOP: 2^k exp(r), k = rint(x / ln 2),
   |r| <= ln(2) / 2. 2^k is made in two halves, so that subnormal results are reached. */
static inline REAL NAME_exp_parts(REAL x, REAL *s, REAL *t)
{
    union { REAL value; BITS bits; } a, b;
    const REAL v = x < LEASTR ? LEASTR : x;
    const REAL k = NAME_fma(v, LOG2ER, SHIFTR) - SHIFTR;
    const REAL r = NAME_fma(-k, LOWR, NAME_fma(-k, HIGHR, v));
    const REAL h = NAME_fma(k, 0.5R, SHIFTR) - SHIFTR;
%s
    a.value = h + (SHIFTR + BIASR);
    b.value = (k - h) + (SHIFTR + BIASR);
    a.bits <<= MANTISSA;
    b.bits <<= MANTISSA;
    *s = a.value;
    *t = b.value;
    return q;
}
"""


def _polynomial(result: str, variable: str, coefficients: Iterable[str]) -> str:
    """Write Horner's rule, the highest coefficient first."""
    first, *others = coefficients
    lines = [f"    REAL {result} = {first}R;"]
    lines += [f"    {result} = NAME_fma({result}, {variable}, {c}R);" for c in others]
    return "\n".join(lines)


def _exp_parts(numbers: dict[str, str], polynomial: str) -> str:
    text = _EXP_PARTS_OF % polynomial
    for word, number in numbers.items():
        text = text.replace(word, number)
    return text


_EXP_PARTS = {
    "float": _exp_parts(
        {"LEAST": "-104.0", "LOG2E": "1.44269504", "SHIFT": "12582912.0", "BIAS": "127.0",
         "HIGH": "0.69311523", "LOW": "3.1946184e-05", "MANTISSA": "23", "TOP": "89"},
        _polynomial(
            "q", "r",
            ("1.3926183587713495e-3", "8.3631790527225774e-3", "4.1666554617204574e-2",
             "0.16666576989698776", "0.5"),
        ) + "\n    q = NAME_fma(r * r, q, r);",
    ),
    "double": _exp_parts(
        {"LEAST": "-746.0", "LOG2E": "1.4426950408889634", "SHIFT": "6755399441055744.0",
         "BIAS": "1023.0", "HIGH": "0.6931471805598903", "LOW": "5.497923018708371e-14",
         "MANTISSA": "52", "TOP": "710"},
        """    const REAL r2 = r * r;
    const REAL r4 = r2 * r2;
    const REAL c = NAME_fma(1.9841269863053617e-4R, r, 1.3888888917213717e-3R);
    const REAL d = NAME_fma(8.3333333333300618e-3R, r, 4.1666666666624128e-2R);
    REAL q = NAME_fma(2.5100385495510319e-8R, r, 2.7620088445409748e-7R);
    q = NAME_fma(q, r2, NAME_fma(2.7557268459997065e-6R, r, 2.4801521295954375e-5R));
    q = NAME_fma(q, r4, NAME_fma(c, r2, d));
    q = NAME_fma(q, r2, NAME_fma(0.16666666666666667R, r, 0.5R));
    q = NAME_fma(r2, q, r);""",
    ),
}  # fmt: skip

_LOG1P = """
/* log(1 + x) for 0 <= x <= 1, with the part of x that rounding took from 1 + x = u = 2^k (1 + f):
   log(u) = k ln 2 + log(1 + f), sqrt(1/2) <= 1 + f < sqrt(2); s = f / (2 + f) */
static inline REAL NAME_log1p(REAL x)
{
    const REAL u = 1.0R + x;
    const REAL upper = u >= 1.4142135623730951R ? 1.0R : 0.0R;
    const REAL f = u * (u >= 1.4142135623730951R ? 0.5R : 1.0R) - 1.0R;
    const REAL s = f / (2.0R + f);
    const REAL z = s * s;
    const REAL g = 0.5R * f;
%s
    y = s * NAME_fma(y, z, g * f);
    y = NAME_fma(upper, HIGHR, f - NAME_fma(g, f, -NAME_fma(upper, LOWR, y)));
    return y + (x - (u - 1.0R)) / u;
}
"""


def _log1p(high: str, low: str, *coefficients: str) -> str:
    text = _LOG1P % _polynomial("y", "z", coefficients)
    return text.replace("HIGH", high).replace("LOW", low)


_NORMAL = """
/* the standard normal distribution function. With x = |z|
   P(-x) = exp(-x^2/2) h(y) / (1 + x), y = (x - c) / (x + c); the shift splits x in two, whose
   products give what rounding takes from x^2 */
static inline REAL NAME_normal(REAL z)
{
    const REAL v = z < 0.0R ? -z : z;
    const REAL x = v > MOSTR ? MOSTR : v;
    const REAL y = (x - CENTRER) / (x + CENTRER);
    const REAL square = x * x;
    const REAL top = (x + SHIFTR) - SHIFTR;
    const REAL low = x - top;
    const REAL rest = NAME_fma(low, low, NAME_fma(top + top, low, NAME_fma(top, top, -square)));
    const REAL e = NAME_exp(-0.5R * square);
%s
    h = h * NAME_fma(-0.5R * e, rest, e) / (1.0R + x);
    return NAME_fma(z > 0.0R ? -1.0R : 1.0R, h, z > 0.0R ? 1.0R : 0.0R);
}
"""


def _normal(most: str, centre: str, shift: str, *coefficients: str) -> str:
    text = _NORMAL % _polynomial("h", "y", coefficients)
    return text.replace("MOST", most).replace("CENTRE", centre).replace("SHIFT", shift)


def _point(name: str, body: str, argument: str = "z") -> str:
    return f"\nstatic inline REAL NAME_{name}(REAL {argument})\n{{{body}}}\n"


FUNCTIONS = {
    "fma": Text((), """
/* a b + c, rounded once where the processor has an instruction for it */
static inline REAL NAME_fma(REAL a, REAL b, REAL c)
{
#if defined(__GNUC__) && \\
    (defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMALETTER))
    return __builtin_fmaSUFFIX(a, b, c);
#else
    return a * b + c;
#endif
}
"""),
    "exp_parts": Text(("fma",), _EXP_PARTS),
    "exp": Text(("exp_parts",), _point("exp", """
    REAL s, t;
    const REAL q = NAME_exp_parts(x > EXP_TOPR ? EXP_TOPR : x, &s, &t);
    return (1.0R + q) * s * t;
""", "x")),
    "expm1": Text(("exp_parts",), "\n/* exp(x) - 1 for x <= 0 */" + _point("expm1", """
    REAL s, t;
    const REAL q = NAME_exp_parts(x, &s, &t);
    s *= t;
    return NAME_fma(q, s, s - 1.0R);
""", "x")),
    "log1p": Text(("fma",), {
        "float": _log1p(
            "0.69311523", "3.1946184e-05", "0.23331614471843499", "0.28550778633191965",
            "0.40000122211810650", "0.66666666554042012",
        ),
        "double": _log1p(
            "0.6931471805598903", "5.497923018708371e-14", "0.14617807153417325",
            "0.15331611722055008", "0.18182892432536871", "0.22222211089379496",
            "0.28571428626253838", "0.39999999999898891", "0.66666666666666697",
        ),
    }),
    "normal": Text(("exp",), {
        "float": _normal(
            "14.5", "3.5", "49152.0", "1.512854969e-4", "1.020168332e-4", "-1.388474692e-3",
            "2.888106423e-4", "1.037054394e-2", "-3.026173342e-2", "3.804880698e-2",
            "7.872550457e-4", "-9.771261646e-2", "0.4785531866",
        ),
        "double": _normal(
            "39.0", "6.0", "6442450944.0", "1.5659013079192759e-9", "2.9330992736293061e-9",
            "-1.5635639755801341e-8", "-1.9999357197391988e-8", "1.3237526176866645e-7",
            "-4.6496296329291671e-10", "-9.9960828866340286e-7", "1.78383623414682e-6",
            "4.4124209884651291e-6", "-2.6353403713200723e-5", "3.7794893704466745e-5",
            "1.194896582852616e-4", "-8.6899466332257836e-4", "2.935655517518445e-3",
            "-7.059819421462764e-3", "1.3246864154047862e-2", "-1.9766479219931786e-2",
            "2.2592467062781274e-2", "-1.6141517332199268e-2", "-4.3733867795931856e-3",
            "3.9811424562429858e-2", "-8.5025362305770723e-2", "0.45345520027112794",
        ),
    }),
    "sigmoid": Text(("exp_parts",), """
/* 1 / (1 + exp(-z)) by an exponent that never overflows, and a Newton step with what rounding took:
   (n + dn) / (d + dd) = q + (dn - q dd) / d, q = n / d */""" + _point("sigmoid", """
    REAL s, t;
    const REAL p = NAME_exp_parts(z > 0.0R ? -z : z, &s, &t);
    const REAL near = 1.0R + p;
    const REAL e = near * s * t;
    const REAL e_rest = ((1.0R - near) + p) * s * t;
    const REAL d = 1.0R + e;
    const REAL q = (z > 0.0R ? 1.0R : e) / d;
    const REAL d_rest = ((1.0R - d) + e) + e_rest;
    const REAL n_rest = z > 0.0R ? 0.0R : e_rest;
    const REAL w = NAME_fma(z > 0.0R ? 1.0R : -1.0R, q, z > 0.0R ? 0.0R : 1.0R);
    return NAME_fma(NAME_fma(-q, d_rest, n_rest), w, q);
""")),
    "tanh": Text(("expm1",), "\n/* of |z| -t / (2 + t), t = exp(-2 |z|) - 1 */" + _point("tanh", """
    const REAL t = NAME_expm1(2.0R * (z > 0.0R ? -z : z));
    return t / (2.0R + t) * (z > 0.0R ? -1.0R : 1.0R);
""")),
    "relu": Text((), _point("relu", "\n    return z <= 0.0R ? 0.0R : z;\n")),
    "leaky_relu": Text((), _point("leaky_relu", "\n    return z * (z <= 0.0R ? 0.01R : 1.0R);\n")),
    "elu": Text(("expm1",), _point("elu", """
    const REAL e = NAME_expm1(z > 0.0R ? 0.0R : z);
    return e + (z > 0.0R ? z : 0.0R);
""")),
    "selu": Text(("expm1",), _point("selu", """
    const REAL e = NAME_expm1(z > 0.0R ? 0.0R : z);
    return NAME_fma(1.0507009873554805R, z > 0.0R ? z : 0.0R, 1.7580993408473766R * e);
""")),
    "gelu": Text(("normal",), _point("gelu", "\n    return z * NAME_normal(z);\n")),
    "silu": Text(("sigmoid",), _point("silu", "\n    return z * NAME_sigmoid(z);\n")),
    "softplus": Text(("exp", "log1p"), "\n/* log(1 + exp(z)) */" + _point("softplus", """
    return (z > 0.0R ? z : 0.0R) + NAME_log1p(NAME_exp(z > 0.0R ? -z : z));
""")),
    "mish": Text(("exp",), """
/* z tanh(log(1 + E)) = z n / (n + 2), E = exp(z), n = E^2 + 2 E; for z > 0 n and 2 are divided by
   E^2 */""" + _point("mish", """
    const REAL e = NAME_exp(z > 0.0R ? -z : z);
    const REAL u = z > 0.0R ? 1.0R : e;
    const REAL v = z > 0.0R ? e : 1.0R;
    const REAL n = NAME_fma(2.0R, e, u * u);
    const REAL d = NAME_fma(2.0R, v * v, n);
    return z * (n / d);
""")),
    # the derivatives by z
    "relu_slope": Text((), _point("relu_slope", "\n    return z <= 0.0R ? 0.0R : 1.0R;\n")),
    "leaky_relu_slope": Text(
        (), _point("leaky_relu_slope", "\n    return z <= 0.0R ? 0.01R : 1.0R;\n")
    ),
    "sigmoid_slope": Text(("sigmoid",), _point("sigmoid_slope", """
    return NAME_sigmoid(z) * NAME_sigmoid(-z);
""")),
    "tanh_slope": Text(("exp",), """
/* 4 E / (1 + E)^2, E = exp(-2 |z|) */""" + _point("tanh_slope", """
    const REAL e = NAME_exp(2.0R * (z > 0.0R ? -z : z));
    return 4.0R * e / ((1.0R + e) * (1.0R + e));
""")),
    "elu_slope": Text(("exp",), _point("elu_slope", """
    return NAME_exp(z > 0.0R ? 0.0R : z);
""")),
    "selu_slope": Text(("exp",), _point("selu_slope", """
    const REAL e = NAME_exp(z > 0.0R ? 0.0R : z);
    return e * (z > 0.0R ? 1.0507009873554805R : 1.7580993408473766R);
""")),
    "gelu_slope": Text(("normal",), "\n/* P(z) + z P'(z) */" + _point("gelu_slope", """
    const REAL density = 0.3989422804014327R * NAME_exp(-0.5R * z * z);
    return NAME_fma(z, density, NAME_normal(z));
""")),
    "silu_slope": Text(("sigmoid",), _point("silu_slope", """
    const REAL s = NAME_sigmoid(z);
    return s * NAME_fma(z, 1.0R - s, 1.0R);
""")),
    "softplus_slope": Text(
        ("sigmoid",), _point("softplus_slope", "\n    return NAME_sigmoid(z);\n")
    ),
    "mish_slope": Text(("exp",), """
/* n / (n + 2) + z 4 E (1 + E) / (n + 2)^2 */""" + _point("mish_slope", """
    const REAL e = NAME_exp(z > 0.0R ? -z : z);
    const REAL u = z > 0.0R ? 1.0R : e;
    const REAL v = z > 0.0R ? e : 1.0R;
    const REAL n = NAME_fma(2.0R, e, u * u);
    const REAL d = NAME_fma(2.0R, v * v, n);
    const REAL slope = 4.0R * e * v * (1.0R + e) / (d * d);
    return NAME_fma(z, slope, n / d);
""")),
}  # fmt: skip

_TYPES = {
    "float": {"EXP_TOP": "89.0", "LETTER": "F", "SUFFIX": "f"},
    "double": {"EXP_TOP": "710.0", "LETTER": "", "SUFFIX": ""},
}
# of the results, in units in the last place: the largest over dense grids, with the instruction and
# without it, rounded up
ERRORS: dict[str, float] = {
    "exp": 1.5, "expm1": 1.5, "log1p": 1.5, "sigmoid": 2, "tanh": 3, "normal": 5,
}  # fmt: skip


def functions(names: Iterable[str], real: str) -> tuple[str, list[str]]:
    """Write the functions of some names, each after those that it calls, for "float" or "double".

    Returns
    -------
    text : str
    written : list of str
        All names, in the order of the text.
    """
    written: list[str] = []
    for name in names:
        _after(name, written)
    texts = []
    for name in written:
        text = FUNCTIONS[name].text
        texts.append(text if isinstance(text, str) else text[real])
    text = "".join(texts)
    for word, value in _TYPES[real].items():
        text = text.replace(word, value)
    return text, written


def _after(name: str, written: list[str]) -> None:
    if name not in written:
        for needed in FUNCTIONS[name].needs:
            _after(needed, written)
        written.append(name)
