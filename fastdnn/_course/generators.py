"""Random generators: of a seed, of one's own, or the caller's. NumPy's global one is left alone."""

import threading
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# what `numpy.random.default_rng` takes, and the older RandomState
Rng: TypeAlias = (
    int
    | Sequence[int]
    | NDArray[np.integer[Any]]
    | np.random.SeedSequence
    | np.random.BitGenerator
    | np.random.Generator
    | np.random.RandomState
    | None
)

# what is drawn from, and so goes on: other seeds begin anew
_GOING_ON = (np.random.Generator, np.random.RandomState, np.random.BitGenerator)


class _Seeded(threading.local):
    """A thread's generator for seeds: seeding it anew costs far less than making another one."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)


_seeded = _Seeded()


def generator(
    rng: Rng, default_seed: int, name: str = "rng", *, alone: bool = True
) -> np.random.RandomState | np.random.Generator:
    """Take a generator as it is, or make one; an integer gives the course's digits.

    For an integer it is this thread's, which is to be drawn from at once; where functions of the
    caller's run between two draws, it is not `alone` in using that one, and gets another.
    """
    if isinstance(rng, (np.random.RandomState, np.random.Generator)):
        return rng
    seed: Any = default_seed if rng is None else rng
    if not _is_integer(seed):
        return _made(seed, name)
    random = _seeded.random if alone else np.random.RandomState(0)
    try:
        random.seed(seed)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return random


def first_generator(rng: Any) -> np.random.Generator:
    """Take the generator of a network's first weights, as `numpy.random.default_rng` does."""
    if isinstance(rng, np.random.RandomState):
        return np.random.Generator(rng._bit_generator)
    if _is_integer(rng) and rng < 0:
        raise ValueError(f"rng must be at least 0, got {rng}")
    return _made(rng, "rng")


def own_generator(first: np.random.Generator, rng: Rng) -> np.random.Generator:
    """Take the generator that a network keeps, and nobody else has, after its first weights.

    One that was made of a seed goes on. The caller's gives a seed: so its networks are trained each
    by itself, in any order and at the same time.
    """
    if not isinstance(rng, _GOING_ON):
        return first
    bits = first.bit_generator
    words: NDArray[Any] = bits.random_raw(4)
    seeds, kind = np.random.SeedSequence([int(word) for word in words]), type(bits)
    if getattr(np.random, kind.__name__, None) is not kind:
        return np.random.Generator(np.random.PCG64(seeds))
    # a copy, since a subclass may draw in its own way
    own = deepcopy(first)
    own.bit_generator.state = kind(seeds).state
    return own


def _made(rng: Any, name: str) -> np.random.Generator:
    """Make a generator as NumPy does, of what is known as a seed or as bits."""
    known = (np.random.SeedSequence, *_GOING_ON)
    if not (rng is None or _is_integer(rng) or isinstance(rng, known) or _are_integers(rng)):
        raise TypeError(
            f"{name} must be an integer or a list of integers, or a SeedSequence, BitGenerator, "
            f"Generator or RandomState of numpy.random, got {type(rng).__name__}"
        )
    try:
        return np.random.default_rng(rng)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _are_integers(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.ndim == 1 and values.dtype.kind in "iu"
    return isinstance(values, (list, tuple, range)) and all(map(_is_integer, values))
