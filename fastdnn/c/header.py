"""The whole text of a header: its comment, its functions, and what is around them."""

import re
from collections.abc import Iterable
from itertools import pairwise

from fastdnn._arrays import Array
from fastdnn.c import elementary, layers
from fastdnn.c.comment import comment
from fastdnn.c.literals import array, listed, named, text, verbatim, whole_number
from fastdnn.c.selftest import ROWS, answers
from fastdnn.c.taken import Taken

BEFORE = """
#ifndef NAME_included
#define NAME_included

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \\
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
#error "NAME rounds by the rules of C: compile it without -ffast-math or parts of it"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "NAME needs each result rounded to its type: compile it with -msse2 -mfpmath=sse, say"
#endif
#ifdef NAME_API
#define NAME_DATA(declared) extern const declared; const declared
#else
#define NAME_API static inline
#define NAME_DATA(declared) static const declared
#endif
#ifdef __GNUC__
#define NAME_ALIGNED __attribute__((aligned(64)))
#else
#define NAME_ALIGNED
#endif
%s
#ifdef __cplusplus
extern "C" {
#endif
"""
AFTER = """
#ifdef __cplusplus
}
#endif

#undef NAME_API
#undef NAME_DATA
#undef NAME_ALIGNED
#undef NAME_KEEP_LOOP

#endif
"""

# where the center is exact in the type, and where it is the sum of two numbers
_SCALED = ("(x - NAME_center) * NAME_factor", "((x - NAME_center) - NAME_rest) * NAME_factor")


def header(given: Taken) -> str:
    """Write the header of a model."""
    # the last first: nothing else can refuse the model
    selftest = _selftest(given)
    model, real = given.model, given.real
    dims = model.layer_dims
    acts = [*model.activations, "identity" if model.output == "softmax" else model.output]
    names = [name for name in acts if name != "identity"]
    sloping = [*model.activations, *["sigmoid"] * (model.output == "sigmoid")]
    names += [f"{name}_slope" for name in sloping if name != "identity"]
    if model.output == "softmax":
        names.append("exp")
    functions, _ = elementary.functions(["fma", *names], real)
    parts = [BEFORE % layers.KEEP_LOOP, _enum(given), classes(given)]
    if given.scaled is not None:
        parts.append(f"\n/* an input x becomes {_SCALED[given.split]} */\n")
        for name, part in given.scaled._asdict().items():
            if name != "rest" or given.split:
                parts.append(array(f"NAME_{name}[{dims[0]}] NAME_ALIGNED", part, real))
    shapes = list(enumerate(pairwise(dims), 1))
    for l, (W, b) in enumerate(zip(model.coefs, model.intercepts, strict=True), 1):
        parts.append(layers.weights(l, W, b, real))
    parts.append(functions)
    for write in (layers.forward, layers.backward):
        parts += [write(l, n_prev, n, real) for l, (n_prev, n) in shapes]
    parts += [output(given), predict(given), _predict_n(given), _label(given), _gradient(given)]
    text = "".join([*comment(given), *parts, selftest, AFTER])
    return named(text, given.name, real)


def _enum(given: Taken) -> str:
    count = "" if given.classes is None else f", NAME_n_classes = {len(given.classes)}"
    return f"\nenum {{ NAME_inputs = {given.inputs}, NAME_outputs = {given.outputs}{count} }};\n"


def classes(given: Taken) -> str:
    """Write the labels, if there are some."""
    if given.classes is None:
        return ""
    labels, kind = given.classes.tolist(), type(given.classes.tolist()[0])
    words: Iterable[str]
    if kind in (str, bytes):
        longest = max(len(v.encode() if kind is str else v) for v in labels) + 1
        # an array of arrays: pointers would have to be moved when a library is loaded
        declared, words = f"char NAME_classes[{len(labels)}][{longest}]", map(text, labels)
        words = map(verbatim, words)
    elif kind is float:
        declared, words = f"double NAME_classes[{len(labels)}]", map(repr, labels)
    else:
        integer = "int"
        if kind is int:
            narrow = max(map(abs, labels)) < 2**31
            integer = "int32_t" if narrow else "uint64_t" if max(labels) >= 2**63 else "int64_t"
        declared = f"{integer} NAME_classes[{len(labels)}]"
        words = (whole_number(int(label)) for label in labels)
    return f"\n/* the labels */\nNAME_DATA({declared}) = {{\n{listed(words)}\n}};\n"


# ---------------------------------------------------------------------------------- the functions


def _forward(given: Taken, slopes: bool = False) -> list[str]:
    """Write the statements that make the logits, the last array, of x; and the slopes d."""
    dims, model = given.model.layer_dims, given.model
    lines, a = [], "x"
    L = len(dims) - 1
    if given.scaled is not None:
        a = "a0"
        lines += [
            f"    for (j = 0; j < {dims[0]}; ++j)",
            "        a0[j] = " + re.sub(r"(x|NAME_\w+)", r"\1[j]", _SCALED[given.split]) + ";",
        ]
    for l in range(1, L + 1):
        lines.append(f"    NAME_layer{l}({a}, a{l});")
        a = f"a{l}"
        act = "identity" if l == L else model.activations[l - 1]
        body = []
        if slopes and l < L:
            slope = f"NAME_{act}_slope({a}[j])" if act != "identity" else "1.0R"
            body.append(f"        d{l}[j] = {slope};")
        if act != "identity":
            body.append(f"        {a}[j] = NAME_{act}({a}[j]);")
        if body:
            # a loop each: a compiler finds vectors in one at a time
            for line in body:
                lines += [f"    for (j = 0; j < {dims[l]}; ++j)", line]
    return lines


def _arrays(given: Taken, names: str) -> list[str]:
    """Declare an array for each layer."""
    dims = given.model.layer_dims
    lines = [f"    NAME_ALIGNED REAL a0[{dims[0]}];"] if given.scaled is not None else []
    for l, n in enumerate(dims[1:], 1):
        lines += [f"    NAME_ALIGNED REAL {name}{l}[{n}];" for name in names]
    return lines


def output(given: Taken) -> str:
    """Write the function that makes the answers of the logits."""
    n, output = given.model.layer_dims[-1], given.model.output
    if given.pair:
        body = ["    const REAL p = NAME_sigmoid(z[0]);", "    y[0] = 1.0R - p;", "    y[1] = p;"]
        if output != "sigmoid":
            body[0] = f"    const REAL p = {'NAME_exp(z[0])' if output == 'exp' else 'z[0]'};"
    elif output == "softmax":
        body = [
            "    REAL top = z[0], total = 0.0R;",
            "    size_t j;",
            f"    for (j = 1; j < {n}; ++j)",
            "        top = z[j] > top ? z[j] : top;",
            f"    for (j = 0; j < {n}; ++j)",
            "        y[j] = NAME_exp(z[j] - top);",
            f"    for (j = 0; j < {n}; ++j)",
            "        total += y[j];",
            f"    for (j = 0; j < {n}; ++j)",
            "        y[j] /= total;",
        ]
    else:
        value = "z[j]" if output == "identity" else f"NAME_{output}(z[j])"
        body = ["    size_t j;", f"    for (j = 0; j < {n}; ++j)", f"        y[j] = {value};"]
    head = ["\nstatic inline void NAME_output(const REAL *z, REAL *y)", "{"]
    return "\n".join([*head, *body, "}", ""])


def predict(given: Taken) -> str:
    """Write the function that answers a row."""
    L = len(given.model.layer_dims) - 1
    forward = _forward(given)
    lines = [
        "\nNAME_API void NAME_predict(const REAL *x, REAL *y)", "{",
        *_arrays(given, "a"), *["    size_t j;"] * any("[j]" in line for line in forward),
        *forward, f"    NAME_output(a{L}, y);", "}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _predict_n(given: Taken) -> str:
    return f"""
NAME_API void NAME_predict_n(const REAL *x, REAL *y, size_t rows)
{{
    size_t i;
    for (i = 0; i < rows; ++i)
        NAME_predict(x + i * {given.inputs}, y + i * {given.outputs});
}}
"""


def _label(given: Taken) -> str:
    if not given.exclusive:
        return ""
    if given.outputs == 1:
        answer = ["    NAME_predict(x, y);", "    return y[0] > 0.5R;"]
    else:
        answer = [
            "    int best = 0, j;",
            "    NAME_predict(x, y);",
            f"    for (j = 1; j < {given.outputs}; ++j)",
            "        best = y[j] > y[best] ? j : best;",
            "    return best;",
        ]
    head = ["\nNAME_API int NAME_label(const REAL *x)", "{", f"    REAL y[{given.outputs}];"]
    return "\n".join([*head, *answer, "}", ""])


def _gradient(given: Taken) -> str:
    """Write the function that makes d y / d x: a row of the output's slopes goes back at a time."""
    dims, output = given.model.layer_dims, given.model.output
    L, n = len(dims) - 1, dims[-1]
    # d y_i / d z_j, where y is the answer before it is paired; 1 - y_i would be 0 where y_i is
    # nearly 1: of a sigmoid it is that of -z, of a softmax the sum of the others
    slope = {
        "identity": "i == j ? 1.0R : 0.0R",
        "exp": "i == j ? y[i] : 0.0R",
        "sigmoid": f"i == j ? NAME_sigmoid_slope(a{L}[i]) : 0.0R",
        "softmax": "y[i] * (i == j ? others : -y[j])",
    }[output]
    if given.pair:
        slope = slope.replace("y[i]", "y[1]")
    needed = "y[" in slope
    others = [
        "        REAL others = 0.0R;",
        f"        for (j = 0; j < {n}; ++j)",
        "            others += j == i ? 0.0R : y[j];",
    ]
    lines = ["\nNAME_API void NAME_gradient(const REAL *x, REAL *g)", "{", *_arrays(given, "a")]
    lines += [f"    NAME_ALIGNED REAL d{l}[{m}], r{l}[{m}];" for l, m in enumerate(dims[1:-1], 1)]
    lines += [
        f"    NAME_ALIGNED REAL r{L}[{n}];",
        *[f"    REAL y[{given.outputs}];"] * needed,
        "    size_t i, j;",
        *_forward(given, slopes=True),
        *[f"    NAME_output(a{L}, y);"] * needed,
        f"    for (i = 0; i < {n}; ++i) {{",
        f"        REAL *row = g + i * {dims[0]};",
        *others * (output == "softmax"),
        f"        for (j = 0; j < {n}; ++j)",
        f"            r{L}[j] = {slope};",
    ]
    for l in range(L, 1, -1):
        lines += [
            f"        NAME_back{l}(r{l}, r{l - 1});",
            f"        for (j = 0; j < {dims[l - 1]}; ++j)",
            f"            r{l - 1}[j] *= d{l - 1}[j];",
        ]
    lines.append("        NAME_back1(r1, row);")
    if given.scaled is not None:
        lines += [
            f"        for (j = 0; j < {dims[0]}; ++j)",
            "            row[j] *= NAME_factor[j];",
        ]
    lines.append("    }")
    if given.pair:
        lines += [
            f"    for (j = 0; j < {dims[0]}; ++j) {{",
            f"        g[{dims[0]} + j] = g[j];",
            "        g[j] = -g[j];",
            "    }",
        ]
    return "\n".join([*lines, "}", ""])


def _selftest(given: Taken) -> str:
    found = answers(given)
    n_0, n, real = given.inputs, given.outputs, given.real

    def table(name: str, size: str, values: Array) -> str:
        return array(f"{name}[{size}]", values, real, "    ")

    return f"""
NAME_API int NAME_selftest(void)
{{
{table("inputs", f"{ROWS} * {n_0}", found.inputs)}\
{table("answers", f"{ROWS} * {n}", found.answers)}\
{table("tolerances", f"{n}", found.tolerances)}\
    REAL y[{n}];
    int i;
    size_t j;
    for (i = 0; i < {ROWS}; ++i) {{
        NAME_predict(inputs + i * {n_0}, y);
        for (j = 0; j < {n}; ++j) {{
            const REAL off = y[j] - answers[(size_t) i * {n} + j];
            /* NaN is never within */
            if (!((off < 0.0R ? -off : off) <= tolerances[j]))
                return i + 1;
        }}
    }}
    return 0;
}}
"""
