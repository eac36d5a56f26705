from pathlib import Path
from typing import Any, Final

available: Final[tuple[str, ...]]
level: Final[str]
reproduces: Final[bool]

caches: tuple[int, int]
DEFAULT_CACHES: Final[tuple[int, int]]

def read_caches(folder: str | Path = ...) -> tuple[int, int]: ...
def promised(reproducible: Any) -> bool: ...
def demand(reproducible: Any) -> None: ...
def use_caches(first: int, second: int) -> None: ...
