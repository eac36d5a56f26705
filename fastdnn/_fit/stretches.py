"""Fits that nobody watches: stretches of epochs below the Python line."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array, in_range
from fastdnn._core.stretch import Stretch, shuffled
from fastdnn._core.training import Trainer
from fastdnn._fit.data import Data
from fastdnn._fit.model import Model
from fastdnn._fit.settings import Settings
from fastdnn._fit.threads import portion
from fastdnn.optimizers import SCHEDULES

# seconds between two returns to Python, for Ctrl-C and for whoever looks at the network
_SECONDS = 0.02
# epochs whose learning rates are computed at once
_RATES = 64


class Loss(NamedTuple):
    """Validation data, and its loss: the mean cost times a factor, plus a constant."""

    data: Data
    factor: float = 1.0
    constant: float = 0.0


class Alone(NamedTuple):
    """What is done between two epochs that nobody watches.

    Attributes
    ----------
    loss : Loss, optional
        Of validation data, after each epoch.
    shared : bool
        Whether others may draw from the generator too.
    steady : bool
        Whether a learning rate that is a function stays as it is during a stretch.
    begin : callable, optional
        Prepares the judging of each epoch.
    passed : float
        Seconds since the fit began.
    most : float
        Seconds of the fit after which no other epoch begins.
    """

    loss: Loss | None = None
    shared: bool = False
    steady: bool = False
    begin: Callable[[Stretch], None] | None = None
    passed: float = 0.0
    most: float = np.inf


def possible(model: Model, settings: Settings, alone: Alone, order: Array | None) -> bool:
    """Tell whether the compiled code knows all that there is to do between two epochs."""
    rate = settings.learning_rate
    if callable(rate) and not alone.steady and type(rate) not in SCHEDULES:
        return False
    if alone.shared and min(settings.keep, default=1) < 1:
        # dropout would hold the generator's lock for a stretch
        return False
    if settings.order is None and order is None:
        return True
    # a subclass may draw in its own way
    known = np.random.Generator if order is None else np.random.RandomState
    return type(model.rng) is known and draws_alike()


def stretch_of(
    trainer: Trainer, model: Model, settings: Settings, count: int | None, alone: Alone,
    order: Array | None,
) -> Stretch:  # fmt: skip
    """Prepare the epochs of a fit."""
    draws = settings.order is not None or order is not None
    bits = model.bits if draws else None
    made = Stretch(trainer, count, bits, order, alone.shared, alone.passed, alone.most)
    if alone.loss is not None:
        data, factor, constant = alone.loss
        rows = portion(model.work, data.m)
        made.validate(data, rows, _weight(data, rows), factor, constant)
    if alone.begin is not None:
        alone.begin(made)
    return made


def run(stretch: Stretch, settings: Settings, alone: Alone, epochs: int) -> None:
    """Train for a stretch, after so many epochs of all fits of the model."""
    rate = settings.learning_rate
    if not callable(rate):
        stretch.run(float(rate), _SECONDS)
    elif alone.steady:
        stretch.run(float(rate(epochs)), _SECONDS)
    elif each_step(rate):
        n = stretch.steps
        found = [rates_of_steps(rate, epochs + i, n) for i in range(max(1, _RATES // n))]
        stretch.run(np.array(found), _SECONDS)
    else:
        stretch.run(_rates(rate, epochs), _SECONDS)


def each_step(rate: Callable[[Any], float]) -> bool:
    """Tell whether a schedule is asked before each step, with a fraction of epochs."""
    return bool(getattr(rate, "every_step", False))


def rates_of_steps(
    rate: Callable[[float], float], epochs: int, steps: int, before: float = 0.0, of: float = 1.0
) -> Array:
    """Compute the learning rates of the steps that make a part of an epoch, some of it over."""
    shares = (epochs + before + of * (k / steps) for k in range(steps))
    return np.array([in_range(rate(share), "learning_rate") for share in shares])


@cache
def draws_alike() -> bool:
    """Tell whether NumPy draws orders as the compiled code does: it promises no such thing."""
    m = 1000
    anew = np.random.Generator(np.random.PCG64(0))
    further = np.random.RandomState(0)
    order, expected = np.arange(m, dtype=np.int64), np.arange(m, dtype=np.int64)
    shuffled(np.random.PCG64(0), order)
    further.shuffle(expected)
    alike = np.array_equal(order, anew.permutation(m))
    order = np.arange(m, dtype=np.int64)
    shuffled(np.random.RandomState(0)._bit_generator, order)
    return alike and np.array_equal(order, expected)


def _rates(rate: Callable[[int], float], epochs: int) -> list[float]:
    """Compute the learning rates of the next epochs, up to one that is none."""
    found: list[float] = []
    try:
        for epoch in range(epochs, epochs + _RATES):
            found.append(in_range(rate(epoch), "learning_rate"))
    except ValueError:
        if not found:
            raise
    return found


def _weight(data: Data, rows: int) -> float:
    """Add the weights as the evaluation of so many rows at a time does."""
    total = 0.0
    for i in range(0, data.m, rows):
        part = slice(i, min(i + rows, data.m))
        total += (
            float(part.stop - part.start)
            if data.weights is None
            else float(data.weights[part].sum(dtype=np.float64))
        )
    return total
