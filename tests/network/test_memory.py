"""What training allocates."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from inside import params
from networks import problem
from processes import run_apart

from fastdnn.network import Network
from fastdnn.optimizers import SGD, Adam


def test_float64_data_in_a_float32_network_is_not_copied_whole():
    X = np.random.default_rng(0).normal(size=(20_000, 50))
    Y = X[:, 0] > 0
    net = Network([50, 8, 1], dtype="float32", rng=0)
    other = Network([50, 8, 1], dtype="float32", rng=0)
    other.fit(X.astype("float32"), Y, batch_size=100)
    tracemalloc.start()
    net.fit(X, Y, batch_size=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(params(net), params(other))
    assert peak < X.nbytes / 8


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_memory_mapped_file_trains_in_the_workspace_of_a_batch(order, tmp_path):
    file = tmp_path / "X"
    shape = (100_000, 100)
    X = np.memmap(file, np.float32, "w+", shape=shape, order=order)
    X[::7, 3] = 1
    X.flush()
    X = np.memmap(file, np.float32, "r", shape=shape, order=order)
    Y = np.zeros(len(X), np.float32)
    net = Network([100, 64, 1], dtype="float32", rng=0)
    tracemalloc.start()
    net.fit(X, Y, optimizer=SGD(0.1), batch_size=128, shuffle=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # the labels' checks, and the workspace: the batch, its activations, a copy of the parameters
    assert peak < 2_000_000 < X.nbytes / 10


def test_python_allocates_nothing_per_step():
    X, Y, _ = problem("sigmoid", m=4000)
    peaks = []
    for batch in (2000, 2):
        net = Network([5, 8, 3], rng=0)
        options = {"optimizer": Adam(), "batch_size": batch, "shuffle": False, "epochs": 2}
        net.fit(X, Y, **options)
        tracemalloc.start()
        net.fit(X, Y, **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0], "2000 times the steps, in a smaller workspace"


COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
static volatile long count;
long allocations(void) { return count; }
void *malloc(size_t size) {
    static void *(*real)(size_t);
    if (!real) real = dlsym(RTLD_NEXT, "malloc");
    __sync_fetch_and_add(&count, 1);
    return real(size);
}
void *realloc(void *old, size_t size) {
    static void *(*real)(void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "realloc");
    __sync_fetch_and_add(&count, 1);
    return real(old, size);
}
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="needs LD_PRELOAD for itself",
)
def test_nothing_is_allocated_per_step_below_python_either(tmp_path):
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER, encoding="utf-8")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a C compiler")
    code = f"""
        import ctypes, gc
        import numpy as np
        from fastdnn.network import Network
        from fastdnn.optimizers import Adam
        counter = ctypes.CDLL({str(library)!r})
        X = np.random.default_rng(0).normal(size=(4000, 30)).astype("float32")
        Y = (X[:, 0] > 0).astype("float32")
        net = Network([30, 20, 1], dtype="float32", rng=0)
        gc.disable()
        def count(batch):
            before = counter.allocations()
            net.fit(X, Y, batch_size=batch, epochs=1, dropout=0.1, n_threads=1)
            return counter.allocations() - before
        count(2000), count(2)
        print(count(2000), count(2))
    """
    printed = run_apart(code, LD_PRELOAD=str(library), PYTHONMALLOC="malloc")
    few, many = map(int, printed.split())
    assert 0 < few < 2000, "the counter counts"
    assert abs(many - few) < 100, "1998 steps more"
