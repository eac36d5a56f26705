"""Training on data that is read in blocks, beside the same data in memory."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import fastdnn
from bench.timing import compare

TITLE = "an epoch on data that is read in blocks, beside the same data in memory"
HEADER = ("network", "MB", "from", "in memory, ms", "ms", "times as fast", "quartiles")
WIDTHS = (20, 5, 18, 13, 8, 13, 13)
# sizes, and examples of a batch
NETWORKS = (([784, 256, 128, 10], 128), ([54, 128, 64, 1], 256), ([512, 8, 1], 1024))
SIZE = 200_000_000  # bytes
BLOCK = 2**24  # of which there are twelve, as 64 MiB are of 800 MB
SOURCES = {
    "HDF5": BLOCK,
    "HDF5, gzip": BLOCK,
    "memory map": None,
    "memory map, blocks": BLOCK,
    "blocks in memory": BLOCK,
}


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Time an epoch from each source and from memory in turns."""
    rows = []
    size = SIZE // 100 if quick else SIZE
    for layer_dims, batch in NETWORKS[1:2] if quick else NETWORKS:
        m, n_L = size // (4 * layer_dims[0]), layer_dims[-1]
        rng = np.random.default_rng(0)
        X = rng.random((m, layer_dims[0]), dtype=np.float32)
        Y = rng.integers(0, max(2, n_L), m)
        with _placed(X) as places:
            for source, block_bytes in SOURCES.items():
                if quick and block_bytes is not None:
                    block_bytes = BLOCK // 100
                fit = partial(_epoch, layer_dims, Y, batch, threads)
                times = compare(
                    partial(fit, X), partial(fit, places[source], block_bytes=block_bytes),
                    rounds=rounds, seconds=0,
                )  # fmt: skip
                rows.append(
                    {
                        "network": str(layer_dims),
                        "megabytes": X.nbytes / 1e6,
                        "source": source,
                        "memory_us": times.baseline_us,
                        "us": times.contender_us,
                        "ratio": times.ratio,
                        "low": times.low,
                        "high": times.high,
                    }
                )
                show(
                    (
                        str(layer_dims), f"{X.nbytes / 1e6:.0f}", source,
                        f"{times.baseline_us / 1e3:.0f}", f"{times.contender_us / 1e3:.0f}",
                        f"{times.ratio:.2f}", f"{times.low:.2f} - {times.high:.2f}",
                    )
                )  # fmt: skip
    return rows


def _epoch(
    layer_dims: list[int], Y: Any, batch: int, threads: int, X: Any, block_bytes: int | None = None
) -> None:
    output = "softmax" if layer_dims[-1] > 1 else "sigmoid"
    net = fastdnn.Network(layer_dims, "relu", output, dtype="float32", rng=0)
    net.fit(X, Y, batch_size=batch, n_threads=threads, block_bytes=block_bytes)


@contextmanager
def _placed(X: Any) -> Iterator[dict[str, Any]]:
    """Lay X where each source reads it."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/X.npy", X)
        path = str(Path(folder) / "X.h5")
        with import_module("h5py").File(path, "w") as file:
            mapped = np.load(f"{folder}/X.npy", mmap_mode="r")
            rows = max(1, 2**20 // X[0].nbytes)
            yield {
                "HDF5": file.create_dataset("X", data=X),
                "HDF5, gzip": file.create_dataset(
                    "Z", data=X, chunks=(rows, X.shape[1]), compression="gzip", compression_opts=1
                ),
                "memory map": mapped,
                "memory map, blocks": mapped,
                "blocks in memory": X,
            }
