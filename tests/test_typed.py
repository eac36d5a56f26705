"""Type checkers see the package's types: in `typed/`, marked lines are wrong, and no others."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

import fastdnn

TYPED = Path(__file__).resolve().parent / "typed"
# a mark says what mypy and pyright call the error
MARK = re.compile(r"# wrong: ([\w-]+), (\w+)$")


def run(folder, *command):
    """Run a checker on the package that the tests import, with a copy of the examples."""
    copytree(TYPED, folder, dirs_exist_ok=True)
    where = Path(fastdnn.__file__).parents[1]
    # an installed package is found as any other
    paths = (
        {} if where.name == "site-packages" else dict.fromkeys(["MYPYPATH", "PYTHONPATH"], where)
    )
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=os.environ | paths, capture_output=True,
        text=True, check=False, timeout=600,
    ).stdout  # fmt: skip


def marked(checker):
    return {
        (file.name, number, found[checker])
        for file in TYPED.glob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if (found := MARK.search(line))
    }


def test_mypy_finds_what_is_wrong(tmp_path):
    pytest.importorskip("mypy")
    said = run(
        tmp_path, "mypy", "--strict", "--follow-imports=silent", "--config-file=",
        "--cache-dir=cache", "--show-error-codes", ".",
    )  # fmt: skip
    found = re.findall(r"^(.*):(\d+): error: .*\[([\w-]+)\]$", said, re.M)
    assert {(file, int(line), code) for file, line, code in found} == marked(1), said


def test_pyright_finds_what_is_wrong(tmp_path):
    pytest.importorskip("pyright")
    said = run(tmp_path, "pyright", "--outputjson", "--pythonpath", sys.executable, ".")
    errors = [e for e in json.loads(said)["generalDiagnostics"] if e["severity"] == "error"]
    found = {(Path(e["file"]).name, e["range"]["start"]["line"] + 1, e.get("rule")) for e in errors}
    assert found == marked(2), said


def test_pyright_knows_the_types_of_all_that_is_public(tmp_path):
    pytest.importorskip("pyright")
    said = run(
        tmp_path, "pyright", "--outputjson", "--pythonpath", sys.executable,
        "--verifytypes", "fastdnn", "--ignoreexternal",
    )  # fmt: skip
    report = json.loads(said)["typeCompleteness"]
    untyped = [
        (symbol["name"], [each["message"] for each in symbol["diagnostics"]])
        for symbol in report["symbols"]
        if symbol["isExported"] and symbol["diagnostics"]
    ]
    assert report["completenessScore"] == 1, untyped
