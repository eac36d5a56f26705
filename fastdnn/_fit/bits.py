"""Random generators as JSON: a state of NumPy's, by the fixed table of its bit generators.

NumPy believes what it is given as a state: a position outside its words would read foreign memory,
and words of a cycle of length one would give a number that some draw refuses forever.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastdnn._fit.container import ModelFileError
from fastdnn._fit.fields import Fields

# of each part of a state the greatest value; of several words their number too
_UNUSED = {"has_uint32": 1, "uinteger": 2**32 - 1}
_WORD = 2**64 - 1
_LAYOUTS: dict[str, dict[str, Any]] = {
    "PCG64": {"state": {"state": 2**128 - 1, "inc": 2**128 - 1}, **_UNUSED},
    "PCG64DXSM": {"state": {"state": 2**128 - 1, "inc": 2**128 - 1}, **_UNUSED},
    "SFC64": {"state": {"state": (_WORD, 4)}, **_UNUSED},
    "Philox": {
        "state": {"counter": (_WORD, 4), "key": (_WORD, 2)}, "buffer": (_WORD, 4),
        "buffer_pos": 4, **_UNUSED,
    },
    "MT19937": {"state": {"key": (2**32 - 1, 624), "pos": 624}},
}  # fmt: skip


def said_of(generator: Any, name: str) -> dict[str, Any]:
    """Say the state of a Generator or a RandomState.

    Raises
    ------
    TypeError
        If it is of another type, or its bit generator is none of NumPy's.
    """
    legacy = type(generator) is np.random.RandomState
    if not legacy and type(generator) is not np.random.Generator:
        raise TypeError(f"{name} is of type {type(generator).__name__}: {_CANNOT}")
    bits = generator._bit_generator if legacy else generator.bit_generator
    kind = type(bits).__name__
    if kind not in _LAYOUTS or type(bits) is not getattr(np.random, kind):
        raise TypeError(f"the bit generator of {name} is of type {kind}: {_CANNOT}")
    said = {"name": kind, **_plain(bits.state, _LAYOUTS[kind])}
    if legacy:
        if kind != "MT19937":
            raise TypeError(f"{name} is a RandomState of {kind}, not of MT19937: {_CANNOT}")
        _, _, _, has_gauss, gauss = generator.get_state()
        said |= {"has_gauss": int(has_gauss), "gauss": float(gauss) if has_gauss else 0.0}
    return said


_CANNOT = "a model file cannot hold it"


def _plain(state: Mapping[str, Any], layout: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _plain(state[name], part)
        if isinstance(part, dict)
        else [int(word) for word in state[name]]
        if isinstance(part, tuple)
        else int(state[name])
        for name, part in layout.items()
    }


def generator_of(said: Fields) -> np.random.Generator:
    """Make a Generator."""
    bits = _bits_of(said)
    said.end()
    return np.random.Generator(bits)


def random_state_of(said: Fields) -> np.random.RandomState:
    """Make a RandomState."""
    bits = _bits_of(said)
    if not isinstance(bits, np.random.MT19937):
        said.refuse("name", "MT19937", type(bits).__name__)
    has_gauss, gauss = said.whole("has_gauss", 0, 1), said.number("gauss")
    if not np.isfinite(gauss):
        said.refuse("gauss", "finite", gauss)
    said.end()
    random = np.random.RandomState(0)
    state = bits.state["state"]
    random.set_state(("MT19937", state["key"], state["pos"], has_gauss, gauss))
    return random


def _bits_of(said: Fields) -> Any:
    kind = said.text("name", _LAYOUTS)
    state = _state_of(said, _LAYOUTS[kind])
    inner = state["state"]
    # of an even increment, or of no bit that counts, the states do not all follow each other
    if kind.startswith("PCG64") and inner["inc"] % 2 == 0:
        raise ModelFileError(f"{said.where}: inc must be odd")
    if kind == "MT19937" and not (inner["key"][0] >> 31 or inner["key"][1:].any()):
        raise ModelFileError(f"{said.where}: key must not be 0")
    # of a fixed table; a seed, since none is taken from the system then
    bits = getattr(np.random, kind)(0)
    bits.state = {"bit_generator": kind, **state}
    return bits


def _state_of(said: Fields, layout: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for name, part in layout.items():
        if isinstance(part, dict):
            inner = said.within(name)
            state[name] = _state_of(inner, part)
            inner.end()
        elif isinstance(part, tuple):
            most, count = part
            words = said.items(name, int)
            if len(words) != count or not 0 <= min(words) <= max(words) <= most:
                said.refuse(name, f"{count} whole numbers from 0 to {most}", words)
            state[name] = np.array(words, np.uint64 if most == _WORD else np.uint32)
        else:
            state[name] = said.whole(name, 0, part)
    return state
