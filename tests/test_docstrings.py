"""Every public object is documented, as numpydoc has it, by an example that runs."""

import doctest
import inspect
import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import fastdnn

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
CHECKS = SETTINGS["numpydoc_validation"]
MODULES = ("callbacks", "course2", "estimators", "plots")
# what is in that module and not at the top
ESTIMATORS = (
    *("GridSearchCV", "RandomizedSearchCV", "TabularMLPClassifier", "TabularMLPRegressor"),
    "TabularPreprocessor",
)
# what an example needs beside the package
NEEDS = {
    "load_data": "h5py",
    "plot_costs": "matplotlib",
    "print_mislabeled_images": "matplotlib",
    "to_onnx": "onnx",
    "to_frame": "pandas",
}


def public():
    """List the paths of what is public: functions and classes, and these classes' own methods."""
    names = [f"fastdnn.{name}" for name in dir(fastdnn) if not name.startswith("_")]
    for module in ("callbacks", "course2", "plots"):
        names += [f"fastdnn.{module}.{name}" for name in import_module(f"fastdnn.{module}").__all__]
    if find_spec("sklearn"):
        names += [f"fastdnn.estimators.{name}" for name in ESTIMATORS]
    seen = set()
    for name in names:
        thing = get(name)
        if not (callable(thing) and is_ours(thing)) or thing in seen:
            continue
        seen.add(thing)
        yield name
        if inspect.isclass(thing):
            methods = [m for m in dir(thing) if not m.startswith("_")]
            members = {m: inspect.getattr_static(thing, m) for m in methods}
            yield from (f"{name}.{m}" for m in methods if is_ours(members[m]))


def is_ours(thing):
    of = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
    of = inspect.unwrap(of) if callable(of) else of
    return (getattr(of, "__module__", None) or "").startswith("fastdnn")


def is_method(path):
    return inspect.isclass(get(path.rpartition(".")[0]))


def excepted(path):
    if is_method(path):
        return {*CHECKS["methods"]}
    return set() if inspect.isclass(get(path)) else {*CHECKS["functions"]}


def get(path):
    thing = fastdnn
    for name in path.split(".")[1:]:
        thing = import_module(f"fastdnn.{name}") if name in MODULES else getattr(thing, name)
    return thing


PUBLIC = list(public())


def test_numpydoc():
    validate = pytest.importorskip("numpydoc.validate").validate
    pytest.importorskip("sklearn")
    excluded = [re.compile(pattern) for pattern in CHECKS["exclude"]]
    checked = [path for path in PUBLIC if not any(e.search(path) for e in excluded)]
    assert len(checked) > 100
    found = [
        (path, code, text)
        for path in checked
        for code, text in validate(path)["errors"]
        if code not in excepted(path)
    ]
    assert found == []


@pytest.mark.parametrize("path", PUBLIC)
def test_example(path):
    for name, package in NEEDS.items():
        if path.endswith(f".{name}"):
            pytest.importorskip(package)
    if ".plots." in path:
        pytest.importorskip("matplotlib")
    names = {"fastdnn": fastdnn, "np": np}
    found = doctest.DocTestFinder(recurse=False).find(get(path), path, globs=names)
    (test,) = found or [None]
    if test is None or not test.examples:
        assert is_method(path), "a function or a class has an example"
        return
    assert doctest.DocTestRunner().run(test) == (0, len(test.examples))


def test_the_reference_has_every_name():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    names = {path.rpartition(".")[2] for path in PUBLIC if not is_method(path)}
    assert names - listed == set()


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_parameter_of_an_estimator_is_documented(name):
    pytest.importorskip("sklearn")
    cls = getattr(fastdnn, name)
    section = inspect.getdoc(cls).split("Parameters\n----------\n")[1].split("\n\n")[0]
    documented = re.findall(r"^(\w+) : ", section, re.MULTILINE)
    assert documented == list(inspect.signature(cls).parameters)
    assert not re.search("^( {1,3}| {5,})\\S", section, re.MULTILINE)  # one indentation
