"""What is measured: the course's functions on three networks, each side on inputs of its own."""

import importlib.util
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import fastdnn
from bench import ROOT

Call = Callable[[], object]
Parameters = dict[str, NDArray[Any]]

LEARNING_RATE = 0.0075


@dataclass(frozen=True)
class Network:
    """Sizes of the layers, number of examples, memory order of X."""

    layer_dims: tuple[int, ...]
    m: int
    order: Literal["C", "F"]


@dataclass(frozen=True)
class Case:
    """One row of the table: the same call on both sides."""

    function: str
    network: str
    dtype: str
    numpy: Call
    fastdnn: Call


NETWORKS = {
    "tiny": Network((16, 32, 1), 32, "C"),
    "course": Network((12288, 20, 7, 5, 1), 209, "F"),
    "middling": Network((784, 256, 128, 1), 128, "C"),
}
DTYPES = ("float64", "float32")
FUNCTIONS = (
    "initialize_parameters",
    "initialize_parameters_deep",
    "linear_forward",
    "linear_activation_forward",
    "L_model_forward",
    "compute_cost",
    "linear_backward",
    "linear_activation_backward",
    "L_model_backward",
    "update_parameters",
    "step",
)


def cases(
    networks: Collection[str], dtypes: Collection[str], functions: Collection[str]
) -> Iterator[Case]:
    """Make the cases one after another; only one network's arrays are in memory at a time.

    Raises
    ------
    ValueError
        If both sides of a case do not return the same.
    """
    course = load_course()
    for network in networks:
        for dtype in dtypes:
            numpy_calls = _calls(course, NETWORKS[network], dtype)
            fastdnn_calls = _calls(fastdnn, NETWORKS[network], dtype)
            for function, call in fastdnn_calls.items():
                if function.split()[0] in functions:
                    case = Case(function, network, dtype, numpy_calls[function], call)
                    if not agree(case.numpy(), case.fastdnn()):
                        raise ValueError(f"{function} on {network} in {dtype}: the results differ")
                    yield case


def load_course(name: str = "reference") -> Any:
    """Load the tests' reference: NumPy as the course writes it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _calls(side: Any, network: Network, dtype: str) -> dict[str, Call]:
    """Give every function what the functions of its own side hand it in training."""
    sizes = network.layer_dims
    X, Y, parameters = _problem(network, dtype)
    W, b = parameters["W1"], parameters["b1"]
    AL, caches = side.L_model_forward(X, parameters)
    grads = side.L_model_backward(AL, Y, caches)
    dA = grads["dA1"]
    linear_cache, Z = caches[0]
    dZ = side.relu_backward(dA, Z)
    _, sigmoid_cache = side.linear_activation_forward(X, W, b, "sigmoid")

    def step() -> object:
        AL, caches = side.L_model_forward(X, parameters)
        cost = side.compute_cost(AL, Y)
        grads = side.L_model_backward(AL, Y, caches)
        return cost, side.update_parameters(parameters, grads, LEARNING_RATE)

    forward, backward = side.linear_activation_forward, side.linear_activation_backward
    return {
        "initialize_parameters": _draw(
            side.initialize_parameters, (sizes[0], sizes[1], sizes[-1]), dtype
        ),
        "initialize_parameters_deep": _draw(side.initialize_parameters_deep, (sizes,), dtype),
        "linear_forward": partial(side.linear_forward, X, W, b),
        "linear_activation_forward relu": partial(forward, X, W, b, "relu"),
        "linear_activation_forward sigmoid": partial(forward, X, W, b, "sigmoid"),
        "L_model_forward": partial(side.L_model_forward, X, parameters),
        "compute_cost": partial(side.compute_cost, AL, Y),
        "linear_backward": partial(side.linear_backward, dZ, linear_cache),
        "linear_activation_backward relu": partial(backward, dA, caches[0], "relu"),
        "linear_activation_backward sigmoid": partial(backward, dA, sigmoid_cache, "sigmoid"),
        "L_model_backward": partial(side.L_model_backward, AL, Y, caches),
        "update_parameters": partial(side.update_parameters, parameters, grads, LEARNING_RATE),
        "step": step,
    }


def _problem(network: Network, dtype: str) -> tuple[NDArray[Any], NDArray[Any], Parameters]:
    """Draw pixels, labels and weights of a scale that keeps the activations alive."""
    random = np.random.RandomState(0)
    sizes, m = network.layer_dims, network.m
    X = random.random_sample((sizes[0], m)).astype(dtype, order=network.order)
    Y = random.randint(0, 2, (1, m)).astype(dtype)
    parameters = {}
    for l in range(1, len(sizes)):
        W = random.standard_normal((sizes[l], sizes[l - 1])) / np.sqrt(sizes[l - 1])
        parameters[f"W{l}"] = W.astype(dtype)
        parameters[f"b{l}"] = np.zeros((sizes[l], 1), dtype)
    return X, Y, parameters


def _draw(initialize: Callable[..., Parameters], arguments: tuple[Any, ...], dtype: str) -> Call:
    if dtype == "float64":
        return partial(initialize, *arguments)
    if initialize.__module__.partition(".")[0] == "fastdnn":
        return partial(initialize, *arguments, dtype=np.float32)
    # the course's functions take no dtype: their float64 digits are rounded afterwards
    return lambda: {key: P.astype(np.float32) for key, P in initialize(*arguments).items()}


def agree(a: Any, b: Any) -> bool:
    """Whether two results agree, though rounding may switch a unit of relu on or off."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(agree(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(agree, a, b))
    same = a.shape == b.shape and a.dtype == b.dtype
    if a.dtype == bool:
        return same and bool(np.all(a == b))
    return same and bool(np.linalg.norm(a - b) <= 0.01 * np.linalg.norm(a))
