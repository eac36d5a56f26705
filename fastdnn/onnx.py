"""A trained network as a model in ONNX, the format that other runtimes read."""

import json
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fastdnn._arrays import Array
from fastdnn._config import __version__, optional
from fastdnn._fit.graph import ML, ML_OPSET, OF_ML, Graph, forward, unique
from fastdnn.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto, TypeProto

# of ONNX 1.10, which has every operator of a graph
_OPSET, _IR_VERSION = 15, 8
# the most bytes of weights: a protobuf message has fewer than 2^31
_MOST = 2**31 - 2**20


def to_onnx(
    model: Any, *, dtype: DTypeLike | None = None, options: Mapping[str, Any] | None = None
) -> "ModelProto":
    """Write a network or a fitted estimator as a model in ONNX.

    Its input is ``X`` (m, n_0), for any m. The output of a `Network` is ``AL`` (m, n_L), of a
    regressor ``variable`` (m, n_outputs), and those of a classifier are ``label`` (m,), for several
    labels (m, n_labels), and ``probabilities`` (m, n_classes): skl2onnx's names.

    An estimator of tables reads the columns of numbers as ``X``, NaN where one is missing, and
    those of categories as strings, ``categories``, or, where some are no strings, as int64,
    ``codes``: their indices in ``categories_``. Any other string or index is a category that is
    missing, and a number that is infinite is clipped as a large one. `TabularPreprocessor` has the
    output ``variable`` (m, n_columns).

    Parameters
    ----------
    model : Network, estimator of fastdnn or TabularPreprocessor
        What is written; an estimator must be fitted.
    dtype : {float32, float64}, optional
        Element type of the input, of what is computed and of the probabilities; by default the
        model's own.
    options : dict, optional
        For a classifier ``{"zipmap": ...}``, as in skl2onnx. False, the default: as above. True:
        ``output_label``, and ``output_probability``, a dict of the classes for each row; only in
        float32. "columns": ``output_label``, and for each class an output (m,), whose name is the
        class after an ``i`` or, of strings, an ``s``. For a table ``{"categories": "codes"}`` takes
        indices of strings too, and "strings" refuses others.

    Returns
    -------
    onnx.ModelProto
        Of opset 15, checked by `onnx.checker`. ``onnx.save(model, path)`` writes it.

    Raises
    ------
    ImportError
        If the package onnx is missing.
    TypeError
        If the model is none of these, or of a subclass that predicts otherwise, or if its classes
        are neither numbers nor strings.
    ValueError
        If it is not fitted, holds numbers that are not finite, or more than 2 GB of them; if its
        output's activation is none of a Network's; if a class is no integer; or for an unknown
        option or type.
    RuntimeError
        In the middle of an epoch; a callback may write the network.

    See Also
    --------
    to_c : A header of C.
    save : A file that fastdnn reads again.

    Examples
    --------
    >>> import fastdnn
    >>> net = fastdnn.Network([4, 8, 1], rng=0)
    >>> [output.name for output in fastdnn.to_onnx(net).graph.output]
    ['AL']
    """
    optional("onnx")
    checker = optional("onnx.checker")
    options = {} if options is None else options
    if _is_of(model, "perceptron", "Perceptron"):
        made = _of_estimator(model, dtype, options)
    elif _is_of(model, "tabular", "Tabular") or _is_of(
        model, "preprocessor", "TabularPreprocessor"
    ):
        made = _of_table(model, dtype, options)
    elif isinstance(model, Network):
        made = _of_network(model, dtype, options)
    else:
        raise TypeError(
            "model must be a Network or an estimator of fastdnn, "
            f"got {type(model).__name__}: skl2onnx.to_onnx converts pipelines with MLPClassifier "
            "or MLPRegressor inside, and MLPClassifier.from_sklearn takes scikit-learn's over"
        )
    checker.check_model(made, full_check=True)
    return made


def _is_of(model: Any, file: str, name: str) -> bool:
    # whoever has one has imported its module
    module = sys.modules.get(f"fastdnn._sklearn.{file}")
    return module is not None and isinstance(model, getattr(module, name))


def _of_network(model: Network, dtype: Any, options: Any) -> "ModelProto":
    # a fit may begin meanwhile
    net = deepcopy(model)
    kind = _judged([net], dtype)
    _options(options, model, [], kind)
    graph = Graph(kind, unique({"X", "AL"}))
    forward(graph, net._model, "X", "AL")
    inputs = {"X": _tensor(kind, "m", net.layer_dims[0])}
    outputs = {"AL": _tensor(kind, "m", net.layer_dims[-1])}
    return _assembled(graph, inputs, outputs, model, net, {})


def _of_estimator(model: Any, dtype: Any, options: Any) -> "ModelProto":
    # which has imported scikit-learn
    from fastdnn._sklearn import exported

    exported.refuse_overridden(model)
    net = deepcopy(model.network_)
    kind = _judged([net], dtype)
    classifies = hasattr(model, "classes_")
    zipmap = _options(options, model, ["zipmap"] * classifies, kind)
    n_0, n = net.layer_dims[0], net.layer_dims[-1]
    inputs = {"X": _tensor(kind, "m", n_0)}
    if classifies:
        classes = exported.labels(model)

        def classify(graph: Graph, label: str, probabilities: str) -> None:
            exported.classify(graph, model, net._model, classes, "X", label, probabilities)

        n = max(n, 2)
        shape = [n] if exported.several(model) else []
        graph, outputs = _classifier(classes, n, shape, kind, zipmap, inputs, classify)
    else:
        graph = Graph(kind, unique({"X", "variable"}))
        forward(graph, net._model, "X", "variable")
        outputs = {"variable": _tensor(kind, "m", n)}
    features = getattr(model, "feature_names_in_", None)
    said = {} if features is None else {"feature_names": json.dumps(list(map(str, features)))}
    return _assembled(graph, inputs, outputs, model, net, said)


def _of_table(model: Any, dtype: Any, options: Any) -> "ModelProto":
    from sklearn.utils.validation import check_is_fitted

    from fastdnn._sklearn import exported
    from fastdnn._sklearn import exported_tables as tables

    check_is_fitted(model)
    exported.refuse_overridden(model)
    model = deepcopy(model)
    prep, nets = getattr(model, "preprocessor_", model), getattr(model, "networks_", [])
    kind = _judged(nets, prep.dtype if dtype is None and not nets else dtype)
    classifies = hasattr(model, "classes_")
    zipmap = _options(options, model, ["zipmap"] * classifies + ["categories"], kind)
    columns = tables.inputs_of(prep, options.get("categories"))
    types = {tables.NUMBERS: kind, tables.STRINGS: np.dtype(object)}
    inputs = {
        name: _tensor(types.get(name, np.dtype(np.int64)), "m", n) for name, n in columns.items()
    }
    models = [net._model for net in nets]
    if classifies:
        classes = exported.held(np.asarray(model.classes_))

        def classify(graph: Graph, label: str, probabilities: str) -> None:
            Z = tables.prepare(graph, prep, columns)
            tables.classify(graph, models, classes, Z, label, probabilities)

        graph, outputs = _classifier(classes, len(classes), [], kind, zipmap, inputs, classify)
    else:
        graph = Graph(kind, unique({*inputs, "variable"}))
        Z, n = tables.prepare(graph, prep, columns), len(prep.center_)
        if models:
            n = models[0].layer_dims[-1]
            tables.average(graph, models, Z, Y := graph.unique("y"))
            tables.targets(graph, model, Y, "variable")
        else:
            graph.add("Identity", Z, out="variable")
        outputs = {"variable": _tensor(kind, "m", n)}
    said = tables.said_of_columns(prep, columns)
    return _assembled(graph, inputs, outputs, model, nets[0] if nets else None, said)


def _judged(nets: list[Network], dtype: Any) -> np.dtype[Any]:
    """Find the type of a graph, in which networks are not too large."""
    kind = _element_type(nets[0].dtype if dtype is None else dtype)
    if sum(net._model.params.size for net in nets) * kind.itemsize > _MOST:
        raise ValueError(
            f"{nets[0]!r} has more than 2 GB of weights, which ONNX cannot hold in a file"
        )
    return kind


def _element_type(dtype: Any) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    return kind


def _options(options: Any, model: Any, known: list[str], kind: np.dtype[Any]) -> bool | str:
    """Judge the names of the options, and take the one that only a classifier has."""
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a dict, got {options!r}")
    if unknown := set(options) - {*known}:
        raise ValueError(
            f"options has {min(unknown, key=str)!r}, but for {type(model).__name__} there is "
            + (f"only {' or '.join(map(repr, known))}" if known else "none")
        )
    zipmap: Any = options.get("zipmap", False)
    if not isinstance(zipmap, bool) and not (isinstance(zipmap, str) and zipmap == "columns"):
        raise ValueError(f"options['zipmap'] must be True, False or 'columns', got {zipmap!r}")
    if zipmap is True and kind != np.float32:
        raise ValueError(
            "options['zipmap'] is True, but dicts in ONNX hold float32: give dtype='float32', or "
            "take 'columns' or False"
        )
    return zipmap


def _classifier(
    classes: Array, n: int, shape: list[int], kind: np.dtype[Any], zipmap: bool | str,
    inputs: Mapping[str, "TypeProto"], classify: Callable[[Graph, str, str], None],
) -> tuple[Graph, dict[str, "TypeProto"]]:  # fmt: skip
    """Make a classifier's graph of a function that adds labels and probabilities.

    Parameters
    ----------
    classes : ndarray
        As the graph shall hold them.
    n : int
        How many probabilities there are.
    shape : list of int
        Of a row's labels.
    kind, zipmap :
        The graph's type, and the option.
    inputs : dict
        By name.
    classify : callable
        Given the graph, and names of labels and probabilities.

    Returns
    -------
    tuple
        The graph, and the types of its outputs by name.
    """
    from onnx import helper

    strings = classes.dtype == object
    if zipmap and len(classes) != n:
        raise ValueError(
            f"options['zipmap'] is {zipmap!r}, but there are {n} probabilities of {len(classes)} "
            "class: take False"
        )
    label, probabilities = "output_label" if zipmap else "label", "probabilities"
    outputs = {label: _tensor(classes.dtype, "m", *shape)}
    if zipmap == "columns":
        columns = [f"{'s' if strings else 'i'}{name}" for name in classes]
        outputs |= dict.fromkeys(columns, _tensor(kind, "m"))
    elif zipmap:
        of = helper.np_dtype_to_tensor_dtype
        number = helper.make_tensor_type_proto(of(kind), None)
        rows = helper.make_map_type_proto(of(classes.dtype), number)
        outputs["output_probability"] = helper.make_sequence_type_proto(rows)
    else:
        outputs[probabilities] = _tensor(kind, "m", n)
    graph = Graph(kind, unique({*inputs, probabilities, *outputs}))
    classify(graph, label, probabilities)
    if zipmap == "columns":
        for i, column in enumerate(columns):
            index = graph.constant("i", np.array(i, np.int64))
            graph.add("Gather", probabilities, index, out=column, axis=1)
    elif zipmap:
        held = {"classlabels_strings" if strings else "classlabels_int64s": classes.tolist()}
        graph.add("ZipMap", probabilities, out="output_probability", **held)
    return graph, outputs


def _tensor(kind: np.dtype[Any], *shape: str | int) -> "TypeProto":
    from onnx import helper

    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(kind), shape)


def _assembled(
    graph: Graph, inputs: Mapping[str, "TypeProto"], outputs: Mapping[str, "TypeProto"], model: Any,
    net: Network | None, said: dict[str, str],
) -> "ModelProto":  # fmt: skip
    """Make the model of a graph, the types of its inputs and outputs, and what else is said."""
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node(
            node.operator, node.inputs, [node.output], f"{node.operator}_{i}",
            domain=ML if node.operator in OF_ML else "", **node.attributes,
        )
        for i, node in enumerate(graph.nodes)
    ]  # fmt: skip
    domains = [helper.make_opsetid("", _OPSET)]
    if any(node.domain for node in nodes):
        domains.append(helper.make_opsetid(ML, ML_OPSET))
    layers = ""
    if net is not None:
        hidden = ", ".join(dict.fromkeys(net._model.activations)) or "no hidden layer"
        layers = f"Layers {list(net.layer_dims)}, {hidden}, {net._model.output}"
    made = helper.make_model(
        helper.make_graph(
            nodes,
            type(model).__name__,
            [helper.make_value_info(name, kind) for name, kind in inputs.items()],
            [helper.make_value_info(name, kind) for name, kind in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        opset_imports=domains,
        ir_version=_IR_VERSION,
        producer_name="fastdnn",
        producer_version=__version__,
        doc_string=layers,
    )
    if said:
        helper.set_model_props(made, said)
    return made
