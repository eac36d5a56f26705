"""The same bits at every level with fused multiply-adds, and the demand for them."""

import contextlib
import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import fastdnn
from fastdnn._core import levels

try:
    from numpy._core import _multiarray_umath as multiarray
except ImportError:  # NumPy 1
    from numpy.core import _multiarray_umath as multiarray

TESTS = Path(__file__).resolve().parent.parent
FUSED = [level for level in ("v3", "v4") if level in levels.available]


def processors():
    """Two processors that this one can stand for, as environments.

    The first one has AVX2, or NEON, and of NumPy and BLAS no later instructions are used.
    """
    x86 = "v3" in levels.available
    level = "v3" if x86 else "base"
    kernels = "Haswell" if x86 else "ARMV8"
    later = " ".join(multiarray.__cpu_dispatch__)
    plain = {"OPENBLAS_CORETYPE": kernels, "NPY_DISABLE_CPU_FEATURES": later}
    return {"FASTDNN_SIMD": level} | plain, {"FASTDNN_SIMD": levels.available[-1]}


def begin_fits(processor):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", TESTS / "digests.py"],
        env=os.environ | processor,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.skipif(not levels.reproduces, reason="this level has no fused multiply-adds")
def test_another_processor_gives_the_same_bits():
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(begin_fits(processor)) for processor in processors()]
        for run in runs:
            stack.callback(run.kill)
        found = [(*run.communicate(timeout=300), run.returncode) for run in runs]
    assert [code for *_, code in found] == [0, 0], found
    one, other = (lines.splitlines() for lines, *_ in found)
    assert len(one) == len(other) > 100
    assert [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]] == []


@pytest.mark.skipif(not levels.reproduces, reason="this level has no fused multiply-adds")
def test_the_demand_stays_with_a_network(tmp_path):
    net = fastdnn.Network([3, 2, 1], rng=0, reproducible=True)
    plain = fastdnn.Network([3, 2, 1], rng=0)
    assert net.reproducible is True
    assert plain.reproducible is False
    fastdnn.save(net, tmp_path / "net.safetensors")
    fastdnn.save(plain, tmp_path / "plain.safetensors")
    assert fastdnn.load(tmp_path / "net.safetensors").reproducible is True
    assert fastdnn.load(tmp_path / "plain.safetensors").reproducible is False
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), copy.copy(net)):
        assert other.reproducible is True
    for each, name in ((net, "net.h"), (plain, "plain.h")):
        fastdnn.to_c(each, tmp_path / name)
    assert (tmp_path / "net.h").read_text() == (tmp_path / "plain.h").read_text()


@pytest.mark.skipif(not levels.reproduces, reason="this level has no fused multiply-adds")
def test_the_demand_is_a_parameter_of_the_estimators(tmp_path):
    X, y = np.eye(6), np.arange(6) % 2
    for cls in (fastdnn.MLPClassifier, fastdnn.MLPRegressor):
        assert cls().get_params()["reproducible"] is None
        model = clone(cls(hidden_layer_sizes=(3,), max_iter=2, tol=0, reproducible=True))
        with pytest.warns(match="Maximum iterations"):
            model.fit(X, y)
        fastdnn.save(model, tmp_path / "model.safetensors")
        for other in (fastdnn.load(tmp_path / "model.safetensors"), copy.deepcopy(model)):
            assert other.get_params()["reproducible"] is True
            np.testing.assert_array_equal(other.predict(X), model.predict(X))


@pytest.mark.parametrize("value", [1, "yes", np.array([True])])
def test_another_type_is_an_error(value):
    for call in (lambda: fastdnn.Network([2, 1], reproducible=value),
                 lambda: fastdnn.config(reproducible=value)):  # fmt: skip
        with pytest.raises(TypeError, match="reproducible must be True, False or None"):
            call()


@pytest.mark.skipif(not levels.reproduces, reason="this level has no fused multiply-adds")
def test_a_process_may_demand_it():
    assert fastdnn.config() == {"reproducible": False}
    try:
        assert fastdnn.config(reproducible=True) == {"reproducible": True}
        assert fastdnn.Network([2, 1]).reproducible is True
        assert fastdnn.Network([2, 1], reproducible=False).reproducible is False
        W, A, b = np.ones((300, 300)), np.ones((300, 300)), np.zeros((300, 1))
        assert (fastdnn.linear_forward(A, W, b)[0] == 300).all()
    finally:
        fastdnn.config(reproducible=False)
    assert fastdnn.Network([2, 1]).reproducible is False


BASE = """
import numpy as np
import fastdnn
errors = 0
for call in (lambda: fastdnn.Network([2, 1], reproducible=True),
             lambda: fastdnn.config(reproducible=True),
             lambda: fastdnn.load("net.safetensors"),
             lambda: fastdnn.MLPClassifier(reproducible=True).fit(np.eye(2), [0, 1])):
    try:
        call()
    except ValueError as error:
        assert "the level 'base' has none" in str(error), error
        errors += 1
assert fastdnn.config() == {"reproducible": False}
print(errors)
"""


@pytest.mark.skipif(not FUSED or not levels.reproduces, reason="needs another level than base")
def test_a_level_without_fused_multiply_adds_refuses_it(tmp_path):
    fastdnn.save(fastdnn.Network([2, 1], rng=0, reproducible=True), tmp_path / "net.safetensors")
    run = subprocess.run(
        [sys.executable, "-P", "-c", BASE],
        env={**os.environ, "FASTDNN_SIMD": "base"},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert run.stdout == "4\n", run.stderr[-3000:]
