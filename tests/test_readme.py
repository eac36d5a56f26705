"""The README's examples run, and learn something."""

import re
from pathlib import Path

import numpy as np

README = Path(__file__).resolve().parent.parent / "README.md"


def test_examples(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec("\n".join(blocks), names)
    assert names["fastdnn"].compute_cost(names["AL"], names["Y"]) < 0.15
    assert names["history"].costs[-1] < 0.2
    printed = capsys.readouterr().out
    assert float(re.search(r"Accuracy: (\S+)", printed)[1]) > 0.98
    assert np.isfinite([float(word) for word in re.findall(r"\d\.\d+", printed)]).all()
