"""Every public object is documented, as numpydoc has it; what people call first has an example."""

import doctest
import inspect
import re
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import fastdnn

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
TEN = [
    *("initialize_parameters", "initialize_parameters_deep", "linear_forward"),
    *("linear_activation_forward", "L_model_forward", "compute_cost", "linear_backward"),
    *("linear_activation_backward", "L_model_backward", "update_parameters"),
]
FIRST = [
    *("Network", "Network.fit", "Network.predict", "MLPClassifier", "MLPRegressor"),
    *("save", "load", "to_onnx", "to_c", "fit_many", "L_layer_model", *TEN),
    "estimators.TabularPreprocessor",
]
MODULES = ("callbacks", "course2", "estimators", "plots")
# what is in that module and not at the top
ESTIMATORS = ("GridSearchCV", "RandomizedSearchCV", "TabularPreprocessor")
NEEDS = {"MLPClassifier": "sklearn", "MLPRegressor": "sklearn", "to_onnx": "onnx"}
NEEDS |= {"estimators.TabularPreprocessor": "sklearn"}


def public():
    """List the paths of what is public: functions, classes and their own methods."""
    pytest.importorskip("sklearn")
    names = [
        f"fastdnn.{name}" for name in dir(fastdnn) if name in (*fastdnn.__all__, *NEEDS, "to_c")
    ]
    for module in ("callbacks", "course2", "estimators", "plots"):
        found = vars(import_module(f"fastdnn.{module}"))
        chosen = found.get("__all__", ESTIMATORS)
        names += [f"fastdnn.{module}.{name}" for name in chosen]
    for name in names:
        thing = get(name.removeprefix("fastdnn."))
        if inspect.isclass(thing):
            methods = [m for m in dir(thing) if not m.startswith("_") and ours(thing, m)]
            yield from (f"{name}.{method}" for method in methods)
        if callable(thing):
            yield name


def ours(cls, name):
    of = inspect.getattr_static(cls, name)
    of = of.fget if isinstance(of, property) else inspect.unwrap(getattr(cls, name))
    return (getattr(of, "__module__", None) or "").startswith("fastdnn")


def get(path):
    thing = fastdnn
    for name in path.split("."):
        thing = import_module(f"fastdnn.{name}") if name in MODULES else getattr(thing, name)
    return thing


def test_numpydoc():
    validate = pytest.importorskip("numpydoc.validate").validate
    left_out = set(SETTINGS["numpydoc_validation"]["checks"]) - {"all"}
    excluded = [re.compile(pattern) for pattern in SETTINGS["numpydoc_validation"]["exclude"]]
    checked = [path for path in public() if not any(e.search(path) for e in excluded)]
    assert len(checked) > 100
    found = [
        (path, code, text)
        for path in checked
        for code, text in validate(path)["errors"]
        if code not in left_out
    ]
    assert found == []


@pytest.mark.parametrize("path", FIRST)
def test_example(path):
    if path in NEEDS:
        pytest.importorskip(NEEDS[path])
    names = {"fastdnn": fastdnn, "np": np}
    (test,) = doctest.DocTestFinder(recurse=False).find(get(path), path, globs=names)
    assert test.examples
    runner = doctest.DocTestRunner()
    assert runner.run(test) == (0, len(test.examples))


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_parameter_of_an_estimator_is_documented(name):
    pytest.importorskip("sklearn")
    cls = getattr(fastdnn, name)
    section = inspect.getdoc(cls).split("Parameters\n----------\n")[1].split("\n\n")[0]
    documented = re.findall(r"^(\w+) : ", section, re.MULTILINE)
    assert documented == list(inspect.signature(cls).parameters)
