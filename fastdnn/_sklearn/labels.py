"""A classifier's labels as JSON, with their element type, and its label binarizer."""

import re
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from fastdnn._arrays import Array
from fastdnn._fit.container import ModelFileError
from fastdnn._fit.fields import Fields, encoded, value_of

KINDS = ("binary", "multiclass", "multilabel-indicator")
# bytes of all labels together: of text, each takes as many as the longest
_MOST = 2**24
_DTYPE = re.compile(r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]|\|S[1-9]\d{0,6}|[<>]U[1-9]\d{0,6}|\|O")
# of JSON's types those of an element's kind
_TYPES: dict[str, set[type]] = {
    "b": {bool},
    "i": {int},
    "u": {int},
    "f": {int, float},
    "S": {str},
    "U": {str},
}


def said_of_labels(labels: Any, name: str) -> dict[str, Any]:
    """Say labels in JSON.

    Raises
    ------
    TypeError
        If they are neither numbers, texts, bytes nor objects that are.
    ValueError
        If they have not one dimension, or are longer than a file may hold.
    """
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {array.shape}")
    if not _DTYPE.fullmatch(array.dtype.str):
        raise TypeError(f"{name} is of {array.dtype}, which a model file cannot hold")
    if array.nbytes > _MOST:
        raise ValueError(
            f"{name} takes {array.nbytes} bytes, but a model file holds {_MOST}: each of its texts "
            "takes as many as the longest"
        )
    values = array.tolist()
    if array.dtype.kind == "S":
        values = [value.decode("latin-1") for value in values]
    elif array.dtype.kind == "O":
        values = [encoded(value, f"{name}[{i}]", 0) for i, value in enumerate(values)]
    return {"dtype": array.dtype.str, "values": values}


def labels_of(said: Fields) -> Array:
    """Make the array of labels: each is just what the document says."""
    code, values = said.text("dtype"), said.take("values")
    said.end()
    if not _DTYPE.fullmatch(code):
        said.refuse("dtype", "the type of labels", code)
    if type(values) is not list:
        said.refuse("values", "a list", values)
    dtype = np.dtype(code)
    if dtype.itemsize * len(values) > _MOST:
        said.refuse("dtype", f"one of which {len(values)} labels take {_MOST} bytes at most", code)
    if dtype.kind == "O":
        values = [value_of(value, f"{said.where}: a label", 1) for value in values]
        if any(isinstance(value, (list, tuple, dict)) for value in values):
            said.refuse("values", "texts, numbers or bytes", values)
        array = np.empty(len(values), object)
        array[:] = values
        return array
    if not {type(value) for value in values} <= _TYPES[dtype.kind]:
        said.refuse("values", f"labels of {dtype}", values)
    try:
        if dtype.kind == "S":
            values = [value.encode("latin-1") for value in values]
        elif dtype.kind in "iu" and values:
            bounds = np.iinfo(dtype)
            if not bounds.min <= min(values) <= max(values) <= bounds.max:
                said.refuse("values", f"labels of {dtype}", values)
        with np.errstate(over="ignore"):
            array = np.array(values, dtype)
    except (ValueError, OverflowError) as error:
        if isinstance(error, ModelFileError):
            raise
        said.refuse("values", f"labels of {dtype}", values)
    if array.tolist() != values:
        said.refuse("values", f"labels that {dtype} can hold", values)
    return array


def said_of_binarizer(binarizer: Any, classes: Array) -> dict[str, Any]:
    """Say a fitted label binarizer in JSON.

    Raises
    ------
    TypeError
        If it is not as a fit leaves it.
    """
    plain = {"neg_label": 0, "pos_label": 1, "sparse_output": False}
    if type(binarizer) is not LabelBinarizer or any(
        getattr(binarizer, name) != value for name, value in plain.items()
    ):
        raise TypeError("a model file cannot hold a _label_binarizer that a user has set")
    said: dict[str, Any] = {
        "kind": binarizer.y_type_,
        "sparse": bool(getattr(binarizer, "sparse_input_", False)),
    }
    own = np.asarray(binarizer.classes_)
    if own.dtype != classes.dtype or not np.array_equal(own, classes):
        said["classes"] = said_of_labels(own, "_label_binarizer.classes_")
    return said


def binarizer_of(said: Fields, classes: Array, outputs: int) -> Any:
    """Make the label binarizer of a classifier of so many outputs."""
    binarizer = LabelBinarizer()
    binarizer.y_type_ = said.text("kind", KINDS)
    binarizer.sparse_input_ = said.flag("sparse")
    binarizer.classes_ = labels_of(said.within("classes")) if "classes" in said else classes
    said.end()
    count = len(binarizer.classes_)
    # only of several labels a sparse matrix is taken, and given back
    fits = count == outputs and binarizer.sparse_input_ <= (binarizer.y_type_ == KINDS[2])
    if binarizer.y_type_ == "binary":
        fits = 1 <= count <= 2 and outputs in (1, count) and not binarizer.sparse_input_
    if len(set(classes.tolist())) != len(classes):
        raise ModelFileError(f"{said.where}: a class stands twice")
    if not fits or len(classes) != count:
        raise ModelFileError(
            f"{said.where}: {count} classes of kind {binarizer.y_type_} do not fit {outputs} "
            f"outputs and {len(classes)} classes"
        )
    return binarizer
