"""A perceptron as another class's object: scikit-learn's as ours, ours as theirs, as a Network."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

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
from fastdnn._sklearn.assembled import (
    NAMES,
    OUTPUTS,
    chain,
    complete,
    hidden_activations,
    output,
    sizes,
)
from fastdnn._sklearn.runs import Optimizer, views
from fastdnn.network import Network

# what is kept for the next call, beside the attributes that end in an underscore
_KEPT = ("_label_binarizer", "_no_improvement_count", "_random_state")


def _fitted(estimator: Any) -> dict[str, Any]:
    """Copy what a fit has left."""
    return deepcopy(
        {
            name: value
            for name, value in vars(estimator).items()
            if name in _KEPT or (name.endswith("_") and not name.startswith("_"))
        }
    )


# ----------------------------------------------------------------------------------- scikit-learn


def from_sklearn(cls: Any, theirs: Any, model: Any) -> Any:
    """Make an estimator of our class from a fitted one of scikit-learn's."""
    if isinstance(model, cls):
        return deepcopy(model)
    if not isinstance(model, theirs):
        raise TypeError(
            f"model must be a fitted sklearn.neural_network.{theirs.__name__}, "
            f"got {type(model).__name__}"
        )
    check_is_fitted(model)
    ours = cls(**{name: deepcopy(getattr(model, name)) for name in theirs._get_param_names()})
    kept = {k: vars(model)[k] for k in ("_optimizer",) if k in vars(model)}
    vars(ours).update(_fitted(model) | deepcopy(kept))
    _ask_alike(model, ours)
    ours._bind()
    return ours


def to_sklearn(ours: Any, theirs: Any) -> Any:
    """Make a fitted estimator of scikit-learn's class from one of ours."""
    check_is_fitted(ours)
    complete(ours)
    coefs, intercepts = ([np.array(a) for a in arrays] for arrays in chain(ours))
    hidden = [W.shape[1] for W in coefs[:-1]]
    names = set(hidden_activations(ours.activation, len(hidden)))
    if not hidden:
        # it decides how the output's weights are drawn
        names = {ours.activation if ours.activation in [*THEIRS] else "identity"}
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
    # what early stopping would restore
    model._best_coefs, model._best_intercepts = deepcopy((coefs, intercepts))
    size = sum(a.size for a in coefs + intercepts)
    optimizer = getattr(ours, "_optimizer", None)
    if isinstance(optimizer, BaseOptimizer):
        model._optimizer = deepcopy(optimizer)
    elif optimizer is not None and optimizer.fits(ours, size):
        model._optimizer = _as_theirs(optimizer, model)
    return model


def _ask_alike(one: Any, other: Any) -> None:
    """Tell another class's object to request the metadata that one was told to, where it can."""
    if "_metadata_request" not in vars(one):
        return
    told, known = one.get_metadata_routing(), other.get_metadata_routing()
    with config_context(enable_metadata_routing=True):
        for method in ("fit", "partial_fit", "score"):
            names = getattr(known, method).requests
            asked = {k: v for k, v in getattr(told, method).requests.items() if k in names}
            if asked:
                getattr(other, f"set_{method}_request")(**asked)


def _as_theirs(optimizer: Optimizer, model: Any) -> Any:
    arrays = model.coefs_ + model.intercepts_
    dims = (len(model.coefs_[0]), *(len(b) for b in model.intercepts_))
    m1, m2 = (
        None if m is None else [part.copy() for parts in views(m, dims) for part in parts]
        for m in (optimizer.m1, optimizer.m2)
    )
    if model.solver == "adam":
        adam = AdamOptimizer(
            arrays, model.learning_rate_init, model.beta_1, model.beta_2, model.epsilon
        )
        adam.t, adam.ms, adam.vs = optimizer.steps, m1, m2
        return adam
    sgd = SGDOptimizer(
        arrays, model.learning_rate_init, model.learning_rate, model.momentum,
        model.nesterovs_momentum, model.power_t,
    )  # fmt: skip
    sgd.learning_rate = optimizer.learning_rate
    if m1 is not None:
        sgd.velocities = [-optimizer.learning_rate * m for m in m1]
    return sgd


def from_theirs(theirs: Any, estimator: Any, params: Array) -> Optimizer | None:
    """Go on from an optimiser of scikit-learn, if it is of the estimator's kind and sizes."""
    ours = Optimizer(estimator, params)
    if estimator.solver == "adam" and isinstance(theirs, AdamOptimizer):
        ours.steps = theirs.t
        moments = [(ours.m1, theirs.ms), (ours.m2, theirs.vs)]
    elif estimator.solver == "sgd" and isinstance(theirs, SGDOptimizer):
        ours.learning_rate = rate = float(theirs.learning_rate)
        moments = [(ours.m1, [v / -rate for v in theirs.velocities])]
    else:
        return None
    return ours if all(m is None or _pack(arrays, estimator, m) for m, arrays in moments) else None


def _pack(arrays: Sequence[Array], estimator: Any, out: Array) -> bool:
    """Lay arrays like the weights and the biases into an arena, if they are."""
    like = [*estimator.coefs_, *estimator.intercepts_]
    if [a.shape for a in arrays] != [a.shape for a in like]:
        return False
    L = len(like) // 2
    np.concatenate([a.ravel() for l in range(L) for a in (arrays[l], arrays[L + l])], out=out)
    return True


# ----------------------------------------------------------------------------------------- ours


def network(estimator: Any) -> Network:
    """Make a Network with the parameters of now."""
    check_is_fitted(estimator)
    complete(estimator)
    if estimator.out_activation_ not in OUTPUTS:
        raise ValueError(f"a Network has no out_activation_ {estimator.out_activation_!r}")
    coefs, intercepts = chain(estimator)
    dtype = estimator._type()
    name, cost, parameter = output(estimator, dtype)
    options = {"huber": "huber_delta", "quantile": "quantile"}
    net = Network(
        [len(coefs[0]), *map(len, intercepts)],
        [NAMES[name] for name in hidden_activations(estimator.activation, len(coefs) - 1)],
        name,
        cost=cost,
        dtype=dtype,
        init=0.0,
        rng=0,
        **({options[cost]: parameter} if cost in options else {}),
    )
    for l, (W, b) in enumerate(zip(coefs, intercepts, strict=True), 1):
        net.parameters[f"W{l}"][...] = W.T
        net.parameters[f"b{l}"][...] = b[:, None]
    return net


def course_parameters(estimator: Any) -> dict[str, Array]:
    """Copy the weights as the course's dictionary."""
    check_is_fitted(estimator)
    return {
        key: value
        for l, (W, b) in enumerate(zip(*chain(estimator), strict=True), 1)
        for key, value in ((f"W{l}", W.T.copy()), (f"b{l}", b[:, None].copy()))
    }
