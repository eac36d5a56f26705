"""An estimator as a graph of ONNX's operators, and what skl2onnx is told of the classes."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier

from fastdnn._arrays import Array
from fastdnn._fit.graph import ML, ML_OPSET, OF_ML, Graph, forward
from fastdnn._fit.model import Model
from fastdnn._sklearn.assembled import complete, ends
from fastdnn._sklearn.declared import Declared

# codes of element types in ONNX
_FLOAT, _INT64 = 1, 7


def refuse_overridden(estimator: Any) -> None:
    """Raise TypeError if a subclass predicts by methods of its own."""
    cls: Any = type(estimator)
    base = next(c for c in cls.__mro__ if c.__module__ == "fastdnn.estimators")
    for name in (
        "predict", "predict_proba", "transform", "_predict", "_predicted", "_forward_pass_fast"
    ):  # fmt: skip
        if getattr(cls, name, None) is not getattr(base, name, None):
            raise TypeError(
                f"{cls.__name__} overrides {name}, which a graph of its layers does not know: "
                "convert its network_"
            )


def several(classifier: Declared) -> bool:
    """Tell whether the classes do not exclude each other."""
    return str(classifier._label_binarizer.y_type_).startswith("multilabel")


def labels(classifier: Declared) -> Array:
    """Take the classes in a type that ONNX has: int64, or strings as objects.

    Raises
    ------
    TypeError, ValueError
        If they cannot be held by one.
    """
    complete(classifier)
    return held(np.asarray(classifier._label_binarizer.classes_))


def held(classes: Array) -> Array:
    """Take labels in a type that ONNX has, or raise as `labels`."""
    if classes.dtype.kind in "biuf":
        with np.errstate(invalid="ignore"):
            whole = classes.astype(np.int64)
        if not np.array_equal(whole, classes):
            raise ValueError(
                f"classes_ is {classes!r}, but labels in ONNX are int64 or strings: fit with those"
            )
        return whole
    objects = classes.astype(object)
    if not all(isinstance(label, str) for label in objects):
        raise TypeError(
            f"classes_ holds {type(objects[0]).__name__}, but labels in ONNX are int64 or strings: "
            "fit with those"
        )
    return np.array([str(label) for label in objects], dtype=object)


def classify(
    graph: Graph, classifier: Declared, model: Model, classes: Array, X: str,
    label: str, probabilities: str,
) -> None:  # fmt: skip
    """Add a classifier's labels and probabilities for the rows X, under these names.

    Parameters
    ----------
    graph : Graph
    classifier : Declared
    model : Model
        That predicts for the classifier.
    classes : ndarray
        Labels of the classes, as the graph shall hold them.
    X, label, probabilities : str

    Raises
    ------
    ValueError
        If the labels are not a function of the outputs that can be said here.
    """
    binarizer, n = classifier._label_binarizer, model.layer_dims[-1]
    if (binarizer.neg_label, binarizer.pos_label) != (0, 1):
        raise ValueError(
            f"the labels were made from {binarizer!r}: only one with neg_label=0 and pos_label=1 "
            "can be written"
        )
    if n == 1:
        forward(graph, model, X, p := graph.unique("p"))
        graph.add("Concat", graph.add("Sub", 1.0, p), p, out=probabilities, axis=1)
    else:
        forward(graph, model, X, probabilities)
    if several(classifier):
        graph.add("Cast", graph.add("Greater", probabilities, 0.5), out=label, to=_INT64)
        return
    if n == 1 and len(classes) == 1:
        classes = classes.repeat(2)
    if len(classes) != max(n, 2):
        raise ValueError(f"classes_ holds {len(classes)} classes, but there are {n} outputs")
    if n == 2 and binarizer.y_type_ == "binary":
        # an output each, of which scikit-learn asks the second
        second = graph.constant("second", np.array(1, np.int64))
        chosen = graph.add("Gather", probabilities, second, axis=1)
        index = graph.add("Cast", graph.add("Greater", chosen, 0.5), to=_INT64)
    else:
        index = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    graph.add("Gather", graph.constant("classes", classes), index, out=label, axis=0)


# ---------------------------------------------------------------------------------------- skl2onnx


class Converter(NamedTuple):
    """A class, and the functions that tell types of its outputs and add its nodes."""

    cls: type
    shapes: Callable[[Any], None]
    convert: Callable[[Any, Any, Any], None]


def converters(*classes: type) -> list[Converter]:
    """Say how the classes of perceptrons are converted."""
    return [Converter(cls, _shapes, _convert) for cls in classes]


def offer(known: Sequence[Converter]) -> None:
    """Tell skl2onnx how classes are converted, now or as soon as it is imported.

    It would ask an object for its converter, but looks for the class of a classifier's options, and
    of what is inside an ensemble, a search or a calibration, in a table.
    """

    def told() -> None:
        from skl2onnx import update_registered_converter

        names = ("nocl", "output_class_labels")
        options: dict[str, Any] = {name: [True, False] for name in names}
        options["zipmap"] = [True, False, "columns"]
        for cls, shapes, convert in known:
            of_one = options if issubclass(cls, ClassifierMixin) else None
            name = f"Fastdnn{cls.__name__}"
            update_registered_converter(cls, name, shapes, convert, options=of_one)

    if sys.modules.get("skl2onnx") is not None:
        told()
    else:
        sys.meta_path.insert(0, _Awaited("skl2onnx", told))


class _Awaited(MetaPathFinder):
    """Calls a function once, when a package has been imported."""

    def __init__(self, package: str, then: Callable[[], None]) -> None:
        self._package, self._then = package, then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the package as the others do, and let its loader call the function."""
        if fullname != self._package:
            return None
        others = (f for f in sys.meta_path if f is not self and hasattr(f, "find_spec"))
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    self._then()

            # a loader of a type that takes no attribute imports the package all the same
            with suppress(AttributeError):
                spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def asked(scope: Any, estimator: Any, classes: Array) -> Array:
    """Give the classes, or their indices where the options ask for these."""
    options = scope.get_options(estimator, {"nocl": False})
    return np.arange(len(classes), dtype=np.int64) if options["nocl"] else classes


def _shapes(operator: Any) -> None:
    """Tell skl2onnx the types and shapes of an operator's outputs."""
    from skl2onnx.common import data_types

    estimator, (X, *others) = operator.raw_operator, operator.inputs
    if others:
        raise ValueError(
            f"{type(estimator).__name__} reads one matrix, but initial_types name "
            f"{len(others) + 1}: give one, or put a ColumnTransformer before it"
        )
    double = isinstance(X.type, data_types.DoubleTensorType)
    real = data_types.DoubleTensorType if double else data_types.FloatTensorType
    m, n = X.get_first_dimension(), ends(estimator)[1]
    if is_classifier(estimator):
        operator.outputs[0].set_type(
            label_type(operator, labels(estimator), [m, n] if several(estimator) else [m])
        )
        n = max(n, 2)
    operator.outputs[-1].set_type(real([m, n]))


def label_type(operator: Any, classes: Array, shape: list[Any]) -> Any:
    """Make skl2onnx's type of labels."""
    from skl2onnx.common import data_types

    strings = asked(operator.scope_inst, operator.raw_operator, classes).dtype == object
    return (data_types.StringTensorType if strings else data_types.Int64TensorType)(shape)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Give skl2onnx an operator's nodes, in the type of its input."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    estimator, (X,) = operator.raw_operator, operator.inputs
    dtype = np.dtype("float64" if isinstance(X.type, DoubleTensorType) else "float32")
    graph, x = Graph(dtype, scope.get_unique_variable_name), X.full_name
    if not isinstance(X.type, (DoubleTensorType, FloatTensorType)):
        x = graph.add("Cast", x, to=_FLOAT)
    names, model = [y.full_name for y in operator.outputs], estimator.network_._model
    if is_classifier(estimator):
        classes = asked(scope, estimator, labels(estimator))
        classify(graph, estimator, model, classes, x, *names)
    else:
        forward(graph, model, x, *names)
    give(graph, scope, container)


def give(graph: Graph, scope: Any, container: Any) -> None:
    """Give skl2onnx a graph's constants and nodes."""
    from onnx.helper import np_dtype_to_tensor_dtype

    for name, array in graph.constants.items():
        content: Any = array.ravel()
        if array.dtype == object:
            content = [label.encode() for label in array]
        container.add_initializer(name, np_dtype_to_tensor_dtype(array.dtype), array.shape, content)
    for node in graph.nodes:
        name = scope.get_unique_operator_name(node.operator)
        where = {"op_domain": ML, "op_version": ML_OPSET} if node.operator in OF_ML else {}
        container.add_node(
            node.operator, list(node.inputs), [node.output], name=name, **where, **node.attributes
        )
