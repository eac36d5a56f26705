"""The checks of an estimator's data beyond those of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    validate_data,
)

from fastdnn._arrays import Array
from fastdnn._fit.sparse import as_csr
from fastdnn._sklearn.declared import Declared
from fastdnn._sklearn.stopping import Validation

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


def refuse_balanced(class_weight: Any) -> None:
    """Refuse "balanced" in partial_fit, in the words of scikit-learn's SGDClassifier."""
    # several labels have a weight each
    given = class_weight if isinstance(class_weight, (list, tuple)) else [class_weight]
    if any(isinstance(weight, str) for weight in given):
        raise ValueError(
            "class_weight 'balanced' is not supported for partial_fit. In order to use 'balanced' "
            "weights, use compute_class_weight('balanced', classes=classes, y=y). In place of y "
            "you can use a large enough sample of the full training set target to properly "
            "estimate the class frequency distributions. Pass the resulting weights as the "
            "class_weight parameter."
        )


def class_weights(class_weight: Any, binarizer: Any, y: Array) -> Array:
    """Compute the examples' weights by their classes, which y (m, n_L) holds as booleans.

    A dict may name classes that these examples lack.
    """
    columns: list[tuple[Any, Array, Array]]
    if binarizer.y_type_.startswith("multilabel"):
        n = y.shape[1]
        # scikit-learn's own message about the parameter
        compute_sample_weight(class_weight, np.repeat([[0], [1]], n, axis=1))
        given = [class_weight] * n if isinstance(class_weight, str) else class_weight
        columns = [(given[k], np.arange(2), y[:, k].astype(np.intp)) for k in range(n)]
    else:
        at = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(np.intp)
        columns = [(class_weight, binarizer.classes_, at)]
    expanded = []
    for weight, classes, at in columns:
        if isinstance(weight, str):
            found = np.unique(at)
            of_found = compute_class_weight(weight, classes=found, y=at)
            expanded.append(of_found[np.searchsorted(found, at)])
        else:
            expanded.append(compute_class_weight(weight, classes=classes, y=classes)[at])
    product: Array = np.prod(expanded, axis=0, dtype=np.float64)
    if not np.isfinite(product).all():
        raise ValueError(f"class_weight must hold finite numbers, got {class_weight!r}")
    return product


def check_targets(estimator: Declared, y: Array, name: str, dtype: Any) -> None:
    """Raise ValueError if a regressor's targets are not what its loss, and its type, can take."""
    if hasattr(estimator, "classes_"):
        return
    if estimator.loss == "poisson" and (y < 0).any():
        raise ValueError(f"the loss 'poisson' needs {name} of at least 0, but it has {y.min()}")
    # as floats: booleans have no negative, and neither has the smallest integer
    if max(float(y.max()), -float(y.min())) > np.finfo(dtype).max:
        raise ValueError(f"{name} must be finite in {np.dtype(dtype)}, in which X is computed")


def validation_data(estimator: Declared, X_val: Any, y_val: Any, weights: Any) -> Validation | None:
    """Take the validation data that fit was given, and its weights."""
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val must be given together")
    if X_val is None:
        if weights is not None:
            raise ValueError("sample_weight_val needs X_val and y_val")
        return None
    names = ("X_val", "y_val", "sample_weight_val")
    return known_data(estimator, X_val, y_val, weights, names, "y")


def known_data(
    estimator: Declared, X: Any, y: Any, weights: Any, names: tuple[str, str, str], fitted: str
) -> Validation:
    """Take examples of what an estimator was fitted on: of these classes, so many outputs.

    Errors say these names, and call that the other.
    """
    X = validate_data(
        estimator, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False
    )
    y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    check_consistent_length(X, y)
    outputs = y.shape[1] if y.ndim == 2 else 1
    if isinstance(estimator, ClassifierMixin):
        several = estimator._label_binarizer.y_type_.startswith("multilabel")
        try:
            unknown = np.setdiff1d(y, [0, 1] if several else estimator.classes_)
        except TypeError as error:  # labels that cannot be sorted
            raise TypeError(f"{names[1]} must hold classes of one type: {error}") from None
        if len(unknown) and (several or outputs == 1):
            raise ValueError(f"{names[1]} has classes that {fitted} has not: {unknown}")
        fits = outputs == (estimator.n_outputs_ if several else 1)
    else:
        if y.dtype == object:
            try:
                y = y.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise TypeError(f"{names[1]} must hold numbers: {error}") from None
        if y.dtype.kind not in "biuf":
            raise TypeError(f"{names[1]} must hold numbers, got element type {y.dtype}")
        assert_all_finite(y, input_name=names[1])
        fits = outputs == estimator.n_outputs_
    if not fits:
        raise ValueError(
            f"{names[1]} has {outputs} outputs, but {fitted} has {estimator.n_outputs_}"
        )
    if weights is not None:
        weights = _check_sample_weight(weights, X)
        if (weights < 0).any() or not weights.any():
            raise ValueError(f"{names[2]} must be at least 0, and above 0 somewhere")
    return Validation(as_csr(X), y, weights)
