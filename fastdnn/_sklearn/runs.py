"""The iterations of an estimator's fit: the engine, with scikit-learn's conventions."""

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastdnn._arrays import Array, arena, as_arena, native, readable
from fastdnn._core.plan import Plan
from fastdnn._core.training import Counts, Trainer
from fastdnn._fit.data import Data
from fastdnn._fit.model import Training
from fastdnn._fit.settings import Settings
from fastdnn._fit.threads import Team
from fastdnn._sparse import Csr, csr, is_sparse


class Run:
    """The iterations of one fit.

    Parameters
    ----------
    estimator : Perceptron
        Its parameters, and its optimiser.
    plan : Plan
    params : ndarray
        The plan's arena.
    X : ndarray or Csr, shape (m, n_0)
    y : ndarray, shape (m, n_L)
        Targets; a column of booleans for each class.
    weights : ndarray, shape (m,), or None
        Weights of the examples.
    batch : int
        Examples of a step.
    team : Team
        The threads.
    """

    def __init__(
        self, estimator: Any, plan: Plan, params: Array, X: Any, y: Array, weights: Any,
        batch: int, team: Team,
    ) -> None:  # fmt: skip
        self._estimator, self._plan, self._params, self._team = estimator, plan, params, team
        self._m, self._batch, self._weights = X.shape[0], batch, weights
        self._lbfgs = estimator.solver == "lbfgs"
        self._optimizer: Optimizer | None = None if self._lbfgs else estimator._optimizer
        self._constants = estimator._loss_constants(y)
        # a batch of all examples needs no order
        self._ordered = estimator.shuffle and not self._lbfgs and batch < self._m
        T, labels = estimator._targets(y, params.dtype)
        w = None if weights is None else native(weights, params.dtype, "C")
        if isinstance(X, Csr):
            X = X.astype(params.dtype)
        elif batch == self._m and (X.dtype != params.dtype or not X.flags.forc):
            X = np.asarray(X, params.dtype, order="C")
        optimizer = self._optimizer
        kind = "none" if optimizer is None else optimizer.kind(estimator)
        beta1 = {"adam": estimator.beta_1, "sgd": 0.0, "none": 0.0}.get(kind, estimator.momentum)
        bits = estimator._random_state._bit_generator if estimator.dropout else None
        m1, m2, counts = (None, None, Counts()) if optimizer is None else optimizer.state()
        self._order: Any = None
        settings = Settings(
            batch,
            kind,
            beta1=float(beta1),
            beta2=_number(estimator, "beta_2"),
            epsilon=_number(estimator, "epsilon"),
            weight_decay=_number(estimator, "weight_decay"),
            order=(lambda m: self._order) if self._ordered else None,
            keep=(1.0, *[1.0 - estimator.dropout] * (len(estimator.coefs_) - 1)),
            l2=_number(estimator, "alpha"),
            clip_norm=0.0 if self._lbfgs else _number(estimator, "clip_norm"),
            guarded=not self._lbfgs,
            l2_per_weight=True,
            epsilon_corrected=True,
            cost_per_row=True,
            cost_scale=estimator._loss_scale(),
        )
        self._trainer = Trainer(
            SimpleNamespace(plan=plan, bits=bits), Data(X, T, labels, w), settings,
            Training(kind, m1, m2, counts), None, team.n_threads,
        )  # fmt: skip

    def epoch(self, order: Array | None) -> float:
        """Train on each example once, and compute scikit-learn's mean loss."""
        self._order = order = order if self._ordered else None
        trainer, optimizer = self._trainer, self._optimizer
        trainer.begin(optimizer.learning_rate if optimizer else 0.0)
        return self._team.run(trainer.epoch, trainer.abandon)[0] + self._constant(order)

    def _constant(self, order: Array | None) -> float:
        if self._constants is None:
            return 0.0
        x, w = self._constants, self._weights
        if order is not None:
            x, w = x[order], None if w is None else w[order]
        return _mean_of_batches(x, w, self._batch)

    def gradient(self, out: Array) -> None:
        """Copy the gradient of the last epoch, of L-BFGS."""
        self._trainer.gradient(out)


class Optimizer:
    """What scikit-learn's stochastic optimisers keep from iteration to iteration."""

    def __init__(self, estimator: Any, params: Array) -> None:
        self.learning_rate = self._first_rate = _number(estimator, "learning_rate_init")
        self.counts = Counts()
        kind = self._kind = self.kind(estimator)
        self.m1 = None if kind == "sgd" else arena(params.size, params.dtype)
        self.m2 = arena(params.size, params.dtype) if kind == "adam" else None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take memory of its own: what was read from a memory map cannot be written."""
        self.__dict__.update(state)
        if "steps" in state:  # of an older version
            self.counts = Counts(self.__dict__.pop("steps"))
        self.m1, self.m2 = as_arena(self.m1), as_arena(self.m2)

    @property
    def steps(self) -> int:
        """How many steps there were."""
        return self.counts.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self.counts.steps = steps

    @staticmethod
    def kind(estimator: Any) -> str:
        """Name the engine's optimiser."""
        if estimator.solver == "adam":
            return "adam"
        if not estimator.momentum:
            return "sgd"
        return "nesterov" if estimator.nesterovs_momentum else "momentum"

    def fits(self, estimator: Any, size: int) -> bool:
        """Whether it is of the estimator's kind, with moments of so many parameters."""
        moments = [m for m in (self.m1, self.m2) if m is not None]
        return self._kind == self.kind(estimator) and all(m.size == size for m in moments)

    def goes_on(self, estimator: Any, params: Array) -> bool:
        """Take up the estimator's parameters of now, if the moments fit them."""
        if not self.fits(estimator, params.size):
            return False
        # parameters of another type may have been assigned
        self.m1, self.m2 = (
            m if m is None or m.dtype == params.dtype else as_arena(m, params.dtype)
            for m in (self.m1, self.m2)
        )
        if self._first_rate != estimator.learning_rate_init:
            self._first_rate = _number(estimator, "learning_rate_init")
            self._set(self._first_rate)
        return True

    def state(self) -> tuple[Array | None, Array | None, Counts]:
        """Take what the engine works on: the moments, and how many steps there were."""
        return self.m1, self.m2, self.counts

    def _set(self, rate: float) -> None:
        # of SGD scikit-learn's velocity is -rate times the engine's moment
        if self.m1 is not None and self.m2 is None and rate != self.learning_rate:
            self.m1 *= self.m1.dtype.type(self.learning_rate / rate)
        self.learning_rate = rate

    def end_iteration(self, estimator: Any) -> None:
        """Take the learning rate of the next iteration."""
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
            self._set(float(rate))

    def stops(self, estimator: Any, progress: Callable[[str], None]) -> bool:
        """Say whether to stop where there was no improvement, or lower the learning rate."""
        what = "Validation score" if estimator.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive":
            progress(message + " Stopping.")
            return True
        if self.learning_rate <= 1e-6:
            progress(message + " Learning rate too small. Stopping.")
            return True
        self._set(self.learning_rate / 5.0)
        progress(f"{message} Setting learning rate to {self.learning_rate:f}")
        return False


# ----------------------------------------------------------------------------------------- helpers


def _mean_of_batches(x: Array, w: Any, batch: int) -> float:
    """Take the mean of the batches' weighted means, each counting by its examples."""
    w = np.ones(len(x)) if w is None else w
    starts = np.arange(0, len(x), batch)
    rows = np.diff([*starts, len(x)])
    weights = np.add.reduceat(w, starts)
    sums = np.add.reduceat(x * w, starts)
    # a batch that weighs nothing is left out
    means = np.divide(sums, weights, out=np.zeros_like(sums, float), where=weights != 0)
    return float((means * rows).sum() / len(x))


def views(params: Array, dims: tuple[int, ...]) -> tuple[list[Array], list[Array]]:
    """Take the arena apart: coefs (n_prev, n) and intercepts (n)."""
    coefs, intercepts, at = [], [], 0
    for n_prev, n in pairwise(dims):
        coefs.append(params[at : at + n_prev * n].reshape(n_prev, n))
        at += n_prev * n
        intercepts.append(params[at : at + n])
        at += n
    return coefs, intercepts


def _number(estimator: Any, name: str) -> float:
    """Take a parameter, which scikit-learn lets be an integer of any size, or None for 0."""
    try:
        return float(getattr(estimator, name) or 0.0)
    except OverflowError:
        raise ValueError(f"{name} is too large") from None


def source(X: Any) -> Array | Csr:
    """Take checked examples as the engine reads them."""
    return csr(X, "X", X.shape[1]) if is_sparse(X) else readable(X)
