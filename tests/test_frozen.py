"""What tools that make an executable of a program see of the package: the import statements."""

import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

import fastdnn
from fastdnn._core import levels

PACKAGE = Path(fastdnn.__file__).parent
# packages that such tools find by themselves
OTHERS = ["numpy", "scipy", "sklearn", "matplotlib", "h5py", "PIL", "threadpoolctl"]
OTHERS += ["onnx", "skl2onnx"]
# the command
APART = {"__main__", "_demo"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    program = tmp_path_factory.mktemp("program") / "program.py"
    program.write_text("import fastdnn\n", encoding="utf-8")
    finder = ModuleFinder(path=[str(PACKAGE.parent)], excludes=OTHERS)
    finder.run_script(str(program))
    return {name for name in finder.modules if name.startswith("fastdnn.")}


def test_every_module_is_found(found):
    files = [file for kind in ("py", "so", "pyd") for file in PACKAGE.rglob(f"*.{kind}")]
    paths = [file.relative_to(PACKAGE).with_name(file.name.partition(".")[0]) for file in files]
    names = {".".join(path.parts) for path in paths if path.name != "__init__"} - APART
    assert {"_core.course", "_core.level_base", "_core.training", "estimators"} <= names
    assert {f"fastdnn.{name}" for name in names} <= found


@pytest.mark.parametrize("level", levels.available)
def test_what_is_imported_was_found(level, found):
    code = "import sys, fastdnn; print(*(n for n in sys.modules if n.startswith('fastdnn.')))"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"FASTDNN_SIMD": level, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    imported = set(run.stdout.split())
    assert f"fastdnn._core.level_{level}" in imported
    assert imported <= found
    # only the level in use is imported: the processor may lack the others' instructions
    assert len({name for name in imported if name.startswith("fastdnn._core.level_")}) == 1
