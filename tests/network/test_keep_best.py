"""The parameters of the best epoch, which a fit may leave a network with."""

import numpy as np
import pytest
from inside import moments, params
from networks import problem

from fastdnn import SGD, Adam, Network, fit_many
from fastdnn.callbacks import EarlyStopping

DIMS = {"softmax": [5, 8, 3], "sigmoid": [5, 8, 1], "identity": [5, 8, 3]}


def examples(output, dtype="float64", m=60):
    n_L = DIMS[output][-1]
    X, Y, _ = problem(output, m, n_L=n_L, dtype=dtype)
    return (X[:40], Y[:40]), (X[40:], Y[40:])


def made(output="softmax", dtype="float64", **options):
    return Network(DIMS[output], "tanh", output, dtype=dtype, rng=0, **options)


def fit(net, train, validation, **options):
    options = {"epochs": 30, "batch_size": 8, "optimizer": Adam(0.05), "keep": "best"} | options
    return net.fit(*train, validation_data=validation, **options)


def errors(net, X, Y, weights=None):
    AL = net.predict(X)
    found = AL[:, 0] > 0.5 if AL.shape[1] == 1 else AL.argmax(axis=1)
    return float(np.sum((found != Y.ravel()) * (1 if weights is None else weights)))


def followed(output, metric, dtype="float64", **options):
    """Train epoch by epoch, and copy what is best by hand."""
    train, validation = examples(output, dtype)
    net, scores, best = made(output, dtype), [], None
    history = net.fit(
        *train, epochs=30, batch_size=8, optimizer=Adam(0.05),
        callbacks=[lambda state: scores.append((metric(net, *validation), params(net).copy()))],
    )  # fmt: skip
    least = min(score for score, _ in scores)
    best = max(i for i, (score, _) in enumerate(scores) if score <= least)
    return [score for score, _ in scores], best, scores[best][1], history


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    ("output", "metric"),
    [("softmax", "cost"), ("softmax", "errors"), ("sigmoid", "errors"), ("identity", "cost")],
)
def test_it_is_the_last_of_the_best(output, metric, watched, dtype):
    by_hand = errors if metric == "errors" else Network.cost
    scores, best, expected, plain = followed(output, by_hand, dtype)
    net = made(output, dtype)
    callbacks = [lambda state: None] if watched else []
    history = fit(net, *examples(output, dtype), metric=metric, callbacks=callbacks)
    np.testing.assert_allclose(history.validation_scores, scores, rtol=1e-12)
    assert history.best_epoch == best
    assert history.costs == plain.costs
    np.testing.assert_array_equal(params(net), expected)
    assert net.epochs == 30


def test_the_moments_are_those_of_the_last_epoch():
    train, validation = examples("softmax")
    net, other = made(), made()
    fit(net, train, validation)
    fit(other, train, validation, keep="last")
    for a, b in zip(moments(net), moments(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("watched", [False, True])
def test_weights_count_in_the_errors(watched):
    train, (X, Y) = examples("softmax")
    w = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    callbacks = [lambda state: None] if watched else []
    net = made()
    history = fit(net, train, (X, Y, w), metric="errors", callbacks=callbacks)
    assert history.validation_scores[history.best_epoch] == errors(net, X, Y, w)


def test_rows_of_shares_have_the_class_of_the_greatest():
    train, (X, Y) = examples("softmax")
    one, other = made(), made()
    a = fit(one, train, (X, Y), metric="errors")
    b = fit(other, train, (X, np.eye(3)[Y] * 0.8 + 0.1), metric="errors")
    assert a.validation_scores == b.validation_scores
    np.testing.assert_array_equal(params(one), params(other))


def test_a_number_of_one_s_own_needs_no_validation_data():
    (X, Y), validation = examples("softmax")
    net = made()
    history = fit(net, (X, Y), None, metric=lambda state: errors(state.network, *validation))
    assert history.validation_costs == []
    assert errors(net, *validation) == min(history.validation_scores)
    with pytest.raises(TypeError, match="metric"):
        fit(net, (X, Y), None, metric=lambda state: "good")


def test_a_stop_of_a_callback_is_no_matter():
    train, validation = examples("softmax")
    net = made()
    history = fit(net, train, validation, callbacks=[EarlyStopping(3)], epochs=300)
    assert len(history.costs) < 300
    assert net.cost(*validation) == pytest.approx(min(history.validation_costs), rel=1e-12)


def test_the_gram_form_goes_on_from_what_was_put_back():
    X, Y, _ = problem("softmax", 20, 200)
    nets = [Network([200, 8, 3], "tanh", "softmax", rng=0) for _ in range(2)]
    for net, form in zip(nets, ("gram", "direct"), strict=True):
        options = {
            "optimizer": SGD(0.5),
            "first_layer": form,
            "validation_data": (X[:5], 2 - Y[:5]),
        }
        history = net.fit(X, Y, epochs=5, keep="best", **options)
        assert history.best_epoch < 4
        net.fit(X, Y, epochs=2, **options)
    np.testing.assert_allclose(params(nets[0]), params(nets[1]), rtol=1e-9, atol=1e-12)


def test_an_infinite_cost_is_never_best():
    X, Y, _ = problem("exp", 20, 5)
    net = Network([5, 3], output_activation="exp", rng=0)
    history = net.fit(
        X, Y, epochs=3, optimizer=SGD(1e-6), keep="best", validation_data=(X * 1e6, Y)
    )
    if not np.isfinite(history.validation_costs).any():
        assert history.best_epoch is None


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_without_a_finite_score_the_last_epoch_stays(score):
    train, _ = examples("softmax")
    net, other = made(), made()
    history = fit(net, train, None, metric=lambda state: score)
    fit(other, train, None, keep="last")
    assert history.best_epoch is None
    assert len(history.validation_scores) == 30
    np.testing.assert_array_equal(params(net), params(other))


def test_many_networks_each_keep_their_own():
    train, validation = examples("softmax")
    options = {"epochs": 20, "batch_size": 8, "optimizer": Adam(0.05), "keep": "best"}
    options |= {"metric": "errors", "validation_data": validation}
    nets = [Network([5, n, 3], "tanh", "softmax", rng=0) for n in (4, 8)]
    histories = fit_many(nets, *train, **options)
    for n, net, history in zip((4, 8), nets, histories, strict=True):
        alone = Network([5, n, 3], "tanh", "softmax", rng=0)
        expected = alone.fit(*train, **options)
        assert history.best_epoch == expected.best_epoch
        assert history.validation_scores == expected.validation_scores
        np.testing.assert_array_equal(params(net), params(alone))


def test_an_input_scale_comes_back_too():
    train, validation = examples("softmax")
    net = made(input_scale=True)
    seen = []
    history = fit(
        net, train, validation, metric="errors",
        callbacks=[lambda state: seen.append(params(net).copy())],
    )  # fmt: skip
    np.testing.assert_array_equal(params(net), seen[history.best_epoch])


def test_blocks_are_watched():
    (X, Y), (V, Z) = examples("softmax")
    options = {"shuffle": False, "epochs": 5}
    whole, parts = made(), made()
    a = fit(whole, (X, Y), (V, Z), **options)
    b = fit(parts, (X, Y), (V, Z), **options, block_bytes=8 * 5 * 16)
    assert a.best_epoch == b.best_epoch
    np.testing.assert_array_equal(params(whole), params(parts))


def test_the_history_tells_it():
    train, validation = examples("softmax")
    history = fit(made(), train, validation)
    assert f"best epoch {history.best_epoch + 1}" in repr(history)
    frame = pytest.importorskip("pandas") and history.to_frame()
    assert frame["validation_score"].tolist() == history.validation_scores


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("softmax", {"keep": "first"}, "keep must be one of"),
        ("softmax", {"metric": "accuracy"}, "metric must be one of"),
        ("softmax", {"keep": "last", "metric": "cost"}, "metric needs keep='best'"),
        ("softmax", {"validation_data": None}, "keep='best' needs validation_data"),
        ("identity", {"metric": "errors"}, "metric='errors' needs softmax"),
    ],
)
def test_what_is_refused(output, options, message):
    train, validation = examples(output)
    net = made(output)
    before = params(net).copy()
    with pytest.raises(ValueError, match=message):
        net.fit(*train, **{"validation_data": validation, "keep": "best"} | options)
    np.testing.assert_array_equal(params(net), before)
