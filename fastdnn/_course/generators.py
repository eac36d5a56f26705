"""Random generators: of a seed, of one's own, or the caller's. NumPy's global one is left alone."""

import threading
from copy import deepcopy
from typing import Any

import numpy as np

Rng = int | np.random.RandomState | np.random.Generator | None


class _Seeded(threading.local):
    """A thread's generator for seeds: seeding it anew costs far less than making another one."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)


_seeded = _Seeded()


def generator(
    rng: Rng, default_seed: int, name: str = "rng"
) -> np.random.RandomState | np.random.Generator:
    """Take a generator as it is, or seed this thread's, which is to be drawn from at once."""
    random = _seeded.random
    if rng is None:
        random.seed(default_seed)
        return random
    if isinstance(rng, (np.random.RandomState, np.random.Generator)):
        return rng
    try:
        random.seed(_seed(rng, name))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return random


def own_generator(rng: Rng) -> np.random.Generator:
    """Make a generator of a seed or of none, or copy one."""
    if isinstance(rng, np.random.RandomState):
        return np.random.Generator(deepcopy(rng)._bit_generator)
    if isinstance(rng, np.random.Generator):
        return deepcopy(rng)
    if rng is not None and _seed(rng) < 0:
        raise ValueError(f"rng must be at least 0, got {rng}")
    return np.random.default_rng(rng)


def _seed(rng: Any, name: str = "rng") -> int | np.integer[Any]:
    """Take what is no generator as a seed."""
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)):
        raise TypeError(
            f"{name} must be an integer, a numpy.random.Generator or a numpy.random.RandomState, "
            f"got {type(rng).__name__}"
        )
    return rng
