"""Whole training runs and predictions: fastdnn, the bare matrix products, and the peers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from bench.peers import CASES, CONTENDERS, Case, installed, steps
from bench.timing import compare_all

TITLE = "fastdnn, bare matrix products, and peers"
HEADER = ("case", "dtype", "who", "µs a step", "times bare gemm", "fastdnn is faster", "quartiles")
WIDTHS = (12, 7, 16, 11, 15, 17, 15)
LEFT = 3
# networks that grow in depth, width or examples, with epochs enough to make a call long
DEPTHS = tuple(
    Case(f"depth {d}", (*[64] * d, 1), 64, "sgd", batches=8, epochs=10)
    for d in (2, 4, 8, 16, 32, 64)
)
BREADTHS = tuple(
    Case(f"width {n}", (n, n, n, 1), 64, "sgd", batches=2, epochs=max(1, 5000 // n))
    for n in (16, 64, 256, 1024, 2048, 4096)
)
EXAMPLES = tuple(
    Case(f"m {m}", (64, 64, 64, 1), m, "sgd", epochs=max(1, 5000 // m))
    for m in (1, 10, 100, 1000, 10_000, 100_000)
)


def versions() -> str:
    """Name the peers and their versions."""
    names = {"scikit-learn": "scikit-learn", "PyTorch": "torch", "JAX": "jax"}
    names["onnxruntime"] = "onnxruntime"
    return ", ".join(f"{n} {version(p)}" for n, p in names.items() if installed(n)) or "none"


def run(
    cases: Sequence[Case],
    contenders: Sequence[str],
    threads: int,
    rounds: int,
    seconds: float,
    show: Callable[[tuple[str, ...]], None],
) -> list[dict[str, Any]]:
    """Time each case by each contender that is installed and can do it."""
    rows = []
    for case in cases:
        names, calls = [], []
        for name in contenders:
            call = CONTENDERS[name][0](case, threads) if installed(name) else None
            if call is not None:
                names.append(name)
                calls.append(call)
        pause = 0.3 if threads > 1 else 0.0
        times = compare_all(calls, rounds=rounds, seconds=seconds, pause=pause)
        times /= [steps(case, name) for name in names]
        ours, bare = times[:, names.index("fastdnn")], times[:, names.index("bare gemm")]
        for name, theirs in zip(names, times.T, strict=True):
            # quartiles of fastdnn's time by the products', or of the others' by fastdnn's
            ratios = theirs / bare if name == "fastdnn" else theirs / ours
            low, high = np.percentile(ratios, (25, 75))
            row = {
                "case": case.name,
                "dtype": case.dtype,
                "threads": threads,
                "who": name,
                "us": float(np.median(theirs)),
                "times_bare": float(np.median(theirs / bare)),
                "fastdnn_faster": float(np.median(theirs / ours)),
                "low": float(low),
                "high": float(high),
            }
            rows.append(row)
            show(
                (
                    case.name,
                    case.dtype,
                    name,
                    f"{row['us']:.1f}",
                    f"{row['times_bare']:.2f}",
                    f"{row['fastdnn_faster']:.2f}",
                    f"{row['low']:.2f} - {row['high']:.2f}",
                )
            )
    return rows


def quick(cases: Sequence[Case]) -> list[Case]:
    """Shorten the runs and leave out the largest, for a smoke test."""
    left_out = (*BREADTHS[-2:], *EXAMPLES[-1:])
    return [replace(case, epochs=min(case.epochs, 5)) for case in cases if case not in left_out]


def plot(rows: list[dict[str, Any]], caption: dict[str, str], path: Any) -> None:
    """Draw what each contender takes against the bare products, a group of bars a case."""
    figure_module = import_module("matplotlib.figure")
    names = list(dict.fromkeys(row["who"] for row in rows if row["who"] != "bare gemm"))
    cases = list(dict.fromkeys(row["case"] for row in rows))
    figure = figure_module.Figure(figsize=(2 + 1.3 * len(cases), 5), layout="constrained")
    ax = figure.subplots()
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        mine = [row for row in rows if row["who"] == name]
        ax.bar(
            [cases.index(row["case"]) + (i - (len(names) - 1) / 2) * width for row in mine],
            [row["times_bare"] for row in mine],
            width,
            label=name,
        )
    ax.axhline(1, color="black", linewidth=1)
    ax.set(yscale="log", ylabel="time of a step / bare matrix products", xticks=range(len(cases)))
    ax.set_xticklabels(cases)
    ax.legend(fontsize=8, ncols=2)
    figure.suptitle(f"{TITLE}\n{caption['CPU']}, threads: {caption['threads']}", fontsize=9)
    figure.savefig(path, dpi=120)


def plot_growth(rows: list[dict[str, Any]], caption: dict[str, str], path: Any) -> None:
    """Draw how the time of a step grows with depth, width and the number of examples."""
    figure_module = import_module("matplotlib.figure")
    figure = figure_module.Figure(figsize=(11, 4), layout="constrained")
    for ax, kind in zip(figure.subplots(1, 3), ("depth", "width", "m"), strict=True):
        mine = [row for row in rows if row["case"].split()[0] == kind]
        for name in dict.fromkeys(row["who"] for row in mine):
            of_name = [row for row in mine if row["who"] == name]
            x = [int(row["case"].split()[1]) for row in of_name]
            ax.loglog(x, [row["us"] for row in of_name], "o-", markersize=3, label=name)
        ax.set_xlabel(
            {"depth": "layers of 64", "width": "units of 3 layers", "m": "examples"}[kind]
        )
        ax.grid(linewidth=0.4)
    figure.axes[0].set_ylabel("µs a step")
    figure.axes[0].legend(fontsize=8)
    figure.suptitle(f"{caption['CPU']}, threads: {caption['threads']}", fontsize=9)
    figure.savefig(path, dpi=120)


NAMES = tuple(case.name for case in CASES)
