"""Batches of predictions beside the peers', and beside what the processor's peak allows."""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np

from bench import bare
from bench.peers import CONTENDERS, MNIST, Case, installed
from bench.timing import compare_all

TITLE = (
    "Batches, float32: the time of `Network.predict`, how many times as long as its"
    " multiplications take at the processor's peak that is, and how many times as long as fastdnn"
    " each peer takes."
)
PEERS = ("onnxruntime", "PyTorch", "JAX")
HEADER = ("network", "rows", "threads", "fastdnn, µs", "GFLOP/s", "times peak", *PEERS)

NETWORKS = {MNIST: "softmax", (54, 128, 64, 1): "sigmoid"}
ROWS = (1, 8, 32, 256, 1000, 10_000)
# multiplications that take long beside a call from Python
MANY = 10_000_000


def run(quick: bool, rounds: int, threads: int) -> Iterator[dict[str, Any]]:
    """Time each batch in turns: the peak, fastdnn, and each peer that is installed."""
    names = [name for name in PEERS if installed(name)]
    for (dims, output), m in product(NETWORKS.items(), ROWS[1:3] if quick else ROWS):
        case = Case("", dims, m, "", output, batches=0)
        work = m * sum(n_prev * n for n_prev, n in pairwise(dims))
        contenders = [CONTENDERS[name][0](case, threads) for name in ("fastdnn", *names)]
        times = compare_all(
            [bare.multiplications(max(work, MANY)), *(call for call in contenders if call)],
            rounds=rounds,
            seconds=5e-4 if quick else 60e-3,
            pause=0.0 if quick or threads == 1 else 0.3,
        )
        peak = times[:, 0] * work / max(work, MANY) / threads
        ours = times[:, 1]
        yield {
            "network": str([*dims]),
            "rows": m,
            "threads": threads,
            "us": float(np.median(ours)),
            "gflops": float(np.median(2e-3 * work / ours)),
            "times_peak": float(np.median(ours / peak)),
        } | {
            name: float(np.median(theirs / ours))
            for name, theirs in zip(names, times[:, 2:].T, strict=True)
        }


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Write a row's columns; a peer that is not installed has an empty one."""
    return (
        row["network"], str(row["rows"]), str(row["threads"]), f"{row['us']:.1f}",
        f"{row['gflops']:.1f}", f"{row['times_peak']:.2f}",
        *(f"{row[name]:.2f}" if name in row else "" for name in PEERS),
    )  # fmt: skip
