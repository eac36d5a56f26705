"""The one owner of all that a fit changes: parameters, moments, counts, generator.

A table of rows decides where each weight and bias stands in the arenas. The course's dictionary,
scikit-learn's lists and the entries of a file are views on them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import Array, arena, in_range
from fastdnn._core.levels import promised
from fastdnn._core.plan import Plan
from fastdnn._core.training import Counts
from fastdnn._fit.names import (
    ACTIVATIONS,
    COSTS,
    OUTPUTS,
    PARAMETRIZATIONS,
    RULES,
    cost_of,
    hidden_activations,
    known,
)
from fastdnn._fit.threads import alone


class Row(NamedTuple):
    """A parameter: its name and kind, its offset in an arena, and its shape there.

    The weights ``W1, ...`` have the kind "weights" and the shape (n_prev, n), the biases
    ``b1, ...`` the kind "bias" and the shape (n,). The numbers ``scale`` by which the inputs are
    multiplied have the kind "scale" and the shape (n_0,), and ``V1``, which W1 is made of, the kind
    "unscaled" and the shape of W1. Gradient and moments of V1 lie where those of W1 would.
    """

    name: str
    kind: str
    offset: int
    shape: tuple[int, ...]
    size: int

    def of(self, arena: Array) -> Array:
        """View the parameter, its gradient or a moment of it in an arena."""
        return arena[self.offset : self.offset + self.size].reshape(self.shape)


@lru_cache(maxsize=32)
def table(layer_dims: tuple[int, ...], input_scale: bool = False) -> tuple[Row, ...]:
    """Lay out the parameters of dense layers: W1, b1, ..., WL, bL, and scale, V1 behind them."""
    rows, at = [], 0
    for l, (n_prev, n) in enumerate(pairwise(layer_dims), 1):
        for name, kind, shape in ((f"W{l}", "weights", (n_prev, n)), (f"b{l}", "bias", (n,))):
            rows.append(Row(name, kind, at, shape, prod(shape)))
            at += rows[-1].size
    if input_scale:
        W1 = rows[0]
        rows.append(Row("scale", "scale", at, W1.shape[:1], W1.shape[0]))
        rows.append(Row("V1", "unscaled", at + W1.shape[0], W1.shape, W1.size))
    return tuple(rows)


@dataclass
class Training:
    """What an optimiser keeps from fit to fit.

    Attributes
    ----------
    rule : str or None
        Its row of `names.RULES`; None before the first fit.
    m1, m2 : ndarray or None
        Arenas of the moments that the rule needs.
    counts : Counts
        Steps of these moments, and epochs of all fits.
    optimizer : object
        The face's optimiser.
    gram : dict or None
        The state from which the Gram form goes on.
    """

    rule: str | None = None
    m1: Array | None = None
    m2: Array | None = None
    counts: Counts = field(default_factory=Counts)
    optimizer: Any = None
    gram: dict[str, Any] | None = None

    @property
    def moments(self) -> tuple[Array | None, Array | None]:
        """Both arenas."""
        return self.m1, self.m2


class Model:
    """A network's numbers, and what they mean.

    Parameters
    ----------
    layer_dims : tuple of int
        Units of each layer, the input's features first.
    activations : tuple of str
        Of the hidden layers, from `names.ACTIVATIONS`.
    output : str
        The activation of the output, from `names.OUTPUTS`.
    cost : str
        One of `names.COSTS[output]`.
    cost_parameter : float
        The threshold of huber, or the quantile; of "cross_entropy" the greatest cost of an example.
    params : ndarray
        The arena of the parameters.
    rng : Generator or RandomState, optional
        The generator of orders and dropout.
    input_scale : bool
        Whether each input is multiplied by a number of its own, which is trained too.
    parametrization : str
        One of `names.PARAMETRIZATIONS`.

    Attributes
    ----------
    rows : tuple of Row
        The table.
    coefs, intercepts : tuple of ndarray
        scikit-learn's weights (n_prev, n) and biases (n,): views on the parameters.
    meaning : tuple
        What the numbers mean: activations, output, cost and its parameter.
    plan : Plan
        The same as the compiled code reads it.
    training : Training
        Of the last fit.
    work : int
        Multiplications of a prediction of one example.
    whole : bool
        Whether parameters, moments and counts belong together: not within an epoch, nor before the
        Gram form has written W1.
    reproducible : bool
        Whether the same bits are demanded everywhere.
    source : Model or None
        Whose numbers these are, where another is trained.
    """

    layer_dims: tuple[int, ...]
    rows: tuple[Row, ...]
    weights: tuple[Row, ...]
    biases: tuple[Row, ...]
    params: Array
    coefs: tuple[Array, ...]
    intercepts: tuple[Array, ...]
    activations: tuple[str, ...]
    output: str
    cost: str
    cost_parameter: float
    meaning: tuple[tuple[str, ...], str, str, float]
    training: Training
    rng: Any
    plan: Plan
    work: int
    whole: bool
    reproducible: bool = False
    input_scale: bool
    parametrization: str
    source: "Model | None"

    def __init__(
        self,
        layer_dims: tuple[int, ...],
        activations: tuple[str, ...],
        output: str,
        cost: str,
        cost_parameter: float,
        params: Array,
        rng: Any = None,
        input_scale: bool = False,
        parametrization: str = "standard",
    ) -> None:
        self.layer_dims, self.rows = layer_dims, table(layer_dims, input_scale)
        self.input_scale, self.parametrization = input_scale, parametrization
        self.params, self.rng, self.training = params, rng, Training()
        self.weights = tuple(row for row in self.rows if row.kind == "weights")
        self.biases = tuple(row for row in self.rows if row.kind == "bias")
        self.coefs = tuple(row.of(params) for row in self.weights)
        self.intercepts = tuple(row.of(params) for row in self.biases)
        self.work = sum(row.size for row in self.weights)
        self.whole, self.source = True, None
        self._mean(activations, output, cost, cost_parameter)

    def _mean(
        self, activations: tuple[str, ...], output: str, cost: str, cost_parameter: float
    ) -> None:
        self.activations, self.output = activations, output
        self.cost, self.cost_parameter = cost, cost_parameter
        self.meaning = activations, output, cost, cost_parameter
        self.plan = Plan(
            self.layer_dims,
            tuple(row.offset for row in self.weights),
            tuple((ACTIVATIONS[name].code, ACTIVATIONS[name].of_output) for name in activations),
            OUTPUTS[output].code,
            COSTS[output][cost].code,
            cost_parameter,
            self.params,
            alone(self.work),
            self.rows[-2].offset if self.input_scale else 0,
        )

    @classmethod
    def from_arrays(
        cls,
        coefs: Sequence[Array],
        intercepts: Sequence[Array],
        activations: tuple[str, ...],
        output: str,
        cost: str,
        cost_parameter: float = 0.0,
        dtype: Any = None,
        rng: Any = None,
        input_scale: bool = False,
        parametrization: str = "standard",
    ) -> "Model":
        """Copy weights (n_prev, n) and biases of n elements, which fit each other, into a model."""
        layer_dims = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
        params = packed(table(layer_dims), coefs, intercepts, dtype)
        if input_scale:
            *_, scale, V1 = table(layer_dims, input_scale)
            params = arena(
                V1.offset + V1.size,
                params.dtype,
                np.concatenate([params, np.ones(scale.size, params.dtype), params[: V1.size]]),
            )
        meaning = activations, output, cost, cost_parameter
        return cls(layer_dims, *meaning, params, rng, input_scale, parametrization)

    @classmethod
    def asked(
        cls, drawn: Mapping[str, Array], activation: Any, output_activation: Any, cost: Any,
        numbers: Mapping[str, Any], rng: Any, input_scale: bool, parametrization: Any,
    ) -> "Model":  # fmt: skip
        """Judge what a user asks of a network with these first W1, b1, ...: see `Network`.

        The numbers are those that a cost may depend on.
        """
        arrays = list(drawn.values())
        activations = hidden_activations(activation, len(arrays) // 2 - 1)
        chosen = cost_of(output_activation, cost, len(arrays[-1]))
        judged = {
            "huber_delta": in_range(numbers["huber_delta"], "huber_delta", above=0),
            "quantile": in_range(numbers["quantile"], "quantile", above=0, below=1),
        }
        return cls.from_arrays(
            [W.T for W in arrays[::2]],
            arrays[1::2],
            activations,
            chosen.output,
            chosen.name,
            0.0 if chosen.parameter is None else judged[chosen.parameter],
            rng=rng,
            input_scale=input_scale,
            parametrization=known(parametrization, "parametrization", PARAMETRIZATIONS),
        )

    def of(
        self, activations: tuple[str, ...], output: str, cost: str, cost_parameter: float = 0.0
    ) -> "Model":
        """Make a model of the same numbers, in the same memory, with another meaning."""
        model = copy(self)
        model._mean(activations, output, cost, cost_parameter)
        return model

    def demand(self, reproducible: Any) -> None:
        """Demand the same bits everywhere, or not, or what the process says."""
        self.reproducible = promised(reproducible)

    def __str__(self) -> str:
        """Say the shape, what it computes, and how far it was trained."""
        hidden = ", ".join(dict.fromkeys(self.activations)) or "no hidden layer"
        return (
            f"{list(self.layer_dims)}, {hidden}, {self.output}, {self.cost}, {self.dtype}, "
            f"{self.training.counts.epochs} epochs"
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self.params.dtype

    @property
    def bits(self) -> Any:
        """NumPy's bit generator, that dropout draws from."""
        if isinstance(self.rng, np.random.RandomState):
            return self.rng._bit_generator
        return self.rng.bit_generator

    # ------------------------------------------------------------------------------------- views

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The views for a user, who may write to all but what W1 is made of."""
        named = self.named()
        if self.input_scale:
            # what was written there would be lost: training begins with W1 where they do not agree
            named["scale"].flags.writeable = named["V1"].flags.writeable = False
        return MappingProxyType(named)

    def named(self) -> dict[str, Array]:
        """View all by the course's names, in its shapes: W (n, n_prev), b (n, 1)."""
        return {
            row.name: view.T if view.ndim == 2 else view[:, None] for row, view in self.entries()
        }

    def entries(self) -> Iterator[tuple[Row, Array]]:
        """Go through the table with the view of each row."""
        return ((row, row.of(self.params)) for row in self.rows)

    # ---------------------------------------------------------------------------------- training

    def trained_by(self, rule: str, optimizer: Any = None) -> Training:
        """Return the present training if it is of this rule and optimiser, or a new one.

        The model holds a new one only after its first step.
        """
        now, needed = self.training, RULES[rule].moments
        if now.rule is not None and RULES[now.rule].moments == needed:
            return Training(rule, now.m1, now.m2, now.counts, optimizer)
        m1, m2 = (arena(self.params.size, self.dtype) if i in needed else None for i in (1, 2))
        return Training(rule, m1, m2, Counts(0, now.counts.epochs), optimizer)


def packed(
    rows: Iterable[Row], coefs: Sequence[Array], intercepts: Sequence[Array], dtype: Any = None
) -> Array:
    """Lay weights (n_prev, n) and biases of n elements into an arena, by default of their type."""
    rows = tuple(rows)
    parts = [array for pair in zip(coefs, intercepts, strict=True) for array in pair]
    params = arena(sum(row.size for row in rows), parts[0].dtype if dtype is None else dtype)
    for row, part in zip(rows, parts, strict=True):
        row.of(params)[...] = part.reshape(row.shape)
    return params
