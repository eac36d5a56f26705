"""A fit's history, and a callback's view of the fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastdnn._arrays import Array
from fastdnn._config import optional
from fastdnn._fit.html import history_html


@dataclass(repr=False)
class History:
    """The record of one fit, an entry an epoch.

    A notebook shows it as a small curve. Callbacks see the epochs until theirs.

    Parameters
    ----------
    costs : list of float
        Mean cost of the training data, each batch's taken before its update, the L2 term included.
    validation_costs : list of float
        Mean cost of the validation data after the epoch, without the L2 term; empty without any.
    times : list of float
        Seconds since the fit began.
    error : FloatingPointError or None
        Of a training by `fit_many` that diverged, which `Network.fit` would have raised.
    validation_scores : list of float
        What `metric` makes of each epoch, where the best one is kept: lower is better.
    best_epoch : int or None
        Which epoch that was, as an index of these lists; None if none was kept, or no score is
        finite.

    See Also
    --------
    Network.fit, fit_many : Return it.
    fastdnn.plots.LossCurveDisplay : Draws it.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> history = fastdnn.Network([2, 8, 1], rng=0).fit(X, X[:, 0] > 0, epochs=5)
    >>> len(history.costs), history.validation_costs
    (5, [])
    """

    costs: list[float] = field(default_factory=list)
    validation_costs: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    error: FloatingPointError | None = None
    validation_scores: list[float] = field(default_factory=list)
    best_epoch: int | None = None

    def __repr__(self) -> str:
        """Say how many epochs it has, and the last one's costs."""
        return f"History({self._summary()})"

    def _repr_html_(self) -> str:
        """Show the same, and the curves."""
        return history_html(self._summary(), self.costs, self.validation_costs)

    def _summary(self) -> str:
        n = len(self.costs)
        parts = [f"{n} epoch{'s' * (n != 1)}"]
        parts += [f"{name} {cost:.4g}" for name, cost in last_costs(self).items()]
        parts += [f"{seconds:.3g} s" for seconds in self.times[-1:]]
        if self.best_epoch is not None:
            parts.append(f"best epoch {self.best_epoch + 1}")
        if self.error is not None:
            parts.append("diverged")
        return ", ".join(parts)

    def to_frame(self) -> Any:
        """Make a table of pandas: a row an epoch, counted from 1.

        Returns
        -------
        pandas.DataFrame
            The columns "cost", "validation_cost" (where validation data was given),
            "validation_score" (where the best epoch was kept) and "time".

        Raises
        ------
        ImportError
            If pandas is not installed.

        See Also
        --------
        fastdnn.plots.LossCurveDisplay : Draws the costs.

        Examples
        --------
        >>> import numpy as np, fastdnn
        >>> X = np.random.default_rng(0).normal(size=(200, 4))
        >>> net = fastdnn.Network([4, 8, 1], rng=0)
        >>> history = net.fit(X, X.sum(axis=1) > 0, batch_size=32, epochs=20)
        >>> history.to_frame().columns.tolist()
        ['cost', 'time']
        """
        pandas = optional("pandas")
        columns = {"cost": self.costs}
        if self.validation_costs:
            columns["validation_cost"] = self.validation_costs
        if self.validation_scores:
            columns["validation_score"] = self.validation_scores
        columns["time"] = self.times
        # a callback sees a row that is yet to be finished
        n = len(self.times)
        index = pandas.RangeIndex(1, n + 1, name="epoch")
        return pandas.DataFrame({name: curve[:n] for name, curve in columns.items()}, index)


@dataclass
class State:
    """The argument of a callback after an epoch.

    A callback may read it, stop the fit, set the learning rate, and write to the parameters.

    Parameters
    ----------
    network : Network
        The network, with the parameters after the epoch.
    epoch : int
        How many epochs it has been trained for, in this fit and before.
    learning_rate : float
        Of this epoch. What is assigned to it is the learning rate from the next epoch on, and of
        later fits by the same optimiser; not where it is a schedule.
    history : History
        Of this fit; the last entries are this epoch's.
    stopped : bool
        Whether a callback has stopped the training.
    epochs : int
        How many this fit is asked for.
    left : mapping of str to ndarray, optional
        The parameters that it is to be left with.

    See Also
    --------
    Network.fit : Calls its callbacks with it.
    fastdnn.callbacks.EarlyStopping : Such a callback.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> def enough(state):
    ...     if state.history.costs[-1] < 0.5:
    ...         state.stop()
    >>> net = fastdnn.Network([2, 8, 1], rng=0)
    >>> history = net.fit(X, X[:, 0] > 0, epochs=1000, callbacks=[enough])
    >>> len(history.costs) < 1000
    True
    """

    network: Any
    epoch: int
    learning_rate: float
    history: History
    stopped: bool = False
    epochs: int = 0
    left: Mapping[str, Array] | None = None

    @property
    def last(self) -> bool:
        """Whether the fit ends with this epoch: it is stopped, or was asked for no more."""
        return self.stopped or len(self.history.costs) == self.epochs

    def stop(self, parameters: Mapping[str, Array] | None = None) -> None:
        """End the training after this epoch.

        Parameters
        ----------
        parameters : mapping of str to ndarray, optional
            What the network is left with, instead of the parameters after this epoch.
        """
        self.stopped = True
        if parameters is not None:
            self.left = parameters


def checked_callbacks(callbacks: Any) -> tuple[Callable[[State], object], ...]:
    """Check that all callbacks can be called, and list them."""
    try:
        taken = tuple(callbacks)
    except TypeError:
        raise TypeError(f"callbacks must be a sequence of callables, got {callbacks!r}") from None
    for callback in taken:
        if not callable(callback):
            raise TypeError(f"callbacks must be callables, got {callback!r}")
    return taken


def last_costs(history: History) -> dict[str, float]:
    """Name the costs of the last epoch, as far as there are any."""
    curves = {"cost": history.costs, "validation cost": history.validation_costs}
    return {name: curve[-1] for name, curve in curves.items() if curve}
