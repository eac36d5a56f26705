"""All tables as one document: each measured in a process of its own, and written as Markdown."""

import json
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import ROOT, serve, threads
from bench.peers import CASES

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PEERS = {case.name: case for case in CASES}
README = ROOT / "README.md"
Rows = list[dict[str, Any]]
# the README's table of speed, between two comments
SPEED = re.compile(r"(<!-- speed[^>]*-->\n).*?(<!-- /speed -->)", re.DOTALL)

HEAD = (
    "Written by `python -m bench --markdown`, which measures everything anew; nothing here was"
    " changed by hand. Each number is a median over interleaved rounds, each ratio the median of"
    " the rounds' own ratios: both sides met the same machine."
)
OF_A_TABLE = ("rounds", "load", "peers")  # in a caption, about its table
FITS = {
    "cancer": "breast cancer, default parameters",
    "cancer, small": "breast cancer, 32 units, batch 32, 50 epochs",
    "digits": "digits, 256 and 128 units, batch 200, 20 epochs",
    "which photograph": "538 056 pixels' neighbourhoods, 128 and 64 units, batch 256, an epoch",
    "centre's red": "the same, the centre's red (regression)",
}


@dataclass(frozen=True)
class Section:
    """A table: title, introduction, the command's arguments, and a function of rows to lines."""

    title: str
    text: str
    arguments: tuple[str, ...]
    lines: Callable[[Rows], list[str]]


# ------------------------------------------------------------------------------- rows to tables


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> list[str]:
    """Write a table whose first columns are words and whose others are numbers."""
    rule = ["---"] * words + ["--:"] * (len(header) - words)
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def _number(value: float) -> str:
    """Write three digits, and as many as there are before the point."""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _time(us: float) -> str:
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if us >= scale:
            return f"{_number(us / scale)} {unit}"
    return f"{_number(us)} µs"


def _peers(rows: Rows) -> list[str]:
    who = [name for name in dict.fromkeys(row["who"] for row in rows) if name != "fastdnn"]
    lines = []
    for case, dtype in dict.fromkeys((row["case"], row["dtype"]) for row in rows):
        found = {row["who"]: row for row in rows if (row["case"], row["dtype"]) == (case, dtype)}
        theirs = [
            f"{_number(found[name]['us'])} ({_number(found[name]['fastdnn_faster'])})"
            if name in found
            else ""
            for name in who
        ]
        lines.append([PEERS[case].title, dtype, f"**{_number(found['fastdnn']['us'])}**", *theirs])
    return table(
        ["", "", "fastdnn", *("products" if n == "bare gemm" else n for n in who)], lines, 2
    )


def _growth(rows: Rows) -> list[str]:
    return table(
        ["", "fastdnn, µs", "times its products"],
        [
            [row["case"], _number(row["us"]), _number(row["times_bare"])]
            for row in rows
            if row["who"] == "fastdnn"
        ],
    )


def _estimators(rows: Rows) -> list[str]:
    return table(
        ["", "", "fit", "scikit-learn", "times faster", "quartiles", "predictions", "MB", "MB",
         "loss", "score"],
        [
            [
                FITS.get(row["case"]) or str(row["case"]),
                row["dtype"], _time(1e6 * row["seconds"]),
                _time(1e6 * row["sklearn_seconds"]), f"**{_number(row['faster'])}**",
                f"{_number(row['low'])} - {_number(row['high'])}", _number(row["predict_faster"]),
                _number(row["megabytes"]), _number(row["sklearn_megabytes"]),
                _both(row["loss"], row["sklearn_loss"], 5),
                _both(row["score"], row["sklearn_score"], 4),
            ]
            for row in rows
        ],
        2,
    )  # fmt: skip


def _both(ours: float, theirs: float, digits: int) -> str:
    return ", ".join(dict.fromkeys(f"{value:.{digits}f}" for value in (ours, theirs)))


def _threads(rows: Rows) -> list[str]:
    return table(threads.HEADER, [list(threads.cells(row)) for row in rows], 3)


def _sparse(rows: Rows) -> list[str]:
    return table(
        ["rows x columns, nonzeros a row", "", "solver", "fit", "scikit-learn", "times faster",
         "predictions", "MB", "MB"],
        [
            [
                row["case"], row["dtype"], row["solver"], _time(1e6 * row["seconds"]),
                _time(1e6 * row["sklearn_seconds"]), f"**{_number(row['faster'])}**",
                _number(row["predict_faster"]), _number(row["megabytes"]),
                _number(row["sklearn_megabytes"]),
            ]
            for row in rows
        ],
        3,
    )  # fmt: skip


def _large(rows: Rows) -> list[str]:
    return table(
        ["", "MB", "from", "in memory", "", "times as fast", "quartiles"],
        [
            [
                row["network"], f"{row['megabytes']:.0f}", row["source"],
                _time(row["memory_us"]), _time(row["us"]), f"**{_number(row['ratio'])}**",
                f"{_number(row['low'])} - {_number(row['high'])}",
            ]
            for row in rows
        ],
        3,
    )  # fmt: skip


def _lasting(rows: Rows) -> list[str]:
    return table(
        ["", "", "", "epoch 5, µs", "epoch 200, µs", "later / earlier"],
        [
            [row["case"], row["dtype"], row["who"], *(
                _number(row[key]) for key in ("early_us", "late_us", "ratio")
            )]
            for row in rows
        ],
        3,
    )  # fmt: skip


def _together(rows: Rows) -> list[str]:
    return table(
        ["", "", "one thread, ms", "with one epoch, ms", "two threads, ms", "times faster"],
        [
            [row["what"], row["dtype"], *(
                _number(row[key]) for key in ("one_ms", "alone_ms", "two_ms", "faster")
            )]
            for row in rows
        ],
        3,
    )  # fmt: skip


def _many(rows: Rows) -> list[str]:
    return table(
        ["", "beside", "fits", "ms a fit", "beside, ms", "times faster"],
        [
            [row["who"], row["beside"], *(
                _number(row[key]) for key in ("fits", "ms", "other_ms", "faster")
            )]
            for row in rows
        ],
        2,
    )  # fmt: skip


def _calls(rows: Rows) -> list[str]:
    return table(
        ["", "", "labels", "Network.fit, µs", "fastdnn, µs", "checks, µs", "scikit-learn, µs",
         "times faster"],
        [
            [row["call"], row["dtype"], row["labels"], *(
                _number(row[key]) for key in ("step_us", "us", "checks_us", "sklearn_us", "faster")
            )]
            for row in rows
        ],
        3,
    )  # fmt: skip


def _serve(rows: Rows) -> list[str]:
    lines: list[str] = []
    for name, part in serve.PARTS.items():
        mine = [part.cells(row) for row in rows if row["part"] == name]
        if mine:
            lines += ["", *wrapped(part.TITLE), "", *table(part.HEADER, mine, 3)]
    return lines[1:]


def _functions(rows: Rows) -> list[str]:
    def lines(chosen: Rows) -> list[str]:
        return table(
            ["network", "", "function", "NumPy, µs", "fastdnn, µs", "times faster", "quartiles"],
            [
                [row["network"], row["dtype"], row["function"], _number(row["numpy_us"]),
                 _number(row["fastdnn_us"]), f"**{_number(row['ratio'])}**",
                 f"{_number(row['ratio_low'])} - {_number(row['ratio_high'])}"]
                for row in chosen
            ],
            3,
        )  # fmt: skip

    whole = [row for row in rows if row["function"] == "step"]
    return [
        *lines(whole), "", "<details><summary>Every function</summary>", "", *lines(rows), "",
        "</details>",
    ]  # fmt: skip


def _layers(rows: Rows) -> list[str]:
    return table(
        ["network", "", "function", "NumPy, µs", "fastdnn, µs", "times faster"],
        [
            [row["network"], row["dtype"], row["function"], _number(row["numpy_us"]),
             _number(row["fastdnn_us"]), _number(row["ratio"])]
            for row in rows
        ],
        3,
    )  # fmt: skip


def _course2(rows: Rows) -> list[str]:
    return table(
        ["function", "", "of", "NumPy, µs", "fastdnn, µs", "times faster", "quartiles"],
        [
            [row["function"], row["dtype"], row["of"], _number(row["numpy_us"]),
             _number(row["fastdnn_us"]), f"**{_number(row['ratio'])}**",
             f"{_number(row['ratio_low'])} - {_number(row['ratio_high'])}"]
            for row in rows
        ],
        3,
    )  # fmt: skip


def _orders(rows: Rows) -> list[str]:
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
             _number(row["numpy_us"]), _number(row["fastdnn_us"]), _number(row["ratio"])]
            for row in worst.values()
        ],
        4,
    )  # fmt: skip


def _products(rows: Rows) -> list[str]:
    mine = [row for row in rows if row["loops"]]
    ratios = sorted(row["ratio"] for row in mine)
    says = (
        f"{len(mine)} of {len(rows)} products are the package's own, in the median"
        f" {_number(ratios[len(mine) // 2])} times as fast as SciPy's BLAS,"
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
                 _number(row["blas_us"]), _number(row["fastdnn_us"]), _number(row["ratio"])]
                for row in mine[:10]
            ],
            3,
        ),
    ]  # fmt: skip


SECTIONS = (
    Section(
        "Network beside its peers",
        "Microseconds a training step, or a prediction. Products are those of the step's matrices"
        " by SciPy's BLAS, and nothing else. In brackets: how many times as long as fastdnn it"
        " takes. JAX runs one compiled scan an epoch. The course's run, of 12 288 pixels, is"
        " taken by the Gram form, and NumPy's column there is the course's own functions.",
        ("--peers",),
        _peers,
    ),
    Section(
        "Estimators beside scikit-learn",
        "`MLPClassifier` and `MLPRegressor` at the same parameters: the time of a fit, how many"
        " times faster predictions are, the most memory beside the data in MB (fastdnn's, then"
        " scikit-learn's), and the final loss and the score of both, once where they are equal.",
        ("estimators",),
        _estimators,
    ),
    Section(
        "Sparse matrices",
        "`MLPClassifier` with 100 hidden units, batch 200, each fit in a process of its own, whose"
        " memory is the most that it had beside the data.",
        ("sparse",),
        _sparse,
    ),
    Section(
        "Threads",
        "The default number of threads beside one thread, both in turns, on a machine with nothing"
        " else to do and beside loads: how many times as long the default takes.",
        ("threads",),
        _threads,
    ),
    Section(
        "Data in blocks",
        "An epoch on data that is read in blocks of 16 MiB, the next one while one is trained on,"
        " beside the same data in memory: float32, Adam, shuffled, with a processor for the"
        " reader.",
        ("large",),
        _large,
    ),
    Section(
        "Single calls",
        "One call of `partial_fit` for [4, 64, 64, n] beside the step that it takes"
        " (`Network.fit` of one batch) and the checks of scikit-learn that it cannot leave out.",
        ("calls",),
        _calls,
    ),
    Section(
        "Predictions",
        "A trained network answers.",
        ("serve",),
        _serve,
    ),
    Section(
        "Predictions by two threads",
        "The same, where two threads may share an answer.",
        ("serve", "--threads=2"),
        _serve,
    ),
    Section(
        "Long fits",
        "A step early in a fit and late in it, when numbers have become very small.",
        ("lasting",),
        _lasting,
    ),
    Section(
        "Small fits in two threads",
        "`MLPClassifier` on breast cancer, 32 units, batch 32, 50 epochs: four fits, and"
        " scikit-learn's `GridSearchCV` with joblib's threads. What is left with one epoch is"
        " mostly scikit-learn's checks and scores.",
        ("together",),
        _together,
    ),
    Section(
        "Many networks at once",
        "200 candidates on five folds of breast cancer, [30, 32, 1], batch 32, 50 epochs, by two"
        " threads, beside the same fits one after the other; and searches over fewer.",
        ("many", "--threads=2"),
        _many,
    ),
    Section(
        "The course's functions",
        "Against NumPy as the course writes it; a step is forward, cost, backward and update."
        " Tiny is [16, 32, 1] with 32 examples, course [12288, 20, 7, 5, 1] with 209 in Fortran"
        " order, middling [784, 256, 128, 1] with 128.",
        (),
        _functions,
    ),
    Section(
        "Dropout and L2",
        "The course's functions with `keep_prob` 0.8 on the hidden layers, `lambd` 0.7 and"
        " mini-batches of 64, against NumPy as the course writes it; one output is sigmoid's,"
        " ten are softmax's.",
        ("layers",),
        _layers,
    ),
    Section(
        "The course's second part",
        "Against NumPy as the course writes it: updates of dicts whose results are the next call's"
        " arguments, mini-batches of 64, and a step of one with dropout, L2 and Adam, of which"
        " fastdnn returns no corrected moments. The last rows are `L_layer_model` with Adam and"
        " mini-batches; NumPy's column there is `Network.fit`.",
        ("course2",),
        _course2,
    ),
    Section(
        "Mixed memory orders",
        "Each function where it gains least: among all sizes and all mixes of C order, Fortran"
        " order and strides (S) of its arguments.",
        ("orders",),
        _orders,
    ),
    Section(
        "Matrix products",
        "A is (M, K) and B is (K, N); T in the form is an operand whose transpose lies in memory.",
        ("products",),
        _products,
    ),
    Section(
        "Growth",
        "A step in depth (layers of 64 units), width (three layers) and examples.",
        ("--growth",),
        _growth,
    ),
)


# ------------------------------------------------------------------------------ the whole document


def write(path: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Measure every table and write them to a file.

    Parameters
    ----------
    path : Path
        The file; with that of the repository the README's few rows are written too.
    arguments : sequence of str
        The command's arguments for all tables.

    Returns
    -------
    found : dict
        The caption and the rows of each table.
    """
    found: dict[str, Any] = {}
    for section in SECTIONS:
        print(f"{section.title} ...", file=sys.stderr, flush=True)
        found[section.title] = _measure((*arguments, *section.arguments))
    captions = [part["caption"] for part in found.values()]
    lines = ["# Benchmarks", "", *wrapped(HEAD), ""]
    for key, value in captions[0].items():
        if key not in OF_A_TABLE:
            lines += wrapped(f"- {key}: {value}")
    for section, caption in zip(SECTIONS, captions, strict=True):
        about = [f"`{' '.join(('python -m bench', *section.arguments))}`"]
        about += [f"{key}: {caption[key]}" for key in OF_A_TABLE if key in caption]
        lines += ["", f"## {section.title}", "", *wrapped(section.text), ""]
        lines += [
            *wrapped(f"{'; '.join(about)}."),
            "",
            *section.lines(found[section.title]["rows"]),
        ]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    if path.resolve() == DOCUMENT:
        text = README.read_text(encoding="utf-8")
        machine = f"One thread of {captions[0]['CPU']}, {captions[0]['date'][:10]}."
        speed = "\n".join(["", *_speed(found), "", machine, "", ""])
        README.write_text(SPEED.sub(rf"\g<1>{speed}\g<2>", text), encoding="utf-8")
    return found


def _measure(arguments: Sequence[str]) -> dict[str, Any]:
    """Run one table in a process of its own, since the peers set threads and types for all."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = Path(folder) / "numbers.json"
        command = [sys.executable, "-m", "bench", *arguments, "--json", str(numbers)]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        found: dict[str, Any] = json.loads(numbers.read_text(encoding="utf-8"))
    return found


def wrapped(text: str) -> list[str]:
    """Break prose into lines; an entry of a list goes on indented."""
    after = "  " * text.startswith("- ")
    return textwrap.wrap(
        text, 120, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )


def _speed(found: dict[str, Any]) -> list[str]:
    """Choose five rows, in which everyone finds a network like his own."""
    peers = found["Network beside its peers"]["rows"]
    fits = found["Estimators beside scikit-learn"]["rows"]

    def step(case: str, text: str, *names: str, steps: int = 1) -> list[str]:
        rows = {row["who"]: row for row in peers if row["case"] == case}
        names = tuple(name for name in names if name in rows)
        theirs = ", ".join(f"{name} {_time(steps * rows[name]['us'])}" for name in names)
        ratios = ", ".join(_number(rows[name]["fastdnn_faster"]) for name in names)
        return [text, f"**{_time(steps * rows['fastdnn']['us'])}**", theirs, ratios]

    def fit(case: str, dtype: str, text: str) -> list[str]:
        row = next(row for row in fits if (row["case"], row["dtype"]) == (case, dtype))
        theirs = f"scikit-learn {_time(1e6 * row['sklearn_seconds'])}"
        return [text, f"**{_time(1e6 * row['seconds'])}**", theirs, _number(row["faster"])]

    return table(
        ["", "fastdnn", "", "times faster"],
        [
            step("course", "the course's run of 2500 iterations, float64", "NumPy", steps=2500),
            fit("cancer", "float64", "`MLPClassifier`, breast cancer, default parameters, float64"),
            fit("cancer, small", "float32", "the same, 32 units, batch 32, 50 epochs, float32"),
            step("tabular", f"{PEERS['tabular'].title}, float32", "JAX", "PyTorch"),
            step("mnist", f"{PEERS['mnist'].title}, float32", "JAX", "PyTorch"),
        ],
    )
