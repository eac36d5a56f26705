"""The whole text of a header of a table: numbers and codes, made ready, and given to networks."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from fastdnn._arrays import Array
from fastdnn._config import __version__
from fastdnn.c import elementary, layers
from fastdnn.c.columns import Table, answers
from fastdnn.c.comment import LICENSE, LINKAGE
from fastdnn.c.header import AFTER, BEFORE, classes, output, predict
from fastdnn.c.literals import array, in_comment, listed, named, verbatim
from fastdnn.c.selftest import ROWS

# a first guess of 1 / sqrt(u) by the bits of u, and how often Newton's step is taken
_ROOT = {"float": ("0x5f3759dfu", 3), "double": ("0x5fe6eb50c7b537a9ull", 4)}
_CLIPPED = """
/* z / sqrt(1 + (z / 3)^2), and 0 of NaN: y goes to 1 / sqrt(u) by Newton's method */
static inline REAL NAME_clipped(REAL z)
{
    union { REAL value; BITS bits; } y;
    const REAL v = !(z == z) ? 0.0R : z > 1e9R ? 1e9R : z < -1e9R ? -1e9R : z;
    const REAL t = v / 3.0R;
    const REAL u = NAME_fma(t, t, 1.0R);
    int i;
    y.value = u;
    y.bits = GUESS - (y.bits >> 1);
    for (i = 0; i < STEPS; ++i)
        y.value = NAME_fma(0.5R * y.value, NAME_fma(-(u * y.value), y.value, 1.0R), y.value);
    return v * y.value;
}
"""
_CODES = """\
    for (j = 0; j < %d; ++j)
        a[j] = NAME_off[j];
    for (j = 0; j < %d; ++j) {
        const int code = c[j];
        if (code >= 0 && code < NAME_counts[j]) {
            const int at = NAME_first[j];
            if (NAME_counts[j] == 2)
                a[at] = code == 0 ? NAME_on[at] : NAME_other[at];
            else
                a[at + code] = NAME_on[at + code];
        }
    }
"""
_NUMBERS = """\
    for (j = 0; j < %d; ++j)
        a[%d + j] = NAME_clipped(((x[j] - NAME_center[j]) - NAME_rest[j]) * NAME_factor[j]);
"""


def table_header(table: Table) -> str:
    """Write the header of an estimator of tables."""
    # the last first: nothing else can refuse the model
    selftest = _selftest(table)
    given = table.nets[0]
    model, real = given.model, given.real
    names = [name for name in model.activations if name != "identity"]
    names += ["exp"] * (model.output == "softmax")
    functions, _ = elementary.functions(["fma", *names], real)
    n_classes = "" if given.classes is None else f", NAME_n_classes = {len(given.classes)}"
    parts = [
        BEFORE % layers.KEEP_LOOP,
        f"\nenum {{ NAME_numbers = {len(table.names[0])}, NAME_codes = {len(table.names[1])}, "
        f"NAME_outputs = {given.outputs}{n_classes} }};\n",
        classes(given),
        _columns(table),
    ]
    for i, net in enumerate(table.nets):
        for l, (W, b) in enumerate(zip(net.model.coefs, net.model.intercepts, strict=True), 1):
            parts.append(_of_net(layers.weights(l, W, b, real), i))
    parts += [functions, _clipped(real), _prepare(table), output(given)]
    for i in range(len(table.nets)):
        for l, (n_prev, n) in enumerate(pairwise(model.layer_dims), 1):
            parts.append(_of_net(layers.forward(l, n_prev, n, real), i))
        text = predict(given).replace("NAME_API void NAME_predict", "static inline void NAME_net")
        parts.append(_of_net(text, i))
    parts += [_predict(table), _predict_n(table), _label(table)]
    text = "".join([*_comment(table), *parts, selftest, AFTER])
    return named(text, given.name, real)


def _of_net(text: str, i: int) -> str:
    """Name what one network has after its number."""
    return re.sub(r"\bNAME_(W\d+|b\d+|layer\d+|net)\b", rf"NAME_\1_{i + 1}", text)


# ------------------------------------------------------------------------------------ the columns


def _columns(table: Table) -> str:
    real, dtype, encoded = table.nets[0].real, table.dtype, sum(table.encoded)
    parts = []
    if table.categories:
        off, on, other = (_ready(table, value) for value in (0.0, 1.0, -1.0))
        parts.append(
            "\n/* columns of categories: without the code, of it, of the second of two */\n"
        )
        for name, values in (("off", off), ("on", on), ("other", other)):
            parts.append(array(f"NAME_{name}[{encoded}]", values, real))
        counts = [len(known) for known in table.categories]
        first = np.cumsum([0, *table.encoded])[:-1].tolist()
        parts.append("/* how many categories there are, and the first of their columns */\n")
        for name, whole in (("counts", counts), ("first", first)):
            numbers = listed(map(str, whole))
            parts.append(f"static const int NAME_{name}[{len(whole)}] = {{\n{numbers}\n}};\n")
    if len(table.names[0]):
        center = table.center[encoded:]
        rest = center - center.astype(dtype)
        parts.append("\n/* z = ((x - center) - rest) factor */\n")
        for name, values in (("center", center), ("rest", rest), ("factor", table.scale[encoded:])):
            parts.append(array(f"NAME_{name}[{len(values)}]", values.astype(dtype), real))
    return "".join(parts)


def _ready(table: Table, value: float) -> Array:
    """Make the columns of categories ready where they are a value."""
    encoded = sum(table.encoded)
    z = table.scale[:encoded] * (value - table.center[:encoded])
    return np.asarray(z / np.sqrt(1 + (z / 3) ** 2)).astype(table.dtype)


def _clipped(real: str) -> str:
    guess, steps = _ROOT[real]
    return _CLIPPED.replace("GUESS", guess).replace("STEPS", str(steps))


def _prepare(table: Table) -> str:
    numbers, codes, encoded = len(table.names[0]), len(table.names[1]), sum(table.encoded)
    lines = [
        f"\n/* a ({encoded + numbers}) := the columns of x ({numbers}) and c ({codes}), ready */\n"
        "static inline void NAME_ready(const REAL *x, const int *c, REAL *a)\n{\n    size_t j;\n"
    ]
    lines.append(_CODES % (encoded, codes) if codes else "    (void) c;\n")
    lines.append(_NUMBERS % (numbers, encoded) if numbers else "    (void) x;\n")
    return "".join([*lines, "}\n"])


# ---------------------------------------------------------------------------------- the functions


def _predict(table: Table) -> str:
    given, count = table.nets[0], len(table.nets)
    n = given.outputs
    loop = f"    for (j = 0; j < {n}; ++j)"
    lines = [
        "\nNAME_API void NAME_predict(const REAL *x, const int *c, REAL *y)",
        "{",
        f"    NAME_ALIGNED REAL a[{given.inputs}];",
        *[f"    REAL more[{n}];"] * (count > 1),
        *["    size_t j;"] * (count > 1 or table.targets is not None),
        "    NAME_ready(x, c, a);",
        "    NAME_net_1(a, y);",
    ]
    for i in range(2, count + 1):
        lines += [f"    NAME_net_{i}(a, more);", loop, "        y[j] += more[j];"]
    if count > 1:
        lines += [loop, f"        y[j] /= {count}.0R;"]
    if table.targets is None:
        return "\n".join([*lines, "}", ""])
    names = ("scale", "mean", "least", "most")
    held = [
        array(f"{name}[{n}]", values, given.real, "    ").rstrip("\n")
        for name, values in zip(names, table.targets, strict=True)
    ]
    lines[2:2] = held
    lines += [
        f"{loop} {{",
        "        const REAL v = NAME_fma(y[j], scale[j], mean[j]);",
        "        y[j] = v < least[j] ? least[j] : v > most[j] ? most[j] : v;",
        "    }",
    ]
    return "\n".join([*lines, "}", ""])


def _predict_n(table: Table) -> str:
    numbers, codes = map(len, table.names)
    return f"""
NAME_API void NAME_predict_n(const REAL *x, const int *c, REAL *y, size_t rows)
{{
    size_t i;
    for (i = 0; i < rows; ++i)
        NAME_predict({_at("x", numbers)}, {_at("c", codes)}, y + i * {table.nets[0].outputs});
}}
"""


def _at(name: str, n: int) -> str:
    # nothing is added to what may be NULL
    return f"{name} + i * {n}" if n else name


def _label(table: Table) -> str:
    n = table.nets[0].outputs
    if table.targets is not None:
        return ""
    return f"""
NAME_API int NAME_label(const REAL *x, const int *c)
{{
    REAL y[{n}];
    int best = 0, j;
    NAME_predict(x, c, y);
    for (j = 1; j < {n}; ++j)
        best = y[j] > y[best] ? j : best;
    return best;
}}
"""


def _selftest(table: Table) -> str:
    X, codes, found, allowed = answers(table)
    n, real = table.nets[0].outputs, table.nets[0].real
    tables = []
    for name, values in (("inputs", X), ("answers", found), ("tolerances", allowed)):
        if values.size:
            tables.append(array(f"{name}[{values.size}]", values, real, "    "))
    x = f"inputs + i * {X.shape[1]}" if X.size else "NULL"
    c = f"codes + i * {codes.shape[1]}" if codes.size else "NULL"
    if codes.size:
        whole = listed(map(str, codes.ravel().tolist()), " " * 8)
        tables.append(f"    static const int codes[{codes.size}] = {{\n{whole}\n    }};\n")
    return f"""
NAME_API int NAME_selftest(void)
{{
{"".join(tables)}\
    REAL y[{n}];
    int i;
    size_t j;
    for (i = 0; i < {ROWS}; ++i) {{
        NAME_predict({x}, {c}, y);
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


# ------------------------------------------------------------------------------------ the comment


def _comment(table: Table) -> Iterator[str]:
    given, count = table.nets[0], len(table.nets)
    model = given.model
    dims, numbers, codes = model.layer_dims, *map(len, table.names)
    names = [*model.activations, model.output]
    chain = " -> ".join([str(dims[0]), *(f"{n} {a}" for n, a in zip(dims[1:], names, strict=True))])
    size = model.dtype.itemsize
    what = "a dense network" if count == 1 else f"the mean of {count} dense networks"
    yield "/*\n"
    for paragraph in (
        f"NAME: {what} of layers {chain}, in REAL, for the rows of a table.",
        f"Written by fastdnn {__version__}; C99, and C++ from C++11 on.",
        LICENSE,
        f"Inputs: {numbers} numbers, NaN where one is missing, and {codes} codes, the indices of "
        "categories below, or -1 where one is missing or none of these. The columns are made ready "
        "as they were in Python; an infinite number is clipped as a large one is. Where there are "
        "no numbers or no codes, the argument may be NULL.",
        f"Memory: {count * model.params.size * size} bytes of weights, about {sum(dims) * size} "
        "bytes of stack. Nothing is allocated, printed or remembered between calls, so that "
        "threads may call at once; of libraries a compiler may want memcpy and memset.",
        LINKAGE,
    ):
        yield textwrap.fill(paragraph, 98, break_long_words=False, break_on_hyphens=False)
        yield "\n\n"
    if numbers:
        yield f"The numbers are of the columns:\n\n{_quoted(table.names[0])}\n\n"
    for name, known in zip(table.names[1], table.categories, strict=True):
        yield f"The codes 0, 1, ... of the column {verbatim(in_comment(repr(name)))}:\n\n"
        yield f"{_quoted(known)}\n\n"
    answer = f"y ({given.outputs}) := "
    answer += "the probability of each class" if table.targets is None else "the targets"
    label = "    int NAME_label(const REAL *x, const int *c)\n        the index of the class, in "
    label += "NAME_classes\n"
    yield f"""Functions:

    void NAME_predict(const REAL *x, const int *c, REAL *y)
        {answer} for numbers x ({numbers}) and codes c ({codes})
    void NAME_predict_n(const REAL *x, const int *c, REAL *y, size_t rows)
        the same for so many rows, one after the other
{label if table.targets is None else ""}\
    int NAME_selftest(void)
        0 if eight answers are those of Python, else the number of the first that is not
*/
"""


def _quoted(values: Iterable[object]) -> str:
    return listed(verbatim(in_comment(repr(value))) for value in values)
