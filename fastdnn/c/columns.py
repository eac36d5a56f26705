"""A tabular estimator as a table to write: its networks, and how columns are made ready."""

import sys
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastdnn._arrays import Array
from fastdnn._fit.model import Model
from fastdnn.c.selftest import ROWS, TOO_LARGE, coarse, predicted, tolerances
from fastdnn.c.taken import TYPES, Taken, check_labels, copied, element_type, identifier


@dataclass(frozen=True)
class Table:
    """A model of a table to write.

    Attributes
    ----------
    nets : tuple of Taken
        Its networks, which share all but the weights.
    names : tuple of ndarray
        Of the columns that are numbers, and of those that are categories.
    categories : list of ndarray
        Of each of the latter.
    center, scale : ndarray of float64
        Of the columns that are made: those of categories come first.
    targets : ndarray (4, outputs) or None
        Of a regressor what its outputs are multiplied with, what is added then, and the least and
        greatest answer.
    """

    nets: tuple[Taken, ...]
    names: tuple[Array, Array]
    categories: list[Array]
    center: Array
    scale: Array
    targets: Array | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the text."""
        return self.nets[0].model.dtype

    @property
    def encoded(self) -> list[int]:
        """Count the columns that are made of each column of categories."""
        return [1 if len(known) == 2 else len(known) for known in self.categories]

    def ready(self, X: Array, codes: Array) -> Array:
        """Make the columns of numbers (m, numbers) and codes (m, categories), in float64."""
        parts = []
        for at, known in zip(codes.T, self.categories, strict=True):
            one_hot = (at[:, None] == np.arange(len(known))).astype(float)
            parts.append(one_hot[:, :1] - one_hot[:, 1:] if len(known) == 2 else one_hot)
        z = self.scale * (np.concatenate([*parts, X.astype(np.float64)], axis=1) - self.center)
        z = np.clip(z, -1e9, 1e9)
        return np.asarray(z / np.sqrt(1 + (z / 3) ** 2))


def is_table(model: Any) -> bool:
    """Tell whether it is an estimator of tables, which nobody has who has not imported them."""
    module = sys.modules.get("fastdnn.estimators")
    known = () if module is None else (module.TabularMLPClassifier, module.TabularMLPRegressor)
    return isinstance(model, known)


def table_of(model: Any, name: Any, dtype: Any, scaler: Any) -> Table:
    """Judge the arguments of `to_c`, of which the model is an estimator of tables."""
    from sklearn.utils.validation import check_is_fitted

    name = identifier(name)
    if scaler is not None:
        raise ValueError(f"scaler must be None: {type(model).__name__} makes the columns ready")
    check_is_fitted(model)
    # a fit may begin meanwhile
    model = deepcopy(model)
    prep, exact = model.preprocessor_, [net._model for net in model.networks_]
    kind = element_type(dtype, exact[0].dtype)
    classes = getattr(model, "classes_", None)
    if classes is not None:
        check_labels(np.asarray(classes))
    nets = tuple(
        Taken(
            name, TYPES[kind], copied(each, kind), copied(each, np.dtype(np.float64)), None, False,
            classes is not None, classes, (),
        )
        for each in exact
    )  # fmt: skip
    _judge_scale(prep, kind)
    mask = prep.is_categorical_
    names = getattr(prep, "feature_names_in_", np.arange(len(mask)))
    return Table(
        nets, (names[~mask], names[mask]), prep.categories_, prep.center_, prep.scale_,
        None if classes is not None else _targets(model, kind),
    )  # fmt: skip


def _judge_scale(prep: Any, kind: np.dtype[Any]) -> None:
    """Refuse numbers of the columns that a type does not hold."""
    with np.errstate(all="ignore"):
        center, scale = prep.center_.astype(kind), prep.scale_.astype(kind)
    if not np.isfinite(center).all():
        raise ValueError(f"the preprocessor's centers must not overflow in {kind}")
    lost = (np.abs(scale) < np.finfo(kind).tiny) & (prep.scale_ != 0)
    if lost.any() or not np.isfinite(scale).all():
        raise ValueError(f"the preprocessor's scales must neither overflow nor underflow in {kind}")


def _targets(model: Any, kind: np.dtype[Any]) -> Array:
    n, bounds = len(model.target_scale_), model._bounds
    if not model.clip_output:
        most = np.finfo(kind).max
        bounds = np.full(n, -most), np.full(n, most)
    rows = [model.target_scale_, model.target_mean_, *(np.reshape(each, n) for each in bounds)]
    with np.errstate(over="ignore"):
        found = np.array(rows, np.float64).astype(kind)
    if not np.isfinite(found).all():
        raise ValueError(f"the targets' numbers must not overflow in {kind}")
    return found


def answers(table: Table) -> tuple[Array, Array, Array, Array]:
    """Draw eight rows of numbers and codes; give these, the answers, and how far one may be off.

    Raises
    ------
    ValueError
        If an answer is not finite.
    """
    rng, dtype = np.random.default_rng(0), table.dtype
    first, counts = sum(table.encoded), [len(known) for known in table.categories]
    # -1 is missing
    codes = np.empty((ROWS, len(counts)), np.int64)
    for column, count in zip(codes.T, counts, strict=True):
        column[:] = rng.integers(-1, count, size=ROWS)
    center, scale = table.center[first:], table.scale[first:]
    drawn = rng.normal(size=(ROWS, len(center)))
    with np.errstate(all="ignore"):
        X = (center + drawn / np.where(scale == 0, 1, scale)).astype(dtype)
        Z = table.ready(X, codes)
        exact, found = _answered(table, Z, "exact"), _answered(table, Z, "model")
        rough = _answered(table, Z, "single")
    if not np.isfinite([found, exact, rough]).all() or not np.isfinite(X).all():
        raise ValueError(TOO_LARGE)
    return X, codes, found.astype(dtype), tolerances(found, rough, exact, dtype)


def _answered(table: Table, Z: Array, how: str) -> Array:
    models: list[Model] = [net.model if how == "model" else net.exact for net in table.nets]
    if how == "single":
        models = [coarse(model) for model in models]
        Z = Z.astype(np.float32).astype(np.float64)
    found = np.mean([predicted(model, Z, False) for model in models], axis=0, dtype=np.float64)
    if table.targets is None:
        return np.asarray(found)
    scale, mean, low, high = table.targets.astype(np.float64)
    return np.asarray(np.clip(found * scale + mean, low, high))
