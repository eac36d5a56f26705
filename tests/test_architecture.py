"""The arrows between the modules, read from their imports: each leans on lower ones only."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastdnn

SOURCE = Path(__file__).resolve().parent.parent / "fastdnn"

# The wings, and the files that are in none, from the bottom up: what each may import of the others.
WINGS = {
    "_core": set(),
    "_arrays": set(),
    "_config": {"_core"},
    "optimizers": {"_arrays"},
    "_fit": {"_arrays", "_config", "_core", "optimizers"},
    "callbacks": {"_arrays", "_fit"},
    "_course": {"_arrays", "_core", "_fit"},
    "functional": {"_arrays", "_core", "_course"},
    "parameters": {"_arrays", "_core", "_course"},
    "images": {"_arrays", "_config"},
    "plots": {"_arrays", "_config", "_fit", "images"},
    "network": {"_arrays", "_course", "_fit", "optimizers", "parameters"},
    "many": {"_fit", "network", "optimizers"},
    "application": {
        *("_arrays", "_course", "_fit", "functional", "parameters"),
    },
    "course2": {"_arrays", "_course", "application", "functional", "parameters"},
    "_sklearn": {"_arrays", "_config", "_core", "_fit", "many", "network", "optimizers"},
    "estimators": {"_arrays", "_fit", "_sklearn"},
    "files": {"_fit", "_sklearn", "estimators", "network"},
    "onnx": {"_arrays", "_config", "_fit", "_sklearn", "network"},
    "c": {"_arrays", "_config", "_fit", "network"},
    "__init__": {
        *("_config", "_core", "_fit", "application", "callbacks", "course2", "files"),
        *("functional", "images", "many", "network", "plots", "optimizers", "parameters"),
    },
    "_demo": {"_arrays", "_config", "_fit", "application", "images", "parameters"},
    "__main__": {"__init__", "_config", "_demo", "files"},
}
# The files of each wing, from the bottom up: what they may import of their own wing.
ROOMS = {
    "_core": {
        "blas": set(),
        "clock": set(),
        "memory": set(),
        "modes": set(),
        "slices": set(),
        "source": set(),
        "board": {"clock", "modes"},
        "turns": {"board"},
        "elementary": set(),
        "activations": {"elementary"},
        "costs": {"activations", "elementary"},
        "optimizers": {"elementary"},
        "spec": {"activations", "board", "costs", "optimizers", "slices", "source", "turns"},
        "draws": {"spec"},
        "csr": set(),
        "levels": {
            *("activations", "blas", "board", "clock", "costs", "elementary", "modes"),
            *("optimizers", "slices", "source", "spec", "turns"),
        },
        "workers": {"board", "modes", "turns"},
        "pool": set(),
        "course": {
            *("activations", "board", "elementary", "levels", "memory", "pool", "spec", "workers"),
        },
        "plan": {
            *("activations", "board", "costs", "csr", "elementary", "levels", "memory", "modes"),
            *("slices", "source", "spec", "turns", "workers"),
        },
        "pairs": {"levels", "source"},
        "taken": {"memory"},
        "workspace": {"optimizers", "slices", "spec"},
        "numbers": {"optimizers", "spec"},
        "ranks": {"plan", "spec", "workspace"},
        "training": {
            *("activations", "board", "levels", "numbers", "optimizers", "plan", "ranks", "slices"),
            *("source", "spec", "taken", "turns", "workers", "workspace"),
        },
        "stretch": {"board", "clock", "draws", "levels", "plan", "source", "spec", "training"},
    },
    "_course": {
        "generators": set(),
        "batches": {"generators"},
        "updates": set(),
        "vectors": set(),
        "masks": {"generators"},
        "layers": {"masks"},
        "elementwise": {"layers"},
        "costs": {"layers"},
        "propagation": {"costs", "generators", "layers", "masks"},
        "checks": {"costs", "layers", "masks"},
    },
    "_fit": {
        "names": set(),
        "threads": set(),
        "progress": set(),
        "gram": {"threads"},
        "model": {"names", "threads"},
        "sparse": set(),
        "graph": {"model", "names"},
        "html": {"model"},
        "results": {"html"},
        "settings": {"model", "names"},
        "data": {"model", "names", "sparse", "threads"},
        "state": {"gram", "model", "names"},
        "disk": set(),
        "container": set(),
        "fields": {"container"},
        "bits": {"container", "fields"},
        "document": {
            *("bits", "container", "disk", "fields", "gram", "model", "names", "state"),
        },
        "stretches": {"data", "model", "settings", "threads"},
        "loop": {
            *("data", "gram", "model", "names", "settings", "sparse", "stretches", "threads"),
        },
        "ahead": set(),
        "blocks": {"data", "model", "names"},
        "blockwise": {
            *("ahead", "blocks", "data", "loop", "model", "settings", "stretches", "threads"),
        },
        "passes": {"ahead", "blocks", "blockwise", "data", "model", "sparse", "threads"},
        "best": {"blocks", "data", "model", "names", "results", "stretches", "threads"},
        "fits": {
            "best",
            "blocks",
            "blockwise",
            "data",
            "loop",
            "model",
            "progress",
            "results",
            "settings",
            "stretches",
        },
        "folds": {"blocks", "data", "model"},
        "many": {
            *("best", "blocks", "blockwise", "data", "fits", "folds", "loop", "model", "progress"),
            *("results", "settings", "stretches", "threads"),
        },
        "ranks": {
            *("best", "blocks", "data", "fits", "loop", "model", "names", "progress", "results"),
            "settings",
        },
        "checks": {"data", "loop", "model", "settings"},
        "predictor": {"checks", "model", "passes"},
    },
    "_sklearn": {
        "declared": set(),
        "documented": set(),
        "theirs": {"declared"},
        "callbacks": {"declared"},
        "chunks": {"declared"},
        "losses": set(),
        "seeds": set(),
        "search": set(),
        "descent": {"search"},
        "assembled": {"declared"},
        "exported": {"assembled", "declared"},
        "stopping": {"callbacks", "declared"},
        "checked": {"declared", "stopping"},
        "rates": {"callbacks", "declared"},
        "lbfgs": {"callbacks", "declared", "descent", "rates", "stopping"},
        "stochastic": {"callbacks", "checked", "declared", "rates", "stopping"},
        "shared": set(),
        "weights": {"assembled", "declared", "rates", "shared"},
        "converted": {"assembled", "declared", "rates", "weights"},
        "labels": set(),
        "stored": {"assembled", "declared", "labels", "rates"},
        "gradients": {"assembled", "checked", "lbfgs", "losses", "weights"},
        "parts": {"declared"},
        "scores": set(),
        "perceptron": {
            *("assembled", "callbacks", "checked", "chunks", "converted", "declared"),
            *("gradients", "lbfgs", "losses", "parts", "rates", "scores", "seeds", "stochastic"),
            *("stopping",),
        },
        "classes": {"assembled", "chunks", "perceptron"},
        "searches": {"perceptron", "theirs"},
        "tables": set(),
        "preprocessor": {"declared", "tables", "theirs"},
        "recipe": set(),
        "tabular": {"declared", "preprocessor", "recipe", "stopping", "tables", "theirs"},
        "exported_tables": {"exported", "preprocessor"},
        "stored_tables": {"labels", "preprocessor", "stored", "tabular"},
        "classifier": {"declared", "documented", "recipe", "tabular", "theirs"},
        "regressor": {"declared", "documented", "recipe", "tabular", "theirs"},
    },
    "c": {
        "literals": set(),
        "elementary": set(),
        "folded": set(),
        "layers": {"literals"},
        "taken": {"folded", "literals"},
        "comment": {"elementary", "literals", "taken"},
        "selftest": {"folded", "taken"},
        "header": {"comment", "elementary", "layers", "literals", "selftest", "taken"},
        "columns": {"selftest", "taken"},
        "tables": {
            *("columns", "comment", "elementary", "header", "layers", "literals", "selftest"),
        },
    },
}
NEEDED = {"numpy", "scipy"}
OPTIONAL = {
    "IPython",
    "PIL",
    "h5py",
    "joblib",
    "matplotlib",
    "pandas",
    "rich",
    "skl2onnx",
    "sklearn",
    "the library onnx",
    "threadpoolctl",
}
# modules that are imported only on demand may import these packages at their beginning
ASKED_FOR = {"_sklearn": {"joblib", "sklearn"}, "estimators": {"sklearn"}}
# faces that the package imports when they are asked for
LATER = {"c", "estimators", "onnx"}
# what is included by a module that is no level
PARTS = {
    "blas_int": "blas",
    "helpers": "workers",
    "jacobian": "plan",
    "judging": "stretch",
    "kept": "course",
    "repeated": "course",
    "shared": "plan",
}
COMPILER = {"cython", "cpython", "libc"}

PYTHON = sorted(SOURCE.rglob("*.py"))
# blas_int.pxi is written by the build, as a line of blas.pxd
CYTHON = sorted(
    {*SOURCE.rglob("*.p[yx][xdi]")} - {*SOURCE.rglob("*.pyi"), SOURCE / "_core" / "blas_int.pxi"}
)
STATEMENT = re.compile(
    r"""^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?(c?import|include)[ \t]+(?:\(([^)]*)\)|(.+))""", re.M
)


def python_imports(node, everywhere=True):
    """Find the dotted names that a module imports: all, or only those that it needs to begin."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{'.' * child.level}{child.module}.{a.name}" for a in child.names)
        elif everywhere or not (
            isinstance(child, (ast.FunctionDef, ast.Lambda))
            or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
        ):
            yield from python_imports(child, everywhere)


def cython_imports(text, words=("import", "cimport", "include")):
    """Find the dotted names in `from a cimport b as c`, `import a, b` and `include "a.pxi"`."""
    for package, word, *listing in STATEMENT.findall(text):
        for part in re.sub(r"#.*", "", "".join(listing)).replace("\n", " ").split(","):
            name = part.partition(" as ")[0].strip(" \"'")
            if name and word in words:
                if word == "include":
                    name = f"fastdnn._core.{name.removesuffix('.pxi')}"
                yield f"{package}.{name}" if package else name


def place(name):
    """Name the wing and the room that a dotted name belongs to; another package is a wing."""
    package, *rest = name.split(".")
    if package != "fastdnn":
        # a wing may be called like the package that it writes for
        return (f"the library {package}" if package in WINGS else package), ""
    wing, room = (*rest, "", "")[:2]
    if wing == "_core" and (room.startswith("level_") or (SOURCE / f"_core/{room}.pxi").exists()):
        # a level's files are parts of this room
        room = PARTS.get(room, "levels")
    return (wing if wing in WINGS else "__init__"), (room if room in ROOMS.get(wing, ()) else "")


def own_place(file):
    """Name the wing and the room of a file."""
    path = file.relative_to(SOURCE).with_suffix("")
    return place("fastdnn." + ".".join(part for part in path.parts if part != "__init__"))


def judge(file, names):
    """Check what a file imports against its wing and its room."""
    wing, room = own_place(file)
    used = {place(name) for name in names}
    others = {w for w, _ in used} - {wing, "__init__"} - NEEDED - OPTIONAL - COMPILER
    assert others - set(sys.stdlib_module_names) <= WINGS[wing]
    if room:
        assert {r for w, r in used if w == wing} - {room, ""} <= ROOMS[wing][room]


def test_arrows_point_downward():
    for rows in (WINGS, *ROOMS.values()):
        for at, (name, needs) in enumerate(rows.items()):
            assert needs <= {*list(rows)[:at]}, name


def test_every_file_has_arrows():
    places = {own_place(file) for file in [*PYTHON, *CYTHON]}
    assert {wing for wing, _ in places} == set(WINGS)
    for wing, rooms in ROOMS.items():
        assert {room for w, room in places if w == wing} - {""} == set(rooms)
        # every file of a wing has a row
        files = {f.stem for f in [*PYTHON, *CYTHON] if f.parent.name == wing} - {"__init__"}
        assert {place(f"fastdnn.{wing}.{stem}")[1] for stem in files} <= set(rooms)


def test_the_house_stays_small():
    entries = {
        entry.name
        for entry in SOURCE.iterdir()
        if entry.name != "__pycache__" and entry.suffix not in (".so", ".c", ".pyd")
    }
    assert len(entries) <= 24, sorted(entries)


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: str(file.relative_to(SOURCE)))
def test_python_imports(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if file == SOURCE / "__init__.py":
        # the faces, of which some are reached when they are asked for
        names = {place(name)[0] for name in python_imports(tree)} - {"__init__", *LATER}
        assert names - set(sys.stdlib_module_names) <= WINGS["__init__"]
    else:
        judge(file, python_imports(tree))
    at_import = {place(name)[0] for name in python_imports(tree, everywhere=False)}
    asked_for = ASKED_FOR.get(own_place(file)[0], set())
    assert not at_import & (OPTIONAL - asked_for), "import it in the function that needs it"


@pytest.mark.parametrize("file", CYTHON, ids=lambda file: file.name)
def test_cython_imports(file):
    text = file.read_text(encoding="utf-8")
    judge(file, cython_imports(text))
    headers = {place(name)[0] for name in cython_imports(text, words=("cimport",))}
    assert "numpy" not in headers, "it would tie the wheel to NumPy's ABI"
    assert ("scipy" in headers) == (file.name == "blas.pxd")


def calls_of(tree, kind):
    """Find the methods that are called of an argument of some type, or of an attribute like it."""
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        arguments = [*function.args.args, *function.args.kwonlyargs]
        names = {
            a.arg for a in arguments if a.annotation and kind in ast.unparse(a.annotation).split()
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of = ast.unparse(node.func.value).removeprefix("self._")
                if of in names:
                    yield f"{of}.{node.func.attr}"


@pytest.mark.parametrize("file", sorted((SOURCE / "_sklearn").glob("*.py")), ids=lambda f: f.stem)
def test_no_arrow_upward_hides_behind_an_estimator(file):
    # it is handed down for its attributes: what computes is handed down by itself
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not set(calls_of(tree, "Declared"))


def test_reader_of_calls():
    text = """
def f(one: Declared, other: Declared | None, third: Any):
    one.a, other.b(1), third.c()
class A:
    def __init__(self, one: Declared):
        self._one = one
    def g(self):
        return self._one.d()
"""
    assert set(calls_of(ast.parse(text), "Declared")) == {"other.b", "one.d"}


def test_reader_of_cython():
    text = """
from fastdnn._core.levels cimport RELU, Activation as Act
from cpython.buffer cimport (
    A, B,  # why, pray
    C,
)
    import os
# import sys
cimport numpy as np, cython
include "layers.pxi"
"""
    assert list(cython_imports(text)) == [
        *("fastdnn._core.levels.RELU", "fastdnn._core.levels.Activation"),
        *("cpython.buffer.A", "cpython.buffer.B", "cpython.buffer.C"),
        *("os", "numpy", "cython", "fastdnn._core.layers"),
    ]
    assert list(cython_imports(text, words=("cimport",)))[-2:] == ["numpy", "cython"]


def test_reader_of_python():
    text = """
if TYPE_CHECKING:
    from fastdnn.network import Network
def f():
    import sklearn.base
"""
    tree = ast.parse(text)
    assert list(python_imports(tree)) == ["fastdnn.network.Network", "sklearn.base"]
    assert not list(python_imports(tree, everywhere=False))


def test_import_pulls_in_nothing_optional():
    code = "import sys, fastdnn; print(*{name.partition('.')[0] for name in sys.modules})"
    # -P: not the source folder, if this is its parent
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert {"fastdnn", "numpy"} <= set(run.stdout.split())
    optional = {name.removeprefix("the library ") for name in OPTIONAL}
    assert not optional & set(run.stdout.split())


def test_the_tested_package_is_compiled():
    # the source folder only if it was built in place
    core = Path(fastdnn.__file__).parent / "_core"
    assert list(core.glob("course.*.so")) or sys.platform == "win32"
