"""The engine's gradient of a cost beside finite differences."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

from fastdnn._arrays import Array, arena, in_range
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
    meaning = model.activations, model.output, model.cost, limit
    params = arena(model.params.size, np.float64, model.params)
    own = Model(model.layer_dims, *meaning, params, input_scale=model.input_scale)
    if own.input_scale:
        _fold(own)
    return own


def _fold(model: Model) -> None:
    """Make W1 of the scale of the inputs and V1."""
    *_, scale, V1 = (row.of(model.params) for row in model.rows)
    np.multiply(scale[:, None], V1, out=model.coefs[0])


def largest_difference(model: Model, data: Data, settings: Settings) -> float:
    """Move each parameter of a model, which nobody else uses, to both sides."""
    with closing(epochs(model, data, settings)) as training:
        # a call: Python 3.13 leaves a loop's jump back out of what it stands in
        cost, gradient, differences = _both(model, training)
    size = np.maximum(np.abs(gradient), np.abs(differences))
    size = np.maximum(size, _LEAST * max(abs(cost), float(size.max())))
    error = np.abs(gradient - differences)
    return float(np.divide(error, size, out=np.zeros_like(error), where=error != 0).max())


def _both(model: Model, training: Iterator[Epoch]) -> tuple[float, Array, Array]:
    """Compute the cost, its gradient by the parameters, and its differences."""
    params = model.params
    gradient, differences = np.empty_like(params), np.zeros_like(params)
    epoch = next(training)
    epoch.gradient(gradient)
    first = epoch.cost
    scaled = model.input_scale
    W1, V1 = model.rows[0], model.rows[-1]
    for i in range(W1.size if scaled else 0, params.size):
        value = float(params[i])
        step = _STEP * max(1.0, abs(value))
        costs = []
        for moved in (value + step, value - step):
            params[i] = moved
            if scaled:
                _fold(model)
            costs.append(next(training).cost)
        # the gradient by V1 lies where that by W1 would
        at = i - V1.offset if scaled and i >= V1.offset else i
        differences[at] = (costs[0] - costs[1]) / (value + step - (value - step))
        params[i] = value
        if scaled:
            _fold(model)
    return first, gradient, differences
