"""Time fastdnn against NumPy as the course writes it."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import fastdnn
from bench import (
    calls,
    course2,
    estimators,
    large,
    lasting,
    layers,
    many,
    mpi,
    orders,
    products,
    recipe,
    report,
    serve,
    sparse,
    tabular,
    threads,
    together,
    training,
)
from bench.cases import DTYPES, FUNCTIONS, NETWORKS, Case, cases
from bench.peers import CASES, CONTENDERS
from bench.timing import Comparison, compare
from fastdnn._core import levels

TITLE = "fastdnn against NumPy as the course writes it"
HEADER = ("network", "dtype", "function", "NumPy, µs", "fastdnn, µs", "times faster", "quartiles")
WIDTHS = (8, 7, 34, 10, 11, 12, 13)
LEFT = 3  # columns of words, before those of numbers
# the other tables, by the command's first word
TABLES: dict[str, ModuleType] = {
    "estimators": estimators,
    "layers": layers,
    "course2": course2,
    "orders": orders,
    "lasting": lasting,
    "together": together,
    "many": many,
    "calls": calls,
    "serve": serve,
    "sparse": sparse,
    "tabular": tabular,
    "recipe": recipe,
    "threads": threads,
    "large": large,
    "mpi": mpi,
    "products": products,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    rounds = options.rounds or (3 if options.quick else 5 if options.what else 30)
    if options.what and (options.peers or options.growth or options.plot):
        parser.error(f"{options.what} goes with neither --peers, --growth nor --plot")
    if options.only and options.what != "threads":
        parser.error("--only goes with threads")
    if options.markdown:
        if options.what or options.peers or options.growth or options.plot:
            parser.error("--markdown is of every table: neither of one, nor with --plot")
        given = [f"--threads={options.threads}", *["--quick"] * options.quick]
        given += [f"--rounds={options.rounds}"] if options.rounds else []
        found = report.write(options.markdown, given)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    # what reads ahead, or fits beside, is another thread
    if options.what == "threads":
        options.threads = max(2, options.threads)
    if options.what != "mpi":  # whose ranks have a processor each
        _pin(options.threads + (options.what in ("large", "together", "recipe")))
    controller = _require("threadpoolctl").ThreadpoolController()
    if options.plot:
        known = _require("matplotlib.figure").Figure().canvas.get_supported_filetypes()
        if options.plot.suffix[1:].lower() not in known:
            parser.error(f"argument --plot: the name must end in one of .{', .'.join(known)}")
    with controller.limit(limits=options.threads, user_api="blas"):
        caption = _caption(controller.info(), rounds)
        measure = _measure_training if options.peers or options.growth else _measure_functions
        if options.what:
            measure = _measure_table
        rows = measure(options, caption, rounds)
    if options.json:
        text = json.dumps({"caption": caption, "rows": rows}, indent=1, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.plot:
        draw = training.plot_growth if options.growth else training.plot if options.peers else _plot
        draw(rows, caption, options.plot)
    return 0


def _measure_functions(
    options: argparse.Namespace, caption: dict[str, str], rounds: int
) -> list[dict[str, Any]]:
    rows = []
    _print_head(TITLE, HEADER, WIDTHS, caption)
    for case in cases(options.networks, options.dtypes, options.functions):
        times = compare(
            case.numpy, case.fastdnn, rounds=rounds, seconds=5e-4 if options.quick else 15e-3
        )
        print(_line(_cells(case, times), WIDTHS), flush=True)
        rows.append(_row(case, times))
    return rows


def _measure_training(
    options: argparse.Namespace, caption: dict[str, str], rounds: int
) -> list[dict[str, Any]]:
    caption["threads"] = str(options.threads)
    names: Sequence[str] = ("bare gemm", "fastdnn")
    if options.growth:
        chosen: Sequence[Any] = (*training.DEPTHS, *training.BREADTHS, *training.EXAMPLES)
    else:
        caption["peers"] = training.versions()
        chosen = [case for case in CASES if case.name in options.cases]
        names = tuple(CONTENDERS)
    if options.quick:
        chosen = training.quick(chosen)
    _print_head(training.TITLE, training.HEADER, training.WIDTHS, caption)

    def show(cells: Sequence[str]) -> None:
        print(_line(cells, training.WIDTHS), flush=True)

    seconds = 5e-4 if options.quick else 60e-3
    return training.run(chosen, names, options.threads, rounds, seconds, show)


def _measure_table(
    options: argparse.Namespace, caption: dict[str, str], rounds: int
) -> list[dict[str, Any]]:
    table = TABLES[options.what]
    caption["threads"] = str(options.threads)
    if table in (calls, estimators, many, recipe, sparse, tabular, together):
        caption["peers"] = f"scikit-learn {version('scikit-learn')}"
    if table in (lasting, serve):
        caption["peers"] = training.versions()
    _print_head(table.TITLE, table.HEADER, table.WIDTHS, caption)

    def show(cells: Sequence[str]) -> None:
        print(_line(cells, table.WIDTHS), flush=True)

    some = {"only": options.only} if options.only else {}
    rows: list[dict[str, Any]] = table.run(options.quick, rounds, show, options.threads, **some)
    return rows


def _pin(threads: int) -> None:
    """Keep to so many processors: the peers count those that the process may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


# --------------------------------------------------------------------------------- command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{TITLE}: both in turns, the median of the ratios and its quartiles.",
        epilog="Pin the threads and keep the machine quiet: another job costs more than it looks.",
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=tuple(TABLES),
        help="layers with dropout and L2, the course's second part, the estimators beside "
        "scikit-learn's, the functions in every mix of memory orders, a step early and late in a "
        "long fit, calls for one step, predictions, sparse matrices, tables, data in blocks, the "
        "default number of threads beside loads, ranks of MPI, or products beside BLAS's",
    )
    _choices(parser, "--networks", tuple(NETWORKS))
    _choices(parser, "--dtypes", DTYPES)
    _choices(parser, "--functions", FUNCTIONS)
    _choices(parser, "--cases", training.NAMES)
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="threads: of the rows in whose words it stands"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--peers", action="store_true", help="whole training runs instead, beside installed peers"
    )
    which.add_argument(
        "--growth", action="store_true", help="how the time grows with depth, width and examples"
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        metavar="N",
        help="samples of each side (30, other tables 5; 3 if --quick)",
    )
    parser.add_argument(
        "--threads", type=_positive, default=1, metavar="N", help="threads of BLAS (1)"
    )
    parser.add_argument("--quick", action="store_true", help="few and short samples: a smoke test")
    parser.add_argument(
        "--markdown", type=_output, metavar="F", nargs="?", const=report.DOCUMENT,
        help="measure every table and write them all to F (docs/benchmarks.md, and the README's)",
    )  # fmt: skip
    parser.add_argument("--json", type=_output, metavar="F", help="write the numbers to F")
    parser.add_argument("--plot", type=_output, metavar="F", help="draw the ratios into F")
    return parser


def _choices(parser: argparse.ArgumentParser, option: str, known: tuple[str, ...]) -> None:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return [name for name in known if name in chosen]

    parser.add_argument(
        option, type=names, default=known, metavar="A,B", help=f"some of {', '.join(known)} (all)"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _output(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"cannot write a file {text!r}")
    return path


def _require(module: str) -> Any:
    name = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise SystemExit(f"bench: {error}; run: pip install {name}") from None


# -------------------------------------------------------------------------------------- caption


def _caption(pools: list[dict[str, Any]], rounds: int) -> dict[str, str]:
    caption = {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
        "NumPy": version("numpy"),
        "SciPy": version("scipy"),
        "fastdnn": f"{fastdnn.__version__}, SIMD level {levels.level}",
        "caches": "first level {} kB, second {} kB".format(*(n // 1024 for n in levels.caches)),
    }
    blas = sorted(
        f"{pool['internal_api']} {pool['version']} for {pool.get('architecture')} "
        f"({Path(pool['filepath']).parent.name}), threads: {pool['num_threads']}"
        for pool in pools
        if pool["user_api"] == "blas"
    )
    caption["BLAS"] = "; ".join(blas)
    if hasattr(os, "getloadavg"):
        caption["load"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    caption["date"] = f"{datetime.now():%Y-%m-%d %H:%M}"
    caption["rounds"] = str(rounds)
    return caption


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


# ------------------------------------------------------------------------------ table and plot


def _row(case: Case, times: Comparison) -> dict[str, Any]:
    return {
        "network": case.network,
        "dtype": case.dtype,
        "function": case.function,
        "numpy_us": times.baseline_us,
        "fastdnn_us": times.contender_us,
        "ratio": times.ratio,
        "ratio_low": times.low,
        "ratio_high": times.high,
    }


def _cells(case: Case, times: Comparison) -> tuple[str, ...]:
    return (
        case.network,
        case.dtype,
        case.function,
        f"{times.baseline_us:.1f}",
        f"{times.contender_us:.1f}",
        f"{times.ratio:.2f}",
        f"{times.low:.2f} - {times.high:.2f}",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.ljust(width) if i < LEFT else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _print_head(
    title: str, header: Sequence[str], widths: Sequence[int], caption: dict[str, str]
) -> None:
    print(f"{title}\n")
    for key, value in caption.items():
        print(f"{key:8}  {value}")
    print("", _line(header, widths), sep="\n")


def _plot(rows: list[dict[str, Any]], caption: dict[str, str], path: Path) -> None:
    networks, dtypes, functions = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("network", "dtype", "function")
    )
    ticker = _require("matplotlib.ticker")
    figure = _require("matplotlib.figure").Figure(
        figsize=(4 + 3.2 * len(networks), 1.8 + 0.36 * len(functions)), layout="constrained"
    )
    axes = figure.subplots(1, len(networks), sharex=True, sharey=True, squeeze=False)[0]
    height = 0.8 / len(dtypes)
    for ax, network in zip(axes, networks, strict=True):
        for i, dtype in enumerate(dtypes):
            mine = [row for row in rows if (row["network"], row["dtype"]) == (network, dtype)]
            ratio, low, high = (
                [row[key] for row in mine] for key in ("ratio", "ratio_low", "ratio_high")
            )
            ax.barh(
                [
                    functions.index(row["function"]) + (i - (len(dtypes) - 1) / 2) * height
                    for row in mine
                ],
                [r - 1 for r in ratio],
                height,
                left=1,
                xerr=(
                    [r - q for r, q in zip(ratio, low, strict=True)],
                    [q - r for r, q in zip(ratio, high, strict=True)],
                ),
                error_kw={"elinewidth": 0.8, "ecolor": "0.3"},
                label=dtype,
            )
        ax.axvline(1, color="black", linewidth=1)
        ax.grid(axis="x", linewidth=0.4)
        ax.set_axisbelow(True)
        ax.set_title(f"{list(NETWORKS[network].layer_dims)}, m = {NETWORKS[network].m}", fontsize=9)
    # all networks share one axis, on which the functions read downwards
    axes[0].set(xscale="log", yticks=range(len(functions)), yticklabels=functions)
    axes[0].invert_yaxis()
    axes[0].xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes[0].xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes[0].xaxis.set_minor_formatter(ticker.NullFormatter())
    axes[-1].legend(loc="lower right", fontsize=8)
    figure.supxlabel("times faster than NumPy", fontsize=9)
    figure.suptitle(f"{TITLE}\n{caption['CPU']}, {caption['BLAS']}", fontsize=9)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"bench: {error}")
