"""What this installation computes with, and what a process asks of it."""

import ctypes
import platform
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

try:
    import scipy
except ImportError as error:
    raise ImportError(
        f"fastdnn computes with SciPy's BLAS, but SciPy cannot be imported ({error}): "
        "python -m pip install scipy"
    ) from error

try:
    # the first module that takes functions of SciPy's BLAS
    from fastdnn._core import levels
except TypeError as error:
    raise ImportError(
        f"fastdnn was built for another BLAS than that of SciPy {scipy.__version__}, which counts "
        f"by other integers ({error}): take SciPy's wheel, python -m pip install --force-reinstall "
        "scipy, or build fastdnn for this one, in the folder of its sources: "
        "python -m pip install --no-build-isolation ."
    ) from error

__version__ = "0.1.0"

# the packages that only some need, by what is imported, as the extras of pyproject.toml have them
PACKAGES = {
    "PIL": "pillow>=9.5",
    "h5py": "h5py>=3.8",
    "matplotlib": "matplotlib>=3.7",
    "onnx": "onnx>=1.15",
    "pandas": "pandas>=2",
    "rich": "rich>=13",
    "sklearn": "scikit-learn>=1.6",
    "threadpoolctl": "threadpoolctl>=3.1",
}


def optional(module: str) -> Any:
    """Import a module of a package that only some need, or say how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module} cannot be imported ({error}): {install(module)}", name=module
        ) from error


def scikit_learn() -> None:
    """Look whether there is a scikit-learn that the estimators can extend."""
    found = optional("sklearn").__version__
    least = PACKAGES["sklearn"].partition(">=")[2]
    if _numbers(found) < _numbers(least):
        raise ImportError(
            f"fastdnn.estimators needs scikit-learn {least} or later, found {found}: "
            f"{install('sklearn')}",
            name="sklearn",
        )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:2]]


def install(*modules: str) -> str:
    """Say how to install the packages of some modules."""
    packages = (PACKAGES[module.partition(".")[0]] for module in modules)
    return " ".join(["python -m pip install", *(f'"{package}"' for package in packages)])


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
