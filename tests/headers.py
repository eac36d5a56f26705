"""Headers of `to_c`: networks for them, and what compiles and calls them."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import reference_network as reference

import fastdnn

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
ROOT = Path(__file__).resolve().parent.parent
CC = shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler is at hand")
DTYPES = ["float32", "float64"]
ACTIVATIONS, OUTPUTS = [*reference.ACTIVATIONS], [*reference.OUTPUTS]


def program(name):
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not at hand")
    return path


def run(*arguments, **options):
    done = subprocess.run(
        [*map(str, arguments)], capture_output=True, encoding="utf-8", timeout=300, **options
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def shared(source, to, *flags, compiler=CC):
    """Compile a source, or a header, as a shared object."""
    run(compiler, *flags, "-shared", "-fPIC", "-x", "c", source, "-o", to, "-lm")
    return ctypes.CDLL(str(to))


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def answers(library, name, X, n):
    y = np.empty((len(X), n), X.dtype)
    X = np.ascontiguousarray(X)
    getattr(library, f"{name}_predict_n")(pointer(X), pointer(y), ctypes.c_size_t(len(X)))
    return y


def gradients(library, name, X, n):
    g = np.empty((len(X), n, X.shape[1]), X.dtype)
    for x, row in zip(np.ascontiguousarray(X), g, strict=True):
        getattr(library, f"{name}_gradient")(pointer(x), pointer(row))
    return g


def network(dims, *arguments, **options):
    net = fastdnn.Network(dims, *arguments, rng=0, **options)
    for key, value in net.parameters.items():
        if key[0] == "b":
            value[:] = np.random.default_rng(1).normal(size=value.shape) / 3
    return net


# every activation, before every width of blocks, and every output
NETS = {
    f"net_{dtype}_{i}": network(
        [5, (70, 20, 13, 1)[i % 4], (9, 4, 33)[i % 3], (3, 2, 1)[i % 3] + (i % 4 == 1)],
        (act, ACTIVATIONS[i - 1]), OUTPUTS[i % 4], dtype=dtype,
    )
    for dtype in DTYPES
    for i, act in enumerate(ACTIVATIONS)
}  # fmt: skip


def examples(net, m):
    X = np.random.default_rng(2).normal(size=(m, net.layer_dims[0]))
    return X.astype(net.dtype)


def written(path):
    """Write the headers of all networks, and a source that includes each of them twice."""
    lines = []
    for name, net in NETS.items():
        fastdnn.to_c(net, path / f"{name}.h", name=name)
        lines += [f"#define {name}_API", *[f'#include "{name}.h"'] * 2]
    (path / "all.c").write_text("\n".join([*lines, ""]), encoding="ascii")
    (path / "plain.c").write_text(
        "".join(f'#include "{name}.h"\n' for name in NETS) + "int main(void)\n{\n    return "
        + "\n        || ".join(f"{name}_selftest()" for name in NETS) + ";\n}\n",
        encoding="ascii",
    )  # fmt: skip
    return path
