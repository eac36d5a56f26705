"""How far a fit is: a bar in a terminal, lines elsewhere."""

import copy
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from networks import problem
from processes import run_apart

from fastdnn import Network
from fastdnn._fit import progress

FIT = """
    import numpy as np, fastdnn
    X = np.random.default_rng(0).normal(size=(64, 4))
    Y = X[:, :1] > 0
    net = fastdnn.Network([4, 8, 1], rng=0)
    validation = {"validation_data": (X, Y)}
"""


def test_a_line_tells_how_it_ended(capsys):
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    history = net.fit(X, Y, epochs=4, validation_data=(X, Y), verbose=True)
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    cost, validation_cost = history.costs[-1], history.validation_costs[-1]
    told = f"epoch 4 of 4, cost {cost:.4g}, validation cost {validation_cost:.4g}, "
    assert re.fullmatch(re.escape(told) + r"0\.\d s, [\d,.]+ examples/s", line)
    net.fit(X, Y, epochs=4)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "options", [{}, {"callbacks": [lambda state: None]}, {"epochs": 0}, {"epochs": 1}]
)
def test_it_changes_nothing(options, capsys):
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    for _ in range(2):
        twin = copy.deepcopy(net)
        asked = {"batch_size": 7, "epochs": 5, "dropout": 0.1} | options
        ours, theirs = (one.fit(X, Y, verbose=one is net, **asked) for one in (net, twin))
        assert ours.costs == theirs.costs
        for name, P in net.parameters.items():
            np.testing.assert_array_equal(P, twin.parameters[name])
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("verbose", ["bar", 1, None, np.ones(1)])
def test_refusals(verbose):
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 3], rng=0)
    with pytest.raises(TypeError, match="verbose must be True or False"):
        net.fit(X, Y, verbose=verbose)
    assert net.epochs == 0


def test_lines_become_fewer(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(progress, "perf_counter", lambda: now)
    with progress.Progress("epoch", 10_000) as shown:
        for epoch in range(1, 5001):
            now += 0.5
            shown.show(epoch, {"cost": 1 / epoch})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 80
    assert lines[0] == "epoch 2 of 10000, cost 0.5, 1 h 23 min left"
    assert lines[-1] == "epoch 5000 of 10000, cost 0.0002, 41 min 40 s"


def test_an_error_leaves_a_last_line(capsys):
    X, Y, _ = problem("sigmoid")

    def fail(state):
        if state.epoch == 3:
            raise LookupError

    with pytest.raises(LookupError):
        Network([5, 8, 3], rng=0).fit(X, Y, epochs=9, callbacks=[fail], verbose=True)
    assert capsys.readouterr().err.startswith("epoch 3 of 9, cost")


# -------------------------------------------------------------------------------------- terminals


def in_terminal(code, columns=100, **environment):
    """Run code whose standard error is a terminal; return what comes there, and the output."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-P", "-c", textwrap.dedent(FIT) + textwrap.dedent(code)],
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, encoding="utf-8",
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns)} | environment,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
        out = run.communicate(timeout=60)[0]
    assert run.returncode == 0, shown
    return shown.decode(), out


def plain(text):
    """Leave out what moves the cursor and sets colours."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)


def test_a_bar_in_a_terminal():
    pytest.importorskip("rich")
    code = """
        net.fit(X, Y, epochs=300, verbose=True, **validation, callbacks=[lambda state: (
            print("a callback") if state.epoch == 3 else None)])
        print("done")
    """
    shown, out = in_terminal(code)
    assert out == "a callback\ndone\n"
    # the cursor is hidden, and there again
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1
    assert "\x1b[?25h" in shown[-30:]
    last = plain(shown).replace("\r", "\n").split()
    assert last[-12:-8] == ["epoch", "━" * 10, "300/300", "cost"], last


def test_a_bar_is_one_line_in_a_narrow_terminal():
    pytest.importorskip("rich")
    shown, _ = in_terminal("net.fit(X, Y, epochs=300, verbose=True, **validation)", columns=60)
    lines = [line for line in plain(shown).replace("\r", "\n").split("\n") if line.strip()]
    assert max(map(len, lines)) <= 60
    assert {line.split()[0] for line in lines} == {"epoch"}


def test_an_interrupt_leaves_the_cursor():
    pytest.importorskip("rich")
    code = """
        import signal
        try:
            net.fit(X, Y, epochs=10**9, verbose=True, callbacks=[lambda state: (
                signal.raise_signal(signal.SIGINT) if state.epoch == 99 else None)])
        except KeyboardInterrupt:
            print("interrupted")
    """
    shown, out = in_terminal(code)
    assert out == "interrupted\n"
    assert "\x1b[?25h" in shown[-30:]


@pytest.mark.parametrize("code", ["net.fit(X, Y, verbose=True)\n" * 2])
def test_without_rich_a_terminal_gets_lines_and_a_hint_once(code):
    shown, _ = in_terminal(f"import sys\nsys.modules['rich'] = None\n{code}")
    lines = shown.split("\r\n")
    assert lines[0] == 'fastdnn draws a bar here with rich: python -m pip install "rich>=13"'
    assert [line.partition(",")[0] for line in lines[1:3]] == ["epoch 1 of 1"] * 2
    assert lines[3:] == [""]


def test_a_dumb_terminal_gets_lines():
    shown, _ = in_terminal("net.fit(X, Y, verbose=True)", TERM="dumb")
    assert shown.startswith("epoch 1 of 1, cost 0.")
    assert "\x1b" not in shown


def test_without_a_standard_error():
    code = FIT + "    import sys; sys.stderr = None; net.fit(X, Y, verbose=True); print(1)"
    assert run_apart(code) == "1\n"


# ------------------------------------------------------------------------------------- estimators


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_an_estimator_s_bar_changes_nothing(solver, capsys):
    pytest.importorskip("sklearn")
    from fastdnn.estimators import MLPClassifier

    X = np.random.default_rng(0).normal(size=(64, 4))
    y = X[:, 0] > 0
    fits = [
        MLPClassifier(
            (8,), solver=solver, early_stopping=solver != "lbfgs", max_iter=400, random_state=0,
            verbose=verbose,
        ).fit(X, y, **({"X_val": X, "y_val": y} if solver == "lbfgs" else {}))
        for verbose in (False, "bar")
    ]  # fmt: skip
    for one, other in zip(*(est.coefs_ for est in fits), strict=True):
        np.testing.assert_array_equal(one, other)
    err = capsys.readouterr().err
    n, loss = fits[1].n_iter_, fits[1].loss_
    assert err.startswith(f"iteration {n} of 400, loss {loss:.4g}, validation loss ")
    assert ("validation score" in err) == (solver != "lbfgs")
