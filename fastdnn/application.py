"""The application of the course: two models to train, and what surrounds them.

One example is one column, as in `fastdnn.functional`. The training loop takes the output's gradient
by its linear part, dZ[L] = A[L] - Y, which is what the course's dA[L] act'(Z[L]) amounts to, and
the cost from Z[L], so that both stay finite when A[L] reaches 0 or 1.

References
----------
.. [1] A. Ng, K. Katanforoosh, Y. Bensouda Mourri, Neural Networks and Deep Learning, week 4,
   "Deep Neural Network for Image Classification: Application".
"""

import importlib
import math
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array, matrices, number, real
from fastdnn.functional import (
    L_model_forward,
    Rng,
    Scale,
    initialize_parameters_deep,
    linear_activation_backward,
    linear_backward,
    update_parameters,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL = 1.7  # inches for one image and its title


# ------------------------------------------------------------------------------------------ models


def two_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    rng: Rng = None,
) -> tuple[dict[str, Array], list[Array]]:
    """Train a network with one hidden layer by gradient descent: linear, relu, linear, sigmoid.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column. In float32 the training is in float32, else in float64.
    Y : array_like of n_y m elements
        Labels: 0 and 1, or probabilities; flat, if there is one output unit.
    layers_dims : sequence of 3 int
        Input features, hidden units, output units: ``(n_x, n_h, n_y)``.
    learning_rate : float
        Step size.
    num_iterations : int
        Steps, each over all examples.
    print_cost : bool
        Print the cost at each 100th iteration and at the last.
    rng : int, numpy.random.RandomState or numpy.random.Generator, optional
        A seed or what to draw the weights from, by default the seed 1, for the course's digits. The
        weights have a standard deviation of 0.01.

    Returns
    -------
    parameters : dict of ndarray
        ``W1, b1, W2, b2``.
    costs : list of ndarray of shape ()
        The cost before the iterations 0, 100, 200, ...

    Raises
    ------
    TypeError
        If an argument is not of its type, or is masked.
    ValueError
        If an argument is empty or out of range, or the shapes do not fit.
    """
    return _model(X, Y, layers_dims, 3, 0.01, learning_rate, num_iterations, print_cost, rng)


def L_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    rng: Rng = None,
) -> tuple[dict[str, Array], list[Array]]:
    """Train a network of any depth by gradient descent: relu on all layers, sigmoid on the last.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column. In float32 the training is in float32, else in float64.
    Y : array_like of n_L m elements
        Labels: 0 and 1, or probabilities; flat, if there is one output unit.
    layers_dims : sequence of int
        Units of each layer, the input's features first.
    learning_rate : float
        Step size.
    num_iterations : int
        Steps, each over all examples.
    print_cost : bool
        Print the cost at each 100th iteration and at the last.
    rng : int, numpy.random.RandomState or numpy.random.Generator, optional
        A seed or what to draw the weights from, by default the seed 1, for the course's digits. The
        weights have a standard deviation of 1 / sqrt(n_prev).

    Returns
    -------
    parameters : dict of ndarray
        ``W1, b1, ..., WL, bL``.
    costs : list of ndarray of shape ()
        The cost before the iterations 0, 100, 200, ...

    Raises
    ------
    TypeError
        If an argument is not of its type, or is masked.
    ValueError
        If an argument is empty or out of range, or the shapes do not fit.
    """
    return _model(X, Y, layers_dims, None, "lecun", learning_rate, num_iterations, print_cost, rng)


def predict(X: ArrayLike, y: ArrayLike, parameters: Mapping[str, Any]) -> Array:
    """Predict the class of each example, and print the share of them that is right.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    y : array_like of m elements
        Labels, 0 and 1.
    parameters : dict
        ``W1, b1, ..., WL, bL`` of a network with one output unit.

    Returns
    -------
    p : ndarray of float64, shape (1, m)
        1 where the output is above 0.5, else 0.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, the shapes do not fit, or the network has several outputs.
    """
    AL, _ = L_model_forward(X, parameters)
    n_L, m = AL.shape
    if n_L != 1:
        raise ValueError(f"parameters are of a network with {n_L} output units: predict needs one")
    p = (AL > 0.5).astype(np.float64)
    print(f"Accuracy: {np.sum(p == _row(y, m, 'y')) / m}")
    return p


# -------------------------------------------------------------------------------------------- data


def load_data(directory: str | Path = "datasets") -> tuple[Array, Array, Array, Array, Array]:
    """Load the course's photographs from train_catvnoncat.h5 and test_catvnoncat.h5.

    Parameters
    ----------
    directory : path
        Where the two files are.

    Returns
    -------
    train_x_orig : ndarray of uint8, shape (m_train, 64, 64, 3)
        Training images.
    train_y : ndarray, shape (1, m_train)
        Their labels.
    test_x_orig : ndarray of uint8, shape (m_test, 64, 64, 3)
        Test images.
    test_y : ndarray, shape (1, m_test)
        Their labels.
    classes : ndarray of bytes
        The name of each class.

    Raises
    ------
    ImportError
        If h5py is not installed.
    OSError
        If a file is missing (`FileNotFoundError`) or is no HDF5 file.
    ValueError
        If a file lacks a dataset, or one has not the shape or element type that it should.
    """
    train_x_orig, train_y, _ = _load(Path(directory), "train")
    test_x_orig, test_y, classes = _load(Path(directory), "test")
    if train_x_orig.shape[1:] != test_x_orig.shape[1:]:
        raise ValueError(
            f"{directory} has training images of shape {train_x_orig.shape[1:]}, "
            f"but test images of shape {test_x_orig.shape[1:]}"
        )
    return train_x_orig, train_y, test_x_orig, test_y, classes


# ----------------------------------------------------------------------------------------- figures


def plot_costs(
    costs: ArrayLike, learning_rate: float = 0.0075, ax: "Axes | None" = None
) -> "Figure":
    """Plot the costs that a model returned.

    Parameters
    ----------
    costs : array_like
        One cost for each hundred iterations.
    learning_rate : float
        For the title.
    ax : matplotlib.axes.Axes, optional
        Where to draw, by default in a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Not shown: a notebook shows it by itself, ``figure.savefig`` writes it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If costs is no array of real numbers.
    """
    values = real(costs, "costs").ravel()
    if ax is None:
        ax = _new_axes(6.4, 4.8)
    ax.plot(np.arange(values.size), values, marker="." if values.size < 2 else None)
    ax.xaxis.set_major_locator(optional("matplotlib.ticker").MaxNLocator(integer=True))
    ax.set_xlabel("iterations (per hundreds)")
    ax.set_ylabel("cost")
    ax.set_title(f"Learning rate = {learning_rate}")
    return _figure(ax)


def print_mislabeled_images(
    classes: Sequence[bytes | str] | Array,
    X: ArrayLike,
    y: ArrayLike,
    p: ArrayLike,
    ax: "Axes | None" = None,
) -> "Figure":
    """Draw the images that were given the wrong class.

    Parameters
    ----------
    classes : sequence of bytes or str
        The name of each class.
    X : array_like, shape (3 side^2, m)
        Square colour images, one a column: floats from 0 to 1, or integers from 0 to 255.
    y : array_like of m elements
        Labels.
    p : array_like of m elements
        Predictions.
    ax : matplotlib.axes.Axes, optional
        Where to draw the images, side by side and in rows, by default in a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Not shown: a notebook shows it by itself, ``figure.savefig`` writes it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If X, y or p is no array of real numbers, or is masked.
    ValueError
        If the shapes do not fit, or a label or prediction has no name in classes.
    """
    images = real(X, "X")
    if images.ndim != 2:
        raise ValueError(f"X must have 2 dimensions, got shape {images.shape}")
    n_x, m = images.shape
    side = math.isqrt(n_x // 3)
    if n_x == 0 or 3 * side * side != n_x:
        raise ValueError(f"X has {n_x} rows, which make no square image of three colours")
    labels, predictions = _row(y, m, "y"), _row(p, m, "p")
    wrong = np.flatnonzero(labels != predictions)
    titles = [
        f"Prediction: {_class_name(classes, predictions[0, i], 'p')} \n"
        f" Class: {_class_name(classes, labels[0, i], 'y')}"
        for i in wrong
    ]
    cols = math.ceil(math.sqrt(max(wrong.size, 1)))
    rows = math.ceil(max(wrong.size, 1) / cols)
    if ax is None:
        ax = _new_axes(max(_CELL * cols, 2 * _CELL), 1.2 * _CELL * rows)
    ax.set_axis_off()
    if not titles:
        ax.text(0.5, 0.5, "no image is mislabeled", ha="center", va="center", wrap=True)
    for place, (i, title) in enumerate(zip(wrong, titles, strict=True)):
        row, col = divmod(place, cols)
        # a cell's upper part is for the title
        inset = ax.inset_axes((col / cols, 1 - (row + 1) / rows, 0.94 / cols, 0.74 / rows))
        inset.imshow(images[:, i].reshape(side, side, 3), interpolation="nearest")
        inset.set_title(title, fontsize=8)
        inset.set_axis_off()
    return _figure(ax)


# ----------------------------------------------------------------------------------------- helpers


def _model(
    X: Any,
    Y: Any,
    layers_dims: Any,
    depth: int | None,
    scale: Scale,
    learning_rate: Any,
    num_iterations: Any,
    print_cost: bool,
    rng: Rng,
) -> tuple[dict[str, Array], list[Array]]:
    """Judge the arguments once, draw the parameters and train."""
    (X,) = matrices(X=X)
    try:
        sizes = [operator.index(n) for n in layers_dims]
    except TypeError:
        raise TypeError(
            f"layers_dims must be a sequence of integers, got {layers_dims!r}"
        ) from None
    if (depth or max(len(sizes), 2)) != len(sizes) or min(sizes) < 1:
        raise ValueError(
            f"layers_dims must hold {depth or 'at least 2'} sizes of at least 1, got {sizes}"
        )
    n_x, m = X.shape
    if sizes[0] != n_x:
        raise ValueError(
            f"layers_dims begins with {sizes[0]}, but X has shape {X.shape}: "
            "it must begin with the number of rows of X"
        )
    n_L = sizes[-1]
    labels = real(Y, "Y")
    if labels.shape != (n_L, m) and not (n_L == 1 and labels.size == m):
        raise ValueError(
            f"Y has shape {labels.shape}, but layers_dims {sizes} and X of shape {X.shape} "
            f"ask for shape {(n_L, m)}"
        )
    learning_rate = number(learning_rate, "learning_rate")
    try:
        num_iterations = operator.index(num_iterations)
    except TypeError:
        raise TypeError(f"num_iterations must be an integer, got {num_iterations!r}") from None
    if num_iterations < 0:
        raise ValueError(f"num_iterations must be at least 0, got {num_iterations}")
    parameters = initialize_parameters_deep(
        sizes, rng=1 if rng is None else rng, scale=scale, dtype=X.dtype
    )
    Y = labels.reshape(n_L, m).astype(X.dtype)
    return _train(X, Y, parameters, learning_rate, num_iterations, print_cost)


def _train(
    X: Array,
    Y: Array,
    parameters: dict[str, Array],
    learning_rate: float,
    num_iterations: int,
    print_cost: bool,
) -> tuple[dict[str, Array], list[Array]]:
    L = len(parameters) // 2
    costs = []
    for i in range(num_iterations):
        AL, caches = L_model_forward(X, parameters)
        linear_cache, ZL = caches[-1]
        if i % 100 == 0 or (print_cost and i == num_iterations - 1):
            cost = _cost(ZL, Y)
            if print_cost:
                print(f"Cost after iteration {i}: {cost}", flush=True)
            if i % 100 == 0:
                costs.append(cost)
        dA, dW, db = linear_backward(AL - Y, linear_cache)
        grads = {f"dW{L}": dW, f"db{L}": db}
        for l in range(L - 1, 0, -1):
            dA, dW, db = linear_activation_backward(dA, caches[l - 1], "relu")
            grads[f"dW{l}"] = dW
            grads[f"db{l}"] = db
        parameters = update_parameters(parameters, grads, learning_rate)
    return parameters, costs


def _cost(ZL: Array, Y: Array) -> Array:
    """Compute the cross-entropy of sigmoid(ZL): -log(sigmoid(z)) = log(1 + exp(z)) - z."""
    # an infinite ZL makes it NaN, without a word, as in the compiled functions
    with np.errstate(invalid="ignore"):
        cost = np.sum(np.logaddexp(0, ZL) - Y * ZL) / ZL.shape[1]
    return np.array(cost, ZL.dtype)


def _row(value: Any, m: int, name: str) -> Array:
    array = real(value, name)
    if array.size != m:
        raise ValueError(f"{name} has shape {array.shape}, but X has {m} columns: sizes must match")
    return array.reshape(1, m)


def _load(directory: Path, part: str) -> tuple[Array, Array, Array]:
    path = directory / f"{part}_catvnoncat.h5"
    h5py = optional("h5py")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist or is no file")
    try:
        with h5py.File(path, "r") as file:
            x, y, classes = (
                np.array(file[key][...])
                for key in (f"{part}_set_x", f"{part}_set_y", "list_classes")
            )
    except KeyError as error:
        raise ValueError(f"{path} lacks a dataset: {error.args[0]}") from None
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error}") from None
    if x.ndim != 4 or x.shape[1] != x.shape[2] or x.shape[3] != 3 or y.size != len(x):
        raise ValueError(
            f"{path} has images of shape {x.shape} and labels of shape {y.shape}: "
            "expected (m, side, side, 3) and (m,)"
        )
    if x.dtype.kind not in "biuf" or y.dtype.kind not in "biuf":
        raise ValueError(f"{path} has images of {x.dtype} and labels of {y.dtype}, not numbers")
    return x, y.reshape(1, -1), classes


def optional(module: str) -> Any:
    """Import a module that only the extra `demo` installs."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} cannot be imported ({error}): pip install "fastdnn[demo]"', name=module
        ) from error


def _new_axes(width: float, height: float) -> "Axes":
    # a figure without pyplot belongs to no window system
    figure = optional("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.add_subplot()
    return axes


def _figure(ax: "Axes") -> "Figure":
    # the axes may lie in a subfigure, whose own figure is the whole one
    figure: Figure = ax.figure.figure
    return figure


def _class_name(classes: Any, label: Any, name: str) -> str:
    if label not in range(len(classes)):
        raise ValueError(f"{name} holds {label}, but classes names {len(classes)} classes from 0")
    word = classes[int(label)]
    return word.decode() if isinstance(word, bytes) else str(word)
