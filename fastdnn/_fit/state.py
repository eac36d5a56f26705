"""A model's state as a dictionary, and back: all that a fit needs to go on exactly."""

import operator
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from fastdnn._arrays import Array, arena, as_arena, owned
from fastdnn._core.plan import take_over
from fastdnn._core.training import Counts
from fastdnn._fit.gram import NAMES
from fastdnn._fit.model import Model, Training
from fastdnn._fit.names import COSTS, RULES
from fastdnn.optimizers import Optimizer

# steps and epochs that a long training is far from, and that 64 bits can go on counting
_MOST = 2**62
_ENTRIES = (
    *("params", "moments", "kind", "optimizer", "gram_state", "rng", "steps", "epochs"),
    "layer_dims",
)
_MEANT = ("activations", "output_activation", "cost_name", "huber_delta", "quantile")
# what version 0.1.0 wrote beside them
_MADE = ("_work", "_piece")


def entries(model: Model) -> dict[str, Any]:
    """List what a state holds, not copied."""
    training, counts = model.training, model.training.counts
    values = (
        *(model.params, training.moments, training.rule, training.optimizer, training.gram),
        *(model.rng, counts.steps, counts.epochs, model.layer_dims),
    )
    return dict(zip(_ENTRIES, values, strict=True))


def whole(model: Model, running: Callable[[], bool]) -> dict[str, Any]:
    """Copy what a state holds.

    Parameters
    ----------
    model : Model
    running : callable
        Whether a fit of the model runs: one may begin while its state is copied.

    Raises
    ------
    RuntimeError
        In the middle of an epoch, when its parts do not belong together.
    """
    watched = model.source or model
    training, counts = watched.training, watched.training.counts
    ran = running() or watched is not model
    before = counts.steps, counts.epochs
    state = deepcopy(entries(model))
    # an epoch that ran meanwhile has changed the counts, and a fit's first its training
    if (
        ((ran or running()) and not watched.whole)
        or watched.training is not training
        or (counts.steps, counts.epochs) != before
    ):
        raise RuntimeError(
            "this network is in the middle of an epoch: take its state, copy or save it in a "
            "callback or when the fit has ended"
        )
    return state


def pickled(model: Model, running: Callable[[], bool]) -> dict[str, Any]:
    """List a state and what the model means, under the names of version 0.1.0."""
    values = model.activations, model.output, model.cost, 1.0, 0.5
    meant = dict(zip(_MEANT, values, strict=True))
    parameter = COSTS[model.output][model.cost].parameter
    if parameter is not None:
        meant[parameter] = model.cost_parameter
    if model.reproducible:
        meant["reproducible"] = True
    if model.input_scale:
        meant["input_scale"] = True
    if model.parametrization != "standard":
        meant["parametrization"] = model.parametrization
    return {f"_{name}": value for name, value in (meant | whole(model, running)).items()}


def unpickled(state: Mapping[str, Any]) -> tuple[Model, dict[str, Any]]:
    """Make a model of that, in memory of its own: that of a memory map cannot be written.

    And give what is left: attributes of a subclass, or that a user has set.
    """
    left = dict(state)
    kept = {name: left.pop(f"_{name}") for name in (*_MEANT, *_ENTRIES)}
    reproducible = left.pop("_reproducible", False)
    for name in _MADE:
        left.pop(name, None)
    output, cost, params = kept["output_activation"], kept["cost_name"], kept["params"]
    parameter = COSTS[output][cost].parameter
    model = Model(
        kept["layer_dims"],
        kept["activations"],
        output,
        cost,
        0.0 if parameter is None else kept[parameter],
        arena(params.size, params.dtype, params),
        kept["rng"],
        left.pop("_input_scale", False),
        left.pop("_parametrization", "standard"),
    )
    model.training = training_of(kept)
    model.demand(reproducible)
    return model, left


def training_of(state: Mapping[str, Any]) -> Training:
    """Make what an optimiser keeps of the entries of a state, in memory of its own."""
    m1, m2 = map(as_arena, state["moments"])
    counts = Counts(state["steps"], state["epochs"])
    optimizer, gram = state["optimizer"], owned(state["gram_state"])
    return Training(state["kind"], m1, m2, counts, optimizer, gram)


def load(model: Model, kept: Mapping[str, Any]) -> None:
    """Take over a state that was checked."""
    # views of the user's point at the memory
    take_over(model, kept["params"], training_of(kept), kept["rng"])


def checked(model: Model, state: Any) -> dict[str, Any]:
    """Copy a state, of which every entry is what the engine relies on.

    Raises
    ------
    TypeError
        If it is no dict.
    ValueError
        If it is of another network, lacks an entry, or has one that is not what it must be.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict, got {type(state).__name__}")
    kept: dict[str, Any] = owned(deepcopy(dict(state)))
    for name in entries(model):
        if name not in kept:
            raise ValueError(f"state has no {name!r}")
    try:
        for name in ("steps", "epochs"):
            kept[name] = operator.index(kept[name])
        name = "layer_dims"
        dims = tuple(map(operator.index, kept[name]))
    except TypeError:
        raise ValueError(f"state[{name!r}] is not of this network: {kept[name]!r}") from None
    params = kept["params"]
    if not isinstance(params, np.ndarray):
        raise ValueError(f"state['params'] is not of this network: {type(params).__name__}")
    if dims != model.layer_dims or params.dtype != model.dtype:
        raise ValueError(
            f"state is of a network {list(dims)} in {params.dtype}, "
            f"but this one is {list(model.layer_dims)} in {model.dtype}"
        )
    rule, moments = kept["kind"], kept["moments"]
    if not (rule is None or (isinstance(rule, str) and rule in RULES)):
        raise ValueError(f"state['kind'] is not of this network: {rule!r}")
    needed = () if rule is None else RULES[rule].moments
    fits = {
        "params": params.shape == model.params.shape and bool(np.isfinite(params).all()),
        "moments": isinstance(moments, tuple)
        and len(moments) == 2
        and all(
            a is None if i not in needed else _is_arena(a, model, model.params.size)
            for i, a in enumerate(moments, 1)
        ),
        "optimizer": isinstance(kept["optimizer"], Optimizer),
        "steps": 0 <= kept["steps"] < _MOST,
        "epochs": 0 <= kept["epochs"] < _MOST,
        "rng": isinstance(kept["rng"], np.random.Generator),
        "gram_state": kept["gram_state"] is None or _is_gram(kept["gram_state"], model),
    }
    for name, fit in fits.items():
        if not fit:
            raise ValueError(f"state[{name!r}] is not of this network: {kept[name]!r}")
    return kept


def _is_arena(array: Any, model: Model, *shape: int) -> bool:
    return (
        isinstance(array, np.ndarray)
        and array.shape == shape
        and array.dtype == model.dtype
        and array.flags.c_contiguous
        and bool(np.isfinite(array).all())
    )


def _is_gram(state: Any, model: Model) -> bool:
    n_0, n_1 = model.layer_dims[:2]
    if not isinstance(state, Mapping):
        return False
    try:
        W0, V0, C, U, shares = (state[name] for name in NAMES)
        return (
            _is_arena(W0, model, n_0, n_1)
            and (V0 is None or _is_arena(V0, model, n_0, n_1))
            and _is_arena(C, model, len(C), n_1)
            and (U is None or _is_arena(U, model, len(C), n_1))
            and _is_shares(shares)
        )
    except (TypeError, KeyError, AttributeError):
        return False


def _is_shares(shares: Array) -> bool:
    return (
        shares.shape == (2, 2)
        and shares.dtype == np.float64
        and bool(shares.flags.c_contiguous)
        and bool(np.isfinite(shares).all())
    )
