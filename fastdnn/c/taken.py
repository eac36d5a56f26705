"""What to_c is given, judged before anything is written."""

import re
import sys
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastdnn._arrays import Array
from fastdnn._fit.model import Model
from fastdnn.c.folded import Scaled, affine, scaled, unfolded
from fastdnn.c.literals import LONGEST, text
from fastdnn.network import Network

TYPES: dict[np.dtype[Any], str] = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
_WORDS = """
alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool
break case catch char char16_t char32_t char8_t class co_await co_return co_yield compl concept
const const_cast consteval constexpr constinit continue decltype default delete do double
dynamic_cast else enum explicit export extern false float for friend goto if import inline int long
main module mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected
public reflexpr register reinterpret_cast requires restrict return short signed sizeof static
static_assert static_cast struct switch synchronized template this thread_local throw true try
typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t
while xor xor_eq linux unix
"""
# names of Fortran have so many characters, and "_n_classes" follows
_MOST = 63 - len("_n_classes")


@dataclass(frozen=True)
class Taken:
    """A model to write.

    Attributes
    ----------
    name : str
        What all names in the text begin with.
    real : {"float", "double"}
    model : Model
        A copy, of that type.
    exact : Model
        Its weights in double precision, before they were rounded.
    scaled : Scaled or None
        What is done to the inputs first, in that type.
    pair : bool
        Whether the one output is a probability p of two classes, 1 - p and p.
    exclusive : bool
        Whether an example belongs to one class.
    classes : ndarray or None
        The labels.
    features : tuple of str
        Names of the inputs, or none.
    """

    name: str
    real: str
    model: Model
    exact: Model
    scaled: Scaled | None
    pair: bool
    exclusive: bool
    classes: Array | None
    features: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """Count the numbers that a row is answered with."""
        return 2 if self.pair else self.model.layer_dims[-1]

    @property
    def split(self) -> bool:
        """Tell whether a center is not exact in the type."""
        return self.scaled is not None and bool(self.scaled.rest.any())

    @property
    def inputs(self) -> int:
        """Count the numbers of a row."""
        return self.model.layer_dims[0]


def taken(model: Any, name: Any, dtype: Any, scaler: Any) -> Taken:
    """Judge the arguments of `to_c`."""
    name = identifier(name)
    steps, last = unfolded(model)
    if scaler is not None:
        before, only = unfolded(scaler)
        steps = [*before, ("", only), *steps]
    net = _network(last)
    exact = net._model
    kind = element_type(dtype, exact.dtype)
    rounded = copied(exact, kind)
    n_L, output = exact.layer_dims[-1], exact.output
    classes = None if isinstance(last, Network) else getattr(last, "classes_", None)
    pair, exclusive = False, output == "softmax" or (output == "sigmoid" and n_L == 1)
    if classes is not None:
        several = last._label_binarizer.y_type_.startswith("multilabel")
        classes = None if several else np.asarray(classes)
        exclusive = not several
        pair = exclusive and n_L == 1
        if classes is not None:
            if len(classes) != (2 if pair else n_L):
                raise ValueError(f"classes_ holds {len(classes)} labels for {n_L} outputs")
            check_labels(classes)
    return Taken(
        name, TYPES[kind], rounded, copied(exact, np.dtype(np.float64)),
        scaled(affine(steps, exact.layer_dims[0]), kind), pair, exclusive, classes,
        _features([step for _, step in steps] + [last], exact.layer_dims[0]),
    )  # fmt: skip


def identifier(name: Any) -> str:
    """Judge the name that all others begin with."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {type(name).__name__}")
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name, re.ASCII):
        raise ValueError(
            f"name must be an identifier of C that begins with a letter, of letters, digits and "
            f"underscores in ASCII, got {name!r}"
        )
    if name.lower() in _WORDS.split():
        raise ValueError(f"name must not be a reserved word of C or C++, got {name!r}")
    if "__" in name or name.endswith("_"):
        raise ValueError(
            f"name must not end in an underscore or hold two in a row, which C++ reserves, "
            f"got {name!r}"
        )
    if len(name) > _MOST:
        raise ValueError(f"name must have at most {_MOST} characters, got {len(name)}")
    return name


def _network(model: Any) -> Network:
    """Copy a network, or an estimator as one."""
    if isinstance(model, Network):
        net = model
    else:
        # an object of theirs cannot be there before the module
        estimators = sys.modules.get("fastdnn.estimators")
        ours = () if estimators is None else (estimators.MLPClassifier, estimators.MLPRegressor)
        if not isinstance(model, ours):
            what = model if isinstance(model, str) else type(model).__name__
            hint = ""
            if hasattr(model, "preprocessor_"):
                hint = ": give it alone, it makes the columns ready itself"
            if what == "TabularPreprocessor":
                hint = ": a TabularMLPClassifier or TabularMLPRegressor is written with its own"
            if type(model).__module__.startswith("sklearn.neural_network"):
                hint = f": fastdnn.{what}.from_sklearn takes it over"
            raise TypeError(
                "model must be a Network, an estimator of fastdnn, or a Pipeline of scalers that "
                f"ends with an MLPClassifier or MLPRegressor, got {what}{hint}"
            )
        net = model.network_
    # a fit may begin meanwhile
    return deepcopy(net)


def element_type(dtype: Any, own: np.dtype[Any]) -> np.dtype[Any]:
    """Judge the type that is asked for; None stands for the model's own."""
    if dtype is None:
        return own
    for kind in TYPES:
        with suppress(TypeError):
            if np.dtype(dtype) == kind:
                return kind
    raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")


def copied(model: Model, dtype: np.dtype[Any]) -> Model:
    """Copy a model into another type; numbers below the smallest normal one become zero."""
    with np.errstate(over="ignore"):
        made = Model.from_arrays(model.coefs, model.intercepts, *model.meaning, dtype=dtype)
    # a scale of the inputs, which comes last, is a part of W1
    for (row, new), (_, old) in zip(made.entries(), model.entries(), strict=False):
        if not np.isfinite(old).all():
            raise ValueError(f"{row.name} must be finite: the model holds infinity or NaN")
        if not np.isfinite(new).all():
            raise ValueError(f"{row.name} holds numbers that overflow in {dtype}")
    # as the engine takes them
    made.params[np.abs(made.params) < np.finfo(dtype).tiny] = 0
    return made


def check_labels(classes: Array) -> None:
    """Raise an error if some labels cannot stand in an array of C."""
    kinds = {type(label) for label in classes.tolist()}
    if classes.ndim != 1 or len(kinds) != 1 or not kinds <= {bool, int, float, str, bytes}:
        raise TypeError(
            "classes_ must be labels of one kind (text, bytes, integers, booleans or floats), got "
            + ", ".join(sorted(kind.__name__ for kind in kinds))
        )
    for label in classes.tolist():
        if isinstance(label, int) and not -(2**63) <= label < 2**64:
            raise ValueError(f"classes_ holds {label}, which has more than 64 bits")
        if isinstance(label, float) and not np.isfinite(label):
            raise ValueError(f"classes_ holds {label}, which C has no number for")
        if isinstance(label, (str, bytes)):
            try:
                data = label.encode() if isinstance(label, str) else label
            except UnicodeEncodeError:
                raise ValueError(f"classes_ holds {label!r}, which is no text of UTF-8") from None
            if b"\0" in data:
                raise ValueError(f"classes_ holds {label!r}, but a NUL ends a text of C")
            if len(text(data)) - 2 >= LONGEST:
                raise ValueError(f"classes_ holds a label of {len(data)} bytes, too long for C")
    if kinds == {int} and min(classes.tolist()) < 0 and max(classes.tolist()) >= 2**63:
        raise ValueError("classes_ holds integers that no type of 64 bits holds together")


def _features(objects: list[Any], n_0: int) -> tuple[str, ...]:
    """Find the first names of the columns that some object has seen."""
    for each in objects:
        names = getattr(each, "feature_names_in_", None)
        if names is not None and len(names) == n_0:
            return tuple(map(str, names))
    return ()
