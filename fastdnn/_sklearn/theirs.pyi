# scikit-learn has no types: of a class that extends one of its own, a checker would take every name
# for right. Here is what scikit-learn documents of them, and what ours call beside.

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from fastdnn._arrays import Array
from fastdnn._sklearn.declared import Estimator, Theirs

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "GridSearchCV",
    "MLPClassifier",
    "MLPRegressor",
    "RandomizedSearchCV",
    "RegressorMixin",
    "TransformerMixin",
]

class BaseEstimator(Estimator):
    def __sklearn_tags__(self) -> Any: ...

class TransformerMixin:
    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any: ...
    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self: ...

class ClassifierMixin:
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...

class RegressorMixin:
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...

class MLPClassifier(Theirs):
    _parameter_constraints: ClassVar[dict[str, list[Any]]]
    def set_partial_fit_request(
        self, *, classes: bool | str | None = ..., sample_weight: bool | str | None = ...
    ) -> Self: ...

class MLPRegressor(Theirs):
    _parameter_constraints: ClassVar[dict[str, list[Any]]]
    def set_partial_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...

class _Search(Estimator):
    estimator: Any
    scoring: Any
    n_jobs: int | None
    refit: Any
    cv: Any
    verbose: int
    pre_dispatch: int | str
    error_score: float | str
    return_train_score: bool

    cv_results_: dict[str, Any]
    best_estimator_: Any
    best_score_: float
    best_params_: dict[str, Any]
    best_index_: int
    scorer_: Any
    n_splits_: int
    refit_time_: float
    multimetric_: bool
    @property
    def classes_(self) -> Array: ...
    @property
    def n_features_in_(self) -> int: ...
    feature_names_in_: Array

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self: ...
    def predict(self, X: Any) -> Array: ...
    def predict_proba(self, X: Any) -> Array: ...
    def predict_log_proba(self, X: Any) -> Array: ...
    def decision_function(self, X: Any) -> Array: ...
    def transform(self, X: Any) -> Any: ...
    def inverse_transform(self, X: Any) -> Any: ...
    def score(self, X: Any, y: Any = None, **params: Any) -> float: ...
    def score_samples(self, X: Any) -> Array: ...

class GridSearchCV(_Search):
    param_grid: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    def __init__(
        self,
        estimator: Any,
        param_grid: Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Iterable[Any]]],
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: float | str = ...,
        return_train_score: bool = False,
    ) -> None: ...

class RandomizedSearchCV(_Search):
    param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    n_iter: int
    random_state: Any
    def __init__(
        self,
        estimator: Any,
        param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: Any = None,
        error_score: float | str = ...,
        return_train_score: bool = False,
    ) -> None: ...
