"""The engine's gradient of a cost beside finite differences."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

from fastdnn._arrays import Array, in_range
from fastdnn._fit.data import Data, judged
from fastdnn._fit.loop import Epoch, epochs
from fastdnn._fit.model import Model
from fastdnn._fit.settings import Settings

# what balances the rounding of a central difference, and its curvature
_STEP = float(np.cbrt(np.finfo(np.float64).eps))
# of the largest element, or of the cost: what is smaller has few digits in a difference
_LEAST = 1e-2


def check_grad(model: Model, X: Any, Y: Any, sample_weight: Any, l2: Any) -> float:
    """Check the gradient of the mean cost of a user's examples."""
    if not np.isfinite(model.params).all():
        raise ValueError("the network's parameters must be finite")
    own = in_double(model)
    data = judged(own, X, Y, sample_weight, ("X", "Y", "sample_weight"))
    settings = Settings(data.m, "none", l2=in_range(l2, "l2"), guarded=False)
    return largest_difference(own, data, settings)


def in_double(model: Model) -> Model:
    """Copy a model in double precision, with costs that nothing limits."""
    limit = 0.0 if model.cost == "cross_entropy" else model.cost_parameter
    return Model.from_arrays(
        model.coefs, model.intercepts, model.activations, model.output, model.cost, limit,
        np.float64,
    )  # fmt: skip


def largest_difference(model: Model, data: Data, settings: Settings) -> float:
    """Move each parameter of a model, which nobody else uses, to both sides."""
    with closing(epochs(model, data, settings)) as training:
        # a call: Python 3.13 leaves a loop's jump back out of what it stands in
        cost, gradient, differences = _both(model.params, training)
    size = np.maximum(np.abs(gradient), np.abs(differences))
    size = np.maximum(size, _LEAST * max(abs(cost), float(size.max())))
    error = np.abs(gradient - differences)
    return float(np.divide(error, size, out=np.zeros_like(error), where=error != 0).max())


def _both(params: Array, training: Iterator[Epoch]) -> tuple[float, Array, Array]:
    """Compute the cost, its gradient by the parameters, and its differences."""
    gradient, differences = np.empty_like(params), np.empty_like(params)
    epoch = next(training)
    epoch.gradient(gradient)
    first = epoch.cost
    for i, value in enumerate(params.tolist()):
        step = _STEP * max(1.0, abs(value))
        above, below = value + step, value - step
        params[i] = above
        cost = next(training).cost
        params[i] = below
        differences[i] = (cost - next(training).cost) / (above - below)
        params[i] = value
    return first, gradient, differences
