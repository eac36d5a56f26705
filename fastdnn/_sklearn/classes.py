"""A classifier's classes: what a fit makes of labels, and predictions of outputs."""

from typing import Any, cast

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from fastdnn._arrays import Array
from fastdnn._sklearn.assembled import complete
from fastdnn._sklearn.chunks import begin_features, columns, labelled, plain, usual
from fastdnn._sklearn.perceptron import Perceptron


class Classes(Perceptron):
    """A perceptron that comes before scikit-learn's classifier."""

    classes_: Array

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        if incremental and not reset and not self.warm_start and hasattr(self, "classes_"):
            X_, y_ = X, y
            if not plain(self, X, y):
                X_, y_ = validate_data(
                    self, X, y, accept_sparse=["csr", "csc"], multi_output=True,
                    dtype=(np.float64, np.float32), reset=False,
                )  # fmt: skip
            of_classes = columns(y_, self.classes_, self._label_binarizer)
            if of_classes is not None:
                return X_, of_classes
        begins = not (self.warm_start and hasattr(self, "classes_"))
        if reset and not incremental and begins and usual(X, y):
            made = labelled(y)
            if made is not None:
                begin_features(self, X)
                self._label_binarizer, of_classes = made
                self.classes_ = self._label_binarizer.classes_
                return X, of_classes
        X_, y_ = super()._validate_input(X, y, incremental, reset)
        return X_, y_

    def _predict(self, X: Any, check_input: bool = True) -> Array:
        AL = self._forward_pass_fast(X, check_input=check_input)
        # which may have been assigned without the others
        binarizer, n = self._label_binarizer, AL.shape[1]
        kind, classes = binarizer.y_type_, binarizer.classes_
        if (binarizer.neg_label, binarizer.pos_label) == (0, 1):
            if kind == "multiclass" and n == len(classes):
                return cast(Array, classes[AL.argmax(axis=1)])
            if kind == "binary" and n == 1 and len(classes) == 2:
                return cast(Array, classes[(AL[:, 0] > 0.5).astype(np.intp)])
        # of two classes with an output each, say, or with a threshold of the user's
        return cast(Array, binarizer.inverse_transform(AL[:, 0] if n == 1 else AL))

    def predict_proba(self, X: Any) -> Array:
        """Compute the probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples.

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            A row for each example.
        """
        check_is_fitted(self)
        AL = self._forward_pass_fast(X)
        return AL if AL.shape[1] > 1 else np.concatenate((1 - AL, AL), axis=1)

    def predict_log_proba(self, X: Any) -> Array:
        """Compute the logarithms of the probabilities, also of those too small for a number.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples.

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            A row for each example.
        """
        check_is_fitted(self)
        complete(self)
        own = type(self).predict_proba is not Classes.predict_proba
        if own or self.out_activation_ not in ("logistic", "softmax"):
            return super().predict_log_proba(X)
        Z = self._logits(X)
        if self.out_activation_ == "softmax":
            return cast(Array, log_softmax(Z, axis=1))
        return cast(Array, log_expit(np.hstack([-Z, Z]) if Z.shape[1] == 1 else Z))
