"""Pictures of a training, in the way of scikit-learn's displays; matplotlib draws them.

A display keeps what it draws, so that `plot` can draw it again, on other axes. What it has drawn is
in its attributes: ``display.ax_``, ``display.figure_``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array, integer, real
from fastdnn._config import optional
from fastdnn._fit.results import History
from fastdnn.images import new_axes, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LossCurveDisplay", "WeightsDisplay"]

# units whose weights are drawn by default
_UNITS = 100
_CELL = 0.8  # inches for a unit's image


class LossCurveDisplay:
    """How the loss falls while a model is trained, or several are, each in a colour of its own.

    The class methods make it of a history or of a fitted estimator, and draw it.

    Parameters
    ----------
    losses : sequence of array_like
        Of each model the loss, or cost, of each epoch.
    validation_losses : sequence of array_like, optional
        Of each model that of its validation data; None or empty without any. They are drawn
        dashed.
    names : sequence of str, optional
        Of the models, for the legend.
    loss_name : str
        What the vertical axis says.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn last.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.
    lines_ : list of matplotlib.lines.Line2D
        A line a model.
    validation_lines_ : list of matplotlib.lines.Line2D or None
        A line of each model's validation data.

    Raises
    ------
    TypeError
        If a loss is no array of real numbers.
    ValueError
        If there is no model, or not as many names or validation losses.

    See Also
    --------
    WeightsDisplay : The weights of the first layer as images.
    fastdnn.History.to_frame : The numbers as a table.

    Examples
    --------
    >>> import numpy as np, fastdnn
    >>> from fastdnn.plots import LossCurveDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> Y = X.sum(axis=1) > 0
    >>> histories = {
    ...     f"{n} units": fastdnn.Network([4, n, 1], rng=0).fit(
    ...         X[:150], Y[:150], epochs=20, validation_data=(X[150:], Y[150:])
    ...     )
    ...     for n in (4, 16)
    ... }
    >>> display = LossCurveDisplay.from_history(histories)
    >>> [line.get_label() for line in display.lines_]
    ['4 units', '16 units']
    """

    ax_: "Axes"
    figure_: Any
    lines_: list[Any]
    validation_lines_: list[Any]

    def __init__(
        self,
        losses: Sequence[ArrayLike],
        validation_losses: Sequence[ArrayLike | None] | None = None,
        names: Sequence[str] | None = None,
        loss_name: str = "loss",
    ) -> None:
        self.losses: list[Array] = [_curve(loss, f"losses[{i}]") for i, loss in enumerate(losses)]
        if not self.losses:
            raise ValueError("losses must hold the curve of one model or more")
        given = [None] * len(self.losses) if validation_losses is None else validation_losses
        self.validation_losses: list[Array | None] = [
            None if loss is None or len(np.atleast_1d(loss)) == 0
            else _curve(loss, f"validation_losses[{i}]")
            for i, loss in enumerate(given)
        ]  # fmt: skip
        self.names: list[str] | None = None if names is None else [str(name) for name in names]
        self.loss_name = loss_name
        for name, of in (("validation_losses", self.validation_losses), ("names", self.names)):
            if of is not None and len(of) != len(self.losses):
                raise ValueError(
                    f"{name} must be as many as losses, {len(self.losses)}, got {len(of)}"
                )

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where, by default in a new figure.
        **kwargs
            What ``ax.plot`` takes, for all lines.

        Returns
        -------
        LossCurveDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes(6.4, 4.8) if ax is None else ax
        self.ax_, self.figure_ = ax, whole_figure(ax)
        self.lines_, self.validation_lines_ = [], []
        for i, (loss, validation) in enumerate(
            zip(self.losses, self.validation_losses, strict=True)
        ):
            name = None if self.names is None else self.names[i]
            label = "training" if validation is not None and name is None else name
            line = _line(ax, loss, {"label": label, **kwargs})
            self.lines_.append(line)
            if validation is None:
                self.validation_lines_.append(None)
                continue
            label = "validation" if name is None else f"{name}, validation"
            options = {"color": line.get_color(), "linestyle": "--", "label": label, **kwargs}
            self.validation_lines_.append(_line(ax, validation, options))
        ax.xaxis.set_major_locator(optional("matplotlib.ticker").MaxNLocator(integer=True))
        ax.set_xlabel("epoch")
        ax.set_ylabel(self.loss_name)
        if ax.get_legend_handles_labels()[0]:
            ax.legend()
        return self

    @classmethod
    def from_history(
        cls,
        history: History | Mapping[str, History] | Sequence[History],
        *,
        name: str | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what `Network.fit` or `fit_many` has returned.

        Parameters
        ----------
        history : History, or mapping or sequence of History
            Of one model, or of several, with their names.
        name : str, optional
            Of a single one.
        ax : matplotlib.axes.Axes, optional
            As for `plot`.
        **kwargs
            As for `plot`.

        Returns
        -------
        LossCurveDisplay
            As it was drawn.

        Raises
        ------
        TypeError
            If it is no history.
        """
        names, histories = _named(history, name)
        for one in histories:
            if not isinstance(one, History):
                raise TypeError(
                    f"history must be a History, or several of them, got {type(one).__name__}"
                )
        costs = [one.costs for one in histories]
        display = cls(costs, [one.validation_costs for one in histories], names, "cost")
        return display.plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: "Axes | None" = None, **kwargs: Any
    ) -> Self:
        """Draw the loss of fitted estimators: ``loss_curve_``, and ``validation_loss_curve_``.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor, or mapping or sequence of them
            One or several, with their names; scikit-learn's own, too. Of a pipeline the last step
            is drawn, of a search its best estimator.
        name : str, optional
            Of a single one.
        ax : matplotlib.axes.Axes, optional
            As for `plot`.
        **kwargs
            As for `plot`.

        Returns
        -------
        LossCurveDisplay
            As it was drawn.

        Raises
        ------
        TypeError
            If it has no ``loss_curve_``: it is none, is not fitted, or its solver is "lbfgs".
        """
        names, estimators = _named(estimator, name)
        estimators = [_last(one) for one in estimators]
        for one in estimators:
            if not getattr(one, "loss_curve_", None):
                raise TypeError(
                    f"this {type(one).__name__} has no loss_curve_, which the fit of an "
                    "MLPClassifier or MLPRegressor by 'adam' or 'sgd' leaves"
                )
        losses = [one.loss_curve_ for one in estimators]
        validation = [getattr(one, "validation_loss_curve_", None) for one in estimators]
        return cls(losses, validation, names, "loss").plot(ax, **kwargs)


class WeightsDisplay:
    """The weights of the first layer as images, a unit each.

    Red weights are above 0 and blue ones below, on one scale for all units; of colour images the
    weights are colours, of which grey is 0.

    Parameters
    ----------
    weights : array_like, shape (n_1, n_0)
        A unit's a row, as the course's ``parameters["W1"]``.
    image_shape : tuple of int, optional
        Height and width of an image, and 3 where it has colours; by default that of a square, grey
        or of three colours.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn last.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.
    axes_ : list of matplotlib.axes.Axes
        A unit's each, within `ax_`.
    images_ : list of matplotlib.image.AxesImage
        The images.

    Raises
    ------
    TypeError
        If the weights are no array of real numbers.
    ValueError
        If they make no images of this shape.

    See Also
    --------
    LossCurveDisplay : How the loss falls.

    Examples
    --------
    >>> import fastdnn
    >>> from fastdnn.plots import WeightsDisplay
    >>> net = fastdnn.Network([64, 12, 10], output_activation="softmax", rng=0)
    >>> display = WeightsDisplay.from_estimator(net)
    >>> len(display.images_), display.images_[0].get_array().shape
    (12, (8, 8))
    """

    ax_: "Axes"
    figure_: Any
    axes_: list["Axes"]
    images_: list[Any]

    def __init__(self, weights: ArrayLike, image_shape: Sequence[int] | None = None) -> None:
        self.weights: Array = real(weights, "weights")
        if self.weights.ndim != 2 or self.weights.size == 0:
            raise ValueError(f"weights must have shape (n_1, n_0), got {self.weights.shape}")
        self.image_shape: tuple[int, ...] = _image_shape(self.weights.shape[1], image_shape)

    def plot(self, ax: "Axes | None" = None, *, cmap: Any = "RdBu_r", **kwargs: Any) -> Self:
        """Draw the images, side by side and in rows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where, by default in a new figure.
        cmap : str or matplotlib.colors.Colormap
            The colours of the weights, of which the middle one is 0.
        **kwargs
            What ``ax.imshow`` takes.

        Returns
        -------
        WeightsDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n = len(self.weights)
        cols = math.ceil(math.sqrt(n))
        rows = math.ceil(n / cols)
        coloured = len(self.image_shape) == 3
        height, width = self.image_shape[:2]
        if ax is None:
            cell = _CELL * min(4.0, max(0.25, height / width))
            ax = new_axes(max(3.2, _CELL * cols) + (not coloured), max(2.4, cell * rows))
        ax.set_axis_off()
        # the images lie close
        ax.set_box_aspect(rows * height / (cols * width))
        self.ax_, self.figure_, self.axes_, self.images_ = ax, whole_figure(ax), [], []
        most = float(np.abs(self.weights).max()) or 1.0
        options = {"interpolation": "nearest", **kwargs}
        images = self.weights.reshape(n, *self.image_shape)
        if coloured:
            images = 0.5 + images / (2 * most)
        else:
            options = {"cmap": cmap, "vmin": -most, "vmax": most, **options}
        for i in range(n):
            row, col = divmod(i, cols)
            inset = ax.inset_axes((col / cols, 1 - (row + 1) / rows, 0.94 / cols, 0.94 / rows))
            self.images_.append(inset.imshow(images[i], **options))
            inset.set_axis_off()
            self.axes_.append(inset)
        if not coloured:
            self.figure_.colorbar(self.images_[0], ax=ax, label="weight")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: Sequence[int] | None = None,
        units: int | Sequence[int] | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the first layer of a fitted estimator, or of a `Network`.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor or Network
            Scikit-learn's own, too. Of a pipeline the last step is drawn, of a search its best
            estimator.
        image_shape : tuple of int, optional
            As for `WeightsDisplay`.
        units : int or sequence of int, optional
            How many units, from the first on, or which ones; by default at most 100.
        ax : matplotlib.axes.Axes, optional
            As for `plot`.
        **kwargs
            As for `plot`.

        Returns
        -------
        WeightsDisplay
            As it was drawn.

        Raises
        ------
        TypeError
            If it has no weights: it is none, or is not fitted.
        IndexError
            If there is no such unit.
        """
        one = _last(estimator)
        if hasattr(one, "coefs_"):
            weights = one.coefs_[0].T
        elif "W1" in (getattr(one, "parameters", None) or ()):
            weights = one.parameters["W1"]
        else:
            raise TypeError(
                f"this {type(one).__name__} has no weights: give a Network, or a fitted "
                "MLPClassifier or MLPRegressor"
            )
        if units is None or np.ndim(units) == 0:
            chosen = weights[: _UNITS if units is None else integer(units, "units")]
        else:
            chosen = weights[[integer(unit, "a unit", least=0) for unit in np.asarray(units)]]
        return cls(np.array(chosen), image_shape).plot(ax, **kwargs)


# ----------------------------------------------------------------------------------------- helpers


def _named(models: Any, name: str | None) -> tuple[list[str] | None, list[Any]]:
    """List models and their names: one, or several."""
    if isinstance(models, Mapping):
        names, given = [str(key) for key in models], list(models.values())
    elif isinstance(models, (list, tuple)):
        names, given = [str(i) for i in range(len(models))], list(models)
    else:
        return (None if name is None else [str(name)]), [models]
    if name is not None:
        raise ValueError("name is that of a single model: give several as a dict by their names")
    return names, given


def _last(estimator: Any) -> Any:
    """Find the perceptron in a search or a pipeline."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif getattr(estimator, "steps", None):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def _curve(values: ArrayLike, name: str) -> Array:
    curve = real(values, name)
    if curve.ndim != 1:
        raise ValueError(f"{name} must have a number for each epoch, got shape {curve.shape}")
    return curve


def _line(ax: "Axes", curve: Array, options: dict[str, Any]) -> Any:
    # a single point is no line
    marker = "." if curve.size < 2 else None
    epochs = np.arange(1, curve.size + 1)
    (line,) = ax.plot(epochs, curve, **{"marker": marker, **options})
    return line


def _image_shape(n_0: int, asked: Sequence[int] | None) -> tuple[int, ...]:
    if asked is not None:
        shape = tuple(integer(side, "a side of image_shape") for side in asked)
        if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
            raise ValueError(f"image_shape must be (height, width) or (height, width, 3): {shape}")
        if math.prod(shape) != n_0:
            raise ValueError(f"image_shape {shape} does not hold {n_0} weights")
        return shape
    for colours in ((), (3,)):
        side = math.isqrt(n_0 // (3 if colours else 1))
        if side * side * math.prod(colours) == n_0:
            return side, side, *colours
    raise ValueError(f"{n_0} weights make no square image: give image_shape=(height, width)")
