"""What the estimators of tables share: their parameters, and the course of a fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from numbers import Integral, Real
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from fastdnn._arrays import Array
from fastdnn._fit.names import ACTIVATIONS
from fastdnn._fit.results import State
from fastdnn._sklearn import recipe, tables, theirs
from fastdnn._sklearn.declared import Copied
from fastdnn._sklearn.preprocessor import TabularPreprocessor, element_type
from fastdnn._sklearn.recipe import Examples
from fastdnn._sklearn.stopping import Validation, scorer_of
from fastdnn.network import Network


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Say what an error is about: scikit-learn calls all rows X and y."""
    try:
        yield
    except (TypeError, ValueError) as error:
        error.add_note(f"This is about {what}.")
        raise


class _Ready:
    """Stands for a preprocessor where the examples are ready."""

    def _made(self, table: Any) -> Any:
        return table


class Tabular(Copied, theirs.BaseEstimator):
    """What the classifier and the regressor share."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, 2**31 - 1, closed="both")],
        "scale_rate": [Interval(Real, 0, None, closed="left")],
        "bias_rate": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "categorical_features": TabularPreprocessor._parameter_constraints["categorical_features"],
        "dtype": "no_validation",
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "n_threads": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
        "n_ensemble": [Interval(Integral, 1, None, closed="left")],
    }

    hidden_layer_sizes: ArrayLike
    activation: Any
    learning_rate_init: float
    beta_1: float
    beta_2: float
    epsilon: float
    batch_size: int
    max_iter: int
    scale_rate: float
    bias_rate: float
    validation_fraction: float | None
    scoring: Any
    categorical_features: Any
    dtype: Any
    random_state: Any
    verbose: bool | int
    max_time: float | None
    n_threads: int | None
    n_ensemble: int

    n_features_in_: int
    feature_names_in_: Array
    n_iter_: int
    best_iter_: int
    best_score_: float | None
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    preprocessor_: TabularPreprocessor
    network_: Network
    networks_: list[Network]

    # ------------------------------------------------------------------- what a kind of targets has

    _output: ClassVar[str]
    # what is looked at by default
    _metric: ClassVar[str]

    def _targets(self, y: Any, name: str, reset: bool) -> Array:
        """Judge targets; classes become indices."""
        raise NotImplementedError

    def _for_network(self, Y: Array, weights: Array | None, reset: bool) -> Array:
        """Make targets of a network."""
        raise NotImplementedError

    def _outputs(self, Y: Array) -> int:
        """Count the outputs that such targets need."""
        raise NotImplementedError

    def _losses(self, costs: list[float], outputs: int) -> list[float]:
        """Make losses of a network's costs."""
        return list(costs)

    def _asked(self, outputs: int) -> dict[str, Any]:
        """Say what else a fit is told."""
        raise NotImplementedError

    def _scores(self, values: list[float], validation: Examples) -> list[float]:
        """Make scores, which shall grow, of what is looked at by default."""
        raise NotImplementedError

    def _temperature(self, net: Network, validation: Examples | None) -> float:
        """Say what the outputs' weights are divided by."""
        return 1.0

    def _labels(self, Y: Array) -> Array:
        """Give targets back as the user has them."""
        return Y

    def __sklearn_tags__(self) -> Any:
        """Tell what tables it takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    # ------------------------------------------------------------------------------------------ fit

    def _fit(self, X: Any, y: Any, weights: Any, X_val: Any, y_val: Any, weights_val: Any) -> None:
        deadline = () if self.max_time is None else (recipe.Deadline(self.max_time),)
        dtype, count = element_type(self.dtype), self.n_ensemble
        random = check_random_state(self.random_state)
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together")
        if weights_val is not None and X_val is None:
            raise ValueError("sample_weight_val needs X_val and y_val")
        rows = self._examples(X, y, weights, "", reset=True)
        rows_val = None
        parts: list[Any] = [None] * count
        if X_val is not None:
            with _about("X_val and y_val"):
                rows_val = self._examples(X_val, y_val, weights_val, "_val", reset=False)
        elif self.validation_fraction is not None:
            classes = rows.Y if self._output == "softmax" else None
            fraction = float(self.validation_fraction)
            parts = recipe.set_apart(len(rows.Y), fraction, count, classes, random)
            if count == 1:
                rows_val = rows.rows(parts[0])
                rows, parts = rows.rows(np.delete(np.arange(len(rows.Y)), parts[0])), [None]
        prep = TabularPreprocessor(self.categorical_features, dtype=dtype.name).fit(rows.X)

        def ready(of: Examples, reset: bool) -> Examples:
            with np.errstate(over="ignore"):
                Y = self._for_network(of.Y, of.weights, reset)
                Y = Y.astype(dtype if Y.ndim > 1 else int)
            if not np.isfinite(Y).all():
                raise ValueError("the targets are too far from those that are trained on")
            return Examples(prep._made(of.X), Y, of.weights)

        examples = ready(rows, True)
        with _about("X_val and y_val" if X_val is not None else "the rows set apart"):
            validation = None if rows_val is None else ready(rows_val, False)
        self._train(examples, parts, validation, random, deadline)
        self.preprocessor_ = prep

    def _examples(self, X: Any, y: Any, weights: Any, of: str, reset: bool) -> Examples:
        """Judge rows, and leave out those of no weight."""
        table = tables.taken(self, X, reset)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        Y = self._targets(y, f"y{of}", reset)
        check_consistent_length(table, Y)
        rows = Examples(table, Y, None)
        if weights is None:
            return rows
        name = f"sample_weight{of}"
        weights = _check_sample_weight(weights, table, dtype=np.float64)
        if (weights < 0).any() or not weights.any():
            raise ValueError(f"{name} must be at least 0, and above 0 somewhere")
        if weights.max() > np.finfo(np.float64).max / len(weights):
            raise ValueError(f"{name} must have a finite sum")
        rows = rows._replace(weights=weights)
        return rows if weights.all() else rows.rows(np.flatnonzero(weights))

    def _train(
        self, examples: Examples, parts: list[Any], validation: Examples | None, random: Any,
        callbacks: tuple[Any, ...],
    ) -> None:  # fmt: skip
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.size and (sizes.ndim > 1 or sizes.dtype.kind not in "iu" or (sizes < 1).any()):
            raise ValueError(
                f"hidden_layer_sizes must be integers of at least 1, got {self.hidden_layer_sizes}"
            )
        outputs = self._outputs(examples.Y)
        dims = [examples.X.shape[1], *map(int, sizes), outputs]
        nets = [
            recipe.network(dims, self.activation, self._output, examples.X.dtype, random)
            for _ in parts
        ]
        of_each = [validation if part is None else examples.rows(part) for part in parts]
        metrics = [None if of is None else self._metric_of(of) for of in of_each]
        settings = {
            "epochs": self.max_iter,
            "batch_size": self.batch_size,
            "rate_factors": {"scale": self.scale_rate, "b": self.bias_rate},
            "callbacks": callbacks,
            **self._asked(outputs),
        }
        try:
            histories = recipe.train(
                nets, examples, parts, validation, metrics, self.n_threads, bool(self.verbose),
                settings,
            )  # fmt: skip
        except FloatingPointError as error:
            raise ValueError(
                f"{str(error).partition(':')[0]}: try a smaller learning_rate_init"
            ) from None
        kept = zip(histories, of_each, strict=True)
        if any(of is not None and history.best_epoch is None for history, of in kept):
            raise ValueError(
                "the validation's error is infinite in every epoch: its targets are too far from "
                "those that are trained on"
            )
        self.networks_ = [
            recipe.plain(net, self.activation, self._output, self._temperature(net, of))
            for net, of in zip(nets, of_each, strict=True)
        ]
        self.network_ = self.networks_[0]
        first, of = histories[0], of_each[0]
        self.loss_curve_ = self._losses(first.costs, outputs)
        self.n_iter_ = self.best_iter_ = len(first.costs)
        self.validation_scores_ = self.best_score_ = None
        if of is not None:
            values, best = first.validation_scores, first.best_epoch
            assert best is not None
            self.validation_scores_ = (
                [-value for value in values]
                if self.scoring is not None
                else self._scores(values, of)
            )
            self.best_iter_, self.best_score_ = best + 1, self.validation_scores_[best]

    def _metric_of(self, validation: Examples) -> Any:
        """Make what is looked at after each epoch, which shall fall."""
        if self.scoring is None:
            return self._metric
        seen = copy(self)
        vars(seen).pop("feature_names_in_", None)
        seen.n_features_in_, seen.preprocessor_ = validation.X.shape[1], cast(Any, _Ready())
        given = Validation(validation.X, self._labels(validation.Y), validation.weights)
        score = scorer_of(seen, self.scoring, given, getattr(self, "classes_", None))
        name = getattr(self.scoring, "__name__", self.scoring)

        def metric(state: State) -> float:
            seen.networks_ = [state.network]
            with _about("scoring"):
                value = score()
            if not np.isfinite(value):
                raise ValueError(
                    f"the score {name!r} is {value} in epoch {len(state.history.costs)}: give "
                    "X_val and y_val, or a larger validation_fraction, or another scoring"
                )
            return -value

        return metric

    # -------------------------------------------------------------------------------------- predict

    def _predicted(self, X: Any) -> Array:
        """Average what the networks predict."""
        check_is_fitted(self, "networks_")
        Z = self.preprocessor_._made(tables.taken(self, X, reset=False))
        found = [net.predict(Z, n_threads=self.n_threads) for net in self.networks_]
        return found[0] if len(found) == 1 else np.mean(found, axis=0)
