"""The network of an estimator shares its weights and follows them."""

import copy
import pickle
import threading

import numpy as np
import pytest
from perceptrons import KINDS, both, classes, data, fitted, make, numbers, ours, quietly, small
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import fastdnn


def answers(est, X):
    """Compute a column an output, as a network's predict has them."""
    if not hasattr(est, "classes_"):
        return est.predict(X).reshape(len(X), -1)
    P = est.predict_proba(X)
    return P[:, 1:] if est.n_outputs_ == 1 else P


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_answers_of_the_estimator(kind, dtype):
    X, y = data(kind, dtype)
    est = quietly(make(ours, kind).fit, X, y)
    net = est.network_
    assert isinstance(net, fastdnn.Network)
    assert net is est.network_
    AL = net.predict(X)
    assert AL.dtype == X.dtype
    np.testing.assert_array_equal(AL, answers(est, X))
    np.testing.assert_array_equal(net.predict(X[:1]), net.predict(X[:1].tolist()))
    for name, array in net.parameters.items():
        theirs = (est.coefs_ if name[0] == "W" else est.intercepts_)[int(name[1:]) - 1]
        assert np.shares_memory(array, theirs)


def partially(est, X, y):
    est.partial_fit(X, y)


def warmly(est, X, y):
    quietly(est.set_params(warm_start=True).fit, X, y)


def anew(est, X, y):
    quietly(est.set_params(random_state=9).fit, X, y)


def of_other_sizes(est, X, y):
    quietly(est.set_params(hidden_layer_sizes=(3, 2, 4), activation="tanh").fit, X, y)


def of_another_type(est, X, y):
    quietly(est.fit, X.astype("float32"), y)


def of_more_features(est, X, y):
    quietly(est.fit, np.hstack([X, X]), y)


def by_lbfgs(est, X, y):
    quietly(est.set_params(solver="lbfgs").fit, X.astype("float32"), y)


def after_assigning(est, X, y):
    est.coefs_ = [W * 2 for W in est.coefs_]
    est.partial_fit(X, y)


def after_early_stopping(est, X, y):
    quietly(est.set_params(early_stopping=True, max_iter=12).fit, X, y)


TRAININGS = [
    *(partially, warmly, anew, of_other_sizes, of_another_type, of_more_features, by_lbfgs),
    *(after_assigning, after_early_stopping),
]


@pytest.mark.parametrize("train", TRAININGS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_very_object_follows_each_training(kind, train):
    X, y = data(kind)
    est = quietly(make(ours, kind).fit, X, y)
    net, before = est.network_, est.network_.predict(X)
    train(est, X, y)
    X = np.resize(X, (len(X), est.n_features_in_)).astype(net.dtype)
    np.testing.assert_array_equal(net.predict(X), answers(est, X))
    assert net.layer_dims == (est.n_features_in_, *(len(b) for b in est.intercepts_))
    assert not np.array_equal(net.predict(X)[:, 0], before[:, 0])
    assert net is est.network_


def test_assigned_weights_are_seen_when_it_is_asked_for_and_stay_the_user_s():
    X, y = numbers(2)
    est = fitted(small("MLPRegressor"), X, y)
    net = est.network_
    est.coefs_[0][...] *= 2
    np.testing.assert_array_equal(net.predict(X), est.predict(X))
    coefs = est.coefs_ = [np.array(W / 2, "longdouble") for W in est.coefs_]
    est.intercepts_[1] = np.ones(7)
    np.testing.assert_array_equal(est.network_.predict(X), est.predict(X))
    assert est.network_ is net
    assert est.coefs_ is coefs
    coefs[0][...] = 0
    np.testing.assert_array_equal(est.network_.predict(X), est.predict(X))
    est.set_params(activation="tanh").intercepts_[0] += 1
    np.testing.assert_array_equal(est.network_.predict(X), est.predict(X))
    est.partial_fit(X, y)
    np.testing.assert_array_equal(net.predict(X), est.predict(X))


def test_writing_to_its_parameters_writes_to_the_estimator_s():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor"), X, y)
    for array in est.network_.parameters.values():
        array[...] = 0
    est.network_.parameters["b3"][...] = 7
    np.testing.assert_array_equal(est.predict(X), 7)


def test_it_is_not_trained_by_itself():
    X, y = numbers(1)
    est, other = (fitted(small("MLPRegressor"), X, y) for _ in range(2))
    net = est.network_
    state = copy.copy(net).state_dict()
    for call in (lambda: net.fit(X, y, epochs=2), lambda: net.load_state_dict(state)):
        with pytest.raises(RuntimeError, match=r"estimator.*copy\.copy\(network\)"):
            call()
    # neither does anything else that it can do leave a trace in the estimator's training
    net.cost(X, y)
    net.state_dict()
    for one in (est, other):
        one.partial_fit(X, y)
    np.testing.assert_array_equal(est.predict(X), other.predict(X))


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda net, p=p: pickle.loads(pickle.dumps(net, p)) for p in range(6)),
    ],
)
def test_a_copy_is_a_network_of_its_own(copied):
    X, y = classes("binary")
    est = fitted(small(), X, y)
    net = copied(est.network_)
    assert type(net) is fastdnn.Network
    before = est.predict_proba(X)
    np.testing.assert_array_equal(net.predict(X)[:, 0], before[:, 1])
    net.fit(X, y == est.classes_[1], epochs=2, batch_size=32)
    assert net.epochs == 2
    np.testing.assert_array_equal(est.predict_proba(X), before)
    assert not np.array_equal(net.predict(X)[:, 0], before[:, 1])
    fresh = fastdnn.Network(net.layer_dims)
    fresh.load_state_dict(est.network_.state_dict())
    np.testing.assert_array_equal(fresh.predict(X)[:, 0], before[:, 1])


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, clone, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_an_estimator_whose_network_was_taken_is_copied_without_it(copied):
    X, y = classes("multiclass")
    est = fitted(small(), X, y)
    net = est.network_
    other = copied(est)
    if hasattr(other, "coefs_"):
        np.testing.assert_array_equal(other.network_.predict(X), net.predict(X))
    before = net.predict(X)
    quietly(other.fit, X[::2], y[::2])
    np.testing.assert_array_equal(net.predict(X), before)
    assert other.network_ is not net
    est.partial_fit(X, y)
    np.testing.assert_array_equal(net.predict(X), est.predict_proba(X))


def test_it_outlives_its_estimator():
    X, y = numbers(1)
    est = fitted(small("MLPRegressor"), X, y)
    before, net = est.predict(X), est.network_
    del est
    np.testing.assert_array_equal(net.predict(X)[:, 0], before)


def test_its_cost_is_the_loss_without_scikit_learn_s_bounds():
    X, y = classes("binary")
    est = fitted(small(max_iter=2), X, y)
    est.intercepts_[-1][...] = 1000
    wrong = (y == est.classes_[0]).mean()
    assert est.network_.cost(X, y == est.classes_[1]) > 500 * wrong


def test_an_estimator_that_is_not_fitted_has_none():
    est = small()
    assert not hasattr(est, "network_")
    with pytest.raises(NotFittedError):
        _ = est.network_


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_a_network_lacks_is_named(kind):
    _, _, est, _ = both(kind)
    net = est.network_
    est.out_activation_ = "tanh"
    with pytest.raises(ValueError, match="a Network has no out_activation_ 'tanh'"):
        _ = est.network_
    est.out_activation_ = "softmax"
    assert est.network_ is net


def test_threads_predict_while_it_follows():
    X, y = numbers(2)
    est = fitted(small("MLPRegressor", hidden_layer_sizes=(4,)), X, y)
    net, stop, faults = est.network_, threading.Event(), []

    def ask():
        while not stop.is_set():
            for rows in (X[:1], X[:1].tolist(), X):
                AL = net.predict(rows)
                if AL.shape != (len(rows), 2) or not np.isfinite(AL).all():
                    faults.append(AL)
            if est.network_ is not net:
                faults.append(net)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in (3, 9, 1, 6) * 3:
            quietly(est.set_params(hidden_layer_sizes=(n,), max_iter=3).fit, X, y)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults
    np.testing.assert_array_equal(net.predict(X), est.predict(X))


def test_what_would_be_lost_cannot_be_written():
    X, y = data("number")
    est = quietly(make(ours, "number").fit, X, y)
    est.intercepts_[0] = est.intercepts_[0].copy()
    copied = est.network_.parameters["W1"]
    with pytest.raises(ValueError, match="read-only"):
        copied[...] = 0
    quietly(est.partial_fit, X, y)
    est.network_.parameters["W1"][...] = 0
    assert not est.coefs_[0].any()


def test_weights_that_were_deleted():
    est = quietly(make(ours, "number").fit, *data("number"))
    del est.coefs_
    with pytest.raises(NotFittedError):
        est.network_  # noqa: B018
