"""The package's matrix products against SciPy's BLAS, over a grid of shapes, forms and types."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np

from bench.timing import compare
from fastdnn._core import course

TITLE = "products of the package against SciPy's BLAS alone, the worst first"
HEADER = (
    "C (M, N) = A B", "dtype", "form", "K", "BLAS, GF/s", "ours, GF/s", "times faster", "quartiles",
)  # fmt: skip
WIDTHS = (14, 7, 4, 6, 10, 10, 12, 13)

ROWS = (8, 32, 128, 209, 512)
COLUMNS = (8, 20, 64, 100, 256, 1024)
DEPTHS = (16, 64, 200, 784, 12288)
# shapes of published networks, and shapes at which the loops were once far behind BLAS
SHAPES = (
    (128, 256, 784), (784, 256, 128), (128, 784, 256), (256, 128, 128), (209, 20, 12288),
    (30, 100, 200), (256, 128, 54), (91, 77, 37), (1000, 10, 64), (23, 91, 77), (100, 100, 100),
)  # fmt: skip
# networks, and examples of a batch
STEPS = (([784, 256, 128, 10], 128), ([54, 128, 64, 1], 256), ([512, 512, 512, 1], 1024))
LARGEST = 64_000_000  # multiplications of a product, so that a table takes minutes
SHOWN = 40


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Time every product that the loops are chosen for, and show the worst."""
    rows = []
    for shape, dtype, form in product(_shapes(quick), ("float64", "float32"), _forms()):
        row = _compare(shape, dtype, form, rounds, 2e-4 if quick else 2e-3)
        rows.append(row)
    rows.sort(key=lambda row: row["ratio"])
    mine = [row for row in rows if row["loops"]]
    for row in mine[:SHOWN]:
        flops = 2e-3 * row["M"] * row["N"] * row["K"]
        show(
            (
                f"({row['M']}, {row['N']})", row["dtype"], row["form"], str(row["K"]),
                f"{flops / row['blas_us']:.1f}", f"{flops / row['fastdnn_us']:.1f}",
                f"{row['ratio']:.2f}", f"{row['ratio_low']:.2f} - {row['ratio_high']:.2f}",
            )
        )  # fmt: skip
    if mine:
        ratios = [row["ratio"] for row in mine]
        tenth = sum(ratio < 0.9 for ratio in ratios)
        print(
            f"\n{len(mine)} of {len(rows)} are the loops', {np.median(ratios):.2f} times as fast "
            f"in the median, {tenth} of them over a tenth behind; the others are left to BLAS"
        )
    print("\nall products of a step, in an order that every processor can keep, beside BLAS's:\n")
    for (layer_dims, batch), dtype in product(
        STEPS[:1] if quick else STEPS, ("float64", "float32")
    ):
        found = [
            _compare(shape, dtype, form, rounds, 2e-4 if quick else 5e-3)
            for shape, form in _products(layer_dims, batch)
        ]
        blas, ours = (sum(row[side] for row in found) for side in ("blas_us", "fastdnn_us"))
        print(
            f"{layer_dims}, batch {batch}, {dtype}: {ours:.0f} µs, BLAS {blas:.0f} µs, "
            f"{blas / ours:.2f} times as fast"
        )
    return rows


def _products(layer_dims: Sequence[int], m: int) -> list[tuple[tuple[int, int, int], str]]:
    """List the shapes and forms of a step's products."""
    found = []
    for l, (n_prev, n) in enumerate(pairwise(layer_dims)):
        found += [((m, n, n_prev), "NN"), ((n_prev, n, m), "TN")]
        if l > 0:
            found.append(((m, n_prev, n), "NT"))
    return found


def _shapes(quick: bool) -> Sequence[tuple[int, int, int]]:
    if quick:
        return SHAPES[-3:]
    grid = product(ROWS, COLUMNS, DEPTHS)
    return [shape for shape in dict.fromkeys((*SHAPES, *grid)) if np.prod(shape) <= LARGEST]


def _forms() -> Sequence[str]:
    return [a + b for a, b in product("NT", repeat=2)]


def _compare(
    shape: tuple[int, int, int], dtype: str, form: str, rounds: int, seconds: float
) -> dict[str, Any]:
    """Time one product; T is an operand whose transpose lies in memory."""
    M, N, K = shape
    trans_A, trans_B = form[0] == "T", form[1] == "T"
    random = np.random.default_rng(0)
    A = random.standard_normal((K, M) if trans_A else (M, K)).astype(dtype)
    B = random.standard_normal((N, K) if trans_B else (K, N)).astype(dtype)
    C = np.empty((M, N), dtype)
    steps = max(1, 200_000 // (M * N * K))
    call = partial(course.multiply, A, trans_A, B, trans_B, C)
    loops = call(True)
    times = compare(
        partial(call, False, steps), partial(call, True, steps),
        rounds=rounds if loops else 1, seconds=seconds if loops else 0,
    )  # fmt: skip
    return {
        "M": M, "N": N, "K": K, "dtype": dtype, "form": form, "loops": loops,
        "blas_us": times.baseline_us / steps, "fastdnn_us": times.contender_us / steps,
        "ratio": times.ratio, "ratio_low": times.low, "ratio_high": times.high,
    }  # fmt: skip
