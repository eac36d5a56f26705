"""What tools that make an executable of a program see of the package: the import statements."""

import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

import fastdnn
from fastdnn import _loops

PACKAGE = Path(fastdnn.__file__).parent
# what else they find by themselves
OTHERS = ["numpy", "scipy", "sklearn", "matplotlib", "h5py", "PIL", "threadpoolctl"]
# the benchmark's, and the command
APART = {"_bare", "__main__", "_demo"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    program = tmp_path_factory.mktemp("program") / "program.py"
    program.write_text("import fastdnn\n", encoding="utf-8")
    finder = ModuleFinder(path=[str(PACKAGE.parent)], excludes=OTHERS)
    finder.run_script(str(program))
    return {name for name in finder.modules if name.startswith("fastdnn.")}


def test_every_module_is_found(found):
    files = [*PACKAGE.glob("*.py"), *PACKAGE.glob("*.so"), *PACKAGE.glob("*.pyd")]
    names = {file.name.partition(".")[0] for file in files} - APART - {"__init__"}
    assert {"_engine", "_loops_base", "_trainer", "estimators"} <= names
    assert {f"fastdnn.{name}" for name in names} <= found


@pytest.mark.parametrize("level", _loops.available)
def test_what_is_imported_was_found(level, found):
    code = "import sys, fastdnn; print(*(n for n in sys.modules if n.startswith('fastdnn.')))"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"FASTDNN_SIMD": level, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    imported = set(run.stdout.split())
    assert f"fastdnn._loops_{level}" in imported
    assert imported <= found
    # and no level but the one in use, whose instructions the processor may lack
    assert len({name for name in imported if name.startswith("fastdnn._loops_")}) == 1
