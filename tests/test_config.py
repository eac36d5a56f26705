"""What show_config prints, and what an installation lacks."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest
import scipy
from processes import run_apart
from threadpoolctl import threadpool_limits

import fastdnn
from fastdnn import _config
from fastdnn._core import levels, workers


def test_show_config_names_the_level_the_blas_its_threads_and_the_versions(capsys):
    with threadpool_limits(1):
        fastdnn.show_config()
    rows = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["fastdnn"] == fastdnn.__version__
    assert rows["SIMD"].split()[0] == levels.level
    assert rows["BLAS"]
    assert rows["BLAS threads"].split(";")[0] in ("1", "unknown")
    assert rows["SciPy"] == scipy.__version__
    assert rows["NumPy"] == np.__version__


# --------------------------------------------------------------------------------------- the BLAS


@pytest.mark.skipif(not workers.sets_threads(), reason="this BLAS cannot be asked")
def test_the_blas_of_scipy_is_told_with_its_threads():
    code = """
        import threadpoolctl, fastdnn
        with threadpoolctl.threadpool_limits(2):
            fastdnn.show_config()
    """
    assert re.search(
        r"^BLAS: +(OpenBLAS|MKL) [\d.]+.*, /.*\nBLAS threads: 2$", run_apart(code), re.M
    )


# libraries that say of themselves what the true ones do: a path, C, what is told, its threads, and
# whether these can be set
OPENBLAS = """
    const char *{0}_get_config{1}(void) {{ return "OpenBLAS 0.3.21 NO_AFFINITY MAX_THREADS=64"; }}
    const char *{0}_get_corename{1}(void) {{ return "Zen"; }}
    int {0}_get_num_threads{1}(void) {{ return 3; }}
    void {0}_set_num_threads{1}(int n) {{ (void) n; }}
"""
MKL = """
    #include <string.h>
    void MKL_Get_Version_String(char *text, int n)
    { strncpy(text, "Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build", n); }
    int MKL_Get_Max_Threads(void) { return 5; }
    void MKL_Set_Num_Threads(int n) { (void) n; }
"""
BLIS = """
    const char *bli_info_get_version_str(void) { return "1.1"; }
    long bli_thread_get_num_threads(void) { return 4; }
"""
LIBRARIES = {
    "SciPy's wheel": (
        "libscipy_openblas-1.so", OPENBLAS.format("scipy_openblas", ""),
        "OpenBLAS 0.3.21 for Zen", 3, True,
    ),
    "64-bit integers": (
        "libopenblas64_.so", OPENBLAS.format("openblas", "64_"),
        "OpenBLAS 0.3.21 for Zen", 3, True,
    ),
    "Debian's OpenBLAS": (
        "openblas-pthread/libblas.so.3", OPENBLAS.format("openblas", ""),
        "OpenBLAS 0.3.21 for Zen", 3, True,
    ),
    "MKL": ("libmkl_rt.so.2", MKL, "MKL 2024.2", 5, True),
    "BLIS": ("libblis.so.4", BLIS, "BLIS 1.1", 4, False),
    "BLIS, closed": ("blis-pthread/libblas.so.3", "", "BLIS", None, False),
    "reference": ("blas/libblas.so.3.12.1", "", "reference BLAS", 1, False),
    "Accelerate": (
        "Accelerate.framework/vecLib.framework/Versions/A/libBLAS.dylib", "",
        "Accelerate", None, False,
    ),
    "another": ("libelse.so", "", "by what SciPy was built with", None, False),
}  # fmt: skip


@pytest.mark.skipif(os.name != "posix" or not shutil.which("cc"), reason="needs a C compiler")
@pytest.mark.parametrize("kind", LIBRARIES)
def test_a_blas_is_told_by_what_it_says(kind, tmp_path):
    name, code, told, threads, can_be_set = LIBRARIES[kind]
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    source = tmp_path / "blas.c"
    source.write_text(f"void dgemm_(void) {{}}\n{textwrap.dedent(code)}", encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", file, source], check=True)
    library = ctypes.CDLL(str(file))
    text, count = _config.blas(library)
    assert told in text
    assert text.endswith(f", {file}")
    assert count == threads
    assert all(workers._find_blas(library)) == can_be_set


def test_a_blas_whose_threads_cannot_be_set(monkeypatch, capsys):
    monkeypatch.setattr(workers, "sets_threads", lambda: False)
    fastdnn.show_config()
    assert capsys.readouterr().out.count("; fastdnn cannot set them, and takes one where") == 1


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
    pytest.importorskip("sklearn")
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
    pytest.importorskip("sklearn")
    monkeypatch.setattr("sklearn.__version__", found)
    _config.scikit_learn()


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'sklearn .*: python -m pip install "scikit-learn>=1.6"'):
        _config.scikit_learn()
