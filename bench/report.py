"""All tables as one document: each measured in a process of its own, and written as Markdown."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import ROOT, tables

DOCUMENT = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
# the README's table of speed, between two comments
SPEED = re.compile(r"(<!-- speed[^>]*-->\n).*?(<!-- /speed -->)", re.DOTALL)

HEAD = (
    "Written by `python -m bench --markdown`, which measures everything anew; nothing here was"
    " changed by hand. Each number is a median over interleaved rounds, each ratio the median of"
    " the rounds' own ratios: both sides met the same machine."
)
OF_A_TABLE = ("rounds", "load", "peers")  # in a caption, about its table


@dataclass(frozen=True)
class Section:
    """A table: title, introduction, the command's arguments, and a function of rows to lines."""

    title: str
    text: str
    arguments: tuple[str, ...]
    lines: Callable[[tables.Rows], list[str]]


SECTIONS = (
    Section(
        "Network beside its peers",
        "Microseconds a training step, or a prediction. Products are those of the step's matrices"
        " by SciPy's BLAS, and nothing else. In brackets: how many times as long as fastdnn it"
        " takes. JAX runs one compiled scan an epoch. The course's run, of 12 288 pixels, is"
        " taken by the Gram form, and NumPy's column there is the course's own functions.",
        ("--peers",),
        tables.peers,
    ),
    Section(
        "Estimators beside scikit-learn",
        "`MLPClassifier` and `MLPRegressor` at the same parameters: the time of a fit, how many"
        " times faster predictions are, the most memory beside the data in MB (fastdnn's, then"
        " scikit-learn's), and the final loss and the score of both, once where they are equal.",
        ("estimators",),
        tables.fits,
    ),
    Section(
        "Tables as they are",
        "`TabularMLPClassifier` and `TabularMLPRegressor`, nobody's parameters tuned: the part of"
        " errors, or the root mean square, on a fifth of the rows; each fit has another split and"
        " another seed, and all methods have the same. Wine has 178 rows, breast cancer 569, and a"
        " row is a percent or three of such a fifth; the two tables of the photographs have 20 000"
        " rows of 72 columns. The standard error is that of the mean, over the splits.",
        ("tabular",),
        tables.tabular,
    ),
    Section(
        "Time of a fit of a table",
        "All of a fit, with preprocessing, validation and the best epoch, beside its steps alone;"
        " its last ten epochs beside its first ten; an ensemble of eight by two threads beside"
        " one network by one; and the same network's steps and epochs by PyTorch. Fits of the"
        " photographs' tables have 16 epochs of their 256 here, beside which the preprocessing"
        " counts for more.",
        ("recipe",),
        tables.recipe,
    ),
    Section(
        "Sparse matrices",
        "`MLPClassifier` with 100 hidden units, batch 200, each fit in a process of its own, whose"
        " memory is the most that it had beside the data.",
        ("sparse",),
        tables.sparse,
    ),
    Section(
        "Threads",
        "The default number of threads beside one thread, both in turns, on a machine with nothing"
        " else to do and beside loads: how many times as long the default takes.",
        ("threads",),
        tables.defaults,
    ),
    Section(
        "Data in blocks",
        "An epoch on data that is read in blocks of 16 MiB, the next one while one is trained on,"
        " beside the same data in memory: float32, Adam, shuffled, with a processor for the"
        " reader.",
        ("large",),
        tables.large,
    ),
    Section(
        "Ranks of MPI",
        "A step that ranks take together, each with one thread and its own rows, and the"
        " microseconds of it that a rank computes, waits for the others, and exchanges gradients.",
        ("mpi",),
        tables.ranks,
    ),
    Section(
        "Single calls",
        "One call of `partial_fit` for [4, 64, 64, n] beside the step that it takes"
        " (`Network.fit` of one batch) and the checks of scikit-learn that it cannot leave out.",
        ("calls",),
        tables.calls,
    ),
    Section(
        "Predictions",
        "A trained network answers.",
        ("serve",),
        tables.predictions,
    ),
    Section(
        "Predictions by two threads",
        "The same, where two threads may share an answer.",
        ("serve", "--threads=2"),
        tables.predictions,
    ),
    Section(
        "Long fits",
        "A step early in a fit and late in it, when numbers have become very small.",
        ("lasting",),
        tables.lasting,
    ),
    Section(
        "Small fits in two threads",
        "`MLPClassifier` on breast cancer, 32 units, batch 32, 50 epochs: four fits, and"
        " scikit-learn's `GridSearchCV` with joblib's threads. What is left with one epoch is"
        " mostly scikit-learn's checks and scores.",
        ("together",),
        tables.together,
    ),
    Section(
        "Many networks at once",
        "200 candidates on five folds of breast cancer, [30, 32, 1], batch 32, 50 epochs, by two"
        " threads, beside the same fits one after the other; and searches over fewer.",
        ("many", "--threads=2"),
        tables.many,
    ),
    Section(
        "The course's functions",
        "Against NumPy as the course writes it; a step is forward, cost, backward and update."
        " Tiny is [16, 32, 1] with 32 examples, course [12288, 20, 7, 5, 1] with 209 in Fortran"
        " order, middling [784, 256, 128, 1] with 128.",
        (),
        tables.functions,
    ),
    Section(
        "Dropout and L2",
        "The course's functions with `keep_prob` 0.8 on the hidden layers, `lambd` 0.7 and"
        " mini-batches of 64, against NumPy as the course writes it; one output is sigmoid's,"
        " ten are softmax's.",
        ("layers",),
        tables.layers,
    ),
    Section(
        "The course's second part",
        "Against NumPy as the course writes it: updates of dicts whose results are the next call's"
        " arguments, mini-batches of 64, and a step of one with dropout, L2 and Adam, of which"
        " fastdnn returns no corrected moments. The last rows are `L_layer_model` with Adam and"
        " mini-batches; NumPy's column there is `Network.fit`.",
        ("course2",),
        tables.course2,
    ),
    Section(
        "Mixed memory orders",
        "Each function where it gains least: among all sizes and all mixes of C order, Fortran"
        " order and strides (S) of its arguments.",
        ("orders",),
        tables.orders,
    ),
    Section(
        "Matrix products",
        "A is (M, K) and B is (K, N); T in the form is an operand whose transpose lies in memory.",
        ("products",),
        tables.products,
    ),
    Section(
        "Growth",
        "A step in depth (layers of 64 units), width (three layers) and examples.",
        ("--growth",),
        tables.growth,
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
    lines = ["# Benchmarks", "", *tables.wrapped(HEAD), ""]
    for key, value in captions[0].items():
        if key not in OF_A_TABLE:
            lines += tables.wrapped(f"- {key}: {value}")
    for section, caption in zip(SECTIONS, captions, strict=True):
        about = [f"`{' '.join(('python -m bench', *section.arguments))}`"]
        about += [f"{key}: {caption[key]}" for key in OF_A_TABLE if key in caption]
        lines += ["", f"## {section.title}", "", *tables.wrapped(section.text), ""]
        lines += [
            *tables.wrapped(f"{'; '.join(about)}."),
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


def _speed(found: dict[str, Any]) -> list[str]:
    """Choose five rows, in which everyone finds a network like his own."""
    peers = found["Network beside its peers"]["rows"]
    fits = found["Estimators beside scikit-learn"]["rows"]

    def step(case: str, text: str, *names: str, steps: int = 1) -> list[str]:
        rows = {row["who"]: row for row in peers if row["case"] == case}
        names = tuple(name for name in names if name in rows)
        theirs = ", ".join(f"{name} {tables.duration(steps * rows[name]['us'])}" for name in names)
        ratios = ", ".join(tables.number(rows[name]["fastdnn_faster"]) for name in names)
        return [text, f"**{tables.duration(steps * rows['fastdnn']['us'])}**", theirs, ratios]

    def fit(case: str, dtype: str, text: str) -> list[str]:
        row = next(row for row in fits if (row["case"], row["dtype"]) == (case, dtype))
        theirs = f"scikit-learn {tables.duration(1e6 * row['sklearn_seconds'])}"
        return [
            text,
            f"**{tables.duration(1e6 * row['seconds'])}**",
            theirs,
            tables.number(row["faster"]),
        ]

    return tables.table(
        ["", "fastdnn", "", "times faster"],
        [
            step("course", "the course's run of 2500 iterations, float64", "NumPy", steps=2500),
            fit("cancer", "float64", "`MLPClassifier`, breast cancer, default parameters, float64"),
            fit("cancer, small", "float32", "the same, 32 units, batch 32, 50 epochs, float32"),
            step("tabular", f"{tables.PEERS['tabular'].title}, float32", "JAX", "PyTorch"),
            step("mnist", f"{tables.PEERS['mnist'].title}, float32", "JAX", "PyTorch"),
        ],
    )
