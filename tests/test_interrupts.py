"""Ctrl-C, errors of one thread, threads that change what is read: nothing hangs or is lost."""

import subprocess
import sys
import textwrap

import pytest


def run_apart(code, *arguments, timeout=120):
    """Run code in a process of its own, so that a hang or a crash is a failure of one test."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code), *arguments],
        timeout=timeout, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@pytest.mark.parametrize("n_threads", [2, 3])
def test_weights_that_another_thread_fills_with_0_and_1(n_threads):
    run_apart(
        """
        import sys, threading
        import numpy as np
        from fastdnn import Network
        m, stop = 1000, threading.Event()
        X, w = np.ones((m, 4)), np.ones(m)
        def spoil():
            random = np.random.default_rng(0)
            while not stop.is_set():
                w[:-1] = random.integers(0, 2, m - 1)
        thread = threading.Thread(target=spoil, daemon=True)
        thread.start()
        for i in range(8):
            net = Network([4, 8, 1], rng=0)
            net.fit(X, w, sample_weight=w, batch_size=2, epochs=2, shuffle=i % 2 == 0,
                    n_threads=int(sys.argv[1]))
            assert net.epochs == 2
        stop.set()
        thread.join()
        """,
        str(n_threads),
        timeout=100,
    )
