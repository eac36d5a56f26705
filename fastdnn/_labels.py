"""The classes of a chunk of labels, looked up among those that are known.

scikit-learn finds out anew for each call what kind of labels there are and which, and then makes
columns of them: of a call of `partial_fit` on 32 examples that is more than half.
"""

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from fastdnn._arrays import Array


def columns(y: Any, known: Any, binarizer: Any) -> Array | None:
    """Make a column of booleans for each class, as the binarizer's transform does.

    Parameters
    ----------
    y : ndarray
        Checked labels.
    known : ndarray
        The estimator's classes.
    binarizer : LabelBinarizer

    Returns
    -------
    columns : ndarray of bool, shape (m, n_classes) or (m, 1), or None
        None where scikit-learn must decide: labels that are none of the classes, or not plain.
    """
    classes = binarizer.classes_
    if (
        type(binarizer) is not LabelBinarizer
        or binarizer.y_type_ not in ("binary", "multiclass")
        or (binarizer.neg_label, binarizer.pos_label, binarizer.sparse_output) != (0, 1, False)
        or y.ndim != 1
        or not isinstance(classes, np.ndarray)
        or len(classes) < 2
        or not np.array_equal(known, classes)
        or not _comparable(y, classes)
        or not (classes[1:] > classes[:-1]).all()
    ):
        return None
    index = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    if not (classes[index] == y).all():
        return None
    if len(classes) == 2:
        return np.asarray(index == 1)[:, None]
    return np.asarray(index[:, None] == np.arange(len(classes)))


def _comparable(y: Array, classes: Array) -> bool:
    """Whether they are of one kind, and such as classes can be."""
    kinds = {y.dtype.kind, classes.dtype.kind}
    if kinds <= set("biuf"):
        # without rounding, and no numbers that would be targets of a regression
        exact = np.promote_types(y.dtype, classes.dtype).kind in kinds
        return exact and bool((classes == np.rint(classes)).all())
    if kinds <= set("OU"):
        objects = (a for a in (y, classes) if a.dtype.kind == "O")
        return all(type(label) is str for a in objects for label in a)
    return False


def same(classes: Any, known: Any) -> bool:
    """Whether the classes that a call names are, one by one, those that are known."""
    if known is None or classes is None:
        return False
    classes = np.asarray(classes)
    return bool(
        classes.ndim == 1
        and classes.shape == np.shape(known)
        and classes.dtype == known.dtype
        and classes.dtype.kind in "biuU"
        and (classes == known).all()
        and (classes[1:] > classes[:-1]).all()
    )
