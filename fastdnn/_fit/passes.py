"""Passes over examples that read the weights alone: predictions, costs, gradients by the input."""

from typing import Any

import numpy as np

from fastdnn._arrays import COUNTABLE, Array, integer
from fastdnn._fit.ahead import Ahead
from fastdnn._fit.blocks import NAMES, Blocks, Given, holds_blocks, lies_elsewhere, taken
from fastdnn._fit.blockwise import evaluate, predicted_by_blocks
from fastdnn._fit.data import finite
from fastdnn._fit.model import Model
from fastdnn._fit.sparse import Csr, rows
from fastdnn._fit.threads import CALL, Team, choose, chunk, helpers, piece


def predicted(model: Model, X: Any, n_threads: int | None, name: str = "X") -> Array:
    """Compute the activations of the output, (m, n_L), of a user's examples."""
    plan = model.plan
    m = plan.rows(X)
    if not m:
        if lies_elsewhere(X):
            return predicted_by_blocks(model, X, n_threads, name)
        if holds_blocks(X):
            blocks = Given(model, X, None, NAMES)
            with Ahead(blocks.examples) as ahead:
                parts = ahead.apply(
                    range(blocks.count),
                    lambda i, block: predicted(model, block, n_threads, f"{name}[{i}][0]"),
                )
            return np.concatenate(parts)
        X = rows(X, name, model.layer_dims[0])
        if isinstance(X, Csr):
            X = X.astype(model.dtype)
        m = len(X)
    AL = np.empty((m, model.layer_dims[-1]), model.dtype)
    plan.predict(X, AL, helpers(*_asked(model, X, n_threads)), piece(model.work))
    return AL


def cost(model: Model, X: Any, Y: Any, sample_weight: Any, n_threads: int | None) -> float:
    """Compute the mean cost of a user's examples, without the L2 term."""
    data = taken(model, X, Y, sample_weight)
    data = data.cut() if isinstance(data, Blocks) else data
    read = data if isinstance(data, Blocks) else data.X
    with Team(choose(*_asked(model, read, n_threads), CALL)) as team:
        return evaluate(model, data, team)


def gradient(model: Model, X: Any, output: Any, n_threads: int | None) -> Array:
    """Compute the derivatives of one output, (m, n_0), or of all, (m, n_L, n_0), by the input."""
    n_0, n_L = model.layer_dims[0], model.layer_dims[-1]
    outputs = n_L if output is None else 1
    chosen = -1 if output is None else integer(output, "output", least=0)
    if chosen >= n_L:
        raise ValueError(f"output must be below the number of outputs, {n_L}, got {chosen}")
    data = finite(model, X, "X")
    m = len(data)
    if m * outputs * n_0 > COUNTABLE:
        raise ValueError(
            f"the derivatives of {outputs} outputs by {n_0} inputs of {m} examples are more than "
            "memory can have"
        )
    dX = np.empty((m, outputs, n_0), model.dtype)
    # a pass forward, and one backward for each output
    with Team(choose(*_asked(model, data, n_threads, 1 + outputs), CALL)) as team:
        size = chunk(m, outputs)
        team.share(
            -(m // -size),
            lambda i, j: model.plan.jacobian(data, dX, chosen, i * size, min(j * size, m), size),
            max(1, piece(model.work * (1 + outputs)) // size),
        )
    return dX if output is None else dX[:, 0]


def _asked(
    model: Model, X: Array | Csr | Blocks, n_threads: int | None, passes: int = 1
) -> tuple[int | None, int, float]:
    """Tell the threads that some passes were given, their examples and multiplications.

    The first of the passes over the examples reads X.
    """
    if n_threads is not None:
        n_threads = integer(n_threads, "n_threads")
    work: float = model.work * passes
    if isinstance(X, Csr):
        work += (X.per_row - model.layer_dims[0]) * model.layer_dims[1]
    return n_threads, len(X), work * len(X)
