"""A trained network as a model in ONNX, the format that other runtimes read."""

import json
import sys
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fastdnn._config import __version__, optional
from fastdnn._fit.graph import Graph, forward, unique
from fastdnn._fit.predictor import remedy
from fastdnn.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto, TypeProto

# of ONNX 1.10, which has every operator of a graph
_OPSET, _IR_VERSION = 15, 8
_ML = "ai.onnx.ml"
# the most bytes of weights: a protobuf message has fewer than 2^31
_MOST = 2**31 - 2**20


def to_onnx(
    model: Any, *, dtype: DTypeLike | None = None, options: Mapping[str, Any] | None = None
) -> "ModelProto":
    """Write a network or a fitted estimator as a model in ONNX.

    Its input is ``X`` (m, n_0), for any m. The output of a `Network` is ``AL`` (m, n_L), of a
    regressor ``variable`` (m, n_outputs), and those of a classifier are ``label`` (m,), for several
    labels (m, n_labels), and ``probabilities`` (m, n_classes): skl2onnx's names.

    Parameters
    ----------
    model : Network, MLPClassifier or MLPRegressor
        What is written; an estimator must be fitted.
    dtype : {float32, float64}, optional
        Element type of the input, of what is computed and of the probabilities; by default the
        model's own.
    options : dict, optional
        For a classifier ``{"zipmap": ...}``, as in skl2onnx. False, the default: as above. True:
        ``output_label``, and ``output_probability``, a dict of the classes for each row; only in
        float32. "columns": ``output_label``, and for each class an output (m,), whose name is the
        class after an ``i`` or, of strings, an ``s``.

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
    estimator = _is_estimator(model)
    if estimator:
        # which has imported scikit-learn
        from fastdnn._sklearn.exported import refuse_overridden

        refuse_overridden(model)
    elif not isinstance(model, Network):
        raise TypeError(
            "model must be a Network, MLPClassifier or MLPRegressor of fastdnn, "
            f"got {type(model).__name__}"
            + (
                remedy(model)
                or ": skl2onnx.to_onnx converts pipelines with those inside, and "
                "MLPClassifier.from_sklearn takes scikit-learn's over"
            )
        )
    net: Network = model.network_ if estimator else model
    # a fit may begin meanwhile
    net = deepcopy(net)
    kind = _element_type(net.dtype if dtype is None else dtype)
    if net._model.params.size * kind.itemsize > _MOST:
        raise ValueError(f"{net!r} has more than 2 GB of weights, which ONNX cannot hold in a file")
    classifies = estimator and hasattr(model, "classes_")
    zipmap = _zipmap({} if options is None else options, model, classifies, kind)
    if classifies:
        graph, outputs = _classifier(model, net, kind, zipmap)
    else:
        name = "variable" if estimator else "AL"
        graph = Graph(kind, unique({"X", name}))
        forward(graph, net._model, "X", name)
        outputs = {name: _tensor(kind, "m", net.layer_dims[-1])}
    made = _assembled(graph, outputs, model, net)
    checker.check_model(made, full_check=True)
    return made


def _is_estimator(model: Any) -> bool:
    # whoever has one has imported its module
    module = sys.modules.get("fastdnn._sklearn.perceptron")
    return module is not None and isinstance(model, module.Perceptron)


def _element_type(dtype: Any) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    return kind


def _zipmap(options: Any, model: Any, classifies: bool, kind: np.dtype[Any]) -> bool | str:
    """Take the one option, which only a classifier has."""
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a dict, got {options!r}")
    known = {"zipmap"} if classifies else set()
    if unknown := set(options) - known:
        raise ValueError(
            f"options has {min(unknown, key=str)!r}, but for {type(model).__name__} there is "
            + ("only 'zipmap'" if classifies else "none")
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
    model: Any, net: Network, kind: np.dtype[Any], zipmap: bool | str
) -> tuple[Graph, dict[str, "TypeProto"]]:
    """Make a classifier's graph, and the types of its outputs by name."""
    from onnx import helper

    from fastdnn._sklearn.exported import classify, labels, several

    classes = labels(model)
    strings, n = classes.dtype == object, max(net.layer_dims[-1], 2)
    if zipmap and len(classes) != n:
        raise ValueError(
            f"options['zipmap'] is {zipmap!r}, but there are {n} probabilities of {len(classes)} "
            "class: take False"
        )
    label, probabilities = "output_label" if zipmap else "label", "probabilities"
    outputs = {label: _tensor(classes.dtype, "m", *([n] if several(model) else []))}
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
    graph = Graph(kind, unique({"X", probabilities, *outputs}))
    classify(graph, model, net._model, classes, "X", label, probabilities)
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
    graph: Graph, outputs: Mapping[str, "TypeProto"], model: Any, net: Network
) -> "ModelProto":
    """Make the model of a graph and the types of its outputs."""
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node(
            node.operator, node.inputs, [node.output], f"{node.operator}_{i}",
            domain=_ML if node.operator == "ZipMap" else "", **node.attributes,
        )
        for i, node in enumerate(graph.nodes)
    ]  # fmt: skip
    domains = [helper.make_opsetid("", _OPSET)]
    if any(node.domain for node in nodes):
        domains.append(helper.make_opsetid(_ML, 1))
    meaning = net._model
    hidden = ", ".join(dict.fromkeys(meaning.activations)) or "no hidden layer"
    made = helper.make_model(
        helper.make_graph(
            nodes,
            type(model).__name__,
            [helper.make_value_info("X", _tensor(graph.dtype, "m", net.layer_dims[0]))],
            [helper.make_value_info(name, kind) for name, kind in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        opset_imports=domains,
        ir_version=_IR_VERSION,
        producer_name="fastdnn",
        producer_version=__version__,
        doc_string=f"Layers {list(net.layer_dims)}, {hidden}, {meaning.output}",
    )
    features = getattr(model, "feature_names_in_", None)
    if features is not None:
        helper.set_model_props(made, {"feature_names": json.dumps(list(map(str, features)))})
    return made
