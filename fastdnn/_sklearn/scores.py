"""The scores of predictions, in the usual case in less time than scikit-learn needs to see it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score, r2_score

from fastdnn._arrays import Array

# classes by which scikit-learn may take labels for the targets of a regression, and warn
_MANY = 10


class Scores:
    """A part of a perceptron: `score`."""

    if TYPE_CHECKING:

        def predict(self, X: Any) -> Array: ...

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score the predictions: the accuracy, or the coefficient of determination.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples.
        y : array-like
            What is to be predicted.
        sample_weight : array-like, shape (n_samples,), optional
            Weights of the examples.

        Returns
        -------
        float
            At most 1.
        """
        return scored(isinstance(self, ClassifierMixin), y, self.predict(X), sample_weight)


def scored(classifies: bool, y: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Compute the accuracy, or the coefficient of determination, as scikit-learn does."""
    if sample_weight is None and _are_rows(y, y_pred):
        if classifies and _are_labels(y, y_pred):
            return int(np.count_nonzero(y == y_pred)) / len(y)
        if not classifies and _are_reals(y, y_pred):
            return _r2(y, y_pred)
    score = accuracy_score if classifies else r2_score
    return float(score(y, y_pred, sample_weight=sample_weight))


def _are_rows(y: Any, y_pred: Any) -> bool:
    return (
        type(y) is type(y_pred) is np.ndarray
        and y.ndim == 1
        and y.shape == y_pred.shape
        and len(y) > 1
        and y.dtype.isnative
    )


def _are_labels(y: Array, y_pred: Array) -> bool:
    """Whether they are whole numbers, or texts, of which both have few."""
    kinds = {y.dtype.kind, y_pred.dtype.kind}
    most = max(_MANY, len(y) // 2)
    return (kinds <= set("biu") or kinds == {"U"}) and all(
        len(np.unique(labels)) <= most for labels in (y, y_pred)
    )


def _are_reals(y: Array, y_pred: Array) -> bool:
    return bool(
        {y.dtype.char, y_pred.dtype.char} <= set("fd")
        and np.isfinite(y).all()
        and np.isfinite(y_pred).all()
    )


def _r2(y: Array, y_pred: Array) -> float:
    """Compute the coefficient of determination by the sums that scikit-learn makes."""
    dtype = np.result_type(y, y_pred)
    y, y_pred = (array.astype(dtype, copy=False)[:, None] for array in (y, y_pred))
    of_errors = ((y - y_pred) ** 2).sum(axis=0)
    of_all = ((y - np.average(y, axis=0)) ** 2).sum(axis=0)
    if of_errors[0] == 0:
        return 1.0
    return float((1 - of_errors / of_all)[0]) if of_all[0] != 0 else 0.0
