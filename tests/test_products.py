"""Matrix products of our own: exact at any cache sizes, on a small stack."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import reference

import fastdnn
from fastdnn._core import course, levels

# whether they are loops of ours
LOOPS = course.multiply(np.eye(8), False, np.eye(8), False, np.empty((8, 8)), True)
SMALL_STACK = textwrap.dedent("""
    import os
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
            # the least that there is on AArch64 is 128 kB
            threading.stack_size(max(65536, os.sysconf("SC_THREAD_STACK_MIN")))
            thread = threading.Thread(target=work, args=(dtype, failures))
            thread.start()
            thread.join()
            assert not failures, failures
    print("done")
""")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a thread with a stack of 64 kB")
def test_a_thread_with_a_small_stack():
    run = subprocess.run(
        [sys.executable, "-P", "-c", SMALL_STACK],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.stdout == "done\n", (run.returncode, run.stderr)


@pytest.fixture
def caches():
    """Let a test choose the sizes of the caches."""
    before = levels.caches
    yield levels.use_caches
    levels.use_caches(*before)


# first and second level, in bytes: too small for anything, two processors', large enough for all
CACHES = [(4096, 4096), (32768, 524288), (49152, 2097152), (2**28, 2**29)]
SIZES = [
    (1, 1, 1), (1, 16, 40), (1, 100, 64), (2, 17, 64), (3, 40, 33), (6, 8, 5), (8, 20, 200),
    (15, 64, 129), (17, 9, 300), (23, 128, 1), (30, 100, 200), (65, 7, 1025), (70, 130, 257),
    (129, 256, 784), (33, 516, 65), (41, 1, 7), (3, 1, 5), (90, 1, 33), (1, 100, 10),
    (100, 10, 300), (130, 20, 64), (17, 7, 600), (40, 33, 90),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("form", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("sizes", CACHES)
def test_exact_at_any_cache_sizes(caches, sizes, form, dtype):
    caches(*sizes)
    random = np.random.RandomState(0)
    trans_A, trans_B = form[0] == "T", form[1] == "T"
    for M, N, K in SIZES:
        # small integers: their sums are exact in either type
        A = random.randint(-2, 3, (K, M) if trans_A else (M, K)).astype(dtype)
        B = random.randint(-2, 3, (N, K) if trans_B else (K, N)).astype(dtype)
        exact = (A.T if trans_A else A) @ (B.T if trans_B else B)
        for ours in (False, True):
            C = np.full((M, N), np.nan, dtype)
            course.multiply(A, trans_A, B, trans_B, C, ours)
            np.testing.assert_array_equal(C, exact, f"{M, N, K}")


@pytest.mark.parametrize("sizes", CACHES)
def test_layers_at_any_cache_sizes(caches, sizes):
    caches(*sizes)
    random = np.random.RandomState(1)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        A_prev, W = random.standard_normal((130, 70)), random.standard_normal((90, 130)) / 130
        dZ, b = random.standard_normal((90, 70)), np.zeros((90, 1))
        expected = reference.linear_backward(dZ, (A_prev, W, b))
        dZ, A_prev, W, b = (array.astype(dtype) for array in (dZ, A_prev, W, b))
        for array, its in zip(fastdnn.linear_backward(dZ, (A_prev, W, b)), expected, strict=True):
            scale = np.abs(its).max()
            np.testing.assert_allclose(array, its, rtol=0, atol=100 * tolerance * scale)


@pytest.mark.skipif(not LOOPS, reason="BLAS makes the products where the compiler has no vectors")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("form", ["NN", "NT", "TN", "TT"])
def test_an_element_has_the_same_bits_whoever_makes_its_row_and_at_any_cache_sizes(
    caches, form, dtype
):
    random = np.random.RandomState(3)
    trans_A, trans_B = form[0] == "T", form[1] == "T"
    largest = np.array([150, 150, 600])
    for _ in range(40):
        M, N, K = (int(size) for size in np.ceil(largest ** random.rand(3)))
        A = random.standard_normal((K, M) if trans_A else (M, K)).astype(dtype)
        B = random.standard_normal((N, K) if trans_B else (K, N)).astype(dtype)
        made = []
        for sizes in ((32768, 1048576), CACHES[random.randint(len(CACHES))]):
            caches(*sizes)
            for height in (0, 1, random.randint(1, M + 1)):
                C = np.full((M, N), np.nan, dtype)
                assert course.multiply(A, trans_A, B, trans_B, C, True, 1, height)
                made.append(C)
        for C in made[1:]:
            np.testing.assert_array_equal(C, made[0], f"{M, N, K}")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("trans_B", [False, True])
def test_a_narrow_product_has_nothing_of_the_one_before(trans_B, dtype):
    for N in range(2, 40):
        nans = np.full((100, 40), np.nan, dtype)
        course.multiply(nans, False, nans, True, np.empty((100, 100), dtype), True)
        A, B = np.ones((9, 30), dtype), np.ones((N, 30) if trans_B else (30, N), dtype)
        C = np.full((11, N), 7, dtype)
        course.multiply(A, False, B, trans_B, C[1:-1], True)
        assert (C[1:-1] == 30).all(), N
        assert (C[[0, -1]] == 7).all(), N


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_short_dot_product_has_nothing_of_its_neighbours(dtype):
    for K in range(2, 20):
        memory = np.full((4, 100 * K), np.nan, dtype)
        A, x, C, D = (row[K : K + size] for row, size in zip(memory, (9 * K, K, 9, 9), strict=True))
        A[:] = x[:] = 1
        A, x = A.reshape(9, K), x.reshape(K, 1)
        course.multiply(A, False, x, False, C.reshape(9, 1), True)
        course.multiply(x.reshape(1, K), False, A, True, D.reshape(1, 9), True)
        for made, row in ((C, memory[2]), (D, memory[3])):
            assert (made == K).all(), K
            assert np.isnan(row[[K - 1, K + 9]]).all(), K


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ({1: ("Data", "48K"), 2: ("Unified", "2048K"), 3: ("Unified", "105M")}, (49152, 2097152)),
        ({1: ("Data", "64K"), 2: ("Unified", "1M")}, (65536, 1048576)),
        ({1: ("Unified", "16384"), 2: ("Unified", "1M")}, (16384, 1048576)),
        ({1: ("Data", "32K")}, None),
        ({1: ("Data", "0K"), 2: ("Unified", "1M")}, None),
        ({1: ("Data", "-32K"), 2: ("Unified", "1M")}, None),
        ({1: ("Data", "much"), 2: ("Unified", "1M")}, None),
        ({}, None),
    ],
)
def test_reads_cache_sizes(tmp_path, told, read):
    told = {0: ("Instruction", "128K"), **told}
    for level, (kind, size) in told.items():
        folder = tmp_path / f"index{level}"
        folder.mkdir()
        for name, text in (("level", max(level, 1)), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{text}\n", encoding="ascii")
    assert levels.read_caches(tmp_path) == (read or levels.DEFAULT_CACHES)
    assert levels.read_caches(tmp_path / "none") == levels.DEFAULT_CACHES
