"""The estimators of tables: the published recipe's runs, and what scikit-learn asks of them."""

import itertools
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse

pytest.importorskip("sklearn")

from inside import draw_with
from recipes import reference
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

import fastdnn
from fastdnn._sklearn import recipe
from fastdnn.estimators import TabularMLPClassifier, TabularMLPRegressor

SMALL = {"hidden_layer_sizes": (16, 16), "max_iter": 32, "random_state": 0}
BOTH = [TabularMLPClassifier, TabularMLPRegressor]
X, Y = load_iris(return_X_y=True)


def of(cls):
    return Y if cls is TabularMLPClassifier else X[:, 0] + X[:, 1] * X[:, 2]


# -------------------------------------------------------------------------------------- the recipe


def as_published(dims, activation, output, dtype, random):
    """Make the network of the reference runs: its draws, and its orders."""
    net = drawn(dims, activation, output, dtype, random)
    weights = np.random.RandomState(11)
    for l, (n_prev, n) in enumerate(itertools.pairwise(dims), 1):
        W, b = weights.standard_normal((n_prev, n)), weights.standard_normal((1, n))
        if l == len(dims) - 1:
            W, b = 0 * W, 0 * b
        net.parameters[f"W{l}"][...] = W.T / np.sqrt(n_prev)
        net.parameters[f"b{l}"][...] = b.T
    draw_with(net, np.random.RandomState(12))
    return net


drawn = recipe.network


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_run_is_the_published_one(dtype, monkeypatch):
    found = reference()
    monkeypatch.setattr(recipe, "network", as_published)
    run = {name.rpartition("/")[2]: a for name, a in found.items() if f"/f{dtype[5:]}/" in name}
    X, y = load_breast_cancer(return_X_y=True)
    train, val, test = (found[f"breast_cancer/{part}"] for part in ("train", "val", "test"))
    model = TabularMLPClassifier((16, 16, 16), dtype=dtype)
    model.fit(X[train], y[train], X_val=X[val], y_val=y[val])
    steps = len(run["loss_steps"])
    near = {"float64": 1e-9, "float32": 1e-5}[dtype]
    np.testing.assert_allclose(model.loss_curve_[:steps], run["loss_steps"], rtol=near)
    assert model.predict_proba(X[test]).dtype == dtype
    if dtype == "float64":
        wrong = (1 - np.array(model.validation_scores_)) * len(val)
        np.testing.assert_array_equal(np.round(wrong), run["val"])
        assert model.best_iter_ == run["best_epoch"] + 1
        np.testing.assert_allclose(model.predict_proba(X[test]), run["pred"], atol=1e-8)


def test_quality_at_a_glance():
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))
    model = TabularMLPClassifier((32, 32), random_state=0).fit(X[rows[:400]], y[rows[:400]])
    assert model.score(X[rows[400:]], y[rows[400:]]) > 0.94
    X, y = load_diabetes(return_X_y=True)
    reg = TabularMLPRegressor((32, 32), random_state=0).fit(X[:350], y[:350])
    assert reg.score(X[350:], y[350:]) > 0.3


# ------------------------------------------------------------------------------- the best epoch


@pytest.mark.parametrize("cls", BOTH)
def test_the_best_epoch_is_kept(cls):
    y = of(cls)
    model = cls(**SMALL).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    scores = model.validation_scores_
    assert len(scores) == len(model.loss_curve_) == model.n_iter_ == 32
    assert model.best_score_ == max(scores)
    # the last of those that are equal
    assert model.best_iter_ == 32 - scores[::-1].index(max(scores))
    if cls is TabularMLPClassifier:
        assert model.score(X[1::2], y[1::2]) == pytest.approx(model.best_score_)
    else:
        of_errors = ((model.predict(X[1::2]) - y[1::2]) ** 2).mean() / y[::2].var()
        assert model.best_score_ == pytest.approx(-of_errors, rel=1e-4)
    last = cls(**SMALL, validation_fraction=None).fit(X, y)
    assert last.validation_scores_ is last.best_score_ is None
    assert last.best_iter_ == last.n_iter_ == 32


@pytest.mark.parametrize("cls", BOTH)
def test_scoring(cls):
    y = of(cls)
    name = "neg_log_loss" if cls is TabularMLPClassifier else "r2"
    model = cls(**SMALL, scoring=name).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert model.best_score_ == max(model.validation_scores_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sklearn.metrics import get_scorer

        again = get_scorer(name)(model, X[1::2], y[1::2])
    assert again == pytest.approx(model.best_score_, rel=1e-5)

    def own(estimator, X, y):
        return -np.abs(estimator.predict(X) != y).sum()

    model = cls(**SMALL, scoring=own).fit(X, y)
    assert len(model.validation_scores_) == 32
    with pytest.raises(ValueError, match="the score 'nothing' is nan in epoch 1"):
        cls(**SMALL, scoring=nothing).fit(X, y)


def nothing(estimator, X, y):
    return np.nan


def test_rows_set_apart_are_of_each_class_alike():
    classes = np.repeat([0, 1, 2], [100, 10, 1])
    parts = recipe.set_apart(111, 0.2, 5, classes, np.random.RandomState(0))
    for part in parts:
        counts = np.bincount(classes[part], minlength=3)
        assert 19 <= counts[0] <= 22
        assert 1 <= counts[1] <= 3
        # a class is never set apart whole
        assert counts[2] == 0
    assert len(np.unique(np.concatenate(parts))) > 105


@pytest.mark.parametrize("cls", BOTH)
def test_it_is_what_it_was_until_a_fit_ends(cls):
    """Also beside other columns, classes and targets, for who predicts or pickles it meanwhile."""
    y = of(cls)
    others = np.where(Y > 0, "x", "y") if cls is TabularMLPClassifier else 1e3 * y
    model = cls(**SMALL).fit(X, y)
    before, seen = model.predict(X), []

    def scoring(estimator, X_val, y_val):
        seen.append(pickle.loads(pickle.dumps(model.set_params(scoring=None))))
        for each in model, seen[-1]:
            np.testing.assert_array_equal(each.predict(X), before)
        assert model.n_features_in_ == 4
        return 1 / (3 - len(seen))

    with pytest.raises(ZeroDivisionError):
        model.set_params(scoring=scoring).fit(X[:, :2], others)
    assert len(seen) == 3
    np.testing.assert_array_equal(model.predict(X), before)
    # what was set amidst the fit stays, and the next one is whole
    assert model.scoring is None
    assert model.fit(X[:, :2], others).score(X[:, :2], others) > 0.4
    assert model.n_features_in_ == 2


# ------------------------------------------------------------------------ ensembles, probabilities


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("cls", BOTH)
def test_an_ensemble_averages(cls, given):
    y = of(cls)
    val = {"X_val": X[1::2], "y_val": y[1::2]} if given else {}
    models = [cls(**SMALL, n_ensemble=3, n_threads=n).fit(X, y, **val) for n in (1, 2)]
    one = models[0]
    assert len(one.networks_) == 3
    assert one.network_ is one.networks_[0]
    Z = one.preprocessor_.transform(X)
    found = np.mean([net.predict(Z) for net in one.networks_], axis=0)
    if cls is TabularMLPClassifier:
        np.testing.assert_array_equal(one.predict_proba(X), found)
    else:
        found = found[:, 0] * one.target_scale_ + one.target_mean_
        np.testing.assert_allclose(one.predict(X), found, rtol=1e-6)
    # the same bits at any number of threads
    np.testing.assert_array_equal(one.predict(X), models[1].predict(X))
    assert one.loss_curve_ == models[1].loss_curve_


def test_calibration_mends_the_softness():
    X, y = load_breast_cancer(return_X_y=True)
    soft = TabularMLPClassifier(**SMALL | {"max_iter": 100}).fit(X[::2], y[::2])
    sharp = clone(soft).set_params(calibrate=True).fit(X[::2], y[::2])
    losses = [log_loss(y[1::2], model.predict_proba(X[1::2])) for model in (soft, sharp)]
    assert losses[1] < losses[0]
    np.testing.assert_array_equal(soft.predict(X), sharp.predict(X))
    with pytest.raises(ValueError, match="calibrate needs X_val"):
        clone(sharp).set_params(validation_fraction=None).fit(X, y)


# -------------------------------------------------------------------------------- scikit-learn's

BY_WEIGHTS = {
    "check_sample_weight_equivalence_on_dense_data": "rows are set apart, and quartiles taken, by "
    "rows and not by weights"
}


@pytest.mark.parametrize("cls", BOTH)
def test_check_estimator(cls):
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(cls((16, 16), max_iter=64), expected_failed_checks=BY_WEIGHTS)


@pytest.mark.parametrize("cls", BOTH)
def test_searches_clones_and_pickles(cls):
    y = of(cls)
    search = GridSearchCV(cls(**SMALL), {"learning_rate_init": [0.01, 0.05]}, cv=2).fit(X, y)
    assert np.isfinite(search.best_score_)
    assert (cross_val_score(cls(**SMALL), X, y, cv=KFold(3, shuffle=True)) > 0).all()
    model = search.best_estimator_
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), model.predict(X))


@pytest.mark.parametrize("cls", BOTH)
def test_weights(cls):
    y = of(cls)
    val = {"X_val": X[1::2], "y_val": y[1::2]}
    weights = np.ones(150)
    weights[::3] = 0
    model = cls(**SMALL).fit(X, y, weights, **val)
    without = cls(**SMALL).fit(X[weights > 0], y[weights > 0], **val)
    np.testing.assert_allclose(model.predict(X), without.predict(X), rtol=1e-6)
    heavy = cls(**SMALL).fit(X, y, 1 + 5 * (np.arange(150) % 2), **val)
    assert heavy.loss_curve_ != model.loss_curve_
    scored = cls(**SMALL).fit(X, y, **val, sample_weight_val=np.arange(75.0))
    assert 1 + scored.best_score_ > 0
    assert cls(**SMALL).fit(X, y, np.arange(150.0)).n_iter_ == 32


def test_a_table_of_pandas():
    pd = pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "number": random.normal(size=200),
            "color": random.choice(["red", "green", "blue"], 200),
            "size": pd.Categorical(random.choice(["s", "l"], 200)),
            "on": pd.array(random.choice([True, False], 200), dtype="boolean"),
            "count": pd.array(random.integers(0, 9, 200), dtype="Int64"),
        }
    )
    y = np.where((table["color"] == "red") ^ (table["size"] == "s"), "yes", "no")
    table.loc[::7, ["number", "count", "on", "color"]] = None
    model = TabularMLPClassifier((32, 32), random_state=0).fit(table, y)
    assert model.score(table, y) > 0.85
    assert list(model.classes_) == ["no", "yes"]
    assert list(model.feature_names_in_) == list(table)
    assert model.network_.layer_dims == (7, 32, 32, 2)
    unseen = table.head(3).assign(color="black")
    assert model.predict_proba(unseen).shape == (3, 2)
    named = TabularMLPClassifier((8,), max_iter=4, categorical_features=["count"])
    with pytest.raises(ValueError, match="could not convert string to float"):
        named.fit(table, y)
    assert not hasattr(named, "n_features_in_")
    assert named.fit(table[["number", "count"]], y).network_.layer_dims[0] > 5


def test_several_outputs_and_bounds():
    Y = np.column_stack([X[:, 0] * 1e3, X[:, 1] - 50])
    model = TabularMLPRegressor(**SMALL).fit(X[:, 2:], Y)
    assert model.predict(X[:, 2:]).shape == (150, 2)
    assert model.score(X[:, 2:], Y) > 0.3
    far = np.full((1, 2), 1e9)
    clipped = clone(model).set_params(clip_output=True).fit(X[:, 2:], Y).predict(far)
    assert (Y.min(axis=0) <= clipped).all()
    assert (clipped <= Y.max(axis=0)).all()
    # the best epoch is chosen by what is predicted
    val, weights = {"X_val": X[::3, 2:], "y_val": 3 * Y[::3]}, 1.0 + np.arange(50)
    for n_ensemble in 1, 2:
        model = TabularMLPRegressor(**SMALL, clip_output=True, n_ensemble=n_ensemble)
        model.fit(X[:, 2:], Y, **val, sample_weight_val=weights)
        scored = clone(model).set_params(scoring=standardised(model))
        scored.fit(X[:, 2:], Y, **val, sample_weight_val=weights)
        np.testing.assert_allclose(model.validation_scores_, scored.validation_scores_, rtol=1e-5)
        assert model.best_iter_ == scored.best_iter_
    assert TabularMLPRegressor(**SMALL).fit(X, np.full(150, 7.5)).predict(X[:1]) == 7.5


def standardised(model):
    def scoring(estimator, X, y, sample_weight):
        errors = (estimator.predict(X) - y) / model.target_scale_
        return -np.average((errors**2).mean(axis=1), weights=sample_weight)

    return scoring


def test_network_is_a_plain_one():
    model = TabularMLPClassifier(**SMALL).fit(X, Y)
    net = model.network_
    assert type(net) is fastdnn.Network
    assert net.dtype == "float32"
    Z = model.preprocessor_.transform(X)
    np.testing.assert_array_equal(net.predict(Z), model.predict_proba(X))
    assert sorted(net.parameters) == ["W1", "W2", "W3", "b1", "b2", "b3"]


def test_time_and_words(capfd):
    model = TabularMLPRegressor((8,), max_iter=10**6, max_time=0.2, verbose=True, random_state=0)
    model.fit(X, X[:, 0])
    assert 0 < model.n_iter_ < 10**6
    assert model.best_score_ == max(model.validation_scores_)
    assert "epoch" in capfd.readouterr().err
    ensemble = clone(model).set_params(n_ensemble=2, verbose=0).fit(X, X[:, 0])
    assert 0 < ensemble.n_iter_ < 10**6


# --------------------------------------------------------------------------------- what is refused

REFUSED = {
    "one class": (lambda: (X, np.zeros(150)), {}, {}, "only one class"),
    "one row": (lambda: (X[:1], Y[:1]), {}, {}, "one class"),
    "a row a class": (lambda: (X[49:51], Y[49:51]), {}, {}, "only row of a class"),
    "classes of y_val": (
        lambda: (X[:100], Y[:100]), {}, {"X_val": X, "y_val": Y}, r"y_val has .* not: \[2\]",
    ),
    "half a validation": (lambda: (X, Y), {}, {"X_val": X}, "must be given together"),
    "weights alone": (lambda: (X, Y), {}, {"sample_weight_val": Y}, "needs X_val and y_val"),
    "infinite": (lambda: (X / 0.0, Y), {}, {}, "infinity"),
    "all missing": (lambda: (X * np.nan, Y), {}, {}, "column 0 has no value at all"),
    "no weight": (lambda: (X, Y), {}, {"sample_weight": 0 * Y}, "non-zero|above 0 somewhere"),
    "negative weight": (lambda: (X, Y), {}, {"sample_weight": -1.0 - Y}, "at least 0"),
    "nothing": (lambda: (X[:0], Y[:0]), {}, {}, "0 sample"),
    "lengths": (lambda: (X, Y[::2]), {}, {}, "inconsistent numbers of samples"),
    "no y": (lambda: (X, None), {}, {}, "requires y to be passed"),
    "dtype": (lambda: (X, Y), {"dtype": "int8"}, {}, "dtype must be float32 or float64"),
    "layers": (lambda: (X, Y), {"hidden_layer_sizes": (4, 0)}, {}, "hidden_layer_sizes must"),
    "fraction": (lambda: (X, Y), {"validation_fraction": 1.5}, {}, "validation_fraction"),
    "scoring": (lambda: (X, Y), {"scoring": "none"}, {}, "scoring"),
    "activation": (lambda: (X, Y), {"activation": "step"}, {}, "activation"),
    "masked": (lambda: (np.ma.masked_greater(X, 6), Y), {}, {}, "X is a masked array"),
    "no columns": (lambda: (X[:, :0], Y), {}, {}, r"0 feature\(s\)"),
    "complex": (lambda: (X + 1j, Y), {}, {}, "Complex data"),
    "sparse": (lambda: (scipy.sparse.csr_array(X), Y), {}, {}, "[Ss]parse"),
    "flat": (lambda: (X[:, 0], Y), {}, {}, "Expected 2D array"),
    "missing class": (lambda: (X, np.where(Y > 1, np.nan, Y + 0.0)), {}, {}, "contains NaN"),
    "no classes": (lambda: (X, X[:, 0]), {}, {}, "Unknown label type"),
    "huge weights": (lambda: (X, Y), {}, {"sample_weight": Y + 1e308}, "a finite sum"),
    "no type": (lambda: (X, Y), {"dtype": None}, {}, "dtype must be float32 or float64"),
    "time": (lambda: (X, Y), {"max_time": -1.0}, {}, "max_time"),
    "epochs": (lambda: (X, Y), {"max_iter": 2**31}, {}, "max_iter"),
    "rate": (
        lambda: (X, Y), {"learning_rate_init": 1e30}, {},
        r"in epoch \d+: try a smaller learning_rate_init$",
    ),
    "features": (
        lambda: (X, Y), {}, {"X_val": X[:, :2], "y_val": Y}, "X has 2 features, but",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_leaves_nothing_behind(kind):
    make, parameters, options, message = REFUSED[kind]
    model = TabularMLPClassifier(**SMALL | parameters)
    if kind == "missing class":  # scikit-learn casts it
        warnings.simplefilter("ignore")
    error = TypeError if kind in ("masked", "sparse") else ValueError
    with np.errstate(divide="ignore"), pytest.raises(error, match=message):
        model.fit(*make(), **options)
    with pytest.raises(NotFittedError):
        model.predict(X)
    if not parameters:
        model.fit(X, Y)
        before = model.predict(X)
        with np.errstate(divide="ignore"), pytest.raises(error, match=message):
            model.fit(*make(), **options)
        np.testing.assert_array_equal(model.predict(X), before)


def test_one_row_of_a_regression():
    with pytest.raises(ValueError, match="n_samples=1 .* no row is left to train on"):
        TabularMLPRegressor(**SMALL).fit(X[:1], [1.0])
    model = TabularMLPRegressor(**SMALL, validation_fraction=None).fit(X[:1], [1.0])
    assert model.predict(X[1:2]) == 1
    # of two rows one is set apart, and the other one's target is all that is known
    model = TabularMLPRegressor(**SMALL).fit(X[:2], [1.0, 2.0])
    assert model.predict(X[2:3]) in (1, 2)
    with pytest.raises(ValueError, match=r"y_val has the shape \(150, 4\), but y \(n_samples,\)"):
        TabularMLPRegressor(**SMALL).fit(X, X[:, 0], X_val=X, y_val=X)
    with pytest.raises(ValueError, match=r"but y \(n_samples, 2\)"):
        TabularMLPRegressor(**SMALL).fit(X, X[:, :2], X_val=X, y_val=X)


@pytest.mark.parametrize("far", [1e25, 1e300])
def test_targets_may_be_of_any_size_but_not_of_all(far):
    y = X[:, 0]
    usual = TabularMLPRegressor(**SMALL).fit(X, y).predict(X)
    for size in 1e200, 1e-200:
        model = TabularMLPRegressor(**SMALL).fit(X, size * y)
        np.testing.assert_allclose(model.predict(X) / size, usual, rtol=1e-5)
    with pytest.raises(ValueError, match="targets are too far from those that are trained on"):
        TabularMLPRegressor(**SMALL).fit(X, y, X_val=X, y_val=far * y)
    if far > 1e100:
        with np.errstate(all="ignore"), pytest.raises(ValueError, match="y has numbers too far"):
            TabularMLPRegressor(**SMALL).fit(X, np.where(y > 5, 1.2e308, -1.2e308))
    with pytest.raises(ValueError, match="contains infinity"):
        TabularMLPRegressor(**SMALL).fit(X, np.where(y > 5, np.inf, y))


def test_rows_of_the_validation_are_named():
    for rows, y in (X + np.inf, Y), (X[:, :, None], Y), (X[:0], Y[:0]):
        with pytest.raises(ValueError, match=".") as caught:
            TabularMLPClassifier(**SMALL).fit(X, Y, X_val=rows, y_val=y)
        assert caught.value.__notes__ == ["This is about X_val and y_val."]


@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_a_scoring_that_fails_is_named(n_ensemble):
    model = TabularMLPClassifier(**SMALL, scoring="f1", n_ensemble=n_ensemble)
    with pytest.raises(ValueError, match="pos_label=1") as caught:
        model.fit(X, np.where(Y > 1, "a", "b"))
    assert caught.value.__notes__ == ["This is about scoring."]


@pytest.mark.parametrize("n_ensemble", [1, 5])
def test_a_class_of_one_row_is_trained_on(n_ensemble):
    y = Y.copy()
    y[7] = 3
    model = TabularMLPClassifier(**SMALL, n_ensemble=n_ensemble).fit(X, y)
    assert list(model.classes_) == [0, 1, 2, 3]
    assert model.predict_proba(X).shape == (150, 4)


def test_a_column_that_was_constant_is_nothing():
    table = np.column_stack([X, np.full(150, 7.0)])
    model = TabularMLPClassifier(**SMALL).fit(table, Y)
    other = np.column_stack([X, np.arange(150.0)])
    np.testing.assert_array_equal(model.predict_proba(table), model.predict_proba(other))


ARRAYS = {
    "Fortran's order": np.asfortranarray,
    "strides": lambda X: np.repeat(X, 2, axis=0)[::2, ::-1][:, ::-1],
    "the other order of bytes": lambda X: X.astype(X.dtype.newbyteorder()),
    "a list": np.ndarray.tolist,
    "objects": lambda X: X.astype(object),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("cls", BOTH)
def test_every_kind_of_array_gives_the_same_bits(cls, kind):
    usual = cls(**SMALL).fit(X, of(cls)).predict(X)
    locked = X.copy()
    locked.flags.writeable = False
    given = ARRAYS[kind](locked)
    np.testing.assert_array_equal(cls(**SMALL).fit(given, of(cls)).predict(given), usual)


@pytest.mark.parametrize("cls", BOTH)
def test_any_number_of_threads_gives_the_same_bits(cls):
    found = [cls(**SMALL, n_threads=n).fit(X, of(cls)).predict(X) for n in (1, 2, 5)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("cls", BOTH)
def test_a_weight_counts_as_so_many_rows(cls):
    """Where the rows of the validation are given, and medians and quartiles are the same."""
    random = np.random.default_rng(0)
    table = random.choice([0.0, 1.0], (160, 6), p=[0.4, 0.6])
    y = table[:, 0] + table[:, 1] * table[:, 2]
    rows, val = np.arange(80), np.arange(80, 160)
    counts = random.integers(1, 4, 160)
    asked = SMALL | {"dtype": "float64"} | ({"calibrate": True} if "Cl" in cls.__name__ else {})
    weighted = cls(**asked).fit(
        table[rows], y[rows], counts[rows], X_val=table[val], y_val=y[val],
        sample_weight_val=counts[val],
    )  # fmt: skip
    many, many_val = np.repeat(rows, counts[rows]), np.repeat(val, counts[val])
    repeated = cls(**asked).fit(table[many], y[many], X_val=table[many_val], y_val=y[many_val])
    np.testing.assert_array_equal(weighted.preprocessor_.center_, repeated.preprocessor_.center_)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-7)
    assert weighted.best_iter_ == repeated.best_iter_
    np.testing.assert_allclose(weighted.predict(table), repeated.predict(table), rtol=1e-6)
