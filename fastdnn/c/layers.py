"""The C texts of a layer: its weights as they are laid out, and the loops over them.

Sixty-four sums of float, thirty-two of double, lie in registers while the inputs go by, so that
each sum is in the order of the inputs and needs no licence to reorder it. The columns that are left
over are taken by blocks of a few fixed widths. GCC would unroll a loop of up to sixteen sums
before it looks for vectors, and then finds none: there it is told not to.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastdnn._arrays import Array
from fastdnn.c.literals import array

_SUMS = {"float": 64, "double": 32}
_WIDTHS = (24, 32, 48, 64)
KEEP_LOOP = """
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define NAME_KEEP_LOOP _Pragma("GCC unroll 1")
#else
#define NAME_KEEP_LOOP
#endif
"""


class Block(NamedTuple):
    """Columns first .. stop in blocks of a width, of which the last may hold fewer columns."""

    first: int
    stop: int
    width: int


def blocks(n: int, real: str) -> Iterator[Block]:
    """Divide the columns of a layer."""
    most = _SUMS[real]
    whole = n - n % most
    if whole:
        yield Block(0, whole, most)
    rest = n - whole
    if n == 1:
        yield Block(0, 1, 1)
    elif rest > 16:
        yield Block(whole, n, next(width for width in _WIDTHS if width >= rest))
    else:
        eights = rest - rest % 8 if rest % 8 <= 4 else rest
        if eights:
            yield Block(whole, whole + eights, 8)
        if rest > eights:
            yield Block(whole + eights, n, 4)


def _padded(block: Block) -> int:
    return -(-(block.stop - block.first) // block.width) * block.width


def weights(l: int, W: Array, b: Array, real: str) -> str:
    """Write W (n_prev, n) block by block, each (n_prev, width), and b; what is added is 0."""
    n_prev, n = W.shape
    parts, biases = [], []
    for block in blocks(n, real):
        wide = np.zeros((n_prev, _padded(block)), W.dtype)
        wide[:, : block.stop - block.first] = W[:, block.first : block.stop]
        shaped = wide.reshape(n_prev, -1, block.width)
        parts.append(np.ascontiguousarray(shaped.transpose(1, 0, 2)).ravel())
        biases.append(np.zeros(_padded(block), b.dtype))
        biases[-1][: block.stop - block.first] = b[block.first : block.stop]
    flat, bias = np.concatenate(parts), np.concatenate(biases)
    return (
        f"\n/* layer {l}, {n_prev} -> {n} */\n"
        + array(f"NAME_W{l}[{flat.size}] NAME_ALIGNED", flat, real)
        + array(f"NAME_b{l}[{bias.size}] NAME_ALIGNED", bias, real)
    )


def _loop(block: Block) -> str:
    return "NAME_KEEP_LOOP " if 1 < block.width <= 16 else ""


def forward(l: int, n_prev: int, n: int, real: str) -> str:
    """Write the function that makes the logits of a layer."""
    lines = [
        f"\n/* z ({n}) := b + a W, a ({n_prev}) */",
        f"static inline void NAME_layer{l}(const REAL *a, REAL *z)",
        "{",
        "    size_t i, j, k;",
    ]
    for block in blocks(n, real):
        width, at = block.width, block.first
        lines += [
            f"    for (i = {at}; i < {block.stop}; i += {width}) {{",
            f"        const REAL *w = NAME_W{l} + i * {n_prev};",
            f"        REAL s[{width}];",
            f"        {_loop(block)}for (j = 0; j < {width}; ++j)",
            f"            s[j] = NAME_b{l}[i + j];",
            f"        for (k = 0; k < {n_prev}; ++k) {{",
            f"            {_loop(block)}for (j = 0; j < {width}; ++j)",
            f"                s[j] = NAME_fma(a[k], w[k * {width} + j], s[j]);",
            "        }",
            f"        for (j = 0; {_until(block)}; ++j)",
            "            z[i + j] = s[j];",
            "    }",
        ]
    return "\n".join([*lines, "}", ""])


def _until(block: Block) -> str:
    """Write the condition on j: the last block may hold fewer columns."""
    columns = block.stop - block.first
    if columns < block.width:
        return f"j < {columns}"
    return f"j < {block.width}" + f" && i + j < {block.stop}" * (columns % block.width > 0)


def backward(l: int, n_prev: int, n: int, real: str) -> str:
    """Write the function that takes a row of derivatives back over a layer's weights."""
    lines = [
        f"\n/* q ({n_prev}) := W r, r ({n}) */",
        f"static inline void NAME_back{l}(const REAL *r, REAL *q)",
        "{",
        "    size_t i, j, k;",
        f"    for (k = 0; k < {n_prev}; ++k)",
        "        q[k] = 0.0R;",
    ]
    for block in blocks(n, real):
        width = block.width
        lines += [
            f"    for (i = {block.first}; i < {block.stop}; i += {width}) {{",
            f"        const REAL *w = NAME_W{l} + i * {n_prev};",
            f"        for (k = 0; k < {n_prev}; ++k) {{",
            "            REAL s = q[k];",
            f"            for (j = 0; {_until(block)}; ++j)",
            f"                s = NAME_fma(w[k * {width} + j], r[i + j], s);",
            "            q[k] = s;",
            "        }",
            "    }",
        ]
    return "\n".join([*lines, "}", ""])
