"""What can be chosen by name: one row for each activation, cost and optimiser.

A code is that of an enum of `_core`, where no name is read.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from textwrap import fill, indent
from typing import Any, NamedTuple, TypeVar

Class = TypeVar("Class", bound=type)


class Activation(NamedTuple):
    """An activation of hidden layers.

    Attributes
    ----------
    code : int
        Of the enum Activation.
    of_output : bool
        Whether its derivative is a function of A, else of Z.
    scikit_learn : str
        Its name in the estimators: scikit-learn's own, where that has it.
    onnx : str
        The operator of ONNX.
    """

    code: int
    of_output: bool
    scikit_learn: str
    onnx: str


class Output(NamedTuple):
    """An activation of the output.

    Attributes
    ----------
    code : int
        Of the enum Output.
    scikit_learn : str
        Its name in the estimators.
    onnx : str
        The operator of ONNX.
    units : int
        The least that it is of use for.
    """

    code: int
    scikit_learn: str
    onnx: str
    units: int = 1


class Cost(NamedTuple):
    """A cost.

    Attributes
    ----------
    code : int
        Of the enum Cost.
    name : str
    output : str
        The activation of the output that it is made for. The first cost of an output is its
        default.
    parameter : str or None
        The argument of `Network` that it depends on.
    least, most : float
        Bounds of the targets.
    classes : bool
        Whether class indices are targets too.
    """

    code: int
    name: str
    output: str
    parameter: str | None = None
    least: float = -inf
    most: float = inf
    classes: bool = False


class Rule(NamedTuple):
    """An optimiser: how a step changes the parameters.

    Attributes
    ----------
    code : int
        Of the enum Optimizer.
    moments : tuple of int
        Which of the two arenas of moments it needs.
    linear : bool
        Whether a step is a linear function of the gradients so far: what the Gram form rests on.
    """

    code: int
    moments: tuple[int, ...] = ()
    linear: bool = False


# fmt: off
ACTIVATIONS = {
    "identity":   Activation(0,  True,  "identity",   "Identity"),
    "sigmoid":    Activation(2,  True,  "logistic",   "Sigmoid"),
    "tanh":       Activation(4,  True,  "tanh",       "Tanh"),
    "relu":       Activation(1,  True,  "relu",       "Relu"),
    "leaky_relu": Activation(5,  True,  "leaky_relu", "LeakyRelu"),
    "elu":        Activation(6,  True,  "elu",        "Elu"),
    "selu":       Activation(7,  True,  "selu",       "Selu"),
    "gelu":       Activation(8,  False, "gelu",       "Gelu"),
    "silu":       Activation(9,  False, "silu",       "Swish"),
    "softplus":   Activation(10, True,  "softplus",   "Softplus"),
    "mish":       Activation(11, False, "mish",       "Mish"),
}
OUTPUTS = {
    "sigmoid":  Output(1, "logistic", "Sigmoid"),
    "softmax":  Output(2, "softmax",  "Softmax", units=2),
    "identity": Output(0, "identity", "Identity"),
    "exp":      Output(3, "exp",      "Exp"),
}
_COSTS = (
    Cost(0, "cross_entropy",  "sigmoid", least=0.0, most=1.0),
    Cost(1, "cross_entropy",  "softmax", least=0.0, classes=True),
    Cost(2, "squared_error",  "identity"),
    Cost(3, "absolute_error", "identity"),
    Cost(4, "huber",          "identity", "huber_delta"),
    Cost(5, "quantile",       "identity", "quantile"),
    Cost(7, "log_cosh",       "identity"),
    Cost(6, "poisson",        "exp", least=0.0),
)
RULES = {
    "none":     Rule(0),  # the gradient is left where it is
    "sgd":      Rule(1, linear=True),
    "momentum": Rule(2, (1,), linear=True),
    "nesterov": Rule(3, (1,), linear=True),
    "rmsprop":  Rule(4, (2,)),
    "adam":     Rule(5, (1, 2)),
    "nadam":    Rule(6, (1, 2)),
}
# fmt: on
# how the optimiser's steps depend on the units of the layer before
PARAMETRIZATIONS = ("standard", "ntk")

# a cost by its output's activation and by its name
COSTS = {
    output: {cost.name: cost for cost in _COSTS if cost.output == output} for output in OUTPUTS
}


def known(name: Any, argument: str, names: Iterable[str]) -> str:
    """Take a name that must be one of some.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not isinstance(name, str) or name not in tuple(names):
        raise ValueError(f"{argument} must be one of {', '.join(names)}, got {name!r}")
    return str(name)


def hidden_activations(activation: Any, count: int) -> tuple[str, ...]:
    """Take the name of the activation of all hidden layers, or one for each of so many."""
    if isinstance(activation, str):
        known(activation, "activation", ACTIVATIONS)
        return (activation,) * count
    if not isinstance(activation, Sequence):
        raise TypeError(f"activation must be a name or a sequence of names, got {activation!r}")
    if len(activation) != count:
        raise ValueError(
            f"activation must be one name, or one for each of {count} hidden layers, "
            f"got {activation!r}"
        )
    return tuple(known(name, "activation", ACTIVATIONS) for name in activation)


def cost_of(output: Any, name: Any, n_L: int) -> Cost:
    """Take the names of an activation of n_L outputs, and of one of its costs; None is its first.

    Raises
    ------
    ValueError
        If one is unknown, or there are too few outputs for the activation.
    """
    output = known(output, "output_activation", OUTPUTS)
    least, costs = OUTPUTS[output].units, COSTS[output]
    if n_L < least:
        raise ValueError(f"output_activation {output!r} needs at least {least} output units")
    return costs[known(next(iter(costs)) if name is None else name, "cost", costs)]


def lists(**names: Iterable[str]) -> Callable[[Class], Class]:
    """Write lists of names into a class's docstring, where ``{key}`` begins a line."""

    def filled(cls: Class) -> Class:
        lines = (cls.__doc__ or "").split("\n")
        for at, line in enumerate(lines):
            key, brace, rest = line.strip().lstrip("{").partition("}")
            if brace and key in names:
                text = ", ".join(f'"{name}"' for name in names[key]) + rest
                # Python 3.13 has taken off the indentation of the source
                lines[at] = indent(fill(text, 92), " " * (len(line) - len(line.lstrip())))
        cls.__doc__ = "\n".join(lines)
        return cls

    return filled
