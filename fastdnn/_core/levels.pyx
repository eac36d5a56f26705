# Chooses the instruction set of the loops, and tells them the cache sizes, once, at import.

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from cpython.pycapsule cimport PyCapsule_GetPointer


cdef extern from *:
    """
    /* 0: the compiler's default, 3: AVX2, 4: AVX-512; what setup.py compiles for and no more */
    #if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    static int fastdnn_cpu_level(void) {
        __builtin_cpu_init();
        if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
            return 0;
        if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")
                || !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq")
                || !__builtin_cpu_supports("avx512vl"))
            return 3;
        return 4;
    }
    #elif defined(_MSC_VER) && defined(_M_X64)
    #include <intrin.h>
    static int fastdnn_cpu_level(void) {
        int leaf1[4], leaf7[4];
        unsigned long long saved;
        __cpuid(leaf1, 0);
        if (leaf1[0] < 7)
            return 0;
        __cpuid(leaf1, 1);
        __cpuidex(leaf7, 7, 0);
        if (!(leaf1[2] & (1 << 27)) || !(leaf1[2] & (1 << 12)))  /* OSXSAVE, FMA */
            return 0;
        saved = _xgetbv(0);
        if ((saved & 0x6) != 0x6 || !(leaf7[1] & (1 << 5)))  /* AVX2 */
            return 0;
        if ((saved & 0xe6) != 0xe6 || !(leaf7[1] & (1 << 16)) || !(leaf7[1] & (1 << 17))
                || !(leaf7[1] & (1 << 28)) || !(leaf7[1] & (1 << 30))
                || !(leaf7[1] & (1u << 31)))  /* AVX-512 F, DQ, CD, BW, VL */
            return 3;
        return 4;
    }
    #else
    static int fastdnn_cpu_level(void) { return 0; }
    #endif
    """
    int fastdnn_cpu_level()


cdef dict _needs = {"base": 0, "v3": 3, "v4": 4}

# the levels that were built and that this processor can run, slowest first
available = tuple(
    name for name, needed in _needs.items()
    if needed <= fastdnn_cpu_level() and find_spec(f"fastdnn._core.level_{name}") is not None
)
level = os.environ.get("FASTDNN_SIMD") or available[len(available) - 1]

if level not in _needs:
    raise ImportError(f"FASTDNN_SIMD must be one of {', '.join(_needs)}, got {level!r}")
if level not in available:
    raise ImportError(
        f"FASTDNN_SIMD={level} needs instructions that this processor lacks; "
        f"it can run {', '.join(available)}"
    )

_level = import_module(f"fastdnn._core.level_{level}")
verbs = <const Verbs *> PyCapsule_GetPointer(_level.verbs(), "fastdnn.Verbs")


# --------------------------------------------------------------------------------- reproducibility

# whether this level gives the same bits as each other one of which that is true
reproduces = bool(verbs.fused)
demanded = False


def promised(reproducible):
    """Judge whether the same bits everywhere are demanded; None: what the process demands.

    Raises
    ------
    TypeError
        If it is neither a bool nor None.
    ValueError
        If they are, but this level cannot give them.
    """
    if reproducible is None:
        return demanded
    if reproducible.__class__.__name__ not in ("bool", "bool_"):
        raise TypeError(
            f"reproducible must be True, False or None, got {type(reproducible).__name__}"
        )
    if reproducible and not reproduces:
        raise ValueError(
            "reproducible=True needs an instruction set with fused multiply-adds (AVX2 or NEON): "
            f"the level {level!r} has none"
        )
    return bool(reproducible)


def demand(reproducible):
    """Set what the process demands, of the functions that let BLAS have several threads too."""
    global demanded
    demanded = promised(reproducible)


# ------------------------------------------------------------------------------------------- caches

# if the system does not tell the sizes: those of the processors that the products were written for
DEFAULT_CACHES = (32768, 1048576)


def read_caches(folder="/sys/devices/system/cpu/cpu0/cache"):
    """Read the sizes of the first- and second-level data caches, in bytes, where Linux tells them.

    Parameters
    ----------
    folder : str or Path
        Where the kernel describes the first processor's caches.

    Returns
    -------
    first, second : int
        `DEFAULT_CACHES` if a size is missing or impossible.
    """
    sizes = {}
    for index in sorted(Path(folder).glob("index*")):
        try:
            kind, level, size = (
                (index / name).read_text(encoding="ascii").strip()
                for name in ("type", "level", "size")
            )
            if kind != "Instruction":
                unit = {"K": 1024, "M": 1048576}.get(size[-1:], 1)
                sizes[int(level)] = int(size.rstrip("KM")) * unit
        except (OSError, ValueError):
            continue
    first, second = sizes.get(1, 0), sizes.get(2, 0)
    return (first, second) if 4096 <= first <= second <= 2**30 else DEFAULT_CACHES


def use_caches(Py_ssize_t first, Py_ssize_t second):
    """Choose the products' loops by these sizes of the caches, in bytes; not while any runs."""
    global caches
    # the rest of the first level is for the operands beside B
    verbs.caches.first = first // 4 * 3
    verbs.caches.second = second
    caches = (first, second)


use_caches(*read_caches())
