"""One row by a network as C, compiled by what is at hand, beside a call of Python's runtimes."""

import ctypes
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np

import fastdnn
from bench.peers import CONTENDERS, MNIST, Case, installed
from bench.timing import compare_all

TITLE = (
    "One row by `to_c`, float32, relu: the time of a call from C, and how many times as long as"
    " that calls from Python take: of `Network.predict`, of onnxruntime, and of onnxruntime with"
    " input and output bound once, the least that it can be asked for."
)
NAMES = ("fastdnn", "onnxruntime")
HEADER = ("network", "compiler", "flags", "C, ns", *NAMES, "bound")
NETWORKS = {
    (64, 64): "identity",
    (32, 32): "identity",
    (16, 32, 1): "sigmoid",
    MNIST: "softmax",
}
FLAGS = ("-O3", "-O3 -march=native")
# the call is timed in C: from Python it would take a hundred times as long
MAIN = """
#include "model.h"
void repeat(const float *x, float *y, long times)
{
    long i;
    for (i = 0; i < times; ++i)
        model_predict(x, y);
}
"""
TIMES = 1000


def run(quick: bool, rounds: int, threads: int) -> Iterator[dict[str, Any]]:
    """Time each network as compiled by each compiler, in turns with Python's calls."""
    if threads > 1:
        return
    found = [name for name in ("gcc", "clang") if which(name)][: 1 if quick else 2]
    if not found:
        yield {"network": "no compiler is at hand", "compiler": "", "flags": ""}
    names = [name for name in NAMES if installed(name)]
    chosen = [*NETWORKS.items()][: 1 if quick else len(NETWORKS)]
    for (dims, output), compiler, flags in product(chosen, found, FLAGS):
        case = Case("", dims, 1, "", output, batches=0)
        calls = [CONTENDERS[name][0](case, 1) for name in names]
        bound = _bound(case) if "onnxruntime" in names else None
        with tempfile.TemporaryDirectory() as folder:
            compiled = _compiled(Path(folder), dims, output, [compiler, *flags.split()])
            times = compare_all(
                [compiled, *(call for call in (*calls, bound) if call)],
                rounds=rounds,
                seconds=5e-4 if quick else 30e-3,
            )
        times[:, 0] /= TIMES
        yield {
            "network": str([*dims]),
            "compiler": compiler,
            "flags": flags,
            "ns": float(1e3 * np.median(times[:, 0])),
        } | {
            name: float(np.median(theirs / times[:, 0]))
            for name, theirs in zip((*names, "bound"), times[:, 1:].T, strict=False)
        }


def _compiled(folder: Path, dims: tuple[int, ...], output: str, command: list[str]) -> Any:
    """Compile a network, and make a call of so many predictions."""
    net = fastdnn.Network(dims, output_activation=output, dtype="float32", rng=0)
    fastdnn.to_c(net, folder / "model.h")
    (folder / "main.c").write_text("#define model_API\n" + MAIN, encoding="ascii")
    flags = ["-shared", "-fPIC", "main.c", "-o", "model.so"]
    subprocess.run([*command, *flags], cwd=folder, check=True)
    repeat = ctypes.CDLL(str(folder / "model.so")).repeat
    x, y = np.ones(dims[0], np.float32), np.empty(dims[-1], np.float32)
    arguments = (
        ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data), ctypes.c_long(TIMES)
    )  # fmt: skip
    return lambda kept=(x, y): repeat(*arguments)


def _bound(case: Case) -> Any:
    """Make a call of onnxruntime that reads and writes memory that it was told of before."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    net = fastdnn.Network(case.layer_dims, output_activation=case.output, dtype="float32", rng=0)
    session = ort.InferenceSession(
        fastdnn.to_onnx(net).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    x = ort.OrtValue.ortvalue_from_numpy(np.ones((1, case.layer_dims[0]), np.float32))
    y = ort.OrtValue.ortvalue_from_numpy(np.empty((1, case.layer_dims[-1]), np.float32))
    binding.bind_ortvalue_input("X", x)
    binding.bind_ortvalue_output("AL", y)
    return lambda: session.run_with_iobinding(binding)


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Write a row's columns; what is not installed has an empty one."""
    shown = [f"{row[name]:.1f}" if name in row else "" for name in ("ns", *NAMES, "bound")]
    return (row["network"], row["compiler"], row["flags"], *shown)
