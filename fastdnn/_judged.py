"""What the estimators look at to stop early: losses, and scores of validation data."""

import warnings
from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, check_scoring, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import assert_all_finite, check_consistent_length, validate_data

from fastdnn._arrays import Array, native, readable
from fastdnn._sparse import as_csr, csr, is_sparse
from fastdnn._training import mean_cost


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

    def _validation(self, X_val: Any, y_val: Any) -> tuple[Any, Any] | None:
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together")
        if X_val is None:
            return None
        X_val = validate_data(
            self, X_val, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False
        )
        y_val = y_val.toarray() if hasattr(y_val, "toarray") else np.asarray(y_val)
        check_consistent_length(X_val, y_val)
        outputs = y_val.shape[1] if y_val.ndim == 2 else 1
        if is_classifier(self):
            unknown = np.setdiff1d(y_val, self.classes_)
            if len(unknown) and outputs == 1:
                raise ValueError(f"y_val has classes that y has not: {unknown}")
            several = self._label_binarizer.y_type_.startswith("multilabel")
            fits = outputs == (self.n_outputs_ if several else 1)
        else:
            assert_all_finite(y_val, input_name="y_val")
            fits = outputs == self.n_outputs_
        if not fits:
            raise ValueError(f"y_val has {outputs} outputs, but y has {self.n_outputs_}")
        return as_csr(X_val), y_val

    def _split(
        self, X: Any, y: Array, sample_weight: Any, validation: tuple[Any, Any] | None
    ) -> tuple[Any, Array, Any, Any]:
        """Set apart what early stopping looks at, as scikit-learn does: X, y, weights of either."""
        if validation is not None:
            return X, y, sample_weight, (*validation, None)
        # by itself it does nothing under "lbfgs", as in scikit-learn
        if not self.early_stopping or (self.solver == "lbfgs" and self.scoring is None):
            return X, y, sample_weight, None
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
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        if is_classifier(self):
            y_val = self._label_binarizer.inverse_transform(y_val)
        return X, y, weights[0] if weights else None, (X_val, y_val, (weights or [0, None])[1])

    def _judge(self, validation: Any, params: Array, progress: Callable[[str], None]) -> None:
        """Count the iterations without improvement, and keep the best parameters."""
        if validation is not None:
            if self.validation_loss_curve_ is None:
                self.validation_loss_curve_ = []
            self.validation_loss_curve_.append(self._loss_of(*validation))
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
        score = self._validation_score(*validation)
        self.validation_scores_.append(score)
        progress(f"Validation score: {score:f}")
        self._no_improvement_count += 1
        if not score < self.best_validation_score_ + self.tol:
            self._no_improvement_count = 0
        if score > self.best_validation_score_ or not hasattr(self, "_best"):
            self._best = params.copy()
        if score > self.best_validation_score_:
            self.best_validation_score_ = score

    def _validation_score(self, X: Any, y: Any, sample_weight: Any) -> float:
        if self.scoring == "loss":
            return -self.validation_loss_curve_[-1]
        if self.scoring is not None:
            scorer = check_scoring(self, self.scoring)
            options = {"sample_weight": sample_weight}
            takes = signature(getattr(scorer, "_score_func", scorer)).parameters
            if sample_weight is None or "sample_weight" not in takes:
                options = {}
            with warnings.catch_warnings():
                # the validation data has lost its names
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                return float(scorer(self, X, y, **options))
        return self._score(
            X, y, **({} if sample_weight is None else {"sample_weight": sample_weight})
        )

    def _score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score without a check of the input; scikit-learn's subclasses override it."""
        y_pred = self._predict(X, check_input=False)
        if np.issubdtype(y_pred.dtype, np.floating) and not np.isfinite(y_pred).all():
            return np.nan
        score = accuracy_score if is_classifier(self) else r2_score
        return float(score(y, y_pred, sample_weight=sample_weight))

    def _loss_of(self, X: Any, y: Any, sample_weight: Any) -> float:
        """Compute the mean loss of examples, without the L2 term."""
        if is_classifier(self):
            y = self._label_binarizer.transform(y)
        y = np.reshape(y, (len(y), -1))
        plan, params, _ = self._bind()
        T, labels = self._targets(y, params.dtype)
        w = None if sample_weight is None else native(sample_weight, params.dtype, "C")
        sparse = is_sparse(X)
        X = csr(X, "X_val", X.shape[1]).astype(params.dtype) if sparse else readable(X)
        sums = [plan.evaluate(X, T, labels, w, 0, len(y))]
        constants = self._loss_constants(y)
        constant = 0.0 if constants is None else np.average(constants, weights=sample_weight)
        return float(mean_cost(sums) * self._loss_scale() + constant)
