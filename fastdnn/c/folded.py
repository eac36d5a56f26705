"""Scalers and pipelines: a column's affine map, and what a pipeline ends with."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array


class Affine(NamedTuple):
    """x becomes (x - center) * factor, each an array of float64 with an entry a column."""

    center: Array
    factor: Array


class Scaled(NamedTuple):
    """x becomes ((x - center) - rest) * factor, in some type.

    A center far from zero is two numbers, so that nothing is lost but what the input has lost.
    """

    center: Array
    rest: Array
    factor: Array


def scaled(whole: Affine | None, dtype: np.dtype[Any]) -> Scaled | None:
    """Round an affine map to a type.

    Raises
    ------
    ValueError
        If its numbers overflow, or a factor underflows.
    """
    if whole is None:
        return None
    with np.errstate(all="ignore"):
        center, factor = (part.astype(dtype) for part in whole)
        rest = (whole.center - center).astype(dtype)
    if not np.isfinite(center).all():
        raise ValueError(f"the scaler's centers must not overflow in {dtype}")
    if not (np.isfinite(factor) & (np.abs(factor) >= np.finfo(dtype).tiny)).all():
        raise ValueError(f"the scaler's scales must neither overflow nor underflow in {dtype}")
    return Scaled(center, rest, factor)


def unfolded(model: Any) -> tuple[list[tuple[str, Any]], Any]:
    """Take a model, or a pipeline, as steps before the model, with their names, and the model."""
    *before, (_, last) = _flat("", model)
    return before, last


def _flat(name: str, step: Any) -> list[tuple[str, Any]]:
    """List the steps of a pipeline, whose own steps may be pipelines too."""
    if not hasattr(step, "steps"):
        return [(name, step)]
    return [each for part in step.steps for each in _flat(*part)]


def affine(steps: list[tuple[str, Any]], n_0: int) -> Affine | None:
    """Compose scalers into one map of n_0 columns; None where there is none.

    Raises
    ------
    TypeError
        If a step is no scaler of a kind that is known.
    ValueError
        If it is not fitted, is not affine, or is of another number of columns.
    """
    whole = None
    for name, step in steps:
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        found = _of_scaler(step, f"step {name!r}" if name else "scaler")
        for part in found:
            if part.shape != (n_0,):
                raise ValueError(
                    f"{type(step).__name__} was fitted on {part.size} columns, but the model has "
                    f"{n_0} inputs"
                )
        # ((x - c) f - d) g = (x - (c + d / f)) f g
        with np.errstate(all="ignore"):
            whole = found if whole is None else Affine(
                whole.center + found.center / whole.factor, whole.factor * found.factor
            )  # fmt: skip
    if whole is not None and not all(np.isfinite(part).all() for part in whole):
        raise ValueError("the scaler's numbers must be finite")
    return whole


def _of_scaler(scaler: Any, where: str) -> Affine:
    kind = type(scaler)
    known = kind.__module__.split(".")[0] == "sklearn" and _KINDS.get(kind.__name__)
    if not known:
        raise TypeError(
            f"{where} must be one of scikit-learn's {', '.join(_KINDS)}, got {kind.__name__}: "
            "transform the data before it, and give the model alone"
        )
    if not hasattr(scaler, "n_features_in_"):
        raise ValueError(f"{where} is a {kind.__name__} that is not fitted")
    if getattr(scaler, "clip", False):
        raise ValueError(f"{where} is a {kind.__name__} with clip=True, which is not affine")
    n = scaler.n_features_in_
    with np.errstate(all="ignore"):
        center, scale = known(scaler)
        found = Affine(
            np.zeros(n) if center is None else np.array(center, np.float64),
            1 / (np.ones(n) if scale is None else np.array(scale, np.float64)),
        )
    if not all(np.isfinite(part).all() for part in found) or not found.factor.all():
        raise ValueError(f"{where} is a {kind.__name__} with a scale that is 0 or not finite")
    return found


# the center that is taken off, and the scale that divides then, either of which may be None
_KINDS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "StandardScaler": lambda s: (s.mean_ if s.with_mean else None, s.scale_),
    "MinMaxScaler": lambda s: (-s.min_ / s.scale_, 1 / s.scale_),
    "MaxAbsScaler": lambda s: (None, s.scale_),
    "RobustScaler": lambda s: (
        s.center_ if s.with_centering else None, s.scale_ if s.with_scaling else None
    ),
}  # fmt: skip
