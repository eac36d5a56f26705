from typing import Any, Final, TypeAlias

from numpy.typing import NDArray

_Array: TypeAlias = NDArray[Any]
# A door returns None where its arguments are not what it computes on. Arrays that _arrays.py has
# brought into form always are, and Any spares their callers the question.
_MaybeNone: TypeAlias = Any
_Names: TypeAlias = tuple[tuple[str, str, str, str, str], ...]

SIGMOID_OF_Z: Final[int]
OVER_UNITS: Final[int]
COSTS: Final[dict[str, int]]
PRODUCTS: Final[int]
SKIPPING: Final[int]

def layer_forward(
    activation: int, A_prev: object, W: object, b: object
) -> tuple[_Array, _Array] | _MaybeNone: ...
def dropped_layer_forward(
    activation: int, A_prev: object, W: object, b: object, D: object, keep: float
) -> tuple[_Array, _Array, _Array] | _MaybeNone: ...
def new_mask(n: int, m: int, keep: float) -> _Array: ...
def seed_masks(seed: int) -> None: ...
def layer_backward(
    activation: int,
    dA: object,
    Z: object,
    A_prev: object,
    W: object,
    lambd: float = 0.0,
    passes: bool = True,
) -> tuple[_Array, _Array, _Array] | _MaybeNone: ...
def dropped_layer_backward(
    activation: int,
    dA: object,
    Z: object,
    A_prev: object,
    W: object,
    lambd: float,
    D: object,
    keep: float,
    in_place: bool,
    passes: bool = True,
) -> tuple[_Array, _Array, _Array, _Array | None] | _MaybeNone: ...
def activate(activation: int, Z: object) -> _Array | _MaybeNone: ...
def activate_backward(activation: int, dA: object, Z: object) -> _Array | _MaybeNone: ...
def cross_entropy(AL: object, Y: object) -> _Array | _MaybeNone: ...
def cross_entropy_backward(AL: object, Y: object) -> _Array | _MaybeNone: ...
def total(summed: int, X: object, Y: object) -> float | _MaybeNone: ...
def are_distributions(Y: object) -> bool | _MaybeNone: ...
def descend(learning_rate: float, P: object, dP: object) -> _Array | _MaybeNone: ...
def momentum(
    layers: _Names, beta: float, learning_rate: float, parameters: object, grads: object, v: object
) -> tuple[dict[str, Any], dict[str, Any]] | _MaybeNone: ...
def adam(
    layers: _Names,
    learning_rate: float,
    beta1: float,
    beta2: float,
    correction1: float,
    correction2: float,
    epsilon: float,
    corrected: bool,
    parameters: object,
    grads: object,
    v: object,
    s: object,
) -> tuple[dict[str, Any], ...] | _MaybeNone: ...
def multiply(
    A: _Array,
    trans_A: bool,
    B: _Array,
    trans_B: bool,
    C: _Array,
    ours: bool,
    steps: int = 1,
    height: int = 0,
) -> bool: ...
