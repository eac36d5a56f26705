"""An estimator as named arrays and a document, and back: by tables of what it may hold.

The document has, beside a network's (`_fit/document.py`), the parameters and what a fit has left;
the curves are arrays, since they grow without end.
"""

from collections.abc import Callable
from copy import copy
from math import inf
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import ClassifierMixin
from sklearn.neural_network._base import ACTIVATIONS as THEIRS

from fastdnn._arrays import Array
from fastdnn._core.training import Counts
from fastdnn._fit.bits import random_state_of, said_of
from fastdnn._fit.container import ModelFileError
from fastdnn._fit.document import Opened, arrays_of, model_of, moments_of, said_of_model
from fastdnn._fit.fields import MOST, Fields, encoded
from fastdnn._fit.model import Model, Training
from fastdnn._fit.names import RULES
from fastdnn._sklearn.assembled import NAMES, OUTPUTS, complete, hidden_activations, output
from fastdnn._sklearn.declared import Declared
from fastdnn._sklearn.labels import binarizer_of, labels_of, said_of_binarizer, said_of_labels
from fastdnn._sklearn.rates import Rate, fitted_to, training_of

_COUNTS = ("n_features_in_", "n_outputs_", "n_iter_", "t_", "_no_improvement_count")
_NUMBERS = ("loss_", "best_loss_", "best_validation_score_")
_CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
_OTHERS = ("out_activation_", "classes_", "_label_binarizer", "feature_names_in_", "_fitted_sizes",
           "_fitted_scoring", "_metadata_request")  # fmt: skip
# what a file has otherwise, or what is made anew
_LEFT_OUT = ("coefs_", "intercepts_", "n_layers_", "loss", "_model", "_n_fitted", "_training",
             "_optimizer", "_owner", "_random_state", "_network")  # fmt: skip
# of a message of scikit-learn's, which names every scorer
_LONGEST = 2000
_METHODS = ("fit", "partial_fit", "score")


# --------------------------------------------------------------------------------------------- save


def said_of_estimator(
    estimator: Declared, names: list[str], model: Model, training_state: bool
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Take an estimator apart.

    Parameters
    ----------
    estimator : Declared
    names : list of str
        Of its parameters.
    model : Model
        What it predicts by.
    training_state : bool
        Whether it is to go on as if it had never been saved.

    Raises
    ------
    TypeError, ValueError
        If it holds what a file cannot, which is named.
    """
    complete(estimator)
    found = vars(estimator)
    for name in found:
        if name not in (*names, *_COUNTS, *_NUMBERS, *_CURVES, *_OTHERS, *_LEFT_OUT):
            raise TypeError(
                f"a model file cannot hold the attribute {name!r} of an estimator: delete it, or "
                "pickle the estimator"
            )
    arrays = arrays_of(model, model.params.copy())
    fitted: dict[str, Any] = {}
    for name in (*_COUNTS, *_NUMBERS):
        if name in found:
            fitted[name] = encoded(found[name], name)
    for name in _CURVES:
        curve = found.get(name)
        if curve is not None:
            arrays[name] = np.array(curve, np.float64).reshape(-1)
        elif name in found:
            fitted[name] = None
    fitted["out_activation_"] = estimator.out_activation_
    if "feature_names_in_" in found:
        fitted["feature_names_in_"] = [str(name) for name in found["feature_names_in_"]]
    if "_fitted_sizes" in found:
        fitted["_fitted_sizes"] = [encoded(n, "_fitted_sizes", 0) for n in estimator._fitted_sizes]
    if "_fitted_scoring" in found:
        scoring = found["_fitted_scoring"]
        # of a function all that can be said is that no name is like it
        fitted["_fitted_scoring"] = scoring if isinstance(scoring, str | None) else False
    if isinstance(estimator, ClassifierMixin):
        classes = np.asarray(estimator.classes_)
        fitted["classes_"] = said_of_labels(classes, "classes_")
        fitted["binarizer"] = said_of_binarizer(estimator._label_binarizer, classes)
        if estimator.loss != "log_loss":
            raise ValueError(f"loss must be 'log_loss', got {estimator.loss!r}")
    document = {
        "kind": type(estimator).__name__,
        "network": said_of_model(model),
        "parameters": {name: said_of_parameter(name, found[name]) for name in names},
        "fitted": fitted,
    }
    asked = requests_of(estimator)
    if asked:
        document["requests"] = asked
    if training_state:
        training = _training_now(estimator, model)
        rate = training.optimizer
        document["training"] = {
            "rule": training.rule,
            "steps": training.counts.steps,
            "epochs": training.counts.epochs,
            "rate": None if rate is None else [encoded(r, "rate") for r in (rate.first, rate.now)],
        }
        arrays |= {f"m{i}": m.copy() for i, m in enumerate(training.moments, 1) if m is not None}
    return arrays, document


def said_of_parameter(name: str, value: Any) -> Any:
    """Say a parameter's value in JSON."""
    if name == "random_state" and isinstance(value, np.random.RandomState):
        return {"RandomState": said_of(value, name)}
    return encoded(value, name)


def requests_of(asking: Any) -> dict[str, Any]:
    """List the requests of metadata that a user has made of an estimator."""
    if "_metadata_request" not in vars(asking):
        return {}
    told = asking.get_metadata_routing()
    asked = {method: dict(getattr(told, method).requests) for method in _METHODS}
    return {
        method: {name: encoded(value, name, 0) for name, value in requests.items()}
        for method, requests in asked.items()
        if requests
    }


def _training_now(estimator: Declared, model: Model) -> Training:
    """Find what the next call would go on from."""
    found = vars(estimator)
    if "_optimizer" in found:
        raise TypeError(
            "a model file cannot hold an optimiser of scikit-learn: call partial_fit once, or save "
            "with training_state=False"
        )
    if "_training" in found:
        return fitted_to(model, training_of(found["_training"]))
    if "_model" in found:
        return fitted_to(model, copy(found["_model"].training))
    return Training()


# --------------------------------------------------------------------------------------------- load


def estimator_of(cls: Any, judge: Callable[[Any], object], file: Opened, mmap: bool) -> Any:
    """Make an estimator of a class, whose parameters are judged by a function."""
    contents, document = file.contents, file.document
    given = document.within("parameters")
    names = cls._get_param_names()
    parameters = {name: parameter_of(given, name) for name in names}
    given.end()
    estimator = cls(**parameters)
    judged(estimator, judge)
    model = model_of(contents, document.within("network"), mmap)
    _take_fitted(estimator, model, file)
    model = _meant(estimator, model)
    if "training" in document:
        _take_training(model, file)
    if "requests" in document:
        take_requests(estimator, document.within("requests"))
    file.end()
    vars(estimator).update(
        _model=model, coefs_=list(model.coefs), intercepts_=list(model.intercepts),
        n_layers_=len(model.layer_dims), _n_fitted=len(model.coefs),
    )  # fmt: skip
    return estimator


def judged(estimator: Any, judge: Callable[[Any], object]) -> None:
    """Judge an estimator's parameters by a function."""
    try:
        judge(estimator)
    except (TypeError, ValueError) as error:
        # a parameter's value is told, however long it is
        raise ModelFileError(str(error)[:_LONGEST]) from None


def parameter_of(given: Fields, name: str) -> Any:
    """Take a parameter from a file, and judge its type as far as scikit-learn does not."""
    said = given.take(name)
    value: Any
    if name == "random_state" and type(said) is dict and said.keys() == {"RandomState"}:
        return random_state_of(Fields(said["RandomState"], f"{given.where}.{name}"))
    value = Fields({name: said}, given.where).value(name)
    items, kind = value if isinstance(value, (list, tuple)) else [value], type(value)
    if name == "hidden_layer_sizes" and not all(type(item) is int for item in items):
        given.refuse(name, "a whole number or a list of them", value)
    if name == "activation" and not all(type(item) is str for item in items):
        given.refuse(name, "a name or a list of them", value)
    if name == "class_weight" and kind is list and not all(type(item) is dict for item in items):
        given.refuse(name, "a dict or a list of them", value)
    return value


def _take_fitted(estimator: Any, model: Model, file: Opened) -> None:
    said, contents, found = file.document.within("fitted"), file.contents, vars(estimator)
    for name in _COUNTS:
        if name in said:
            found[name] = said.whole(name)
    for name in _NUMBERS:
        if name in said:
            raw = said.take(name)
            found[name] = None if raw is None else Fields({name: raw}, said.where).number(name)
    for name in _CURVES:
        if name in contents.entries:
            found[name] = contents.take(name, np.float64, (None,)).tolist()
        elif name in said:
            if said.take(name) is not None:
                raise ModelFileError(f"{said.where}: {name} must be null, or an array of the file")
            found[name] = None
    found["out_activation_"] = said.text("out_activation_", sorted({*OUTPUTS, *THEIRS}))
    found.setdefault("n_outputs_", model.layer_dims[-1])
    for name, count in (
        ("n_features_in_", model.layer_dims[0]),
        ("n_outputs_", model.layer_dims[-1]),
    ):
        if found.get(name, count) != count:
            said.refuse(name, str(count), found[name])
    if "feature_names_in_" in said:
        names = said.items("feature_names_in_", str)
        if len(names) != model.layer_dims[0]:
            said.refuse("feature_names_in_", f"{model.layer_dims[0]} names", names)
        found["feature_names_in_"] = np.array(names, object)
    if "_fitted_sizes" in said:
        sizes = found["_fitted_sizes"] = said.items("_fitted_sizes", int)
        if not all(1 <= size <= MOST for size in sizes):
            said.refuse("_fitted_sizes", "sizes of layers", sizes)
    if "_fitted_scoring" in said:
        scoring = said.take("_fitted_scoring")
        if not (scoring is None or scoring is False or type(scoring) is str):
            said.refuse("_fitted_scoring", "a name, null or false", scoring)
        found["_fitted_scoring"] = scoring
    if isinstance(estimator, ClassifierMixin):
        classes = found["classes_"] = labels_of(said.within("classes_"))
        outputs = model.layer_dims[-1]
        found["_label_binarizer"] = binarizer_of(said.within("binarizer"), classes, outputs)
    said.end()


def _meant(estimator: Declared, model: Model) -> Model:
    """See that the network is the one that the parameters speak of."""
    try:
        names = hidden_activations(estimator.activation, len(model.coefs) - 1)
    except ValueError as error:
        raise ModelFileError(str(error)) from None
    activations = tuple(NAMES[name] for name in names)
    name, cost, parameter = output(estimator, model.dtype)
    wanted = activations, name, cost
    # the greatest cost of an example is a logarithm, which not every machine rounds alike
    exact = cost == "cross_entropy" or parameter == model.cost_parameter
    if wanted != model.meaning[:3] or not exact:
        raise ModelFileError(
            f"the network is {model.meaning}, but by the parameters it is {(*wanted, parameter)}"
        )
    if parameter == model.cost_parameter:
        return model
    return model.of(activations, name, cost, parameter)


def _take_training(model: Model, file: Opened) -> None:
    said = file.document.within("training")
    rule = said.take("rule")
    if not (rule is None or (isinstance(rule, str) and rule in RULES)):
        said.refuse("rule", f"one of {', '.join(RULES)}, or null", rule)
    counts = Counts(said.whole("steps"), said.whole("epochs"))
    rate, made = said.take("rate"), None
    if rate is not None:
        if type(rate) is not list or len(rate) != 2:
            said.refuse("rate", "null or two numbers", rate)
        both = Fields({"first": rate[0], "now": rate[1]}, f"{said.where}.rate")
        made = Rate(both.number("first"), both.number("now"))
        if not (0 <= made.first < inf and 0 <= made.now < inf):
            said.refuse("rate", "two learning rates", rate)
    said.end()
    model.training = Training(rule, *moments_of(model, file.contents, rule), counts, made)


def take_requests(asking: Any, said: Fields) -> None:
    """Make the requests of metadata that a file has."""
    for method in _METHODS:
        if method not in said:
            continue
        requests = said.within(method)
        known = getattr(asking.get_metadata_routing(), method).requests
        asked = {name: requests.value(name) for name in known if name in requests}
        requests.end()
        try:
            with config_context(enable_metadata_routing=True):
                getattr(asking, f"set_{method}_request")(**asked)
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(f"{requests.where}: {error}") from None
    said.end()
