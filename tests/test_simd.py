"""The three instruction-set levels: the same tests, and the same bits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastdnn._core import levels

TESTS = Path(__file__).resolve().parent
LEVELS = ["base", "v3", "v4"]

DIGEST = """
import hashlib
import sys
import numpy as np
import fastdnn
from fastdnn._core import course, levels
from fastdnn._course import layers
from fastdnn._fit import names
sys.path.append("tests")
from reference_network import OPTIMIZERS

random = np.random.default_rng(0)
digest = hashlib.sha256()

def trained(dtype, hidden, output, cost, optimizer):
    # one unit a layer, one example at a time: no sums of products, which not all levels fuse
    dims = [1, 2] if output == "softmax" else [1, 1, 1]
    net = fastdnn.Network(dims, hidden, output, cost=cost, dtype=dtype, rng=0)
    X, Y = np.linspace(-3, 3, 37, dtype=dtype)[:, None], np.eye(37, dims[-1])
    Y[2:, -1] = 1
    history = net.fit(
        X, Y, optimizer=optimizer, epochs=1, batch_size=1, first_layer="direct", l2=0.1)
    return [net.state_dict()["params"], net.predict(X), np.array(history.costs)]

for dtype in (np.float32, np.float64):
    for rows, cols in [(1, 1), (1, 4099), (37, 91), (300, 7), (3, 2500)]:
        Z, dA = (random.normal(size=(rows, cols)).astype(dtype) * 9 for _ in range(2))
        AL, Y = (random.uniform(0.001, 0.999, (rows, cols)).astype(dtype) for _ in range(2))
        A_prev, W, b = np.ones((1, cols), dtype), np.ones((rows, 1), dtype), Z[:, :1].copy()
        results = [course.cross_entropy(AL, Y), course.cross_entropy_backward(AL, Y)]
        results.append(course.descend(0.3, Z, dA))
        for code in sorted({*layers.CODES.values()}):
            # with one input unit the products are exact, whatever BLAS runs
            results += course.layer_forward(code, A_prev, W, b)
            for order in "CF":
                arrays = (np.asarray(x, order=order) for x in (dA, Z))
                results.append(course.layer_backward(code, *arrays, A_prev, W)[2])
            if code not in (0, course.OVER_UNITS):
                results.append(course.activate(code, Z))
                results.append(course.activate_backward(code, dA, Z))
        if rows == 300:
            for output, costs in names.COSTS.items():
                for cost in costs:
                    for hidden in names.ACTIVATIONS:
                        results += trained(dtype, hidden, output, cost, fastdnn.SGD(0.001, 0.5))
            for optimizer in OPTIMIZERS:
                results += trained(dtype, "tanh", "sigmoid", None, optimizer)
        for result in results:
            digest.update(np.ascontiguousarray(result).tobytes())
print(levels.level, digest.hexdigest())
"""


def run(level, *command):
    return subprocess.run(
        [sys.executable, "-P", *command],
        env={**os.environ, "FASTDNN_SIMD": level},
        cwd=TESTS.parent,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def needs(level):
    if level not in levels.available:
        pytest.skip(f"this processor lacks the instructions of {level}")


def assert_pass(level, *tests):
    result = run(level, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


@pytest.mark.parametrize("level", [level for level in LEVELS if level != levels.level])
def test_the_numeric_tests_pass_at_every_level(level):
    needs(level)
    files = [str(TESTS / f"test_{name}.py") for name in ("loops", "points", "functional", "orders")]
    assert_pass(level, *files)


@pytest.mark.parametrize("level", [level for level in LEVELS if level != levels.level])
def test_any_number_of_threads_gives_the_same_bits_at_every_level(level):
    needs(level)
    some = "257 or optimizer or activation or (sparse and 33)"
    assert_pass(level, str(TESTS / "network" / "test_slices.py"), "-k", some)


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_gives_the_same_bits(level):
    needs(level)
    results = [run(name, "-c", DIGEST) for name in ("base", level)]
    assert [result.returncode for result in results] == [0, 0], results
    (_, expected), (used, got) = (result.stdout.split() for result in results)
    assert used == level
    assert got == expected


def test_an_unknown_level_is_refused():
    result = run("avx", "-c", "import fastdnn")
    assert result.returncode != 0
    assert "FASTDNN_SIMD must be one of base, v3, v4, got 'avx'" in result.stderr


@pytest.mark.skipif("v4" in levels.available, reason="this processor can run every level")
def test_a_level_beyond_the_processor_is_refused():
    result = run("v4", "-c", "import fastdnn")
    assert result.returncode != 0
    assert "FASTDNN_SIMD=v4 needs instructions that this processor lacks" in result.stderr
