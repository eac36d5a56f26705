"""Changed files give a model that predicts, or a ModelFileError, and no more."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "campaign" / "mutants.py"


@pytest.mark.parametrize("seed", [1, 2])
def test_mutants(seed, tmp_path):
    run = subprocess.run(
        [sys.executable, "-P", SCRIPT, "--mutants=5000", f"--seed={seed}", f"--folder={tmp_path}"],
        capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert "5000 mutants" in run.stdout
