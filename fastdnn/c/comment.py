"""What a header says of itself."""

import textwrap
from collections.abc import Iterator

from fastdnn._config import __version__
from fastdnn.c import elementary
from fastdnn.c.literals import in_comment, listed, verbatim
from fastdnn.c.taken import Taken

LICENSE = (
    "License: the weights and this file are of whoever made them with fastdnn. Its C code, which "
    "fastdnn brings along, is under the terms of 0BSD: use, change and give it away for any "
    "purpose, without a condition or a notice."
)
LINKAGE = (
    "All functions are static inline. For other languages compile this file alone with external "
    "ones: cc -O3 -D NAME_API= -x c -c NAME.h -o NAME.o"
)


def comment(given: Taken) -> Iterator[str]:
    """Write the comment that the header begins with, a paragraph at a time."""
    yield "/*\n"
    for paragraph in _paragraphs(given):
        yield textwrap.fill(paragraph, 98, break_long_words=False, break_on_hyphens=False)
        yield "\n\n"
    if given.features:
        names = (verbatim(f'"{in_comment(name)}"') for name in given.features)
        yield f"The inputs' names:\n\n{listed(names)}\n\n"
    yield _functions(given)
    yield _fortran(given)
    yield "*/\n"


def _paragraphs(given: Taken) -> Iterator[str]:
    model = given.model
    dims = model.layer_dims
    names = [*model.activations, model.output]
    chain = " -> ".join([str(dims[0]), *(f"{n} {a}" for n, a in zip(dims[1:], names, strict=True))])
    size, count = model.dtype.itemsize, model.params.size
    yield f"NAME: a dense network of layers {chain}, in REAL."
    yield f"Written by fastdnn {__version__}; C99, and C++ from C++11 on."
    yield LICENSE
    steps = "" if given.scaled is None else ", which are scaled first as they were in Python"
    yield f"Inputs: {dims[0]} numbers{steps}."
    kept = sum(dims) * size
    yield (
        f"Memory: {count * size} bytes of weights, about {kept} bytes of stack ({3 * kept} in "
        "NAME_gradient). Nothing is allocated, printed or remembered between calls, so that "
        "threads may call at once; of libraries a compiler may want memcpy and memset. x and y "
        f"may be the same array in NAME_predict{_too(given)}."
    )
    used = elementary.functions(
        [n for n in {*names} if n in elementary.FUNCTIONS] + ["exp"] * ("softmax" in names),
        given.real,
    )[1]
    errors = [f"{n} {elementary.ERRORS[n]}" for n in used if n in elementary.ERRORS]
    bound = f" The errors, in units in the last place, are at most: {', '.join(errors)}."
    yield (
        "Precision: each sum is in the order of the inputs, its products rounded with the sum if "
        "the processor that is compiled for has an instruction for it. So the answers are the same "
        "at every level of optimisation, and differ by rounding from those of Python."
        + bound
        * bool(errors)
    )
    yield LINKAGE


def _too(given: Taken) -> str:
    # an answer that is wider than its row would be written over the next row
    return " and NAME_predict_n" if given.outputs <= given.inputs else ""


def _functions(given: Taken) -> str:
    n_0, n = given.inputs, given.outputs
    what = f"y ({n}) := the answer to x ({n_0})"
    if given.classes is not None or (given.exclusive and n > 1):
        what = f"y ({n}) := the probability of each class for x ({n_0})"
    label = "    int NAME_label(const REAL *x)\n        the index of the class, in NAME_classes\n"
    if given.classes is None:
        label = label.replace(", in NAME_classes", "")
    return f"""Functions:

    void NAME_predict(const REAL *x, REAL *y)
        {what}
    void NAME_predict_n(const REAL *x, REAL *y, size_t rows)
        the same for so many rows of x, one after the other
{label if given.exclusive else ""}\
    void NAME_gradient(const REAL *x, REAL *g)
        g ({n}, {n_0}) := d y / d x, a row for each output
    int NAME_selftest(void)
        0 if eight answers are those of Python, else the number of the first that is not
"""


def _fortran(given: Taken) -> str:
    kind = f"c_{given.real}"
    names = f"{kind}, c_int, c_size_t"

    def bound(name: str) -> str:
        # Fortran takes capitals for small letters, and no line of more than 132 characters
        return f'&\n                    bind(C, name="NAME_{name}")'

    def function(name: str) -> str:
        return f"""\
            subroutine NAME_{name}(x, {"y" if name != "gradient" else "g"}) {bound(name)}"""

    label = f"""\
            integer(c_int) function NAME_label(x) {bound("label")}
                import {kind}, c_int
                real({kind}), intent(in) :: x({given.inputs})
            end function
"""
    return f"""
Fortran, where arrays begin with the column:

        use, intrinsic :: iso_c_binding, only: {names}
        interface
{function("predict")}
                import {kind}
                real({kind}), intent(in) :: x({given.inputs})
                real({kind}), intent(out) :: y({given.outputs})
            end subroutine
            subroutine NAME_predict_n(x, y, rows) {bound("predict_n")}
                import {kind}, c_size_t
                integer(c_size_t), value :: rows
                real({kind}), intent(in) :: x({given.inputs}, rows)
                real({kind}), intent(out) :: y({given.outputs}, rows)
            end subroutine
{label if given.exclusive else ""}\
{function("gradient")}
                import {kind}
                real({kind}), intent(in) :: x({given.inputs})
                real({kind}), intent(out) :: g({given.inputs}, {given.outputs})
            end subroutine
            integer(c_int) function NAME_selftest() {bound("selftest")}
                import c_int
            end function
        end interface
"""
