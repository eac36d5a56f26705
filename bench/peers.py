"""Training and prediction by fastdnn and its peers, each as its own users would write it at best.

A contender is a function of a case that returns a call, which one sample times. A peer that is not
installed is left out.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastdnn
from bench import bare
from bench.cases import load_course

Array = NDArray[Any]
Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A network and how it is trained, or with 0 batches the rows that it predicts at a time."""

    name: str
    layer_dims: tuple[int, ...]
    m: int
    optimizer: str
    output: str = "sigmoid"
    dtype: str = "float32"
    batches: int = 1
    epochs: int = 1  # of one call of fastdnn's fit

    @property
    def title(self) -> str:
        """Say the sizes, the rows, and of a training the optimiser and how it is called."""
        first, n = self.layer_dims[0], len(self.layer_dims)
        dims = f"[{first} x {n - 1}, {self.layer_dims[-1]}]" if n > 8 else [*self.layer_dims]
        if not self.batches:
            return f"{dims} predicts {self.m} row{'s' * (self.m > 1)}"
        once = "a fit of one step of" if self.batches == self.epochs == 1 else "a step of"
        full = ", full batch" if self.batches == 1 < self.epochs else ""
        optimizer = {"adam": "Adam", "sgd": "SGD"}[self.optimizer]
        return f"{once} {dims}, {self.m} rows, {optimizer}{full}"

    @property
    def rate(self) -> float:
        """Learning rate."""
        return 1e-3 if self.optimizer == "adam" else 0.0075

    def data(self) -> tuple[Array, Array]:
        """Draw examples, one a row, and their classes."""
        random = np.random.default_rng(0)
        X = random.normal(size=(self.m * max(self.batches, 1), self.layer_dims[0])) / 8
        classes = self.layer_dims[-1] if self.output == "softmax" else 2
        return X.astype(self.dtype), random.integers(0, classes, len(X))

    def weights(self) -> list[tuple[Array, Array]]:
        """Draw W (n_prev, n) and b (n) of each layer."""
        random = np.random.default_rng(1)
        return [
            (
                (random.normal(size=(n_prev, n)) * np.sqrt(2 / n_prev)).astype(self.dtype),
                np.zeros(n, self.dtype),
            )
            for n_prev, n in zip(self.layer_dims, self.layer_dims[1:], strict=False)
        ]


MNIST = (784, 256, 128, 10)
CASES = (
    Case("tiny", (16, 32, 1), 32, "sgd", batches=100, epochs=20),
    Case("tabular", (54, 128, 64, 1), 256, "adam", batches=64, epochs=4),
    Case("mnist", MNIST, 128, "adam", "softmax", batches=32, epochs=2),
    Case("wide", (1024, 1024, 1024, 1), 512, "sgd", epochs=20),
    Case("deep", (*[64] * 17, 1), 64, "adam", batches=8, epochs=5),
    Case("odd", (37, 91, 23, 1), 77, "adam", batches=20, epochs=10),
    Case("course", (12288, 20, 7, 5, 1), 209, "sgd", dtype="float64", epochs=2500),
    Case("course32", (12288, 20, 7, 5, 1), 209, "sgd", epochs=2500),
    Case("tiny step", (16, 32, 1), 32, "sgd"),
    Case("predict 1 tiny", (16, 32, 1), 1, "", batches=0),
    Case("predict 1", MNIST, 1, "", "softmax", batches=0),
    Case("predict 32", MNIST, 32, "", "softmax", batches=0),
    Case("predict 1000", MNIST, 1000, "", "softmax", batches=0),
)


# ----------------------------------------------------------------- the products, and fastdnn itself


def bare_(case: Case, threads: int) -> Call:
    """Run the step's matrix products by SciPy's BLAS and nothing else, in a loop without Python.

    The forms are TN (forward), NN (gradient of the activations) and NT (gradient of the weights).
    """
    backward = case.batches > 0
    dims, steps = case.layer_dims, max(case.batches, 1)
    return bare.products(dims, case.m, case.dtype, steps, backward)


def fastdnn_(case: Case, threads: int) -> Call:
    """Train with fastdnn.Network, or predict by as many of BLAS's threads as pay."""
    X, y = case.data()
    net = fastdnn.Network(case.layer_dims, output_activation=case.output, dtype=case.dtype, rng=0)
    if not case.batches:
        return lambda: net.predict(X)
    optimizer = fastdnn.Adam(case.rate) if case.optimizer == "adam" else fastdnn.SGD(case.rate)
    return lambda: net.fit(
        X, y, optimizer=optimizer, batch_size=case.m, epochs=case.epochs, shuffle=False,
        n_threads=threads,
    )  # fmt: skip


# -------------------------------------------------------------------------------------------- NumPy


def numpy_(case: Case, threads: int) -> Call:
    """Train in plain NumPy, in place where NumPy can; the course's network by its own functions."""
    X, y = case.data()
    if case.name.startswith("course"):
        return _course_iteration(X.T, y[None].astype(X.dtype), case)
    layers = case.weights()
    T = (np.eye(case.layer_dims[-1])[y] if case.output == "softmax" else y[:, None]).astype(X.dtype)

    def output(Z: Array) -> Array:
        if case.output == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-Z)))
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        return np.asarray(E / E.sum(axis=1, keepdims=True))

    def forward(A: Array) -> list[Array]:
        activations = [A]
        for W, b in layers[:-1]:
            activations.append(np.maximum(activations[-1] @ W + b, 0))
        W, b = layers[-1]
        activations.append(output(activations[-1] @ W + b))
        return activations

    if not case.batches:
        return lambda: forward(X)[-1]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for layer in layers for p in layer]
    step = 0

    def update(i: int, p: Array, g: Array) -> None:
        if case.optimizer == "sgd":
            p -= case.rate * g
            return
        m, v = moments[i]
        m *= 0.9
        m += 0.1 * g
        v *= 0.999
        v += 0.001 * (g * g)
        rate = case.rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        p -= rate * m / (np.sqrt(v) + 1e-8)

    def epoch() -> None:
        with np.errstate(all="ignore"):
            batches()

    def batches() -> None:
        nonlocal step
        for first in range(0, len(X), case.m):
            activations = forward(X[first : first + case.m])
            target = T[first : first + case.m]
            AL = activations[-1]
            if case.output == "sigmoid":
                np.mean(-(target * np.log(AL) + (1 - target) * np.log(1 - AL)))
            else:
                np.mean(-np.log(AL[target == 1]))
            dZ = (AL - target) / len(AL)
            step += 1
            for l in range(len(layers) - 1, -1, -1):
                W, b = layers[l]
                dW, db = activations[l].T @ dZ, dZ.sum(axis=0)
                if l:
                    dZ = (dZ @ W.T) * (activations[l] > 0)
                update(2 * l, W, dW)
                update(2 * l + 1, b, db)

    return epoch


def _course_iteration(X: Array, Y: Array, case: Case) -> Call:
    course = load_course()
    parameters = {}
    for l, (W, b) in enumerate(case.weights(), 1):
        parameters[f"W{l}"], parameters[f"b{l}"] = np.ascontiguousarray(W.T), b[:, None]

    def iteration() -> None:
        nonlocal parameters
        AL, caches = course.L_model_forward(X, parameters)
        course.compute_cost(AL, Y)
        grads = course.L_model_backward(AL, Y, caches)
        parameters = course.update_parameters(parameters, grads, case.rate)

    return iteration


# ------------------------------------------------------------------------------------- scikit-learn


def sklearn(case: Case, threads: int) -> Call:
    """Train by MLPClassifier, with parameters under which it never stops early."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = case.data()
    if not case.batches:
        X_fit, y_fit = np.tile(X, (20, 1))[:200], np.arange(200) % 10
        X_fit = np.resize(X_fit, (200, X.shape[1]))
        model = MLPClassifier(case.layer_dims[1:-1], max_iter=1).fit(X_fit, y_fit)
        return lambda: model.predict_proba(X)
    model = MLPClassifier(
        case.layer_dims[1:-1], solver=case.optimizer, alpha=0.0, batch_size=case.m,
        learning_rate_init=case.rate, momentum=0.0, nesterovs_momentum=False, shuffle=False,
        tol=0.0, n_iter_no_change=10**9, max_iter=max(1, 20 // case.batches),
    )  # fmt: skip
    return lambda: model.fit(X, y)


# ------------------------------------------------------------------------------------------ PyTorch


def torch(case: Case, threads: int) -> Call:
    """Train by PyTorch, eagerly."""
    return _torch(case, threads, compiled=False)


def torch_compiled(case: Case, threads: int) -> Call:
    """Train by PyTorch, compiled."""
    return _torch(case, threads, compiled=True)


def _torch(case: Case, threads: int, compiled: bool) -> Call:
    import torch as t

    t.set_num_threads(threads)
    t.manual_seed(0)
    dtype = getattr(t, case.dtype)
    X, y = (t.from_numpy(a) for a in case.data())
    modules: list[Any] = []
    for n_prev, n in zip(case.layer_dims, case.layer_dims[1:], strict=False):
        modules += [t.nn.Linear(n_prev, n, dtype=dtype), t.nn.ReLU()]
    net = t.nn.Sequential(*modules[:-1])
    if not case.batches:
        net.append(t.nn.Softmax(dim=1) if case.output == "softmax" else t.nn.Sigmoid())
        run = t.compile(net) if compiled else net

        def predict() -> object:
            with t.inference_mode():
                return run(X)

        return predict
    if case.output == "sigmoid":
        loss: Any = t.nn.BCEWithLogitsLoss()
        y = y[:, None].to(dtype)
    else:
        loss = t.nn.CrossEntropyLoss()
    if case.optimizer == "adam":
        optimizer: Any = t.optim.Adam(net.parameters(), case.rate, fused=True)
    else:
        optimizer = t.optim.SGD(net.parameters(), case.rate, fused=True)

    def step(X: Any, y: Any) -> Any:
        optimizer.zero_grad()
        cost = loss(net(X), y)
        cost.backward()
        optimizer.step()
        return cost

    if compiled:
        forward = t.compile(lambda X, y: loss(net(X), y))

        def step(X: Any, y: Any) -> Any:
            optimizer.zero_grad()
            cost = forward(X, y)
            cost.backward()
            optimizer.step()
            return cost

    batches = [(X[i : i + case.m], y[i : i + case.m]) for i in range(0, len(X), case.m)]

    def epoch() -> None:
        for batch in batches:
            step(*batch)

    return epoch


# ---------------------------------------------------------------------------------------------- JAX


def jax(case: Case, threads: int) -> Call:
    """Train by JAX: an epoch is one compiled scan."""
    import jax as j
    from jax import numpy as jnp

    j.config.update("jax_enable_x64", case.dtype == "float64")
    X, y = case.data()
    layers = [tuple(jnp.asarray(p) for p in layer) for layer in case.weights()]

    def logits(layers: Any, A: Any) -> Any:
        for W, b in layers[:-1]:
            A = j.nn.relu(A @ W + b)
        W, b = layers[-1]
        return A @ W + b

    if not case.batches:
        output = getattr(j.nn, case.output)
        predict = j.jit(lambda layers, X: output(logits(layers, X)))
        return lambda: np.asarray(predict(layers, X))

    def cost(layers: Any, X: Any, y: Any) -> Any:
        Z = logits(layers, X)
        if case.output == "sigmoid":
            return jnp.mean(j.nn.softplus(Z) - y[:, None] * Z)
        return -jnp.mean(jnp.take_along_axis(j.nn.log_softmax(Z), y[:, None], axis=1))

    def adam(step: Any, p: Any, g: Any, m: Any, v: Any) -> Any:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return p - case.rate * m / (1 - 0.9**step) / (jnp.sqrt(v / (1 - 0.999**step)) + 1e-8), m, v

    def step(state: Any, batch: Any) -> Any:
        layers, m, v, count = state
        value, grads = j.value_and_grad(cost)(layers, *batch)
        count = count + 1
        if case.optimizer == "sgd":
            layers = j.tree.map(lambda p, g: p - case.rate * g, layers, grads)
        else:
            moved = j.tree.map(partial(adam, count), layers, grads, m, v)
            layers, m, v = ([tuple(p[i] for p in layer) for layer in moved] for i in range(3))
        return (layers, m, v, count), value

    epoch = j.jit(lambda state, data: j.lax.scan(step, state, data), donate_argnums=0)
    zeros = j.tree.map(jnp.zeros_like, layers)
    state = (layers, zeros, j.tree.map(jnp.zeros_like, layers), jnp.zeros((), X.dtype))
    data = (
        jnp.asarray(X.reshape(case.batches, case.m, -1)),
        jnp.asarray(
            y.reshape(case.batches, case.m), jnp.int32 if case.output == "softmax" else X.dtype
        ),
    )

    def run() -> None:
        nonlocal state
        state, costs = epoch(state, data)
        costs.block_until_ready()

    return run


# -------------------------------------------------------------------------------------- onnxruntime


def onnxruntime(case: Case, threads: int) -> Call | None:
    """Predict by onnxruntime."""
    if case.batches:
        return None
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, value = [], [], "X"
    layers = case.weights()
    for l, (W, b) in enumerate(layers, 1):
        constants += [numpy_helper.from_array(W, f"W{l}"), numpy_helper.from_array(b, f"b{l}")]
        nodes.append(helper.make_node("Gemm", [value, f"W{l}", f"b{l}"], [f"Z{l}"]))
        act = "Relu" if l < len(layers) else case.output.capitalize()
        nodes.append(helper.make_node(act, [f"Z{l}"], [f"A{l}"]))
        value = f"A{l}"
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, case.layer_dims[0]])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [None, case.layer_dims[-1]])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    X = {"X": case.data()[0]}
    return lambda: session.run(None, X)


# name: the contender, and the packages that it imports
CONTENDERS: dict[str, tuple[Callable[[Case, int], Call | None], tuple[str, ...]]] = {
    "bare gemm": (bare_, ()),
    "fastdnn": (fastdnn_, ()),
    "NumPy": (numpy_, ()),
    "scikit-learn": (sklearn, ("sklearn",)),
    "PyTorch": (torch, ("torch",)),
    "PyTorch compiled": (torch_compiled, ("torch",)),
    "JAX": (jax, ("jax",)),
    "onnxruntime": (onnxruntime, ("onnx", "onnxruntime")),
}


def installed(name: str) -> bool:
    """Whether a contender's packages can be imported."""
    return all(find_spec(module) is not None for module in CONTENDERS[name][1])


def steps(case: Case, name: str) -> int:
    """Count the steps of one call of a contender."""
    if not case.batches:
        return 1
    if name == "fastdnn":
        return case.batches * case.epochs
    if name == "scikit-learn":
        return case.batches * max(1, 20 // case.batches)
    return case.batches
