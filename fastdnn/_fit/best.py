"""The parameters of a fit's best epoch, by a score of each that shall fall."""

from collections.abc import Callable
from math import inf, isfinite
from typing import Any

import numpy as np

from fastdnn._arrays import Array, arena, number
from fastdnn._core.stretch import Stretch
from fastdnn._fit.blocks import Blocks
from fastdnn._fit.data import Data
from fastdnn._fit.model import Model
from fastdnn._fit.names import known
from fastdnn._fit.results import History, State
from fastdnn._fit.stretches import Alone, Loss
from fastdnn._fit.threads import Team, portion

METRICS = ("cost", "errors")


class Best:
    """A copy of the best parameters, and how an epoch is scored.

    Attributes
    ----------
    metric : str or callable
        "cost" or "errors" of the validation data, or a function of the `State`.
    """

    def __init__(self, model: Model, metric: str | Callable[[State], Any], validation: Any) -> None:
        self.metric = metric
        self._model, self._validation = model, validation
        self._params = arena(model.params.size, model.dtype)
        self._classes = _classes(model, validation) if metric == "errors" else None
        self._best = inf

    def alone(self) -> Alone | None:
        """Say what is done between two epochs, if the compiled code knows it."""
        return None if callable(self.metric) else Alone(Loss(self._validation), begin=self._begin)

    def _begin(self, stretch: Stretch) -> None:
        stretch.keep(self._params, self._classes)

    def take(self, stretch: Stretch, history: History) -> None:
        """Record the epochs of a stretch, which has kept the parameters."""
        for score in stretch.scores:
            self._record(score, history)

    def see(self, state: State, team: Team) -> None:
        """Score an epoch, and keep its parameters if none was better."""
        if callable(self.metric):
            score = number(self.metric(state), "the number that metric returns")
        elif self._classes is None:
            score = state.history.validation_costs[-1]
        else:
            score = self._errors(team)
        if self._record(score, state.history):
            self._params[...] = self._model.params

    def put_back(self, history: History) -> None:
        """Leave the model with the best epoch's parameters, if there is one."""
        if history.best_epoch is not None:
            self._model.params[...] = self._params
            # the Gram form goes on from the W1 of the last
            self._model.training.gram = None

    def _record(self, score: float, history: History) -> bool:
        history.validation_scores.append(score)
        better = score <= self._best and isfinite(score)
        if better:
            self._best, history.best_epoch = score, len(history.validation_scores) - 1
        return better

    def _errors(self, team: Team) -> float:
        """Add the weights of the examples of which another class is predicted."""
        model = self._model
        data: Data = self._validation
        m, rows = data.m, portion(model.work, data.m)
        sums = team.share(
            -(m // -rows),
            lambda i, j: model.plan.evaluate(
                *data[:4], min(i * rows, m), min(j * rows, m), self._classes
            ),
            piece=1,
        )
        total = 0.0
        for _, _, wrong in sums:
            total += wrong
        return total


def best_of(model: Model, keep: Any, metric: Any, validation: Any) -> Best | None:
    """Judge what a user wants to be kept of a fit: see `Network.fit`."""
    keeps = known(keep, "keep", ("last", "best")) == "best"
    if metric is None:
        metric = "cost"
    elif not keeps:
        raise ValueError(f"metric needs keep='best', got {metric!r}")
    if not callable(metric):
        known(metric, "metric", METRICS)
    if not keeps:
        return None
    if validation is None and not callable(metric):
        raise ValueError("keep='best' needs validation_data, or a metric that is a function")
    if metric == "errors":
        one = model.output == "sigmoid" and model.layer_dims[-1] == 1
        if not (one or model.output == "softmax"):
            raise ValueError("metric='errors' needs softmax, or sigmoid of one output")
        if isinstance(validation, Blocks):
            raise ValueError("metric='errors' needs validation data in memory")
    return Best(model, metric, validation)


def _classes(model: Model, data: Data) -> Array:
    """Find the classes of targets: their indices, or which share is greatest."""
    if data.labels is not None:
        return data.labels
    T = data.T
    assert T is not None
    found = T[:, 0] > 0.5 if T.shape[1] == 1 else T.argmax(axis=1)
    return found.astype(np.int64)
