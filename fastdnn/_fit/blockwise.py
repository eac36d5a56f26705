"""Passes over data that is read a block at a time: epochs, predictions and costs."""

from collections.abc import Generator, Iterator, Sequence
from copy import deepcopy
from itertools import count as endless
from math import isfinite
from typing import Any

import numpy as np

from fastdnn._arrays import LIMIT, Array, integer
from fastdnn._core.training import Trainer
from fastdnn._fit import loop
from fastdnn._fit.ahead import Ahead
from fastdnn._fit.blocks import NAMES, Blocks, Rows
from fastdnn._fit.data import Data, costs_of, mean_cost
from fastdnn._fit.model import Model
from fastdnn._fit.settings import Settings
from fastdnn._fit.stretches import Alone
from fastdnn._fit.threads import STEP, Team, choose, helpers, piece

_WEIGHTLESS = "the weights of a sequence of blocks must be above 0 somewhere"


class Epoch(loop.Epoch):
    """An epoch block by block: a trainer for each, which goes on where the one before ended.

    The blocks' order is drawn first, and then, for each block when it is its turn, that of its
    rows.
    """

    def __init__(
        self, model: Model, blocks: Blocks, settings: Settings, team: Team, ahead: Ahead[Data],
        count: int | None,
    ) -> None:  # fmt: skip
        self._model, self._blocks, self._settings, self.team = model, blocks, settings, team
        self._ahead, self._left = ahead, count
        self.cost = self.learning_rate = 0.0
        self._training = model.trained_by(settings.rule, settings.optimizer)
        self._form = self._shown = self.stretch = None

    def _train(self) -> None:
        epochs = self._training.counts.epochs
        # of each step it is asked when the block is there
        rate = loop.rate_of(self._settings, epochs, 0)
        order = self._order()
        before, of, m = 0.0, 1.0 / len(order), self._blocks.m
        if self._left is not None:
            self._left -= 1
        trainer, weighs = None, False
        for k, i in enumerate(order):
            last = k == len(order) - 1
            data = self._ahead.take(i)
            settings = self._of(data)
            trainer = Trainer(
                self._model, data, settings, self._training, None, self.team.n_threads, trainer
            )
            # now the block before is released
            following = self._following(settings) if last else order[k + 1]
            if following is not None:
                self._ahead.begin(following)
            weighs = weighs or data.weights is None or bool(data.weights.any())
            if last and not weighs:
                raise ValueError(_WEIGHTLESS)
            if m < LIMIT:
                # the last of all steps may have fewer examples, wherever its block comes
                of = trainer.steps / _steps(self._settings, m)
            if isinstance(rate, np.ndarray):
                rate = loop.rate_of(self._settings, epochs, trainer.steps, before, of)
            before += of
            trainer.begin(rate, last)
            cost = trainer.epoch()
            if settings.guarded and not isfinite(cost):
                raise loop.diverged(epochs)
            self.cost, self.learning_rate = cost, loop.last_of(rate)

    def _order(self) -> Sequence[int]:
        draw, count = self._settings.order, self._blocks.count
        return range(count) if draw is None else [int(i) for i in draw(count)]

    def _of(self, data: Data) -> Settings:
        """Draw the order of a block's rows; fewer than a batch are one, which is not dropped."""
        batch = min(self._settings.batch, data.m)
        drop = batch if self._settings.drop else 0
        settings = self._settings._replace(batch=batch, drop=drop)
        if settings.order is not None:
            drawn = settings.order(data.m)
            settings = settings._replace(order=lambda _: drawn)
        return settings

    def _following(self, settings: Settings) -> int | None:
        """Foresee with which block the next epoch begins.

        That is for speed alone: if a callback draws from the generator, another one is read.
        """
        if self._left == 0:
            return None
        if settings.order is None:
            return 0
        if settings.keep and min(settings.keep) < 1:
            # dropout draws before the next epoch
            return None
        return int(deepcopy(self._model.rng).permutation(self._blocks.count)[0])

    def show(self, to_write: bool = False) -> None:
        """Do nothing: W1 always is what was trained."""

    def keep(self) -> bool:
        """Return that nothing is kept for another fit."""
        return False


def epochs(
    model: Model,
    data: Data | Blocks,
    settings: Settings,
    count: int | None = None,
    alone: Alone | None = None,
) -> Generator[loop.Epoch, None, None]:
    """Train as `loop.epochs` does, on data in memory or in blocks.

    Raises
    ------
    ValueError
        If a block is not what it must be. The parameters then are those of the block before, and so
        they are if the reading of a block raises anything.
    """
    if isinstance(data, Blocks):
        data = data.cut(min(data.m, settings.batch * settings.accumulate))
    if isinstance(data, Data):
        yield from loop.epochs(model, data, settings, count, alone)
        return
    if settings.first_layer == "gram":
        raise ValueError("first_layer='gram' needs data in memory, or in one block")
    model.whole = True
    with (
        Team(choose(settings.n_threads, settings.batch, _work(model, settings), STEP)) as team,
        Ahead(data.read) as ahead,
    ):
        # the loop is a call of its own: on Python 3.13 its jump back lies outside the with
        yield from _trained(Epoch(model, data, settings, team, ahead, count), count)


def evaluate(model: Model, data: Data | Blocks, team: Team) -> float:
    """Compute the mean cost of examples without the L2 term, of blocks in their order."""
    if isinstance(data, Data):
        return mean_cost(costs_of(model, data, team))
    with Ahead(data.read) as ahead:
        sums = ahead.apply(range(data.count), lambda _, block: costs_of(model, block, team))
    found = [pair for block in sums for pair in block]
    if not any(weight > 0 for _, weight in found):
        raise ValueError(_WEIGHTLESS)
    return mean_cost(found)


def predicted_by_blocks(model: Model, X: Any, n_threads: int | None, name: str) -> Array:
    """Compute the activations of the output, (m, n_L), of what lies elsewhere, block by block."""
    if n_threads is not None:
        n_threads = integer(n_threads, "n_threads")
    rows = Rows(model, X, None, None, None, (name, *NAMES[1:]))
    AL = np.empty((rows.m, model.layer_dims[-1]), model.dtype)
    rows.divide()

    def predict(i: int, block: Array) -> None:
        first, stop = rows.bounds(i)
        n = helpers(n_threads, stop - first, model.work * (stop - first))
        model.plan.predict(block, AL[first:stop], n, piece(model.work))

    with Ahead(rows.examples) as ahead:
        ahead.apply(range(rows.count), predict)
    return AL


# ----------------------------------------------------------------------------------------- helpers


def _trained(epoch: Epoch, count: int | None) -> Iterator[Epoch]:
    if count == 0:
        epoch._training.gram = epoch._model.training.gram
        epoch._model.training = epoch._training
    for _ in endless() if count is None else range(count):
        epoch._train()
        yield epoch


def _steps(settings: Settings, m: int) -> int:
    """Count the steps of an epoch of m examples in all."""
    used = m - (m % settings.drop if settings.drop else 0)
    return -(-used // (settings.batch * settings.accumulate))


def _work(model: Model, settings: Settings) -> float:
    """Count a step's multiplications, as for data in memory."""
    first = model.weights[0].size
    return float(2 * first + 3 * (model.work - first)) * settings.batch
