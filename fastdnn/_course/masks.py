"""Dropout in the course's functions: the masks that a forward pass draws, and their probability."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fastdnn._arrays import Array, number, real
from fastdnn._core import course
from fastdnn._course.generators import Rng, generator

# the default of keep_prob, which is known as itself: no mask, and nothing to check
ALL = 1.0

# what gives a mask (n, m) of bool, True with the probability to keep
Draw = Callable[[int, int, float], Array]


def _renew() -> None:
    course.seed_masks(int.from_bytes(os.urandom(8), "little"))


_renew()
if hasattr(os, "register_at_fork"):
    # or processes that were forked would all draw the same masks
    os.register_at_fork(after_in_child=_renew)


def drawing(rng: Rng, *, alone: bool = True) -> Draw:
    """Make what draws the masks of one call; None draws masks of our own.

    From a RandomState they are ``rng.rand(n, m) < keep``, from a Generator its ``random``. Where
    functions of the caller's run between two layers, a seed gets a generator that it is not
    `alone` in using: of this call, not of the thread.
    """
    if rng is None:
        return course.new_mask
    random = generator(rng, 0, alone=alone)
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
