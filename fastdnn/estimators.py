"""scikit-learn's multi-layer perceptrons, with the same answers, on the compiled engine.

``from fastdnn.estimators import MLPClassifier, MLPRegressor`` instead of
``from sklearn.neural_network import ...``; needs scikit-learn, the extra ``sklearn``.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

from numpy.typing import ArrayLike

# says what is missing, before what follows fails
import fastdnn._sklearn  # noqa: F401

# isort: split
from sklearn.metrics import get_scorer_names
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target

from fastdnn._arrays import Array
from fastdnn._fit.names import COSTS, lists
from fastdnn._sklearn import theirs
from fastdnn._sklearn.assembled import NAMES
from fastdnn._sklearn.chunks import begin_features, plain, same, usual
from fastdnn._sklearn.classes import Classes
from fastdnn._sklearn.classifier import TabularMLPClassifier as TabularMLPClassifier
from fastdnn._sklearn.declared import Schedule, Solver, keep, only_if, trains
from fastdnn._sklearn.documented import documented
from fastdnn._sklearn.exported import converters, offer
from fastdnn._sklearn.exported_tables import converters as of_tables
from fastdnn._sklearn.parts import in_memory
from fastdnn._sklearn.perceptron import Perceptron
from fastdnn._sklearn.preprocessor import TabularPreprocessor as TabularPreprocessor
from fastdnn._sklearn.regressor import TabularMLPRegressor as TabularMLPRegressor
from fastdnn._sklearn.searches import GridSearchCV as GridSearchCV
from fastdnn._sklearn.searches import RandomizedSearchCV as RandomizedSearchCV

LOSSES = (*COSTS["identity"], *COSTS["exp"])
_ACTIVATION = StrOptions(set(NAMES))
_ADDED: dict[str, list[Any]] = {
    "activation": [_ACTIVATION, list, tuple],
    "verbose": ["verbose", StrOptions({"bar"})],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    "reproducible": ["boolean", None],
}


@documented()
@lists(activations=NAMES)
class MLPClassifier(Classes, theirs.MLPClassifier):
    """A classifier with scikit-learn's parameters and answers, many times as fast.

    Every parameter, default, attribute and method of ``sklearn.neural_network.MLPClassifier`` is
    there and means what it means there.

    Parameters
    ----------
    activation : str or sequence of str
        One for all hidden layers, or one for each; scikit-learn's, and more:
        {activations}.
    scoring : str, callable or None
        What early stopping looks at: any scorer of scikit-learn, or "loss", the mean loss of the
        validation data; by default the accuracy, as in scikit-learn. Where that data lacks a class,
        scorers of probabilities are told all classes. A score that is not finite is a ValueError.
    class_weight : dict, list of dict, "balanced" or None
        Weights of the classes, which multiply those of the examples; for several labels a list of
        one dict each. In partial_fit a dict, which may name classes that a call lacks.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights (n_prev, n) and biases (n) of each layer.
    loss_curve_, validation_scores_, best_loss_, n_iter_, ... :
        As in scikit-learn.
    validation_loss_curve_ : list of float or None
        Mean loss of the validation data after each iteration, without the L2 term.
    network_ : Network
        The weights as a network, for single rows at full speed: always the same object, which
        follows later training. Its `predict` gives a column for each class in the order of
        `classes_`, or, of two classes and of labels, one for the second class or each label. It is
        not trained itself, but ``copy.copy(network_)`` is a network of its own.

    See Also
    --------
    MLPRegressor : For numbers.
    GridSearchCV : Searches parameters, in threads.
    fastdnn.Network : A network in its own words.
    sklearn.neural_network.MLPClassifier : What it extends.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = fastdnn.MLPClassifier(max_iter=300, tol=1e-3, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **theirs.MLPClassifier._parameter_constraints,
        **_ADDED,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        solver: Solver = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int | Literal["bar"] = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        scoring: Any = None,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        max_time: float | None = None,
        n_threads: int | None = None,
        class_weight: Any = None,
        reproducible: bool | None = None,
    ) -> None:
        keep(self, locals())
        self.loss = "log_loss"

    @trains
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:  # fmt: skip
        """Train on X and y.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples.
        y : array-like, shape (n_samples,) or (n_samples, n_labels)
            Their classes, or a column of 0 and 1 for each label.
        sample_weight : array-like, shape (n_samples,), optional
            Weights of the examples.
        X_val, y_val : array-like, optional
            Examples whose loss is recorded after each iteration; with `early_stopping` they replace
            the share of X that is set apart.
        sample_weight_val : array-like, optional
            Weights of those examples, in their loss and their score.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        sklearn.utils._param_validation.InvalidParameterError
            If a parameter is of a wrong type or value.
        ValueError
            If the data is not what scikit-learn accepts; if the loss or a weight is not finite:
            the weights then are those of before that epoch; or if the validation's loss or score
            is not: then the best so far, or the last ones.
        TypeError
            If a subclass overrides a method of scikit-learn's fit that the engine cannot call.
        RuntimeError
            If it is being fitted at the moment, in another thread or by this very fit.
        """
        given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        given = {name: value for name, value in given.items() if value is not None}
        return self._fit(X, y, sample_weight, **given)

    @only_if(lambda self: self._check_solver())
    @trains
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one iteration, going on where the last call ended.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As for `fit`. An X that lies elsewhere than in memory, as of h5py, zarr or dask, is read
            in parts of up to 64 MiB, in an order that is drawn, if `shuffle` is true: as a call
            for each.
        classes : array-like, shape (n_classes,), optional
            All classes; needed at the first call.

        Returns
        -------
        MLPClassifier
            The estimator itself.
        """
        known, y = getattr(self, "classes_", None), in_memory(y)
        if not same(classes, known) and _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer.fit(y if several else classes)
        return self._fit(X, y, sample_weight, incremental=True)


@documented()
@lists(activations=NAMES, losses=LOSSES)
class MLPRegressor(Perceptron, theirs.MLPRegressor):
    """A regressor with scikit-learn's parameters and answers, many times as fast.

    Every parameter, default, attribute and method of ``sklearn.neural_network.MLPRegressor`` is
    there and means what it means there.

    Parameters
    ----------
    loss : str
        The first and the last as in scikit-learn, from 1.6 on. Of several outputs the loss is the
        mean, the gradient that of the sum, as in scikit-learn. One of
        {losses}.
    activation : str or sequence of str
        One for all hidden layers, or one for each; scikit-learn's, and more:
        {activations}.
    scoring : str, callable or None
        What early stopping looks at: any scorer of scikit-learn, or "loss", the mean loss of the
        validation data; by default the coefficient of determination, as in scikit-learn. A score
        that is not finite is a ValueError.
    quantile : float
        The quantile that the loss "quantile" estimates.
    huber_delta : float
        Up to which error the loss "huber" is the squared one.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights (n_prev, n) and biases (n) of each layer.
    loss_curve_, validation_scores_, best_loss_, n_iter_, ... :
        As in scikit-learn.
    validation_loss_curve_ : list of float or None
        Mean loss of the validation data after each iteration, without the L2 term.
    network_ : Network
        The weights as a network, for single rows at full speed: always the same object, which
        follows later training. Its `predict` gives a column for each output. It is not trained
        itself, but ``copy.copy(network_)`` is a network of its own.

    See Also
    --------
    MLPClassifier : For classes.
    GridSearchCV : Searches parameters, in threads.
    fastdnn.Network : A network in its own words.
    sklearn.neural_network.MLPRegressor : What it extends.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 200)[:, np.newaxis]
    >>> model = fastdnn.MLPRegressor(solver="lbfgs", loss="huber", random_state=0)
    >>> model.fit(X, np.abs(X[:, 0])).score(X, np.abs(X[:, 0])) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **theirs.MLPRegressor._parameter_constraints,
        **_ADDED,
        "loss": [StrOptions(set(LOSSES))],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: ArrayLike = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        solver: Solver = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int | Literal["bar"] = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        scoring: Any = None,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        max_time: float | None = None,
        n_threads: int | None = None,
        quantile: float = 0.5,
        huber_delta: float = 1.0,
        reproducible: bool | None = None,
    ) -> None:
        keep(self, locals())

    @trains
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:  # fmt: skip
        """Train on X and y.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples.
        y : array-like, shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like, shape (n_samples,), optional
            Weights of the examples.
        X_val, y_val : array-like, optional
            Examples whose loss is recorded after each iteration; with `early_stopping` they replace
            the share of X that is set apart.
        sample_weight_val : array-like, optional
            Weights of those examples, in their loss and their score.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        sklearn.utils._param_validation.InvalidParameterError
            If a parameter is of a wrong type or value.
        ValueError
            If the data is not what scikit-learn accepts; if the loss or a weight is not finite:
            the weights then are those of before that epoch; or if the validation's loss or score
            is not: then the best so far, or the last ones.
        TypeError
            If a subclass overrides a method of scikit-learn's fit that the engine cannot call.
        RuntimeError
            If it is being fitted at the moment, in another thread or by this very fit.
        """
        given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        given = {name: value for name, value in given.items() if value is not None}
        return self._fit(X, y, sample_weight, **given)

    @only_if(lambda self: self._check_solver())
    @trains
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one iteration, going on where the last call ended.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As for `fit`. An X that lies elsewhere than in memory, as of h5py, zarr or dask, is read
            in parts of up to 64 MiB, in an order that is drawn, if `shuffle` is true: as a call
            for each.

        Returns
        -------
        MLPRegressor
            The estimator itself.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        if incremental and not reset and plain(self, X, y):
            return X, y
        if reset and not incremental and usual(X, y) and y.dtype.kind != "U":
            begin_features(self, X)
            return X, y
        X, y = super()._validate_input(X, y, incremental, reset)
        return X, y


offer(
    [
        *converters(MLPClassifier, MLPRegressor),
        *of_tables(TabularMLPClassifier, TabularMLPRegressor, TabularPreprocessor),
    ]
)
