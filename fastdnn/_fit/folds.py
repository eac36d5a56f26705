"""Rows of examples that many networks share: judged once for all that read them alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastdnn._arrays import Array, real
from fastdnn._core.csr import Csr
from fastdnn._fit.blocks import Blocks, lies_elsewhere, taken, validation_of
from fastdnn._fit.data import Data, judged, kept_apart, weights_of
from fastdnn._fit.model import Model


class Folds:
    """The examples of a call, and the sets of rows that its networks are trained on.

    Nothing is judged or copied twice: what was given as the same object is the same.

    Parameters
    ----------
    X, Y : array_like
        As for `Network.fit`.
    models : sequence of Model
        All that are trained: their memory is no example's.
    block_bytes : int or None
        As for `Network.fit`. What is read in blocks, each network reads by itself.
    """

    def __init__(self, X: Any, Y: Any, models: Sequence[Model], block_bytes: Any) -> None:
        self._X, self._Y, self._models, self._bytes = X, Y, models, block_bytes
        self._in_blocks = block_bytes is not None or Y is None or lies_elsewhere(X)
        # by what was made, and of which objects; these are kept, so that no other has their id
        self._made: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = {}

    def trained(self, model: Model, rows: Any, weights: Any) -> Data | Blocks:
        """Take the examples that a model is trained on."""
        if self._in_blocks:
            if rows is not None:
                raise ValueError("rows must be None where X is read in blocks")
            return taken(model, self._X, self._Y, weights, self._bytes)
        data, m = self._all(model), len(self._all(model).X)
        w = self._weights(model, weights, m)
        chosen = self._rows(rows, "rows", m)
        if w is not None and chosen is not None:
            self._check_weights(w, weights, chosen, rows, "rows")
        return data._replace(weights=w, rows=chosen)

    def whole(self, model: Model, data: Data) -> Data:
        """Copy the rows, converted for the model, for all models that read all of them at once."""

        def gather(*parts: Any) -> Data:
            return _gathered(Data(*parts), model.dtype)

        copied: Data = self._once("whole", _kind(model), gather, *data)
        return copied

    def validation(self, model: Model, rows: Any, weights: Any) -> Data | None:
        """Copy the rows whose cost is computed after each epoch, for all models that read them."""
        if rows is None:
            return None
        if self._in_blocks:
            raise ValueError("validation_rows must be None where X is read in blocks")
        data, m = self._all(model), len(self._all(model).X)
        w = self._weights(model, weights, m)
        chosen = self._rows(rows, "validation_rows", m)
        if w is not None:
            self._check_weights(w, weights, chosen, rows, "validation_rows")
        return self.whole(model, data._replace(weights=w, rows=chosen))

    def given(self, model: Model, validation: Any) -> Data | Blocks | None:
        """Take validation data that was given by itself."""
        if validation is None:
            return None

        def judge(given: Any) -> Data | Blocks | None:
            return validation_of(model, given, self._bytes)

        data: Data | Blocks = self._once("given", _kind(model), judge, validation)
        # blocks are a model's own
        return kept_apart(model, data) if isinstance(data, Data) else judge(validation)

    # ------------------------------------------------------------------------------------- helpers

    def _once(self, what: str, kind: tuple[Any, ...], make: Any, *of: Any) -> Any:
        key = (what, *kind, *map(id, of))
        if key not in self._made:
            self._made[key] = make(*of), of
        return self._made[key][0]

    def _all(self, model: Model) -> Data:
        def judge(X: Any, Y: Any) -> Data:
            data = judged(model, X, Y, None, ("X", "Y", "sample_weight"))
            for other in self._models:
                data = kept_apart(other, data)
            return data

        data: Data = self._once("all", _kind(model), judge, self._X, self._Y)
        return data

    def _rows(self, rows: Any, name: str, m: int) -> Array | None:
        if rows is None:
            return None
        taken: Array = self._once(name, (), lambda rows: indices(rows, name, m), rows)
        return taken

    def _weights(self, model: Model, weights: Any, m: int) -> Array | None:
        if weights is None:
            return None

        def judge(weights: Any) -> Array:
            return weights_of(weights, "sample_weight", m, model.dtype)

        w: Array = self._once("weights", (model.dtype,), judge, weights)
        return w

    def _check_weights(self, w: Array, weights: Any, taken: Any, rows: Any, name: str) -> None:
        def check(*_: Any) -> None:
            if not w[taken].any():
                raise ValueError(f"sample_weight must be above 0 somewhere in the {name}")

        self._once("check " + name, (w.dtype,), check, weights, rows)


def indices(rows: Any, name: str, m: int) -> Array:
    """Take indices of some of m examples, each once: a copy."""
    array = real(rows, name)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got element type {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must be one array of indices, got shape {array.shape}")
    wrong = (array < 0) | (array >= m)
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"{name} must be indices 0 .. {m - 1} of X, number {i} is {array[i]}")
    array = np.array(array, np.int64)
    times = np.bincount(array)
    if times.max() > 1:
        raise ValueError(f"{name} must hold each index once, but {times.argmax()} comes twice")
    return array


def _kind(model: Model) -> tuple[Any, ...]:
    """Tell what the examples that a model reads depend on."""
    return model.layer_dims[0], model.layer_dims[-1], model.dtype, model.output, model.cost


def _gathered(data: Data, dtype: Any) -> Data:
    """Copy the rows of examples; of a type that X has not, all of them."""
    X, *rest, rows = data
    if rows is not None:
        X = X[rows]
        rest = [part if part is None else part[rows] for part in rest]
    if isinstance(X, Csr):
        return Data(X.astype(dtype), *rest)
    return Data(np.asarray(X, dtype, order=None if X.flags.forc else "C"), *rest)
