"""The documents' examples run and learn something, and their links lead somewhere."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from processes import run_apart

import fastdnn

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
PROSE = [*DOCUMENTS, *(ROOT / name for name in OTHERS)]
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)


def run(path):
    """Run a document's examples one after the other, and return their names."""
    random = np.random.default_rng(0)
    X = random.random((12288, 209))
    names = {"train_x": X, "train_y": (X[:1] > 0.5).astype(float)}  # of the course's notebook
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    exec("\n".join(blocks), names)
    return names


@every_document
def test_examples(path, capsys, tmp_path, monkeypatch):
    text = path.read_text(encoding="utf-8")
    for package in ("sklearn", "h5py", "onnx", "onnxruntime", "skl2onnx"):
        if re.search(rf"^(from|import) {package}\b", text, re.MULTILINE):
            pytest.importorskip(package)
    if "fastdnn.plots" in text:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)  # what they write
    if path.stem == "clusters":
        # which begins an MPI and a cluster, in a process of its own
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert float(re.search(r"cost (\S+)", run_apart("\n".join(blocks)))[1]) < 0.3
        return
    names = run(path)
    printed = capsys.readouterr().out
    assert np.isfinite([float(word) for word in re.findall(r"\d\.\d+", printed)]).all()
    if path.stem == "course":
        assert names["fastdnn"].compute_cost(names["AL"], names["Y"]) < 0.15
    if path.stem == "course2":
        assert names["difference"] < 1e-7
    if path.stem in ("course", "course2", "estimators"):
        assert float(re.search(r"Accuracy: (\S+)", printed)[1]) > 0.98
    if path.stem == "README":
        assert names["model"].score(names["X"], names["y"]) > 0.98
        assert names["costs"][-1] < names["costs"][0]
    if path.stem in ("README", "network"):
        assert names["history"].costs[-1] < 0.2


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.stem)
def test_links(path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).is_file(), target


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.stem)
def test_lines_are_short(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        assert len(line) <= 120 or line.startswith("|"), line


def test_pictures_are_what_their_script_draws(tmp_path):
    run_apart((ROOT / "docs" / "pictures.py").read_text(encoding="utf-8"), str(tmp_path))
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = (ROOT / "docs" / "pictures").iterdir()
    assert drawn == {path.name: path.read_text(encoding="utf-8") for path in kept}


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_page_of_the_estimators_names_every_parameter(name):
    pytest.importorskip("sklearn")
    text = (ROOT / "docs" / "estimators.md").read_text(encoding="utf-8")
    parameters = inspect.signature(getattr(fastdnn, name)).parameters
    assert [p for p in parameters if f"`{p}`" not in text] == []


def test_graduate():
    pytest.importorskip("sklearn")
    script = (ROOT / "docs" / "graduate.py").read_text(encoding="utf-8")
    lines = run_apart(script, "--epochs=8").splitlines()[1:]
    assert len(lines) == 4
    for line in lines:
        assert float(line.split()[-1]) > 0.85, line
