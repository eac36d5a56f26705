"""Passes over examples that read the weights and change nothing: predictions, costs."""

from typing import Any

import numpy as np

from fastdnn._arrays import Array, integer
from fastdnn._fit.data import evaluate, judged
from fastdnn._fit.model import Model
from fastdnn._fit.threads import CALL, Team, choose, helpers, piece
from fastdnn._sparse import Csr, rows


def predicted(model: Model, X: Any, n_threads: int | None) -> Array:
    """Compute the activations of the output, (m, n_L), of a user's examples."""
    plan = model.plan
    m = plan.rows(X)
    if not m:
        X = rows(X, "X", model.layer_dims[0])
        if isinstance(X, Csr):
            X = X.astype(model.dtype)
        m = len(X)
    AL = np.empty((m, model.layer_dims[-1]), model.dtype)
    plan.predict(X, AL, helpers(*_asked(model, X, n_threads)), piece(model.work))
    return AL


def cost(model: Model, X: Any, Y: Any, sample_weight: Any, n_threads: int | None) -> float:
    """Compute the mean cost of a user's examples, without the L2 term."""
    data = judged(model, X, Y, sample_weight, ("X", "Y", "sample_weight"))
    with Team(choose(*_asked(model, data.X, n_threads), CALL)) as team:
        return evaluate(model, data, team)


def _asked(model: Model, X: Array | Csr, n_threads: int | None) -> tuple[int | None, int, float]:
    """Tell the threads that a pass over examples was given, its examples and multiplications."""
    if n_threads is not None:
        n_threads = integer(n_threads, "n_threads")
    work: float = model.work
    if isinstance(X, Csr):
        work += (X.per_row - model.layer_dims[0]) * model.layer_dims[1]
    return n_threads, len(X), work * len(X)
