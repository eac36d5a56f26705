"""A regressor of tables."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _check_y

from fastdnn._arrays import Array
from fastdnn._fit.names import ACTIVATIONS, lists
from fastdnn._fit.results import State
from fastdnn._sklearn import recipe, theirs
from fastdnn._sklearn.declared import apart, keep, of_now, trains
from fastdnn._sklearn.documented import TABULAR, documented
from fastdnn._sklearn.recipe import Examples
from fastdnn._sklearn.tabular import Tabular


@lists(activations=ACTIVATIONS)
@documented(TABULAR)
class TabularMLPRegressor(theirs.RegressorMixin, Tabular):
    """A regressor of tables as they are, of numbers and categories: the recipe RealMLP-TD-S.

    As `TabularMLPClassifier`, but for an activation that is smooth, a greater rate, and targets
    that are standardised; the loss is the mean square of their errors.

    Parameters
    ----------
    validation_fraction : float or None
        Share of the rows that is set apart to choose the best epoch by; None for none, and the last
        epoch. Not used where `fit` is given X_val.
    scoring : str, callable or None
        What the best epoch is chosen by: any scorer of scikit-learn, or a callable that is given an
        estimator, rows that are made ready, and their targets. By default the mean squared error of
        the standardised targets, with a minus.
    clip_output : bool
        Predict nothing below or above all targets that were trained on.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray, shape (n_outputs,)
        What is taken off the targets, and what they are divided by then.
    preprocessor_ : TabularPreprocessor
        What makes the columns ready, fitted to the rows that are trained on; of several networks
        with rows set apart, to all rows.
    network_ : Network
        A plain network, all factors folded into its weights: of prepared rows its `predict` gives
        the standardised targets.
    networks_ : list of Network
        All, if there are several, of whose predictions the mean is taken; `network_` is the first
        one, and so are the curves its.
    n_iter_, best_iter_ : int
        Epochs that were trained, and those after which the weights were kept.
    best_score_ : float or None
        The score of that epoch, where validation data was there.
    loss_curve_ : list of float
        Mean squared error of the standardised targets in each epoch.
    validation_scores_ : list of float or None
        The score after each epoch.
    n_features_in_, feature_names_in_ : int, ndarray of str
        The table's columns, and their names, if it has some.

    See Also
    --------
    TabularMLPClassifier : The same for classes.
    TabularPreprocessor : What makes the columns ready, alone.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastdnn.estimators import TabularMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = TabularMLPRegressor((32, 32), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.3
    True
    """

    __module__ = "fastdnn.estimators"

    clip_output: bool
    target_mean_: Array
    target_scale_: Array
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Tabular._parameter_constraints,
        "clip_output": ["boolean"],
    }
    _output = "identity"
    _metric = "cost"

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (256, 256, 256),
        activation: str | Sequence[str] = "mish",
        *,
        learning_rate_init: float = 0.07,
        beta_1: float = 0.9,
        beta_2: float = 0.95,
        epsilon: float = 1e-8,
        batch_size: int = 256,
        max_iter: int = 256,
        scale_rate: float = 6.0,
        bias_rate: float = 0.1,
        validation_fraction: float | None = 0.2,
        scoring: Any = None,
        categorical_features: Any = "from_dtype",
        clip_output: bool = False,
        dtype: Any = "float32",
        random_state: Any = None,
        verbose: bool | int = False,
        max_time: float | None = None,
        n_threads: int | None = None,
        n_ensemble: int = 1,
    ) -> None:
        keep(self, locals())

    @trains
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:  # fmt: skip
        """Train on a table and its targets.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table, whose numbers may be missing.
        y : array-like, shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like, shape (n_samples,), optional
            Weights of the rows in the loss and the score; a row of weight 0 is left out.
        X_val, y_val : array-like, optional
            Rows by which the best epoch is chosen, instead of a share of X.
        sample_weight_val : array-like, optional
            Weights of those.

        Returns
        -------
        TabularMLPRegressor
            The estimator itself; where an error is raised, it is what it was.

        Raises
        ------
        sklearn.utils._param_validation.InvalidParameterError
            If a parameter is of a wrong type or value.
        TypeError, ValueError
            If the table is not what `TabularPreprocessor` takes, or a target is not finite; or if a
            score is not.
        """
        with apart(self) as made:
            made._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self

    def predict(self, X: Any) -> Array:
        """Predict the targets.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table.

        Returns
        -------
        ndarray of float64, shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        """
        now = of_now(self)
        Y = now._labels(now._predicted(X))
        if now.clip_output:
            Y = np.clip(Y, *now._bounds)
        return Y

    def __sklearn_tags__(self) -> Any:
        """Tell what targets it takes."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _targets(self, y: Any, name: str, reset: bool) -> Array:
        Y = _check_y(y, multi_output=True, y_numeric=True, estimator=self).astype(np.float64)
        shape = Y.shape[1:]
        if reset:
            self._shape = shape
        elif shape != self._shape:
            known = f"(n_samples, {self._shape[0]})" if self._shape else "(n_samples,)"
            raise ValueError(f"{name} has the shape {Y.shape}, but y {known}")
        return cast(Array, Y.reshape(len(Y), -1))

    def _for_network(self, Y: Array, weights: Array | None, reset: bool) -> Array:
        if reset:
            with np.errstate(over="ignore", invalid="ignore"):
                self.target_mean_ = np.average(Y, axis=0, weights=weights)
                off = Y - self.target_mean_
                # squares of what is huge or tiny are kept from infinity and from 0
                most = np.abs(off).max(axis=0)
                unit = np.where(most == 0, 1, most)
                of = np.average((off / unit) ** 2, axis=0, weights=weights)
            self.target_scale_ = unit * np.sqrt(of)
            if not np.isfinite(self.target_scale_).all():
                raise ValueError("y has numbers too far apart for float64: scale them")
            self._bounds = Y.min(axis=0).reshape(self._shape), Y.max(axis=0).reshape(self._shape)
        # a target that is constant stays what it is
        return (Y - self.target_mean_) / np.where(self.target_scale_ == 0, 1, self.target_scale_)

    def _outputs(self, Y: Array) -> int:
        return int(Y.shape[1])

    def _losses(self, costs: list[float], outputs: int) -> list[float]:
        # the network's cost is half the square, summed over the outputs
        return [2 / outputs * cost for cost in costs]

    def _asked(self, outputs: int) -> dict[str, Any]:
        # as much smaller as its gradient
        return {"optimizer": recipe.optimizer(self, self.epsilon * outputs / 2)}

    def _scores(self, values: list[float], validation: Examples) -> list[float]:
        return [-value for value in self._losses(values, validation.Y.shape[1])]

    def _metric_of(self, validation: Examples) -> Any:
        if self.scoring is not None or not self.clip_output:
            return super()._metric_of(validation)
        low, high = (self._for_network(each.reshape(1, -1), None, False) for each in self._bounds)

        def metric(state: State) -> float:
            found = state.network.predict(validation.X, n_threads=self.n_threads)
            errors = np.clip(found, low, high) - validation.Y
            return float(np.average((errors**2).sum(axis=1) / 2, weights=validation.weights))

        return metric

    def _labels(self, Y: Array) -> Array:
        found = Y * self.target_scale_ + self.target_mean_
        return found.reshape(-1, *self._shape)
