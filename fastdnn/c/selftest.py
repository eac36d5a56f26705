"""Eight inputs, the answers that Python gives, and how far a compiled answer may be off."""

from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array
from fastdnn._fit.model import Model
from fastdnn.c.folded import Scaled
from fastdnn.c.taken import Taken
from fastdnn.network import Network

ROWS = 8
# how many times what rounding makes of the answers is allowed, and how many units at least
_TIMES, _UNITS = 64, 16
TOO_LARGE = "the model answers infinity or NaN to any input: its weights are too large"


class Answers(NamedTuple):
    """Inputs (8, n_0), answers (8, outputs), and the tolerance of each output (outputs,)."""

    inputs: Array
    answers: Array
    tolerances: Array


def answers(given: Taken) -> Answers:
    """Draw inputs, half as large in each row, for which all answers are finite.

    What rounding makes of them is what single precision makes of them; it goes with the precision.
    The inputs are those that stand in the text, so that they are exact.

    Raises
    ------
    ValueError
        If no answer is finite, however small the inputs are, or a tolerance is not.
    """
    model, dtype = given.model, given.model.dtype
    drawn = np.random.default_rng(0).normal(size=(ROWS, given.inputs))
    drawn *= 0.5 ** np.arange(ROWS)[:, None]
    scaled = given.scaled
    with np.errstate(all="ignore"):
        for _ in range(64):
            X = drawn if scaled is None else scaled.center + drawn / scaled.factor
            X = X.astype(dtype)
            A = _after(scaled, X.astype(np.float64))
            found = predicted(model, A, given.pair)
            if np.isfinite(found).all() and np.isfinite(X).all():
                break
            drawn /= 4
        else:
            raise ValueError(TOO_LARGE)
        single = Model.from_arrays(model.coefs, model.intercepts, *model.meaning, dtype=np.float32)
        rough = predicted(single, A, given.pair)
        if not np.isfinite(rough).all():
            rough = predicted(coarse(given.exact), A, given.pair)
        exact = predicted(given.exact, A, given.pair)
    return Answers(X, found, tolerances(found, rough, exact, dtype))


def tolerances(found: Array, rough: Array, exact: Array, dtype: np.dtype[Any]) -> Array:
    """Compute how far each output may be off, of answers in a type, in single and in double.

    Raises
    ------
    ValueError
        If one is not finite.
    """
    with np.errstate(all="ignore"):
        noise = np.abs(rough - exact).max(axis=0)
    unit = np.finfo(dtype).eps
    noise *= unit / np.finfo(np.float32).eps
    allowed = _TIMES * noise + _UNITS * unit * np.abs(found).max(axis=0)
    allowed = (allowed + np.finfo(dtype).tiny).astype(dtype)
    if not np.isfinite(allowed).all():
        raise ValueError(TOO_LARGE)
    return np.asarray(allowed)


def _after(scaled: Scaled | None, X: Array) -> Array:
    if scaled is None:
        return X
    center, rest, factor = (part.astype(np.float64) for part in scaled)
    return ((X - center) - rest) * factor


def coarse(model: Model) -> Model:
    """Copy a model with the digits of single precision, but not its range."""
    copied = Model.from_arrays(model.coefs, model.intercepts, *model.meaning, dtype=np.float64)
    digits, exponents = np.frexp(copied.params)
    copied.params[:] = np.ldexp(digits.astype(np.float32).astype(np.float64), exponents)
    return copied


def predicted(model: Model, A: Array, pair: bool) -> Array:
    """Compute a model's answers, in its type; of a pair both probabilities."""
    dtype: Any = model.dtype
    AL = Network._of(model).predict(A.astype(dtype), n_threads=1)
    return np.hstack([1 - AL, AL]) if pair else AL
