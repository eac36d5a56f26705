"""Runs of the recipe RealMLP-TD-S, by `Network` alone, beside those of its authors' program.

Theirs has 16 units a layer. Of 256, as the estimators have, there is a run by plain NumPy, which
the one of 16 says is right.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from inside import draw_with

from fastdnn import Adam, CosLog, Network

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FASTDNN_DATA", ROOT.parent / "shared" / "data" / "catvnoncat"))
REFERENCE = DATA.parent / "tabular" / "reference.npz"
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772  # of SELU

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


def by_numpy(table, width, epochs=256):
    """Train as the recipe is written: x s, layers a W / sqrt(n_prev) + b, and Adam of s, W and b.

    Returns the losses, the numbers of wrong classes after each epoch, and what the best epoch's
    parameters make of the last rows.
    """
    (X, y), (X_val, y_val), (X_test, _) = table
    draws, orders = np.random.RandomState(11), np.random.RandomState(12)
    dims = [X.shape[1], width, width, width, 2]
    params = [np.ones(dims[0])]
    for l in range(4):
        W, b = draws.standard_normal(dims[l : l + 2]), draws.standard_normal(dims[l + 1])
        params += [W * (l < 3), b * (l < 3)]
    factors = [6.0] + 4 * [1.0, 0.1]
    firsts, seconds = ([np.zeros_like(P) for P in params] for _ in range(2))

    def outputs(X, kept):
        A = X * params[0]
        for l in range(4):
            kept.append(A)
            A = A @ params[2 * l + 1] / np.sqrt(dims[l]) + params[2 * l + 2]
            if l < 3:
                kept.append(A)
                A = SCALE * np.where(A > 0, A, ALPHA * np.expm1(np.minimum(A, 0)))
        return A

    losses, wrong, best = [], [], []
    for epoch in range(epochs):
        rows = orders.permutation(len(X))[:256]
        kept = []
        Z = outputs(X[rows], kept)
        Z -= Z.max(axis=1, keepdims=True)
        log_P = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
        T = 0.9 * np.eye(2)[y[rows]] + 0.1 / 2
        losses.append(-(T * log_P).sum(axis=1).mean())
        dZ, grads = (np.exp(log_P) - T) / len(rows), []
        for l in (3, 2, 1, 0):
            grads += [dZ.sum(axis=0), kept[2 * l].T @ dZ / np.sqrt(dims[l])]
            dZ = dZ @ params[2 * l + 1].T / np.sqrt(dims[l])
            if l > 0:
                Z = kept[2 * l - 1]
                dZ *= SCALE * np.where(Z > 0, 1, ALPHA * np.exp(np.minimum(Z, 0)))
        grads.append((X[rows] * dZ).sum(axis=0))
        # one step an epoch
        rate = 0.04 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * epoch / 256))) / 2
        for P, m, v, g, factor in zip(
            params, firsts, seconds, reversed(grads), factors, strict=True
        ):
            m += 0.1 * (g - m)
            v += 0.05 * (g * g - v)
            root = np.sqrt(v / (1 - 0.95 ** (epoch + 1)))
            P -= factor * rate * m / (1 - 0.9 ** (epoch + 1)) / (root + 1e-8)
        wrong.append((outputs(X_val, []).argmax(axis=1) != y_val).sum())
        if wrong[-1] == min(wrong):
            best = [P.copy() for P in params]
    params[:] = best
    E = np.exp(outputs(X_test, []))
    return np.array(losses), wrong, E / E.sum(axis=1, keepdims=True)


def test_plain_numpy_is_the_reference(reference, table):
    losses, wrong, predictions = by_numpy(table, 16)
    np.testing.assert_allclose(losses, reference["breast_cancer/f64/loss_steps"], rtol=1e-9)
    np.testing.assert_array_equal(wrong, reference["breast_cancer/f64/val"])
    np.testing.assert_allclose(predictions, reference["breast_cancer/f64/pred"], atol=1e-8)


# the whole run takes some seconds
@pytest.mark.parametrize("epochs", [64, pytest.param(256, marks=pytest.mark.grid)])
def test_full_width(table, epochs):
    losses, wrong, predictions = by_numpy(table, 256, epochs)
    net = begun("float64", 30, 256)
    history = trained(net, table, epochs, keep="best", metric="errors")
    np.testing.assert_allclose(history.costs, losses, rtol=1e-9)
    np.testing.assert_array_equal(history.validation_scores, wrong)
    assert history.best_epoch == np.flatnonzero(np.equal(wrong, min(wrong)))[-1]
    np.testing.assert_allclose(net.predict(table[2][0]), predictions, atol=1e-8)
    history = trained(begun("float32", 30, 256), table, epochs=64)
    np.testing.assert_allclose(history.costs, losses[:64], rtol=1e-5)
