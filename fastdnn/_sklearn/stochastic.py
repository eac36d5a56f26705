"""The iterations of the stochastic solvers: an epoch each, and scikit-learn's work around it."""

import warnings
from collections.abc import Callable, Iterator
from math import inf, isfinite
from numbers import Integral
from time import perf_counter

from sklearn.exceptions import ConvergenceWarning

from fastdnn._arrays import Array
from fastdnn._fit.loop import Epoch
from fastdnn._fit.model import Model
from fastdnn._fit.settings import Settings
from fastdnn._fit.stretches import Alone, Loss
from fastdnn._sklearn.callbacks import Progress, Tasks
from fastdnn._sklearn.checked import NOT_FINITE
from fastdnn._sklearn.declared import Declared
from fastdnn._sklearn.rates import Rate, number, rule_of
from fastdnn._sklearn.stopping import Judge


def settings_of(
    estimator: Declared, L: int, batch: int, order: Array | None, rate: Rate, cost_scale: float
) -> Settings:
    """Make the settings of scikit-learn's solver; `order` will hold an epoch's order."""
    rule, dropout = rule_of(estimator), estimator.dropout
    stays = rule == "adam" or estimator.learning_rate == "constant"
    beta1 = estimator.beta_1 if rule == "adam" else estimator.momentum
    return Settings(
        batch=batch,
        rule=rule,
        learning_rate=rate.now if stays else lambda _: rate.now,
        beta1=float(beta1),
        beta2=number(estimator, "beta_2"),
        epsilon=number(estimator, "epsilon"),
        weight_decay=number(estimator, "weight_decay"),
        optimizer=rate,
        order=None if order is None else lambda m: order,
        keep=(1.0, *[1.0 - dropout] * (L - 1)) if dropout else (),
        l2=number(estimator, "alpha"),
        clip_norm=number(estimator, "clip_norm"),
        n_threads=estimator.n_threads,
        stop=getattr(estimator, "_stop", None),
        l2_per_weight=True,
        epsilon_corrected=True,
        cost_per_row=True,
        cost_scale=cost_scale,
    )


def alone(
    records: Declared, loss: Loss | None, judge: Judge, tasks: Tasks | None, progress: Progress
) -> Alone | None:
    """Say what is done between two iterations, if the compiled code may know it all."""
    rate = records.learning_rate if records.solver == "sgd" else "constant"
    if (
        tasks is None
        or not (tasks.silent and progress.silent and judge.known())
        or rate == "invscaling"
    ):
        return None
    return Alone(
        loss,
        not isinstance(records.random_state, Integral),
        rate == "adaptive",
        judge.begin,
        most=inf if records.max_time is None else float(records.max_time),
    )


def iterate(
    records: Declared, model: Model, training: Iterator[Epoch], order: Array, rate: Rate,
    constant: Callable[[], float], judge: Judge, tasks: Tasks | None, progress: Progress,
) -> None:  # fmt: skip
    """Iterate until the estimator's parameters end the fit.

    Parameters
    ----------
    records : Declared
        An estimator: its parameters, and the records of its fit.
    model : Model
    training : iterator of Epoch
        Trains the model.
    order : ndarray, shape (m,)
        Of the examples, as it was trained last.
    rate : Rate
    constant : callable
        Computes the terms of scikit-learn's loss beside the cost, for this order.
    judge : Judge
    tasks : Tasks or None
        None: for one iteration, a call of `partial_fit`.
    progress : Progress
    """
    start = perf_counter()
    records.n_iter_ = 0
    while True:
        if tasks is not None:
            tasks.begin()
        try:
            epoch = next(training)
            losses = [epoch.cost + constant()] if epoch.stretch is None else epoch.stretch.costs
        except FloatingPointError:
            losses = [inf]
        if not isfinite(losses[-1]):
            raise ValueError(
                f"{NOT_FINITE} The loss, or a weight, of epoch {records.n_iter_ + 1} is "
                "not finite: the weights are those of before it."
            )
        records.loss_ = losses[-1]
        records.n_iter_ += len(losses)
        records.t_ += len(losses) * len(order)
        records.loss_curve_ += losses
        if epoch.stretch is not None:
            judge.take(epoch.stretch)
            progress.passed(records)
            if not epoch.stretch.over:
                continue
        else:
            progress.iterated(records.n_iter_, losses[-1])
            judge.judge(progress)
            progress.passed(records)
            rate.end_iteration(records, model.training)
            if tasks is not None and tasks.end():
                break
        if records._no_improvement_count > records.n_iter_no_change:
            if rate.stops(records, model.training, progress):
                break
            records._no_improvement_count = 0
            if epoch.stretch is not None:
                judge.go_on(epoch.stretch)
        if tasks is None:
            break
        if records.max_time is not None and perf_counter() - start >= records.max_time:
            break
        if records.n_iter_ == records.max_iter:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({records.max_iter}) reached "
                "and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=7,
            )
            break
