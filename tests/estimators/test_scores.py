"""The scores of predictions: to the bit those of scikit-learn, with its errors and warnings."""

import warnings

import numpy as np
import pytest
import sklearn.neural_network as theirs
from perceptrons import ours
from sklearn.metrics import accuracy_score, r2_score

LABELS = {
    "two": lambda r, m: r.integers(0, 2, m),
    "five": lambda r, m: r.integers(-2, 3, m),
    "another": lambda r, m: np.where(np.arange(m) % 9 == 0, 7, r.integers(0, 2, m)),
    "many": lambda r, m: np.arange(m),
    "booleans": lambda r, m: r.integers(0, 2, m) > 0,
    "bytes": lambda r, m: r.integers(0, 2, m).astype(np.int8),
    "unsigned": lambda r, m: r.integers(0, 2, m).astype(np.uint64) + np.uint64(2**63),
    "another order": lambda r, m: r.integers(0, 2, m).astype(">i4"),
    "reals": lambda r, m: r.integers(0, 2, m).astype(float),
    "fractions": lambda r, m: r.normal(size=m),
    "single": lambda r, m: r.normal(size=m).astype(np.float32),
    "half": lambda r, m: r.normal(size=m).astype(np.float16),
    "constant": lambda r, m: np.full(m, 0.1),
    "huge": lambda r, m: 1e300 * r.normal(size=m),
    "infinite": lambda r, m: np.where(np.arange(m) == 3, np.inf, 1.0),
    "every other": lambda r, m: np.repeat(r.normal(size=m), 2)[::2],
    "words": lambda r, m: np.array(["no", "yes"])[r.integers(0, 2, m)],
    "objects": lambda r, m: np.array(["no", "yes"], object)[r.integers(0, 2, m)],
    "a list": lambda r, m: r.integers(0, 2, m).tolist(),
    "a column": lambda r, m: r.integers(0, 2, (m, 1)),
    "two columns": lambda r, m: r.integers(0, 2, (m, 2)),
    "too few": lambda r, m: r.integers(0, 2, m - 1),
}


def outcome(function, *arrays, **options):
    """Return the bits of a score, or its error, and the warnings."""
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        try:
            found = float(function(*arrays, **options)).hex()
        except (TypeError, ValueError) as error:
            found = type(error), str(error)
    return found, [(m.category, str(m.message)) for m in messages]


def predicting(name, y_pred):
    class Predicting(getattr(ours, name)):
        def predict(self, X):
            return y_pred

    return Predicting()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("m", [1, 40, 300])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_a_score_is_scikit_learns(name, labels, m, weighted):
    score = accuracy_score if name == "MLPClassifier" else r2_score
    random = np.random.default_rng(m)
    given = {"sample_weight": random.random(m)} if weighted else {}
    y = LABELS[labels](random, m)
    for of in (LABELS[labels], LABELS["two"], LABELS["fractions"], LABELS["single"]):
        y_pred = of(random, m)
        found = outcome(predicting(name, y_pred).score, np.zeros((m, 1)), y, **given)
        assert found == outcome(score, y, y_pred, **given)


def test_a_score_asks_for_weights_as_scikit_learns_does():
    for name in ("MLPClassifier", "MLPRegressor"):
        asked, expected = (
            getattr(m, name)().get_metadata_routing().score.requests for m in (ours, theirs)
        )
        assert asked == expected == {"sample_weight": None}


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_what_was_valid_of_another_type_is_judged_anew(name):
    cls = getattr(ours, name)
    X = np.random.default_rng(0).normal(size=(20, 2))
    y = (X[:, 0] > 0).astype(int)
    for one, other in (({"max_iter": 1}, {"max_iter": 1.0}), ({"shuffle": True}, {"shuffle": 1.0})):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cls(hidden_layer_sizes=(2,), **{"max_iter": 2} | one).fit(X, y)
        for _ in range(2):
            errors = []
            for module in (ours, theirs):
                with pytest.raises(ValueError, match="must be") as error:
                    getattr(module, name)(hidden_layer_sizes=(2,), **{"max_iter": 2} | other).fit(
                        X, y
                    )
                errors.append((error.type, str(error.value)))
            assert errors[0] == errors[1]
