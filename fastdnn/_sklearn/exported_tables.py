"""A tabular estimator as a graph of ONNX's operators, from the columns of a table on.

As in Python, the columns are made ready in float64, and the networks compute in the graph's type.
"""

import json
from typing import Any

import numpy as np

from fastdnn._arrays import Array
from fastdnn._fit.graph import Graph, forward
from fastdnn._fit.model import Model
from fastdnn._sklearn.exported import Converter, asked, give, held, label_type
from fastdnn._sklearn.preprocessor import TabularPreprocessor

# what the inputs are called: numbers, and categories as they are or by their indices
NUMBERS, STRINGS, CODES = "X", "categories", "codes"
# codes of element types in ONNX
_OF = {np.dtype(np.float32): 1, np.dtype(np.float64): 11}
_DOUBLE = _OF[np.dtype(np.float64)]


def inputs_of(prep: TabularPreprocessor, asked: Any) -> dict[str, int]:
    """Name the inputs of a table, with the columns of each.

    Parameters
    ----------
    prep : TabularPreprocessor
    asked : {"strings", "codes", None}
        What the categories are to be; None takes strings where they are.

    Raises
    ------
    ValueError
        If strings are asked for, but some categories are none.
    """
    if not (asked is None or (isinstance(asked, str) and asked in ("strings", "codes"))):
        raise ValueError(f"options['categories'] must be 'strings' or 'codes', got {asked!r}")
    count, found = int(prep.is_categorical_.sum()), {}
    if count < len(prep.is_categorical_):
        found[NUMBERS] = len(prep.is_categorical_) - count
    if count:
        others = [v for known in prep.categories_ for v in known if not isinstance(v, str)]
        if others and asked == "strings":
            raise ValueError(
                f"options['categories'] is 'strings', but {others[0]!r} is a category: fit with "
                "strings alone, or take 'codes'"
            )
        found[CODES if others or asked == "codes" else STRINGS] = count
    return found


def said_of_columns(prep: TabularPreprocessor, inputs: dict[str, int]) -> dict[str, str]:
    """Say in JSON which columns of the table an input has, and the categories of each."""
    names = getattr(prep, "feature_names_in_", np.arange(len(prep.is_categorical_)))
    columns = {
        name: names[prep.is_categorical_ == (name != NUMBERS)].tolist() for name in inputs
    }  # fmt: skip
    known = [list(map(_plain, categories)) for categories in prep.categories_]
    return {"columns": json.dumps(columns), "categories": json.dumps(known)}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float)) else str(value)


def prepare(graph: Graph, prep: TabularPreprocessor, inputs: dict[str, int]) -> str:
    """Add what a preprocessor makes of the inputs, in the graph's type; return its name."""
    codes = CODES if CODES in inputs else None
    if STRINGS in inputs:
        found = [
            _code(graph, _column(graph, STRINGS, i), known)
            for i, known in enumerate(prep.categories_)
        ]
        codes = graph.add("Concat", *found, axis=1)
    keys = [np.arange(len(known)) for known in prep.categories_]
    parts = [] if codes is None else [_encoded(graph, codes, keys)]
    if NUMBERS in inputs:
        parts.append(_cast(graph, NUMBERS, graph.dtype, _DOUBLE))
    return _ready(graph, prep, parts)


def _ready(graph: Graph, prep: TabularPreprocessor, parts: list[str]) -> str:
    """Add the scales and the clip of columns, which are doubles."""
    columns = graph.add("Concat", *parts, axis=1)

    def wide(name: str, value: Any) -> str:
        return graph.constant(name, np.asarray(value, np.float64))

    # z / sqrt(1 + (z / 3)^2), z = scale (x - center); what is missing is 0
    z = graph.add("Sub", columns, wide("center", prep.center_))
    z = graph.add("Mul", z, wide("scale", prep.scale_))
    z = graph.add("Where", graph.add("IsNaN", z), wide("zero", 0), z)
    z = graph.add("Max", graph.add("Min", z, wide("far", 1e9)), wide("far", -1e9))
    third = graph.add("Div", z, wide("three", 3))
    square = graph.add("Add", graph.add("Mul", third, third), wide("one", 1))
    z = graph.add("Div", z, graph.add("Sqrt", square))
    return _cast(graph, z, np.dtype(np.float64), _OF[graph.dtype])


def _cast(graph: Graph, x: str, dtype: np.dtype[Any], to: int) -> str:
    return x if _OF[dtype] == to else graph.add("Cast", x, to=to)


def _column(graph: Graph, table: str, *at: int) -> str:
    return graph.add("Gather", table, graph.constant("at", np.array(at, np.int64)), axis=1)


def _code(graph: Graph, strings: str, known: Array) -> str:
    """Find the index of each category, -1 of what is none."""
    return graph.add(
        "LabelEncoder", strings, keys_strings=[str(value) for value in known],
        values_int64s=list(range(len(known))), default_int64=-1,
    )  # fmt: skip


def _encoded(graph: Graph, codes: str, keys: list[Array]) -> str:
    """Make a column of 1 and -1, or one of 0 and 1 for each key of a column of codes."""
    columns = [i for i, known in enumerate(keys) for _ in (known[:1] if _pair(known) else known)]
    first = [known[:1] if _pair(known) else known for known in keys]
    code = _column(graph, codes, *columns)

    def equal(to: Array) -> str:
        return graph.add("Cast", graph.add("Equal", code, graph.constant("code", to)), to=_DOUBLE)

    ones = equal(np.concatenate(first))
    if not any(map(_pair, keys)):
        return ones
    # where there are more than two, nothing is taken off
    second = np.array([keys[i][-1] for i in columns])
    pair = np.array([float(_pair(keys[i])) for i in columns])
    other = graph.add("Mul", equal(second), graph.constant("pair", pair))
    return graph.add("Sub", ones, other)


def _pair(known: Array) -> bool:
    return len(known) == 2


def classify(
    graph: Graph, models: list[Model], classes: Array, Z: str, label: str, probabilities: str
) -> None:
    """Add a classifier's labels and probabilities for rows that are ready, under these names."""
    average(graph, models, Z, probabilities)
    index = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    graph.add("Gather", graph.constant("classes", classes), index, out=label, axis=0)


def average(graph: Graph, models: list[Model], Z: str, out: str) -> None:
    """Add the mean of what models predict for rows that are ready, under the name `out`."""
    if len(models) == 1:
        forward(graph, models[0], Z, out)
        return
    names = [graph.unique("of_one") for _ in models]
    for model, name in zip(models, names, strict=True):
        forward(graph, model, Z, name)
    total, *others = names
    for name in others:
        total = graph.add("Add", total, name)
    graph.add("Div", total, float(len(models)), out=out)


def targets(graph: Graph, regressor: Any, Y: str, out: str) -> None:
    """Add what a regressor makes of its networks' outputs, under the name `out`.

    Raises
    ------
    ValueError
        If the targets' mean, deviation or bounds are too large for the graph's type.
    """
    bounds = [np.reshape(bound, -1) for bound in regressor._bounds] if regressor.clip_output else []
    with np.errstate(over="ignore"):
        seen = np.array([regressor.target_scale_, regressor.target_mean_, *bounds])
        finite = np.isfinite(seen.astype(graph.dtype)).all()
    if not finite:
        raise ValueError(
            f"the targets' numbers must not overflow in {graph.dtype}: ask for float64"
        )
    y = _cast(graph, Y, graph.dtype, _DOUBLE)
    y = graph.add("Mul", y, graph.constant("target_scale", regressor.target_scale_))
    y = graph.add("Add", y, graph.constant("target_mean", regressor.target_mean_))
    if bounds:
        y = graph.add("Max", y, graph.constant("low", bounds[0]))
        y = graph.add("Min", y, graph.constant("high", bounds[1]))
    graph.add("Cast", y, out=out, to=_OF[graph.dtype])


# ---------------------------------------------------------------------------------------- skl2onnx


def converters(*classes: type) -> list[Converter]:
    """Say how the classes for tables are converted."""
    return [Converter(cls, _shapes, _convert) for cls in classes]


def _shapes(operator: Any) -> None:
    """Tell skl2onnx the types and shapes of an operator's outputs."""
    from skl2onnx.common import data_types

    estimator, inputs = operator.raw_operator, operator.inputs
    prep = getattr(estimator, "preprocessor_", estimator)
    double = _type_of(inputs) == np.float64
    real = data_types.DoubleTensorType if double else data_types.FloatTensorType
    m, n = inputs[0].get_first_dimension(), len(prep.center_)
    if hasattr(estimator, "networks_"):
        n = estimator.networks_[0].layer_dims[-1]
    if hasattr(estimator, "classes_"):
        classes = held(np.asarray(estimator.classes_))
        operator.outputs[0].set_type(label_type(operator, classes, [m]))
    operator.outputs[-1].set_type(real([m, n]))


def _type_of(inputs: Any) -> np.dtype[Any]:
    """Find in which type to compute: that of the widest input."""
    double = any(type(X.type).__name__ == "DoubleTensorType" for X in inputs)
    return np.dtype("float64" if double else "float32")


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Give skl2onnx an operator's nodes, in the type of its inputs."""
    estimator = operator.raw_operator
    prep = getattr(estimator, "preprocessor_", estimator)
    graph = Graph(_type_of(operator.inputs), scope.get_unique_variable_name)
    Z, names = _read(graph, prep, operator.inputs), [y.full_name for y in operator.outputs]
    models = [net._model for net in getattr(estimator, "networks_", ())]
    if hasattr(estimator, "classes_"):
        classes = asked(scope, estimator, held(np.asarray(estimator.classes_)))
        classify(graph, models, classes, Z, *names)
    elif models:
        average(graph, models, Z, Y := graph.unique("y"))
        targets(graph, estimator, Y, *names)
    else:
        graph.add("Identity", Z, out=names[0])
    give(graph, scope, container)


def _read(graph: Graph, prep: TabularPreprocessor, inputs: Any) -> str:
    """Add what is made of a table that comes as any number of inputs, with its columns in order."""
    widths = [X.get_second_dimension() or 0 for X in inputs]
    mask = prep.is_categorical_
    if sum(widths) != len(mask):
        raise ValueError(
            f"the table has {len(mask)} columns, but initial_types name {sum(widths)}: give each "
            "input its number of columns, [None, 1] say, in the table's order"
        )
    rest = iter(prep.categories_)
    codes: list[str] = []
    numbers: list[str] = []
    keys: list[Array] = []
    for X, of_one in zip(inputs, np.split(mask, np.cumsum(widths)[:-1]), strict=True):
        strings = type(X.type).__name__ == "StringTensorType"
        if strings and not of_one.all():
            raise ValueError(f"the input {X.raw_name!r} has strings, but there were numbers")
        for at in np.flatnonzero(of_one).tolist():
            known, column = next(rest), _column(graph, X.full_name, at)
            keys.append(_keys(X, known, strings))
            codes.append(_code(graph, column, known) if strings else column)
            codes[-1] = graph.add("Cast", codes[-1], to=_DOUBLE)
        if not of_one.all():
            column = _column(graph, X.full_name, *np.flatnonzero(~of_one))
            numbers.append(graph.add("Cast", column, to=_DOUBLE))
    of_codes = [_encoded(graph, graph.add("Concat", *codes, axis=1), keys)] if codes else []
    return _ready(graph, prep, of_codes + numbers)


def _keys(X: Any, known: Array, strings: bool) -> Array:
    """Say what stands for each category: its index, or a number as an input has it."""
    if {isinstance(value, str) for value in known} != {strings}:
        what = "strings" if strings else "numbers"
        raise ValueError(f"the input {X.raw_name!r} has {what}, but {known[0]!r} is a category")
    if strings:
        return np.arange(len(known), dtype=np.float64)
    found = known.astype(np.float64)
    if type(X.type).__name__ == "FloatTensorType":
        found = found.astype(np.float32).astype(np.float64)
    if len(set(found.tolist())) < len(found):
        raise ValueError(f"the input {X.raw_name!r} has too few digits for its categories")
    return found
