"""Eight inputs, the answers that Python gives, and how far a compiled answer may be off."""

from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array
from fastdnn._fit.model import Model
from fastdnn.c.folded import Affine
from fastdnn.c.taken import Taken
from fastdnn.network import Network

ROWS = 8
# how many times what rounding makes of the answers is allowed, and how many units at least
_TIMES, _UNITS = 64, 16


class Answers(NamedTuple):
    """Inputs (8, n_0), answers (8, outputs), and the tolerance of each output (outputs,)."""

    inputs: Array
    answers: Array
    tolerances: Array


def answers(given: Taken) -> Answers:
    """Draw inputs, half as large in each row, for which all answers are finite.

    What rounding makes of them is what single precision makes of them; it goes with the precision.

    Raises
    ------
    ValueError
        If no answer is finite, however small the inputs are.
    """
    model, dtype = given.model, given.model.dtype
    drawn = np.random.default_rng(0).normal(size=(ROWS, given.inputs))
    drawn *= 0.5 ** np.arange(ROWS)[:, None]
    scaled = given.scaled
    with np.errstate(all="ignore"):
        for _ in range(64):
            X = drawn if scaled is None else scaled.center + drawn / scaled.factor
            X = X.astype(dtype)
            found = _predicted(model, X, scaled, given.pair)
            if np.isfinite(found).all() and np.isfinite(X).all():
                break
            drawn /= 4
        else:
            raise ValueError(
                "the model answers infinity or NaN to any input: its weights are too large"
            )
        single = Model.from_arrays(model.coefs, model.intercepts, *model.meaning, dtype=np.float32)
        rough = _predicted(single, X.astype(np.float32), scaled, given.pair)
        exact = _predicted(given.exact, X.astype(np.float64), scaled, given.pair)
        noise = np.nan_to_num(np.abs(rough - exact)).max(axis=0)
    unit = np.finfo(dtype).eps
    noise *= unit / np.finfo(np.float32).eps
    allowed = _TIMES * noise + _UNITS * unit * np.abs(found).max(axis=0)
    return Answers(X, found, (allowed + np.finfo(dtype).tiny).astype(dtype))


def _predicted(model: Model, X: Array, scaled: Affine | None, pair: bool) -> Array:
    dtype: Any = model.dtype
    if scaled is not None:
        center, factor = (part.astype(dtype) for part in scaled)
        X = (X - center) * factor
    AL = Network._of(model).predict(X, n_threads=1)
    return np.hstack([1 - AL, AL]) if pair else AL
