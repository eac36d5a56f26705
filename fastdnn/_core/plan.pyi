from typing import Any, TypeAlias, final

from numpy.typing import NDArray

from fastdnn._core.csr import Csr

_Array: TypeAlias = NDArray[Any]

def first_nonfinite(X: _Array | Csr, single: bool) -> int: ...
def slices(rows: int) -> int: ...
def multiply(
    A: _Array, B: _Array, C: _Array, alpha: float, beta: float, begin: int, end: int
) -> None: ...

@final
class Plan:
    def __new__(
        cls,
        layer_dims: tuple[int, ...],
        offsets: tuple[int, ...],
        activations: tuple[tuple[int, bool], ...],
        output: int,
        cost: int,
        cost_parameter: float,
        params: _Array,
        alone: int,
        scale: int = 0,
    ) -> Plan: ...
    def rows(self, X: object) -> int: ...
    def outputs(self, X: object, /) -> _Array | None: ...
    def predict(
        self, X: _Array | Csr, AL: _Array, n_threads: int = 1, between: int = ...
    ) -> None: ...
    def jacobian(
        self, X: _Array | Csr, dX: _Array, output: int, first: int, stop: int, chunk: int
    ) -> None: ...
    def evaluate(
        self,
        X: _Array | Csr,
        T: _Array | None,
        labels: _Array | None,
        weights: _Array | None,
        first: int,
        stop: int,
        classes: _Array | None = None,
    ) -> Any: ...

def span(
    X: _Array,
    W0: _Array,
    V0: _Array | None,
    shares: _Array,
    pairs: tuple[tuple[_Array | None, _Array | None], ...],
    begin: int,
    end: int,
) -> None: ...
def same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool: ...
def take_over(model: Any, params: _Array, training: Any, rng: Any) -> None: ...
