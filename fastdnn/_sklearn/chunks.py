"""Examples of a fit or of a chunk of a stream, checked as scikit-learn checks them, in less time.

In each call scikit-learn finds out anew which kinds of array and labels it has, and which classes:
two thirds of a call of `partial_fit` on 32 examples, and of a short fit on some hundreds. Here the
usual case is recognised, and its outcome computed; every other case, and each error, stays with
scikit-learn.
"""

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from fastdnn._arrays import Array
from fastdnn._sklearn.declared import Declared


def plain(estimator: Declared, X: Any, y: Any) -> bool:
    """Whether scikit-learn's validation would return X and y as they are."""
    return usual(X, y) and _of_features(estimator, X)


def plain_examples(estimator: Declared, X: Any) -> bool:
    """Whether scikit-learn's validation would return the X of a prediction as it is."""
    return _usual_examples(X) and _of_features(estimator, X)


def usual(X: Any, y: Any) -> bool:
    """Whether X and y are what scikit-learn's validation returns as it is, of any estimator."""
    return bool(
        _usual_examples(X)
        and type(y) is np.ndarray
        and y.dtype.kind in "biufU"
        and y.shape == (len(X),)
        and (y.dtype.kind != "f" or np.isfinite(y).all())
    )


def _usual_examples(X: Any) -> bool:
    return bool(
        type(X) is np.ndarray
        and X.dtype.char in "fd"
        and X.dtype.isnative
        and X.ndim == 2
        and X.size > 0
        and np.isfinite(X).all()
    )


def _of_features(estimator: Declared, X: Array) -> bool:
    found = vars(estimator)
    return X.shape[1] == found.get("n_features_in_") and "feature_names_in_" not in found


def begin_features(estimator: Declared, X: Array) -> None:
    """Keep what scikit-learn's validation keeps of an array: it has no names."""
    vars(estimator).pop("feature_names_in_", None)
    estimator.n_features_in_ = X.shape[1]


def labelled(y: Array) -> tuple[Any, Array] | None:
    """Fit a label binarizer to labels that are whole numbers, and make a column for each class.

    Returns
    -------
    binarizer, columns : LabelBinarizer, ndarray of bool, or None
        None if scikit-learn must decide: for other labels, one class, or more classes than it
        expects.
    """
    if y.dtype.kind not in "biu" or not y.dtype.isnative:
        return None
    classes = np.unique(y)
    if not 2 <= len(classes) <= len(y) // 2:
        return None
    binarizer = LabelBinarizer()
    binarizer.y_type_ = "binary" if len(classes) == 2 else "multiclass"
    binarizer.sparse_input_ = False
    binarizer.classes_ = classes
    if len(classes) == 2:
        return binarizer, np.asarray(y == classes[1])[:, None]
    return binarizer, np.asarray(y[:, None] == classes)


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
        None if scikit-learn must decide: for unknown or unusual labels.
    """
    classes = binarizer.classes_
    if (
        type(binarizer) is not LabelBinarizer
        or binarizer.y_type_ not in ("binary", "multiclass")
        or (binarizer.neg_label, binarizer.pos_label, binarizer.sparse_output) != (0, 1, False)
        or y.ndim != 1
        or not isinstance(classes, np.ndarray)
        or len(classes) < 2
        or not (known is classes or np.array_equal(known, classes))
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
    """Whether both are of one kind, and of a kind that classes can have."""
    kinds = {y.dtype.kind, classes.dtype.kind}
    if kinds <= set("biuf"):
        # whole numbers only: others would be targets of a regression
        if np.promote_types(y.dtype, classes.dtype).kind not in kinds:
            return False
        return classes.dtype.kind != "f" or bool((classes == np.rint(classes)).all())
    if kinds <= set("OU"):
        objects = (a for a in (y, classes) if a.dtype.kind == "O")
        return all(type(label) is str for a in objects for label in a)
    return False


def same(classes: Any, known: Any) -> bool:
    """Whether a call names exactly the known classes, in their order."""
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
