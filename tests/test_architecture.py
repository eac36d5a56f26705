"""The arrows between the modules, read from their imports: each leans on lower ones only."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastdnn

SOURCE = Path(__file__).resolve().parent.parent / "fastdnn"

# From the bottom up: what a module may import besides the standard library.
ARROWS = {
    "_blas": {"scipy"},
    "_loops": set(),
    "_products": {"_blas", "_loops"},
    "_memory": set(),
    "_source": {"_loops"},
    "_team": set(),
    "_modes": set(),
    "_kernels": {"_blas", "_loops", "_memory", "_products", "numpy"},
    "_config": {"_kernels", "_loops", "numpy", "scipy"},
    "_arrays": {"numpy"},
    "_sparse": {"_arrays", "numpy"},
    "_engine": {"_loops", "_modes", "_products", "_source", "_team"},
    "_trainer": {
        *("_engine", "_loops", "_memory", "_modes", "_products", "_source", "_sparse", "_team"),
        "numpy",
    },
    "_bare": {"_blas", "_loops", "numpy"},
    "_workers": set(),
    "_threads": {"_workers", "scipy"},
    "_gram": {"_arrays", "_threads", "_trainer", "numpy"},
    "optimizers": set(),
    "functional": {"_arrays", "_kernels", "_threads", "numpy"},
    "parameters": {"_arrays", "_kernels", "numpy"},
    "images": {"_arrays", "numpy"},
    "_training": {"_arrays", "_gram", "_sparse", "_threads", "_trainer", "optimizers", "numpy"},
    "network": {
        *("_arrays", "_gram", "_sparse", "_threads", "_trainer", "_training", "_workers"),
        *("optimizers", "parameters", "numpy"),
    },
    "application": {
        *("_arrays", "_threads", "_training", "functional", "network", "optimizers"),
        *("parameters", "numpy"),
    },
    "_runs": {"_arrays", "_sparse", "_threads", "_trainer", "numpy"},
    "_assembled": {"_arrays", "_trainer", "numpy"},
    "_checked": {"_arrays", "_sparse", "numpy"},
    "_converted": {"_arrays", "_assembled", "_runs", "network", "numpy"},
    "_tasks": set(),
    "_lbfgs": {"_arrays", "_checked", "_runs", "_tasks", "_threads", "numpy", "scipy"},
    "_judged": {"_arrays", "_sparse", "_training", "numpy"},
    "_perceptron": {
        *("_arrays", "_assembled", "_checked", "_converted", "_judged", "_lbfgs", "_runs"),
        *("_sparse", "_tasks", "_threads", "_trainer", "_training", "network"),
        *("numpy", "scipy"),
    },
    "_chunks": {"_arrays", "numpy"},
    "estimators": {
        *("_arrays", "_assembled", "_converted", "_chunks", "_perceptron", "numpy", "scipy"),
    },
    "__init__": {
        *("_config", "_engine", "_loops", "_training", "application", "functional", "images"),
        *("network", "optimizers", "parameters"),
    },
    "_demo": {"_arrays", "application", "images", "parameters", "numpy"},
    "__main__": {"__init__", "_demo"},
}
OPTIONAL = {"PIL", "h5py", "matplotlib", "sklearn", "threadpoolctl"}
COMPILER = {"cython", "cpython", "libc"}

PYTHON = sorted(SOURCE.glob("*.py"))
# _blas_int.pxi is written by the build, as a line of _blas.pxd
CYTHON = sorted({*SOURCE.glob("*.p[yx][xdi]")} - {*SOURCE.glob("*.pyi"), SOURCE / "_blas_int.pxi"})
STATEMENT = re.compile(
    r"""^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?(c?import|include)[ \t]+(?:\(([^)]*)\)|(.+))""", re.M
)


def python_imports(node, everywhere=True):
    """Find the dotted names that a module imports, in its functions too or only outside of them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{'.' * child.level}{child.module}.{a.name}" for a in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        elif everywhere or not isinstance(child, (ast.FunctionDef, ast.Lambda)):
            yield from python_imports(child, everywhere)


def cython_imports(text, words=("import", "cimport", "include")):
    """Find the dotted names in `from a cimport b as c`, `import a, b` and `include "a.pxi"`."""
    for package, word, *listing in STATEMENT.findall(text):
        for part in re.sub(r"#.*", "", "".join(listing)).replace("\n", " ").split(","):
            name = part.partition(" as ")[0].strip(" \"'")
            if name and word in words:
                name = f"fastdnn.{name.removesuffix('.pxi')}" if word == "include" else name
                yield f"{package}.{name}" if package else name


def room(name):
    """Name the row of ARROWS that a dotted name belongs to; another package is its own."""
    package, _, rest = f"{name}.".partition(".")
    if package != "fastdnn":
        return package
    # _loops_base, _loops_v3, _loops_v4 and the file that they include are one thing
    module = re.sub(r"^_loops_\w+$", "_loops", rest.partition(".")[0])
    return module if module in ARROWS else "__init__"


def test_arrows_point_downward():
    for at, (module, needs) in enumerate(ARROWS.items()):
        assert needs <= {*list(ARROWS)[:at], "numpy", "scipy"}, module


def test_every_module_has_arrows():
    modules = {re.sub(r"^_loops_\w+$", "_loops", file.stem) for file in [*PYTHON, *CYTHON]}
    assert modules == set(ARROWS)


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: file.name)
def test_python_imports(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    used = {room(name) for name in python_imports(tree)} - {room(f"fastdnn.{file.stem}")}
    assert used <= ARROWS[file.stem] | OPTIONAL | set(sys.stdlib_module_names)
    if file.stem in {
        *("estimators", "_assembled", "_checked", "_chunks", "_converted", "_judged", "_lbfgs"),
        *("_perceptron", "_tasks"),
    }:
        return  # themselves imported by who asks for them
    at_import = {room(name) for name in python_imports(tree, everywhere=False)}
    assert not at_import & OPTIONAL, "import it in the function that needs it"


@pytest.mark.parametrize("file", CYTHON, ids=lambda file: file.name)
def test_cython_imports(file):
    text = file.read_text(encoding="utf-8")
    module = room(f"fastdnn.{file.stem}")
    used = {room(name) for name in cython_imports(text)} - {module, "fastdnn"}
    assert used - {"__init__"} <= ARROWS[module] | COMPILER | set(sys.stdlib_module_names)
    headers = {room(name) for name in cython_imports(text, words=("cimport",))}
    assert "numpy" not in headers, "it would tie the wheel to NumPy's ABI"
    assert ("scipy" in headers) == (file.name == "_blas.pxd")


def test_reader_of_cython():
    text = """
from fastdnn._loops cimport RELU, Activation as Act
from cpython.buffer cimport (
    A, B,  # why, pray
    C,
)
    import os
# import sys
cimport numpy as np, cython
include "_loops.pxi"
"""
    assert list(cython_imports(text)) == [
        *("fastdnn._loops.RELU", "fastdnn._loops.Activation"),
        *("cpython.buffer.A", "cpython.buffer.B", "cpython.buffer.C"),
        *("os", "numpy", "cython", "fastdnn._loops"),
    ]
    assert list(cython_imports(text, words=("cimport",)))[-2:] == ["numpy", "cython"]


def test_import_pulls_in_nothing_optional():
    code = "import sys, fastdnn; print(*{name.partition('.')[0] for name in sys.modules})"
    # -P: not the source folder, if this is its parent
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert {"fastdnn", "numpy"} <= set(run.stdout.split())
    assert not OPTIONAL & set(run.stdout.split())


def test_the_tested_package_is_compiled():
    # the source folder only if it was built in place
    assert list(Path(fastdnn.__file__).parent.glob("_kernels.*.so")) or sys.platform == "win32"
