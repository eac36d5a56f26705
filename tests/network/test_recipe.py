"""Smoothed labels, dropped last batches and first values: what the recipes of others ask for."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from inside import generator, params, steps
from networks import problem

from fastdnn import SGD, Adam, CosLog, Network, fit_many

SHARE = 0.1
DIMS = {"softmax": [5, 8, 3], "sigmoid": [5, 8, 3], "one output": [5, 16, 1]}


def smoothed(T, classes):
    return ((1 - SHARE) * T + SHARE / classes).astype(T.dtype)


def trained(output, X, Y, dtype="float64", hidden="selu", dims=None, **options):
    net = Network(dims or DIMS[output], hidden, output.replace("one output", "sigmoid"),
                  dtype=dtype, rng=0)  # fmt: skip
    options = {"optimizer": Adam(0.01), "epochs": 3, "batch_size": 7} | options
    return net, net.fit(X, Y, **options)


def examples(output, dtype="float64", m=23):
    if output == "one output":
        X, Y, T = problem("sigmoid", m, n_L=1, dtype=dtype)
    else:
        X, Y, T = problem(output, m, dtype=dtype)
    return X, Y, T, 3 if output == "softmax" else 2


# --------------------------------------------------------------------------------- label smoothing


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", ["selu", "relu"])
@pytest.mark.parametrize("output", DIMS)
def test_smoothing_trains_on_smoothed_targets(output, hidden, dtype):
    X, Y, T, classes = examples(output, dtype, 80)
    weights = np.random.default_rng(1).uniform(0, 2, 80)
    for options in {}, {"sample_weight": weights, "batch_size": 40}, {"batch_size": None}:
        asked = dict(hidden=hidden, **options)
        own, costs = trained(output, X, Y, dtype, label_smoothing=SHARE, **asked)
        other, expected = trained(output, X, smoothed(T, classes), dtype, **asked)
        rtol = 1e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(costs.costs, expected.costs, rtol=rtol)
        np.testing.assert_allclose(params(own), params(other), rtol=rtol, atol=rtol)


def test_rows_of_shares_are_smoothed_too():
    X, Y, T, _ = examples("softmax")
    indices, _ = trained("softmax", X, Y, label_smoothing=SHARE)
    rows, _ = trained("softmax", X, T, label_smoothing=SHARE)
    before = T.copy()
    np.testing.assert_array_equal(params(indices), params(rows))
    np.testing.assert_array_equal(T, before)


@pytest.mark.parametrize("output", DIMS)
@pytest.mark.parametrize("n_threads", [2, 5])
def test_smoothing_has_the_same_bits_with_any_threads(output, n_threads):
    X, Y, _, _ = examples(output, "float32", 400)
    one, _ = trained(output, X, Y, "float32", batch_size=200, n_threads=1, label_smoothing=SHARE)
    several, _ = trained(
        output, X, Y, "float32", batch_size=200, n_threads=n_threads, label_smoothing=SHARE
    )
    np.testing.assert_array_equal(params(one), params(several))


def test_the_validation_is_not_smoothed():
    X, Y, _, _ = examples("softmax")
    net, history = trained("softmax", X, Y, label_smoothing=SHARE, validation_data=(X, Y))
    assert history.validation_costs[-1] == net.cost(X, Y)


def test_smoothing_is_refused_without_classes():
    X, Y, _ = problem("identity")
    net = Network([5, 3], output_activation="identity")
    with pytest.raises(ValueError, match="label_smoothing needs the cost cross_entropy"):
        net.fit(X, Y, label_smoothing=0.1)
    for share, kind in (1.0, ValueError), (-0.1, ValueError), ("a", TypeError):
        with pytest.raises(kind, match="label_smoothing"):
            Network([5, 3]).fit(X, Y > 0, label_smoothing=share)


# ------------------------------------------------------------------------------- the last batch


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_dropped_batch_is_not_trained_on(accumulate, sparse):
    X, Y, _, _ = examples("softmax")
    X = scipy.sparse.csr_array(X * (X > 1)) if sparse else X
    asked = {"shuffle": False, "accumulate": accumulate}
    own, history = trained("softmax", X, Y, last_batch="drop", **asked)
    other, expected = trained("softmax", X[:21], Y[:21], **asked)
    np.testing.assert_array_equal(params(own), params(other))
    assert history.costs == expected.costs
    assert steps(own) == steps(other)


@pytest.mark.parametrize("watched", [False, True])
def test_other_examples_sit_out_in_each_epoch(watched):
    X, Y, _, _ = examples("softmax")
    callbacks = [lambda state: None] if watched else []
    own, _ = trained("softmax", X, Y, last_batch="drop", callbacks=callbacks)
    other = Network([5, 8, 3], "selu", "softmax", rng=0)
    for _ in range(3):
        order = generator(other).permutation(len(X))[:21]
        other.fit(X[order], Y[order], batch_size=7, shuffle=False, optimizer=Adam(0.01))
    np.testing.assert_array_equal(params(own), params(other))


def test_blocks_drop_what_memory_drops():
    X, Y, _, _ = examples("softmax")
    asked = {"shuffle": False, "last_batch": "drop"}
    whole, history = trained("softmax", X, Y, **asked)
    parts, expected = trained("softmax", X, Y, block_bytes=8 * 5 * 14, **asked)
    np.testing.assert_array_equal(params(whole), params(parts))
    assert history.costs == expected.costs
    # in a sequence of blocks each block's own
    parts, _ = trained("softmax", [(X[:9], Y[:9]), (X[9:], Y[9:])], None, **asked)
    rows = [*range(7), *range(9, 23)]
    other, _ = trained("softmax", X[rows], Y[rows], shuffle=False)
    np.testing.assert_array_equal(params(parts), params(other))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("way", ["fit", "fit_many"])
def test_a_block_shorter_than_a_batch_is_trained_on(way, shuffle):
    X, Y, _, _ = examples("softmax")
    blocks = [(X[:5], Y[:5]), (X[5:11], Y[5:11]), (X[11:], Y[11:])]
    options = {"batch_size": 30, "epochs": 2, "shuffle": shuffle, "optimizer": Adam(0.01)}
    nets = [Network(DIMS["softmax"], output_activation="softmax", rng=0) for _ in range(2)]
    costs = []
    for net, last_batch in zip(nets, ("keep", "drop"), strict=True):
        asked = {"last_batch": last_batch} | options
        if way == "fit":
            costs.append(net.fit(blocks, **asked).costs)
        else:
            costs.append(fit_many([net], blocks, None, **asked)[0].costs)
    assert costs[0] == costs[1]
    assert steps(nets[1]) == 6
    np.testing.assert_array_equal(params(nets[0]), params(nets[1]))


def test_rows_that_are_read_in_blocks_are_never_fewer_than_a_batch():
    X, Y, _, _ = examples("softmax")
    for batch_size in range(1, 23):
        asked = {"shuffle": False, "batch_size": batch_size, "last_batch": "drop", "epochs": 1}
        whole, _ = trained("softmax", X, Y, **asked)
        parts, _ = trained("softmax", X, Y, block_bytes=8 * 8 * 7, **asked)
        assert steps(parts) == len(X) // batch_size
        np.testing.assert_array_equal(params(whole), params(parts))


def test_a_batch_of_all_is_never_dropped():
    X, Y, _, _ = examples("softmax")
    own, _ = trained("softmax", X, Y, last_batch="drop", batch_size=24, optimizer=SGD(0.1))
    other, _ = trained("softmax", X, Y, batch_size=24, optimizer=SGD(0.1))
    np.testing.assert_array_equal(params(own), params(other))
    with pytest.raises(ValueError, match="last_batch"):
        trained("softmax", X, Y, last_batch="skip")


def test_many_networks_are_told_too():
    X, Y, _, _ = examples("softmax")
    options = {"batch_size": 7, "epochs": 2, "label_smoothing": 0.2, "last_batch": "drop"}
    nets = [Network([5, 8, 3], output_activation="softmax", rng=i) for i in range(2)]
    fit_many(nets, X, Y, **options)
    for i, net in enumerate(nets):
        alone = Network([5, 8, 3], output_activation="softmax", rng=i)
        alone.fit(X, Y, **options)
        np.testing.assert_array_equal(params(net), params(alone))


# --------------------------------------------------------------------------------- first values


def test_first_biases_are_drawn_after_the_weights():
    plain, drawn = Network([4, 3000, 2], rng=0), Network([4, 3000, 2], rng=0, init_bias=2.0)
    for name in "W1", "W2":
        np.testing.assert_array_equal(plain.parameters[name], drawn.parameters[name])
    assert abs(drawn.parameters["b1"].std() - 2) < 0.1
    assert drawn.parameters["b2"].all()
    assert not plain.parameters["b1"].any()


def test_an_output_of_zeros_is_the_same_for_all():
    X, Y, _, _ = examples("softmax")
    plain = Network([5, 8, 3], output_activation="softmax", rng=0, init_bias=1.0)
    net = Network([5, 8, 3], output_activation="softmax", rng=0, init_bias=1.0, zero_output=True)
    np.testing.assert_array_equal(net.parameters["W1"], plain.parameters["W1"])
    np.testing.assert_array_equal(net.parameters["b1"], plain.parameters["b1"])
    np.testing.assert_allclose(net.predict(X), 1 / 3)
    history = net.fit(X, Y, label_smoothing=SHARE)
    np.testing.assert_allclose(history.costs, np.log(3))


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [("init_bias", -1, ValueError), ("init_bias", "he", TypeError), ("zero_output", 1, TypeError)],
)
def test_first_values_are_judged(name, value, kind):
    with pytest.raises(kind, match=name):
        Network([4, 3, 2], **{name: value})


# ------------------------------------------------------------------------------------ the whole run


def tabular(rng=0, dtype="float32"):
    return Network(
        [5, 16, 16, 3], "selu", "softmax", dtype=dtype, init="lecun", init_bias=1.0,
        zero_output=True, parametrization="ntk", input_scale=True, rng=rng,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("epochs", [1, 100, 192])
@pytest.mark.parametrize("way", ["pickle", "pickle of a callback", "state", "file"])
def test_a_run_of_all_settings_goes_on_exactly(way, epochs, dtype, tmp_path):
    X, Y, _ = problem("softmax", 60, dtype=dtype)
    # rows that are learnt by heart, or the best epoch might be an early one
    validation = X[:30], Y[:30]
    options = {
        "batch_size": 16, "last_batch": "drop", "label_smoothing": 0.1, "keep": "best",
        "metric": "errors", "validation_data": validation, "n_threads": 2,
        "rate_factors": {"scale": 6.0, "b": 0.1},
    }  # fmt: skip
    adam = Adam(CosLog(0.04, 256), beta2=0.95)
    whole, net = tabular(dtype=dtype), tabular(dtype=dtype)
    taken = []

    def callback(state):
        if state.epoch == epochs:
            taken.append(pickle.dumps(state.network))

    history = whole.fit(X, Y, epochs=256, optimizer=adam, callbacks=[callback], **options)
    if way == "pickle of a callback":
        net = pickle.loads(taken[0])
    else:
        # the weights of the last epoch go on, so no better one may be put back
        first = {k: v for k, v in options.items() if k not in ("keep", "metric")}
        net.fit(X, Y, epochs=epochs, optimizer=adam, **first)
        if way == "pickle":
            net = pickle.loads(pickle.dumps(net))
        elif way == "file":
            net.save(tmp_path / "net", training_state=True)
            net = Network.load(tmp_path / "net")
        else:
            state, net = net.state_dict(), tabular(1, dtype)
            net.load_state_dict(state)
    later = net.fit(X, Y, epochs=256 - epochs, **options | {"n_threads": 1})
    assert history.costs[epochs:] == later.costs
    assert history.validation_scores[epochs:] == later.validation_scores
    assert history.best_epoch == epochs + later.best_epoch
    np.testing.assert_array_equal(params(net), params(whole))
