"""The same bits at every level with fused multiply-adds, and the demand for them."""

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

TESTS = Path(__file__).resolve().parent.parent
FUSED = [level for level in ("v3", "v4") if level in levels.available]

# Fits of every kind, of which each prints a digest of all that came out.
SCRIPT = """
import hashlib
import sys
import numpy as np
import scipy.sparse
import fastdnn
from fastdnn import MLPClassifier, MLPRegressor
from fastdnn._fit import names
sys.path.append("tests")
from reference_network import OPTIMIZERS

random = np.random.default_rng(0)
X = random.normal(size=(130, 17))
X[random.uniform(size=X.shape) < 0.3] = 0
y = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)

def show(name, *results):
    digest = hashlib.sha256()
    for result in results:
        digest.update(np.ascontiguousarray(result).tobytes())
    print(name, digest.hexdigest()[:16])

def trained(name, dims, hidden, output, cost, dtype, X=X, Y=None, **settings):
    Y = y % dims[-1] if output == "softmax" else y if Y is None else Y
    net = fastdnn.Network(
        dims, hidden, output, cost=cost, dtype=dtype, rng=0, reproducible=True)
    X = X.astype(dtype)
    settings = {"epochs": 50, "batch_size": 32, "n_threads": 1} | settings
    optimizer = settings.pop("optimizer", fastdnn.Adam(0.002))
    history = net.fit(X, Y, optimizer=optimizer, **settings)
    parts = (net.predict(X), net.cost(X[:48], Y[:48]), history.costs)
    show((name, dims, output, str(np.dtype(dtype))), net.state_dict()["params"], *parts)

for dtype in (np.float32, np.float64):
    for hidden in names.ACTIVATIONS:
        trained(hidden, [17, 20, 5, 1], hidden, "sigmoid", None, dtype, epochs=20)
    for output, costs in names.COSTS.items():
        for cost in costs:
            trained(cost, [17, 12, 2 if output == "softmax" else 1], "tanh", output, cost, dtype,
                    epochs=20)
    for optimizer in OPTIMIZERS:
        trained(repr(optimizer), [17, 9, 3], "relu", "softmax", None, dtype, optimizer=optimizer,
                epochs=20)
    for batch in (1, 7, 32, 100, None):
        for dims in ([17, 64, 1], [17, 1, 1], [17, 300, 17, 1]):
            trained(batch, dims, "relu", "sigmoid", None, dtype, batch_size=batch,
                    epochs=3 if batch == 1 else 20)
    trained("threads", [17, 64, 17, 1], "relu", "sigmoid", None, dtype, n_threads=2)
    trained("sparse", [17, 64, 1], "relu", "sigmoid", None, dtype, X=scipy.sparse.csr_array(X))
    trained("dropout", [17, 64, 1], "relu", "sigmoid", None, dtype, dropout=0.3, input_dropout=0.1)
    trained("clip", [17, 64, 1], "relu", "sigmoid", None, dtype, clip_norm=0.5, l2=0.1)
    wide = random.normal(size=(60, 900))
    for form in ("gram", "direct"):
        trained(form, [900, 20, 1], "relu", "sigmoid", None, dtype, X=wide, Y=y[:60], epochs=50,
                optimizer=fastdnn.SGD(0.01, 0.9), first_layer=form, batch_size=None)
    x = X.astype(dtype)
    for solver in ("adam", "sgd", "lbfgs"):
        for cls in (MLPClassifier, MLPRegressor):
            model = cls(hidden_layer_sizes=(20, 9), solver=solver, max_iter=20, random_state=0,
                        tol=0, n_threads=1, reproducible=True)
            model.fit(x, y)
            show((cls.__name__, solver), *model.coefs_, model.predict(x))
"""


def printed(level):
    run = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", SCRIPT],
        env={**os.environ, "FASTDNN_SIMD": level},
        cwd=TESTS.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout.splitlines()


@pytest.mark.skipif(len(FUSED) < 2, reason="this processor has one level with fused multiply-adds")
def test_levels_with_fused_multiply_adds_give_the_same_bits():
    v3, v4 = map(printed, FUSED)
    assert len(v3) == len(v4) > 80
    assert [pair for pair in zip(v3, v4, strict=True) if pair[0] != pair[1]] == []


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
