"""What fastdnn is measured against: a step's matrix products and nothing else, and the peak."""

import ctypes
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import cython_blas

SOURCE = Path(__file__).with_name("bare.c")


def products(
    layer_dims: Sequence[int], m: int, dtype: DTypeLike, steps: int, backward: bool = True
) -> Callable[[], None]:
    """Prepare the products of so many steps by SciPy's BLAS, in a loop without Python.

    Parameters
    ----------
    layer_dims : sequence of int
        Units of each layer, the input's features first.
    m : int
        Examples of a step.
    dtype : {float32, float64}
        Element type.
    steps : int
        How many steps.
    backward : bool
        Whether to run the gradients' products too.

    Raises
    ------
    SystemExit
        If there is no C compiler.
    """
    weights = sum(n * n_prev for n_prev, n in pairwise(layer_dims))
    # the operands stay as they are, so that no step meets subnormal numbers
    size = 2 * m * sum(layer_dims) + 2 * weights + m * max(layer_dims)
    memory = np.full(size, 1e-3, dtype)
    name = "sgemm" if memory.dtype == np.float32 else "dgemm"
    dims = (ctypes.c_int * len(layer_dims))(*layer_dims)
    # the closure keeps the memory that the pointer leads to
    pointer = memory.ctypes.data_as(ctypes.c_void_p)
    function, blas = getattr(_library(), f"products_{name}_"), ctypes.c_void_p(_blas(name))
    arguments = (len(layer_dims) - 1, m, ctypes.c_long(steps), backward, pointer)

    def run() -> None:
        function(blas, dims, *arguments)

    return run


def multiplications(count: int) -> Callable[[], None]:
    """Prepare so many multiplications and additions of float32, as fast as the processor can."""
    function = _library().multiply_and_add
    function.argtypes = (ctypes.c_long, ctypes.c_float, ctypes.c_float)

    def run() -> None:
        function(count, 0.5, 0.5)

    return run


@cache
def _library() -> ctypes.CDLL:
    """Compile the loop, which takes a tenth of a second."""
    compiler = [*(sysconfig.get_config_var("CC") or "cc").split()]
    if shutil.which(compiler[0]) is None:
        compiler = [shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or ""]
    if not compiler[0]:
        raise SystemExit("bench: the bare matrix products need a C compiler: cc, gcc or clang")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = str(Path(folder) / "bare.so")
        options = ["-O2", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
        subprocess.run([*compiler, *options, "-o", library, str(SOURCE)], check=True)
        return ctypes.CDLL(library)


@cache
def _blas(name: str) -> int:
    """Find the address of a function of SciPy's BLAS."""
    capsule = cython_blas.__pyx_capi__[name]
    get_name, get_pointer = (
        ctypes.pythonapi.PyCapsule_GetName,
        ctypes.pythonapi.PyCapsule_GetPointer,
    )
    get_name.restype, get_name.argtypes = ctypes.c_char_p, (ctypes.py_object,)
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    return int(get_pointer(capsule, get_name(capsule)))
