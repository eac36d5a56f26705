"""Dropout in the course's functions: the masks that a forward pass draws, and their probability."""

import os
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from fastdnn._arrays import Array, number, real
from fastdnn._course.generators import Rng, generator

# the default of keep_prob, which is known as itself: no mask, and nothing to check
ALL = 1.0

Draw = Callable[[int, int, float], Array]


class _Own(threading.local):
    """A thread's generator for masks that nobody asks to have again."""

    def __init__(self) -> None:
        self.random = np.random.Generator(np.random.SFC64())


_own = _Own()


def _renew() -> None:
    # or processes that were forked would all draw the same masks
    global _own
    _own = _Own()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def drawing(rng: Rng, *, alone: bool = True) -> Draw:
    """Make what draws the masks of one call: (n, m) of bool, True with the probability to keep.

    From a RandomState they are ``rng.rand(n, m) < keep``, from a Generator its ``random``. Where
    functions of the caller's run between two layers, a seed gets a generator that it is not
    `alone` in using: of this call, not of the thread.
    """
    random = _own.random if rng is None else generator(rng, 0)
    if not alone and random is not rng and rng is not None:
        random = deepcopy(random)
    uniform: Any = random.random_sample if hasattr(random, "random_sample") else random.random

    def draw(n: int, m: int, keep: float) -> Array:
        mask: Array = uniform((n, m)) < keep
        return mask

    return draw


def kept_share(value: Any, name: str = "keep_prob") -> float:
    """Take a probability to keep an output."""
    keep = number(value, name)
    if not 0 < keep <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {keep}")
    return keep


def as_mask(D: Any, shape: tuple[int, ...], name: str) -> Array:
    """Take a mask of True and False, or of 1 and 0."""
    mask = real(D, name)
    if mask.shape != shape:
        raise ValueError(f"{name} has shape {mask.shape}, but its layer's Z has {shape}")
    if mask.dtype != bool and not np.all((mask == 0) | (mask == 1)):
        raise ValueError(f"{name} must be a mask of True and False, or of 1 and 0")
    return np.array(mask, bool)
