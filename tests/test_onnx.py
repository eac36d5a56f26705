"""Models in ONNX, run by onnxruntime beside predict; and what skl2onnx makes of the estimators."""

import itertools
import json
import sys

import numpy as np
import pytest
from processes import run_apart

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator  # noqa: E402

import fastdnn  # noqa: E402
from fastdnn._fit.names import ACTIVATIONS, COSTS, OUTPUTS  # noqa: E402

DTYPES = ["float32", "float64"]
# the largest difference, in parts of the largest value
TOLERANCE = {"float32": 3e-7, "float64": 1e-12}
ZIPMAPS = [False, True, "columns"]
ort.set_default_logger_severity(4)


def outputs(model, X):
    """Run a model; give its outputs by name."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def assert_near(got, expected, scale=None):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    scale = np.abs(expected).max() if scale is None else scale
    assert np.abs(got - expected).max() <= TOLERANCE[str(got.dtype)] * scale


def scale_of(AL, output):
    # the relative error of exp is the absolute one of its argument
    return AL.max() * max(1, np.abs(np.log(AL)).max()) if output == "exp" else np.abs(AL).max()


def examples(dtype, m=7, n=5):
    return np.random.default_rng(1).normal(size=(m, n)).astype(dtype)


# ---------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_answers_alike(activation, output, dtype):
    X = examples(dtype)
    for dims in ([5, 7, 3], [5, 1, 3], [5, 4, 7, 2], [5, 3]):
        net = fastdnn.Network(dims, activation, output, dtype=dtype, rng=0)
        for name, array in net.parameters.items():
            if name.startswith("b"):
                array[...] = 0.1
        model, AL = fastdnn.to_onnx(net), net.predict(X)
        scale = scale_of(AL, output)
        for m in (1, 7):
            assert_near(outputs(model, X[:m])["AL"], AL[:m], scale)
        assert outputs(model, X[:0])["AL"].shape == (0, dims[-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_far_from_0(activation, dtype):
    net = fastdnn.Network([1, 1, 1], activation, "identity", dtype=dtype)
    for name in ("W1", "W2"):
        net.parameters[name][...] = 1
    far = np.geomspace(1e-6, 1e4, 200)
    z = np.concatenate([np.linspace(-120, 120, 1001), far, -far])[:, None].astype(dtype)
    a, got = net.predict(z), outputs(fastdnn.to_onnx(net), z)["AL"]
    assert (np.abs(got - a) <= TOLERANCE[dtype] * np.maximum(1, np.abs(a))).all()


@pytest.mark.parametrize(("output", "cost"), [(o, c) for o in COSTS for c in COSTS[o]])
def test_a_trained_network(output, cost):
    X = examples("float64", 40)
    Y = (X[:, :2] > 0).astype(float)
    if output == "softmax":
        Y = Y[:, 0]
    net = fastdnn.Network([5, 6, 2], ["tanh"], output, cost=cost, rng=0)
    net.fit(X, Y, epochs=5, batch_size=8)
    assert_near(outputs(fastdnn.to_onnx(net), X)["AL"], net.predict(X))


def test_an_activation_for_each_layer():
    net = fastdnn.Network([5, 4, 4, 4, 4, 1], ["gelu", "silu", "selu", "gelu"], rng=0)
    assert_near(
        outputs(fastdnn.to_onnx(net), examples("float64"))["AL"], net.predict(examples("d"))
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_standards_own_evaluator_answers_alike(dtype):
    X = examples(dtype)
    for activation in ACTIVATIONS:
        for output in OUTPUTS:
            net = fastdnn.Network([5, 7, 3], activation, output, dtype=dtype, rng=0)
            (AL,) = ReferenceEvaluator(fastdnn.to_onnx(net)).run(None, {"X": X})
            expected = net.predict(X)
            assert_near(AL, expected, scale_of(expected, output))


@pytest.mark.parametrize("first_layer", ["direct", "gram"])
def test_a_callback_writes_the_network(first_layer):
    X, found = examples("float64", 8, 50), []

    def write(state):
        found.append((net.predict(X), outputs(fastdnn.to_onnx(net), X)["AL"]))

    net = fastdnn.Network([50, 4, 1], rng=0)
    net.fit(
        X, X[:, 0] > 0, optimizer=fastdnn.SGD(0.1), epochs=3, first_layer=first_layer,
        callbacks=[write],
    )  # fmt: skip
    assert len(found) == 3
    for AL, got in found:
        assert_near(got, AL)


@pytest.mark.parametrize("dtype", ["float32", np.float64, "f", float])
@pytest.mark.parametrize("own", DTYPES)
def test_the_type_is_chosen(own, dtype):
    net = fastdnn.Network([5, 7, 3], "gelu", "softmax", dtype=own, rng=0)
    X = examples(np.dtype(dtype))
    got = outputs(fastdnn.to_onnx(net, dtype=dtype), X)["AL"]
    assert got.dtype == np.dtype(dtype)
    np.testing.assert_allclose(got, net.predict(X), rtol=2e-6)


def test_what_a_model_says():
    net = fastdnn.Network([5, 7, 3], "mish", "softmax", dtype="float32", rng=0)
    before = {name: array.copy() for name, array in net.parameters.items()}
    model = fastdnn.to_onnx(net)
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.producer_version) == ("fastdnn", fastdnn.__version__)
    assert model.doc_string == "Layers [5, 7, 3], mish, softmax"
    (X,), (AL,) = model.graph.input, model.graph.output
    assert (X.name, AL.name) == ("X", "AL")
    for value, n in ((X, 5), (AL, 3)):
        m, columns = value.type.tensor_type.shape.dim
        assert m.dim_param
        assert columns.dim_value == n
    held = {a.name: onnx.numpy_helper.to_array(a) for a in model.graph.initializer}
    for name, array in before.items():
        np.testing.assert_array_equal(held[name].reshape(array.T.shape), array.T)
        np.testing.assert_array_equal(net.parameters[name], array)
    assert fastdnn.to_onnx(net) == model


# -------------------------------------------------------------------------------------- estimators

LABELS = {
    "int": np.array([3, 5]),
    "negative": np.array([-1, 1], np.int8),
    "bool": np.array([False, True]),
    "float": np.array([0.0, 2.0]),
    "str": np.array(["no", "yes"]),
    "object": np.array(["no", "yes"], dtype=object),
    "ints": np.array([3, 5, 9]),
    "strings": np.array(["a", "b", "ä"]),
}


def fitted(kind, dtype="float32", m=60, **options):
    """Fit an estimator to some kind of labels or targets; return it and the examples."""
    pytest.importorskip("sklearn")
    from perceptrons import fitted, small

    X = examples(dtype, m)
    name = "MLPRegressor" if kind.startswith("number") else "MLPClassifier"
    if kind in LABELS:
        labels = LABELS[kind]
        y = labels[(X[:, :3].argmax(axis=1) if len(labels) == 3 else X[:, 0] > 0).astype(int)]
    else:
        y = {
            "labels": (X[:, :3] > 0).astype(int),
            "two labels": (X[:, :2] > 0).astype(int),
            "number": X[:, 0],
            "numbers": X[:, :2],
        }[kind]
    return fitted(small(name, **options), X, y), X


def refitted(est, X, y):
    from perceptrons import fitted

    return fitted(est, X, y)


def probabilities(found, zipmap):
    """Bring the probabilities of a row together, whatever the outputs are."""
    if zipmap is True:
        return np.array([list(row.values()) for row in found["output_probability"]])
    columns = [value for name, value in found.items() if "label" not in name]
    return columns[0] if zipmap is False else np.stack(columns, axis=1)


@pytest.mark.parametrize(
    ("dtype", "zipmap"),
    [*itertools.product(["float32"], ZIPMAPS), ("float64", False), ("float64", "columns")],
)
@pytest.mark.parametrize("kind", [*LABELS, "labels", "two labels"])
def test_a_classifier_answers_alike(kind, dtype, zipmap):
    est, X = fitted(kind, dtype)
    found = outputs(fastdnn.to_onnx(est, options={"zipmap": zipmap}), X)
    label = found["output_label" if zipmap else "label"]
    y = est.predict(X)
    assert label.dtype == (object if y.dtype.kind in "OU" else np.int64)
    np.testing.assert_array_equal(label, y)
    got = probabilities(found, zipmap)
    np.testing.assert_allclose(got, est.predict_proba(X), rtol=0, atol=TOLERANCE[dtype])
    classes = est.classes_.tolist()
    if zipmap is True:
        assert list(found["output_probability"][0]) == classes
    elif zipmap:
        letter = "s" if label.dtype == object else "i"
        integers = [c if letter == "s" else int(c) for c in classes]
        assert list(found)[1:] == [f"{letter}{c}" for c in integers]


def test_a_probability_of_two_classes():
    est, X = fitted("int", "float64")
    found = outputs(fastdnn.to_onnx(est), X)["probabilities"]
    p = found[:, 1]
    np.testing.assert_array_equal(found[:, 0], 1 - p)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["number", "numbers"])
def test_a_regressor_answers_alike(kind, dtype):
    for loss in ("squared_error", "huber"):
        est, X = fitted(kind, dtype, loss=loss, activation="selu", hidden_layer_sizes=(7,))
        found = outputs(fastdnn.to_onnx(est), X)
        expected = est.predict(X)
        assert list(found) == ["variable"]
        assert_near(found["variable"], expected.reshape(len(X), -1))


def test_names_of_features():
    pd = pytest.importorskip("pandas")
    est, X = fitted("int")
    assert not fastdnn.to_onnx(est).metadata_props
    names = [f"größe {i}" for i in range(5)]
    refitted(est, pd.DataFrame(X, columns=names), X[:, 0] > 0)
    (entry,) = fastdnn.to_onnx(est).metadata_props
    assert (entry.key, json.loads(entry.value)) == ("feature_names", names)


def test_columns_may_be_called_like_anything():
    est, X = fitted("strings")
    # an "s" comes before them
    est._label_binarizer.classes_ = est.classes_ = np.array(["igmoid", "oftmax", "ub"], object)
    found = outputs(fastdnn.to_onnx(est, options={"zipmap": "columns"}), X)
    assert list(found) == ["output_label", "sigmoid", "softmax", "sub"]
    np.testing.assert_array_equal(found["output_label"], est.predict(X))


def test_one_class():
    est, X = fitted("int")
    refitted(est, X, np.full(len(X), 4))
    found = outputs(fastdnn.to_onnx(est), X)
    np.testing.assert_array_equal(found["label"], est.predict(X))
    np.testing.assert_allclose(found["probabilities"], est.predict_proba(X), atol=3e-7)
    with pytest.raises(ValueError, match="2 probabilities of 1 class: take False"):
        fastdnn.to_onnx(est, options={"zipmap": True})


def test_two_classes_with_an_output_each():
    est, X = fitted("int")
    est.coefs_[-1] = np.hstack([-est.coefs_[-1], est.coefs_[-1]])
    est.intercepts_[-1] = np.zeros(2, "float32")
    for output in ("softmax", "logistic"):
        est.out_activation_, est.n_outputs_ = output, 2
        found = outputs(fastdnn.to_onnx(est), X)
        np.testing.assert_array_equal(found["label"], est.predict(X))
        np.testing.assert_allclose(found["probabilities"], est.predict_proba(X), atol=3e-7)


# ------------------------------------------------------------------------------------------ errors


def network(**options):
    return fastdnn.Network([5, 7, 3], rng=0, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dtype": "float16"}, ValueError, "dtype must be float32 or float64, got 'float16'"),
        ({"dtype": int}, ValueError, "dtype must be float32 or float64"),
        ({"dtype": "no"}, ValueError, "dtype must be float32 or float64, got 'no'"),
        ({"options": "zipmap"}, TypeError, "options must be a dict, got 'zipmap'"),
        ({"options": {"zipmap": False}}, ValueError, "'zipmap', but for Network there is none"),
    ],
)
def test_arguments_of_a_network(options, error, message):
    with pytest.raises(error, match=message):
        fastdnn.to_onnx(network(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zip": False}, "options has 'zip', but for MLPClassifier there is only 'zipmap'"),
        ({"zipmap": "rows"}, "must be True, False or 'columns', got 'rows'"),
        ({"zipmap": 1}, "must be True, False or 'columns', got 1"),
        ({"zipmap": None}, "must be True, False or 'columns', got None"),
        ({"zipmap": True}, "dicts in ONNX hold float32: give dtype='float32'"),
    ],
)
def test_options_of_a_classifier(options, message):
    est, _ = fitted("int", "float64")
    with pytest.raises(ValueError, match=message):
        fastdnn.to_onnx(est, options=options)


def test_numbers_that_are_not_finite():
    net = network()
    net.parameters["b2"][1] = np.nan
    with pytest.raises(ValueError, match="b2 holds numbers that are not finite"):
        fastdnn.to_onnx(net)
    net.parameters["b2"][1] = 1e300
    with pytest.raises(ValueError, match="b2 holds numbers that are too large for float32"):
        fastdnn.to_onnx(net, dtype="float32")


def test_other_models():
    pytest.importorskip("sklearn")
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline

    for model in (MLPClassifier(), make_pipeline(MLPClassifier()), {"W1": 1}, None):
        with pytest.raises(TypeError, match="model must be a Network.*skl2onnx.to_onnx converts"):
            fastdnn.to_onnx(model)
    with pytest.raises(ValueError, match="not fitted yet"):
        fastdnn.to_onnx(fastdnn.MLPRegressor())


def test_what_onnx_cannot_hold():
    est, X = fitted("int")
    y = X[:, 0] > 0
    est._label_binarizer.classes_ = est.classes_ = np.array([b"a", b"b"])
    with pytest.raises(TypeError, match="classes_ holds bytes, but labels in ONNX"):
        fastdnn.to_onnx(est)
    est._label_binarizer.classes_ = est.classes_ = np.array([0.5, 1.0])
    with pytest.raises(ValueError, match=r"0\.5.*labels in ONNX are int64 or strings"):
        fastdnn.to_onnx(est)
    refitted(est, X, y)
    est._label_binarizer.set_params(neg_label=-1)
    with pytest.raises(ValueError, match="only one with neg_label=0 and pos_label=1"):
        fastdnn.to_onnx(est)
    reg, _ = fitted("number")
    reg.out_activation_ = "tanh"
    with pytest.raises(ValueError, match="a Network has no out_activation_ 'tanh'"):
        fastdnn.to_onnx(reg)


def test_a_subclass_that_predicts_otherwise():
    est, X = fitted("int")

    class Careful(type(est)):
        def predict_proba(self, X):
            return super().predict_proba(X) / 2

    class Alike(type(est)):
        def score(self, X, y):
            return 1.0

    with pytest.raises(TypeError, match="Careful overrides predict_proba.*network_"):
        fastdnn.to_onnx(refitted(Careful(max_iter=1), X, X[:, 0] > 0))
    assert fastdnn.to_onnx(refitted(Alike(max_iter=1), X, X[:, 0] > 0))


def test_onnx_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match='python -m pip install "onnx>='):
        fastdnn.to_onnx(network())


# ---------------------------------------------------------------------------------------- skl2onnx


def converted(model, X, **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    return skl2onnx.to_onnx(model, X[:1], target_opset=18, **options)


def wrapped(est, how):
    """Make something of scikit-learn with an estimator inside."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = [("scaled", StandardScaler(), [0, 1, 2]), ("left", "passthrough", [3, 4])]
    two = [("one", est), ("other", est)]
    return {
        "alone": lambda: est,
        "pipeline": lambda: make_pipeline(StandardScaler(), est),
        "columns": lambda: make_pipeline(ColumnTransformer(parts), est),
        "calibrated": lambda: CalibratedClassifierCV(est, cv=2),
        "voting": lambda: VotingClassifier(two, voting="soft", flatten_transform=False),
        "stacking": lambda: StackingClassifier(two, cv=2),
        "bagging": lambda: BaggingClassifier(est, 2),
        "search": lambda: GridSearchCV(est, {"alpha": [0.1, 0.01]}, cv=2),
        "one against the rest": lambda: OneVsRestClassifier(est),
    }[how]()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["bool", "strings"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "how",
    [
        *("alone", "pipeline", "columns", "calibrated", "voting", "stacking", "bagging", "search"),
        "one against the rest",
    ],
)
def test_skl2onnx_converts(how, dtype, kind):
    pytest.importorskip("skl2onnx")
    est, X = fitted(kind, dtype, activation="gelu")
    y = est.predict(X)
    model = wrapped(est, how).fit(X, y)
    for zipmap in ZIPMAPS if dtype == "float32" else [False]:
        found = outputs(converted(model, X, options={id(model): {"zipmap": zipmap}}), X)
        label = found["output_label" if zipmap else "label"]
        np.testing.assert_array_equal(label, model.predict(X))
        got = probabilities(found, zipmap)
        np.testing.assert_allclose(got, model.predict_proba(X), rtol=0, atol=5 * TOLERANCE[dtype])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [*DTYPES, "int64"])
@pytest.mark.parametrize("kind", ["number", "numbers"])
def test_skl2onnx_converts_regressors(kind, dtype):
    pytest.importorskip("skl2onnx")
    from sklearn.ensemble import VotingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    est, X = fitted(kind, "float32")
    X = (8 * X).astype(dtype)
    models = [est, make_pipeline(StandardScaler(), est)]
    if kind == "number":
        models.append(VotingRegressor([("one", est)]))
    for model in models:
        model.fit(X, est.predict(X))
        (got,) = outputs(converted(model, X), X).values()
        expected = model.predict(X).reshape(len(X), -1)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=3e-6, atol=3e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipmap", ZIPMAPS)
@pytest.mark.parametrize("kind", ["int", "bool", "strings", "number"])
def test_outputs_are_those_of_scikit_learns(kind, zipmap):
    est, X = fitted(kind)
    options = {} if kind == "number" else {"options": {"zipmap": zipmap}}
    theirs = converted(est.to_sklearn(), X, **options).graph.output
    assert list(converted(est, X, **options).graph.output) == list(theirs)
    # of which only the name of the dimension differs
    own = fastdnn.to_onnx(est, **options).graph.output
    for value in own:
        for dim in value.type.tensor_type.shape.dim:
            dim.ClearField("dim_param")
    assert list(own) == list(theirs)


def test_labels_as_numbers():
    est, X = fitted("strings")
    options = {id(est): {"nocl": True, "zipmap": False, "output_class_labels": False}}
    label = outputs(converted(est, X, options=options), X)["label"]
    np.testing.assert_array_equal(est.classes_[label], est.predict(X))


def test_several_matrices_are_refused():
    pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import FloatTensorType

    est, X = fitted("int")
    types = [(name, FloatTensorType([None, n])) for name, n in (("a", 2), ("b", 3))]
    with pytest.raises(
        ValueError, match="MLPClassifier reads one matrix, but initial_types name 2"
    ):
        converted(est, X, initial_types=types)


@pytest.mark.parametrize("first", ["skl2onnx", "fastdnn.estimators"])
def test_whichever_is_imported_first(first):
    pytest.importorskip("skl2onnx")
    text = f"""
import importlib.util, sys, warnings
warnings.simplefilter("ignore")
import {first}
assert ("skl2onnx" in sys.modules) == ({first!r} == "skl2onnx")
# looking for it is not importing it
assert importlib.util.find_spec("skl2onnx") is not None
from fastdnn.estimators import MLPClassifier
from skl2onnx.common._registration import get_converter
import skl2onnx, skl2onnx._supported_operators as known
print(known.sklearn_operator_name_map[MLPClassifier])
print(sum(type(finder).__name__ == "_Awaited" for finder in sys.meta_path))
"""
    assert run_apart(text).split() == ["FastdnnMLPClassifier", "0"]
