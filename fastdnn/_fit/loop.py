"""The one loop over epochs, around the engine's part of a fit."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import count as endless
from math import isfinite
from typing import Any

import numpy as np

from fastdnn._arrays import Array, in_range
from fastdnn._core.plan import slices
from fastdnn._core.stretch import Stretch
from fastdnn._core.training import Trainer
from fastdnn._fit.data import Data
from fastdnn._fit.gram import Gram, pays
from fastdnn._fit.model import Model
from fastdnn._fit.names import COSTS, RULES
from fastdnn._fit.settings import Settings
from fastdnn._fit.sparse import Csr
from fastdnn._fit.stretches import Alone, each_step, possible, rates_of_steps, run, stretch_of
from fastdnn._fit.threads import STEP, Team, choose

# bytes of a workspace that is kept from fit to fit
_KEPT = 2**20


class Epoch:
    """What a face sees between two epochs.

    Attributes
    ----------
    cost : float
        Mean cost of the epoch, each batch's taken before its update, the L2 term included.
    learning_rate : float
        Of the epoch.
    team : Team
        The threads of the fit.
    stretch : Stretch or None
        The epochs since the one that was seen before, where nobody watches them.
    """

    def __init__(
        self, model: Model, data: Data, settings: Settings, gram: bool, work: float,
        team: Team,
    ) -> None:  # fmt: skip
        self._model, self._settings, self.team = model, settings, team
        self.cost = self.learning_rate = 0.0
        self.stretch: Stretch | None = None
        self._work = work
        self._training = model.trained_by(settings.rule, settings.optimizer)
        X = _in_place(model, data.X, settings.batch, gram)
        self._data: Data | None = Data(X, *data[1:])
        # whether another fit can begin without converting its data
        self._again = X is data.X and isinstance(X, np.ndarray) and data.weights is None
        self._shown: Array | None = None
        self._slices = slices(model.layer_dims[0])  # of W1
        self._begin(model.training.gram if gram else None, gram)

    def _begin(self, state: dict[str, Any] | None, gram: bool) -> None:
        self._form: Gram | None = None
        if gram and self._data is not None and not isinstance(self._data.X, Csr):
            W1, m1 = self._model.weights[0], self._training.m1
            self._W1, V1 = W1.of(self._model.params), None if m1 is None else W1.of(m1)
            self._form = Gram(self._data.X, self._W1, V1, state, self.team)
        self._training.gram = None if self._form is None else self._form.state()
        self._trainer = Trainer(
            self._model, self._data, self._settings, self._training, self._form,
            self.team.n_threads,
        )  # fmt: skip

    def _train(self) -> None:
        """Train on each example once."""
        trainer, epochs = self._trainer, self._training.counts.epochs
        rate = rate_of(self._settings, epochs, trainer.steps)
        trainer.begin(rate)
        cost = trainer.epoch()
        if self._settings.guarded and not isfinite(cost):
            raise diverged(epochs)
        self.cost, self.learning_rate = cost, last_of(rate)

    def show(self, to_write: bool = False) -> None:
        """Write out W1 from the Gram form, before somebody reads it or writes to it.

        The next epoch begins with whatever was written to it.
        """
        if self._form is not None:
            self.team.share(self._slices, self._form.write)
            self._model.whole = True
            if to_write:
                self._shown = self._W1.copy()

    def set_rate(self, rate: float) -> None:
        """Take another learning rate for the next epochs, and for later fits by the optimiser.

        Raises
        ------
        ValueError
            If it is out of range, or the learning rate is a schedule.
        """
        if callable(self._settings.learning_rate):
            raise ValueError(
                "a callback can set the learning rate only where the optimiser's is a number, not "
                "a schedule"
            )
        rate = in_range(rate, "learning_rate")
        optimizer = replace(self._settings.optimizer, learning_rate=rate)
        self._settings = self._settings._replace(learning_rate=rate, optimizer=optimizer)
        # another fit that asks for the same begins with the rate that it asks for
        self._again = False
        self._training.optimizer = optimizer

    def keep(self) -> bool:
        """Release the data; return whether another fit of the same settings can use the rest.

        A large workspace is not worth its memory.
        """
        if (
            self._again
            and self._form is None
            and self._trainer.size <= _KEPT
            and self._model.training is self._training
        ):
            self._data = self.stretch = None
            self._trainer.release()
            return True
        return False

    def takes(self, X: Any, Y: Any) -> bool:
        """Check and take another fit's data, if it can be read as the last fit's was."""
        model = self._model
        cost = COSTS[model.output][model.cost]
        return (
            model.training is self._training
            and choose(self._settings.n_threads, self._settings.batch, self._work, STEP)
            == self.team.n_threads
            and self._trainer.retake(X, Y, cost.least, cost.most)
        )

    def goes_alone(self, alone: Alone, order: Array | None) -> bool:
        """Tell whether the epochs can be trained below the Python line."""
        return (
            # W1 is not there when it is validated
            (self._form is None or alone.loss is None)
            and possible(self._model, self._settings, alone, order)
        )

    def stretches(self, count: int | None, alone: Alone, order: Array | None) -> Iterator["Epoch"]:
        """Train until the fit ends, and show each stretch."""
        settings, counts = self._settings, self._training.counts
        model, trainer = self._model, self._trainer
        self.stretch = stretch = stretch_of(trainer, model, settings, count, alone, order)
        while True:
            run(stretch, settings, alone, counts.epochs)
            end, interrupt = stretch.end, stretch.interrupt
            if stretch.filled:
                yield self
            if interrupt is not None:
                raise interrupt
            if end == "diverged":
                raise diverged(counts.epochs)
            if end in ("done", "late"):
                return

    def gradient(self, out: Array) -> None:
        """Copy the gradient that the rule "none" has left to an arena."""
        self._trainer.gradient(out)

    def _was_written(self) -> bool:
        return self._shown is not None and not np.array_equal(self._W1, self._shown)


def epochs(
    model: Model, data: Data, settings: Settings, count: int | None = None,
    alone: Alone | None = None, order: Array | None = None,
) -> Generator[Epoch, None, None]:  # fmt: skip
    """Train a model, of which nobody else makes use, for so many epochs, or as many as are asked.

    The body of a loop over this generator is the work between two epochs. If it is no more than
    what `alone` says, the compiled code may do it: an item then is a stretch of epochs. An order is
    shuffled further before each epoch, by the model's generator, whether the settings ask for it or
    not.

    A fit that fails before its first step changes nothing: all is checked and allocated before.
    Counts, weights and moments are changed by the engine, in one call, and all that follows from
    them is written by compiled code too. So they belong together, whenever Ctrl-C comes.

    Raises
    ------
    ValueError
        If the Gram form is asked for, but another setting rules it out.
    FloatingPointError
        If the cost of a guarded epoch or a parameter is not finite. All is as before the epoch.
    """
    model.whole = True
    gram = takes_gram(model, data, settings)
    work = work_of(model, data, settings, gram)
    with Team(choose(settings.n_threads, settings.batch, work, STEP)) as team:
        yield from _ended(Epoch(model, data, settings, gram, work, team), count, alone, order)


def rate_of(
    settings: Settings, epochs: int, steps: int, before: float = 0.0, of: float = 1.0
) -> float | Array:
    """Compute the learning rate after so many epochs, or those of the next steps.

    The steps make a part of an epoch, of which some was before.
    """
    rate = settings.learning_rate
    if not callable(rate):
        return rate
    if each_step(rate):
        return rates_of_steps(rate, epochs, steps, before, of)
    rate = rate(epochs)
    return in_range(rate, "learning_rate") if settings.guarded else rate


def last_of(rate: float | Array) -> float:
    """Take the learning rate of the last step."""
    return rate if not isinstance(rate, np.ndarray) else float(rate[-1]) if len(rate) else 0.0


def diverged(epochs: int) -> FloatingPointError:
    """Make the error of a guarded epoch, after so many others."""
    return FloatingPointError(
        f"the training diverged in epoch {epochs + 1}: the parameters are "
        "those of before it; try a smaller learning rate or clip_norm"
    )


def again(kept: Epoch, count: int, alone: Alone | None = None) -> Generator[Epoch, None, None]:
    """Run the epochs of a kept fit that has taken this one's data."""
    with Team(kept.team.n_threads) as team:
        kept.team = team
        yield from _ended(kept, count, alone, None)


def _ended(
    epoch: Epoch, count: int | None, alone: Alone | None, order: Array | None
) -> Iterator[Epoch]:
    """Run the epochs, and write W1 out of the Gram form in the end."""
    training, before = epoch._training, epoch._training.counts.steps
    if count == 0:
        training.gram = epoch._model.training.gram
        epoch._model.training = training
        return
    try:
        # the loop is a call of its own: on Python 3.13 its jump back lies outside the try statement
        yield from _trained(epoch, count, alone, order)
    finally:
        # a call of compiled code, and none before it: the next Ctrl-C waits for its end
        if epoch._form is not None and training.counts.steps > before:
            if epoch._shown is not None and epoch._was_written():
                # W1 was written by a callback that then raised or stopped the training
                training.gram = None
            else:
                epoch.team.share(epoch._slices, epoch._form.write)


def _trained(
    epoch: Epoch, count: int | None, alone: Alone | None, order: Array | None
) -> Iterator[Epoch]:
    if alone is not None and epoch.goes_alone(alone, order):
        yield from epoch.stretches(count, alone, order)
        return
    for _ in endless() if count is None else range(count):
        if order is not None:
            epoch._model.rng.shuffle(order)
        epoch._train()
        yield epoch
        if epoch._was_written():
            epoch._begin(None, True)
        epoch._shown = None


# ----------------------------------------------------------------------------------------- helpers


def _in_place(model: Model, X: Array | Csr, batch: int, gram: bool) -> Array | Csr:
    """Convert X for the engine once, if a batch is all of it."""
    if isinstance(X, Csr):
        return X.astype(model.dtype)
    if batch < len(X):
        return X
    taken = np.asarray(X, model.dtype, order=None if X.flags.forc else "C")
    # a copy: W1 is a sum of the rows it was trained on, though a callback may write to X
    return X.copy(order="K") if gram and taken is X else taken


def takes_gram(model: Model, data: Data, settings: Settings) -> bool:
    """Decide on the form of the first layer.

    By default the shapes decide, as for a fit of ten epochs: if the number of epochs did, k of them
    and k more would not take the form of 2k.
    """
    m, n_0 = data.X.shape
    possible = (
        RULES[settings.rule].linear
        and settings.batch == m
        and (not settings.keep or settings.keep[0] == 1)
        and not settings.clip_norm
        and settings.accumulate == 1
        and not (settings.factors or model.input_scale)
        and not isinstance(data.X, Csr)
    )
    if settings.first_layer == "gram" and not possible:
        raise ValueError(
            "first_layer='gram' needs a dense X, the optimiser SGD, batch_size=None, and neither "
            "input_scale, input_dropout, clip_norm, accumulate nor rates that differ by layer"
        )
    if settings.first_layer == "auto":
        return possible and pays(m, n_0, model.layer_dims[1], settings.epochs)
    return settings.first_layer == "gram"


def work_of(model: Model, data: Data, settings: Settings, gram: bool) -> float:
    """Count a step's multiplications."""
    batch, n_1 = settings.batch, model.layer_dims[1]
    # an example's in a step: three products a layer, but two of the first
    first = (batch if gram else 2 * inputs(data.X, batch)) * n_1
    work = first + 3 * (model.work - model.weights[0].size)
    return work * batch


def inputs(X: Array | Csr, batch: int) -> float:
    """Count the inputs of an example that a step multiplies; a sparse X's update counts too."""
    return X.per_row + X.shape[1] / batch if isinstance(X, Csr) else X.shape[1]
