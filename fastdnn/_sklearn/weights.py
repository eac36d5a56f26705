"""The model behind a perceptron's `coefs_` and `intercepts_`, whoever has set them."""

from contextlib import suppress
from operator import is_
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastdnn._arrays import Array
from fastdnn._fit.model import Model
from fastdnn._sklearn.assembled import (
    NAMES,
    OUTPUTS,
    chain,
    complete,
    element_type,
    hidden_activations,
    output,
)
from fastdnn._sklearn.declared import Copied, Declared, Theirs
from fastdnn._sklearn.rates import Optimizer, fitted_to, state_of, training_of
from fastdnn._sklearn.shared import Shared

# attributes that are made anew in another process, or belong to one fit
_LEFT_OUT = ("_model", "_network", "_owner", "_stop")


class Weights(Declared, Copied, Theirs):
    """A part of a perceptron: one model, of which the weights are views until some are assigned."""

    coefs_: list[Array]
    intercepts_: list[Array]
    n_layers_: int
    _model: Model
    _network: Shared
    # a pickled training, until there is a model for it
    _training: dict[str, Any]

    def __sklearn_is_fitted__(self) -> bool:
        # scikit-learn would look at the names of all attributes, in each call
        return "coefs_" in vars(self)

    def _bind(self, dtype: np.dtype[Any] | None = None) -> Model:
        """Find the model whose views the weights are; make it, where they were assigned."""
        kept = self._kept()
        if kept is not None and (dtype is None or dtype == kept.dtype):
            return kept
        made = self._made(element_type(self) if dtype is None else dtype)
        found = vars(self)
        if "_training" in found:
            made.training = fitted_to(made, training_of(found["_training"]))
        elif "_model" in found:
            made.training = fitted_to(made, self._model.training)
        self._model = made
        self.coefs_, self.intercepts_ = list(made.coefs), list(made.intercepts)
        self.n_layers_ = len(made.layer_dims)
        self._n_fitted = len(made.coefs)
        found.pop("_training", None)
        if "_network" in found:
            self._network._follow(made)
        return made

    def _seen(self) -> Model:
        """Find the model that predicts; one that is made for a prediction is not kept."""
        return self._kept() or self._made(element_type(self))

    def _shared(self) -> Shared:
        """Find the one network of the weights; of assigned ones it has a copy until they train."""
        found = vars(self)
        network: Shared | None = found.get("_network")
        # a fit, of another thread perhaps, tells it itself when there are weights to share
        if network is not None and "_owner" in found:
            return network
        if "coefs_" not in found:
            check_is_fitted(self)
        model = self._kept()
        if model is None:
            model = self._made(element_type(self))
            # what would be written to the copy would be lost
            model.params.setflags(write=False)
        if self.out_activation_ not in OUTPUTS:
            raise ValueError(f"a Network has no out_activation_ {self.out_activation_!r}")
        network = network or found.setdefault("_network", Shared._seen(model))
        if not network._follows(model):
            network._follow(model)
        return network

    def _made(self, dtype: np.dtype[Any]) -> Model:
        complete(self)
        coefs, intercepts = chain(self)
        names = hidden_activations(self.activation, len(coefs) - 1)
        activations = tuple(NAMES[name] for name in names)
        return Model.from_arrays(coefs, intercepts, activations, *output(self, dtype), dtype=dtype)

    def _kept(self) -> Model | None:
        """Return the last model, if none of the attributes that it follows from was set since."""
        found = vars(self)
        model: Model | None = found.get("_model")
        if model is None or not isinstance(found.get("out_activation_"), str):
            return None
        L, names = len(model.coefs), self.activation
        if isinstance(names, str):
            names = (names,) * (L - 1)
        same = (
            found.get("n_layers_") == L + 1
            and len(self.coefs_) == len(self.intercepts_) == L
            and all(map(is_, self.coefs_, model.coefs))
            and all(map(is_, self.intercepts_, model.intercepts))
            and tuple(map(NAMES.get, names)) == model.activations
            and output(self, model.dtype) == model.meaning[1:]
        )
        return model if same else None

    def __getstate__(self) -> dict[str, Any]:
        found = super().__getstate__()
        state = {k: v for k, v in found.items() if k not in _LEFT_OUT}
        if "_model" in found:
            state["_training"] = state_of(found["_model"].training)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        found = vars(self)
        if isinstance(found.get("_optimizer"), Optimizer):
            found["_training"] = found.pop("_optimizer").state()
        if "coefs_" in found:
            # memory of its own; weights that do not fit each other are refused when they are used
            with suppress(AttributeError, TypeError, ValueError):
                self._bind()
