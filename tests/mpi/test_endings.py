"""How ranks of MPI end together: by an error, a kill or Ctrl-C."""

import signal
import subprocess

import pytest
from launched import command, environment, hands_on_interrupts, launch, need_mpi

# seconds after which ranks that should have ended are said to hang
PATIENCE = 30
PROGRAM = """
import os, signal, sys
import numpy as np
from mpi4py import MPI
import fastdnn

comm, how = MPI.COMM_WORLD, sys.argv[1]
net = fastdnn.Network([20, 32, 1], rng=0)
X = np.random.default_rng(comm.rank).normal(size=(500, 20))

def rate(epoch):
    if epoch == 3 and comm.rank == comm.size - 1:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "raised":
            raise LookupError("of one rank")
    return 1e-3

def told(state):
    if state.epoch == 3:
        print("trains", flush=True)

if how == "outside" and comm.rank == 1:
    raise LookupError("of one rank")
try:
    net.fit(X, X[:, 0] > 0, batch_size=100, epochs=10**9, optimizer=fastdnn.Adam(rate),
            callbacks=[told], comm=comm)
except KeyboardInterrupt:
    total = sum(value.sum() for value in net.parameters.values())
    print(f"{net.epochs} {float(total).hex()}\\n", end="", flush=True)
    raise SystemExit(130) from None
"""


@pytest.fixture
def program(tmp_path):
    need_mpi()
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


@pytest.mark.parametrize("how", ["raised", "outside", "killed"])
def test_all_ranks_end_with_one(how, program):
    run = launch(3, program, how, timeout=PATIENCE)
    assert run.returncode != 0
    if how == "raised":
        # on its own rank without the number
        assert "LookupError: rank 2: of one rank" in run.stderr
    if how == "outside":
        assert "LookupError: of one rank" in run.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="mpiexec has other signals there")
def test_ctrl_c_ends_all_after_the_same_step(program):
    with subprocess.Popen(
        command(2, program, "interrupted"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", env=environment(), start_new_session=True,
    ) as started:  # fmt: skip
        try:
            lines = iter(started.stdout.readline, "")
            assert any(line.strip() == "trains" for line in lines)
            started.send_signal(signal.SIGINT)
            printed, errors = started.communicate(timeout=PATIENCE)
        finally:
            started.kill()
    assert started.returncode != 0
    if not hands_on_interrupts():
        return
    ends = [line for line in printed.splitlines() if "0x" in line]
    assert len(ends) == 2, (printed, errors)
    assert ends[0] == ends[1]
    assert "Traceback" not in errors
