"""A model as a graph of ONNX's operators: plain names and arrays, without the library.

Every operator here is in ONNX since opset 13. Where onnxruntime has a kernel for float32 alone, a
float64 graph has the formula in other operators.
"""

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from scipy.special import erfcx

from fastdnn._arrays import Array
from fastdnn._fit.model import Model
from fastdnn._fit.names import ACTIVATIONS, OUTPUTS

# of the operators that are of ONNX's other domain, this and its version
ML, ML_OPSET, OF_ML = "ai.onnx.ml", 2, ("ZipMap", "LabelEncoder")
# where the first polynomial of the normal distribution is centred, and beyond which that is 0
_CENTRE, _FAR = 6.0, 39.0


class Node(NamedTuple):
    """An operator, the names of the values that it reads, and of the one that it makes."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


class Graph:
    """Nodes in the order of computation, and constants by name.

    Parameters
    ----------
    dtype : numpy.dtype
        In which the graph computes: float32 or float64.
    unique : callable
        Makes a name that no value has of one that is proposed.

    Attributes
    ----------
    dtype, unique :
        As given.
    nodes : list of Node
    constants : dict of ndarray
    """

    def __init__(self, dtype: np.dtype[Any], unique: Callable[[str], str]) -> None:
        self.dtype, self.unique = dtype, unique
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self._numbers: dict[float, str] = {}

    def constant(self, name: str, array: Array) -> str:
        """Hold an array, under a name like this one."""
        name = self.unique(name)
        self.constants[name] = array
        return name

    def number(self, value: float) -> str:
        """Hold a number of the graph's type, once."""
        if value not in self._numbers:
            self._numbers[value] = self.constant("number", np.array(value, self.dtype))
        return self._numbers[value]

    def add(
        self, operator: str, *inputs: str | float, out: str | None = None, **attributes: Any
    ) -> str:
        """Add a node that reads values or numbers; return the name of what it makes."""
        names = tuple(x if isinstance(x, str) else self.number(x) for x in inputs)
        output = self.unique(operator.lower()) if out is None else out
        self.nodes.append(Node(operator, names, output, attributes))
        return output


def unique(taken: set[str]) -> Callable[[str], str]:
    """Make the function that makes names which are not taken."""

    def free(name: str) -> str:
        numbered = (f"{name}_{i}" for i in count(2))
        found = name if name not in taken else next(n for n in numbered if n not in taken)
        taken.add(found)
        return found

    return free


# ------------------------------------------------------------------------------------ activations


def _leaky_relu(graph: Graph, Z: str) -> str:
    return graph.add("Max", Z, graph.add("Mul", Z, 0.01))


def _negative(graph: Graph, Z: str) -> str:
    # exp(z) - 1 for z <= 0, else 0: 2 t / (1 - t), t = tanh(z / 2)
    t = graph.add("Tanh", graph.add("Mul", graph.add("Min", Z, 0.0), 0.5))
    return graph.add("Div", graph.add("Add", t, t), graph.add("Sub", 1.0, t))


def _elu(graph: Graph, Z: str) -> str:
    return graph.add("Add", graph.add("Relu", Z), _negative(graph, Z))


def _selu(graph: Graph, Z: str) -> str:
    positive = graph.add("Mul", graph.add("Relu", Z), _SELU["gamma"])
    negative = graph.add("Mul", _negative(graph, Z), _SELU["gamma"] * _SELU["alpha"])
    return graph.add("Add", positive, negative)


def _gelu(graph: Graph, Z: str) -> str:
    # z P(z), P the standard normal distribution function
    if graph.dtype == np.float32:
        # the nodes that runtimes know as one
        E = graph.add("Erf", graph.add("Div", Z, float(np.sqrt(2))))
        return graph.add("Mul", graph.add("Mul", Z, graph.add("Add", E, 1.0)), 0.5)
    # onnxruntime has no erf of float64: max(z, 0) - x P(-x), x = |z|, where
    # P(-x) = exp(-x^2 / 2) h(y) / (1 + x), y = (x - a) / (x + a)
    x = graph.add("Min", graph.add("Abs", Z), _FAR)
    y = graph.add("Div", graph.add("Sub", x, _CENTRE), graph.add("Add", x, _CENTRE))
    *rest, last = _normal_coefficients()
    P: str | float = last
    for coefficient in reversed(rest):
        P = graph.add("Add", graph.add("Mul", y, P), coefficient)
    half = graph.add("Mul", graph.add("Mul", x, x), -0.5)
    P = graph.add("Mul", P, graph.add("Exp", half))
    share = graph.add("Div", x, graph.add("Add", x, 1.0))
    return graph.add("Sub", graph.add("Relu", Z), graph.add("Mul", share, P))


def _normal_coefficients() -> list[float]:
    """Fit h, as in elementary.pxd, by a polynomial in y, from the constant term on."""

    def h(y: Array) -> Array:
        x = _CENTRE * (1 + y) / (1 - y)
        return np.asarray((1 + x) * erfcx(x / np.sqrt(2)) / 2)

    most = (_FAR - _CENTRE) / (_FAR + _CENTRE)
    fitted = np.polynomial.Chebyshev.interpolate(h, 24, domain=[-1, most])
    polynomial = fitted.convert(kind=np.polynomial.Polynomial, domain=[-1, 1], window=[-1, 1])
    return [float(c) for c in polynomial.coef]


def _silu(graph: Graph, Z: str) -> str:
    # z / (1 + exp(-z)): onnxruntime's sigmoid of a float32 far below 0 has few right digits
    return graph.add("Div", Z, graph.add("Add", graph.add("Exp", graph.add("Neg", Z)), 1.0))


def _softplus(graph: Graph, Z: str) -> str:
    # log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|))
    e = graph.add("Exp", graph.add("Neg", graph.add("Abs", Z)))
    return graph.add("Add", graph.add("Relu", Z), graph.add("Log", graph.add("Add", e, 1.0)))


def _mish(graph: Graph, Z: str) -> str:
    # z tanh(softplus(z)) = z n / (n + 2), n = E (E + 2), E = exp(z); n / (n + 2) is 1 from 20 on
    E = graph.add("Exp", graph.add("Min", Z, 20.0))
    n = graph.add("Mul", E, graph.add("Add", E, 2.0))
    return graph.add("Mul", Z, graph.add("Div", n, graph.add("Add", n, 2.0)))


_SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
# operators of float32 alone, with their attributes, and the same in others
_SINGLE: dict[str, tuple[dict[str, Any], Callable[[Graph, str], str]]] = {
    "LeakyRelu": ({"alpha": 0.01}, _leaky_relu),
    "Elu": ({"alpha": 1.0}, _elu),
    "Selu": (_SELU, _selu),
    "Softplus": ({}, _softplus),
}
# operators that are younger than opset 13
_YOUNG: dict[str, Callable[[Graph, str], str]] = {"Gelu": _gelu, "Swish": _silu, "Mish": _mish}


def _activate(graph: Graph, name: str, Z: str) -> str:
    operator = ACTIVATIONS[name].onnx
    if operator == "Identity":
        return Z
    if operator in _YOUNG:
        return _YOUNG[operator](graph, Z)
    attributes, others = _SINGLE.get(operator, ({}, None))
    if others is not None and graph.dtype == np.float64:
        return others(graph, Z)
    return graph.add(operator, Z, **attributes)


# ----------------------------------------------------------------------------------------- layers


def forward(graph: Graph, model: Model, X: str, out: str) -> None:
    """Add what a model predicts for the rows X, under the name `out`.

    Raises
    ------
    ValueError
        If a weight or bias is not finite, or too large for the graph's type.
    """
    held = {row.name: _held(row.name, array, graph.dtype) for row, array in model.entries()}
    A, L = X, len(model.coefs)
    for l, name in enumerate((*model.activations, ""), 1):
        W, b = (graph.constant(key, held[key]) for key in (f"W{l}", f"b{l}"))
        operator = OUTPUTS[model.output].onnx
        last = l == L and operator == "Identity"
        # Gemm would be one node, but onnxruntime 1.17 has none of float64 with an activation
        A = graph.add("Add", graph.add("MatMul", A, W), b, out=out if last else None)
        if l < L:
            A = _activate(graph, name, A)
        elif operator == "Softmax":
            graph.add(operator, A, out=out, axis=1)
        elif not last:
            graph.add(operator, A, out=out)


def _held(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite: train the model anew")
    with np.errstate(over="ignore"):
        held = array.astype(dtype)
    if not np.isfinite(held).all():
        raise ValueError(f"{name} holds numbers that are too large for {dtype}: ask for float64")
    return held
