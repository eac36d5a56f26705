"""What this installation computes with, and what a process asks of it."""

import ctypes
import os
import platform
import re
from contextlib import suppress
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
    from fastdnn._core import levels, workers
except TypeError as error:
    raise ImportError(
        f"fastdnn was built for another BLAS than that of SciPy {scipy.__version__}, which counts "
        f"by other integers ({error}): take SciPy's wheel, python -m pip install --force-reinstall "
        "scipy, or build fastdnn for this one, in the folder of its sources: "
        "python -m pip install --no-build-isolation ."
    ) from error

from scipy.linalg import cython_blas

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
    look_for(module)
    return import_module(module)


def look_for(*modules: str) -> None:
    """Import modules of such packages, or say how to install all that are missing."""
    errors: dict[str, ImportError] = {}
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            errors[module] = error
    if errors:
        reasons = ", ".join(map(str, errors.values()))
        raise ImportError(
            f"{', '.join(errors)} cannot be imported ({reasons}): {install(*errors)}",
            name=next(iter(errors)),
        ) from next(iter(errors.values()))


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
    name, count = blas(ctypes.CDLL(cython_blas.__file__))
    threads = "unknown" if count is None else str(count)
    if not workers.sets_threads():
        threads += "; fastdnn cannot set them, and takes one where n_threads does not say more"
    rows = {
        "fastdnn": __version__,
        "SIMD": f"{levels.level} (this processor can run {', '.join(levels.available)})",
        "BLAS": name,
        "BLAS threads": threads,
        "SciPy": scipy.__version__,
        "NumPy": np.__version__,
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    for title, value in rows.items():
        print(f"{title + ':':<14}{value}")


# ------------------------------------------------------------------------------- the BLAS of SciPy

# how libraries name the product of doubles: SciPy's wheels, others, and Apple
_PRODUCTS = ("scipy_dgemm_", "scipy_dgemm_64_", "dgemm_", "dgemm_64_", "dgemm$NEWLAPACK")
# what a library is that tells nothing of itself, by a word of its path
_WORDS = {
    "accelerate": "Accelerate",
    "veclib": "Accelerate",
    "atlas": "ATLAS",
    "blis": "BLIS",
    "flexiblas": "FlexiBLAS",
    "mkl": "MKL",
    "openblas": "OpenBLAS",
}


class _Symbol(ctypes.Structure):
    """What the loader knows of an address: Dl_info."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def blas(library: ctypes.CDLL) -> tuple[str, int | None]:
    """Name the BLAS that a library calls, and count its threads, None where it does not say."""
    file = _file(library)
    where = f", {file}" if file else ""
    for prefix in ("scipy_openblas", "openblas"):
        for suffix in ("", "64_"):
            config = _text(library, f"{prefix}_get_config{suffix}")
            if config:
                core = _text(library, f"{prefix}_get_corename{suffix}")
                name = " ".join(config.split()[:2]) + f" for {core}" * bool(core)
                return name + where, _number(library, f"{prefix}_get_num_threads{suffix}")
    version = getattr(library, "MKL_Get_Version_String", None)
    if version is not None:
        version(text := ctypes.create_string_buffer(200), 200)
        number = re.search(r"[\d.]+", text.value.decode(errors="replace"))
        name = "MKL" + (f" {number[0]}" if number else "")
        return name + where, _number(library, "MKL_Get_Max_Threads")
    version = _text(library, "bli_info_get_version_str")
    if version:
        return f"BLIS {version}{where}", _number(library, "bli_thread_get_num_threads")
    found = _by_threadpoolctl(file)
    if found is not None:
        return found[0] + where, found[1]
    built = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    path = "/".join(Path(file).parts[-4:] if file else [built["name"]]).lower()
    for word, name in _WORDS.items():
        if word in path:
            return name + where, None
    if re.match(r"lib(ref)?blas\b", Path(file).name):
        return f"reference BLAS{where}", 1
    return f"{built['name']} {built['version']}, by what SciPy was built with{where}", None


def _file(library: ctypes.CDLL) -> str:
    """Find the file of the function that multiplies matrices, or nothing."""
    if os.name == "posix":
        loader = ctypes.CDLL(None)
        for name in _PRODUCTS:
            with suppress(AttributeError):
                symbol = _Symbol()
                address = ctypes.cast(getattr(library, name), ctypes.c_void_p)
                if loader.dladdr(address, ctypes.byref(symbol)) and symbol.file:
                    return os.path.realpath(os.fsdecode(symbol.file))
    return ""


def _by_threadpoolctl(file: str) -> tuple[str, int] | None:
    """Ask threadpoolctl, where it is, of a file, or of what SciPy brings along."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return None
    for pool in threadpool_info():
        path = Path(pool["filepath"])
        # the folder of a wheel's libraries: of Linux and Windows, or of macOS
        of_scipy = {"scipy.libs", "scipy"} & {path.parent.name, path.parent.parent.name}
        if pool["user_api"] == "blas" and (path.samefile(file) if file else of_scipy):
            name = _WORDS.get(pool["internal_api"], pool["internal_api"])
            return f"{name} {pool['version'] or ''}".rstrip(), int(pool["num_threads"])
    return None


def _text(library: ctypes.CDLL, name: str) -> str:
    function = getattr(library, name, None)
    if function is None:
        return ""
    function.restype = ctypes.c_char_p
    return (function() or b"").decode(errors="replace")


def _number(library: ctypes.CDLL, name: str) -> int | None:
    function = getattr(library, name, None)
    return None if function is None else int(function())
