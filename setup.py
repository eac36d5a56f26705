"""The compiled modules of fastdnn: extensions, flags and the probe of SciPy's BLAS.

Environment switches, for development:

FASTDNN_DEBUG=1                      no optimisation, Cython's bounds checks, debug symbols
FASTDNN_SANITIZE=address,undefined   the sanitizers to build with
FASTDNN_PLAIN=1                      no vectors of GNU's kind, which not every compiler has
"""

import os
import platform
import sysconfig
from pathlib import Path

import scipy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = bool(os.environ.get("FASTDNN_DEBUG"))
SANITIZE = os.environ.get("FASTDNN_SANITIZE")
PLAIN = bool(os.environ.get("FASTDNN_PLAIN"))
MSVC = os.name == "nt"
# a macOS build for both architectures compiles every file for each
X86_64 = (
    platform.machine().lower() in ("x86_64", "amd64")
    and "arm64" not in os.environ.get("ARCHFLAGS", "")
    # of these two a build machine of another kind builds
    and not sysconfig.get_platform().endswith(("wasm32", "aarch64"))
)
# free-threaded interpreters cannot load the limited API
ABI3 = not sysconfig.get_config_var("Py_GIL_DISABLED")
MACROS = [("Py_LIMITED_API", "0x030B0000")] if ABI3 else []
MACROS += [("FASTDNN_PLAIN", "1")] if PLAIN else []

if MSVC:
    # /fp:precise, the default, does not reassociate, nor contract since Visual Studio 2022
    compile_args = ["/Od", "/Zi"] if DEBUG else []
    fast = plain = small = [] if DEBUG else ["/O2"]
    link_args = ["/DEBUG"] if DEBUG else []
    levels = {"base": plain, "v3": [*fast, "/arch:AVX2"], "v4": [*fast, "/arch:AVX512"]}
else:
    compile_args = ["-fno-trapping-math", "-fno-math-errno", "-ffp-contract=off"]
    # nothing is unwound through these modules
    compile_args += ["-O0", "-g"] if DEBUG else ["-g0", "-fno-asynchronous-unwind-tables"]
    link_args = []
    # A long loop, as of an optimiser, is a call where it is used, and not written out again. What
    # serves processors without AVX2, and what runs once a fit, may take a little longer.
    fast = [] if DEBUG else ["-O3", "--param=max-inline-insns-single=150"]
    # the course's Adam is one loop over nine arrays, none of which overlaps another
    fast += [] if DEBUG else ["--param=vect-max-version-for-alias-checks=40"]
    plain = [] if DEBUG else ["-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic"]
    small = [] if DEBUG else ["-Os"]
    if SANITIZE:
        sanitize = [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=undefined", "-g"]
        compile_args += [*sanitize, "-fno-omit-frame-pointer"]
        link_args += sanitize
    elif platform.system() == "Linux" and not DEBUG:
        link_args += ["-Wl,-s"]
    levels = {
        "base": plain,
        "v3": [*fast, "-mavx2", "-mfma"],
        "v4": [*fast, "-mfma", *(f"-mavx512{part}" for part in ("f", "bw", "cd", "dq", "vl"))],
    }
if not X86_64:
    levels = {"base": fast}


CORE = Path("fastdnn/_core")
# modules that run at import or once a fit
RARE = {"levels", "pool", "workers"}


def probe_blas_int():
    """Write blas_int.pxi: SciPy names the integer type of its BLAS since 1.18."""
    pxd = Path(scipy.__file__).parent / "linalg" / "cython_blas.pxd"
    line = (
        "from scipy.linalg.cython_blas cimport blas_int\n"
        if "blas_int" in pxd.read_text(encoding="utf-8")
        else "ctypedef int blas_int\n"
    )
    pxi = CORE / "blas_int.pxi"
    if not pxi.exists() or pxi.read_text(encoding="utf-8") != line:
        pxi.write_text(line, encoding="utf-8")


probe_blas_int()
# any of them may be a part of any module
SHARED = sorted(str(path) for pattern in ("*.pxd", "*.pxi") for path in CORE.glob(pattern))


def extension(name, flags):
    return Extension(
        f"fastdnn._core.{name}",
        [str(CORE / f"{name}.pyx")],
        define_macros=MACROS,
        py_limited_api=ABI3,
        extra_compile_args=[*compile_args, *flags],
        extra_link_args=link_args,
        depends=SHARED,
    )


class BuildExt(build_ext):
    def finalize_options(self):
        super().finalize_options()
        # each compiler takes up to half a GB
        self.parallel = self.parallel or min(4, os.cpu_count() or 1)

    def build_extensions(self):
        # an interpreter that was linked with an rpath passes it on, and the wheel would name it
        if not MSVC:
            linker = self.compiler.linker_so
            self.compiler.linker_so = [part for part in linker if "-rpath" not in part]
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=cythonize(
        [
            *(extension(f"level_{level}", flags) for level, flags in levels.items()),
            *(
                extension(path.stem, small if path.stem in RARE else fast)
                for path in sorted(CORE.glob("*.pyx"))
                if not path.stem.startswith("level_")
            ),
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "freethreading_compatible": True,
        },
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
