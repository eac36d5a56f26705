"""The command line of the benchmark; its numbers are not judged here."""

import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastdnn

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = [
    "initialize_parameters",
    "initialize_parameters_deep",
    "linear_forward",
    "linear_activation_forward relu",
    "linear_activation_forward sigmoid",
    "L_model_forward",
    "compute_cost",
    "linear_backward",
    "linear_activation_backward relu",
    "linear_activation_backward sigmoid",
    "L_model_backward",
    "update_parameters",
    "step",
]
ONE = ("--quick", "--rounds", "1", "--networks", "tiny", "--functions", "compute_cost")


def bench(*arguments, cwd=ROOT, options=(), path=None):
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"PYTHONIOENCODING": "utf-8"} | ({} if path is None else {"PYTHONPATH": str(path)})
    return subprocess.run(
        [sys.executable, *options, "-m", "bench", *map(str, arguments)],
        cwd=cwd,
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


@pytest.fixture
def elsewhere(tmp_path):
    """Make a checkout in which nothing was compiled."""
    shutil.copytree(ROOT / "bench", tmp_path / "bench")
    for name in ("tests/reference.py", "fastdnn/__init__.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """Measure every table once: the document, and what it was written from."""
    folder = tmp_path_factory.mktemp("bench")
    written, numbers = folder / "bench.md", folder / "bench.json"
    run = bench("--quick", "--rounds", 1, "--markdown", written, "--json", numbers)
    assert run.returncode == 0, run.stderr
    found = json.loads(numbers.read_text(encoding="utf-8"))
    return written.read_text(encoding="utf-8"), found


def test_document(document):
    text, found = document
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == list(found)
    for key in ("CPU", "Python", "NumPy", "SciPy", "BLAS", "date"):
        assert f"\n- {key}: " in text
    for part in text.split("\n## ")[1:]:
        table = [line for line in part.splitlines() if line.startswith("|")]
        assert len(table) > 2 or "Not measured: no ranks could be started." in part
        assert not any(word in part for word in ("nan", "inf ", "None"))
    rows = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert min(rows) > 3
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))


def test_tables_as_they_are(document):
    rows = document[1]["Tables as they are"]["rows"]
    assert len({row["case"] for row in rows}) == 6
    for row in rows:
        assert min(row["error"], row["standard_error"]) >= 0
        assert min(row["seconds"], row["times"], row["fits"]) > 0
        if row["log_loss"] is not None:
            assert 0 < row["log_loss"] < 100


def test_document_is_of_every_table():
    for other in ("calls", "--peers", "--growth"):
        assert bench(other, "--quick", "--markdown", "no.md").returncode == 2


def test_every_case(tmp_path):
    numbers, plot = tmp_path / "bench.json", tmp_path / "bench.png"
    run = bench("--quick", "--rounds", 1, "--json", numbers, "--plot", plot)
    assert run.returncode == 0, run.stderr
    results = json.loads(numbers.read_text(encoding="utf-8"))
    assert {"CPU", "Python", "NumPy", "SciPy", "fastdnn", "BLAS", "date"} <= set(results["caption"])
    rows = results["rows"]
    assert [(row["network"], row["dtype"], row["function"]) for row in rows] == list(
        itertools.product(("tiny", "course", "middling"), ("float64", "float32"), FUNCTIONS)
    )
    for row in rows:
        for key in ("numpy_us", "fastdnn_us", "ratio", "ratio_low", "ratio_high"):
            assert math.isfinite(row[key])
            assert row[key] > 0
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    for value in results["caption"].values():
        assert value in run.stdout
    assert run.stdout.splitlines()[-1].split()[:3] == ["middling", "float32", "step"]


def test_filters():
    run = bench(
        *("--quick", "--rounds", "2", "--threads", "2", "--dtypes", "float32"),
        *("--networks", "middling,tiny", "--functions", "step,linear_activation_forward"),
    )
    assert run.returncode == 0, run.stderr
    assert "threads: 2" in run.stdout
    names = ["linear_activation_forward relu", "linear_activation_forward sigmoid", "step"]
    rows = [line for line in run.stdout.splitlines() if " float32 " in line]
    assert [line[:53].split(None, 2) for line in rows] == [
        [network, "float32", f"{name:34}"] for network in ("tiny", "middling") for name in names
    ]


def test_peers(tmp_path):
    numbers, plot = tmp_path / "bench.json", tmp_path / "bench.png"
    run = bench(
        *("--peers", "--quick", "--rounds", 1, "--json", numbers, "--plot", plot),
        *("--cases", "tiny,mnist,course32,predict 32"),
    )
    assert run.returncode == 0, run.stderr
    results = json.loads(numbers.read_text(encoding="utf-8"))
    rows = results["rows"]
    assert "scikit-learn" in results["caption"]["peers"]
    for case in ("tiny", "mnist", "course32", "predict 32"):
        who = [row["who"] for row in rows if row["case"] == case]
        assert who[:4] == ["bare gemm", "fastdnn", "NumPy", "scikit-learn"]
    for row in rows:
        for key in ("us", "times_bare", "fastdnn_faster", "low", "high"):
            assert math.isfinite(row[key])
            assert row[key] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_growth(tmp_path):
    plot = tmp_path / "growth.png"
    run = bench("--growth", "--quick", "--rounds", 1, "--plot", plot)
    assert run.returncode == 0, run.stderr
    for case in ("depth 64", "width 1024", "m 10000"):
        assert case in run.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cases", "huge"),
        ("--slow",),
        ("--functions", "sigmoid,step"),
        ("--rounds", "0"),
        ("--json", "no/such/directory/bench.json"),
        ("--plot", "bench.xyz"),
    ],
)
def test_usage_error(arguments):
    run = bench(*arguments)
    assert run.returncode == 2
    assert f"error: argument {arguments[0]}" in run.stderr or "unrecognized" in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize("module", ["threadpoolctl", "matplotlib"])
def test_names_what_is_missing(elsewhere, module):
    package = Path(fastdnn.__file__).parent.parent
    (elsewhere / "missing").mkdir()
    (elsewhere / "missing" / f"{module}.py").write_text(
        f"raise ModuleNotFoundError('No module named {module}')", encoding="utf-8"
    )
    path = os.pathsep.join((str(elsewhere / "missing"), str(package)))
    run = bench(*ONE, "--plot", elsewhere / "bench.png", cwd=elsewhere, path=path)
    assert run.returncode == 1
    assert run.stderr == f"bench: No module named {module}; run: pip install {module}\n"


def test_finds_the_installed_package(elsewhere):
    run = bench(*ONE, cwd=elsewhere, path=Path(fastdnn.__file__).parent.parent)
    assert run.returncode == 0, run.stderr
    assert "in place" not in run.stdout


def test_tells_to_install(elsewhere):
    run = bench(*ONE, cwd=elsewhere, options=["-S"])
    assert run.returncode == 1
    assert run.stderr.startswith("bench: ")
    assert run.stderr.endswith("pip install .\n")
    assert run.stderr.count("\n") == 1


def test_lasting(document):
    rows = document[1]["Long fits"]["rows"]
    assert [row["who"] for row in rows][:3] == ["fastdnn", "NumPy", "scikit-learn"]
    for row in rows:
        assert min(row["early_us"], row["late_us"], row["ratio"]) > 0


def test_together(document):
    rows = document[1]["Small fits in two threads"]["rows"]
    assert {row["what"] for row in rows} == {"4 fits", "a search, 4 fits"}
    for row in rows:
        assert min(row[name] for name in ("one_ms", "alone_ms", "two_ms", "faster")) > 0


def test_many(document):
    rows = document[1]["Many networks at once"]["rows"]
    assert [row["who"] for row in rows] == ["fit_many", "GridSearchCV", "GridSearchCV"]
    for row in rows:
        assert min(row["ms"], row["other_ms"], row["faster"]) > 0


def test_calls(document):
    rows = document[1]["Single calls"]["rows"]
    assert {row["labels"] for row in rows} >= {"2 numbers", "2 text", "1 values"}
    for row in rows:
        assert min(row[f"{name}us"] for name in ("", "step_", "checks_", "sklearn_")) > 0
        assert min(row["times_checks"], row["faster"]) > 0


def test_serve(document):
    for title, threads in (("Predictions", 1), ("Predictions by two threads", 2)):
        rows = [row for row in document[1][title]["rows"] if row["part"] == "batches"]
        assert {row["network"] for row in rows} == {"[784, 256, 128, 10]", "[54, 128, 64, 1]"}
        for row in rows:
            assert row["threads"] == threads
            assert min(value for value in row.values() if isinstance(value, float)) > 0
    rows = [row for row in document[1]["Predictions"]["rows"] if row["part"] == "gradients"]
    assert {row["dtype"] for row in rows} == {"float64", "float32"}
    for row in rows:
        assert min(row["us"], row["times_predict"], row["numpy"]) > 0
    calls = [row for row in document[1]["Predictions"]["rows"] if row["part"] == "latency"]
    assert {row["threads"] for row in calls} == {1, 4}
    assert {"Network.predict", "NumPy"} <= {row["call"] for row in calls}
    for median, most in (row[key] for row in calls for key in ("us", "idle_us")):
        assert 0 < median <= most
    rows = [row for row in document[1]["Predictions"]["rows"] if row["part"] == "generated"]
    compiled = [row for row in rows if row["compiler"]]
    assert rows
    assert all(min(row["ns"], row["fastdnn"]) > 0 for row in compiled)
    assert bench("serve", "--peers").returncode == 2


def test_estimators(document):
    rows = document[1]["Estimators beside scikit-learn"]["rows"]
    assert {row["dtype"] for row in rows} == {"float64", "float32"}
    assert len(rows) == 10
    for row in rows:
        assert row["loss"] == pytest.approx(row["sklearn_loss"], rel=1e-3)
        assert row["megabytes"] > 0
    assert bench("estimators", "--peers").returncode == 2


def test_recipe(document):
    rows = document[1]["Time of a fit of a table"]["rows"]
    assert [row["case"] for row in rows] == ["breast cancer", "diabetes"]
    for row in rows:
        assert min(row[name] for name in ("steps", "fit", "times_steps", "last", "ensemble")) > 0


def test_layers(document):
    rows = document[1]["Dropout and L2"]["rows"]
    assert {row["dtype"] for row in rows} == {"float64", "float32"}
    assert {row["function"] for row in rows} >= {"L_model_backward", "forward, cost, backward"}
    assert all(row["ratio"] > 0 for row in rows)
    assert bench("layers", "--growth").returncode == 2


def test_course2(document):
    rows = document[1]["The course's second part"]["rows"]
    assert {row["dtype"] for row in rows} == {"float64", "float32"}
    assert {row["function"] for row in rows} >= {
        *("momentum", "Adam", "random_mini_batches", "step", "L_layer_model")
    }
    assert all(math.isfinite(row["ratio"]) and row["ratio"] > 0 for row in rows)


def test_orders(document):
    rows = document[1]["Mixed memory orders"]["rows"]
    assert {"relu_backward", "compute_cost", "L_model_backward", "update_parameters"} <= {
        row["function"] for row in rows
    }
    assert {row["mix"] for row in rows if row["function"] == "relu_backward"} == {
        *("CC", "CF", "FC", "FF", "SS", "SC")
    }
    for row in rows:
        assert math.isfinite(row["ratio"])
        assert row["ratio"] > 0
    assert bench("orders", "--growth").returncode == 2


def test_sparse(document):
    rows = document[1]["Sparse matrices"]["rows"]
    assert {row["solver"] for row in rows} == {"adam", "lbfgs"}
    assert {row["dtype"] for row in rows} == {"float64", "float32"}
    for row in rows:
        assert row["loss"] == pytest.approx(row["sklearn_loss"], rel=1e-3)
        assert min(row["faster"], row["predict_faster"]) > 0


def test_threads(document):
    rows = document[1]["Threads"]["rows"]
    assert {row["call"].split()[0] for row in rows} >= {"fit"}
    assert len({row["beside"] for row in rows}) >= 5
    for row in rows:
        assert "quota" in row["beside"] or min(row["us"], row["one_us"], row["times"]) > 0
    assert bench("threads", "--peers").returncode == 2
    some = bench("threads", "--quick", "--rounds", 1, "--only", "fit 4")
    assert some.stdout.splitlines()[-1].split()[:6] == ["[2,", "2,", "1]", "fit", "4", "nothing"]
    assert bench("calls", "--only", "fit").returncode == 2


def test_products(document):
    results = document[1]["Matrix products"]
    assert "second" in results["caption"]["caches"]
    rows = results["rows"]
    assert {row["form"] for row in rows} == {"NN", "NT", "TN", "TT"}
    assert {row["dtype"] for row in rows} == {"float64", "float32"}
    ratios = [row["ratio"] for row in rows]
    assert ratios == sorted(ratios)
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in ratios)
    assert "left to BLAS" in document[0].replace("\n", " ")
    assert bench("products", "--peers").returncode == 2
