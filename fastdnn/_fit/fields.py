"""The values of a document: what JSON can say of Python's, and how each entry is judged.

A tuple is ``{"tuple": [...]}``, bytes are ``{"bytes": "..."}`` with a character for each, a dict is
``{"dict": [[key, value], ...]}``, and a number that is not finite ``{"number": "inf"}``.
"""

import json
import math
from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from reprlib import Repr
from typing import Any, NoReturn

import numpy as np

from fastdnn._fit.container import ModelFileError, decoded, judge_depth, shown, unique

# what 64 bits hold, signed or not
_LEAST, _MOST = -(2**63), 2**64 - 1
# steps and epochs that a long training is far from, and that 64 bits can go on counting
MOST = 2**62 - 1
_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2
# of a document: objects and items
_MARKS = {"{": 2**12, ",": 2**17}
# lists within lists, of a value
_LEVELS = 8


def _refuse_constant(text: str) -> NoReturn:
    raise ModelFileError(f"the document holds {text}, which is no JSON")


_DOCUMENT = json.JSONDecoder(object_pairs_hook=unique, parse_constant=_refuse_constant)


def parsed(text: str) -> Any:
    """Read a document."""
    for mark, most in _MARKS.items():
        if text.count(mark) > most:
            raise ModelFileError(f"the document has over {most} {mark!r}")
    judge_depth(text.encode(), "the document")
    return decoded(_DOCUMENT, text, "the document")


def written(document: dict[str, Any]) -> str:
    """Write a document.

    Raises
    ------
    ValueError
        If it holds half a pair of surrogates.
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"a model file cannot hold {error.object[error.start]!r}, half a pair of surrogates, "
            "as a part of a label, name or parameter"
        ) from None
    return text


# ------------------------------------------------------------------------------------------- values


def encoded(value: Any, name: str, levels: int = _LEVELS) -> Any:
    """Say a plain value in JSON.

    Raises
    ------
    TypeError
        If it is none: a function, say, or another object.
    ValueError
        If a number has over 64 bits, or lists are nested too deeply.
    """
    if value is None or isinstance(value, (bool, np.bool_)):
        return value if value is None else bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, Integral):
        return _bounded(int(value), name)
    if isinstance(value, (Real, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else {"number": str(number)}
    if not levels:
        raise ValueError(f"{name} is nested too deeply for a model file")
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = value.tolist()
    items: list[Any]
    if type(value) in (list, tuple):
        items = [encoded(item, f"{name}[{i}]", levels - 1) for i, item in enumerate(value)]
        return items if type(value) is list else {"tuple": items}
    if type(value) is dict:
        pairs = [
            [encoded(k, f"a key of {name}", 0), encoded(v, f"{name}[{k!r}]", levels - 1)]
            for k, v in value.items()
        ]
        return {"dict": pairs}
    raise TypeError(
        f"{name} is of type {type(value).__name__}, which a model file cannot hold: texts, "
        "numbers, None, and lists, tuples and dicts of these it can"
    )


def _bounded(value: int, name: str) -> int:
    if not _LEAST <= value <= _MOST:
        raise ValueError(f"{name} is an integer of over 64 bits, which a model file cannot hold")
    return value


def value_of(said: Any, where: str, levels: int = _LEVELS) -> Any:
    """Take a plain value from what JSON says of it."""
    kind = type(said)
    if said is None or kind in (bool, str):
        return said
    if kind is int or kind is float:
        return number_of(said, where)
    if not levels:
        raise ModelFileError(f"{where} is nested too deeply")
    if kind is list:
        return [value_of(item, where, levels - 1) for item in said]
    if len(said) == 1:
        ((word, inner),) = said.items()
        if word == "number":
            return number_of(said, where)
        if word == "bytes" and type(inner) is str:
            try:
                return inner.encode("latin-1")
            except UnicodeEncodeError:
                raise ModelFileError(f"{where} must have a byte for each character") from None
        if word == "tuple" and type(inner) is list:
            return tuple(value_of(inner, where, levels))
        if word == "dict" and type(inner) is list:
            return _dict_of(inner, where, levels)
    raise ModelFileError(f"{where} is no value: {_SHORT.repr(said)}")


def _dict_of(pairs: list[Any], where: str, levels: int) -> dict[Any, Any]:
    made = {}
    for pair in pairs:
        if type(pair) is not list or len(pair) != 2:
            raise ModelFileError(f"{where} must hold pairs of a key and a value")
        key = value_of(pair[0], f"a key of {where}", 1)
        if isinstance(key, (list, dict, tuple)):
            raise ModelFileError(f"{where} has a key that is no text or number")
        made[key] = value_of(pair[1], where, levels - 1)
    if len(made) != len(pairs):
        raise ModelFileError(f"{where} has a key twice")
    return made


def number_of(said: Any, where: str) -> Any:
    """Take a number: of 64 bits or a finite float, or one of the words for what is not finite."""
    if type(said) is int and _LEAST <= said <= _MOST:
        return said
    if type(said) is float and math.isfinite(said):
        return said
    if type(said) is dict and said.keys() == {"number"}:
        word = said["number"]
        if type(word) is str and word in _NOT_FINITE:
            return _NOT_FINITE[word]
    raise ModelFileError(f"{where} must be a number of 64 bits, got {_SHORT.repr(said)}")


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


class Fields:
    """An object of a document, whose entries are taken one after the other.

    Parameters
    ----------
    said : Any
        What stands in the document.
    where : str
        Its name there.
    """

    def __init__(self, said: Any, where: str) -> None:
        if type(said) is not dict:
            raise ModelFileError(f"{where} must be an object, got {_SHORT.repr(said)}")
        self._left, self.where = dict(said), where

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> Any:
        """Take an entry as it is."""
        if name not in self._left:
            raise ModelFileError(f"{self.where} has no {name!r}")
        return self._left.pop(name)

    def refuse(self, name: str, expected: str, said: Any) -> NoReturn:
        """Say what an entry must be."""
        raise ModelFileError(f"{self.where}: {name} must be {expected}, got {_SHORT.repr(said)}")

    def whole(self, name: str, least: int = 0, most: int = MOST) -> int:
        """Take a whole number."""
        said = self.take(name)
        if type(said) is not int or not least <= said <= most:
            self.refuse(name, f"a whole number from {least} to {most}", said)
        return int(said)

    def number(self, name: str) -> float:
        """Take a number, of any value."""
        return float(number_of(self.take(name), f"{self.where}: {name}"))

    def flag(self, name: str) -> bool:
        """Take true or false."""
        said = self.take(name)
        if type(said) is not bool:
            self.refuse(name, "true or false", said)
        return bool(said)

    def text(self, name: str, among: Iterable[str] | None = None) -> str:
        """Take a text, one of some."""
        said = self.take(name)
        if type(said) is not str or (among is not None and said not in tuple(among)):
            expected = "a text" if among is None else f"one of {', '.join(among)}"
            self.refuse(name, expected, said)
        return str(said)

    def items(self, name: str, kind: type) -> list[Any]:
        """Take a list, all of whose items are of one type of JSON."""
        said = self.take(name)
        if type(said) is not list or any(type(item) is not kind for item in said):
            self.refuse(name, f"a list of type {kind.__name__}", said)
        return list(said)

    def value(self, name: str) -> Any:
        """Take a plain value."""
        return value_of(self.take(name), f"{self.where}: {name}")

    def within(self, name: str) -> "Fields":
        """Take an object."""
        return Fields(self.take(name), f"{self.where}.{name}")

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        """Show the entries of an object, in characters that do nothing to a terminal."""
        for key, said in self.within(name)._left.items():
            try:
                shown = _SHORT.repr(value_of(said, key))
            except ModelFileError:  # an object of its own
                shown = _SHORT.repr(said)
            yield _plain(key[:60]), _plain(shown)

    def end(self) -> None:
        """Refuse what was not taken."""
        for name in self._left:
            raise ModelFileError(f"{self.where} has an unknown entry {shown(name)}")
