"""What this installation computes with, and what a process asks of it."""

import ctypes
import platform
from pathlib import Path

import numpy as np

try:
    import scipy
except ImportError as error:
    raise ImportError(
        f"fastdnn computes with SciPy's BLAS, but SciPy cannot be imported ({error}): "
        "pip install scipy"
    ) from error

try:
    # the first module that takes functions of SciPy's BLAS
    from fastdnn._core import levels
except TypeError as error:
    raise ImportError(
        f"fastdnn was built for another BLAS than that of SciPy {scipy.__version__}, which counts "
        f"by other integers ({error}): take SciPy's wheel, pip install --force-reinstall scipy, "
        "or build fastdnn for this one, pip install --no-build-isolation --no-binary :all: fastdnn"
    ) from error

__version__ = "0.1.0"


def config(*, reproducible: bool | None = None) -> dict[str, bool]:
    """Set what holds for the whole process, and return all that is set.

    Parameters
    ----------
    reproducible : bool, optional
        Whether to demand the same bits on every processor with AVX2, AVX-512 or NEON, of all
        networks and estimators that do not say otherwise, and of the course's functions, whose
        products BLAS then no longer shares among its threads. None leaves it as it is.

    Returns
    -------
    dict
        Each setting's name, and its value.

    Raises
    ------
    TypeError
        If a value is not of its type.
    ValueError
        If this processor, or the level that ``FASTDNN_SIMD`` forces, has no fused multiply-adds.

    See Also
    --------
    show_config : Prints what is in use.
    Network : Its `reproducible` demands it of one network.

    Examples
    --------
    >>> fastdnn.config(reproducible=False)
    {'reproducible': False}
    """
    if reproducible is not None:
        levels.demand(reproducible)
    return {"reproducible": levels.promised(None)}


def show_config() -> None:
    """Print the instruction set, the BLAS and its threads, and the versions in use.

    The environment variable ``FASTDNN_SIMD`` (``base``, ``v3`` or ``v4``), read at import, forces
    the instruction set of the elementwise loops.

    See Also
    --------
    config : Sets what holds for the whole process.

    Examples
    --------
    >>> fastdnn.show_config()  # doctest: +ELLIPSIS
    fastdnn: ...
    """
    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    threads = _blas_threads()
    rows = {
        "fastdnn": __version__,
        "SIMD": f"{levels.level} (this processor can run {', '.join(levels.available)})",
        "BLAS": f"{blas['name']} {blas['version']}, SciPy's own",
        "BLAS threads": "unknown" if threads is None else str(threads),
        "SciPy": scipy.__version__,
        "NumPy": np.__version__,
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    for name, value in rows.items():
        print(f"{name + ':':<14}{value}")


def _blas_threads() -> int | None:
    """Ask the OpenBLAS of SciPy's wheel, if there is one."""
    package = Path(scipy.__file__).parent
    for folder in (package.parent / "scipy.libs", package / ".dylibs"):
        for library in folder.glob("libscipy_openblas*"):
            threads = getattr(ctypes.CDLL(str(library)), "scipy_openblas_get_num_threads", None)
            if threads is not None:
                return int(threads())
    return None
