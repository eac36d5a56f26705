"""The reference runs of the tabular recipe, in a folder beside the course's photographs."""

import os
from pathlib import Path

import numpy as np
import pytest

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "shared/data/catvnoncat"
FILE = Path(os.environ.get("FASTDNN_DATA", PHOTOGRAPHS)).parent / "tabular/reference.npz"


def reference():
    if not FILE.exists():
        pytest.skip("the reference runs of the tabular recipe are not at hand")
    with np.load(FILE) as found:
        return dict(found)
