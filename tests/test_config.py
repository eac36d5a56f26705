"""What show_config prints."""

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

import fastdnn
from fastdnn._core import levels


def test_show_config_names_the_level_the_blas_its_threads_and_the_versions(capsys):
    with threadpool_limits(1):
        fastdnn.show_config()
    rows = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["fastdnn"] == fastdnn.__version__
    assert rows["SIMD"].split()[0] == levels.level
    assert rows["BLAS"]
    assert rows["BLAS threads"] in ("1", "unknown")
    assert rows["SciPy"] == scipy.__version__
    assert rows["NumPy"] == np.__version__
