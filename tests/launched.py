"""Programs on several ranks of MPI, and whether there is an MPI here."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def mpiexec():
    """Find the command that starts ranks: beside this Python, as of the wheel mpich, or any."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")


@functools.cache
def missing():
    """Say why no ranks can be started, or return None."""
    if mpiexec() is None:
        return "no mpiexec was found"
    code = "from mpi4py import MPI; print(MPI.COMM_WORLD.size)"
    run = launch(2, "-c", code, timeout=60)
    if "".join(run.stdout.split()) != "22":
        return f"no two ranks of mpi4py can be started: {(run.stderr.splitlines() or ['?'])[-1]}"
    return None


@functools.cache
def hands_on_interrupts():
    """Tell whether the ranks hear Ctrl-C, as MPICH's do; Open MPI's command kills them instead."""
    run = subprocess.run([mpiexec(), "--version"], capture_output=True, encoding="utf-8")
    return "Open MPI" not in run.stdout


def command(n, *arguments):
    """Build a command of n ranks, which end together if one of them raises."""
    return [mpiexec(), "-n", str(n), sys.executable, "-P", "-m", "mpi4py", *map(str, arguments)]


def environment(**others):
    """Let a rank have one thread, and an Open MPI more ranks than processors, and root."""
    openmpi = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"} | openmpi | others


def launch(n, *arguments, timeout=40, **others):
    """Run a program on n ranks, and return what it printed and how it ended."""
    return subprocess.run(
        command(n, *arguments), timeout=timeout, capture_output=True, encoding="utf-8",
        env=environment(**others),
    )  # fmt: skip


def need_mpi():
    """Skip a test where there is no MPI."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
