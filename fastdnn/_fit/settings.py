"""The settings of a fit, the same for every face."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array, in_range, integer
from fastdnn._core.workers import Stop
from fastdnn._fit.model import Model, Row
from fastdnn._fit.names import RULES, known
from fastdnn.optimizers import OPTIMIZERS, Optimizer


class Settings(NamedTuple):
    """The checked settings of a fit.

    Attributes
    ----------
    batch : int
        Examples of a step.
    rule : str
        How a step changes the parameters, from `names.RULES`.
    learning_rate : float or callable
        Step size, or a function of the epoch, 0, 1, ... over all fits of a model; if its attribute
        `every_step` is true, of the fraction of epochs before each step.
    factors : tuple of (float, float, float)
        What the learning rate, the weight decay and epsilon are multiplied by for each row of the
        model's table but V1; empty, if all are 1.
    beta1, beta2 : float
        Decay rates of the first and second moment; of momentum the first.
    epsilon : float
        Added to the divisor, to keep it from 0.
    weight_decay : float
        Share of every parameter that a step of learning rate 1 takes off beside the gradient.
    optimizer : object
        The face's optimiser, which is kept with the moments; or None.
    order : callable, optional
        Called with m before each epoch, returns the order of the examples; by default they are
        taken as they lie.
    keep : tuple of float
        Probabilities that dropout keeps an input, and an output of each hidden layer; empty, if it
        keeps all.
    l2 : float
        The cost of a batch has l2 / 2 times the sum of squares of all weights added to it.
    clip_norm : float
        The greatest norm that the gradient of all parameters together keeps; 0 for any.
    accumulate : int
        Batches of which one step is made; of the last in an epoch there may be fewer.
    label_smoothing : float
        What share of each target is spread evenly over the classes.
    drop : int
        Examples of a batch, if an epoch leaves out those that make no whole one; 0, if it has them
        all.
    guarded : bool
        Whether an epoch that is not finite is undone, and a learning rate judged.
    first_layer : {"auto", "direct", "gram"}
        The form of the first layer; "auto" takes the Gram form where it is less work.
    epochs : int
        Of how many epochs "auto" thinks.
    n_threads : int, optional
        By default as many as pay.
    stop : Stop, optional
        Asked by another thread, it ends the fit after a batch: KeyboardInterrupt.
    l2_per_weight : bool
        Whether l2 is divided by the weight of the batch.
    epsilon_corrected : bool
        Whether epsilon is added to the root of the second moment before its bias is corrected.
    cost_per_row : bool
        Whether a batch's mean cost counts by its rows in that of an epoch, and not by its weight.
    cost_scale : float
        What multiplies the cost, but not its gradient.
    ranks : Ranks, optional
        The processes that take the same steps, each on examples of its own.
    """

    batch: int
    rule: str = "sgd"
    learning_rate: float | Callable[[Any], float] = 0.0
    factors: tuple[tuple[float, float, float], ...] = ()
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
    label_smoothing: float = 0.0
    drop: int = 0
    guarded: bool = True
    first_layer: str = "direct"
    epochs: int = 10
    n_threads: int | None = None
    stop: Stop | None = None
    l2_per_weight: bool = False
    epsilon_corrected: bool = False
    cost_per_row: bool = False
    cost_scale: float = 1.0
    ranks: Any = None

    @classmethod
    def asked(
        cls, model: Model, m: int, optimizer: Any, batch_size: Any, accumulate: Any, shuffle: Any,
        l2: Any, dropout: Any, input_dropout: Any, clip_norm: Any, label_smoothing: Any,
        last_batch: Any, rate_factors: Any, epsilon_factors: Any, first_layer: Any, n_threads: Any,
    ) -> "Settings":  # fmt: skip
        """Judge what a user asks for a fit of m examples: see `Network.fit`."""
        batch = m if batch_size is None else min(m, integer(batch_size, "batch_size"))
        if optimizer is None:
            optimizer = model.training.optimizer
        elif not isinstance(optimizer, Optimizer):
            *names, last = (kind.__name__ for kind in OPTIMIZERS)
            raise TypeError(
                f"optimizer must be {', '.join(names)} or {last}, got {type(optimizer).__name__}"
            )
        if not isinstance(shuffle, (bool, np.bool_)):
            raise TypeError(f"shuffle must be True or False, got {shuffle!r}")
        label_smoothing = in_range(label_smoothing, "label_smoothing", below=1)
        if label_smoothing and model.cost != "cross_entropy":
            raise ValueError(
                f"label_smoothing needs the cost cross_entropy, but this network's is {model.cost}"
            )
        drops = known(last_batch, "last_batch", ("keep", "drop")) == "drop"
        return cls(
            batch,
            **optimizer.settings(),
            learning_rate=optimizer.learning_rate,
            optimizer=optimizer,
            factors=factors_of(model, optimizer, rate_factors, epsilon_factors),
            order=model.rng.permutation if shuffle and batch < m else None,
            l2=in_range(l2, "l2"),
            clip_norm=0.0 if clip_norm is None else in_range(clip_norm, "clip_norm", above=0),
            accumulate=integer(accumulate, "accumulate"),
            label_smoothing=label_smoothing,
            drop=batch if drops else 0,
            keep=(
                1 - in_range(input_dropout, "input_dropout", below=1),
                *[1 - in_range(dropout, "dropout", below=1)] * (len(model.layer_dims) - 2),
            ),
            first_layer=known(first_layer, "first_layer", ("auto", "direct", "gram")),
            n_threads=None if n_threads is None else integer(n_threads, "n_threads"),
        )

    @property
    def code(self) -> int:
        """Tell the rule's code."""
        return RULES[self.rule].code

    @property
    def moments(self) -> tuple[int, ...]:
        """Tell which moments the rule needs."""
        return RULES[self.rule].moments


# what a user calls the kinds of the table's rows
_KINDS = {"weights": "W", "bias": "b", "scale": "scale"}


def factors_of(
    model: Model, optimizer: Optimizer, rate_factors: Any, epsilon_factors: Any
) -> tuple[tuple[float, float, float], ...]:
    """Say what an optimiser's rate, decay and epsilon are multiplied by, for each parameter.

    In the NTK parametrisation of W = sqrt(n_prev) V, where V is what lies in memory, a gradient by
    W is 1 / sqrt(n_prev) of that by V. So a step that is linear in the gradient moves V by
    1 / n_prev of what it would, and one that divides it by its own root by 1 / sqrt(n_prev), with
    an epsilon that is sqrt(n_prev) times as large. The share of V that decays is that of W.
    """
    rows = [row for row in model.rows if row.kind in _KINDS]
    rates = _judged(rate_factors, "rate_factors", rows)
    epsilons = _judged(epsilon_factors, "epsilon_factors", rows)
    numbers = optimizer.settings()
    if epsilon_factors and "epsilon" not in numbers:
        raise ValueError(
            "epsilon_factors needs an optimizer that has an epsilon, "
            f"got {type(optimizer).__name__}"
        )
    linear = RULES[numbers["rule"]].linear
    found = []
    for row, rate, epsilon in zip(rows, rates, epsilons, strict=True):
        root = 1.0
        if model.parametrization == "ntk" and row.kind == "weights":
            root = sqrt(row.shape[0])
        found.append((rate / (root * root if linear else root), rate, epsilon * root))
    return tuple(found) if set(found) != {(1.0, 1.0, 1.0)} else ()


def _judged(given: Any, name: str, rows: list[Row]) -> list[float]:
    """Take a factor for each row: by its own name, by its kind's, or 1."""
    if given is None:
        return [1.0] * len(rows)
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a dict from names of parameters to numbers, got {given!r}")
    names = {*(row.name for row in rows), *(_KINDS[row.kind] for row in rows)}
    for key in given:
        if key == "scale" and key not in names:
            raise ValueError(f"{name}['scale'] needs a network with input_scale=True")
        if key not in names:
            expected = ", ".join(dict.fromkeys(_KINDS[row.kind] for row in rows))
            raise ValueError(
                f"{name} must have names of parameters, W1, ..., or of all of a kind, {expected}, "
                f"got {key!r}"
            )
    judged = {key: in_range(value, f"{name}[{key!r}]") for key, value in given.items()}
    return [judged.get(row.name, judged.get(_KINDS[row.kind], 1.0)) for row in rows]
