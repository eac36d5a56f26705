"""Displays of losses and weights: what they draw, and where."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from networks import problem

from fastdnn import History, Network, fit_many
from fastdnn.plots import LossCurveDisplay, WeightsDisplay


def drawn(line):
    return line.get_xydata().T.tolist()


def legend(display):
    found = display.ax_.get_legend()
    return None if found is None else [text.get_text() for text in found.get_texts()]


@pytest.fixture(scope="module")
def histories():
    X, Y, _ = problem("sigmoid")
    return fit_many(
        [Network([5, n, 3], rng=0) for n in (4, 8)], X, Y, epochs=6, validation_data=(X, Y)
    )


# ------------------------------------------------------------------------------------ loss curves


def test_training_and_validation_of_a_history(histories):
    history = histories[0]
    display = LossCurveDisplay.from_history(history)
    assert isinstance(display.figure_, Figure)
    assert display.ax_.figure is display.figure_
    (line,), (validation,) = display.lines_, display.validation_lines_
    assert drawn(line) == [[1, 2, 3, 4, 5, 6], history.costs]
    assert drawn(validation) == [[1, 2, 3, 4, 5, 6], history.validation_costs]
    assert line.get_color() == validation.get_color()
    assert (line.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert legend(display) == ["training", "validation"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "cost")
    display.figure_.draw_without_rendering()


def test_several_models_in_one(histories):
    display = LossCurveDisplay.from_history({"small": histories[0], "large": histories[1]})
    names = ["small", "small, validation", "large", "large, validation"]
    assert legend(display) == names
    colours = [line.get_color() for line in display.lines_]
    assert len({*colours}) == 2
    assert colours == [line.get_color() for line in display.validation_lines_]
    assert legend(LossCurveDisplay.from_history(histories))[::2] == ["0", "1"]
    # or one after the other on the same axes
    display = LossCurveDisplay.from_history(histories[0], name="small")
    again = LossCurveDisplay.from_history(histories[1], name="large", ax=display.ax_)
    assert again.ax_ is display.ax_
    assert legend(again) == names
    assert len(display.figure_.axes) == 1


def test_it_is_drawn_again_where_it_is_asked():
    display = LossCurveDisplay([[3.0, 2, 1]])
    figure = Figure()
    left, right = figure.subfigures(1, 2)
    ax = right.subplots()
    assert display.plot(ax, color="red", label="mine") is display
    assert display.figure_ is figure
    assert not left.axes
    assert display.lines_[0].get_color() == "red"
    assert legend(display) == ["mine"]
    assert display.plot().ax_ is not ax
    assert legend(display) is None
    assert display.validation_lines_ == [None]


def test_a_single_epoch_is_seen():
    display = LossCurveDisplay.from_history(History([0.5]))
    assert display.lines_[0].get_marker() == "."


def test_estimators():
    pytest.importorskip("sklearn")
    import sklearn.neural_network
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from fastdnn.estimators import MLPClassifier

    X = np.random.default_rng(0).normal(size=(60, 4))
    y = X[:, 0] > 0
    options = {"hidden_layer_sizes": (4,), "max_iter": 5, "tol": 0, "random_state": 0}
    est = MLPClassifier(**options)
    theirs = sklearn.neural_network.MLPClassifier(**options)
    search = GridSearchCV(make_pipeline(StandardScaler(), MLPClassifier(**options)), {}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(X, y, X_val=X, y_val=y)
        theirs.fit(X, y)
        search.fit(X, y)
    display = LossCurveDisplay.from_estimator(est)
    assert drawn(display.lines_[0])[1] == est.loss_curve_
    assert drawn(display.validation_lines_[0])[1] == est.validation_loss_curve_
    assert display.ax_.get_ylabel() == "loss"
    display = LossCurveDisplay.from_estimator({"theirs": theirs, "search": search})
    curve = search.best_estimator_[-1].loss_curve_
    assert [drawn(line)[1] for line in display.lines_] == [theirs.loss_curve_, curve]
    assert WeightsDisplay.from_estimator(search).image_shape == (2, 2)
    assert len(WeightsDisplay.from_estimator(theirs).images_) == 4
    with pytest.raises(TypeError, match="MLPClassifier has no loss_curve_"):
        LossCurveDisplay.from_estimator(MLPClassifier())
    with pytest.raises(TypeError, match="MLPClassifier has no weights"):
        WeightsDisplay.from_estimator(MLPClassifier())


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: LossCurveDisplay([]), ValueError, "one model or more"),
        (lambda: LossCurveDisplay([[]]), ValueError, r"losses\[0\] must not be empty"),
        (lambda: LossCurveDisplay([1.0, 2.0]), ValueError, r"losses\[0\] must have a number"),
        (lambda: LossCurveDisplay([["a"]]), TypeError, r"losses\[0\] must"),
        (lambda: LossCurveDisplay([[1.0]], names=["a", "b"]), ValueError, "names must be as many"),
        (lambda: LossCurveDisplay.from_history([1.0]), TypeError, "must be a History"),
        (lambda: LossCurveDisplay.from_history(History()), ValueError, "must not be empty"),
        (
            lambda: LossCurveDisplay.from_history([History([1.0])], name="one"), ValueError,
            "name is that of a single model",
        ),
        (
            lambda: LossCurveDisplay.from_estimator(Network([2, 1])), TypeError,
            "Network has no loss_curve_",
        ),
        (lambda: WeightsDisplay([1.0]), ValueError, "weights must have shape"),
        (lambda: WeightsDisplay(np.ones((2, 6))), ValueError, "no square image"),
        (lambda: WeightsDisplay(np.ones((2, 6)), (2, 2)), ValueError, "does not hold 6 weights"),
        (lambda: WeightsDisplay(np.ones((2, 6)), (6,)), ValueError, "image_shape must be"),
        (lambda: WeightsDisplay(np.ones((2, 6)), (3, 1, 2)), ValueError, "image_shape must be"),
        (lambda: WeightsDisplay.from_estimator(3), TypeError, "int has no weights"),
        (
            lambda: WeightsDisplay.from_estimator(Network([4, 2, 1]), units=[2]), IndexError,
            "out of bounds",
        ),
    ],
)  # fmt: skip
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()


# ---------------------------------------------------------------------------------------- weights


def test_weights_are_on_one_scale():
    net = Network([16, 7, 1], rng=0)
    display = WeightsDisplay.from_estimator(net)
    assert len(display.images_) == len(display.axes_) == 7
    most = np.abs(net.parameters["W1"]).max()
    for image, weights in zip(display.images_, net.parameters["W1"], strict=True):
        np.testing.assert_array_equal(image.get_array(), weights.reshape(4, 4))
        assert image.get_clim() == (-most, most)
    assert display.ax_.child_axes == display.axes_
    # the picture is of the weights of its time
    before = display.weights.copy()
    net.parameters["W1"][...] = 0
    np.testing.assert_array_equal(display.weights, before)
    WeightsDisplay.from_estimator(net)
    display.figure_.draw_without_rendering()


def test_weights_of_colours():
    W1 = np.array([[-1.0, 0.5, 0.0] * 4, [0.25] * 12])
    display = WeightsDisplay(W1).plot()
    assert display.image_shape == (2, 2, 3)
    np.testing.assert_array_equal(display.images_[0].get_array()[0, 0], [0, 0.75, 0.5])
    # colours need no scale
    assert display.figure_.axes == [display.ax_]
    assert WeightsDisplay(W1, (3, 4)).image_shape == (3, 4)


def test_which_units_are_drawn():
    net = Network([4, 200, 1], rng=0)
    assert len(WeightsDisplay.from_estimator(net).images_) == 100
    assert len(WeightsDisplay.from_estimator(net, units=3).images_) == 3
    ax = Figure().subplots()
    display = WeightsDisplay.from_estimator(net, units=[150, 7], ax=ax, cmap="gray")
    np.testing.assert_array_equal(display.weights, net.parameters["W1"][[150, 7]])
    assert display.ax_ is ax
    assert display.images_[0].get_cmap().name == "gray"


# ---------------------------------------------------------------------------------------- tables


def test_a_history_as_a_table(histories):
    pytest.importorskip("pandas")
    frame = histories[0].to_frame()
    assert frame.index.tolist() == [1, 2, 3, 4, 5, 6]
    assert frame.index.name == "epoch"
    assert frame.columns.tolist() == ["cost", "validation_cost", "time"]
    assert frame["validation_cost"].tolist() == histories[0].validation_costs
    assert History().to_frame().columns.tolist() == ["cost", "time"]


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("pandas", "fastdnn.History().to_frame()"),
        ("matplotlib.figure", "fastdnn.plots.LossCurveDisplay([[1.0]]).plot()"),
    ],
)
def test_without_the_optional_package(module, call):
    code = f"import sys, fastdnn; sys.modules[{module!r}] = None\ntry: {call}\n"
    code += "except ImportError as error: print(error)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert module in run.stdout
    assert "pip install" in run.stdout
