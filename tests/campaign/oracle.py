"""What must hold of every call: how it may end, what it may say, that no input is written to."""

import re

import numpy as np

# how a call may end, beside well
ENDS = (TypeError, ValueError, FloatingPointError, RuntimeError, MemoryError, KeyboardInterrupt)
# the classes below these that mean a fault of ours: a recursion without end, a value that C refused
FAULTS = (RecursionError, UnicodeError, NotImplementedError)


class FaultError(AssertionError):
    """A call ended as none may end."""


class Draw:
    """What the calls are drawn from: a generator of NumPy's with shorter words."""

    def __init__(self, *seed):
        self.rng = np.random.default_rng(seed)

    def pick(self, things):
        """Draw one of some things."""
        return things[int(self.rng.integers(len(things)))]

    def chance(self, probability):
        """Draw whether."""
        return bool(self.rng.random() < probability)

    def whole(self, least, most):
        """Draw a whole number, the bounds included."""
        return int(self.rng.integers(least, most + 1))

    def normal(self, *shape):
        """Draw an array of ordinary numbers."""
        return self.rng.normal(size=shape)


class Inputs:
    """The arguments of a call, and the bytes behind them."""

    def __init__(self, **given):
        self.given = given
        self._before = {name: _bytes(value) for name, value in given.items()}

    def check(self):
        """Demand that nothing was written to."""
        for name, value in self.given.items():
            if _bytes(value) != self._before[name]:
                raise FaultError(f"{name} was written to")


def _bytes(value):
    """Copy the memory that a value shows, and all of what it is a view of."""
    if isinstance(value, dict):
        return [(key, _bytes(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        # a list may contain itself
        return [_bytes(item) if isinstance(item, np.ndarray) else id(item) for item in value]
    if hasattr(value, "tocsr"):
        return [_bytes(getattr(value, name, None)) for name in ("data", "indices", "indptr")]
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        return repr(value) if isinstance(value, np.ndarray) else id(value)
    while isinstance(value.base, np.ndarray):
        value = value.base
    return np.asarray(value).tobytes()


class Outcome:
    """How a call ended.

    Parameters
    ----------
    call : callable
        Without arguments.
    also : tuple of types
        Exceptions that are documented for this call alone.
    """

    def __init__(self, call, also=()):
        self.result = self.error = None
        try:
            self.result = call()
        except (*ENDS, *also) as error:
            if isinstance(error, FAULTS):
                raise FaultError(f"{type(error).__name__}: {error}") from error
            self.error = error
        except Exception as error:
            raise FaultError(f"{type(error).__name__}: {error}") from error

    def accepted(self):
        """Demand that it ended well; returns what it returned."""
        if self.error is not None:
            raise FaultError(
                f"refused what is valid: {type(self.error).__name__}: {self.error}"
            ) from self.error
        return self.result

    def refused(self, *names):
        """Demand that it was refused, and that the message names one of the arguments."""
        if self.error is None:
            raise FaultError(
                f"accepted what is not valid ({', '.join(names)}): {self.result!r:.200}"
            )
        self.named(*names)

    def named(self, *names):
        """Demand that the message of an error, if there is one, names one of the arguments."""
        if self.error is None or isinstance(self.error, (KeyboardInterrupt, MemoryError)):
            return
        text = str(self.error)
        if not any(re.search(rf"(?<![A-Za-z]){re.escape(name)}(?![a-z])", text) for name in names):
            raise FaultError(
                f"the message names none of {', '.join(names)}: {text!r}"
            ) from self.error


def no_none(result, what="the result"):
    """Demand that there is no None in a result."""
    if result is None:
        raise FaultError(f"{what} is None")
    if isinstance(result, (tuple, list)):
        for i, item in enumerate(result):
            no_none(item, f"{what}[{i}]")
    if isinstance(result, dict):
        for key, item in result.items():
            no_none(item, f"{what}[{key!r}]")
    return result


def close(result, right, what, digits=None):
    """Demand that a result is the right one, to the digits that its type can have."""
    result, right = np.asarray(result), np.asarray(right, np.float64)
    if result.shape != right.shape:
        raise FaultError(f"{what} has shape {result.shape}, right is {right.shape}")
    if result.dtype.char not in "fd":
        raise FaultError(f"{what} has element type {result.dtype}")
    digits = digits or (1e-9 if result.dtype.char == "d" else 2e-3)
    with np.errstate(all="ignore"):
        size = np.abs(right[np.isfinite(right)]).max(initial=1e-3)
        good = np.abs(result - right) <= digits * size
        good |= (result == right) | (np.isnan(result) & np.isnan(right))
    if not good.all():
        at = tuple(np.argwhere(~good)[0])
        raise FaultError(f"{what}{list(map(int, at))} is {result[at]!r}, right is {right[at]!r}")


def finite(result, what):
    """Demand that every number in a result is finite."""
    if not np.isfinite(np.asarray(result)).all():
        raise FaultError(f"{what} is not finite, where the input is: {result!r:.200}")
