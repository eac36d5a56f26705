"""The derivatives of a fitted perceptron: by the features, and those of its loss, checked."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from fastdnn._arrays import Array
from fastdnn._fit.checks import in_double, largest_difference
from fastdnn._fit.model import Model
from fastdnn._fit.passes import gradient
from fastdnn._sklearn.assembled import OUTPUTS
from fastdnn._sklearn.checked import check_targets, class_weights, known_data
from fastdnn._sklearn.lbfgs import descended
from fastdnn._sklearn.losses import examples
from fastdnn._sklearn.weights import Weights


class Gradients(Weights):
    """A part of a perceptron: derivatives."""

    def decision_gradient(self, X: Any, output: int | None = None) -> Array:
        """Compute the derivatives of the outputs by the features, of each example.

        The outputs are the probabilities that `predict_proba` gives, of two classes only that of
        ``classes_[1]``, and the values that a regressor's `predict` gives.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples.
        output : int, optional
            Of which output, from 0 on; by default of all.

        Returns
        -------
        ndarray, shape (n_samples, n_features)
            Without an output (n_samples, n_outputs, n_features), also where there is one output.
            In the type of `predict_proba` or `predict`; at a kink, as of relu at 0, the derivative
            to the left.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError, ValueError
            As `predict`; also if there is no such output, or no derivative of an `out_activation_`
            that was set.

        Examples
        --------
        >>> model = fastdnn.MLPClassifier((4,), solver="lbfgs", random_state=0)
        >>> model = model.fit(np.eye(3), [0, 1, 1])
        >>> model.decision_gradient(np.eye(3), output=0).shape
        (3, 3)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        dX = gradient(self._derived(), X, output, self.n_threads)
        given = X.dtype if X.dtype in (np.float32, np.float64) else np.float64
        return dX.astype(np.result_type(given, dX.dtype), copy=False)

    def check_grad(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compare the gradient that the solvers use with finite differences, in double precision.

        The gradient is that of the loss of all examples by all weights and biases, with `alpha` and
        the weights of examples and classes, without dropout; of several outputs of a regressor
        that of the sum of their losses, as scikit-learn's. Each parameter p is moved to both sides
        by 6e-6 max(1, abs(p)), in a copy: two passes each.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples; a few will do.
        y : array-like, shape (n_samples,) or (n_samples, n_outputs)
            Their targets, as for `fit`.
        sample_weight : array-like, shape (n_samples,), optional
            Weights of the examples.

        Returns
        -------
        float
            The largest ``|g - d| / max(|g|, |d|, s)`` of a derivative g and a difference d, where s
            is a hundredth of the largest ``|g|``, ``|d|`` or the loss. Right gradients differ by
            1e-6 or less, unless a move crosses a kink, as of relu at 0 or of an absolute error.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError, ValueError
            As `fit`; also if y has classes or outputs that it was not fitted with.

        Examples
        --------
        >>> model = fastdnn.MLPClassifier((4,), activation="tanh", tol=1, random_state=0)
        >>> model.fit(np.eye(3), [0, 1, 1]).check_grad(np.eye(3), [0, 1, 1]) < 1e-6
        True
        """
        check_is_fitted(self)
        model = in_double(self._derived())
        X, y, weights = known_data(
            self, X, y, sample_weight, ("X", "y", "sample_weight"), "the fit"
        )
        if isinstance(self, ClassifierMixin):
            y = self._label_binarizer.transform(y).astype(bool)
        y = y.reshape(len(y), -1)
        check_targets(self, y, "y", model.dtype)
        ends = model.layer_dims[0], model.layer_dims[-1]
        if (X.shape[1], y.shape[1]) != ends:
            raise ValueError(
                f"X and y must have {ends[0]} and {ends[1]} columns, got {X.shape[1]} and "
                f"{y.shape[1]}"
            )
        class_weight = getattr(self, "class_weight", None)
        if class_weight is not None:
            weight = class_weights(class_weight, self._label_binarizer, y)
            weights = weight if weights is None else weights * weight
        data = examples(X, y, weights, self.out_activation_, model.dtype, "X")
        return largest_difference(model, data, descended(self, data.m, 1.0))

    def _derived(self) -> Model:
        """Find the model that predicts, if the engine has its output's derivative."""
        model = self._seen()
        if self.out_activation_ not in OUTPUTS:
            raise ValueError(
                f"out_activation_ must be one of {', '.join(OUTPUTS)} to have a derivative, "
                f"got {self.out_activation_!r}"
            )
        return model
