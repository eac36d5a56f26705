"""A short campaign: some hundreds of calls of every public door."""

import copy
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

import fastdnn

CAMPAIGN = Path(__file__).with_name("campaign") / "campaign.py"
KINDS = (
    "functions,parameters,application,passes,network,settings,states,writes,callbacks,interrupts,"
    "teams,sharing,beside,estimators,hyperparameters,assigned,sparse_matrices,scorers"
)


def run(*arguments):
    command = [sys.executable, str(CAMPAIGN), *arguments]
    return subprocess.run(command, timeout=300, capture_output=True, text=True, env=os.environ)


def test_a_short_campaign_finds_no_fault():
    done = run("--calls", "300", "--kinds", KINDS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_interrupt_at_any_call_of_a_fit_leaves_what_belongs_together():
    net = fastdnn.Network([3, 4, 1], rng=0)
    X, Y = np.random.default_rng(0).normal(size=(6, 3)), np.ones(6)
    for moment in range(1, 10_000):
        one, at = copy.deepcopy(net), iter(range(moment))

        def interrupt(frame, event, argument, at=at):
            if event in ("call", "c_return") and next(at, None) is None:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

        try:
            sys.setprofile(interrupt)
            one.fit(X, Y, epochs=2, batch_size=3, shuffle=False)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.setprofile(None)
        twin = copy.deepcopy(net)
        twin.fit(X, Y, epochs=one.epochs, batch_size=3, shuffle=False)
        state, right = one.state_dict(), twin.state_dict()
        assert state["steps"] == right["steps"] == 2 * one.epochs
        assert np.array_equal(state["params"], right["params"])
        if one.epochs:
            assert np.array_equal(state["moments"], right["moments"])
    assert 20 < moment < 9_999
    assert one.epochs == 2


def test_a_call_is_repeated_alone():
    assert run("--kinds", "hyperparameters", "--only", "7").returncode == 0


def test_faults_crashes_and_hangs_are_found(tmp_path):
    broken = tmp_path / "course.py"
    broken.write_text(
        "import os, time\n"
        "from oracle import FaultError\n"
        "def functions(draw):\n"
        "    what = draw.whole(0, 7)\n"
        "    if what == 0: raise FaultError('a fault')\n"
        "    if what == 1: os.abort()\n"
        "    if what == 2: time.sleep(99)\n"
        "    if what == 3: 1 / 0\n",
        encoding="utf-8",
    )
    for name in ("campaign.py", "oracle.py"):
        (tmp_path / name).write_text(CAMPAIGN.with_name(name).read_text("utf-8"), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "campaign.py"), "--kinds", "functions"]
    done = subprocess.run(
        [*command, "--calls", "10", "--patience", "1"], timeout=300, capture_output=True, text=True
    )
    assert done.returncode == 1
    for text in ("a fault", "died of SIGABRT", "hung", "ZeroDivisionError", "in 10 functions"):
        assert text in done.stdout, done.stdout
