"""The generators of fits that begin with a seed."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# of fits that have ended: NumPy seeds a new one from the system first, which takes longer than an
# epoch of some hundred examples
_spare: list[np.random.RandomState] = []


@contextmanager
def begun(seed: int) -> Iterator[np.random.RandomState]:
    """Lend a generator that a seed has begun anew; nobody keeps it."""
    try:
        random = _spare.pop()
    except IndexError:
        random = np.random.RandomState(0)
    try:
        random.seed(seed)
        yield random
    finally:
        _spare.append(random)
