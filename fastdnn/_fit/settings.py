"""All that a fit may be told, whatever face it has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastdnn._arrays import Array
from fastdnn._fit.names import RULES


@dataclass(frozen=True)
class Settings:
    """The judged settings of a fit.

    Attributes
    ----------
    batch : int
        Examples of a step.
    rule : str
        How a step changes the parameters, from `names.RULES`.
    learning_rate : float or callable
        Step size, or what gives it for an epoch: 0, 1, ... over all fits of a model.
    beta1, beta2 : float
        Decay rates of the first and second moment; of momentum the first.
    epsilon : float
        What keeps the divisor from 0.
    weight_decay : float
        Share of every parameter that a step of learning rate 1 takes off beside the gradient.
    optimizer : object
        What the rule and its numbers were taken from, kept with the moments; or None.
    order : callable, optional
        Gives an order of m examples, and is asked before each epoch. By default as they lie.
    keep : tuple of float
        Probabilities that dropout keeps an input, and an output of each hidden layer; empty, if it
        keeps all.
    l2 : float
        The cost of a batch has l2 / 2 times the sum of squares of all weights added to it.
    clip_norm : float
        The greatest norm that the gradient of all parameters together keeps; 0 for any.
    accumulate : int
        Batches of which one step is made.
    guarded : bool
        Whether an epoch that is not finite is undone, and a learning rate judged.
    first_layer : {"auto", "direct", "gram"}
        The form of the first layer; "auto" takes the Gram form where it is less work.
    epochs : int
        Of how many epochs "auto" thinks.
    n_threads : int, optional
        By default as many as pay.
    l2_per_weight : bool
        Whether l2 is divided by the weight of the batch.
    epsilon_corrected : bool
        Whether epsilon is added to the root of the second moment before its bias is corrected.
    cost_per_row : bool
        Whether a batch's mean cost counts by its rows in that of an epoch, and not by its weight.
    cost_scale : float
        What multiplies the cost, but not its gradient.
    """

    batch: int
    rule: str = "sgd"
    learning_rate: float | Callable[[int], float] = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    epsilon: float = 0.0
    weight_decay: float = 0.0
    optimizer: Any = None
    order: Callable[[int], Array] | None = None
    keep: tuple[float, ...] = ()
    l2: float = 0.0
    clip_norm: float = 0.0
    accumulate: int = 1
    guarded: bool = True
    first_layer: str = "direct"
    epochs: int = 10
    n_threads: int | None = None
    l2_per_weight: bool = False
    epsilon_corrected: bool = False
    cost_per_row: bool = False
    cost_scale: float = 1.0

    @property
    def code(self) -> int:
        """Tell the rule's code."""
        return RULES[self.rule].code

    @property
    def bias_corrected(self) -> bool:
        """Whether the bias of the moments is corrected."""
        return RULES[self.rule].corrected
