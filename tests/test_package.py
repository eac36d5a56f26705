"""What ships: metadata, public names and their documentation, types, and clean arithmetic."""

import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import fastdnn

ROOT = Path(__file__).resolve().parent.parent
# the parameters that the course gives each function; ours may follow, by keyword
COURSE = {
    "initialize_parameters": "n_x, n_h, n_y",
    "initialize_parameters_deep": "layer_dims",
    "linear_forward": "A, W, b",
    "linear_activation_forward": "A_prev, W, b, activation",
    "L_model_forward": "X, parameters",
    "compute_cost": "AL, Y",
    "linear_backward": "dZ, cache",
    "linear_activation_backward": "dA, cache, activation",
    "L_model_backward": "AL, Y, caches",
    "update_parameters": "params, grads, learning_rate",
    "sigmoid": "Z",
    "relu": "Z",
    "sigmoid_backward": "dA, cache",
    "relu_backward": "dA, cache",
    "two_layer_model": (
        "X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000, print_cost=False"
    ),
    "L_layer_model": (
        "X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000, print_cost=False"
    ),
    "initialize_parameters_he": "layers_dims",
    "random_mini_batches": "X, Y, mini_batch_size=64, seed=0",
    "initialize_velocity": "parameters",
    "update_parameters_with_momentum": "parameters, grads, v, beta, learning_rate",
    "initialize_adam": "parameters",
    "update_parameters_with_adam": (
        "parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-08"
    ),
    "update_lr": "learning_rate0, epoch_num, decay_rate",
    "schedule_lr_decay": "learning_rate0, epoch_num, decay_rate, time_interval=1000",
    "convert_to_one_hot": "Y, C",
    "predict": "X, y, parameters",
    "load_data": "",
    "plot_costs": "costs, learning_rate=0.0075",
    "print_mislabeled_images": "classes, X, y, p",
}
FUNCTIONS = [name for name in fastdnn.__all__ if inspect.isfunction(getattr(fastdnn, name))]


def run(code):
    # -P: not the source folder, if this is its parent
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.split()


# ------------------------------------------------------------------------------------ public names


@pytest.mark.parametrize("name", COURSE)
def test_signature_is_the_course_s(name):
    parameters = inspect.signature(getattr(fastdnn, name)).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    given = [f"{p.name}={p.default}" if p.default is not p.empty else p.name for p in positional]
    assert ", ".join(given[: len(COURSE[name].split(", ")) if COURSE[name] else 0]) == COURSE[name]
    for p in parameters:
        assert p.name in re.findall(r"\w+", COURSE[name]) or p.default is not p.empty


def test_all_names_the_public_ones():
    assert set(COURSE) <= set(fastdnn.__all__)
    assert len(set(fastdnn.__all__)) == len(fastdnn.__all__)
    assert set(fastdnn.__all__) <= set(dir(fastdnn))


def test_the_estimators_are_listed_before_they_are_imported():
    code = (
        "import sys, fastdnn; names = dir(fastdnn); assert 'sklearn' not in sys.modules\n"
        "print(*(n for n in names if n.startswith('MLP')), *(n for n in names if n == 'Network'))"
    )
    pytest.importorskip("sklearn")
    assert run(code) == ["MLPClassifier", "MLPRegressor", "Network"]


def test_what_is_listed_can_be_asked_for():
    # also without scikit-learn, as a tool does that documents a module
    code = (
        "import sys, inspect; sys.modules['sklearn'] = None; import fastdnn\n"
        "print(*(name for name, _ in inspect.getmembers(fastdnn) if 'MLP' in name))"
    )
    assert run(code) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring(name):
    function = getattr(fastdnn, name)
    sections = re.split(r"\n(\w[\w ]*)\n-{3,}\n", inspect.getdoc(function))
    found = dict(zip(sections[1::2], sections[2::2], strict=True))
    parameters = list(inspect.signature(function).parameters)
    if parameters:
        assert {"Parameters", "Raises"} <= set(found)
        headings = re.findall(r"^(\w.*?)(?: : .*| of .*)?$", found["Parameters"], re.M)
        assert [word for line in headings for word in line.split(", ")] == parameters
    annotation = inspect.signature(function).return_annotation
    if annotation is not None:
        assert "Returns" in found


# ---------------------------------------------------------------------------------------- metadata


def test_version():
    assert fastdnn.__version__ == version("fastdnn")


def test_citation():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cited = dict(re.findall(r"^(?:  - )?(\w+): (.+)$", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["version"] == fastdnn.__version__
    assert cited["license"] == project["license"]
    assert [{"name": cited["name"]}] == project["authors"]
    assert cited["name"] in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_needs_only_numpy_and_scipy():
    needs = [need for need in metadata("fastdnn").get_all("Requires-Dist") if "extra" not in need]
    assert sorted(re.match(r"[\w-]+", need)[0] for need in needs) == ["numpy", "scipy"]
    assert metadata("fastdnn")["Requires-Python"] == ">=3.11"


def test_types_ship():
    shipped = {file.name for file in files("fastdnn").iterdir()}
    shipped |= {file.name for file in (files("fastdnn") / "_core").iterdir()}
    assert {"py.typed", "course.pyi", "levels.pyi"} <= shipped


# -------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("module", ["fastdnn", "fastdnn._core.course"])
def test_subnormals_survive_import(module):
    # a library linked with -ffast-math switches them off for the whole process
    head = f"import numpy as np, {module}; one, f, d = np.float64(1), np.float32, np.float64; "
    code = "print(one * 5e-324, d(2.0**-1022) / 4 == 2.0**-1024, f(1e-45) * f(1))"
    assert run(head + code) == ["5e-324", "True", "1e-45"]


@pytest.mark.parametrize(("dtype", "tiny"), [("float64", 2.0**-1074), ("float32", 2.0**-149)])
def test_subnormals_survive_the_kernels(dtype, tiny):
    A, _ = fastdnn.relu(np.full((3, 40), tiny, dtype))
    assert set(A.ravel().tolist()) == {tiny}


def test_no_flags_that_change_arithmetic():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for flag in (
        *("-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-fassociative-math"),
        *("-freciprocal-math", "-ffinite-math-only", "-march=native", "-fopenmp", "/fp:fast"),
    ):
        assert flag not in text
        assert flag not in str(settings)
