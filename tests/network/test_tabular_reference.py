"""A run of the recipe RealMLP-TD-S, by `Network` alone, beside that of its authors' program."""

import os
from pathlib import Path

import numpy as np
import pytest
from inside import draw_with

from fastdnn import Adam, CosLog, Network

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FASTDNN_DATA", ROOT.parent / "shared" / "data" / "catvnoncat"))
REFERENCE = DATA.parent / "tabular" / "reference.npz"

pytestmark = pytest.mark.skipif(
    not REFERENCE.is_file(),
    reason="the reference run is not beside the folder that FASTDNN_DATA names",
)


class Shuffles(np.random.Generator):
    """The orders of the reference, where a network draws its own."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))
        self.random = np.random.RandomState(12)

    def permutation(self, m):
        return self.random.permutation(m)


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def table(reference):
    """Return columns that are centred by the median, scaled by the quartiles and clipped."""
    data = pytest.importorskip("sklearn.datasets").load_breast_cancer()
    train, val, test = (reference[f"breast_cancer/{name}"] for name in ("train", "val", "test"))
    X = data.data[train]
    wide = np.quantile(X, 0.75, axis=0) - np.quantile(X, 0.25, axis=0)
    Z = (data.data - np.median(X, axis=0)) / wide
    Z /= np.sqrt(1 + (Z / 3) ** 2)
    np.testing.assert_allclose(
        Z[train[:3]], reference["breast_cancer/f64/prep_first3_train"], rtol=1e-12
    )
    return [(Z[rows], data.target[rows]) for rows in (train, val, test)]


def begun(dtype, d, width=16):
    """Make a network of the reference's first weights."""
    net = Network(
        [d, width, width, width, 2], "selu", "softmax", dtype=dtype, zero_output=True,
        parametrization="ntk", input_scale=True,
    )  # fmt: skip
    draw_with(net, Shuffles())
    random = np.random.RandomState(11)
    for l, (n_prev, n) in enumerate([(d, width), (width, width), (width, width)], 1):
        W, b = random.standard_normal((n_prev, n)), random.standard_normal((1, n))
        net.parameters[f"W{l}"][...] = W.T / np.sqrt(n_prev)
        net.parameters[f"b{l}"][...] = b.T
    return net


def trained(net, table, epochs=256, **options):
    (X, y), validation, _ = table
    return net.fit(
        X, y, epochs=epochs, batch_size=256, last_batch="drop",
        optimizer=Adam(CosLog(0.04, 256), beta2=0.95), label_smoothing=0.1,
        rate_factors={"scale": 6.0, "b": 0.1}, validation_data=validation, **options,
    )  # fmt: skip


@pytest.mark.parametrize("watched", [False, True])
def test_float64(reference, table, watched):
    net = begun("float64", 30)
    callbacks = [lambda state: None] if watched else []
    history = trained(net, table, keep="best", metric="errors", callbacks=callbacks)
    said = {name: reference[f"breast_cancer/f64/{name}"] for name in (
        "loss_steps", "val", "best_epoch", "pred",
    )}  # fmt: skip
    np.testing.assert_allclose(history.costs, said["loss_steps"], rtol=1e-9)
    np.testing.assert_array_equal(history.validation_scores, said["val"])
    assert history.best_epoch == said["best_epoch"]
    np.testing.assert_allclose(net.predict(table[2][0]), said["pred"], atol=1e-8)
    # the reference holds its last values in single precision
    for name, own, root in ("scale", "scale", 1), ("W1", "V1", np.sqrt(30)), ("W4", "W4", 4):
        value = reference[f"breast_cancer/f64/final_{name}"]
        P = net.parameters[own].T * root
        np.testing.assert_allclose(P.reshape(value.shape), value, rtol=1e-5, atol=1e-6)


def test_float32(reference, table):
    net = begun("float32", 30)
    history = trained(net, table, epochs=64)
    expected = reference["breast_cancer/f32/loss_steps"]
    np.testing.assert_allclose(history.costs, expected, rtol=1e-5)
