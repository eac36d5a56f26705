"""The benchmark of tables: every method on every table, in its short form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_every_table(tmp_path):
    for package in ("sklearn", "threadpoolctl", "PIL"):
        pytest.importorskip(package)
    numbers = tmp_path / "tabular.json"
    command = [sys.executable, "-m", "bench", "tabular", "--quick", "--rounds=1", "--json", numbers]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    rows = json.loads(numbers.read_text(encoding="utf-8"))["rows"]
    assert len({row["case"] for row in rows}) == 6
    for row in rows:
        assert row["error"] >= 0
        assert row["standard_error"] >= 0
        if row["log_loss"] is not None:
            assert 0 < row["log_loss"] < 100
        assert min(row["seconds"], row["times"], row["fits"]) > 0
