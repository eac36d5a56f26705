"""What a perceptron's fitted attributes mean, whether a fit, a user or scikit-learn set them."""

from collections.abc import Callable
from functools import cache, lru_cache
from itertools import pairwise
from numbers import Integral
from operator import attrgetter
from typing import Any, cast

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.neural_network._base import ACTIVATIONS as THEIRS
from sklearn.preprocessing import LabelBinarizer

from fastdnn._arrays import COUNTABLE, Array, integer
from fastdnn._fit.names import ACTIVATIONS, COSTS
from fastdnn._fit.names import OUTPUTS as OURS
from fastdnn._sklearn.declared import Declared

# scikit-learn's names of the activations, and ours: of hidden layers, and of outputs whose cost the
# engine has
NAMES = {row.scikit_learn: name for name, row in ACTIVATIONS.items()}
OUTPUTS = {row.scikit_learn: name for name, row in OURS.items()}

# methods that scikit-learn's fit calls and ours does not
_HOOKS = (
    *("_initialize", "_forward_pass", "_backprop", "_compute_loss_grad", "_loss_grad_lbfgs"),
    *("_unpack", "_fit_lbfgs", "_fit_stochastic", "_update_no_improvement_count"),
    "_score_with_function",
)


def refuse_hooks(estimator: Declared) -> None:
    """Raise TypeError if a subclass overrides a method that would not be called."""
    cls: Any = type(estimator)
    own = vars(estimator)
    base, names = _hooks_of(cls)
    hooks = attrgetter(*names)
    if hooks(cls) == hooks(base) and own.keys().isdisjoint(names):
        return
    name = next(n for n in names if n in own or getattr(cls, n) is not getattr(base, n))
    raise TypeError(
        f"{cls.__name__} overrides {name}, which scikit-learn's fit calls, but the compiled"
        f" engine cannot: train it with sklearn.neural_network.{base.__name__}"
    )


def keeps(estimator: Declared, names: tuple[str, ...]) -> bool:
    """Tell whether no subclass overrides any of these methods."""
    cls: Any = type(estimator)
    own = vars(estimator)
    base: Any = _hooks_of(cls)[0]
    return own.keys().isdisjoint(names) and all(getattr(cls, n) is getattr(base, n) for n in names)


@lru_cache(maxsize=64)
def _hooks_of(cls: type) -> tuple[type, tuple[str, ...]]:
    base = next(c for c in cls.__mro__ if c.__module__ == "fastdnn.estimators")
    return base, tuple(name for name in _HOOKS if hasattr(base, name))


def sizes(hidden_layer_sizes: Any) -> list[Any]:
    """Return the parameter, a number or a sequence, as a list."""
    if not hasattr(hidden_layer_sizes, "__iter__"):
        return [hidden_layer_sizes]
    return list(hidden_layer_sizes)


def checked_sizes(hidden_layer_sizes: Any) -> list[int]:
    """List the parameter's numbers of units."""
    hidden = sizes(hidden_layer_sizes)
    if any(isinstance(n, Integral) and n <= 0 for n in hidden):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
    places = [
        f"[{l}]" if hasattr(hidden_layer_sizes, "__iter__") else "" for l in range(len(hidden))
    ]
    return [integer(n, f"hidden_layer_sizes{at}") for n, at in zip(hidden, places, strict=True)]


def hidden_activations(activation: Any, hidden: int) -> list[str]:
    """Name the activation of each of so many hidden layers."""
    names = [activation] * hidden if isinstance(activation, str) else list(activation)
    if len(names) != hidden:
        raise ValueError(
            f"activation must be one name, or one for each of {hidden} hidden layers, "
            f"got {activation!r}"
        )
    for name in names:
        if name not in NAMES:
            raise ValueError(f"activation must name some of {sorted(NAMES)}, got {name!r}")
    return names


def chain(estimator: Declared) -> tuple[list[Array], list[Array]]:
    """Take the layers that predict: weights (n_prev, n) and biases (n), which fit each other.

    As in scikit-learn, a smaller `n_layers_` that was set leaves out the last ones.
    """
    coefs, intercepts = list(estimator.coefs_), list(estimator.intercepts_)
    count = getattr(estimator, "n_layers_", 0) - 1
    # an n_layers_ of the last fit says nothing about assigned weights
    if 0 < count < len(coefs) and count != getattr(estimator, "_n_fitted", 0):
        coefs, intercepts = coefs[:count], intercepts[:count]
    if not coefs or len(coefs) != len(intercepts):
        raise ValueError(f"coefs_ holds {len(coefs)} arrays, and intercepts_ {len(intercepts)}")
    for l, (W, b) in enumerate(zip(coefs, intercepts, strict=True)):
        W, b = _numbers(W, f"coefs_[{l}]"), _numbers(b, f"intercepts_[{l}]")
        if W.ndim != 2 or W.size == 0:
            raise ValueError(f"coefs_[{l}] must have shape (n_prev, n), got {W.shape}")
        if l and len(W) != coefs[l - 1].shape[1]:
            raise ValueError(
                f"coefs_[{l}] has shape {W.shape}, but coefs_[{l - 1}] {coefs[l - 1].shape}: "
                "it must have as many rows as that one has columns"
            )
        # the shapes that NumPy would add to an example's row
        row = (1, W.shape[1])
        if b.shape != row[1:]:
            if b.ndim > 2 or b.shape[:-1] not in ((), (1,)) or b.size not in (1, row[1]):
                raise ValueError(
                    f"intercepts_[{l}] has shape {b.shape}, but coefs_[{l}] {W.shape}: "
                    f"it must have {W.shape[1]} elements"
                )
            b = np.broadcast_to(b, row)[0]
        coefs[l], intercepts[l] = W, b
    return coefs, intercepts


def _numbers(value: Any, name: str) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array: fill it or drop what it masks first")
    try:
        array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}")
    return array


def element_type(estimator: Declared) -> np.dtype[Any]:
    """Find the type to compute in, whatever was assigned to the parameters."""
    # few types, of perhaps more arrays than a NumPy function takes arguments
    types = {getattr(array, "dtype", None) for array in (*estimator.coefs_, *estimator.intercepts_)}
    if types in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
        kind: np.dtype[Any] = np.dtype(types.pop().type)
        return kind
    coefs, intercepts = chain(estimator)
    char = np.result_type(*{array.dtype for array in coefs + intercepts}).char
    return np.dtype(np.float32 if char in "ef" else np.float64)


def ends(estimator: Declared) -> tuple[int, int]:
    """Count the inputs and outputs."""
    coefs, intercepts = chain(estimator)
    return len(coefs[0]), len(intercepts[-1])


def complete(estimator: Declared) -> None:
    """Derive attributes that were not set beside the weights, and a classifier's classes."""
    found = vars(estimator)
    if "out_activation_" in found:
        _check_output(estimator.out_activation_)
    classifies = isinstance(estimator, ClassifierMixin)
    derived = {"n_outputs_", "out_activation_", *(("_label_binarizer",) if classifies else ())}
    if derived <= found.keys():
        return
    n = chain(estimator)[0][-1].shape[1]
    if classifies and not hasattr(estimator, "_label_binarizer"):
        several = n > 1 and getattr(estimator, "out_activation_", "softmax") == "logistic"
        classes = np.asarray(cast(Any, estimator).classes_)
        estimator._label_binarizer = LabelBinarizer().fit(
            np.eye(n, dtype=int) if several else classes
        )
        estimator._label_binarizer.classes_ = classes  # in the order of classes_
    if not hasattr(estimator, "n_outputs_"):
        estimator.n_outputs_ = n
    if not hasattr(estimator, "out_activation_"):
        estimator.out_activation_ = trained_output(estimator)
        if (
            n > 1
            and isinstance(estimator, ClassifierMixin)
            and estimator._label_binarizer.y_type_ == "binary"
        ):
            # two classes with an output each
            estimator.out_activation_ = "softmax"


def trained_output(estimator: Declared) -> str:
    """Name the activation of the output that the loss needs."""
    if isinstance(estimator, ClassifierMixin):
        several = estimator._label_binarizer.y_type_ == "multiclass"
        return "softmax" if several else "logistic"
    return "exp" if estimator.loss == "poisson" else "identity"


def output(estimator: Declared, dtype: np.dtype[Any]) -> tuple[str, str, float]:
    """Return the output's activation, the cost and its parameter, as the engine names them."""
    name = OUTPUTS.get(estimator.out_activation_, "identity")
    # the loss may have been set anew since the fit
    costs = COSTS[name]
    cost = costs.get(estimator.loss) or next(iter(costs.values()))
    if cost.name == "cross_entropy":
        return name, cost.name, _greatest_cost(dtype)
    parameter = cost.parameter
    return name, cost.name, 0.0 if parameter is None else float(getattr(estimator, parameter))


@cache
def _greatest_cost(dtype: np.dtype[Any]) -> float:
    # scikit-learn clips a probability by eps before it takes the logarithm
    return -float(np.log(np.finfo(dtype).eps))


def activate_output(out_activation: str, Z: Array) -> None:
    """Apply in place an output activation that the engine lacks."""
    if not isinstance(out_activation, str) or out_activation not in OUTPUTS:
        _check_output(out_activation)
        THEIRS[out_activation](Z)


def _check_output(out_activation: Any) -> None:
    known = {*OUTPUTS, *THEIRS}
    if not isinstance(out_activation, str) or out_activation not in known:
        raise ValueError(f"out_activation_ must be one of {sorted(known)}, got {out_activation!r}")


# ------------------------------------------------------------------------------------------- a fit


def draw(
    estimator: Declared, layer_units: list[int], dtype: Any,
    init: Callable[[int, int, Any], tuple[Array, Array]],
) -> None:  # fmt: skip
    """Draw the parameters anew, by the hook that scikit-learn's subclasses override."""
    count = sum(n_prev * n for n_prev, n in pairwise(layer_units))
    if count > COUNTABLE:
        raise ValueError(
            f"hidden_layer_sizes {layer_units[1:-1]} ask for {count} weights, more than memory can "
            "have"
        )
    for name in (*_RECORDS, "_model", "_optimizer", "_training", "_no_improvement_count"):
        vars(estimator).pop(name, None)
    estimator.n_layers_ = len(layer_units)
    estimator.coefs_, estimator.intercepts_ = [], []
    names = [*hidden_activations(estimator.activation, len(layer_units) - 2), ""]
    for name, n_prev, n in zip(names, layer_units, layer_units[1:], strict=False):
        # the output layer is drawn as for one activation for all layers
        estimator._drawn = name or estimator.activation
        W, b = init(n_prev, n, dtype)
        if np.shape(W) != (n_prev, n) or np.shape(b) != (n,):
            raise ValueError(
                f"_init_coef must return arrays of shapes {(n_prev, n)} and {(n,)}, "
                f"got {np.shape(W)} and {np.shape(b)}"
            )
        estimator.coefs_.append(W)
        estimator.intercepts_.append(b)
    del estimator._drawn


def drawn(
    estimator: Declared, random: np.random.RandomState, fan_in: int, fan_out: int, dtype: Any
) -> tuple[Array, Array]:
    """Draw a layer as scikit-learn does: Glorot-uniform, the biases too."""
    bound = np.sqrt((2.0 if estimator._drawn == "logistic" else 6.0) / (fan_in + fan_out))
    arrays = (random.uniform(-bound, bound, n) for n in ((fan_in, fan_out), fan_out))
    W, b = (array.astype(dtype, copy=False) for array in arrays)
    return W, b


def go_on(estimator: Declared, hidden: list[int]) -> None:
    """Check that a warm start can go on from the fitted, assembled or converted attributes."""
    complete(estimator)
    found = [W.shape[1] for W in chain(estimator)[0][:-1]]
    if hidden not in (found, getattr(estimator, "_fitted_sizes", hidden)):
        raise ValueError(
            f"hidden_layer_sizes is {estimator.hidden_layer_sizes!r}, but this goes on from hidden "
            f"layers of {found}: set it to those, or warm_start to False"
        )
    hidden_activations(estimator.activation, len(found))


_RECORDS = (
    *("t_", "loss_curve_", "best_loss_", "validation_loss_curve_", "validation_scores_"),
    "best_validation_score_",
)


def begin_records(estimator: Declared) -> None:
    """Make the records that are missing, or that do not belong to the present parameters."""
    found = vars(estimator)
    scoring, stops = estimator.scoring, estimator.early_stopping
    estimator.n_iter_ = 0
    estimator.t_ = found.get("t_") or 0
    estimator._no_improvement_count = found.get("_no_improvement_count") or 0
    estimator.validation_loss_curve_ = found.get("validation_loss_curve_")
    if (
        (found.get("validation_scores_") is not None) != stops
        or found.get("_fitted_scoring", scoring) != scoring
        or "best_validation_score_" not in found
    ):
        estimator._no_improvement_count = 0
        estimator.validation_scores_ = [] if stops else None
        estimator.best_validation_score_ = -np.inf if stops else None
    if estimator.solver != "lbfgs":
        estimator.loss_curve_ = found.get("loss_curve_") or []
        if (found.get("best_loss_") is None) != stops or "best_loss_" not in found:
            estimator._no_improvement_count = 0
            estimator.best_loss_ = None if stops else np.inf
    estimator._fitted_scoring = scoring
    estimator._fitted_sizes = sizes(estimator.hidden_layer_sizes)


def set_output(estimator: Declared, first: bool) -> None:
    """Choose the output's activation for a fit; one that a user has set must be one of a cost."""
    wanted = trained_output(estimator)
    if first or {wanted, estimator.out_activation_} <= {"identity", "exp"}:
        # a warm start takes another loss
        estimator.out_activation_ = wanted
    elif estimator.out_activation_ not in (wanted, "logistic") or not hasattr(
        estimator, "classes_"
    ):
        raise ValueError(
            f"out_activation_ is {estimator.out_activation_!r}: it predicts, but cannot be trained "
            f"with the loss {estimator.loss!r}, which needs {wanted!r}"
        )
