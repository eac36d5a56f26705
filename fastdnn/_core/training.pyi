from typing import Any, TypeAlias, final

from numpy.typing import NDArray

_Array: TypeAlias = NDArray[Any]

@final
class Counts:
    steps: int
    epochs: int
    def __init__(self, steps: int = 0, epochs: int = 0) -> None: ...

@final
class Trainer:
    size: int
    steps: int

    def __new__(
        cls,
        model: Any,
        data: Any,
        settings: Any,
        training: Any,
        gram: Any,
        n_threads: int,
        after: Trainer | None = None,
    ) -> Trainer: ...
    def take(self, T: _Array | None, labels: _Array | None, weights: _Array | None) -> None: ...
    def retake(self, X: object, Y: object, least: float, most: float) -> bool: ...
    def release(self) -> None: ...
    def begin(self, learning_rate: float | _Array, ends: bool = True) -> None: ...
    def epoch(self) -> float: ...
    def gradient(self, out: _Array) -> None: ...
