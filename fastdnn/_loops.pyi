from typing import Final

available: Final[tuple[str, ...]]
level: Final[str]
