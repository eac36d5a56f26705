"""A file of 2 GB is trained on and predicted by a process that may have 600 MB."""

import sys

import pytest
from processes import run_apart

MEMORY = 600_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="limits and counts memory as Linux does")
def test_a_file_larger_than_memory(tmp_path):
    pytest.importorskip("h5py")
    out = run_apart(
        """
        import resource, sys
        import h5py
        import numpy as np
        import fastdnn
        path, limit = sys.argv[1], int(sys.argv[2])
        m, n = 1_000_000, 512
        with h5py.File(path, "w") as file:
            # holes between the first rows and the last: zeros that take no place on the disk
            X = file.create_dataset("X", (m, n), "f4")
            X[-1] = 1
            X[:2000] = np.random.default_rng(0).random((2000, n), dtype=np.float32)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        try:
            np.ones(limit // 8)
        except MemoryError:
            pass
        else:
            raise AssertionError("there is no limit")
        X, Y = h5py.File(path)["X"], np.zeros(m, bool)
        net = fastdnn.Network([n, 1], dtype="float32", rng=0)
        history = net.fit(X, Y, batch_size=2000, optimizer=fastdnn.SGD(0.1))
        assert history.costs[0] < 0.2, history.costs
        AL = net.predict(X)
        assert AL.shape == (m, 1)
        assert (AL[2000:-1] == AL[2000]).all()
        with open("/proc/self/status") as status:
            print(*(line.split()[1] for line in status if line.startswith("VmHWM")))
        """,
        str(tmp_path / "large.h5"),
        str(MEMORY),
        timeout=300,
        OPENBLAS_NUM_THREADS="1",
    )  # fmt: skip
    assert (tmp_path / "large.h5").stat().st_size > 2e9
    assert int(out) * 1024 < MEMORY
