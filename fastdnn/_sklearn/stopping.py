"""What the estimators look at to stop early: losses, and scores of validation data."""

import warnings
from collections.abc import Callable
from copy import copy
from inspect import signature
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, check_scoring, r2_score
from sklearn.model_selection import train_test_split

from fastdnn._arrays import Array, native, readable
from fastdnn._fit.data import mean_cost
from fastdnn._sparse import csr, is_sparse


class Validation(NamedTuple):
    """Validation data, and what computes a score of it, if not the perceptron itself."""

    X: Any
    y: Array
    weights: Any
    scorer: Callable[[Any, Any, Any], float] | None = None


class Judged:
    """The part of a perceptron that sets validation data apart and judges each iteration."""

    if TYPE_CHECKING:
        loss_curve_: Any
        validation_loss_curve_: Any
        validation_scores_: Any
        best_validation_score_: Any
        best_loss_: Any
        _no_improvement_count: int

        # the parameters, and what the perceptron has
        def __getattr__(self, name: str) -> Any: ...

    def _split(
        self, X: Any, y: Array, sample_weight: Any, given: tuple[Any, Array, Any] | None
    ) -> tuple[Any, Array, Any, Validation | None]:
        """Set apart what early stopping looks at, as scikit-learn does: X, y and weights of both.

        Where some was given, that is it, and nothing is set apart.
        """
        # by itself it does nothing under "lbfgs", as in scikit-learn
        if given is None and self.early_stopping and (self.solver != "lbfgs" or self.scoring):
            arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
            parts = train_test_split(
                *arrays,
                random_state=self._random_state,
                test_size=self.validation_fraction,
                # not of several labels
                stratify=y if is_classifier(self) and self.n_outputs_ == 1 else None,
            )
            X, X_val, y, y_val, *weights = parts
            if X_val.shape[0] < 2:
                raise ValueError(
                    "The validation set is too small. Increase 'validation_fraction' or the size "
                    "of your dataset."
                )
            if is_classifier(self):
                y_val = self._label_binarizer.inverse_transform(y_val)
            sample_weight, weights_val = weights or (None, None)
            given = X_val, y_val, weights_val
        if given is None:
            return X, y, sample_weight, None
        validation = Validation(*given)
        if self.early_stopping:
            if self.scoring not in (None, "loss"):
                validation = validation._replace(scorer=self._scorer(validation))
            if self.best_validation_score_ > -np.inf:
                # what a warm start has to be better than
                self._best = self._bind().params.copy()
        return X, y, sample_weight, validation

    def _scorer(self, validation: Validation) -> Callable[[Any, Any, Any], float]:
        """Prepare the scorer that was asked for."""
        scorer = check_scoring(self, self.scoring)
        takes = signature(getattr(scorer, "_score_func", scorer)).parameters
        given = {}
        if validation.weights is not None and "sample_weight" in takes:
            given["sample_weight"] = validation.weights
        kept = getattr(scorer, "_kwargs", {})
        if (
            len(self._lacking(validation.y))
            and "predict_proba" in np.ravel(getattr(scorer, "_response_method", ()))
            and "labels" in takes
            and "labels" not in kept
        ):
            # it would take the columns of the probabilities for those of fewer classes
            scorer = copy(scorer)
            scorer._kwargs = kept | {"labels": self.classes_}

        def score(estimator: Any, X: Any, y: Any) -> float:
            with warnings.catch_warnings():
                # the validation data has lost its names
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                value = scorer(estimator, X, y, **given)
            try:
                value = value.item() if hasattr(value, "item") else value
                if isinstance(value, Real):
                    return float(value)
            except (OverflowError, ValueError):  # an integer of 300 digits, several numbers
                pass
            raise ValueError(
                f"scoring must return a number, got {value!r} of type {type(value).__name__}"
            )

        return score

    def _lacking(self, y_val: Array) -> Array:
        """Find the classes that validation data lacks."""
        if not is_classifier(self) or np.ndim(y_val) == 2:
            return np.empty(0)
        lacking: Array = np.setdiff1d(self.classes_, y_val)
        return lacking

    def _judge(
        self, validation: Validation | None, params: Array, progress: Callable[[str], None]
    ) -> None:
        """Count the iterations without improvement, and keep the best parameters."""
        if validation is not None:
            if self.validation_loss_curve_ is None:
                self.validation_loss_curve_ = []
            loss = self._finite(self._loss_of(validation), "validation loss", validation)
            self.validation_loss_curve_.append(loss)
        if not self.early_stopping:
            if self.solver == "lbfgs":
                return
            loss = self.loss_curve_[-1]
            self._no_improvement_count += 1
            if not loss > self.best_loss_ - self.tol:
                self._no_improvement_count = 0
            if loss < self.best_loss_:
                self.best_loss_ = loss
            return
        assert validation is not None
        name = getattr(self.scoring, "__name__", self.scoring) or (
            "accuracy" if is_classifier(self) else "r2"
        )
        score = self._finite(self._validation_score(validation), f"score {name!r}", validation)
        self.validation_scores_.append(score)
        progress(f"Validation score: {score:f}")
        self._no_improvement_count += 1
        if not score < self.best_validation_score_ + self.tol:
            self._no_improvement_count = 0
        if score > self.best_validation_score_ or not hasattr(self, "_best"):
            self._best = params.copy()
        if score > self.best_validation_score_:
            self.best_validation_score_ = score

    def _finite(self, value: float, name: str, validation: Validation) -> float:
        """Refuse what nothing can be compared with."""
        if np.isfinite(value):
            return value
        lacking = self._lacking(validation.y)
        if len(lacking):
            cause = (
                f"the validation data lacks the classes {lacking.tolist()}: give X_val with all, "
                "or a larger validation_fraction"
            )
        elif len(validation.y) < 2:
            cause = "the validation data is a single example"
        else:
            cause = (
                "the predictions may have become too large: try a smaller learning_rate_init and "
                "scaled data"
            )
        raise ValueError(f"the {name} is {value} in epoch {self.n_iter_}: {cause}")

    def _validation_score(self, validation: Validation) -> float:
        if self.scoring == "loss":
            return float(-self.validation_loss_curve_[-1])
        X, y, weights, scorer = validation
        if scorer is None:
            return self._score(X, y, **({} if weights is None else {"sample_weight": weights}))
        try:
            return scorer(self, X, y)
        except ValueError as error:
            lacking = self._lacking(y)
            if len(lacking):
                error.add_note(f"The validation data lacks the classes {lacking.tolist()}.")
            raise

    def _score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score without a check of the input; scikit-learn's subclasses override it."""
        y_pred = self._predict(X, check_input=False)
        if np.issubdtype(y_pred.dtype, np.floating) and not np.isfinite(y_pred).all():
            return np.nan
        score = accuracy_score if is_classifier(self) else r2_score
        return float(score(y, y_pred, sample_weight=sample_weight))

    def _loss_of(self, validation: Validation) -> float:
        """Compute the mean loss of examples, without the L2 term."""
        X, y, weights, _ = validation
        if is_classifier(self):
            y = self._label_binarizer.transform(y)
        y = np.reshape(y, (len(y), -1))
        plan, params, _ = self._bind()
        T, labels = self._targets(y, params.dtype)
        w = None if weights is None else native(weights, params.dtype, "C")
        sparse = is_sparse(X)
        X = csr(X, "X_val", X.shape[1]).astype(params.dtype) if sparse else readable(X)
        sums = [plan.evaluate(X, T, labels, w, 0, len(y))]
        constants = self._loss_constants(y)
        constant = 0.0 if constants is None else np.average(constants, weights=weights)
        return float(mean_cost(sums) * self._loss_scale() + constant)
