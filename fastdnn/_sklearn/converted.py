"""Conversions: from scikit-learn's perceptron, to it, to the course's parameters."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
from sklearn import config_context
from sklearn.neural_network._base import ACTIVATIONS as THEIRS
from sklearn.neural_network._stochastic_optimizers import (
    AdamOptimizer,
    BaseOptimizer,
    SGDOptimizer,
)
from sklearn.utils.validation import check_is_fitted

from fastdnn._arrays import Array
from fastdnn._core.training import Counts
from fastdnn._fit.model import Model, Training, packed, table
from fastdnn._sklearn.assembled import (
    chain,
    complete,
    hidden_activations,
    sizes,
)
from fastdnn._sklearn.declared import Declared
from fastdnn._sklearn.rates import Rate, number, rule_of
from fastdnn._sklearn.weights import Weights
from fastdnn.network import Network

# attributes for the next call that do not end in an underscore
_KEPT = ("_label_binarizer", "_no_improvement_count", "_random_state")


class Conversions(Weights):
    """A part of a perceptron: conversions."""

    @classmethod
    def from_sklearn(cls, model: Any) -> Self:
        """Take over a fitted model of scikit-learn.

        Parameters
        ----------
        model : sklearn.neural_network.MLPClassifier or MLPRegressor
            Of the class of this one's name.

        Returns
        -------
        MLPClassifier or MLPRegressor
            A copy with the same answers. `partial_fit` goes on where the model's ended.

        Raises
        ------
        TypeError
            If it is no such model.

        Examples
        --------
        >>> from sklearn.neural_network import MLPClassifier
        >>> theirs = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(np.eye(3), [0, 1, 1])
        >>> model = fastdnn.MLPClassifier.from_sklearn(theirs)
        >>> bool(np.allclose(model.predict(np.eye(3)), theirs.predict(np.eye(3))))
        True
        """
        if isinstance(model, cls):
            return deepcopy(model)
        made = cls(**_parameters_of(model, cls._theirs()))
        _take_fit(made, model)
        made._bind()
        return made

    def to_sklearn(self) -> Any:
        """Make a fitted model of scikit-learn, for whatever reads those.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor
            A copy with the same answers; it is pickled and used without fastdnn. Parameters that
            only matter while training and that scikit-learn lacks, are left out; in place of a
            regressor's loss that it lacks stands "squared_error".

        Raises
        ------
        ValueError
            If it predicts by what scikit-learn lacks: another activation, or several.

        Examples
        --------
        >>> model = fastdnn.MLPClassifier((4,), solver="lbfgs", random_state=0)
        >>> model = model.fit(np.eye(3), [0, 1, 1])
        >>> type(model.to_sklearn()).__module__.startswith("sklearn.")
        True
        """
        training = self._model.training if "_model" in vars(self) else Training()
        return _to_sklearn(self, self._theirs(), training)

    @classmethod
    def _theirs(cls) -> Any:
        """Find scikit-learn's class that this one extends."""
        return next(c for c in cls.__mro__ if c.__module__.startswith("sklearn.neural_network."))

    @property
    def network_(self) -> Network:
        """The weights as a `Network`, for single rows at full speed; it follows later training."""
        return self._shared()

    def course_parameters(self) -> dict[str, Array]:
        """Copy the weights as the course's dictionary.

        Returns
        -------
        dict
            ``W1``, ``b1``, ..., of shapes (n, n_prev) and (n, 1).

        Examples
        --------
        >>> model = fastdnn.MLPClassifier((4,), solver="lbfgs", random_state=0)
        >>> model = model.fit(np.eye(3), [0, 1, 1])
        >>> {name: P.shape for name, P in model.course_parameters().items()}
        {'W1': (4, 3), 'b1': (4, 1), 'W2': (1, 4), 'b2': (1, 1)}
        """
        return _course_parameters(self)


# ------------------------------------------------------------------------------------ scikit-learn


def _fitted(estimator: Any) -> dict[str, Any]:
    """Copy the attributes that a fit has left."""
    return deepcopy(
        {
            name: value
            for name, value in dict(vars(estimator)).items()
            if name in _KEPT or (name.endswith("_") and not name.startswith("_"))
        }
    )


def _parameters_of(model: Any, theirs: Any) -> dict[str, Any]:
    """Copy the parameters of a fitted object of scikit-learn's class."""
    if not isinstance(model, theirs):
        raise TypeError(
            f"model must be a fitted sklearn.neural_network.{theirs.__name__}, "
            f"got {type(model).__name__}"
        )
    check_is_fitted(model)
    return {name: deepcopy(getattr(model, name)) for name in theirs._get_param_names()}


def _take_fit(ours: Declared, model: Any) -> None:
    """Copy the other attributes, without those that are derived."""
    vars(ours).update(_fitted(model))
    if "_optimizer" in vars(model):
        ours._optimizer = deepcopy(model._optimizer)
    _ask_alike(model, ours)


def _to_sklearn(ours: Declared, theirs: Any, training: Training) -> Any:
    """Make a fitted estimator of scikit-learn's class from one of ours."""
    check_is_fitted(ours)
    complete(ours)
    coefs, intercepts = ([np.array(a) for a in arrays] for arrays in chain(ours))
    hidden = [W.shape[1] for W in coefs[:-1]]
    names = set(hidden_activations(ours.activation, len(hidden)))
    if not hidden:
        # the activation decides how the output's weights are drawn
        names = {str(ours.activation) if ours.activation in [*THEIRS] else "identity"}
    if len(names) > 1:
        raise ValueError(
            f"activation is {ours.activation!r}, but scikit-learn has one for all hidden layers"
        )
    (activation,) = names
    if activation not in THEIRS:
        raise ValueError(f"scikit-learn has no activation {activation!r}")
    if ours.out_activation_ not in THEIRS:
        raise ValueError(f"this scikit-learn has no out_activation_ {ours.out_activation_!r}")
    params = {name: deepcopy(getattr(ours, name)) for name in theirs._get_param_names()}
    params |= {"activation": activation, "verbose": ours.verbose == "bar" or ours.verbose}
    if sizes(ours.hidden_layer_sizes) != hidden:
        params["hidden_layer_sizes"] = tuple(hidden)
    if "loss" in params and ours.loss not in ("squared_error", "poisson"):
        params["loss"] = "squared_error"
    model = theirs(**params)
    vars(model).update(_fitted(ours))
    _ask_alike(ours, model)
    model.coefs_, model.intercepts_, model.n_layers_ = coefs, intercepts, len(hidden) + 2
    # the best weights, which early stopping would restore
    model._best_coefs, model._best_intercepts = deepcopy((coefs, intercepts))
    optimizer = vars(ours).get("_optimizer")
    if isinstance(optimizer, BaseOptimizer):
        model._optimizer = deepcopy(optimizer)
    elif training.rule == rule_of(ours) and all(
        m is None or m.size == sum(a.size for a in coefs + intercepts) for m in training.moments
    ):
        model._optimizer = _as_theirs(training, model)
    return model


def _ask_alike(one: Any, other: Any) -> None:
    """Copy the requests of metadata, as far as the other object's class has them."""
    if "_metadata_request" not in vars(one):
        return
    told, known = one.get_metadata_routing(), other.get_metadata_routing()
    with config_context(enable_metadata_routing=True):
        for method in ("fit", "partial_fit", "score"):
            names = getattr(known, method).requests
            asked = {k: v for k, v in getattr(told, method).requests.items() if k in names}
            if asked:
                getattr(other, f"set_{method}_request")(**asked)


def _as_theirs(training: Training, model: Any) -> Any:
    arrays = model.coefs_ + model.intercepts_
    rows = sorted(table(_dims(model)), key=lambda row: row.kind != "weights")
    m1, m2 = (None if m is None else [row.of(m).copy() for row in rows] for m in training.moments)
    if model.solver == "adam":
        adam = AdamOptimizer(
            arrays, model.learning_rate_init, model.beta_1, model.beta_2, model.epsilon
        )
        adam.t, adam.ms, adam.vs = training.counts.steps, m1, m2
        return adam
    sgd = SGDOptimizer(
        arrays, model.learning_rate_init, model.learning_rate, model.momentum,
        model.nesterovs_momentum, model.power_t,
    )  # fmt: skip
    sgd.learning_rate = rate = training.optimizer.now
    if m1 is not None:
        sgd.velocities = [-rate * m for m in m1]
    return sgd


def from_theirs(theirs: Any, estimator: Declared, model: Model) -> Training | None:
    """Go on from an optimiser of scikit-learn, if it is of the estimator's solver and sizes."""
    first, steps = number(estimator, "learning_rate_init"), 0
    rate = Rate(first, first)
    moments: list[Sequence[Array]]
    if estimator.solver == "adam" and isinstance(theirs, AdamOptimizer):
        steps, moments = theirs.t, [theirs.ms, theirs.vs]
    elif estimator.solver == "sgd" and isinstance(theirs, SGDOptimizer):
        rate.now = float(theirs.learning_rate)
        moments = [[v / -rate.now for v in theirs.velocities]] if estimator.momentum else []
    else:
        return None
    like, L = [a.shape for a in (*model.coefs, *model.intercepts)], len(model.coefs)
    if any([a.shape for a in arrays] != like for arrays in moments):
        return None
    m1, m2 = (
        *(packed(model.rows, arrays[:L], arrays[L:], model.dtype) for arrays in moments),
        *(None, None),
    )[:2]
    return Training(rule_of(estimator), m1, m2, Counts(steps), rate)


def _dims(model: Any) -> tuple[int, ...]:
    return len(model.coefs_[0]), *(len(b) for b in model.intercepts_)


# ----------------------------------------------------------------------------------------- ours


def _course_parameters(estimator: Declared) -> dict[str, Array]:
    """Copy the weights as the course's dictionary."""
    check_is_fitted(estimator)
    return {
        key: value
        for l, (W, b) in enumerate(zip(*chain(estimator), strict=True), 1)
        for key, value in ((f"W{l}", W.T.copy()), (f"b{l}", b[:, None].copy()))
    }
