"""A safetensors file: named arrays and a text, of which nothing is believed before it is judged.

::

    8 bytes   N, the length of the header, little-endian
    N bytes   the header, JSON: {"W1": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]},
              ..., "__metadata__": {"fastdnn": "the text"}}
    the rest  the arrays, row by row and little-endian, without a hole
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fastdnn._arrays import LIMIT, Array

# of the header: bytes, objects within objects, arrays; and up to which bytes it is read at once
_LONGEST = 2**20
_DEEPEST = 64
_ARRAYS = 2048
_SHORT = 2**14
_ALIGNMENT = 64
_PIECE = 2**20
_KEY = "fastdnn"
_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NAMES = {4: "F32", 8: "F64"}
# what JSON is without its texts, if it is a table of arrays: {: {:,:[,],:[,]},: ...}
_ENTRIES = re.compile(rb"\{(?:,?+:\{(?:[:,]|\[[\d,]{0,80}+\])*+\})*+")
# of each byte: how much deeper it leads
_STEP = np.zeros(256, np.int8)
_STEP[[*b"[{"]] = 1
_STEP[[*b"]}"]] = -1


class ModelFileError(ValueError):
    """A file that is no model, or not a whole one.

    The message names what is wrong, and where.

    See Also
    --------
    load : Raises it.

    Examples
    --------
    >>> import io
    >>> try:
    ...     fastdnn.load(io.BytesIO(b"no model"))
    ... except fastdnn.ModelFileError:
    ...     print("another file, please")
    another file, please
    """


class Entry(NamedTuple):
    """An array in the table of a header: its place in the data, in bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


class Contents:
    """The arrays of a file, each of which is to be taken once, and its text.

    Parameters
    ----------
    entries : dict of str to Entry
        In the order of their places.
    text : str or None
        None, if the file is not of this package.
    data : ndarray of uint8
        All that follows the header.
    """

    def __init__(self, entries: dict[str, Entry], text: str | None, data: Array) -> None:
        self.text, self.entries = text, entries
        self._left, self._data = dict(entries), data

    def take(self, name: str, dtype: Any = None, shape: tuple[int | None, ...] = ()) -> Array:
        """View an array, of a type and shape; None stands for any size."""
        entry = self._left.pop(name, None)
        if entry is None:
            raise ModelFileError(f"there is no array {name!r}")
        if dtype is not None and entry.dtype != dtype:
            raise ModelFileError(f"{name} is of {entry.dtype.name}, but must be of {dtype}")
        if len(shape) != len(entry.shape) or any(
            n is not None and n != found for n, found in zip(shape, entry.shape, strict=True)
        ):
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise ModelFileError(f"{name} has shape {entry.shape}, but must have ({wanted})")
        array: Array = self._data[entry.begin : entry.end].view(entry.dtype).reshape(entry.shape)
        return array

    def run(self, names: Iterable[str]) -> Array | None:
        """View arrays of one type that follow each other as one vector; None, if they do not."""
        entries = [self.entries[name] for name in names]
        for one, other in pairwise(entries):
            if one.end != other.begin:
                return None
        dtype = entries[0].dtype
        array: Array = self._data[entries[0].begin : entries[-1].end].view(dtype)
        return array

    def end(self) -> None:
        """Refuse arrays that were not taken."""
        for name in self._left:
            raise ModelFileError(f"the array {shown(name)} belongs to nothing")


# --------------------------------------------------------------------------------------------- read


def read(file: Any, size: int | None, allow_nonfinite: bool) -> Contents:
    """Read a file to its end.

    Parameters
    ----------
    file : object with a method read
        Opened as binary.
    size : int or None
        The bytes that it has, as far as that is known.
    allow_nonfinite : bool
        Whether the arrays may hold NaN or an infinity.
    """
    length = _length(_exactly(file, 8, size, "the length of the header"))
    entries, text = parsed(_exactly(file, length, size, "the header"))
    whole = _whole(entries)
    if size is not None:
        _fits(8 + length + whole, size)
    data = _exactly(file, whole, size, "the data")
    if file.read(1):
        raise ModelFileError(
            f"there is more after the data, which ends at byte {8 + length + whole}"
        )
    return _judged(entries, text, np.frombuffer(data, np.uint8), allow_nonfinite)


def mapped(buffer: Any, allow_nonfinite: bool) -> Contents:
    """See a whole file in a buffer, which the arrays are views of."""
    size = len(buffer)
    if size < 8:
        raise ModelFileError(f"it ends at byte {size}, within the length of the header")
    length = _length(buffer[:8])
    if size < 8 + length:
        raise ModelFileError(f"it ends at byte {size}, within the header")
    entries, text = parsed(buffer[8 : 8 + length])
    _fits(8 + length + _whole(entries), size)
    data = np.frombuffer(buffer, np.uint8, offset=8 + length)
    return _judged(entries, text, data, allow_nonfinite)


def _exactly(file: Any, count: int, size: int | None, what: str) -> bytes:
    """Read so many bytes, and at no time ask for much more memory than the file has bytes."""
    most = _PIECE if size is None else max(size, 1)
    data: bytes = file.read(min(count, most))
    if not isinstance(data, bytes):
        raise TypeError(f"path must be a file opened as binary: it gave {type(data).__name__}")
    if not data and what == "the length of the header":
        raise ModelFileError("it is empty")
    if len(data) < count:
        pieces, found = [data], len(data)
        while found < count and pieces[-1]:
            pieces.append(file.read(min(count - found, most)) or b"")
            found += len(pieces[-1])
        if found < count:
            raise ModelFileError(f"it ends {count - found} bytes too soon, within {what}")
        data = b"".join(pieces)
    return data


def _length(first: bytes) -> int:
    length = int.from_bytes(first, "little")
    if not 2 <= length <= _LONGEST:
        raise ModelFileError(
            f"its first 8 bytes give {length} as the length of a header, but that is from 2 to "
            f"{_LONGEST}: this is no safetensors file"
        )
    return length


def _fits(needed: int, size: int) -> None:
    if needed != size:
        raise ModelFileError(f"it has {size} bytes, but its header speaks of {needed}")


def _whole(entries: Mapping[str, Entry]) -> int:
    return max((entry.end for entry in entries.values()), default=0)


def _judged(
    entries: dict[str, Entry], text: str | None, data: Array, allow_nonfinite: bool
) -> Contents:
    if not allow_nonfinite and entries:
        types = {entry.dtype for entry in entries.values()}
        # of one type, as most are, all at once
        if len(types) > 1 or not np.isfinite(data.view(types.pop())).all():
            for name, entry in entries.items():
                _judge_finite(shown(name), data[entry.begin : entry.end].view(entry.dtype))
    return Contents(entries, text, data)


def _judge_finite(name: str, array: Array) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        at = int(finite.argmin())
        raise ModelFileError(
            f"{name} holds {array[at]} at element {at}: allow_nonfinite=True takes it all the same"
        )


# ------------------------------------------------------------------------------------------- header


def shown(name: str) -> str:
    """Show a name of a file's, shortened, and in characters that do nothing to a terminal."""
    return name[:60] if name[:60].isprintable() else ascii(name[:60])


def _refuse_number(text: str) -> NoReturn:
    raise ModelFileError(f"the header holds {text[:40]}, where only whole numbers may stand")


def _size(text: str) -> int:
    if text[0] == "-" or len(text) > 18:
        raise ModelFileError(f"the header holds {text[:40]}, which is no size")
    return int(text)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON of its entries, of which none may have the name of another."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        found: set[str] = set()
        for name, _ in pairs:
            if name in found:
                raise ModelFileError(f"{shown(name)} stands twice in one object")
            found.add(name)
    return entries


_HEADER = json.JSONDecoder(
    object_pairs_hook=unique,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
    parse_int=_size,
)


def decoded(decoder: json.JSONDecoder, text: str, what: str) -> Any:
    """Read JSON whose depth was judged."""
    try:
        value = decoder.decode(text)
        if "\\u" in text:
            # half a pair of surrogates is no text
            json.dumps(value, ensure_ascii=False).encode()
    except ModelFileError:
        raise
    except UnicodeEncodeError:
        raise ModelFileError(f"{what} holds half a pair of surrogates") from None
    except ValueError as error:
        raise ModelFileError(f"{what} is no JSON: {error}") from None
    return value


def _skeleton(raw: bytes) -> tuple[Array, Array]:
    """Find the bytes of JSON that are in none of its texts, and where they stand."""
    # without backslashes a quotation mark begins or ends a text
    marks = np.frombuffer(raw.replace(b"\\\\", b"__").replace(b'\\"', b"__"), np.uint8)
    quotes = marks == ord('"')
    ends = np.flatnonzero(quotes)
    if len(ends) < len(marks) // 16:
        lengths = np.diff(ends, prepend=0, append=len(marks))
        within = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    else:
        within = np.cumsum(quotes, dtype=np.uint8) % 2 == 1
    for byte in b'" \t\r\n':
        within |= marks == byte
    at = np.flatnonzero(~within)
    return marks[at], at


def judge_depth(raw: bytes, what: str) -> None:
    """Refuse JSON that is nested too deeply, before anything reads it."""
    if raw.count(b"[") + raw.count(b"{") > _DEEPEST:
        steps = _STEP[_skeleton(raw)[0]]
        if np.cumsum(steps, dtype=np.int32).max(initial=0) > _DEEPEST:
            raise ModelFileError(f"{what} is nested over {_DEEPEST} deep")


def _judge_long(raw: bytes) -> None:
    """Refuse a long header that is no table of some arrays, sooner than JSON would be read."""
    bare, at = _skeleton(raw)
    text = bare.tobytes()
    if text.count(b"{") > _ARRAYS + 2 or text.count(b":") > 5 * _ARRAYS:
        raise ModelFileError(f"the header has over {_ARRAYS} arrays")
    match = _ENTRIES.match(text)
    end = match.end() if match else 0
    if text[end:] != b"}":
        where = f"at byte {8 + at[end]}" if end < len(at) else "at its end"
        raise ModelFileError(f"the header is no table of arrays {where}")


def parsed(raw: bytes) -> tuple[dict[str, Entry], str | None]:
    """Read a header: the table of its arrays, in the order of their places, and the text."""
    if raw[:1] != b"{":
        raise ModelFileError("the header must begin with {, at byte 8")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ModelFileError(f"the header is no UTF-8 at byte {8 + error.start}") from None
    if len(raw) > _SHORT:
        _judge_long(raw)
    else:
        judge_depth(raw, "the header")
    header = decoded(_HEADER, text.rstrip(" "), "the header")
    given = header.pop("__metadata__", {})
    if type(given) is not dict:
        raise ModelFileError("__metadata__ must be an object of texts")
    for name, value in given.items():
        if type(value) is not str:
            raise ModelFileError(f"__metadata__ must hold texts, but {shown(name)} is none")
    entries = [(name, _entry(name, value)) for name, value in header.items()]
    at = 0
    for _, entry in entries:
        if entry.begin != at:
            # a hole or an overlap, unless the names are in another order
            entries.sort(key=lambda named: named[1][2:])
            _judge_places(entries)
            break
        at = entry.end
    return dict(entries), given.get(_KEY)


def _judge_places(entries: list[tuple[str, Entry]]) -> None:
    """Refuse holes and overlaps."""
    at = 0
    for name, entry in entries:
        if entry.begin != at:
            what = "a hole" if entry.begin > at else "an array that overlaps another"
            raise ModelFileError(
                f"the data has {what}: {shown(name)} begins at byte {entry.begin}, not {at}"
            )
        at = entry.end


def _entry(name: str, value: Any) -> Entry:
    """Judge a row of the table: its numbers, none of which is negative, fit each other."""
    if type(value) is dict and len(value) == 3:
        try:
            dtype, shape, (begin, end) = (
                _TYPES[value["dtype"]],
                value["shape"],
                value["data_offsets"],
            )
        except (KeyError, TypeError, ValueError):
            _refuse(name, value)
        if type(shape) is list and type(begin) is type(end) is int and len(shape) <= 2:
            size = dtype.itemsize
            for n in shape:
                if type(n) is not int or n > LIMIT:
                    _refuse(name, value)
                size *= n
            if end - begin == size:
                return Entry(dtype, tuple(shape), begin, end)
    return _refuse(name, value)


def _refuse(name: str, value: Any) -> NoReturn:
    """Say what is wrong with a row of the table."""
    short = shown(name)
    if type(value) is not dict or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ModelFileError(f"{short} must have a dtype, a shape and data_offsets, and no more")
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if type(kind) is not str or kind not in _TYPES:
        raise ModelFileError(f"{short}: its dtype must be F32 or F64, got {str(kind)[:40]!r}")
    for what, sizes in (("shape", shape), ("data_offsets", offsets)):
        if type(sizes) is not list or not all(type(n) is int for n in sizes):
            raise ModelFileError(f"{short}: its {what} must be a list of whole numbers")
    if len(shape) > 2 or max(shape, default=0) > LIMIT:
        raise ModelFileError(f"{short}: its shape is {str(shape)[:80]}, which no array here has")
    raise ModelFileError(
        f"{short}: its data_offsets are {str(offsets)[:80]}, but of a shape {shape} in {kind} it "
        f"has {prod(shape) * _TYPES[kind].itemsize} bytes"
    )


# -------------------------------------------------------------------------------------------- write


def composed(arrays: Mapping[str, Array], text: str) -> list[Any]:
    """Lay out a file, in parts: its arrays stand aligned, ``W1`` at a multiple of 64 bytes.

    Raises
    ------
    ValueError
        If the header is too long.
    """
    # the wider ones first, so that all are aligned
    ordered = sorted(arrays.items(), key=lambda named: -named[1].itemsize)
    header: dict[str, Any] = {"__metadata__": {_KEY: text}}
    at = first = 0
    for name, array in ordered:
        if name == "W1":
            first = at
        header[name] = {
            "dtype": _NAMES[array.itemsize],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    raw += b" " * (-(8 + len(raw) + first) % _ALIGNMENT)
    if len(raw) > _LONGEST:
        raise ValueError(
            f"a model file has at most {_LONGEST} bytes beside its arrays, but names of features "
            f"and classes, parameters and layers take {len(raw)}"
        )
    parts: list[Any] = [len(raw).to_bytes(8, "little"), raw]
    for _, array in ordered:
        if sys.byteorder == "big":  # pragma: no cover
            array = array.byteswap()
        parts.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return parts
