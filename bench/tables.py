"""The rows of a measurement as lines of a Markdown table."""

import textwrap
from collections.abc import Sequence
from typing import Any

from bench import recipe as fits_of_tables
from bench import serve, threads
from bench import tabular as fitted
from bench.peers import CASES

PEERS = {case.name: case for case in CASES}
Rows = list[dict[str, Any]]
FITS = {
    "cancer": "breast cancer, default parameters",
    "cancer, small": "breast cancer, 32 units, batch 32, 50 epochs",
    "digits": "digits, 256 and 128 units, batch 200, 20 epochs",
    "which photograph": "538 056 pixels' neighbourhoods, 128 and 64 units, batch 256, an epoch",
    "centre's red": "the same, the centre's red (regression)",
}


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> list[str]:
    """Write a table whose first columns are words and whose others are numbers."""
    rule = ["---"] * words + ["--:"] * (len(header) - words)
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def wrapped(text: str) -> list[str]:
    """Break prose into lines; an entry of a list goes on indented."""
    after = "  " * text.startswith("- ")
    return textwrap.wrap(
        text, 120, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )


def number(value: float) -> str:
    """Write three digits, and as many as there are before the point."""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(us: float) -> str:
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if us >= scale:
            return f"{number(us / scale)} {unit}"
    return f"{number(us)} µs"


def peers(rows: Rows) -> list[str]:
    who = [name for name in dict.fromkeys(row["who"] for row in rows) if name != "fastdnn"]
    lines = []
    for case, dtype in dict.fromkeys((row["case"], row["dtype"]) for row in rows):
        found = {row["who"]: row for row in rows if (row["case"], row["dtype"]) == (case, dtype)}
        theirs = [
            f"{number(found[name]['us'])} ({number(found[name]['fastdnn_faster'])})"
            if name in found
            else ""
            for name in who
        ]
        lines.append([PEERS[case].title, dtype, f"**{number(found['fastdnn']['us'])}**", *theirs])
    return table(
        ["", "", "fastdnn", *("products" if n == "bare gemm" else n for n in who)], lines, 2
    )


def growth(rows: Rows) -> list[str]:
    return table(
        ["", "fastdnn, µs", "times its products"],
        [
            [row["case"], number(row["us"]), number(row["times_bare"])]
            for row in rows
            if row["who"] == "fastdnn"
        ],
    )


def fits(rows: Rows) -> list[str]:
    return table(
        ["", "", "fit", "scikit-learn", "times faster", "quartiles", "predictions", "MB", "MB",
         "loss", "score"],
        [
            [
                FITS.get(row["case"]) or str(row["case"]),
                row["dtype"], duration(1e6 * row["seconds"]),
                duration(1e6 * row["sklearn_seconds"]), f"**{number(row['faster'])}**",
                f"{number(row['low'])} - {number(row['high'])}", number(row["predict_faster"]),
                number(row["megabytes"]), number(row["sklearn_megabytes"]),
                _both(row["loss"], row["sklearn_loss"], 5),
                _both(row["score"], row["sklearn_score"], 4),
            ]
            for row in rows
        ],
        2,
    )  # fmt: skip


def _both(ours: float, theirs: float, digits: int) -> str:
    return ", ".join(dict.fromkeys(f"{value:.{digits}f}" for value in (ours, theirs)))


def tabular(rows: Rows) -> list[str]:
    header = ["", "", "fits", "error", "standard error", "log loss", "fit, s", "PyTorch, times"]
    return table(header, [[row["case"], *fitted.cells(row)] for row in rows], 2)


def recipe(rows: Rows) -> list[str]:
    header = ["", "epochs", *fits_of_tables.HEADER[1:]]
    return table(
        header, [[row["case"], str(row["epochs"]), *fits_of_tables.cells(row)] for row in rows]
    )


def defaults(rows: Rows) -> list[str]:
    return table(threads.HEADER, [list(threads.cells(row)) for row in rows], 3)


def sparse(rows: Rows) -> list[str]:
    return table(
        ["rows x columns, nonzeros a row", "", "solver", "fit", "scikit-learn", "times faster",
         "predictions", "MB", "MB"],
        [
            [
                row["case"], row["dtype"], row["solver"], duration(1e6 * row["seconds"]),
                duration(1e6 * row["sklearn_seconds"]), f"**{number(row['faster'])}**",
                number(row["predict_faster"]), number(row["megabytes"]),
                number(row["sklearn_megabytes"]),
            ]
            for row in rows
        ],
        3,
    )  # fmt: skip


def large(rows: Rows) -> list[str]:
    return table(
        ["", "MB", "from", "in memory", "", "times as fast", "quartiles"],
        [
            [
                row["network"], f"{row['megabytes']:.0f}", row["source"],
                duration(row["memory_us"]), duration(row["us"]), f"**{number(row['ratio'])}**",
                f"{number(row['low'])} - {number(row['high'])}",
            ]
            for row in rows
        ],
        3,
    )  # fmt: skip


def lasting(rows: Rows) -> list[str]:
    return table(
        ["", "", "", "epoch 5, µs", "epoch 200, µs", "later / earlier"],
        [
            [row["case"], row["dtype"], row["who"], *(
                number(row[key]) for key in ("early_us", "late_us", "ratio")
            )]
            for row in rows
        ],
        3,
    )  # fmt: skip


def together(rows: Rows) -> list[str]:
    return table(
        ["", "", "one thread, ms", "with one epoch, ms", "two threads, ms", "times faster"],
        [
            [row["what"], row["dtype"], *(
                number(row[key]) for key in ("one_ms", "alone_ms", "two_ms", "faster")
            )]
            for row in rows
        ],
        3,
    )  # fmt: skip


def many(rows: Rows) -> list[str]:
    return table(
        ["", "beside", "fits", "ms a fit", "beside, ms", "times faster"],
        [
            [row["who"], row["beside"], *(
                number(row[key]) for key in ("fits", "ms", "other_ms", "faster")
            )]
            for row in rows
        ],
        2,
    )  # fmt: skip


def ranks(rows: Rows) -> list[str]:
    if not rows:
        return ["Not measured: no ranks could be started."]
    return table(
        ["", "batch", "", "ranks", "step, µs", "computing", "waiting", "exchanging",
         "times faster"],
        [
            [row["network"], str(row["batch"]), row["dtype"], str(row["ranks"]), *(
                number(row[key])
                for key in ("step_us", "compute_us", "wait_us", "exchange_us", "ratio")
            )]
            for row in rows
        ],
        4,
    )  # fmt: skip


def calls(rows: Rows) -> list[str]:
    return table(
        ["", "", "labels", "Network.fit, µs", "fastdnn, µs", "checks, µs", "scikit-learn, µs",
         "times faster"],
        [
            [row["call"], row["dtype"], row["labels"], *(
                number(row[key]) for key in ("step_us", "us", "checks_us", "sklearn_us", "faster")
            )]
            for row in rows
        ],
        3,
    )  # fmt: skip


def predictions(rows: Rows) -> list[str]:
    lines: list[str] = []
    for name, part in serve.PARTS.items():
        mine = [part.cells(row) for row in rows if row["part"] == name]
        if mine:
            lines += ["", *wrapped(part.TITLE), "", *table(part.HEADER, mine, 3)]
    return lines[1:]


def functions(rows: Rows) -> list[str]:
    def lines(chosen: Rows) -> list[str]:
        return table(
            ["network", "", "function", "NumPy, µs", "fastdnn, µs", "times faster", "quartiles"],
            [
                [row["network"], row["dtype"], row["function"], number(row["numpy_us"]),
                 number(row["fastdnn_us"]), f"**{number(row['ratio'])}**",
                 f"{number(row['ratio_low'])} - {number(row['ratio_high'])}"]
                for row in chosen
            ],
            3,
        )  # fmt: skip

    whole = [row for row in rows if row["function"] == "step"]
    return [
        *lines(whole), "", "<details><summary>Every function</summary>", "", *lines(rows), "",
        "</details>",
    ]  # fmt: skip


def layers(rows: Rows) -> list[str]:
    return table(
        ["network", "", "function", "NumPy, µs", "fastdnn, µs", "times faster"],
        [
            [row["network"], row["dtype"], row["function"], number(row["numpy_us"]),
             number(row["fastdnn_us"]), number(row["ratio"])]
            for row in rows
        ],
        3,
    )  # fmt: skip


def course2(rows: Rows) -> list[str]:
    return table(
        ["function", "", "of", "NumPy, µs", "fastdnn, µs", "times faster", "quartiles"],
        [
            [row["function"], row["dtype"], row["of"], number(row["numpy_us"]),
             number(row["fastdnn_us"]), f"**{number(row['ratio'])}**",
             f"{number(row['ratio_low'])} - {number(row['ratio_high'])}"]
            for row in rows
        ],
        3,
    )  # fmt: skip


def orders(rows: Rows) -> list[str]:
    """Show the mix in which a function gains least, over all sizes."""
    worst: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["function"], row["dtype"])
        if key not in worst or row["ratio"] < worst[key]["ratio"]:
            worst[key] = row
    return table(
        ["function", "", "orders", "n, n_prev, m", "NumPy, µs", "fastdnn, µs", "times faster"],
        [
            [row["function"], row["dtype"], row["mix"], f"{row['n']}, {row['n_prev']}, {row['m']}",
             number(row["numpy_us"]), number(row["fastdnn_us"]), number(row["ratio"])]
            for row in worst.values()
        ],
        4,
    )  # fmt: skip


def products(rows: Rows) -> list[str]:
    mine = [row for row in rows if row["loops"]]
    ratios = sorted(row["ratio"] for row in mine)
    says = (
        f"{len(mine)} of {len(rows)} products are the package's own, in the median"
        f" {number(ratios[len(mine) // 2])} times as fast as SciPy's BLAS,"
        f" {sum(r < 0.9 for r in ratios)} of them over a tenth behind; the others are left to BLAS."
        " The ten worst:"
    )
    return [
        *wrapped(says),
        "",
        *table(
            ["(M, N), K", "", "form", "BLAS, µs", "fastdnn, µs", "times faster"],
            [
                [f"({row['M']}, {row['N']}), {row['K']}", row["dtype"], row["form"],
                 number(row["blas_us"]), number(row["fastdnn_us"]), number(row["ratio"])]
                for row in mine[:10]
            ],
            3,
        ),
    ]  # fmt: skip
