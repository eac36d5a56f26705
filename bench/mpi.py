"""Steps that ranks of MPI take together: computing, waiting and exchanging.

The table starts `mpiexec` itself, which runs this file on each rank.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

TITLE = "Steps that ranks of MPI take together, one thread a rank"
HEADER = (
    "network", "batch", "dtype", "ranks", "step, µs", "computing", "waiting", "exchanging",
    "times faster",
)  # fmt: skip
WIDTHS = (22, 6, 8, 5, 9, 9, 8, 10, 12)
CASES = (((54, 128, 64, 1), 256), ((784, 256, 128, 10), 1024), ((784, 256, 128, 10), 256))
_CASE = ("network", "batch", "dtype")
# steps of an epoch
STEPS = 8


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Train on one rank and on as many as there are processors."""
    del threads  # a rank has one
    reason = _missing()
    if reason is not None:
        print(f"skipped: {reason}")
        return []
    rows = []
    for n in range(1, 1 + min(4, os.cpu_count() or 1)):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        started = subprocess.run(
            [*_command(n), __file__, str(1 if quick else len(CASES)), str(2 if quick else rounds)],
            capture_output=True, encoding="utf-8", env=environment, check=True, timeout=600,
        )  # fmt: skip
        rows += json.loads(started.stdout.splitlines()[-1])
    for row in rows:
        same = [other for other in rows if all(other[k] == row[k] for k in _CASE)]
        alone = next(other["step_us"] for other in same if other["ranks"] == 1)
        row["ratio"] = alone / row["step_us"]
        numbers = (f"{row[key]:.0f}" for key in ("step_us", "compute_us", "wait_us", "exchange_us"))
        words = (row["network"], str(row["batch"]), row["dtype"], str(row["ranks"]))
        show((*words, *numbers, f"{row['ratio']:.2f}"))
    return rows


def _command(n: int) -> list[str]:
    beside = str(Path(sys.executable).parent)
    mpiexec = shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")
    return [str(mpiexec), "-n", str(n), sys.executable, "-m", "mpi4py"]


def _missing() -> str | None:
    """Say why there can be no ranks."""
    if _command(1)[0] == "None":
        return "no mpiexec was found"
    code = "from mpi4py import MPI; print(MPI.COMM_WORLD.size)"
    run = subprocess.run([*_command(2), "-c", code], capture_output=True, encoding="utf-8")
    if "".join(run.stdout.split()) != "22":
        return "no ranks of mpi4py can be started: pip install mpi4py mpich"
    return None


# ------------------------------------------------------------------------------------- on a rank


def _rank(cases: int, rounds: int) -> None:
    from mpi4py import MPI

    import fastdnn

    class Timed(MPI.Intracomm):  # type: ignore[misc,unused-ignore]
        """A communicator that times steps: up to a meeting's end, and from there to the sum's.

        Ranks of one machine then copy the sum from memory that all see, which counts as computing.
        """

        waited = exchanged = met = 0.0

        def Allgather(self, *given: Any) -> None:
            start = perf_counter()
            super().Allgather(*given)
            Timed.met = perf_counter()
            Timed.waited += Timed.met - start

        def Barrier(self) -> None:
            super().Barrier()
            Timed.exchanged += perf_counter() - Timed.met

        def Allgatherv(self, *given: Any) -> None:
            super().Allgatherv(*given)
            Timed.exchanged += perf_counter() - Timed.met

    comm = Timed(MPI.COMM_WORLD)
    n, rank = comm.Get_size(), comm.Get_rank()
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[rank % len(processors)]})
    rows = []
    for layer_dims, batch in CASES[:cases]:
        for dtype in ("float32", "float64"):
            output = "softmax" if layer_dims[-1] > 1 else "sigmoid"
            net = fastdnn.Network(layer_dims, output_activation=output, dtype=dtype, rng=0)
            random = np.random.default_rng(rank)
            m = STEPS * (batch * (rank + 1) // n - batch * rank // n)
            X = random.normal(size=(m, layer_dims[0])).astype(dtype)
            Y = random.integers(0, max(2, layer_dims[-1]), m)
            samples = []
            for _ in range(1 + 4 * rounds):
                Timed.waited = Timed.exchanged = 0.0
                MPI.COMM_WORLD.Barrier()
                history = net.fit(X, Y, batch_size=batch, epochs=3, shuffle=False, comm=comm)
                taken = history.times[-1]
                samples.append((taken, taken - Timed.waited - Timed.exchanged, Timed.waited,
                                Timed.exchanged))  # fmt: skip
            medians = np.median(samples[1:], axis=0) * 1e6 / (3 * STEPS)
            names = ("step_us", "compute_us", "wait_us", "exchange_us")
            rows.append(
                {"network": str(list(layer_dims)), "batch": batch, "dtype": dtype, "ranks": n}
                | dict(zip(names, map(float, medians), strict=True))
            )
    if rank == 0:
        print(json.dumps(rows))


if __name__ == "__main__":
    _rank(*map(int, sys.argv[1:]))
