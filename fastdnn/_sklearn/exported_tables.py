"""A tabular estimator as a graph of ONNX's operators, from the columns of a table on.

As in Python, the columns are made ready in float64, and the networks compute in the graph's type.
"""

import json
from typing import Any

import numpy as np

from fastdnn._arrays import Array
from fastdnn._fit.graph import Graph, forward
from fastdnn._fit.model import Model
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
    parts = []
    if STRINGS in inputs:
        parts.append(_encoded(graph, prep, _codes(graph, prep)))
    elif CODES in inputs:
        parts.append(_encoded(graph, prep, CODES))
    if NUMBERS in inputs:
        parts.append(_cast(graph, NUMBERS, graph.dtype, _DOUBLE))
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


def _codes(graph: Graph, prep: TabularPreprocessor) -> str:
    """Find the index of each category, -1 of what is none."""
    codes = []
    for i, known in enumerate(prep.categories_):
        column = graph.constant("column", np.array([i], np.int64))
        codes.append(
            graph.add(
                "LabelEncoder", graph.add("Gather", STRINGS, column, axis=1),
                keys_strings=[str(value) for value in known],
                values_int64s=list(range(len(known))), default_int64=-1,
            )
        )  # fmt: skip
    return graph.add("Concat", *codes, axis=1)


def _encoded(graph: Graph, prep: TabularPreprocessor, codes: str) -> str:
    """Make a column of 1 and -1, or one of 0 and 1 for each category."""
    columns: list[int] = []
    ones: list[int] = []
    pair: list[float] = []
    for i, known in enumerate(prep.categories_):
        n = 1 if len(known) == 2 else len(known)
        columns += [i] * n
        ones += range(n)
        pair += [float(len(known) == 2)] * n
    code = graph.add(
        "Gather", codes, graph.constant("columns", np.array(columns, np.int64)), axis=1
    )

    def equal(to: Array) -> str:
        return graph.add("Cast", graph.add("Equal", code, graph.constant("code", to)), to=_DOUBLE)

    first = equal(np.array(ones, np.int64))
    if not any(pair):
        return first
    other = graph.add("Mul", equal(np.array(1, np.int64)), graph.constant("pair", np.array(pair)))
    return graph.add("Sub", first, other)


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
    """Add what a regressor makes of its networks' outputs, under the name `out`."""
    y = _cast(graph, Y, graph.dtype, _DOUBLE)
    y = graph.add("Mul", y, graph.constant("target_scale", regressor.target_scale_))
    y = graph.add("Add", y, graph.constant("target_mean", regressor.target_mean_))
    if regressor.clip_output:
        low, high = (np.reshape(bound, -1) for bound in regressor._bounds)
        y = graph.add("Max", y, graph.constant("low", low))
        y = graph.add("Min", y, graph.constant("high", high))
    graph.add("Cast", y, out=out, to=_OF[graph.dtype])
