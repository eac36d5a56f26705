"""The attributes of an estimator: its parameters, and those that a fit leaves.

The other files of this wing are given an estimator, read and write these attributes, and call none
of its methods. scikit-learn's methods and decorators, which have no types, are declared here too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if

from fastdnn._arrays import Array

_F = TypeVar("_F", bound=Callable[..., Any])
_E = TypeVar("_E")

# parameters that are one of a few names, as a checker reads them
Solver = Literal["adam", "sgd", "lbfgs"]
Schedule = Literal["constant", "invscaling", "adaptive"]


class Declared:
    """The attributes of both estimators."""

    # parameters
    hidden_layer_sizes: ArrayLike
    activation: str | Sequence[str]
    solver: Solver
    alpha: float
    batch_size: int | Literal["auto"]
    learning_rate: Schedule
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool | int | Literal["bar"]
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: int
    max_fun: int
    scoring: Any
    dropout: float
    weight_decay: float
    clip_norm: float | None
    max_time: float | None
    n_threads: int | None
    reproducible: bool | None
    loss: str

    # left by a fit
    coefs_: list[Array]
    intercepts_: list[Array]
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    n_features_in_: int
    feature_names_in_: Array
    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None

    # kept for the next call; two names are scikit-learn's
    _label_binarizer: Any
    _random_state: np.random.RandomState
    _no_improvement_count: int
    _optimizer: Any
    _fitted_sizes: list[int]
    _fitted_scoring: Any
    _n_fitted: int
    # the activation of the layer that is being drawn
    _drawn: str | Sequence[str]


if TYPE_CHECKING:

    class Estimator:
        """The methods of all scikit-learn's estimators; the last from 1.9 on."""

        def __getstate__(self) -> dict[str, Any]: ...
        def __setstate__(self, state: dict[str, Any]) -> None: ...
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Self: ...
        def __sklearn_clone__(self) -> Self: ...
        def get_metadata_routing(self) -> Any: ...
        def set_callbacks(self, *callbacks: Any) -> Self: ...

    class Theirs(Estimator):
        """The methods of scikit-learn's perceptrons, those too that ours call."""

        def predict(self, X: Any) -> Array: ...
        def set_fit_request(
            self, *, sample_weight: bool | str | None = ..., X_val: bool | str | None = ...,
            y_val: bool | str | None = ..., sample_weight_val: bool | str | None = ...,
        ) -> Self: ...  # fmt: skip
        def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
        def _validate_input(
            self, X: Any, y: Any, incremental: bool, reset: bool
        ) -> tuple[Any, Array]: ...
        def _predict(self, X: Any, check_input: bool = True) -> Array: ...
        def _check_solver(self) -> bool: ...
        def predict_log_proba(self, X: Any) -> Array: ...

else:
    Theirs = object


def trains(function: _F) -> _F:
    """Decorate a method that trains: the parameters are checked first, as scikit-learn does."""
    return cast(_F, _fit_context(prefer_skip_nested_validation=True)(function))


def only_if(check: Callable[[Any], bool]) -> Callable[[_F], _F]:
    """Decorate a method that an estimator has only if the check says so."""
    return cast(Callable[[_F], _F], available_if(check))


def keep(estimator: object, parameters: dict[str, Any]) -> None:
    """Set the attributes to the arguments of `__init__`, given as its `locals()`."""
    for name, value in parameters.items():
        if name != "self":
            setattr(estimator, name, value)


class Copied:
    """A mixin that comes before scikit-learn's class: pickles and copies beside a fit."""

    def __getstate__(self) -> dict[str, Any]:
        # scikit-learn gives the attributes themselves, which another thread may set meanwhile: a
        # dict of a dict is made at once, also without a GIL
        state = dict(cast(dict[str, Any], super().__getstate__()))
        state.pop("_owner", None)
        return state


FITTED = "this estimator is being fitted: let that end, or fit a clone of it"


@contextmanager
def apart(estimator: Any) -> Iterator[Any]:
    """Fit a copy of an estimator, in one thread at a time, whose attributes it takes at the end.

    Until then, and where that fails, it is what it was.
    """
    found, owner = vars(estimator), object()
    try:
        if found.setdefault("_owner", owner) is not owner:
            raise RuntimeError(FITTED)
        made = of_now(estimator)
        before = dict(vars(made))
        yield made
        _take(found, before, vars(made))
    finally:
        # without a call, between whose parts an interrupt could come
        if "_owner" in found and found["_owner"] is owner:
            del found["_owner"]


def _take(found: dict[str, Any], before: dict[str, Any], now: dict[str, Any]) -> None:
    """Take the attributes that a fit has changed; others may have set parameters meanwhile."""
    gone = before.keys() - now.keys()
    # at once: who predicts meanwhile finds the attributes of one fit
    found.update({k: v for k, v in now.items() if k not in before or before[k] is not v})
    for name in gone:
        found.pop(name, None)


def of_now(estimator: _E) -> _E:
    """Make an estimator of another's attributes, all of one moment."""
    cls = type(estimator)
    made = cls.__new__(cls)
    found = vars(made)
    found.update(vars(estimator))
    found.pop("_owner", None)
    return made
