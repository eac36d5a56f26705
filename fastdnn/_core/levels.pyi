from pathlib import Path
from typing import Final

available: Final[tuple[str, ...]]
level: Final[str]

caches: tuple[int, int]
DEFAULT_CACHES: Final[tuple[int, int]]

def read_caches(folder: str | Path = ...) -> tuple[int, int]: ...
def use_caches(first: int, second: int) -> None: ...
