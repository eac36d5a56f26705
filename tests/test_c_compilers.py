"""What compilers, sanitizers and other languages say of the headers of `to_c`."""

import re
import subprocess

import numpy as np
import pytest
from headers import (
    ACTIVATIONS,
    CC,
    NETS,
    ROOT,
    WARNINGS,
    answers,
    examples,
    gradients,
    needs_compiler,
    network,
    program,
    run,
    shared,
    written,
)

import fastdnn

COMPILERS = ["gcc", "clang", "g++", "clang++"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("c"))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_warnings(folder, compiler):
    language = ["c++", "-std=c++11"] if "++" in compiler else ["c", "-std=c99"]
    run(program(compiler), *WARNINGS, "-x", *language, "-fsyntax-only", folder / "plain.c")
    if "++" not in compiler:
        # those that a compiler finds while it optimises
        flags = ["-std=c99", "-O2", *WARNINGS]
        run(program(compiler), *flags, "-c", folder / "all.c", "-o", folder / f"{compiler}.o")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_same_bits_at_every_level_of_optimisation(folder, compiler):
    program(compiler)
    names = [name for i, name in enumerate(NETS) if i < len(ACTIVATIONS) or i % 5 == 0]
    lines = [f'#define {name}_API\n#include "{name}.h"\n' for name in names]
    source = folder / "some.c"
    source.write_text("".join(lines), encoding="ascii")

    def found(lib):
        return [
            f(lib, name, examples(NETS[name], m), NETS[name].layer_dims[-1])
            for name in names for f, m in ((answers, 1000), (gradients, 30))
        ]  # fmt: skip

    # GCC's own dialect, in which it contracts products and sums
    native = ["-std=gnu99", "-march=native"]
    libs = [
        shared(source, folder / f"{compiler}{i}.so", *flags, compiler=compiler)
        for i, flags in enumerate((["-O0"], ["-O2"], ["-O0", *native], ["-O3", *native]))
    ]
    for one, other in (libs[:2], libs[2:]):
        for a, b in zip(found(one), found(other), strict=True):
            np.testing.assert_array_equal(a, b)


@needs_compiler
def test_it_calls_nothing_and_remembers_nothing(folder):
    run(CC, "-O1", "-c", folder / "all.c", "-o", folder / "all.o")
    symbols = [line.split()[-2:] for line in run(program("nm"), folder / "all.o").splitlines()]
    assert {name for kind, name in symbols if kind == "U"} <= {"memcpy", "memset"}
    assert not [name for kind, name in symbols if kind in "bBdDC"]
    assert {kind for kind, _ in symbols} >= {"T", "r"}


def test_sanitizers(folder):
    to = folder / "sanitized"
    flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run(program("gcc"), *flags, folder / "plain.c", "-o", to)
    run(to)


def test_cppcheck(folder):
    names = [folder / f"{name}.h" for name in list(NETS)[::6]]
    what = "--enable=warning,performance,portability"
    run(
        program("cppcheck"), "--std=c99", "--language=c", what, "--error-exitcode=1", "-q", *names
    )  # fmt: skip


def test_aarch64(folder):
    to = folder / "arm"
    run(program("aarch64-linux-gnu-gcc"), "-O2", "-static", folder / "plain.c", "-o", to)
    run(program("qemu-aarch64-static"), to)


@pytest.mark.parametrize(
    ("flags", "words", "macro"),
    [
        (["-ffast-math"], "compile it without -ffast-math", "__FAST_MATH__ 1"),
        (["-Ofast"], "compile it without -ffast-math", "__FAST_MATH__ 1"),
        (["-ffinite-math-only"], "compile it without -ffast-math", "__FINITE_MATH_ONLY__ 1"),
        (["-funsafe-math-optimizations"], "without -ffast-math", "__ASSOCIATIVE_MATH__ 1"),
        (["-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"],
         "without -ffast-math", "__ASSOCIATIVE_MATH__ 1"),
        (["-freciprocal-math"], "without -ffast-math", "__RECIPROCAL_MATH__ 1"),
        (["-mfpmath=387"], "each result rounded to its type", "__FLT_EVAL_METHOD__ 2"),
        (["-fno-trapping-math"], "", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_flags_that_break_the_formulas_are_refused(folder, compiler, flags, words, macro):
    def call(*more):
        return subprocess.run(
            [program(compiler), *flags, *more, "-x", "c", str(folder / f"{next(iter(NETS))}.h")],
            capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip

    told = call("-dM", "-E").stdout
    if macro not in told:
        pytest.skip("this compiler does not tell")
    done = call("-std=c99", "-fsyntax-only")
    assert words in done.stderr
    assert (done.returncode == 0) == (not words)


@pytest.mark.parametrize("name", ["Net", "N" * 53])
def test_fortran(tmp_path, name):
    net = network([3, 8, 4, 2], "tanh", "softmax", dtype="float32")
    fastdnn.to_c(net, tmp_path / "Net.h", name=name)
    text = (tmp_path / "Net.h").read_text(encoding="ascii")
    interface = text[text.index("        use, intrinsic") : text.index("end interface")]
    x = examples(net, 2)
    rows = ", &\n".join(f"{v:.9e}" for v in x.ravel())
    (tmp_path / "main.f90").write_text(f"""program main
{interface}end interface
        real(c_float) :: x(3, 2), y(2, 2), z(2), g(3, 2)
        integer(c_int) :: label
        x = reshape([{rows}], [3, 2])
        call {name}_predict_n(x, y, 2_c_size_t)
        call {name}_predict(x(:, 1), z)
        call {name}_gradient(x(:, 1), g)
        label = {name}_label(x(:, 1))
        print *, {name}_selftest(), label, y, z, g
end program
""", encoding="ascii")  # fmt: skip
    run(program("gcc"), "-O2", f"-D{name}_API=", "-x", "c", "-c", tmp_path / "Net.h", "-o",
        tmp_path / "net.o")  # fmt: skip
    run(program("gfortran"), tmp_path / "main.f90", tmp_path / "net.o", "-o", tmp_path / "main")
    selftest, label, *numbers = map(float, run(tmp_path / "main").split())
    expected = net.predict(x)
    assert selftest == 0
    assert label == expected[0].argmax()
    np.testing.assert_allclose(numbers[:4], expected.ravel(), rtol=1e-5)
    np.testing.assert_allclose(numbers[4:6], expected[0], rtol=1e-5)


@needs_compiler
def test_the_document(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "c.md").read_text(encoding="utf-8")
    blocks = {
        language: re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]
        for language in ("python", "c", "sh")
    }
    names = {}
    exec(blocks["python"], names)
    (tmp_path / "main.c").write_text(blocks["c"], encoding="ascii")
    lines = run("sh", "-c", blocks["sh"].replace("cc ", f"{CC} ", 1)).split()
    model, X = names["model"], names["X"]
    assert lines[:-1:2] == model.classes_.tolist()
    assert lines[-1] == model.predict(X[:1])[0]
    np.testing.assert_allclose(
        [*map(float, lines[1:-1:2])], model.predict_proba(X[:1])[0], atol=1e-4
    )
