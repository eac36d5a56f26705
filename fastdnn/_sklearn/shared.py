"""The network of an estimator: a `Network` that reads its weights, and follows them."""

from typing import Any, NoReturn

from fastdnn._fit.model import Model, Training
from fastdnn._fit.names import COSTS
from fastdnn.network import Network

_NOT_ITS_OWN = (
    "the weights of this network are an estimator's: train the estimator, or copy.copy(network)"
)


class Shared(Network):
    """An estimator's weights as a `Network`, which predicts but is not trained by itself.

    It follows what the estimator tells it. A copy, or a pickle, is a network of its own.
    """

    @classmethod
    def _seen(cls, model: Model) -> "Shared":
        """Share an estimator's model."""
        net = cls.__new__(cls)
        net._follow(model)
        return net

    def _follow(self, model: Model) -> None:
        """Share another model from now on."""
        # a greatest cost of an example is scikit-learn's alone
        parameter = model.cost_parameter if COSTS[model.output][model.cost].parameter else 0.0
        shared = model.of(model.activations, model.output, model.cost, parameter)
        shared.training, shared.rng, shared.source = Training(), None, model
        self._own(shared)

    def _follows(self, model: Model) -> bool:
        return self._model.params is model.params

    def fit(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Raise RuntimeError: the estimator is trained, or a copy of the network."""
        raise RuntimeError(_NOT_ITS_OWN)

    def load_state_dict(self, state: Any) -> NoReturn:
        """Raise RuntimeError, as `fit`."""
        raise RuntimeError(_NOT_ITS_OWN)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Make a copy, or a pickle, of a plain network."""
        return object.__new__, (Network,), self.__getstate__()
