"""The default number of threads beside one thread: on an idle machine, and beside loads."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastdnn
from bench.timing import compare_all

TITLE = "the default number of threads beside one thread, a step of Adam or a prediction, float32"
HEADER = ("network", "call", "beside", "one, µs", "default, µs", "times as long", "quartiles")
WIDTHS = (22, 14, 30, 10, 11, 13, 13)

Call = Callable[[], object]
Case = tuple[tuple[int, ...], str, int]  # layer_dims, what is called, a batch or the rows
Times = NDArray[np.float64]
MNIST = (784, 256, 128, 10)
TABULAR = (54, 128, 64, 1)
# batch, or rows that are predicted: of each network on an idle machine
IDLE = (
    ((2, 2, 1), "fit", 4), ((16, 32, 1), "fit", 32), (TABULAR, "fit", 256), (MNIST, "fit", 128),
    (MNIST, "fit", 1024), ((1024, 1024, 1024, 1), "fit", 512), (TABULAR, "predict", 256),
    (MNIST, "predict", 32), (MNIST, "predict", 1000),
)  # fmt: skip
# and beside a load
LOADED = (
    (TABULAR, "fit", 256), (MNIST, "fit", 128), (TABULAR, "predict", 256), (MNIST, "predict", 32),
)  # fmt: skip
LOADS = ("1 busy process", "2 busy processes", "4 busy processes", "another pool that spins")
PAUSE = "0.3 s of idleness"
QUOTA = "a quota of 1.5 processors"
# until its parent has ended
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int, only: str = ""
) -> list[dict[str, Any]]:
    """Measure every case whose first columns contain the text, both numbers of threads in turns."""
    rows = []
    for row in _rows(quick, rounds, only):
        show(cells(row))
        rows.append(row)
    return rows


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Write a row's columns; what was left out has its reason in the third."""
    names = (row["network"], row["call"], row["beside"])
    if "times" not in row:
        return (*names, "", "", "", "")
    low, high = row["quartiles"]
    return (
        *names, f"{row['one_us']:.1f}", f"{row['us']:.1f}", f"{row['times']:.2f}",
        f"{low:.2f} - {high:.2f}",
    )  # fmt: skip


def _rows(quick: bool, rounds: int, only: str) -> Iterator[dict[str, Any]]:
    seconds = 1e-3 if quick else 60e-3

    def chosen(cases: tuple[Case, ...], beside: str) -> list[Case]:
        return [case for case in cases if only in " ".join((*_names(case).values(), beside))]

    for case in chosen(IDLE[:3] if quick else IDLE, "nothing"):
        yield _row(case, "nothing", _compared(case, rounds, seconds))
    for load in LOADS[::3] if quick else LOADS:
        if cases := chosen(LOADED[:1] if quick else LOADED, load):
            with _beside(load) as before:
                for case in cases:
                    yield _row(case, load, _compared(case, rounds, seconds, before))
    for case in chosen(LOADED[:1], PAUSE):
        yield _row(case, PAUSE, _after_pauses(*case, 1 if quick else 4 * rounds))
    for case in chosen(LOADED[:1], QUOTA):
        yield _under_a_quota(case, rounds, seconds)


def _names(case: Case) -> dict[str, str]:
    dims, call, rows = case
    return {"network": str([*dims]), "call": f"{call} {rows}"}


def _row(case: Case, beside: str, times: Times) -> dict[str, Any]:
    ratios = times[:, 1] / times[:, 0]
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return _names(case) | {
        "beside": beside,
        "one_us": float(np.median(times[:, 0])),
        "us": float(np.median(times[:, 1])),
        "times": float(middle),
        "quartiles": (float(low), float(high)),
    }


def _calls(dims: tuple[int, ...], call: str, rows: int, batches: int) -> tuple[list[Call], int]:
    """Prepare a call by one thread and by default, and say how many steps it has."""
    random = np.random.default_rng(0)
    output = "softmax" if dims[-1] > 1 else "sigmoid"
    m = rows if call == "predict" else rows * batches
    X = random.normal(size=(m, dims[0])).astype(np.float32)
    y = random.integers(0, max(2, dims[-1]), m)

    def made(n_threads: int | None) -> Call:
        net = fastdnn.Network(dims, output_activation=output, dtype="float32", rng=0)
        if call == "predict":
            return lambda: net.predict(X, n_threads=n_threads)
        return lambda: net.fit(
            X, y, optimizer=fastdnn.Adam(), batch_size=rows, shuffle=False, n_threads=n_threads
        )

    return [made(1), made(None)], 1 if call == "predict" else batches


def _compared(case: Case, rounds: int, seconds: float, before: Call | None = None) -> Times:
    dims, call, rows = case
    work = rows * sum(n * n_next for n, n_next in pairwise(dims))
    calls, steps = _calls(dims, call, rows, max(16, min(100, 8 * 10**9 // work)))
    if before is not None:
        calls = [partial(_both, before, act) for act in calls]
    return compare_all(calls, rounds=rounds, seconds=seconds) / steps


def _both(before: Call, act: Call) -> None:
    before()
    act()


def _after_pauses(dims: tuple[int, ...], call: str, rows: int, rounds: int) -> Times:
    """Time single fits of 100 batches, each after a while in which nothing ran."""
    calls, steps = _calls(dims, call, rows, 100)
    times = np.empty((rounds, 2))
    for act in calls:
        act()
    for i in range(rounds):
        for j in (0, 1) if i % 2 else (1, 0):
            sleep(0.3)
            begin = perf_counter()
            calls[j]()
            times[i, j] = 1e6 * (perf_counter() - begin) / steps
    return times


# ------------------------------------------------------------------------------------------ loads


@contextmanager
def _beside(load: str) -> Iterator[Call | None]:
    """Make a load; yields what is to be called before each call, if that is what makes it."""
    if not load.endswith(("process", "processes")):
        # OpenBLAS's threads look for more work for a while
        A = np.ones((400, 400), np.float32)
        yield lambda: A @ A
        return
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(int(load.split()[0]))]
    sleep(0.3)
    try:
        yield None
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _under_a_quota(case: Case, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure in a process of its own, in a control group of its own, if one can be made."""
    left_out = _names(case)
    try:
        group = _new_group()
    except OSError as error:
        return left_out | {"beside": f"{QUOTA}: {error.strerror}"}
    code = (
        "import json, os, sys; open(sys.argv[1], 'w').write(str(os.getpid()));"
        " from bench import threads; print(json.dumps(threads.measured(*json.loads(sys.argv[2]))))"
    )
    try:
        found = subprocess.run(
            [sys.executable, "-c", code, str(group / "cgroup.procs"),
             json.dumps((*case, rounds, seconds))],
            capture_output=True, encoding="utf-8", check=True, cwd=Path(__file__).parent.parent,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
        )  # fmt: skip
    except subprocess.CalledProcessError:
        return left_out | {"beside": f"{QUOTA}: none is allowed"}
    finally:
        group.rmdir()
    return _row(case, QUOTA, np.array(json.loads(found.stdout)))


def measured(
    dims: list[int], call: str, rows: int, rounds: int, seconds: float
) -> list[list[float]]:
    """Compare in this process, and return the times as a list of pairs."""
    times: list[list[float]] = _compared((tuple(dims), call, rows), rounds, seconds).tolist()
    return times


def _new_group() -> Path:
    """Make a control group with the quota, below the process's own."""
    root = Path("/sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "cpu", "cpu,cpuacct"):
            continue
        group = root / controllers / path.lstrip("/") / f"fastdnn-bench-{os.getpid()}"
        limits = ("cpu.cfs_quota_us", "150000") if controllers else ("cpu.max", "150000 100000")
        if not (group.parent / limits[0]).exists():
            continue
        group.mkdir()
        try:
            (group / limits[0]).write_text(limits[1], encoding="ascii")
        except OSError:
            group.rmdir()
            raise
        return group
    raise FileNotFoundError(2, "no control group has processors")
