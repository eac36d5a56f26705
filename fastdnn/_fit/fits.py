"""The fits of one network: one at a time, each with its history, validation and callbacks."""

import threading
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from fastdnn._arrays import Array, flag, integer
from fastdnn._core.plan import same
from fastdnn._core.workers import Exclusive
from fastdnn._fit import blockwise, loop
from fastdnn._fit.best import Best, best_of
from fastdnn._fit.blocks import Blocks, taken, validation_of
from fastdnn._fit.data import Data
from fastdnn._fit.model import Model
from fastdnn._fit.progress import Progress
from fastdnn._fit.results import History, State, checked_callbacks, last_costs
from fastdnn._fit.settings import Settings
from fastdnn._fit.stretches import Alone, Loss

BUSY = "this network is being trained: let that end, or copy the network"


class Fits:
    """The lock of a network's training, and the trainer that one fit keeps for the next."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def running(self) -> bool:
        """Whether the network is being trained."""
        return self.lock.locked()

    def alone(self) -> Exclusive:
        """Hold the lock for the time of a with statement, or say that it is held already."""
        return Exclusive(self.lock, message=BUSY)

    def fit(
        self, network: Any, model: Model, X: Any, Y: Any, sample_weight: Any,
        asked: tuple[Any, ...], epochs: Any, validation_data: Any, callbacks: Any,
        block_bytes: Any, verbose: Any, keep: Any, metric: Any,
    ) -> History:  # fmt: skip
        """Train a model; what is asked are the arguments of `Settings.asked`.

        See `Network.fit`. The network is what callbacks see.
        """
        with Exclusive(self.lock, message=BUSY):
            # first of all: amidst another fit nobody may even look at weights and moments
            before, kept = self.__dict__.pop("_kept", ((), None))
            if (
                sample_weight is not None
                or block_bytes is not None
                or not same(asked, before)
                or not kept.takes(X, Y)
            ):
                kept = None
                data = taken(model, X, Y, sample_weight, block_bytes)
            validation = validation_of(model, validation_data, block_bytes)
            epochs, callbacks = integer(epochs, "epochs", least=0), checked_callbacks(callbacks)
            best = best_of(model, keep, metric, validation)
            shown = verbose is not False and flag(verbose, "verbose")
            if kept is None:
                if not np.isfinite(model.params).all():
                    raise ValueError("the network's parameters must be finite")
                settings = Settings.asked(model, data.m, *asked)
            history = History()
            # to train a single epoch below the Python line saves nothing
            alone = None
            if not (callbacks or isinstance(validation, Blocks)) and epochs > 1:
                alone = Alone(None if validation is None else Loss(validation))
                if best is not None:
                    alone = best.alone()
            if kept is not None:
                training = loop.again(kept, epochs, alone)
            else:
                training = blockwise.epochs(model, data, settings, epochs, alone)
            try:
                # a call: Python 3.13 leaves a loop's jump back out of what it stands in
                if not shown:
                    last = follow(
                        training, network, model, history, epochs, validation, callbacks, best
                    )
                else:
                    with Progress("epoch", epochs, data.m if kept is None else len(X)) as progress:
                        last = follow(
                            training, network, model, history, epochs, validation, callbacks,
                            best, progress,
                        )  # fmt: skip
            finally:
                training.close()
            if best is not None:
                best.put_back(history)
            # a dict may be another one at the next call
            if (
                last is not None
                and last.keep()
                and not any(isinstance(one, Mapping) for one in asked)
            ):
                self._kept = asked, last
        return history


def follow(
    training: Iterator[loop.Epoch], network: Any, model: Model, history: History, epochs: int,
    validation: Data | Blocks | None, callbacks: tuple[Callable[[State], object], ...],
    best: Best | None = None, progress: Progress | None = None,
) -> loop.Epoch | None:  # fmt: skip
    """Record each epoch, let the callbacks see it, and return the last."""
    start, epoch = perf_counter(), None
    for epoch in training:
        if epoch.stretch is not None:
            history.costs += epoch.stretch.costs
            history.validation_costs += epoch.stretch.losses
            history.times += epoch.stretch.times
            if best is not None:
                best.take(epoch.stretch, history)
            if progress is not None:
                progress.show(len(history.costs), last_costs(history))
            continue
        history.costs.append(epoch.cost)
        if validation is not None or callbacks or best is not None:
            epoch.show(to_write=bool(callbacks))
        if validation is not None:
            history.validation_costs.append(blockwise.evaluate(model, validation, epoch.team))
        rate = epoch.learning_rate
        state = State(network, model.training.counts.epochs, rate, history, epochs=epochs)
        if best is not None:
            best.see(state, epoch.team)
        history.times.append(perf_counter() - start)
        if progress is not None:
            progress.show(len(history.costs), last_costs(history))
        if callbacks:
            for callback in callbacks:
                callback(state)
            if state.learning_rate != rate:
                epoch.set_rate(state.learning_rate)
            take_parameters(model, state.left)
            if state.stopped:
                break
    return epoch


def take_parameters(model: Model, parameters: Mapping[str, Array] | None) -> None:
    """Write the parameters that a callback leaves a network with."""
    named = model.named()
    for name, P in ({} if parameters is None else parameters).items():
        named[name][...] = P
