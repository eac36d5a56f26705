"""Many fits at once, each by itself: one network to a thread, the largest first."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from fastdnn._arrays import flag, integer
from fastdnn._core.workers import Exclusive, Stop
from fastdnn._fit import blockwise, loop
from fastdnn._fit.best import Best, best_of
from fastdnn._fit.blocks import Blocks
from fastdnn._fit.data import Data
from fastdnn._fit.fits import BUSY, Fits, follow
from fastdnn._fit.folds import Folds
from fastdnn._fit.model import Model
from fastdnn._fit.progress import Progress
from fastdnn._fit.results import History, State, checked_callbacks
from fastdnn._fit.settings import Settings
from fastdnn._fit.stretches import Alone, Loss
from fastdnn._fit.threads import STEP, Team, at_once, choose


@dataclass
class Fit:
    """All that one network is trained with.

    Attributes
    ----------
    network : Network
        What callbacks see.
    model : Model
    data : Data or Blocks
    settings : Settings
    epochs : int
    validation : Data, Blocks or None
    callbacks : tuple of callable
    best : Best or None
    history : History
    """

    network: Any
    model: Model
    data: Data | Blocks
    settings: Settings
    epochs: int
    validation: Data | Blocks | None
    callbacks: tuple[Callable[[State], object], ...]
    best: Best | None
    history: History = field(default_factory=History)

    @property
    def size(self) -> float:
        """Count the multiplications of the fit, as far as they tell which one is larger."""
        return float(self.model.work) * self.data.m * self.epochs

    def train(self, stop: Stop) -> None:
        """Train; a training that diverges says so in its history."""
        settings = self.settings._replace(stop=stop)
        alone = None
        if not (self.callbacks or isinstance(self.validation, Blocks)):
            alone = Alone(self.validation and Loss(self.validation))
            if self.best is not None:
                alone = self.best.alone()
        training = blockwise.epochs(self.model, self.data, settings, self.epochs, alone)
        try:
            # a call: Python 3.13 leaves a loop's jump back out of what it stands in
            follow(
                training, self.network, self.model, self.history, self.epochs, self.validation,
                self.callbacks, self.best,
            )  # fmt: skip
        except FloatingPointError as error:
            # without the frames, which hold the workspace
            self.history.error = error.with_traceback(None)
        finally:
            training.close()
        if self.best is not None and self.history.error is None:
            self.best.put_back(self.history)


def fit_all(
    networks: Sequence[tuple[Any, Model, Fits]], X: Any, Y: Any, asked: dict[str, Any],
    block_bytes: Any, n_threads: Any, verbose: Any,
) -> list[History]:  # fmt: skip
    """Judge all that is asked, then train the networks: see `fastdnn.fit_many`."""
    n_threads = None if n_threads is None else integer(n_threads, "n_threads")
    verbose = flag(verbose, "verbose")
    count = len(networks)
    if not isinstance(asked["callbacks"], list):
        # once, as an iterator has nothing left for a second network
        asked["callbacks"] = checked_callbacks(asked["callbacks"])
    each = {name: _for_each(value, name, count) for name, value in asked.items()}
    n_threads, share = at_once(n_threads, count)
    folds = Folds(X, Y, [model for _, model, _ in networks], block_bytes)
    fits = []
    with Exclusive(*(own.lock for _, _, own in networks), message=BUSY):
        for i, (network, model, _) in enumerate(networks):
            try:
                given = {name: values[i] for name, values in each.items()}
                fits.append(_prepared(network, model, folds, share, **given))
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"networks[{i}]: {error}") from None
        del folds
        histories = [fit.history for fit in fits]
        _train(fits, n_threads, verbose)
    return histories


def _for_each(value: Any, name: str, count: int) -> Sequence[Any]:
    """Take a list as one value for each network, and anything else as one for all."""
    if not isinstance(value, list):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} is a list of {len(value)} for {count} networks: a list holds one value for "
            "each of them, and what is no list is for all"
        )
    return value


def _prepared(
    network: Any, model: Model, folds: Folds, n_threads: int, *, rows: Any, validation_rows: Any,
    sample_weight: Any, epochs: Any, validation_data: Any, callbacks: Any, keep: Any, metric: Any,
    **asked: Any,
) -> Fit:  # fmt: skip
    """Judge what one network is trained with."""
    data = folds.trained(model, rows, sample_weight)
    if validation_rows is not None and validation_data is not None:
        raise ValueError("validation_rows and validation_data cannot both be given")
    validation = folds.given(model, validation_data)
    if validation is None:
        validation = folds.validation(model, validation_rows, sample_weight)
    epochs, callbacks = integer(epochs, "epochs", least=0), checked_callbacks(callbacks)
    best = best_of(model, keep, metric, validation)
    if not np.isfinite(model.params).all():
        raise ValueError("the network's parameters must be finite")
    if not model.params.flags.writeable:
        raise ValueError("the network's parameters must be writeable")
    settings = Settings.asked(model, data.m, **asked, n_threads=1)
    if isinstance(data, Blocks):
        data = data.cut(min(data.m, settings.batch * settings.accumulate))
    if isinstance(data, Blocks):
        if settings.first_layer == "gram":
            raise ValueError("first_layer='gram' needs data in memory, or in one block")
        return Fit(network, model, data, settings, epochs, validation, callbacks, best)
    if settings.batch == data.m or not isinstance(data.X, np.ndarray):
        data = folds.whole(model, data)
    gram = loop.takes_gram(model, data, settings)
    if n_threads > 1:
        # where they pay
        n_threads = min(
            n_threads, choose(None, settings.batch, loop.work_of(model, data, settings, gram), STEP)
        )
    settings = settings._replace(n_threads=n_threads)
    return Fit(network, model, data, settings, epochs, validation, callbacks, best)


def _train(fits: Iterable[Fit], n_threads: int, verbose: bool) -> None:
    """Train all, each thread one after the other."""
    left = deque(sorted(fits, key=lambda fit: -fit.size))
    shown = _Trained(len(left)) if verbose else None
    stop = Stop()
    causes: list[BaseException] = []

    def work(_: int) -> None:
        try:
            while True:
                try:
                    fit = left.popleft()
                except IndexError:
                    return
                fit.train(stop)
                if shown is not None:
                    shown.add(fit.history)
        except BaseException as error:
            # the others end because of this one, with an error of their own
            causes.append(error)
            raise

    def abandon() -> None:
        left.clear()
        stop.ask()

    with shown or nullcontext(), Team(n_threads) as team:
        try:
            team.run(work, abandon)
        except BaseException:
            if causes:
                raise causes[0] from None
            raise


class _Trained(Progress):
    """The networks that are trained, and how many of them have diverged."""

    def __init__(self, count: int) -> None:
        super().__init__("network", count)
        self._count, self._diverged, self._counting = 0, 0, Lock()

    def add(self, history: History) -> None:
        """Count a network."""
        with self._counting:
            self._count += 1
            self._diverged += history.error is not None
            self.show(self._count, {"diverged": self._diverged})
