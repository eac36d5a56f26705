"""What show_config prints, and what an installation lacks."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import scipy
from processes import run_apart
from threadpoolctl import threadpool_limits

import fastdnn
from fastdnn import _config
from fastdnn._core import levels


def test_show_config_names_the_level_the_blas_its_threads_and_the_versions(capsys):
    with threadpool_limits(1):
        fastdnn.show_config()
    rows = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["fastdnn"] == fastdnn.__version__
    assert rows["SIMD"].split()[0] == levels.level
    assert rows["BLAS"]
    assert rows["BLAS threads"] in ("1", "unknown")
    assert rows["SciPy"] == scipy.__version__
    assert rows["NumPy"] == np.__version__


# ---------------------------------------------------------------------------- what is not installed


def test_hints_ask_for_what_the_extras_have():
    project = tomllib.loads(
        (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    extras = project["optional-dependencies"].values()
    required = {name for extra in extras for name in extra if "fastdnn[" not in name}
    # each package has one least version, whatever it is for
    names = [re.match(r"[\w-]+", requirement)[0] for requirement in required]
    assert len(names) == len({*names})
    assert {*_config.PACKAGES.values()} <= required


def test_no_hint_presumes_an_index_that_has_fastdnn():
    for file in Path(fastdnn.__file__).parent.rglob("*.py"):
        text = " ".join(re.findall(r"[^\"'\s]+", file.read_text(encoding="utf-8")))
        # the name as what is installed, not in a path or a sentence after it
        assert not re.search(r"pip install (?:-\S+ (?::\S+: )?)*fastdnn\b", text), file


def test_a_scikit_learn_that_is_too_old():
    code = """
        import sklearn
        sklearn.__version__ = "1.5.2"
        import fastdnn
        for attempt in range(2):
            try:
                fastdnn.MLPClassifier
            except ImportError as error:
                print(error)
    """
    message = (
        "fastdnn.estimators needs scikit-learn 1.6 or later, found 1.5.2: "
        'python -m pip install "scikit-learn>=1.6"\n'
    )
    assert run_apart(code) == 2 * message


@pytest.mark.parametrize("found", ["1.6.0", "1.10.0", "1.7.dev0", "2.0rc1", "1.6.1.post1"])
def test_a_scikit_learn_that_is_new_enough(found, monkeypatch):
    monkeypatch.setattr("sklearn.__version__", found)
    _config.scikit_learn()


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'sklearn .*: python -m pip install "scikit-learn>=1.6"'):
        _config.scikit_learn()
