"""A classifier of tables."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, column_or_1d

from fastdnn._arrays import Array
from fastdnn._fit.names import ACTIVATIONS, lists
from fastdnn._sklearn import recipe, theirs
from fastdnn._sklearn.declared import apart, keep, of_now, trains
from fastdnn._sklearn.documented import TABULAR, documented
from fastdnn._sklearn.recipe import Examples
from fastdnn._sklearn.tabular import Tabular
from fastdnn.network import Network


@lists(activations=ACTIVATIONS)
@documented(TABULAR)
class TabularMLPClassifier(theirs.ClassifierMixin, Tabular):
    """A classifier of tables as they are, of numbers and categories: the recipe RealMLP-TD-S.

    A network whose columns are made ready by a `TabularPreprocessor`, each of which has a factor
    that is learnt; whose steps go by Adam in the neural tangent parametrisation, with a rate in
    four waves, on smoothed labels; and of which the best epoch is kept, by rows that are set apart.

    Parameters
    ----------
    label_smoothing : float
        Share of each row's class that is given to all classes alike. It makes fewer errors, and
        probabilities that are too soft: where these matter, see `calibrate`.
    scoring : str, callable or None
        What the best epoch is chosen by: any scorer of scikit-learn, or a callable that is given an
        estimator, rows that are made ready, and their classes. By default the accuracy.
    calibrate : bool
        Divide the logits by one number, for the least log loss of the validation's rows.

    Attributes
    ----------
    classes_ : ndarray
        The classes, sorted.
    preprocessor_ : TabularPreprocessor
        What makes the columns ready, fitted to the rows that are trained on; of several networks
        with rows set apart, to all rows.
    network_ : Network
        A plain network, all factors folded into its weights: of prepared rows its `predict` gives a
        probability for each class.
    networks_ : list of Network
        All, if there are several, of whose probabilities the mean is taken; `network_` is the first
        one, and so are the curves its.
    n_iter_, best_iter_ : int
        Epochs that were trained, and those after which the weights were kept.
    best_score_ : float or None
        The score of that epoch, where validation data was there.
    loss_curve_ : list of float
        Mean loss of each epoch, of the smoothed labels.
    validation_scores_ : list of float or None
        The score after each epoch.
    n_features_in_, feature_names_in_ : int, ndarray of str
        The table's columns, and their names, if it has some.

    See Also
    --------
    TabularMLPRegressor : The same for targets that are numbers.
    TabularPreprocessor : What makes the columns ready, alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastdnn.estimators import TabularMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = TabularMLPClassifier((32, 32), max_iter=64, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    __module__ = "fastdnn.estimators"

    label_smoothing: float
    calibrate: bool
    classes_: Array
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Tabular._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "calibrate": ["boolean"],
    }
    _output = "softmax"
    _metric = "errors"

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (256, 256, 256),
        activation: str | Sequence[str] = "selu",
        *,
        learning_rate_init: float = 0.04,
        beta_1: float = 0.9,
        beta_2: float = 0.95,
        epsilon: float = 1e-8,
        batch_size: int = 256,
        max_iter: int = 256,
        label_smoothing: float = 0.1,
        scale_rate: float = 6.0,
        bias_rate: float = 0.1,
        validation_fraction: float | None = 0.2,
        scoring: Any = None,
        categorical_features: Any = "from_dtype",
        calibrate: bool = False,
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
        """Train on a table and its classes.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table, whose numbers may be missing.
        y : array-like, shape (n_samples,)
            The classes.
        sample_weight : array-like, shape (n_samples,), optional
            Weights of the rows in the loss and the score; a row of weight 0 is left out,
            but its class is one of `classes_`.
        X_val, y_val : array-like, optional
            Rows by which the best epoch is chosen, instead of a share of X.
        sample_weight_val : array-like, optional
            Weights of those.

        Returns
        -------
        TabularMLPClassifier
            The estimator itself; where an error is raised, it is what it was.

        Raises
        ------
        sklearn.utils._param_validation.InvalidParameterError
            If a parameter is of a wrong type or value.
        TypeError, ValueError
            If the table is not what `TabularPreprocessor` takes, there is one class alone, or y_val
            has others; or if a score is not finite.
        """
        with apart(self) as made:
            if made.calibrate and X_val is None and made.validation_fraction is None:
                raise ValueError("calibrate needs X_val and y_val, or a validation_fraction")
            made._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self

    def predict(self, X: Any) -> Array:
        """Predict the most probable class of each row.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table.

        Returns
        -------
        ndarray, shape (n_samples,)
            The classes.
        """
        now = of_now(self)
        P = now.predict_proba(X)
        return cast(Array, now.classes_[P.argmax(axis=1)])

    def predict_proba(self, X: Any) -> Array:
        """Compute the probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table.

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            A row for each row.
        """
        return of_now(self)._predicted(X)

    def predict_log_proba(self, X: Any) -> Array:
        """Compute the logarithms of the probabilities.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n_samples, n_features)
            The table.

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            A row for each row.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _targets(self, y: Any, name: str, reset: bool) -> Array:
        y = column_or_1d(y, warn=True)
        if reset:
            check_classification_targets(y)
            y = _check_y(y, estimator=self)
            classes, at = np.unique(y, return_inverse=True)
            if len(classes) < 2:
                raise ValueError(
                    f"{type(self).__name__} needs at least 2 classes in y, but it contains only "
                    f"one class: {classes[0]!r}"
                )
            self.classes_ = classes
            return np.asarray(at)
        try:
            unknown = np.setdiff1d(y, self.classes_)
        except TypeError as error:  # labels that cannot be sorted
            raise TypeError(f"{name} must hold classes of one type: {error}") from None
        if len(unknown):
            raise ValueError(f"{name} has classes that y has not: {unknown}")
        return np.asarray(np.searchsorted(self.classes_, y))

    def _for_network(self, Y: Array, weights: Array | None, reset: bool) -> Array:
        return Y

    def _outputs(self, Y: Array) -> int:
        return len(self.classes_)

    def _asked(self, outputs: int) -> dict[str, Any]:
        return {
            "optimizer": recipe.optimizer(self, self.epsilon),
            "label_smoothing": self.label_smoothing,
        }

    def _scores(self, values: list[float], validation: Examples) -> list[float]:
        weights = validation.weights
        whole = float(len(validation.Y) if weights is None else weights.sum())
        return [1 - value / whole for value in values]

    def _temperature(self, net: Network, validation: Examples | None) -> float:
        if not self.calibrate or validation is None:
            return 1.0
        P = net.predict(validation.X, n_threads=self.n_threads)
        return recipe.temperature(P, validation.Y, validation.weights)

    def _labels(self, Y: Array) -> Array:
        return self.classes_[Y]
