"""The course's images: loading them, and the figures drawn of a training."""

import math
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array, label_row, real
from fastdnn._config import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# the first bytes of a file that Git LFS has not fetched
_POINTER = b"version https://git-lfs"
_CELL = 1.7  # inches for one image and its title


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

    See Also
    --------
    L_layer_model : Trains on such images, one a column, from 0 to 1.

    Examples
    --------
    >>> import h5py, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in ("train", "test"):
    ...         with h5py.File(f"{folder}/{part}_catvnoncat.h5", "w") as file:
    ...             file[f"{part}_set_x"] = np.zeros((2, 64, 64, 3), np.uint8)
    ...             file[f"{part}_set_y"] = [0, 1]
    ...             file["list_classes"] = [b"non-cat", b"cat"]
    ...     train_x_orig, train_y, *_, classes = fastdnn.load_data(folder)
    >>> train_x_orig.shape, train_y
    ((2, 64, 64, 3), array([[0, 1]]))
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
    matplotlib.figure.Figure
        A notebook shows it, once; ``figure.savefig`` writes it. Where pyplot is in use, a new one
        is pyplot's current figure too, which ``plt.show`` shows.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If costs is no array of real numbers.

    See Also
    --------
    fastdnn.plots.LossCurveDisplay : Of a Network, or of several.

    Examples
    --------
    >>> figure = fastdnn.plot_costs([0.69, 0.41, 0.2], learning_rate=0.01)
    >>> figure.axes[0].get_title()
    'Learning rate = 0.01'
    """
    values = real(costs, "costs").ravel()
    if ax is None:
        ax = new_axes(6.4, 4.8)
    ax.plot(np.arange(values.size), values, marker="." if values.size < 2 else None)
    ax.xaxis.set_major_locator(optional("matplotlib.ticker").MaxNLocator(integer=True))
    ax.set_xlabel("iterations (per hundreds)")
    ax.set_ylabel("cost")
    ax.set_title(f"Learning rate = {learning_rate}")
    return whole_figure(ax)


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
    matplotlib.figure.Figure
        A notebook shows it, once; ``figure.savefig`` writes it. Where pyplot is in use, a new one
        is pyplot's current figure too, which ``plt.show`` shows.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If X, y or p is no array of real numbers, or is masked.
    ValueError
        If the shapes do not fit, or a label or prediction has no name in classes.

    See Also
    --------
    predict : Makes the predictions.
    fastdnn.plots.WeightsDisplay : The weights as images.

    Examples
    --------
    >>> X = np.zeros((3 * 4 * 4, 2))  # two black images of 4 by 4
    >>> figure = fastdnn.print_mislabeled_images(["non-cat", "cat"], X, y=[0, 1], p=[0, 0])
    >>> figure.axes[0].child_axes[0].get_title().split()
    ['Prediction:', 'non-cat', 'Class:', 'cat']
    """
    images = real(X, "X")
    if images.ndim != 2:
        raise ValueError(f"X must have 2 dimensions, got shape {images.shape}")
    n_x, m = images.shape
    side = math.isqrt(n_x // 3)
    if n_x == 0 or 3 * side * side != n_x:
        raise ValueError(f"X has {n_x} rows, which make no square image of three colours")
    truth, predictions = label_row(y, m, "y"), label_row(p, m, "p")
    wrong = np.flatnonzero(truth != predictions)
    titles = [
        f"Prediction: {_class_name(classes, predictions[0, i], 'p')} \n"
        f" Class: {_class_name(classes, truth[0, i], 'y')}"
        for i in wrong
    ]
    cols = math.ceil(math.sqrt(max(wrong.size, 1)))
    rows = math.ceil(max(wrong.size, 1) / cols)
    if ax is None:
        ax = new_axes(max(_CELL * cols, 2 * _CELL), 1.2 * _CELL * rows)
    ax.set_axis_off()
    if not titles:
        ax.text(0.5, 0.5, "no image is mislabeled", ha="center", va="center", wrap=True)
    for place, (i, title) in enumerate(zip(wrong, titles, strict=True)):
        row, col = divmod(place, cols)
        # the title takes a cell's upper part
        inset = ax.inset_axes((col / cols, 1 - (row + 1) / rows, 0.94 / cols, 0.74 / rows))
        inset.imshow(images[:, i].reshape(side, side, 3), interpolation="nearest")
        inset.set_title(title, fontsize=8)
        inset.set_axis_off()
    return whole_figure(ax)


# ----------------------------------------------------------------------------------------- helpers


def _load(directory: Path, part: str) -> tuple[Array, Array, Array]:
    path = directory / f"{part}_catvnoncat.h5"
    h5py = optional("h5py")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist or is no file")
    try:
        with path.open("rb") as opened:
            start = opened.read(len(_POINTER))
        if not start:
            raise OSError("it is empty")
        if start == _POINTER:
            raise OSError("it is a pointer of Git LFS and not the data, which git lfs pull fetches")
        with h5py.File(path, "r") as file:
            arrays = []
            for key in (f"{part}_set_x", f"{part}_set_y", "list_classes"):
                if not isinstance(file[key], h5py.Dataset):
                    raise ValueError(
                        f"{path} has a {type(file[key]).__name__.lower()} {key!r}, not a dataset"
                    )
                arrays.append(np.array(file[key][...]))
            x, y, classes = arrays
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


def new_axes(width: float, height: float) -> "Axes":
    """Make the axes of a new figure, of so many inches."""
    options = {"figsize": (width, height), "layout": "constrained"}
    pyplot = sys.modules.get("matplotlib.pyplot")
    if _in_notebook(pyplot):
        pyplot = optional("matplotlib.pyplot")
        figure = pyplot.figure(FigureClass=_shown_once(), **options)
    elif pyplot is not None:
        # pyplot's current figure, for plt.savefig
        figure = pyplot.figure(**options)
    else:
        # a figure made without pyplot belongs to no window system
        figure = optional("matplotlib.figure").Figure(**options)
    axes: Axes = figure.add_subplot()
    return axes


def whole_figure(ax: "Axes") -> "Figure":
    """Find the figure that axes lie in, at whatever depth."""
    # the axes may lie in a subfigure, whose own figure is the whole one
    figure: Figure = ax.figure.figure
    return figure


def _in_notebook(pyplot: Any) -> bool:
    """Whether pyplot's figures are shown below the cell that makes them."""
    if getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)() is None:
        return False
    # a kernel names the backend to a pyplot that is yet to be imported
    return "inline" in (
        os.environ.get("MPLBACKEND", "") if pyplot is None else pyplot.get_backend()
    )


@cache
def _shown_once() -> Any:
    """Make the class of a notebook's figures.

    The notebook shows what a cell's last line returns, and then all of pyplot's figures.
    """

    class Figure(optional("matplotlib.figure").Figure):  # type: ignore[misc]
        def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
            # it is being shown: no more by pyplot
            optional("matplotlib.pyplot").close(self)
            return {}

    return Figure


def _class_name(classes: Any, label: Any, name: str) -> str:
    if label not in range(len(classes)):
        raise ValueError(f"{name} holds {label}, but classes names {len(classes)} classes from 0")
    word = classes[int(label)]
    return word.decode() if isinstance(word, bytes) else str(word)
