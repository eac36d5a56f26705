"""What of an estimator a file cannot hold, and files that are no estimator."""

import copy
import io
import json
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

import perceptrons  # noqa: E402
from perceptrons import data, quietly  # noqa: E402
from processes import run_apart  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.preprocessing import LabelBinarizer  # noqa: E402
from stores import stored  # noqa: E402

from fastdnn import ModelFileError, load, save  # noqa: E402
from fastdnn.estimators import MLPClassifier  # noqa: E402

X, CLASSES = data("multiclass")


class Own(MLPClassifier):
    pass


def fitted(**changed):
    est = quietly(MLPClassifier((3,), max_iter=2).fit, X, CLASSES)
    for name, value in changed.items():
        setattr(est, name, value)
    return est


def nan():
    est = fitted()
    est.coefs_[1][0, 0] = np.nan
    return est


@pytest.mark.parametrize(
    ("make", "error", "word"),
    [
        (MLPClassifier, NotFittedError, "not fitted"),
        (lambda: quietly(Own((3,), max_iter=2).fit, X, CLASSES), TypeError, "the class Own"),
        (lambda: perceptrons.theirs.MLPClassifier(), TypeError, "must be a Network"),
        (lambda: fitted(scoring=lambda est, X, y: 1.0), TypeError, "scoring is of type function"),
        (lambda: fitted(random_state=np.random.RandomState(np.random.PCG64(0))), TypeError,
         "random_state is a RandomState of PCG64"),
        (lambda: fitted(mine=3), TypeError, "the attribute 'mine'"),
        (lambda: fitted(alpha="much"), ValueError, "'alpha' parameter"),
        (lambda: fitted(tol=10**30), ValueError, "tol is an integer of over 64 bits"),
        (lambda: fitted(classes_=np.array(["a", "b", "\ud800"])), ValueError, "surrogates"),
        (lambda: fitted(classes_=np.array([1, 2, 3], "M8[s]")), TypeError, "is of datetime64"),
        (lambda: fitted(classes_=np.array([1, 2, 3j])), TypeError, "classes_ is of complex128"),
        (lambda: fitted(classes_=np.array([1, 2, (3,)], object)), ValueError, "classes_"),
        (lambda: fitted(classes_=np.array(["a", "b", "c" * 2**21])), ValueError, "takes 2"),
        (lambda: fitted(classes_=np.array([1, 2])), ValueError, "do not fit"),
        (lambda: fitted(classes_=np.array([1, 2, 2])), ValueError, "a class stands twice"),
        (lambda: fitted(_fitted_sizes=[2**62]), ValueError, "_fitted_sizes must be sizes"),
        (lambda: fitted(_label_binarizer=LabelBinarizer(neg_label=-1).fit([1, 2, 3])), TypeError,
         "_label_binarizer that a user has set"),
        (lambda: fitted(n_features_in_=9), ValueError, "n_features_in_ must be 6"),
        (nan, ValueError, "W2 holds numbers that are not finite"),
        (lambda: fitted(loss_curve_=[np.inf]), ValueError, "loss_curve_ holds"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_hold(make, error, word, tmp_path):
    path = tmp_path / "est"
    path.write_bytes(b"before")
    est = make()
    with pytest.raises(error) as raised:
        save(est, path)
    assert word in str(raised.value)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_scikit_learn_s_callbacks_are_named():
    if not hasattr(MLPClassifier, "set_callbacks"):
        pytest.skip("this scikit-learn has no callbacks")
    from sklearn.callback import ScoringMonitor

    est = fitted().set_callbacks(ScoringMonitor(scoring="accuracy"))
    with pytest.raises(TypeError, match="callbacks"):
        save(est, io.BytesIO())


# ---------------------------------------------------------------------------------- documents

FILE = stored(fitted(random_state=0, class_weight={3: 1, 5: 1, 9: 2}), training_state=True)
LENGTH = int.from_bytes(FILE[:8], "little")
HEADER = json.loads(FILE[8 : 8 + LENGTH])
DOCUMENT = json.loads(HEADER["__metadata__"]["fastdnn"])


def refused(path, value):
    document = json.loads(json.dumps(DOCUMENT))
    *above, last = path
    at = document
    for name in above:
        at = at[name]
    at[last] = value
    if value is ...:
        del at[last]
    raw = json.dumps(HEADER | {"__metadata__": {"fastdnn": json.dumps(document)}}).encode()
    file = len(raw).to_bytes(8, "little") + raw + FILE[8 + LENGTH :]
    with pytest.raises(ModelFileError) as raised:
        load(io.BytesIO(file))
    return str(raised.value)


@pytest.mark.parametrize("name", DOCUMENT["parameters"])
def test_parameters_of_other_types(name):
    for value in (
        ...,
        {},
        {"dict": 1},
        {"tuple": [{"tuple": 1}]},
        {"number": "12"},
        [[[[[[[[[1]]]]]]]]],
    ):
        assert name in refused(("parameters", name), value)
    if name != "random_state":
        assert name in refused(("parameters", name), "os.system")
    for value in ({"RandomState": {}}, {"RandomState": 3}):
        assert name in refused(("parameters", name), value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("kind",), "MLPRegressor", "parameters has no"),
        (("parameters", "more"), 1, "unknown entry more"),
        (("parameters", "activation"), "tanh", "the network is"),
        (("parameters", "activation"), ["relu", "relu"], "activation must be"),
        (("parameters", "class_weight"), {"dict": [[3, 1], [3, 1]]}, "a key twice"),
        (("parameters", "class_weight"), {"dict": [[[3], 1]]}, "a key"),
        (("parameters", "class_weight"), [3], "class_weight must be"),
        (("parameters", "hidden_layer_sizes"), [True], "hidden_layer_sizes must be"),
        (("parameters", "hidden_layer_sizes"), {"number": "inf"}, "hidden_layer_sizes must be"),
        (("fitted", "out_activation_"), "eval", "out_activation_ must be one of"),
        (("fitted", "out_activation_"), "identity", "the network is"),
        (("fitted", "n_features_in_"), 5, "n_features_in_ must be 6"),
        (("fitted", "n_outputs_"), 2, "n_outputs_ must be 3"),
        (("fitted", "n_iter_"), -1, "n_iter_ must be"),
        (("fitted", "loss_"), "0.5", "loss_ must be a number"),
        (("fitted", "loss_curve_"), [0.5], "unknown entry loss_curve_"),
        (("fitted", "validation_scores_"), [0.5], "validation_scores_ must be null"),
        (("fitted", "feature_names_in_"), ["a"], "feature_names_in_ must be 6 names"),
        (("fitted", "feature_names_in_"), [1, 2, 3, 4, 5, 6], "a list of type str"),
        (("fitted", "_fitted_sizes"), [1.5], "_fitted_sizes must be"),
        (("fitted", "_fitted_scoring"), 3, "_fitted_scoring must be"),
        (("fitted", "classes_"), [1, 2, 3], "classes_ must be an object"),
        (("fitted", "classes_", "dtype"), "<f16", "dtype must be"),
        (("fitted", "classes_", "dtype"), "O", "dtype must be"),
        (("fitted", "classes_", "dtype"), "<U9999999", "dtype must be one of which 3 labels"),
        (("fitted", "classes_", "dtype"), "|i1,|i1", "dtype must be"),
        (("fitted", "classes_", "dtype"), "|b1", "values must be labels of bool"),
        (("fitted", "classes_", "dtype"), "<U1", "values must be labels of <U1"),
        (("fitted", "classes_", "values"), [3, 5], "do not fit 3 outputs"),
        (("fitted", "classes_", "values"), [3, 5, 2**63], "values must be labels of int64"),
        (("fitted", "classes_", "values"), [3, 5, True], "values must be labels of int64"),
        (("fitted", "classes_", "values"), "abc", "values must be a list"),
        (("fitted", "binarizer", "kind"), "continuous", "kind must be one of"),
        (("fitted", "binarizer", "kind"), "binary", "do not fit 3 outputs"),
        (("fitted", "binarizer", "sparse"), True, "do not fit"),
        (("fitted", "binarizer", "sparse"), 0, "sparse must be"),
        (("training", "rule"), "magic", "rule must be one of"),
        (("training", "rule"), "sgd", "belongs to nothing"),
        (("training", "rate"), [1], "rate must be"),
        (("training", "rate"), [1, "now"], "now must be a number"),
        (("training", "steps"), 1e3, "steps must be"),
        (("requests",), {"fit": {"eval": True}}, "unknown entry eval"),
        (("requests",), {"fit": {"sample_weight": 3}}, "requests.fit"),
        (("requests",), {"predict": {}}, "unknown entry predict"),
    ],
)  # fmt: skip
def test_documents_that_are_none(path, value, words):
    assert words in refused(path, value)


@pytest.mark.parametrize(
    ("code", "values"),
    [("<U2", ["a", "abc", "b"]), ("<U2", ["a", "b\0", "c"]), ("|S1", ["a", "bc", "d"]),
     ("|S1", ["a", "\u1234", "d"]), ("<f4", [1.0, 2.0, 1e300]), ("<f4", [1.0, 2.0, 0.1]),
     ("|u1", [1, 2, 256]), ("|u1", [-1, 2, 3]), ("|O", [1, 2, [3]]), ("<i8", [1.0, 2.0, 3.0])],
)  # fmt: skip
def test_labels_that_their_type_cannot_hold(code, values):
    assert "classes_" in refused(("fitted", "classes_"), {"dtype": code, "values": values})


def test_without_scikit_learn_a_file_of_an_estimator_says_so(tmp_path):
    (tmp_path / "est").write_bytes(FILE)
    code = """
        import sys
        sys.modules["sklearn"] = None
        import fastdnn
        try:
            fastdnn.load(sys.argv[1])
        except ImportError as error:
            print(error)
    """
    assert 'install "scikit-learn>=1.6"' in run_apart(code, str(tmp_path / "est"))


def test_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.deepcopy(load(io.BytesIO(FILE)))
