"""Callbacks for `Network.fit`: to stop in time, to write files, and to lower the learning rate.

Each is an ordinary callable of `State`, as a user's own are. What they judge is a number that shall
fall: the cost of the validation data or, without any, that of the training data; or whatever a
function of the user's makes of the `State`. They may be given to several networks, and to one fit
after the other.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from fastdnn._arrays import Array, flag, in_range, integer, number
from fastdnn._fit.results import State

__all__ = ["Checkpoint", "EarlyStopping", "LearningRateOnPlateau"]

Monitor = Callable[[State], float]


class _Record:
    """What a callback remembers of a network's fit."""

    def __init__(self) -> None:
        self.best, self.since = np.inf, 0
        self.parameters: dict[str, Array] = {}

    def improves(self, value: float, min_delta: float = 0.0) -> bool:
        """Judge an epoch, and count those since the best one."""
        if value < self.best - min_delta:
            self.best, self.since = value, 0
            return True
        self.since += 1
        return False


class _Watching:
    """What the callbacks share: the number that they judge, and a record for each network."""

    monitor: Monitor | None

    def _value(self, state: State) -> float:
        if self.monitor is None:
            history = state.history
            return (history.validation_costs or history.costs)[-1]
        return number(self.monitor(state), "the number that monitor returns")

    def _record(self, state: State, anew: bool = True) -> _Record:
        # fit_many calls it for several networks, in several threads
        kept: WeakKeyDictionary[object, _Record] = self.__dict__.setdefault(
            "_kept", WeakKeyDictionary()
        )
        begins = anew and len(state.history.costs) == 1
        record = None if begins else kept.get(state.network)
        if record is None:
            record = kept[state.network] = _Record()
        return record

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}


@dataclass
class EarlyStopping(_Watching):
    """Stop the training when epochs in a row have brought no improvement.

    What improves is the validation cost, or another number of one's own.

    Parameters
    ----------
    patience : int
        How many epochs in a row.
    min_delta : float
        An improvement is one by more than this.
    restore_best : bool
        Whether the network is left with the parameters of its best epoch, when it is stopped as
        well as when the fit has come to its last epoch. The optimiser's moments are those of the
        last. After Ctrl-C nothing is restored.
    monitor : callable, optional
        Makes a number that shall fall of the `State`; by default the cost of the validation data
        or, without any, that of the training data.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its type, or out of range.

    See Also
    --------
    LearningRateOnPlateau : Lowers the learning rate instead.

    Examples
    --------
    >>> import numpy as np, fastdnn
    >>> from fastdnn.callbacks import EarlyStopping
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> Y = X.sum(axis=1) > 0
    >>> net = fastdnn.Network([4, 8, 1], rng=0)
    >>> history = net.fit(
    ...     X[:150], Y[:150], batch_size=10, epochs=1000, validation_data=(X[150:], Y[150:]),
    ...     callbacks=[EarlyStopping(patience=5)],
    ... )
    >>> len(history.costs) < 1000
    True
    >>> bool(np.isclose(net.cost(X[150:], Y[150:]), min(history.validation_costs)))
    True
    """

    patience: int = 10
    min_delta: float = 0.0
    restore_best: bool = True
    monitor: Monitor | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.patience = integer(self.patience, "patience")
        self.min_delta = in_range(self.min_delta, "min_delta")
        self.restore_best = flag(self.restore_best, "restore_best")
        _check_monitor(self.monitor)

    def __call__(self, state: State) -> None:
        """Judge an epoch."""
        record = self._record(state)
        if record.improves(self._value(state), self.min_delta):
            if self.restore_best:
                parameters = state.network.parameters
                record.parameters = {name: P.copy(order="K") for name, P in parameters.items()}
        elif record.since >= self.patience:
            state.stop()
        if state.last:
            # without a finite number there is no best epoch
            state.stop(record.parameters)
            record.parameters = {}


@dataclass
class Checkpoint(_Watching):
    """Write the network to a file while it is trained.

    Whatever ends the program, the file is a whole one, from which `fit` can go on.

    Parameters
    ----------
    path : str or path-like
        The file, in a folder that is there. ``{epoch}`` in it is replaced by the number of epochs,
        as by `str.format`, so that ``"net-{epoch:04}.safetensors"`` keeps them all.
    best_only : bool
        Whether a file is only written when no epoch was as good. What was best lasts from fit to
        fit.
    every : int
        After how many epochs the network is looked at; it also is after the last of a fit.
    monitor : callable, optional
        Makes a number that shall fall of the `State`; by default the cost of the validation data
        or, without any, that of the training data.
    training_state : bool
        Whether training can go on from the file to the last bit, as `fastdnn.save` says.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its type, or out of range.
    FileNotFoundError
        If there is no such folder.

    See Also
    --------
    fastdnn.Network.load : Reads such a file.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, fastdnn
    >>> from fastdnn.callbacks import Checkpoint
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> net = fastdnn.Network([4, 8, 1], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(f"{folder}/net.safetensors", best_only=True)
    ...     history = net.fit(X, X.sum(axis=1) > 0, epochs=20, callbacks=[checkpoint])
    ...     again = fastdnn.Network.load(f"{folder}/net.safetensors")
    >>> again.epochs
    20
    """

    path: str | os.PathLike[str]
    best_only: bool = False
    every: int = field(default=1, kw_only=True)
    monitor: Monitor | None = field(default=None, kw_only=True)
    training_state: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        path = os.fspath(self.path) if isinstance(self.path, os.PathLike) else self.path
        if not isinstance(path, str):
            raise TypeError(f"path must be a str or path-like, got {self.path!r}")
        self.path = path
        try:
            folder = self._file(0).parent
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"path may hold {{epoch}}, and no other braces, got {path!r}: {error}"
            ) from None
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} does not exist or is no folder")
        self.every = integer(self.every, "every")
        self.best_only = flag(self.best_only, "best_only")
        self.training_state = flag(self.training_state, "training_state")
        _check_monitor(self.monitor)

    def __call__(self, state: State) -> None:
        """Write the network, if it is time."""
        if state.epoch % self.every and not state.last:
            return
        if self.best_only and not self._record(state, anew=False).improves(self._value(state)):
            return
        state.network.save(self._file(state.epoch), training_state=self.training_state)

    def _file(self, epoch: int) -> Path:
        return Path(str(self.path).format(epoch=epoch))


@dataclass
class LearningRateOnPlateau(_Watching):
    """Lower the learning rate when epochs in a row have brought no improvement.

    The optimiser's learning rate must be a number, not a schedule. A later fit by the same
    optimiser goes on with the lower one.

    Parameters
    ----------
    factor : float
        What the learning rate is multiplied by, above 0 and below 1.
    patience : int
        How many epochs in a row; after a lower rate they are counted anew.
    min_delta : float
        An improvement is one by more than this.
    min_learning_rate : float
        The lowest rate that it goes to.
    monitor : callable, optional
        Makes a number that shall fall of the `State`; by default the cost of the validation data
        or, without any, that of the training data.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its type, or out of range.

    See Also
    --------
    EarlyStopping : Stops the training instead.
    fastdnn.StepDecay : Lowers the rate after so many epochs, whatever they bring.

    Examples
    --------
    >>> import numpy as np, fastdnn
    >>> from fastdnn.callbacks import LearningRateOnPlateau
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> Y = X.sum(axis=1) + np.random.default_rng(1).normal(size=200)
    >>> net = fastdnn.Network([4, 8, 1], output_activation="identity", rng=0)
    >>> rates = []
    >>> plateau = LearningRateOnPlateau(0.5, patience=5)
    >>> history = net.fit(
    ...     X, Y, optimizer=fastdnn.SGD(0.1), batch_size=20, epochs=100,
    ...     callbacks=[plateau, lambda state: rates.append(state.learning_rate)],
    ... )
    >>> rates[0], rates[-1] < 0.1
    (0.1, True)
    """

    factor: float = 0.1
    patience: int = 10
    min_delta: float = 0.0
    min_learning_rate: float = 0.0
    monitor: Monitor | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.factor = in_range(self.factor, "factor", above=0, below=1)
        self.patience = integer(self.patience, "patience")
        self.min_delta = in_range(self.min_delta, "min_delta")
        self.min_learning_rate = in_range(self.min_learning_rate, "min_learning_rate")
        _check_monitor(self.monitor)

    def __call__(self, state: State) -> None:
        """Judge an epoch."""
        record = self._record(state)
        if record.improves(self._value(state), self.min_delta) or record.since < self.patience:
            return
        record.since = 0
        rate = state.learning_rate
        # never a higher one than it is
        state.learning_rate = min(rate, max(rate * self.factor, self.min_learning_rate))


# ----------------------------------------------------------------------------------------- helpers


def _check_monitor(monitor: object) -> None:
    if not (monitor is None or callable(monitor)):
        raise TypeError(f"monitor must be a callable of State, got {monitor!r}")
