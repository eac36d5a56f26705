"""Matrix products of our own: exact at any cache sizes, on a small stack."""

import subprocess
import sys
import textwrap

import pytest

SMALL_STACK = textwrap.dedent("""
    import threading
    import numpy as np
    import fastdnn

    def course(dtype, failures):
        random = np.random.RandomState(0)
        for n, n_prev, m in ((70, 130, 90), (33, 700, 200), (256, 784, 128), (300, 20, 300)):
            for order in "CF":
                A = random.randint(-2, 3, (n_prev, m)).astype(dtype, order=order)
                W = random.randint(-2, 3, (n, n_prev)).astype(dtype)
                dZ = random.randint(-2, 3, (n, m)).astype(dtype)
                b = np.zeros((n, 1), dtype)
                Z, cache = fastdnn.linear_forward(A, W, b)
                dA, dW, db = fastdnn.linear_backward(dZ, cache)
                exact = W.astype(float) @ A, W.T.astype(float) @ dZ
                if not ((Z == exact[0]).all() and (dA == exact[1]).all()):
                    failures.append((n, n_prev, m, dtype))
        AL = np.full((5, 300), 0.5, dtype)
        fastdnn.compute_cost(AL, np.asfortranarray(AL))
        fastdnn.sigmoid_backward(AL, np.asfortranarray(AL))

    def networks(dtype, failures):
        random = np.random.RandomState(0)
        X = random.standard_normal((600, 40)).astype(dtype)
        for layer_dims, output in (([40, 90, 70, 1], "sigmoid"), ([40, 130, 3], "softmax")):
            net = fastdnn.Network(layer_dims, output_activation=output, dtype=dtype)
            y = random.randint(0, layer_dims[-1] + 1, 600) % max(2, layer_dims[-1])
            net.fit(X, y, epochs=2, batch_size=200, n_threads=2)
            if not np.isfinite(net.predict(X)).all():
                failures.append((layer_dims, dtype))

    for work in (course, networks):
        for dtype in ("float32", "float64"):
            failures = []
            threading.stack_size(65536)
            thread = threading.Thread(target=work, args=(dtype, failures))
            thread.start()
            thread.join()
            assert not failures, failures
    print("done")
""")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a thread with a stack of 64 kB")
def test_a_thread_with_a_small_stack():
    run = subprocess.run(
        [sys.executable, "-c", SMALL_STACK], capture_output=True, encoding="utf-8", timeout=120
    )
    assert run.stdout == "done\n", (run.returncode, run.stderr)
