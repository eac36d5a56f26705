"""A tabular estimator, or its preprocessor alone, as named arrays and a document, and back.

The networks of an ensemble have the same layers; the arrays of the second begin with ``2.``, and so
on. Of the preprocessor the document has its parameters and the categories.
"""

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from fastdnn._arrays import Array
from fastdnn._fit.container import ModelFileError
from fastdnn._fit.document import Opened, arrays_of, model_of, said_of_model
from fastdnn._fit.fields import Fields, encoded, value_of
from fastdnn._fit.model import Model
from fastdnn._sklearn.labels import labels_of, said_of_labels
from fastdnn._sklearn.preprocessor import MOST as CATEGORIES
from fastdnn._sklearn.preprocessor import TabularPreprocessor, element_type
from fastdnn._sklearn.stored import (
    judged,
    parameter_of,
    requests_of,
    said_of_parameter,
    take_requests,
)
from fastdnn._sklearn.tabular import Tabular
from fastdnn.network import Network

_COUNTS = ("n_iter_", "best_iter_")
_CURVES = ("loss_curve_", "validation_scores_")
_TARGETS = ("target_mean_", "target_scale_")
_COLUMNS = ("n_features_in_", "feature_names_in_")
_OTHERS = (*_COUNTS, *_CURVES, *_COLUMNS, "best_score_", "preprocessor_", "network_", "networks_",
           "_metadata_request")  # fmt: skip
_OF_CLASSES, _OF_NUMBERS = ("classes_",), (*_TARGETS, "_shape", "_bounds")
_OF_TABLES = (*_COLUMNS, "categories_", "is_categorical_", "center_", "scale_",
              "_sklearn_output_config")  # fmt: skip
_CONTAINERS = ("default", "pandas", "polars")
_TYPES = ("float32", "float64")


# --------------------------------------------------------------------------------------------- save


def said_of_tabular(estimator: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """Take a tabular estimator or a preprocessor apart.

    Raises
    ------
    TypeError, ValueError
        If it holds what a file cannot, which is named.
    """
    if isinstance(estimator, TabularPreprocessor):
        arrays, document = _said_of_preprocessor(estimator)
        return arrays, {"kind": type(estimator).__name__, **document}
    found, prep = vars(estimator), estimator.preprocessor_
    classifies = isinstance(estimator, ClassifierMixin)
    parameters = _parameters(estimator, _OTHERS + (_OF_CLASSES if classifies else _OF_NUMBERS))
    if type(prep) is not TabularPreprocessor:
        raise TypeError(f"a model file cannot hold a preprocessor_ of type {type(prep).__name__}")
    for name in _COLUMNS:
        of_both: list[Any] = [found.get(name), vars(prep).get(name)]
        if not np.array_equal(*of_both):
            raise TypeError(f"a model file cannot hold a {name} that is not the preprocessor_'s")
    arrays, said = _said_of_networks(estimator)
    of_table, preprocessor = _said_of_preprocessor(prep)
    arrays |= of_table
    fitted: dict[str, Any] = {name: encoded(found[name], name, 0) for name in _COUNTS}
    fitted["best_score_"] = encoded(found["best_score_"], "best_score_", 0)
    for name in _CURVES:
        if found[name] is not None:
            arrays[name] = np.array(found[name], np.float64).reshape(-1)
    if classifies:
        fitted["classes_"] = said_of_labels(estimator.classes_, "classes_")
    else:
        arrays |= {name: np.array(found[name], np.float64) for name in _TARGETS}
        arrays["bounds"] = np.array(estimator._bounds, np.float64).reshape(2, -1)
        fitted["several"] = len(estimator._shape) > 0
    document = {
        "kind": type(estimator).__name__,
        **said,
        "preprocessor": preprocessor,
        "parameters": parameters,
        "fitted": fitted,
    }
    asked = requests_of(estimator)
    return arrays, {**document, "requests": asked} if asked else document


def _said_of_networks(estimator: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    nets = estimator.networks_
    if (
        type(nets) is not list
        or any(type(net) is not Network for net in nets)
        or not any(net is estimator.network_ for net in nets[:1])
    ):
        raise TypeError("a model file cannot hold networks that a user has set: pickle those")
    arrays: dict[str, Array] = {}
    models = [net._model for net in nets]
    said = said_of_model(models[0])
    for i, model in enumerate(models):
        if said_of_model(model) != said:
            raise TypeError("a model file cannot hold networks_ that are not alike: pickle those")
        of_one = arrays_of(model, model.params.copy())
        arrays |= {f"{_prefix(i)}{name}": array for name, array in of_one.items()}
    return arrays, {"network": said, "networks": len(models)}


def _prefix(i: int) -> str:
    return f"{i + 1}." if i else ""


def _said_of_preprocessor(prep: TabularPreprocessor) -> tuple[dict[str, Array], dict[str, Any]]:
    found, parameters = vars(prep), _parameters(prep, _OF_TABLES)
    fitted: dict[str, Any] = {
        "is_categorical_": prep.is_categorical_.tolist(),
        "categories_": [
            [encoded(value, f"categories_[{i}][{k}]", 1) for k, value in enumerate(known)]
            for i, known in enumerate(prep.categories_)
        ],
    }
    if "feature_names_in_" in found:
        fitted["feature_names_in_"] = [str(name) for name in prep.feature_names_in_]
    if "_sklearn_output_config" in found:
        fitted["output"] = found["_sklearn_output_config"].get("transform", "default")
    arrays = {name: np.array(found[name], np.float64) for name in ("center_", "scale_")}
    return arrays, {"parameters": parameters, "fitted": fitted}


def _parameters(estimator: Any, attributes: Collection[str]) -> dict[str, Any]:
    """Say the parameters of an estimator, which has such attributes and no others."""
    found, names = vars(estimator), type(estimator)._get_param_names()
    for name in found:
        if name not in (*names, *attributes, "_owner"):
            raise TypeError(
                f"a model file cannot hold the attribute {name!r} of an estimator: delete it, or "
                "pickle the estimator"
            )
    values = {name: found[name] for name in names}
    values["dtype"] = element_type(values["dtype"]).name
    columns = values["categorical_features"]
    values["categorical_features"] = getattr(columns, "tolist", lambda: columns)()
    return {name: said_of_parameter(name, value) for name, value in values.items()}


# --------------------------------------------------------------------------------------------- load


def tabular_of(cls: Any, judge: Callable[[Any], object], file: Opened, mmap: bool) -> Any:
    """Make a tabular estimator or a preprocessor, whose parameters are judged by a function."""
    contents, document = file.contents, file.document
    if not issubclass(cls, Tabular):
        if mmap:
            raise ValueError("mmap=True is for networks and estimators, not for a preprocessor")
        prep = _preprocessor_of(file, document)
        file.end()
        return prep
    estimator = cls(**_parameters_of(cls, document.within("parameters")))
    judged(estimator, judge)
    found, said = vars(estimator), document.take("network")
    models = [
        model_of(contents, Fields(said, f"{document.where}.network"), mmap, _prefix(i))
        for i in range(document.whole("networks", 1))
    ]
    within = document.within("preprocessor")
    prep = _preprocessor_of(file, within)
    within.end()
    if len(prep.center_) != models[0].layer_dims[0]:
        raise ModelFileError(
            f"the preprocessor makes {len(prep.center_)} columns, but the network takes "
            f"{models[0].layer_dims[0]}"
        )
    found["n_features_in_"] = prep.n_features_in_
    if hasattr(prep, "feature_names_in_"):
        found["feature_names_in_"] = prep.feature_names_in_.copy()
    _take_fitted(estimator, models[0], file)
    if "requests" in document:
        take_requests(estimator, document.within("requests"))
    file.end()
    nets = [Network._of(model) for model in models]
    found.update(preprocessor_=prep, networks_=nets, network_=nets[0])
    return estimator


def _take_fitted(estimator: Any, model: Model, file: Opened) -> None:
    said, contents, found = file.document.within("fitted"), file.contents, vars(estimator)
    outputs = model.layer_dims[-1]
    for name in _COUNTS:
        found[name] = said.whole(name)
    score = said.take("best_score_")
    found["best_score_"] = (
        None if score is None else Fields({"best_score_": score}, said.where).number("best_score_")
    )
    for name in _CURVES:
        found[name] = None
        if name == _CURVES[0] or name in contents.entries:
            found[name] = contents.take(name, np.float64, (None,)).tolist()
    if model.output != estimator._output:
        raise ModelFileError(f"the network's output is {model.output}, not {estimator._output}")
    if isinstance(estimator, ClassifierMixin):
        classes = found["classes_"] = labels_of(said.within("classes_"))
        if len(classes) != outputs or len(set(classes.tolist())) != outputs:
            raise ModelFileError(
                f"{said.where}: classes_ must be {outputs} different labels, got {len(classes)}"
            )
    else:
        several = said.flag("several")
        if not several and outputs != 1:
            said.refuse("several", f"true of {outputs} outputs", several)
        shape = found["_shape"] = (outputs,) if several else ()
        for name in _TARGETS:
            found[name] = np.array(contents.take(name, np.float64, (outputs,)), np.float64)
        bounds = np.array(contents.take("bounds", np.float64, (2, outputs)), np.float64)
        found["_bounds"] = bounds[0].reshape(shape), bounds[1].reshape(shape)
    said.end()


def _parameters_of(cls: Any, given: Fields) -> dict[str, Any]:
    parameters = {name: parameter_of(given, name) for name in cls._get_param_names()}
    given.end()
    if parameters["dtype"] not in _TYPES:
        given.refuse("dtype", f"one of {', '.join(_TYPES)}", parameters["dtype"])
    return parameters


def _preprocessor_of(file: Opened, document: Fields) -> TabularPreprocessor:
    """Make a preprocessor of a part of the document, and of arrays."""
    prep = TabularPreprocessor(**_parameters_of(TabularPreprocessor, document.within("parameters")))
    preprocessor: Any = TabularPreprocessor
    judged(prep, preprocessor._validate_params)
    said, found = document.within("fitted"), vars(prep)
    mask = np.array(said.items("is_categorical_", bool), bool)
    if not len(mask):
        said.refuse("is_categorical_", "a list of true and false", [])
    lists = said.items("categories_", list)
    if len(lists) != mask.sum():
        said.refuse("categories_", f"lists for {mask.sum()} columns", lists)
    known = [_categories_of(values, f"{said.where}: categories_[{i}]") for i, values in
             enumerate(lists)]  # fmt: skip
    if "feature_names_in_" in said:
        names = said.items("feature_names_in_", str)
        if len(names) != len(mask):
            said.refuse("feature_names_in_", f"{len(mask)} names", names)
        found["feature_names_in_"] = np.array(names, object)
    if "output" in said:
        container: Any = said.text("output", _CONTAINERS)
        prep.set_output(transform=container)
    said.end()
    n = int((~mask).sum()) + sum(1 if len(each) == 2 else len(each) for each in known)
    for name in ("center_", "scale_"):
        found[name] = np.array(file.contents.take(name, np.float64, (n,)), np.float64)
    found.update(n_features_in_=len(mask), is_categorical_=mask, categories_=known)
    return prep


def _categories_of(values: list[Any], where: str) -> Array:
    """Make the categories of a column, each of which is greater than the one before."""
    if not 1 <= len(values) <= CATEGORIES:
        raise ModelFileError(f"{where} must be from 1 to {CATEGORIES}, got {len(values)}")
    made = [value_of(value, where, 1) for value in values]
    if any(value is None or isinstance(value, (list, tuple, dict)) for value in made):
        raise ModelFileError(f"{where} must be texts, numbers or bytes")
    try:
        sorts = all(one < other for one, other in pairwise(made)) and made[0] == made[0]
    except TypeError:
        sorts = False
    if not sorts:
        raise ModelFileError(f"{where} must be sorted, each once, and none missing")
    return np.array([None, *made], dtype=object)[1:]
