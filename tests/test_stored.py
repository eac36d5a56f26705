"""Pickles and states that version 0.1.0 wrote are read, and train on as they did there.

The file holds pickles of networks and estimators, made with NumPy 1.23 and scikit-learn 1.6, the
states of the networks, and what came of each when it was trained on.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastdnn import Network

STORED = pickle.loads((Path(__file__).parent / "data" / "written_by_0.1.0.pickle").read_bytes())
X, Y = STORED["X"], STORED["y"]


def assert_same(got, expected):
    # another processor's instructions round differently
    eps = np.finfo(expected.dtype).eps
    np.testing.assert_allclose(got, expected, rtol=64 * eps, atol=64 * eps)


def settings_of(entry):
    kept = dict(entry["kw"])
    return {"epochs": 2} | kept


@pytest.mark.parametrize("name", STORED["networks"])
def test_networks(name):
    entry = STORED["networks"][name]
    net = pickle.loads(entry["pickle"])
    assert net.epochs == 3
    inputs = X.astype(net.dtype)
    net.fit(inputs, Y, **settings_of(entry))
    assert_same(net.predict(inputs), entry["then"])


@pytest.mark.parametrize("name", STORED["networks"])
def test_states(name):
    entry = STORED["networks"][name]
    like = pickle.loads(entry["pickle"])
    activation = "tanh" if name == "nesterov" else "relu"
    net = Network(like.layer_dims, activation=activation, dtype=like.dtype, init=0.0)
    net.load_state_dict(pickle.loads(entry["state"]))
    inputs = X.astype(net.dtype)
    net.fit(inputs, Y, **settings_of(entry))
    assert_same(net.predict(inputs), entry["then"])


@pytest.mark.parametrize("name", STORED["estimators"])
def test_estimators(name):
    pytest.importorskip("sklearn")
    entry = STORED["estimators"][name]
    with warnings.catch_warnings():
        # the warnings of another version of scikit-learn, and of iterations that end
        warnings.simplefilter("ignore")
        model = pickle.loads(entry["pickle"])
        answer = getattr(model, "predict_proba", model.predict)
        assert_same(answer(X), entry["answers"])
        if entry["then"] is not None:
            model.fit(X, Y)
            assert_same(answer(X), entry["then"])
