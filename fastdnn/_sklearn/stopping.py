"""Early stopping: losses, and scores of validation data."""

import warnings
from collections.abc import Callable
from copy import copy
from inspect import signature
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer

from fastdnn._arrays import Array
from fastdnn._core.stretch import Stretch
from fastdnn._sklearn.callbacks import Progress
from fastdnn._sklearn.declared import Declared


class Validation(NamedTuple):
    """Validation data: the examples, their targets or classes, and their weights."""

    X: Any
    y: Array
    weights: Array | None


def set_apart(
    estimator: Declared, X: Any, y: Array, weights: Array | None, given: Validation | None,
    random: np.random.RandomState,
) -> tuple[Any, Array, Array | None, Validation | None]:  # fmt: skip
    """Set validation data apart, as scikit-learn does: return X, y, weights and that data.

    If validation data was given, nothing is set apart.
    """
    stops = estimator.early_stopping
    # early_stopping alone does nothing under "lbfgs", as in scikit-learn
    if given is not None or not (stops and (estimator.solver != "lbfgs" or estimator.scoring)):
        return X, y, weights, given
    classifies = isinstance(estimator, ClassifierMixin)
    arrays = [X, y] if weights is None else [X, y, weights]
    parts = train_test_split(
        *arrays,
        random_state=random,
        test_size=estimator.validation_fraction,
        # scikit-learn stratifies no multilabel data
        stratify=y if classifies and estimator.n_outputs_ == 1 else None,
    )
    X, X_val, y, y_val, *rest = parts
    if X_val.shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size "
            "of your dataset."
        )
    if classifies:
        y_val = estimator._label_binarizer.inverse_transform(y_val)
    weights, weights_val = rest or (None, None)
    return X, y, weights, Validation(X_val, y_val, weights_val)


def lacking(validation: Validation, classes: Array | None) -> list[Any]:
    """Find the classes that validation data lacks."""
    if classes is None or np.ndim(validation.y) == 2:
        return []
    found: list[Any] = np.setdiff1d(classes, validation.y).tolist()
    return found


def scorer_of(
    estimator: Any, scoring: Any, validation: Validation, classes: Array | None
) -> Callable[[], float]:
    """Make a function that scores the validation data by the parameter `scoring`."""
    scorer = check_scoring(estimator, scoring)
    takes = signature(getattr(scorer, "_score_func", scorer)).parameters
    X, y, weights = validation
    given = {}
    if weights is not None and "sample_weight" in takes:
        given["sample_weight"] = weights
    kept = getattr(scorer, "_kwargs", {})
    missing = lacking(validation, classes)
    if (
        missing
        and "predict_proba" in np.ravel(getattr(scorer, "_response_method", ()))
        and "labels" in takes
        and "labels" not in kept
    ):
        # without all classes a scorer would mistake the columns of the probabilities
        scorer = copy(scorer)
        scorer._kwargs = kept | {"labels": classes}

    def score() -> float:
        found = vars(estimator)
        fitted = {name: value for name, value in found.items() if name.endswith("_")}
        try:
            with warnings.catch_warnings():
                # the validation data has no names of features any more
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                value = scorer(estimator, X, y, **given)
            return _number(value)
        except ValueError as error:
            if missing:
                error.add_note(f"The validation data lacks the classes {missing}.")
            raise
        finally:
            gone = fitted.keys() - found.keys()
            found.update({name: fitted[name] for name in gone})
            if gone:
                raise RuntimeError(
                    f"scoring must leave the estimator as it is, but deletes {min(gone)}"
                )

    return score


def places(validation: Validation, binarizer: Any) -> Array | None:
    """Find the place of each class of validation data, if `predict` takes the greatest output.

    None, if something else decides: weights, several labels, a binarizer of the user's.
    """
    y = np.asarray(validation.y)
    if not (
        y.ndim == 1
        and validation.weights is None
        and type(binarizer) is LabelBinarizer
        and (binarizer.neg_label, binarizer.pos_label) == (0, 1)
        and binarizer.y_type_ in ("binary", "multiclass")
        and (binarizer.y_type_ == "multiclass" or len(binarizer.classes_) == 2)
    ):
        return None
    classes = binarizer.classes_
    at = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    return at.astype(np.int64) if np.array_equal(classes[at], y) else None


def _number(value: Any) -> float:
    """Take a scorer's result as a number."""
    try:
        value = value.item() if hasattr(value, "item") else value
        if isinstance(value, Real):
            return float(value)
    except (OverflowError, ValueError):  # an integer of 300 digits, several numbers
        pass
    raise ValueError(f"scoring must return a number, got {value!r} of type {type(value).__name__}")


class Judge:
    """Judges iterations: records them, counts those without improvement, keeps the best weights.

    Parameters
    ----------
    records : Declared
        An estimator, whose records these are.
    params : ndarray
        The arena of what is trained.
    validation : Validation or None
    loss : callable or None
        Computes the mean loss of the validation data now.
    score : callable or None
        Computes the score of early stopping; None: the training loss is judged.
    classes : ndarray of int64, optional
        The places of the validation data's classes, if the score is how many are predicted.
    """

    def __init__(
        self, records: Declared, params: Array, validation: Validation | None,
        loss: Callable[[], float] | None, score: Callable[[], float] | None,
        classes: Array | None = None,
    ) -> None:  # fmt: skip
        self._records, self._params, self._validation = records, params, validation
        self._loss, self._score, self._classes = loss, score, classes
        self._best: Array | None = None
        # where the compiled code keeps them
        self._kept: Array | None = None
        before = records.best_validation_score_
        if score is not None and before is not None and before > -np.inf:
            # the score that a warm start must exceed
            self._best = params.copy()

    def judge(self, progress: Progress) -> None:
        """Judge the iteration that has ended."""
        records = self._records
        if self._loss is not None:
            if records.validation_loss_curve_ is None:
                records.validation_loss_curve_ = []
            loss = self._finite(self._loss(), "validation loss")
            records.validation_loss_curve_.append(loss)
        if self._score is not None:
            self._judge_score(self._score, progress)
        elif records.solver != "lbfgs":
            self._judge_loss(records.loss_curve_[-1])

    def _judge_loss(self, loss: float) -> None:
        records = self._records
        best = np.inf if records.best_loss_ is None else records.best_loss_
        records._no_improvement_count += 1
        if not loss > best - records.tol:
            records._no_improvement_count = 0
        if loss < best:
            records.best_loss_ = loss

    def _judge_score(self, score_of: Callable[[], float], progress: Progress) -> None:
        records = self._records
        asked = records.scoring
        name = getattr(asked, "__name__", asked) or (
            "accuracy" if isinstance(records, ClassifierMixin) else "r2"
        )
        score = self._finite(score_of(), f"score {name!r}")
        scores, best = records.validation_scores_, records.best_validation_score_
        assert scores is not None
        assert best is not None
        scores.append(score)
        progress.say(f"Validation score: {score:f}")
        records._no_improvement_count += 1
        if not score < best + records.tol:
            records._no_improvement_count = 0
        if score > best or self._best is None:
            self._best = self._params.copy()
        if score > best:
            records.best_validation_score_ = score

    def known(self) -> bool:
        """Tell whether the compiled code can judge the iterations, too."""
        records = self._records
        numbers = records.tol, records.n_iter_no_change
        return (
            # of other types Python compares in another way
            all(type(x) is float or (type(x) is int and abs(x) < 2**53) for x in numbers)
            and (self._score is None or self._classes is not None or records.scoring == "loss")
        )

    def begin(self, stretch: Stretch) -> None:
        """Let the compiled code judge the iterations."""
        records = self._records
        what = "cost"
        if self._score is not None:
            what = "loss" if records.scoring == "loss" else "hits"
            self._kept = self._params.copy() if self._best is None else self._best
        patience = float(records.n_iter_no_change)
        stretch.judge(what, float(records.tol), patience, self._kept, self._classes)
        self.go_on(stretch)

    def go_on(self, stretch: Stretch) -> None:
        """Tell it what was best so far."""
        records = self._records
        best = records.best_loss_ if self._score is None else records.best_validation_score_
        best = np.inf if best is None else best
        stretch.go_on(best, records._no_improvement_count, self._best is not None)

    def take(self, stretch: Stretch) -> None:
        """Record the iterations that it has judged."""
        records, losses = self._records, stretch.losses
        unknown = stretch.end == "unknown"
        if self._loss is not None:
            if records.validation_loss_curve_ is None:
                records.validation_loss_curve_ = []
            records.validation_loss_curve_ += losses[:-1] if unknown else losses
        best, records._no_improvement_count, has_best = stretch.improvement
        if self._score is None:
            records.best_loss_ = best
        else:
            scores = stretch.scores
            assert records.validation_scores_ is not None
            records.validation_scores_ += scores[:-1] if unknown else scores
            records.best_validation_score_ = best
            self._best = self._kept if has_best else None
        if unknown:
            self._finite(losses[-1], "validation loss")

    def best(self, last: Array) -> Array:
        """Go to the best weights, or to the last if no score has been computed."""
        return last if self._best is None else self._best

    def restore(self) -> None:
        """Go back to the best weights, if a score has been computed."""
        if self._best is not None:
            self._params[:] = self._best

    def _finite(self, value: float, name: str) -> float:
        """Refuse a number that compares with no other."""
        if np.isfinite(value):
            return value
        assert self._validation is not None
        missing = lacking(self._validation, getattr(self._records, "classes_", None))
        if missing:
            cause = (
                f"the validation data lacks the classes {missing}: give X_val with all, "
                "or a larger validation_fraction"
            )
        elif len(self._validation.y) < 2:
            cause = "the validation data is a single example"
        else:
            cause = (
                "the predictions may have become too large: try a smaller learning_rate_init and "
                "scaled data"
            )
        raise ValueError(f"the {name} is {value} in epoch {self._records.n_iter_}: {cause}")
