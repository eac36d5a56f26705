"""Arrays as programs make them: the same numbers in every memory, type and container.

`given` draws one. What comes back says what the numbers are and whether they are to be taken.
"""

import tempfile
import warnings
from array import array as typed_array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

try:
    import pandas
except ImportError:
    pandas = None

_folder = tempfile.TemporaryDirectory(prefix="campaign")
_maps = 0


@dataclass
class Given:
    """An argument.

    Attributes
    ----------
    value : object
        What is passed.
    plain : ndarray or None
        Its numbers in float64, if they are to be taken; None if not, or if it may be either.
    form : str
        What was done to it.
    refused : bool
        Whether it must be refused.
    ordinary : bool
        Whether the numbers are finite, and neither huge nor tiny.
    """

    value: object
    plain: object
    form: str
    refused: bool = False
    ordinary: bool = True


class Sub(np.ndarray):
    """A subclass that changes nothing."""


class Interface:
    """An object that gives an array where it is asked for one."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array if dtype is None else self._array.astype(dtype)


class Scheme:
    """An object that shows its memory by the older protocol."""

    def __init__(self, array):
        self._array = array
        self.__array_interface__ = array.__array_interface__


# ------------------------------------------------------------------------------------------- memory


def _negative(a):
    return a[::-1, ::-1].copy()[::-1, ::-1] if a.ndim == 2 else a[::-1].copy()[::-1]


def _strided(a):
    wide = np.zeros((*a.shape[:-1], 3 * a.shape[-1] + 1), a.dtype)
    wide[..., 1::3] = a
    return wide[..., 1::3]


def _sliced(a):
    tall = np.zeros((2 * a.shape[0] + 1, *a.shape[1:]), a.dtype)
    tall[1::2] = a
    return tall[1::2]


def _misaligned(a):
    memory = np.zeros(a.nbytes + 16, np.uint8)
    out = memory[1 : 1 + a.nbytes].view(a.dtype).reshape(a.shape)
    out[...] = a
    return out


def _misaligned_f(a):
    return _misaligned(np.ascontiguousarray(a.T)).T


def _packed(a):
    record = np.zeros(a.shape[0], np.dtype([("id", "u1"), ("x", a.dtype, a.shape[1:])]))
    record["x"] = a
    return record["x"]


def _odd_field(a):
    # strides that are no whole elements, behind an aligned first one
    record = np.zeros(a.shape, np.dtype([("x", a.dtype), ("id", "u1", 3)]))
    record["x"] = a
    return record["x"]


def _recarray(a):
    record = np.zeros(a.shape[0], np.dtype([("x", a.dtype, a.shape[1:]), ("n", "i8")]))
    record["x"] = a
    return record.view(np.recarray).x


def _readonly(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def _memmap(a):
    global _maps
    _maps += 1
    path = Path(_folder.name) / f"{_maps % 64}.bin"
    path.unlink(missing_ok=True)
    out = np.memmap(path, a.dtype, "w+", offset=8, shape=a.shape)
    out[...] = a
    return out


def _bytes(a):
    return np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape)


def _transposed(a):
    return np.ascontiguousarray(a.T).T


def _frame(a):
    if pandas is None or a.ndim != 2 or a.dtype.byteorder == ">":
        return a
    return pandas.DataFrame(a)


def _typed(a):
    return typed_array(a.dtype.char, a.tolist()) if a.ndim == 1 and a.dtype.char in "fd" else a


MEMORY = {
    "C": np.ascontiguousarray,
    "transposed": _transposed,
    "negative": _negative,
    "strided": _strided,
    "sliced": _sliced,
    "misaligned": _misaligned,
    "misaligned transposed": _misaligned_f,
    "packed": _packed,
    "odd field": _odd_field,
    "recarray": _recarray,
    "readonly": _readonly,
    "memmap": _memmap,
    "bytes": _bytes,
    "subclass": lambda a: a.view(Sub),
    "interface": Interface,
    "scheme": Scheme,
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "list of arrays": list,
    "memoryview": lambda a: memoryview(a) if a.dtype.isnative and a.dtype.char != "e" else a,
    "typed": _typed,
    "frame": _frame,
}

TYPES = {
    "f8": "f8", "f4": "f4",
    "named f8": np.dtype("f8").newbyteorder("<"), "named f4": np.dtype("f4").newbyteorder("<"),
    "big f8": ">f8", "big f4": ">f4", "f2": "f2", "big f2": ">f2",
    "i8": "i8", "named i8": np.dtype("i8").newbyteorder("<"), "i4": "i4", "big i4": ">i4",
    "i1": "i1", "u1": "u1", "u8": "u8", "bool": "?",
}  # fmt: skip


# ------------------------------------------------------------------------------------------ refused


def _itself(a):
    value = a.tolist()
    value.append(value)
    return value


def _deep(a):
    value = a.tolist()
    for _ in range(3000):
        value = [value]
    return value


def _structured(a):
    return np.zeros(a.shape, np.dtype([("x", "f8"), ("y", "f8")]))


REFUSED = {
    "complex": lambda a: a.astype(complex),
    "longdouble": lambda a: a.astype(np.longdouble),
    "clongdouble": lambda a: a.astype(np.clongdouble),
    "masked": np.ma.masked_array,
    "masked in a list": lambda a: [np.ma.masked_array(row, row > 0) for row in a],
    "words": lambda a: np.full(a.shape, "one"),
    "bytes of words": lambda a: np.full(a.shape, b"one"),
    "objects": lambda a: np.full(a.shape, object()),
    "ragged": lambda a: [a[0].tolist(), [1.0] * 70] if a.ndim == 2 else [1.0, [2.0, 3.0]],
    "itself": _itself,
    "deep": _deep,
    "empty": lambda a: a[:0],
    "empty columns": lambda a: a[..., :0],
    "no list": lambda a: [],
    "none": lambda a: None,
    "nones": lambda a: [[None] * a.shape[-1]] * a.shape[0],
    "dict": lambda a: {"a": a},
    "word": lambda a: "array",
    "generator": lambda a: (row for row in a),
    "set": lambda a: {1.0, 2.0},
    "dates": lambda a: np.zeros(a.shape, "M8[s]"),
    "times": lambda a: np.zeros(a.shape, "m8[s]"),
    "structured": _structured,
    "four dimensions": lambda a: a.reshape(1, 1, *a.shape[-2:]) if a.ndim > 1 else a[None, None],
}

# what may be taken or not, but must never crash
EITHER = {
    "object numbers": lambda a: a.astype(object),
    "zero-dimensional": lambda a: np.array(0.5),
    "number": lambda a: 0.5,
    "matrix": np.asmatrix,
    "nullable": lambda a: pandas.DataFrame(a).convert_dtypes() if pandas else a,
    "object frame": lambda a: pandas.DataFrame(a).astype(object) if pandas else a,
    "void": lambda a: a.view("V8"),
    "series": lambda a: pandas.Series(a.ravel()) if pandas else a,
    "one more dimension": lambda a: a[None],
}

EXTREME = {
    "huge": 1e300, "large": 1e38, "tiny": 1e-300, "small": 1e-39, "subnormal": 5e-324,
    "infinite": np.inf, "minus infinite": -np.inf, "nan": np.nan, "minus zero": -0.0,
    "past int64": 2.0**63, "past single": 3.5e38,
}  # fmt: skip


# -------------------------------------------------------------------------------------------- given


def given(draw, values, types=tuple(TYPES), odd=0.12, extreme=0.06):
    """Draw the form of an argument of these numbers, one- or two-dimensional, in float64.

    Parameters
    ----------
    draw : Draw
    values : ndarray of float64
    types : tuple of str
        The element types to draw from, some of TYPES.
    odd, extreme : float
        How often it is what need not be taken, and how often it holds numbers at the bounds.
    """
    if draw.chance(odd):
        name = draw.pick([*REFUSED, *EITHER])
        make = REFUSED.get(name) or EITHER[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = make(values)
        return Given(value, None, name, refused=name in REFUSED, ordinary=False)
    ordinary, form = True, ""
    values = values.copy()
    if draw.chance(extreme):
        form = draw.pick(list(EXTREME))
        ordinary = form == "minus zero"
        some = draw.rng.random(values.shape) < draw.pick((0.05, 1.0))
        values[some] = EXTREME[form]
    elif draw.chance(0.05):
        form = "broadcast "
        values = np.broadcast_to(values[:1], values.shape)
    kind = draw.pick(types)
    if not ordinary and TYPES[kind] not in ("f8", ">f8"):
        kind = draw.pick(("f8", "big f8", "named f8"))
    if kind.startswith("u"):
        values = np.abs(values)
    with np.errstate(all="ignore"):
        typed = values.astype(TYPES[kind], copy=form != "broadcast " or kind != "f8")
    memory = "C" if form == "broadcast " and kind == "f8" else draw.pick(list(MEMORY))
    value = typed if form == "broadcast " and kind == "f8" else MEMORY[memory](typed)
    plain = typed.astype(np.float64)
    return Given(value, plain, f"{form} {kind} {memory}".strip(), ordinary=ordinary)
