"""A model as named arrays and a document, and back.

The arrays are those of the arena: ``W1`` (n_0, n_1), ``b1`` (n_1), ..., one after the other, and of
a training ``m1`` and ``m2``, laid out like it. The document is an object of JSON::

    {"version": 1, "kind": "Network",
     "network": {"dtype": "float64", "layer_dims": [2, 3, 1], "activations": ["relu"],
                 "output": "sigmoid", "cost": "cross_entropy", "cost_parameter": 0.0},
     "epochs": 12, "training": {...}}
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from fastdnn._arrays import LIMIT, Array, arena, as_arena, depth, entry
from fastdnn._core.training import Counts
from fastdnn._fit import disk
from fastdnn._fit.bits import generator_of, said_of
from fastdnn._fit.container import Contents, ModelFileError, composed, mapped, read
from fastdnn._fit.fields import Fields, encoded, number_of, parsed, written
from fastdnn._fit.gram import NAMES
from fastdnn._fit.model import Model, Training, table
from fastdnn._fit.names import ACTIVATIONS, COSTS, OUTPUTS, PARAMETRIZATIONS, RULES
from fastdnn._fit.state import whole
from fastdnn.optimizers import OPTIMIZERS, SCHEDULES

VERSION = 1
NETWORK, PARAMETERS = "Network", "parameters"
# estimators of tables, and what makes these ready
TABLES = ("TabularMLPClassifier", "TabularMLPRegressor", "TabularPreprocessor")
ESTIMATORS = ("MLPClassifier", "MLPRegressor", *TABLES)
KINDS = (NETWORK, PARAMETERS, *ESTIMATORS)
# of a network
_ATTRIBUTES = ("_model", "_fits")
_DTYPES = ("float32", "float64")
_OPTIMIZERS = {cls.__name__: cls for cls in OPTIMIZERS}
_SCHEDULES = {cls.__name__: cls for cls in SCHEDULES}


class Opened:
    """A file that was read: its arrays, and its document.

    Attributes
    ----------
    contents : Contents
    kind : str
        One of `KINDS`.
    document : Fields
        What is left of the document.
    """

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        if contents.text is None:
            # a table without a document can be the course's parameters alone
            self.kind, self.document = PARAMETERS, Fields({}, "the document")
            return
        document = Fields(parsed(contents.text), "the document")
        version = document.whole("version")
        if version != VERSION:
            raise ModelFileError(
                f"the document is of version {version}, but this fastdnn reads {VERSION}"
            )
        self.kind, self.document = document.text("kind", KINDS), document

    def end(self) -> None:
        """Refuse what was not taken."""
        self.document.end()
        self.contents.end()


def opened(source: Any, mmap: bool = False, allow_nonfinite: bool = False) -> Opened:
    """Read a file, or map it."""
    try:
        if mmap:
            return Opened(mapped(disk.mapped(source), allow_nonfinite))
        return Opened(disk.read(source, lambda file, size: read(file, size, allow_nonfinite)))
    except ModelFileError as error:
        raise named(error, source) from None


def named(error: ModelFileError, source: Any) -> ModelFileError:
    """Say too in which file it is."""
    return ModelFileError(f"{source}: {error}") if disk.is_path(source) else error


def save(
    target: Any,
    arrays: Mapping[str, Array],
    document: dict[str, Any],
    allow_nonfinite: bool,
    reader: Callable[[Opened], Any],
) -> None:
    """Write arrays and the rest of a document, which a reader can read again.

    Raises
    ------
    ValueError
        If something is not finite, is too long, or does not belong together: before anything is
        written.
    """
    if not allow_nonfinite:
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"{name} holds numbers that are not finite: allow_nonfinite=True writes them "
                    "all the same"
                )
    parts = composed(arrays, written({"version": VERSION, **document}))
    try:
        reader(Opened(mapped(b"".join(parts), allow_nonfinite)))
    except ModelFileError as error:
        raise ValueError(f"a model file cannot hold this {document['kind']}: {error}") from None
    disk.write(target, parts)


# ------------------------------------------------------------------------------------------ a model


def arrays_of(model: Model, params: Array) -> dict[str, Array]:
    """Name the parameters in an arena of a model."""
    return {row.name: row.of(params) for row in model.rows}


def said_of_model(model: Model) -> dict[str, Any]:
    """Say what a model's numbers mean."""
    return {
        "dtype": model.dtype.name,
        "layer_dims": list(model.layer_dims),
        "activations": list(model.activations),
        "output": model.output,
        "cost": model.cost,
        "cost_parameter": model.cost_parameter,
        **({"reproducible": True} if model.reproducible else {}),
        **({"input_scale": True} if model.input_scale else {}),
        **(
            {"parametrization": model.parametrization}
            if model.parametrization != "standard"
            else {}
        ),
    }


def model_of(contents: Contents, said: Fields, mmap: bool, prefix: str = "") -> Model:
    """Make a model, in memory of its own or in the mapped file's; a prefix begins its names."""
    dtype = np.dtype(said.text("dtype", _DTYPES))
    dims = tuple(said.items("layer_dims", int))
    if len(dims) < 2 or not 1 <= min(dims) <= max(dims) <= LIMIT:
        said.refuse("layer_dims", f"two sizes or more, each from 1 to {LIMIT}", list(dims))
    activations = tuple(said.items("activations", str))
    if len(activations) != len(dims) - 2 or not {*activations} <= ACTIVATIONS.keys():
        said.refuse(
            "activations", f"{len(dims) - 2} of {', '.join(ACTIVATIONS)}", list(activations)
        )
    output = said.text("output", OUTPUTS)
    if dims[-1] < OUTPUTS[output].units:
        said.refuse("output", f"one that {dims[-1]} units can have", output)
    cost = COSTS[output][said.text("cost", COSTS[output])]
    parameter = said.number("cost_parameter")
    fits, expected = {
        "huber_delta": (0 < parameter < np.inf, "above 0 and finite"),
        "quantile": (0 < parameter < 1, "above 0 and below 1"),
        None: (
            parameter == 0 or (cost.name == "cross_entropy" and 0 < parameter < np.inf),
            "0, or the greatest cross-entropy",
        ),
    }[cost.parameter]
    if not fits:
        said.refuse("cost_parameter", expected, parameter)
    reproducible = "reproducible" in said and said.flag("reproducible")
    scaled = "input_scale" in said and said.flag("input_scale")
    parametrization = "standard"
    if "parametrization" in said:
        parametrization = said.text("parametrization", PARAMETRIZATIONS)
    said.end()
    params = _params(contents, dims, scaled, dtype, mmap, prefix)
    meaning = activations, output, cost.name, parameter
    model = Model(dims, *meaning, params, None, scaled, parametrization)
    model.demand(reproducible)
    return model


def _params(
    contents: Contents, dims: tuple[int, ...], scaled: bool, dtype: np.dtype[Any], mmap: bool,
    prefix: str,
) -> Array:  # fmt: skip
    """Take the parameters into one arena: a copy, unless it is mapped."""
    L = len(dims) - 1
    if f"{prefix}W{L}" not in contents.entries or len(contents.entries) < 2 * L:
        # before anything is laid out for as many layers as the document speaks of
        raise ModelFileError(f"there are no arrays W1, b1, ..., W{L}, b{L} for {list(dims)[:40]}")
    rows = table(dims, scaled)
    views = [contents.take(f"{prefix}{row.name}", dtype, row.shape) for row in rows]
    run = contents.run(f"{prefix}{row.name}" for row in rows)
    if mmap:
        if run is None or run.ctypes.data % run.itemsize:
            raise ModelFileError(
                "its arrays do not lie in the order W1, b1, ..., aligned, as mmap=True needs: load "
                "it without, and save it anew"
            )
        # of the native type's own name, where the orders agree
        return run.view(dtype)
    if run is not None:
        return arena(run.size, dtype, run)
    params = arena(rows[-1].offset + rows[-1].size, dtype)
    for row, view in zip(rows, views, strict=True):
        row.of(params)[...] = view
    return params


def load_network(source: Any, mmap: bool, allow_nonfinite: bool) -> Model:
    """Read the model of a network from a file."""
    file = opened(source, mmap, allow_nonfinite)
    try:
        if file.kind != NETWORK:
            raise ModelFileError(f"it holds no Network but {file.kind}: fastdnn.load reads it")
        return network_of(file, mmap)
    except ModelFileError as error:
        raise named(error, source) from None


def network_of(file: Opened, mmap: bool) -> Model:
    """Take a network: its model, with its training if the file has it."""
    contents, document = file.contents, file.document
    model = model_of(contents, document.within("network"), mmap)
    epochs = document.whole("epochs")
    model.training.counts = Counts(0, epochs)
    if "training" in document:
        _take_training(model, contents, document.within("training"), epochs)
    file.end()
    return model


def save_network(
    net: Any, target: Any, model: Model, running: Callable[[], bool], training_state: bool,
    allow_nonfinite: bool,
) -> None:  # fmt: skip
    """Write a network, with what a fit needs to go on or without.

    Raises
    ------
    TypeError
        If it is of a class of the user's, or has attributes of the user's.
    """
    if not type(net).__module__.startswith("fastdnn."):
        raise TypeError(
            f"a model file cannot hold the class {type(net).__name__}: pickle it, or save a Network"
        )
    for name in vars(net):
        if name not in _ATTRIBUTES:
            raise TypeError(
                f"a model file cannot hold the attribute {name!r} of a network: delete it, or "
                "pickle the network"
            )
    state = whole(model, running)
    arrays = arrays_of(model, state["params"])
    document = {"kind": NETWORK, "network": said_of_model(model), "epochs": state["epochs"]}
    if training_state:
        arrays |= {f"m{i}": m for i, m in enumerate(state["moments"], 1) if m is not None}
        gram = state["gram_state"]
        if gram is not None:
            arrays |= {f"gram.{name}": gram[name] for name in NAMES if gram[name] is not None}
        document["training"] = {
            "rule": state["kind"],
            "steps": state["steps"],
            "optimizer": _said_of(state["optimizer"], "optimizer", _OPTIMIZERS),
            "generator": said_of(state["rng"], "rng"),
        }
    save(target, arrays, document, allow_nonfinite, lambda file: network_of(file, False))


def _take_training(model: Model, contents: Contents, said: Fields, epochs: int) -> None:
    rule = said.take("rule")
    if not (rule is None or (isinstance(rule, str) and rule in RULES)):
        said.refuse("rule", f"one of {', '.join(RULES)}, or null", rule)
    optimizer = _made_of(said.within("optimizer"), _OPTIMIZERS)
    counts = Counts(said.whole("steps"), epochs)
    m1, m2 = moments_of(model, contents, rule)
    gram = _gram_of(model, contents) if "gram.C" in contents.entries else None
    model.rng = generator_of(said.within("generator"))
    said.end()
    model.training = Training(rule, m1, m2, counts, optimizer, gram)


def _gram_of(model: Model, contents: Contents) -> dict[str, Array | None]:
    n_0, n_1 = model.layer_dims[:2]
    C = contents.take("gram.C", model.dtype, (None, n_1))
    shapes = {"W0": (n_0, n_1), "V0": (n_0, n_1), "U": C.shape}
    gram = {
        name: _own(contents.take(f"gram.{name}", model.dtype, shape))
        if name == "W0" or f"gram.{name}" in contents.entries
        else None
        for name, shape in shapes.items()
    }
    return gram | {"C": _own(C), "shares": _own(contents.take("gram.shares", np.float64, (2, 2)))}


def moments_of(
    model: Model, contents: Contents, rule: str | None
) -> tuple[Array | None, Array | None]:
    """Take the moments that a rule needs."""
    needed = () if rule is None else RULES[rule].moments
    size = model.params.size
    m1, m2 = (
        as_arena(contents.take(f"m{i}", model.dtype, (size,)), model.dtype) if i in needed else None
        for i in (1, 2)
    )
    return m1, m2


def _own(array: Array) -> Array:
    return np.array(array, array.dtype.type)


# ------------------------------------------------------------------------------------ an optimiser


def _said_of(one: Any, what: str, known: Mapping[str, Any]) -> dict[str, Any]:
    name = type(one).__name__
    if known.get(name) is not type(one):
        raise TypeError(
            f"{what} is of type {name}, which a model file cannot hold: {', '.join(known)} it can; "
            "or save with training_state=False"
        )
    said: dict[str, Any] = {"name": name}
    for field in fields(one):
        value = getattr(one, field.name)
        if callable(value):
            said[field.name] = _said_of(value, f"{what}.{field.name}", _SCHEDULES)
        elif field.name == "nesterov":
            said[field.name] = bool(value)
        else:
            # True may stand for 1
            value = int(value) if isinstance(value, (bool, np.bool_)) else value
            said[field.name] = encoded(value, f"{what}.{field.name}")
    return said


def _made_of(said: Fields, known: Mapping[str, Any]) -> Any:
    cls = known[said.text("name", known)]
    given: dict[str, Any] = {}
    for field in fields(cls):
        if field.name == "nesterov":
            given[field.name] = said.flag(field.name)
            continue
        value = said.take(field.name)
        if (
            field.name == "learning_rate"
            and known is _OPTIMIZERS
            and "name" in (value if type(value) is dict else ())
        ):
            given[field.name] = _made_of(Fields(value, f"{said.where}.learning_rate"), _SCHEDULES)
        else:
            given[field.name] = number_of(value, f"{said.where}: {field.name}")
    said.end()
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{said.where}: {error}") from None


# -------------------------------------------------------------------------- the course's parameters


def parameters_of(file: Opened) -> dict[str, Array]:
    """Take the course's dictionary: W (n, n_prev) and b (n, 1), whose sizes fit each other."""
    try:
        return _parameters_of(file)
    except ModelFileError as error:
        if file.contents.text is not None:
            raise
        raise ModelFileError(
            "it has no document of fastdnn, and its arrays are not the course's parameters, W1 "
            f"(n_1, n_0), b1 (n_1, 1), ...: {error}"
        ) from None


def _parameters_of(file: Opened) -> dict[str, Array]:
    contents, before = file.contents, None
    parameters: dict[str, Array] = {}
    for l in range(1, max(1, len(contents.entries) // 2) + 1):
        W = contents.take(f"W{l}", None, (None, before))
        before = len(W)
        if not W.size:
            raise ModelFileError(f"W{l} is empty")
        parameters[f"W{l}"] = _own(W)
        parameters[f"b{l}"] = _own(contents.take(f"b{l}", None, (before, 1)))
    file.end()
    return parameters


def arrays_of_parameters(parameters: Mapping[str, Any]) -> dict[str, Array]:
    """Judge the course's dictionary, W1, b1, ... of float32 or float64.

    Raises
    ------
    TypeError
        If an array is of another type.
    ValueError
        If one is missing, or their shapes do not fit.
    """
    arrays: dict[str, Array] = {}
    before: int | None = None
    for l in range(1, depth(parameters, "parameters") + 1):
        for name in (f"W{l}", f"b{l}"):
            given = entry(parameters, name, "parameters")
            array = np.asarray(given)
            if isinstance(given, np.ma.MaskedArray) or array.dtype.name not in _DTYPES:
                raise TypeError(
                    f"parameters[{name!r}] must be an array of float32 or float64, "
                    f"got {type(given).__name__} of {array.dtype}"
                )
            shape: Any = (before, 1)
            if name[0] == "W":
                shape = (len(array) if array.ndim else 1, array.shape[-1] if l == 1 else before)
            if array.shape != shape or not array.size:
                raise ValueError(
                    f"parameters[{name!r}] has shape {array.shape}, but W1 must have (n_1, n_0), "
                    "b1 (n_1, 1), W2 (n_2, n_1) and so on"
                )
            before = len(array)
            arrays[name] = np.array(array, array.dtype.type, order="C")
    for name in parameters:
        if name not in arrays:
            raise ValueError(f"parameters holds {name!r} beside W1, b1, ...")
    return arrays
