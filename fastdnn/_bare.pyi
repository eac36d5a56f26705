from collections.abc import Sequence

from numpy.typing import DTypeLike

def products(
    layer_dims: Sequence[int], m: int, dtype: DTypeLike, steps: int, backward: bool = True
) -> None: ...
