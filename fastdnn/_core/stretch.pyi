from collections.abc import Sequence
from typing import Any, TypeAlias, final

from numpy.typing import NDArray

from fastdnn._core.training import Trainer

_Array: TypeAlias = NDArray[Any]

def shuffled(bits: Any, order: _Array) -> None: ...

@final
class Stretch:
    steps: int
    end: str
    over: bool
    interrupt: BaseException | None
    filled: int
    costs: list[float]
    losses: list[float]
    scores: list[float]
    times: list[float]
    improvement: tuple[float, int, bool]

    def __new__(
        cls,
        trainer: Trainer,
        count: int | None,
        bits: Any,
        order: _Array | None,
        shared: bool,
        passed: float,
        most: float,
    ) -> Stretch: ...
    def validate(
        self, data: Any, piece: int, weight: float, factor: float, constant: float
    ) -> None: ...
    def judge(
        self,
        what: str,
        tol: float,
        patience: float,
        best_params: _Array | None,
        classes: _Array | None,
    ) -> None: ...
    def keep(self, best_params: _Array, classes: _Array | None) -> None: ...
    def go_on(self, best: float, stayed: int, has_best: bool) -> None: ...
    def run(self, rates: float | Sequence[float] | _Array, seconds: float) -> None: ...
