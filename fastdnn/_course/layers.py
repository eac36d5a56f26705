"""A layer of the course: what it is asked to do, and its passes forward and backward.

An act says what a layer does after its linear part: the code of an activation, or a `Special`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastdnn._arrays import (
    Array,
    computed,
    layer_arrays,
    layer_gradient_arrays,
    native,
    real,
)
from fastdnn._core import course
from fastdnn._course.masks import ALL, Draw, as_mask, kept_share
from fastdnn._fit.names import ACTIVATIONS

Pair = tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]
Activation = str | Pair
LinearCache = tuple[Array, Array, Array]
Cache = tuple[LinearCache, Array] | tuple[LinearCache, Array, Array]

CODES = {name: row.code for name, row in ACTIVATIONS.items()}
CODES |= {
    "linear": CODES["identity"],
    "sigmoid": course.SIGMOID_OF_Z,
    "softmax": course.OVER_UNITS,
}
_OUTPUTS = {"sigmoid": "sigmoid", "softmax": "softmax", "identity": "identity"}
_OUTPUTS["linear"] = "identity"
IDENTITY = CODES["identity"]
RELU = CODES["relu"]
SIGMOID = CODES["sigmoid"]


class Special(NamedTuple):
    """What a layer does that is more than one activation.

    Attributes
    ----------
    code : int
        Of the activation; of the identity, if a pair of functions takes its place.
    pair : tuple of callable or None
        The functions, forward and backward.
    keep : float
        The probability of an output to be kept by dropout.
    """

    code: int
    pair: Pair | None
    keep: float


# int | Special, which whoever has one tells by its type
Act = Any


# -------------------------------------------------------------------------------- what is asked for


def act_of(activation: Any, keep_prob: Any, name: str = "activation") -> Act:
    """Take the activation of a layer, and its dropout."""
    try:
        code = CODES[activation]
    except (KeyError, TypeError):
        return Special(IDENTITY, _pair(activation, name), kept_share(keep_prob))
    if keep_prob is ALL:
        return code
    keep = kept_share(keep_prob)
    return code if keep == 1 else Special(code, None, keep)


def acts_of(
    L: int, activation: Any, output_activation: Any, keep_prob: Any, *, backward: bool = False
) -> tuple[Act, ...]:
    """Take the activations of L layers, and the dropout of the hidden ones.

    Backward from a cost an output other than sigmoid has the gradient by its linear part already.
    """
    if type(activation) is type(output_activation) is str and type(keep_prob) is float:
        return _equal_acts(L, activation, output_activation, keep_prob, backward)
    return _acts(L, activation, output_activation, keep_prob, backward)


def _acts(
    L: int, activation: Any, output_activation: Any, keep_prob: Any, backward: bool
) -> tuple[Act, ...]:
    output = CODES[output_of(output_activation)]
    if backward and output != SIGMOID:
        output = IDENTITY
    activations = _each(activation, L - 1, "activation", lambda a: isinstance(a, str) or _pairs(a))
    keeps = _each(keep_prob, L - 1, "keep_prob", np.isscalar)
    return (*tuple(map(act_of, activations, keeps))[: L - 1], output)


# programs ask for the same layers at each step
_equal_acts = lru_cache(_acts)


@lru_cache
def plain_acts(L: int) -> tuple[int, ...]:
    """Take the course's own: relu, and sigmoid on the output."""
    return (*(RELU for _ in range(L - 1)), SIGMOID)


def output_of(output_activation: Any) -> str:
    """Take the activation of an output, whose cost is known."""
    try:
        return _OUTPUTS[output_activation]
    except (KeyError, TypeError):
        known = ", ".join(map(repr, _OUTPUTS))
        raise ValueError(
            f"output_activation must be one of {known}, got {output_activation!r}"
        ) from None


def has_pair(act: Act) -> bool:
    """Whether functions of the caller's run in a layer."""
    return isinstance(act, Special) and act.pair is not None


def _each(value: Any, count: int, name: str, is_one: Callable[[Any], bool]) -> Iterable[Any]:
    """Take one value for all of so many hidden layers, or one for each.

    Where there is no hidden layer, one value is still there to be checked.
    """
    many = value.ndim > 0 if isinstance(value, np.ndarray) else isinstance(value, Sequence)
    if is_one(value) or not many:
        return [value] * max(count, 1)
    if len(value) != count:
        raise ValueError(
            f"{name} must be one value, or one for each of {count} hidden layers, got {value!r}"
        )
    return list(value)


def _pairs(activation: Any) -> bool:
    return isinstance(activation, tuple) and len(activation) == 2 and all(map(callable, activation))


def _pair(activation: Any, name: str) -> Pair:
    if _pairs(activation):
        pair: Pair = activation
        return pair
    known = ", ".join(map(repr, sorted(CODES)))
    raise ValueError(
        f"{name} must be one of {known}, or a pair of functions (forward, backward), "
        f"got {activation!r}"
    )


# ------------------------------------------------------------------------------------------ forward


def layer_forward(code: int, A_prev: Any, W: Any, b: Any, l: int = 0) -> tuple[Array, Cache]:
    """Compute layer l of a model, or a layer on its own if l is 0."""
    results = course.layer_forward(code, A_prev, W, b)
    if results is None:
        A_prev, W, b = layer_arrays(A_prev, W, b, _names(code, l))
        results = computed(course.layer_forward, code, A_prev, W, b)
    A, Z = results
    return A, ((A_prev, W, b), Z)


def special_forward(
    act: Special, draw: Draw | None, A_prev: Any, W: Any, b: Any, l: int = 0
) -> tuple[Array, Cache]:
    """Compute a layer with a mask, or with an activation of the caller's."""
    code, pair, keep = act
    if pair is not None:
        Z, cache = layer_forward(IDENTITY, A_prev, W, b, l)
        A = _result(pair[0](Z), Z, "forward")
        if keep == 1:
            return A, cache
        D = (draw or course.new_mask)(Z.shape[0], Z.shape[1], keep)
        return dropped(A, D, keep), (*cache, D)
    mask = None
    if draw is not None:
        try:
            n, m = W.shape[0], A_prev.shape[1]
        except (AttributeError, IndexError, TypeError):
            A_prev, W, b = layer_arrays(A_prev, W, b, _names(code, l))
            n, m = W.shape[0], A_prev.shape[1]
        mask = draw(n, m, keep)
    results = course.dropped_layer_forward(code, A_prev, W, b, mask, keep)
    if results is None:
        A_prev, W, b = layer_arrays(A_prev, W, b, _names(code, l))
        results = computed(course.dropped_layer_forward, code, A_prev, W, b, mask, keep)
    A, Z, D = results
    return A, ((A_prev, W, b), Z, D)


def dropped(array: Array, D: Array, keep: float) -> Array:
    """Divide by the probability to keep where the mask is True, and put 0 elsewhere."""
    result: Array = np.where(D, array / array.dtype.type(keep), array.dtype.type(0))
    return result


def _names(code: int, l: int) -> tuple[str, str, str]:
    if l:
        return (f"A{l - 1}" if l > 1 else "X", f"W{l}", f"b{l}")
    return ("A" if code == IDENTITY else "A_prev", "W", "b")


def _result(value: Any, Z: Array, name: str) -> Array:
    """Take what a function of the caller's returns, in the type of Z."""
    array = real(value, f"the result of the activation's {name} function")
    if array.shape != Z.shape:
        raise ValueError(
            f"the activation's {name} function returned shape {array.shape}, but Z has {Z.shape}"
        )
    return native(array, Z.dtype)


# ----------------------------------------------------------------------------------------- backward


def layer_backward(
    code: int, dA: Any, cache: Any, lambd: float = 0.0, l: int = 0
) -> tuple[Array, Array, Array]:
    """Compute the gradients of layer l of a model, or of a layer on its own if l is 0."""
    try:
        (A_prev, W, _), Z = cache
    except (TypeError, ValueError):
        raise _cache_error(code, cache, l) from None
    results = course.layer_backward(code, dA, Z, A_prev, W, lambd)
    if results is None:
        arrays = layer_gradient_arrays(dA, Z, A_prev, W, _gradient_names(code, l))
        results = computed(course.layer_backward, code, *arrays, lambd)
    return results


def special_backward(
    act: Special, dA: Any, cache: Any, lambd: float = 0.0, l: int = 0
) -> tuple[Array, Array, Array, Array | None]:
    """Compute the gradients of a layer with a mask, or with an activation of the caller's.

    Of a model's layer, whose dA is our own, also return what the mask leaves of dA.
    """
    code, pair, keep = act
    try:
        (A_prev, W, _), Z, *rest = cache
    except (TypeError, ValueError):
        raise _cache_error(code, cache, l) from None
    D = rest[0] if rest else None
    if len(rest) != (keep < 1) or (D is None) != (keep == 1):
        raise _cache_error(code, cache, l, keep)
    if pair is None:
        given = (dA, Z, A_prev, W)
        results = course.dropped_layer_backward(code, *given, lambd, D, keep, l > 0)
        if results is None:
            arrays = layer_gradient_arrays(*given, _gradient_names(code, l))
            D = as_mask(D, arrays[1].shape, _of("D", l))
            results = computed(course.dropped_layer_backward, code, *arrays, lambd, D, keep, l > 0)
        return results
    dA, Z, A_prev, W = layer_gradient_arrays(dA, Z, A_prev, W, _gradient_names(code, l))
    left = None
    if rest:
        dA = left = dropped(dA, as_mask(D, Z.shape, _of("D", l)), keep)
    dZ = _result(pair[1](dA, Z), Z, "backward")
    return *layer_backward(IDENTITY, dZ, ((A_prev, W, None), Z), lambd, l), left


def _gradient_names(code: int, l: int) -> tuple[str, str, str, str]:
    gradient = f"dA{l}" if l else "dZ" if code == IDENTITY else "dA"
    return (gradient, _of("Z", l), _of("A_prev", l), _of("W", l))


def _of(name: str, l: int) -> str:
    return f"{name} of caches[{l - 1}]" if l else name


def _cache_error(code: int, cache: Any, l: int, keep: float = 1.0) -> ValueError:
    name = f"caches[{l - 1}]" if l else "cache"
    try:
        count = len(cache)
    except TypeError:
        count = 0
    try:
        (_, _, _), _, _ = cache
    except (TypeError, ValueError):
        pass
    else:
        if keep == 1:
            return ValueError(f"{name} holds a mask, but its layer's keep_prob is 1")
    if keep < 1 and (count == 2 or (count == 3 and cache[2] is None)):
        return ValueError(f"{name} holds no mask, but its layer's keep_prob is {keep}")
    if count not in (2, 3):
        form = "((A_prev, W, b), Z), as linear_activation_forward returns it"
    else:
        name = name if code == IDENTITY else f"{name}[0]"
        form = "(A_prev, W, b), as linear_forward returns it"
    return ValueError(f"{name} must be {form}")
