"""The command: what it prints and writes, and how it fails."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import h5py
import numpy as np
import pytest
import reference
import sklearn.datasets
from processes import run_apart

import fastdnn
from fastdnn import __main__ as command
from fastdnn import _demo
from fastdnn._core import levels
from fastdnn._demo import train_in_numpy
from fastdnn.parameters import initialize_parameters_deep

PNG = b"\x89PNG\r\n\x1a\n"
QUICK = ("--images", "12", "--iterations", "2")


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastdnn._demo._ROUNDS", 2)


def write_data(directory):
    random = np.random.RandomState(0)
    for part, m in (("train", 20), ("test", 8)):
        with h5py.File(directory / f"{part}_catvnoncat.h5", "w") as file:
            file[f"{part}_set_x"] = random.randint(0, 256, (m, 8, 8, 3), np.uint8)
            file[f"{part}_set_y"] = np.arange(m) % 2
            file["list_classes"] = np.array([b"non-cat", b"cat"])


def python_m_fastdnn(*arguments, **options):
    # -P: not the source folder, if this is its parent
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "fastdnn", *arguments],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


# ------------------------------------------------------------------------------------------ demo


def test_demo(tmp_path, capsys):
    assert command.main(["demo", "--images", "42", "--iterations", "15"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "42 images to train on, 10 to test on." in out
    assert "Network [12288, 20, 7, 5, 1]" in out
    costs = [float(word) for word in re.findall(r"Cost after iteration \d+: (\S+)", out)]
    assert len(costs) == 2
    assert costs[1] < costs[0]
    assert re.search(r"Training images: Accuracy: [01]\.\d+\n", out)
    assert re.search(r"Test images: +Accuracy: [01]\.\d+\n", out)
    table = out[out.index("15 iterations, medians of ") :]
    for name in ("fastdnn +[0-9.]+ s", "plain NumPy +[0-9.]+ s", "ratio +[1-9]"):
        assert re.search(f"\n{name}", table)
    assert out.splitlines()[-1] == f"Figure: {tmp_path / 'fastdnn-demo.png'}"
    assert (tmp_path / "fastdnn-demo.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("name", "start"), [("figure.PNG", PNG), ("a.b.pdf", b"%PDF-"), ("figure.svg", b"<?xml")]
)
def test_the_suffix_is_the_format(name, start, tmp_path):
    (tmp_path / name).write_bytes(start + b" an older picture")
    assert command.main(["demo", *QUICK, "--output", name]) == 0
    picture = (tmp_path / name).read_bytes()
    assert picture.startswith(start)
    assert b"an older picture" not in picture
    if name == "figure.svg":
        # text is drawn as shapes, each with a comment that holds it
        for text in (
            b"Network [12288, 20, 7, 5, 1], 2 iterations on",
            b"12 patches of scikit-lear",
        ):
            assert text in picture


QUIET = _demo.Rounds(
    {1: [2.0, 2, 4], 2: [1.5, 1, 1]}, {1: [0.3, 0.3, 0.4], 2: [0.9, 0.15, 0.2]}, 13, [1]
)


@pytest.mark.parametrize(
    ("rounds", "lines"),
    [
        (
            QUIET,
            """
            100 iterations, medians of 3 trainings each, plain NumPy's of 13 of its iterations:
                          one thread each   the better of 1 and 2 threads
            fastdnn                2.00 s                     1.00 s on 2
            plain NumPy           30.00 s                    20.00 s on 2
            ratio                      15                              20
            """,
        ),
        (
            # on two threads plain NumPy waits for a processor
            QUIET._replace(theirs={1: [0.3, 0.3, 0.4], 2: [0.9, 0.7, 0.9]}, had=[0.4, 0.6]),
            """
            100 iterations, medians of 3 trainings each, plain NumPy's of 13 of its iterations:
                          one thread each   the better of 1 and 2 threads
            fastdnn                2.00 s                     1.00 s on 2
            plain NumPy           30.00 s                    30.00 s on 1
            ratio            15, 12 to 15                    30, 25 to 35
            This machine is busy: of the 2 processors that this process may use it had 50 %.
            Half of the trainings had a ratio within the range beside it.
            """,
        ),
        (
            _demo.Rounds({1: [0.5]}, {1: [0.02]}, 2, [0.99]),
            """
            100 iterations, plain NumPy's of 2 of its iterations:
                          one thread each
            fastdnn                0.50 s
            plain NumPy            2.00 s
            ratio                       4
            """,
        ),
    ],
    ids=["quiet", "busy", "one thread, one training"],
)
def test_what_is_told_of_the_times(rounds, lines):
    assert "\n".join(_demo.compared(rounds, 100)) == dedent(lines).strip()


# Rounds of the demo on an AMD EPYC (Zen 4) of two cores: seconds of 2500 iterations, and
# milliseconds of one of plain NumPy, on so many threads.
RECORDED = {
    "quiet": {
        1: ([0.166, 0.191, 0.171, 0.209, 0.19, 0.166], [13.4, 13.9, 13.7, 14.9, 14.3, 16.4]),
        2: ([0.181, 0.229, 0.175, 0.189, 0.179, 0.181], [10.0, 11.3, 10.2, 9.95, 10.5, 9.88]),
    },
    "one core": {
        1: ([0.189, 0.176, 0.175, 0.205, 0.195, 0.199], [15.4, 16.8, 15.1, 14.6, 16.1, 15.7]),
    },
    "half a processor": {
        1: ([0.419, 0.467, 0.391, 0.386, 0.32, 0.405], [38.1, 33.6, 31.7, 34.6, 28.9, 30.4]),
    },
    "one and a half": {
        1: ([0.182, 0.197, 0.192, 0.215, 0.199, 0.212], [16.3, 16.5, 16.1, 16.6, 16.1, 16.9]),
    },
    "a busy process beside": {
        1: ([0.179, 0.221, 0.224, 0.222, 0.181, 0.21], [14.9, 17.5, 17.0, 17.8, 14.8, 14.7]),
        2: ([0.233, 0.223, 0.263, 0.24, 0.29, 0.276], [59.8, 63.2, 23.2, 80.0, 54.8, 20.4]),
    },
    "a busy process on one core": {
        1: ([0.351, 0.354, 0.35, 0.463, 0.351, 0.363], [30.7, 28.6, 32.6, 31.8, 27.3, 28.7]),
    },
}


@pytest.mark.parametrize("condition", RECORDED)
def test_a_load_or_a_quota_hardly_moves_the_ratio(condition):
    quiet, ratio = (ratios_of(RECORDED[name]) for name in ("quiet", condition))
    assert abs(ratio[0] / quiet[0] - 1) < 0.15
    # two threads do not help plain NumPy where one has to wait
    assert ratio[-1] <= ratio[0]


def ratios_of(record):
    rounds = _demo.Rounds(
        {threads: ours for threads, (ours, _) in record.items()},
        {threads: [ms / 1000 for ms in theirs] for threads, (_, theirs) in record.items()},
        100,
        [1],
    )
    *_, last = _demo.compared(rounds, 2500)
    return [int(word) for word in last.split()[1:]]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be taken away")
def test_a_busy_machine():
    code = """
        import os, subprocess, sys
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from fastdnn import _demo
        with _demo._blas_threads() as (limit, threads):
            assert threads == 1
        # the same processor is another process's too
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            print(min(_demo._share(0.1) for _ in range(5)) < 0.9)
        finally:
            other.kill()
            other.wait()
    """
    assert run_apart(code) == "True\n"


def test_demo_of_the_course_s_files(tmp_path, capsys):
    write_data(tmp_path)
    arguments = ["demo", "--data", str(tmp_path), "--iterations", "3"]
    assert command.main(arguments) == 0
    out = capsys.readouterr().out
    assert "20 images to train on, 8 to test on." in out
    assert "Network [192, 20, 7, 5, 1]" in out
    assert command.main([*arguments, "--seed", "2"]) == 0
    assert costs_of(capsys.readouterr().out) != costs_of(out)


def costs_of(out):
    return re.findall(r"Cost after .*", out)


def test_patches_repeat_themselves():
    first, again, other = (_demo._patches(12, seed) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[0] != other[0]).any()
    assert (first[2] != other[2]).any()


def test_patches_share_no_column(monkeypatch):
    columns = np.arange(640)
    photograph = np.empty((427, 640, 3), np.uint8)
    photograph[:] = np.stack([columns // 256, columns % 256, 0 * columns], axis=1)
    photographs = [photograph, photograph + np.array([0, 0, 9], np.uint8)]

    class Images:
        images = photographs

    monkeypatch.setattr(sklearn.datasets, "load_sample_images", Images)
    train_x, train_y, test_x, test_y, classes = _demo._patches(1000, 0)
    assert train_x.shape == (1000, 64, 64, 3)
    assert test_x.shape == (239, 64, 64, 3)
    assert classes.tolist() == [b"temple", b"flower"]
    for x, y in ((train_x, train_y), (test_x, test_y)):
        assert (x[..., 2] == 9 * y.reshape(-1, 1, 1)).all()
        assert abs(2 * y.sum() - y.size) <= 1
    seen = [
        {*(256 * x[..., 0].astype(int) + x[..., 1]).ravel().tolist()} for x in (train_x, test_x)
    ]
    assert not seen[0] & seen[1]
    assert len(seen[0]) > 300
    assert len(seen[1]) > 100


@pytest.mark.parametrize(("images", "apart"), [(209, (32, 45)), (20, (64, 64)), (1000, (13, 16))])
def test_patches_are_far_from_each_other(images, apart, monkeypatch):
    rows, columns = np.indices((427, 640))
    photograph = np.stack([rows // 2, columns // 3, 2 * (rows % 2) + 4 * (columns % 3)], axis=2)
    photograph = photograph.astype(np.uint8)

    class Images:
        images = (photograph, photograph)

    monkeypatch.setattr(sklearn.datasets, "load_sample_images", Images)
    train_x, train_y, test_x, test_y, _ = _demo._patches(images, 0)
    for x, y, least in ((train_x, train_y, apart[0]), (test_x, test_y, apart[1])):
        for label in (0, 1):
            first, second, rest = x[y[0] == label, 0, 0].astype(int).T
            row, column = 2 * first + rest % 4 // 2, 3 * second + rest // 4
            nearest = np.maximum(abs(row[:, None] - row), abs(column[:, None] - column))
            assert nearest[~np.eye(row.size, dtype=bool)].min() >= least


def test_plain_numpy_is_the_course_s():
    random = np.random.RandomState(0)
    X, Y = random.rand(6, 9), random.randint(0, 2, (1, 9))
    theirs = parameters = initialize_parameters_deep([6, 4, 3, 1], rng=1, scale="lecun")
    kept = {key: value.copy() for key, value in parameters.items()}
    for _ in range(3):
        AL, caches = reference.L_model_forward(X, theirs)
        grads = reference.L_model_backward(AL, Y, caches)
        theirs = reference.update_parameters(theirs, grads, 0.3)
    ours, cost = train_in_numpy(X, Y, parameters, 0.3, 3)
    np.testing.assert_allclose(cost, reference.compute_cost(AL, Y), rtol=1e-14)
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-13, atol=1e-15)
        np.testing.assert_array_equal(parameters[key], kept[key])


# ------------------------------------------------------------------------------------- info, help


def test_info_shows_the_configuration(monkeypatch, capsys):
    monkeypatch.setattr(fastdnn, "show_config", lambda: print("shown"), raising=False)
    assert command.main(["info"]) == 0
    assert capsys.readouterr().out == "shown\n"


def test_info_of_a_process():
    with python_m_fastdnn("info", stdout=subprocess.PIPE) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert np.__version__ in out


def test_info_of_a_model_file(tmp_path, capsys):
    net = fastdnn.Network([4, 3, 1], rng=0)
    net.fit(np.ones((2, 4)), [0, 1], epochs=3)
    net.save("net", training_state=True)
    assert command.main(["info", "net"]) == 0
    out = capsys.readouterr().out
    for word in ("kind: Network", "[4, 3, 1], relu", "3 epochs", "Adam", "state: yes", "W1 (4, 3)"):
        assert word in out
    fastdnn.save(net.parameters, "parameters")
    assert command.main(["info", "parameters"]) == 0
    assert "W1 (3, 4)" in capsys.readouterr().out
    (tmp_path / "none").write_bytes(b"no model")
    for name, word in (
        ("none", "none: its first 8 bytes"),
        ("missing", "missing"),
        (".", "Is a dir"),
    ):
        assert command.main(["info", name]) == 1
        assert_one_line(capsys.readouterr().err, word)


def test_info_of_an_estimator_s_file_does_nothing_to_the_terminal(tmp_path):
    from fastdnn.estimators import MLPClassifier

    X, y = np.arange(8.0).reshape(4, 2), np.array(["\x1b[2J", "ä"] * 2)
    est = MLPClassifier((3,), solver="lbfgs", max_fun=4000, alpha=0.25).fit(X, y)
    fastdnn.save(est, tmp_path / "est")
    code = """
        import sys
        sys.modules["sklearn"] = None
        from fastdnn.__main__ import main
        main(["info", sys.argv[1]])
    """
    out = run_apart(code, str(tmp_path / "est"))
    for word in ("kind: MLPClassifier", "alpha: 0.25", "hidden_layer_sizes: (3,)", "n_iter_: "):
        assert word in out
    assert out.isascii()
    assert out.replace("\n", "").isprintable()


def test_alone_it_prints_help(capsys):
    assert command.main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert capsys.readouterr().out == out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fastdnn {fastdnn.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--help"], ["demo", "info"]), (["demo", "--help"], ["--data DIR", "exit status", "2500"])],
)
def test_help(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert all(word in out for word in words)


# ------------------------------------------------------------------------------------------ errors


def assert_one_line(err, *words):
    assert err.startswith("fastdnn: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["demolish"], "demolish"),
        (["demo", "--iterations", "0"], "--iterations: must be at least 1, got 0"),
        (["demo", "--iterations", "many"], "--iterations"),
        (["demo", "--images", "1"], "--images: must be at least 2"),
        (["demo", "--images", "9", "--data", "."], "not allowed with"),
        (["demo", "--seed", "-1"], "--seed: must be from 0 to 4294967295"),
        (["demo", "--seed", str(2**32)], "--seed"),
        (
            ["demo", "--output", "figure.jpg"],
            "--output: must end in .png, .pdf, .svg, got 'figure.j",
        ),
        (["demo", "--output", "figure"], "--output"),
        (["--frobnicate"], "arguments: --frobnicate; see fastdnn --help"),
        (["demo", "out.svg"], "arguments: out.svg; see fastdnn demo --help"),
        (["info", "more", "still more"], "still more"),
    ],
)
def test_wrong_usage(arguments, word, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert_one_line(err, word)


def test_more_patches_than_there_is_room_for(tmp_path, capsys):
    assert command.main(["demo", "--images", "3000"]) == 2
    err = capsys.readouterr().err
    assert_one_line(err, "--images", "training patches, not for 3000")
    assert list(tmp_path.iterdir()) == []
    most = int(re.search(r"room for (\d+)", err)[1])
    assert len(_demo._patches(most, 1)[0]) == most
    with pytest.raises(argparse.ArgumentError):
        _demo._patches(most + 1, 1)


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ("folder.png", "cannot write to"),
        ("missing/figure.png", "cannot write to"),
        ("file/figure.png", "cannot write to"),
        ("thesis.pdf", "thesis.pdf is no PDF: it is not overwritten"),
    ],
)
def test_unwritable_output_is_found_before_the_training(
    output, word, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("fastdnn._demo.L_layer_model", pytest.fail)
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "thesis.pdf").write_bytes(PNG)
    assert command.main(["demo", *QUICK, "--output", output]) == 1
    assert_one_line(capsys.readouterr().err, word, str(tmp_path))
    assert (tmp_path / "thesis.pdf").read_bytes() == PNG


def test_git_ignores_the_demo_s_figure():
    ignored = Path(__file__).parent.parent / ".gitignore"
    if not ignored.exists():
        pytest.skip("no checkout")
    assert "fastdnn-demo.png" in ignored.read_text(encoding="utf-8")


def test_missing_data(tmp_path, capsys):
    assert command.main(["demo", "--data", "nowhere"]) == 1
    assert_one_line(capsys.readouterr().err, str(Path("nowhere") / "train_catvnoncat.h5"))


def test_unreadable_data(tmp_path, capsys):
    write_data(tmp_path)
    (tmp_path / "test_catvnoncat.h5").write_text("cat")
    assert command.main(["demo", "--data", "."]) == 1
    assert_one_line(capsys.readouterr().err, "test_catvnoncat.h5 cannot be read")


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("matplotlib.figure", "matplotlib>="),
        ("PIL", "pillow>="),
        ("sklearn.datasets", "scikit-learn>="),
        ("threadpoolctl", "threadpoolctl>="),
    ],
)
def test_missing_package_is_named(module, package, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("fastdnn._demo.L_layer_model", pytest.fail)
    assert command.main(["demo", *QUICK]) == 1
    assert_one_line(capsys.readouterr().err, module, f'python -m pip install "{package}')


def test_all_missing_packages_are_named_at_once(monkeypatch, capsys):
    for module in ("matplotlib.figure", "threadpoolctl", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    assert command.main(["demo", *QUICK]) == 1
    told = capsys.readouterr().err
    assert_one_line(told, '"matplotlib>=3.7" "threadpoolctl>=3.1" "scikit-learn>=1.6"')


# A program that the entry point of the command begins as; argv[0] is its name.
SCRIPT = "import sys; sys.argv = ['/usr/bin/fastdnn', 'info']; from fastdnn.__main__ import main"


@pytest.mark.parametrize("start", [("-m", "fastdnn", "info"), ("-c", SCRIPT)])
@pytest.mark.parametrize(
    ("level", "word"),
    [
        ("avx", "FASTDNN_SIMD must be one of base, v3, v4, got 'avx'"),
        ("V4", "got 'V4'"),
        (" ", "got ' '"),
        pytest.param(
            "v4", "this processor lacks",
            marks=pytest.mark.skipif("v4" in levels.available, reason="it lacks none"),
        ),
    ],
)  # fmt: skip
def test_a_level_that_cannot_be(level, word, start):
    run = subprocess.run(
        [sys.executable, "-P", *start], env={**os.environ, "FASTDNN_SIMD": level},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("fastdnn: error: ")
    assert word in run.stderr
    assert run.stderr.count("\n") == 1


def test_the_source_folder_is_told_in_one_line(tmp_path):
    core = tmp_path / "fastdnn" / "_core"
    core.mkdir(parents=True)
    (core / "__init__.py").touch()
    shutil.copy(fastdnn.__file__, core.parent)
    run = subprocess.run(
        [sys.executable, "-m", "fastdnn", "info"],
        capture_output=True, encoding="utf-8", check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (1, "")
    assert_one_line(run.stderr, "source folder", "pip install -e .")


def test_a_program_gets_the_error():
    code = "import sys\ntry: import fastdnn\nexcept ImportError as error: print(error)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code, "fastdnn"], env={**os.environ, "FASTDNN_SIMD": "avx"},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert run.stdout == "FASTDNN_SIMD must be one of base, v3, v4, got 'avx'\n"


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [(KeyboardInterrupt(), 130, "interrupted"), (MemoryError(), 1, "not enough memory")],
)
def test_stopped_in_the_training(error, status, word, tmp_path, monkeypatch, capsys):
    def stop(*arguments, **options):
        raise error

    monkeypatch.setattr("fastdnn._demo.L_layer_model", stop)
    assert command.main(["demo", *QUICK]) == status
    assert_one_line(capsys.readouterr().err, word)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="a process cannot send itself Ctrl-C on Windows")
def test_an_interrupt_at_any_moment_of_the_start(tmp_path):
    # Python imports this first: Ctrl-C comes at one of the imports after the package is reached
    (tmp_path / "sitecustomize.py").write_text(
        dedent("""
        import os, signal, sys

        left = int(os.environ["INTERRUPTED_AT"])

        def interrupt(event, arguments):
            global left
            if event == "import" and signal.getsignal(2) is not signal.default_int_handler:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGINT)

        sys.addaudithook(interrupt)
        """),
        encoding="utf-8",
    )
    path = os.pathsep.join([str(tmp_path), str(Path(fastdnn.__file__).parents[1])])

    def run(moment):
        return subprocess.run(
            [sys.executable, "-Pm", "fastdnn", "demo", *QUICK],
            env=os.environ | {"PYTHONPATH": path, "INTERRUPTED_AT": str(moment)},
            capture_output=True, encoding="utf-8", check=False, timeout=60, cwd=tmp_path,
        )  # fmt: skip

    moments = [1, 2, 3, 4, 6, 8, 11, 15, 20, 30, 40, 60, 80, 110, 150, 200, 280, 380, 500, 700]
    with ThreadPoolExecutor(2) as pool:
        for moment, ended in zip(moments, pool.map(run, moments), strict=True):
            told = (moment, ended.returncode, ended.stderr)
            assert told == (moment, 130, "fastdnn: error: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["sitecustomize.py"]


@pytest.mark.skipif(os.name == "nt", reason="a process cannot send itself Ctrl-C on Windows")
def test_an_interrupt_of_the_script(tmp_path):
    code = """
        import os, signal, sys

        def interrupt(event, arguments):
            if event == "import" and arguments[0] == "PIL":
                os.kill(os.getpid(), signal.SIGINT)

        sys.addaudithook(interrupt)
        sys.argv = ["/usr/bin/fastdnn", "demo", "--images", "12", "--iterations", "2"]
        from fastdnn.__main__ import main
        sys.exit(main())
    """
    run = subprocess.run(
        [sys.executable, "-P", "-c", dedent(code)],
        capture_output=True, encoding="utf-8", check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (130, "fastdnn: error: interrupted\n")
    assert [*tmp_path.iterdir()] == []


def test_a_program_keeps_its_own_answer_to_an_interrupt():
    code = "import signal, fastdnn; print(signal.getsignal(2) is signal.default_int_handler)"
    assert run_apart(code) == "True\n"


@pytest.mark.parametrize("arguments", [["fastdnn"], ["-m", "fastdnn"], ["-mfastdnn"]])
def test_a_module_that_is_told_of_fastdnn_is_not_the_command(arguments, tmp_path):
    package = tmp_path / "program"
    package.mkdir()
    # imported while Python has not yet found which file it will run
    (package / "__init__.py").write_text("import fastdnn", encoding="utf-8")
    (package / "__main__.py").write_text(
        "import signal; print(signal.getsignal(2) is signal.default_int_handler)", encoding="utf-8"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(fastdnn.__file__).parents[1])])
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-Pm", "program", *arguments],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, encoding="utf-8", timeout=60,
        check=False,
    )  # fmt: skip
    assert (run.stdout, run.stderr) == ("True\n", "")


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error on Windows")
def test_closed_pipe(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout, python_m_fastdnn("demo", *QUICK, stdout=stdout) as run:
        _, err = run.communicate()
    assert (run.returncode, err) == (141, "")
    assert list(tmp_path.iterdir()) == []
