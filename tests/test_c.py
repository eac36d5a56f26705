"""Models as C: what a compiled header answers, and what to_c refuses."""

import ctypes
import itertools
import os
import re
import sys

import numpy as np
import pytest
from headers import (
    DTYPES,
    NETS,
    OUTPUTS,
    WARNINGS,
    answers,
    examples,
    gradients,
    needs_compiler,
    network,
    pointer,
    run,
    shared,
    written,
)

import fastdnn
from fastdnn._core import levels
from fastdnn.c import elementary
from fastdnn.c.literals import named


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module")
def library(folder):
    return shared(folder / "all.c", folder / "all.so", "-O2")


# ---------------------------------------------------------------------------------- the answers


def close(got, expected, net, rtol=64):
    """Compare within units of the largest answer: sums are in another order than Python's."""
    unit = np.finfo(net.dtype).eps
    np.testing.assert_allclose(got, expected, rtol=rtol * unit, atol=rtol * unit * np.abs(
        expected[np.isfinite(expected)]).max())  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("name", NETS)
def test_answers_are_those_of_predict(library, name):
    net = NETS[name]
    X = examples(net, 100_000)
    close(answers(library, name, X, net.layer_dims[-1]), net.predict(X), net)


@needs_compiler
@pytest.mark.parametrize("name", NETS)
def test_a_row_is_a_row_of_many_and_may_be_written_over(library, name):
    net = NETS[name]
    X = examples(net, 7)
    n = net.layer_dims[-1]
    for x, y in zip(X, answers(library, name, X, n), strict=True):
        both = np.concatenate([x, np.zeros(n, x.dtype)])
        getattr(library, f"{name}_predict")(pointer(both), pointer(both))
        np.testing.assert_array_equal(both[:n], y)


@needs_compiler
@pytest.mark.parametrize("name", NETS)
def test_odd_inputs_do_what_they_do_in_python(library, name):
    net = NETS[name]
    tiny = float(np.finfo(net.dtype).smallest_subnormal)
    values = [0.0, -0.0, tiny, -tiny, 1e3, -1e3, 1e30, -1e30, np.inf, -np.inf, np.nan]
    X = np.array(list(itertools.product(values, repeat=2)))
    X = np.hstack([X, np.ones((len(X), 3))]).astype(net.dtype)
    with np.errstate(all="ignore"):
        got, expected = answers(library, name, X, net.layer_dims[-1]), net.predict(X)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))
    ordinary = np.isfinite(expected) & (np.abs(X).max(axis=1) < 1e4)[:, None]
    close(got[ordinary], expected[ordinary], net, 1000)


@needs_compiler
@pytest.mark.parametrize("name", NETS)
def test_gradients_are_those_of_finite_differences(library, name):
    net = NETS[name]
    X, n = examples(net, 20), net.layer_dims[-1]
    found = gradients(library, name, X, n)
    double = network(
        net.layer_dims, net._model.activations, net._model.output, dtype="float64"
    )  # the same draws, in double precision
    h = 1e-6
    for i in range(X.shape[1]):
        step = np.zeros(X.shape[1])
        step[i] = h
        up, down = (double.predict(X.astype(float) + s * step) for s in (1, -1))
        slope = (up - down) / (2 * h)
        scale = np.abs(found).max()
        # a kink of relu between both makes another slope, seldom
        off = np.abs(found[:, :, i] - slope) / scale
        assert np.median(off) < 1e-4
        assert np.mean(off > 1e-3) < 0.1


@needs_compiler
@pytest.mark.parametrize("name", NETS)
def test_gradients_are_those_of_the_network(library, name):
    net = NETS[name]
    if not hasattr(net, "gradient"):
        pytest.skip("this Network has no gradient")
    X, n = examples(net, 50), net.layer_dims[-1]
    expected = net.gradient(X).reshape(len(X), n, -1)
    close(gradients(library, name, X, n), expected, net, 300)


@needs_compiler
@pytest.mark.parametrize("logit", [-40, -20, 0.5, 20, 40])
@pytest.mark.parametrize("output", ["sigmoid", "softmax", "exp", "identity"])
@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "identity"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_where_an_answer_is_nearly_0_or_1(tmp_path, dtype, hidden, output, logit):
    n = 3 if output == "softmax" else 2
    net = network([2, n, n], hidden, output, dtype=dtype)
    for value in net.parameters.values():
        value[:] = 0
    W1, W2 = (net.parameters[key] for key in ("W1", "W2"))
    W1[:2, :2] = np.eye(2)
    W2[:] = np.eye(n)
    X = np.array([[logit, 0.25]], dtype)
    if hidden != "identity":
        X[0, 0] /= 2
        net.parameters["b2"].ravel()[0] = logit
    z = np.array([*X[0], 0], np.longdouble)[:n]
    e = np.exp(-2 * np.abs(z))
    a, slope = {
        "identity": (z, 1 + 0 * z),
        "sigmoid": (1 / (1 + np.exp(-z)), np.exp(-z) / (1 + np.exp(-z)) ** 2),
        "tanh": (np.tanh(z), 4 * e / (1 + e) ** 2),
    }[hidden]
    z = a + net.parameters["b2"].ravel()
    y, others = np.exp(z), 1 - np.eye(n)
    if output == "sigmoid":
        y = y / (1 + y) ** 2
    J = np.diag(y if output != "identity" else 1 + 0 * y)
    if output == "softmax":
        y /= y.sum()
        J = np.diag(y * (others @ y)) - others * np.outer(y, y)
    expected = (J * slope)[None, :, :2].astype(float)
    fastdnn.to_c(net, tmp_path / "model.h")
    lib = shared(tmp_path / "model.h", tmp_path / "m.so", "-O1", "-Dmodel_API=")
    rtol = 100 * np.finfo(dtype).eps
    found = gradients(lib, "model", X, n)
    np.testing.assert_allclose(found, expected, rtol=rtol)
    if hidden == "identity":
        np.testing.assert_allclose(found, net.gradient(X).reshape(1, n, 2), rtol=rtol)


@needs_compiler
@pytest.mark.parametrize("dims", [[1, 1], [3, 2], [2, 17, 1], [64, 64], [33, 65, 129, 2]])
@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes(tmp_path, dims, dtype):
    net = network(dims, "tanh", "identity", dtype=dtype)
    fastdnn.to_c(net, tmp_path / "model.h")
    lib = shared(tmp_path / "model.h", tmp_path / "m.so", "-O1", "-Dmodel_API=")
    X = examples(net, 50)
    close(answers(lib, "model", X, dims[-1]), net.predict(X), net)
    assert lib.model_selftest() == 0


@needs_compiler
@pytest.mark.parametrize("of", DTYPES)
@pytest.mark.parametrize("to", DTYPES)
def test_element_types(tmp_path, of, to):
    net = network([5, 9, 2], "gelu", "softmax", dtype=of)
    fastdnn.to_c(net, tmp_path / "model.h", dtype=to)
    lib = shared(tmp_path / "model.h", tmp_path / "m.so", "-Dmodel_API=")
    X = examples(net, 50)
    got = answers(lib, "model", X.astype(to), 2)
    unit = max(np.finfo(kind).eps for kind in (of, to))
    np.testing.assert_allclose(got, net.predict(X), rtol=100 * unit)


# --------------------------------------------------------------------------------- the functions


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """Compile the functions of one element for both types, with and without fused products."""
    found = {}
    path = tmp_path_factory.mktemp("points")
    for dtype, flags in itertools.product(DTYPES, ([], ["-mfma"])):
        real = {"float32": "float", "float64": "double"}[dtype]
        text, _ = elementary.functions(elementary.ERRORS, real)
        # to which none of NumPy's or SciPy's is exact enough
        text = (
            "long double erfcl(long double x);\n"
            + named(text, "m", real)
            + (
                "void normal(const double *x, long double *y, size_t n)\n"
                "{ size_t i; for (i = 0; i < n; ++i)\n"
                "  y[i] = 0.5L * erfcl(-x[i] * 0.707106781186547524400844362104849039L); }\n"
            )
        )
        for name in elementary.ERRORS:
            text += (
                f"void all_{name}(const {real} *x, {real} *y, size_t n)\n"
                f"{{ size_t i; for (i = 0; i < n; ++i) y[i] = m_{name}(x[i]); }}\n"
            )
        source = path / f"{dtype}{len(flags)}.c"
        source.write_text(f"#include <stddef.h>\n#include <stdint.h>\n{text}", encoding="ascii")
        try:
            found[dtype, bool(flags)] = shared(source, source.with_suffix(".so"), "-O2", *flags)
        except AssertionError:  # not of x86
            found[dtype, bool(flags)] = None
    return found


def exact(lib, name, x):
    if name == "sigmoid":
        return np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))
    if name == "normal":
        y = np.empty_like(x)
        lib.normal(pointer(x.astype(float)), pointer(y), ctypes.c_size_t(x.size))
        return y
    return getattr(np, name)(x)


RANGES = {"exp": (-87, 88), "expm1": (-87, 0), "log1p": (0, 1), "normal": (-12, 8)}


@needs_compiler
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", elementary.ERRORS)
def test_errors_of_the_functions_are_those_stated(points, name, dtype, fused):
    lib = points[dtype, fused]
    if lib is None:
        pytest.skip("this processor's compiler has no such switch")
    if fused and "v3" not in levels.available:
        pytest.skip("this processor has no such instruction")
    low, high = RANGES.get(name, (-40, 40))
    small = np.logspace(-30, 0, 50_001)
    x = np.concatenate([np.linspace(low, high, 300_001), small, -small]).astype(dtype)
    x = x[(x >= low) & (x <= high)]
    y = np.empty_like(x)
    getattr(lib, f"all_{name}")(pointer(x), pointer(y), ctypes.c_size_t(x.size))
    expected = exact(lib, name, x.astype(np.longdouble))
    unit = np.spacing(np.abs(expected).astype(dtype)).astype(np.longdouble)
    off = np.abs(y.astype(np.longdouble) - expected) / unit
    assert off.max() < elementary.ERRORS[name]


# ----------------------------------------------------------------------------------- the selftest


@needs_compiler
@pytest.mark.parametrize("name", NETS)
def test_selftest_passes(library, name):
    assert getattr(library, f"{name}_selftest")() == 0


@needs_compiler
@pytest.mark.parametrize("what", ["W1", "b1", "W2", "b2"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_selftest_finds_an_altered_number(tmp_path, what, dtype):
    net = network([4, 6, 2], "tanh", dtype=dtype)
    fastdnn.to_c(net, tmp_path / "model.h")
    text = (tmp_path / "model.h").read_text(encoding="ascii")
    # the first digit after the point of the array's first number
    altered = re.sub(
        rf"(model_{what}\[.*\n    -?[0-9]+\.)([0-9])",
        lambda found: found[1] + str((int(found[2]) + 1) % 10),
        text, count=1,
    )  # fmt: skip
    assert altered != text
    (tmp_path / "model.h").write_text(altered, encoding="ascii")
    lib = shared(tmp_path / "model.h", tmp_path / "m.so", "-Dmodel_API=")
    assert 1 <= lib.model_selftest() <= 8


@needs_compiler
@pytest.mark.parametrize("scale", [1e-3, 1, 100])
@pytest.mark.parametrize("output", OUTPUTS)
def test_selftest_of_large_and_small_weights(tmp_path, output, scale):
    net = network([4, 30, 3], "relu", output, dtype="float32")
    for value in net.parameters.values():
        value *= scale
    if output == "exp" and scale > 1:
        with pytest.raises(ValueError, match="infinity or NaN to any input"):
            fastdnn.to_c(net, tmp_path / "model.h")
        return
    fastdnn.to_c(net, tmp_path / "model.h")
    lib = shared(tmp_path / "model.h", tmp_path / "m.so", "-Dmodel_API=")
    assert lib.model_selftest() == 0


@needs_compiler
@pytest.mark.parametrize("large", [1e30, 1e39, 1e200])
def test_selftest_of_weights_beyond_single_precision(tmp_path, large):
    net = network([2, 3, 2], "sigmoid", "identity", dtype="float64")
    W2 = net.parameters["W2"]
    W2[:] = large * (1 + np.abs(W2))  # of one sign: infinity less infinity would be NaN
    fastdnn.to_c(net, tmp_path / "model.h")
    text = (tmp_path / "model.h").read_text(encoding="ascii")
    number = re.search(r"model_W2\[.*\n\s+(-?[0-9.]+)e", text)
    altered = f"{text[: number.start(1)]}{1.001 * float(number[1])}{text[number.end(1) :]}"
    found = []
    for i, each in enumerate((text, altered)):
        (tmp_path / f"{i}.h").write_text(each, encoding="ascii")
        lib = shared(tmp_path / f"{i}.h", tmp_path / f"{i}.so", "-Dmodel_API=")
        found.append(lib.model_selftest() > 0)
    assert found == [False, True]


# ------------------------------------------------------------------------------------ the file


def test_the_same_model_gives_the_same_text(tmp_path):
    for path in ("a.h", "b.h"):
        fastdnn.to_c(NETS["net_float32_0"], tmp_path / path)
    assert (tmp_path / "a.h").read_bytes() == (tmp_path / "b.h").read_bytes()


def test_the_comment(tmp_path):
    fastdnn.to_c(network([5, 8, 3], "tanh", "softmax"), tmp_path / "model.h", name="iris")
    comment = (tmp_path / "model.h").read_text(encoding="ascii").partition("*/")[0]
    for words in ("5 -> 8 tanh -> 3 softmax", "License: ", "tanh 3", "double *x", "bind(C"):
        assert words in comment
    assert max(map(len, comment.splitlines())) <= 100


@pytest.mark.parametrize(("outputs", "too"), [(2, True), (3, True), (4, False)])
def test_the_comment_says_where_x_may_be_y(tmp_path, outputs, too):
    fastdnn.to_c(network([3, outputs], (), "identity"), tmp_path / "model.h")
    comment = " ".join((tmp_path / "model.h").read_text(encoding="ascii").split())
    assert "may be the same array in model_predict" in comment
    assert ("may be the same array in model_predict and model_predict_n." in comment) == too


@needs_compiler
@pytest.mark.parametrize("name", ["NAME", "REAL", "R", "x", "BITS", "y1"])
def test_names_that_could_be_mistaken(tmp_path, name):
    net = network([3, 4, 2], "tanh")
    fastdnn.to_c(net, tmp_path / "model.h", name=name)
    lib = shared(tmp_path / "model.h", tmp_path / "m.so", *WARNINGS, f"-D{name}_API=")
    X = examples(net, 5)
    close(answers(lib, name, X, 2), net.predict(X), net)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (7, TypeError),
        *((name, ValueError) for name in (
            "", "1st", "a-b", "a b", "größe", "a\n", "int", "class", "restrict", "INT", "_a",
            "a__b", "a_", "a" * 80, "*/",
        )),
    ],
)  # fmt: skip
def test_bad_names(tmp_path, name, error):
    with pytest.raises(error, match="^name must"):
        fastdnn.to_c(NETS["net_float32_0"], tmp_path / "model.h", name=name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(tmp_path, value):
    net = network([3, 4, 2])
    net.parameters["b2"][1] = value
    (tmp_path / "model.h").write_text("old", encoding="ascii")
    with pytest.raises(ValueError, match="b2 must be finite"):
        fastdnn.to_c(net, tmp_path / "model.h")
    net.parameters["b2"][1] = 1e300
    with pytest.raises(ValueError, match="b2 holds numbers that overflow in float32"):
        fastdnn.to_c(net, tmp_path / "model.h", dtype="float32")
    assert (tmp_path / "model.h").read_text(encoding="ascii") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_answers_must_be_finite(tmp_path):
    net = network([3, 4, 2], "identity", "exp")
    net.parameters["b2"][:] = 1e200
    with pytest.raises(ValueError, match="answers infinity or NaN to any input"):
        fastdnn.to_c(net, tmp_path / "model.h")


@pytest.mark.parametrize("dtype", ["float16", "int32", "complex64", "nonsense", object])
def test_bad_element_types(tmp_path, dtype):
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        fastdnn.to_c(NETS["net_float32_0"], tmp_path / "model.h", dtype=dtype)


@pytest.mark.parametrize("model", [None, 3, "model.h", fastdnn.Network, np.zeros(3)])
def test_bad_models(tmp_path, model):
    with pytest.raises(TypeError, match="^model must be a Network, an estimator of fastdnn"):
        fastdnn.to_c(model, tmp_path / "model.h")


def test_bad_paths(tmp_path):
    net = NETS["net_float32_0"]
    with pytest.raises(TypeError, match="^path must name a file, got int"):
        fastdnn.to_c(net, 3)
    with pytest.raises(IsADirectoryError):
        fastdnn.to_c(net, tmp_path)
    with pytest.raises(FileNotFoundError):
        fastdnn.to_c(net, tmp_path / "none" / "model.h")
    if hasattr(os, "geteuid") and os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(PermissionError):
            fastdnn.to_c(net, tmp_path / "model.h")


def test_in_an_epoch(tmp_path):
    net = network([3, 4, 2])
    net._model.whole = False
    with net._fits.alone(), pytest.raises(RuntimeError, match="in the middle of an epoch"):
        fastdnn.to_c(net, tmp_path / "model.h")


def test_after_a_fit_in_the_gram_form(tmp_path):
    net = network([3, 4, 2])
    X = np.random.default_rng(0).normal(size=(9, 3))
    net.fit(X, net.predict(X), optimizer=fastdnn.SGD(0.1), first_layer="gram")
    fastdnn.to_c(net, tmp_path / "model.h")
    assert (tmp_path / "model.h").exists()


def test_scikit_learn_is_not_imported(tmp_path):
    code = (
        "import sys, fastdnn; fastdnn.to_c(fastdnn.Network([2, 1]), sys.argv[1])\n"
        "assert 'sklearn' not in sys.modules"
    )
    run(sys.executable, "-P", "-c", code, tmp_path / "model.h")
