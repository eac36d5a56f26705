"""What scikit-learn's stochastic solvers keep from fit to fit: their moments and learning rate."""

import sys
from dataclasses import dataclass
from typing import Any

from fastdnn._arrays import Array, as_arena
from fastdnn._core.training import Counts
from fastdnn._fit.model import Model, Training
from fastdnn._sklearn.callbacks import Progress
from fastdnn._sklearn.declared import Declared


@dataclass
class Rate:
    """A learning rate: the one that was begun with, and that of the next iteration."""

    first: float
    now: float

    def set(self, rate: float, training: Training) -> None:
        """Take another rate."""
        # of SGD scikit-learn's velocity is -rate times the engine's moment
        m1, m2 = training.moments
        if m1 is not None and m2 is None and rate != self.now:
            m1 *= m1.dtype.type(self.now / rate)
        self.now = rate

    def end_iteration(self, estimator: Declared, training: Training) -> None:
        """Take the rate of the next iteration."""
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
            self.set(float(rate), training)

    def stops(self, estimator: Declared, training: Training, progress: Progress) -> bool:
        """Say whether to stop where there was no improvement, or lower the rate."""
        what = "Validation score" if estimator.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive":
            progress.say(message + " Stopping.")
            return True
        if self.now <= 1e-6:
            progress.say(message + " Learning rate too small. Stopping.")
            return True
        self.set(self.now / 5.0, training)
        progress.say(f"{message} Setting learning rate to {self.now:f}")
        return False


def number(estimator: Declared, name: str) -> float:
    """Take a parameter, which scikit-learn lets be an integer of any size, or None for 0."""
    try:
        return float(getattr(estimator, name) or 0.0)
    except OverflowError:
        raise ValueError(f"{name} is too large") from None


def rule_of(estimator: Declared) -> str:
    """Name the engine's rule of a stochastic solver."""
    if estimator.solver == "adam":
        return "adam"
    if not estimator.momentum:
        return "sgd"
    return "nesterov" if estimator.nesterovs_momentum else "momentum"


def take_up(estimator: Declared, model: Model, goes_on: bool) -> Rate:
    """Go on where the model's training ended, if that is asked for and it was of this rule."""
    first, training = number(estimator, "learning_rate_init"), model.training
    rate = training.optimizer
    if not (goes_on and training.rule == rule_of(estimator) and isinstance(rate, Rate)):
        model.training = Training()
        return Rate(first, first)
    if rate.first != first:
        rate.first = first
        rate.set(first, training)
    return rate


# ---------------------------------------------------------------------------- from model to model


def state_of(training: Training) -> dict[str, Any]:
    """Write what a pickle needs, in words of its own."""
    rate, counts = training.optimizer, training.counts
    return {
        "rule": training.rule,
        "moments": training.moments,
        "counts": (counts.steps, counts.epochs),
        "rate": None if rate is None else (rate.first, rate.now),
    }


def training_of(state: dict[str, Any]) -> Training:
    """Read it, into memory of its own: that of a memory map cannot be written."""
    m1, m2 = map(as_arena, state["moments"])
    rate = None if state["rate"] is None else Rate(*state["rate"])
    return Training(state["rule"], m1, m2, Counts(*state["counts"]), rate)


def fitted_to(model: Model, training: Training) -> Training:
    """Take a training for another model, of its type; a new one, if it is of other sizes."""
    moments = [m for m in training.moments if m is not None]
    if any(m.size != model.params.size for m in moments):
        return Training()
    training.m1, training.m2 = (
        m if m is None or m.dtype == model.dtype else as_arena(m, model.dtype)
        for m in training.moments
    )
    return training


class Optimizer:
    """What version 0.1.0 has written into the pickle of an estimator."""

    learning_rate: float
    _first_rate: float
    _kind: str
    m1: Array | None
    m2: Array | None
    steps: int

    def state(self) -> dict[str, Any]:
        """Write it in the words of today."""
        return {
            "rule": self._kind,
            "moments": (self.m1, self.m2),
            "counts": (self.steps, 0),
            "rate": (self._first_rate, self.learning_rate),
        }


# where those pickles, which name the estimator's module first, look for it
sys.modules["fastdnn._runs"] = sys.modules[__name__]
