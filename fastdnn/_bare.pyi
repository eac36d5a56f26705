from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import DTypeLike, NDArray

_Array: TypeAlias = NDArray[Any]

def products(
    layer_dims: Sequence[int], m: int, dtype: DTypeLike, steps: int, backward: bool = True
) -> None: ...
def multiply(
    A: _Array, trans_A: bool, B: _Array, trans_B: bool, C: _Array, ours: bool, steps: int = 1
) -> bool: ...
