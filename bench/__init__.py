"""The benchmark: ``python -m bench``, in the root of the repository.

There Python puts the root first on its path, and with it the folder of fastdnn's sources. These
are the package only where the modules were compiled in place; elsewhere it is the installed one.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_PLACE = any(path.suffix in (".so", ".pyd") for path in (ROOT / "fastdnn/_core").glob("course*"))

if not IN_PLACE:
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]

try:
    import fastdnn  # noqa: F401
except ModuleNotFoundError as error:
    raise SystemExit(f"bench: {error}; in the root of the repository, run: pip install .") from None
except ImportError as error:
    raise SystemExit(f"bench: {error}") from None
