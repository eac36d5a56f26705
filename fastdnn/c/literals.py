"""Numbers, texts and comments as C writes them, in ASCII."""

import re
from collections.abc import Iterable
from typing import Any

from fastdnn._arrays import Array

# every compiler of C99 takes a text of so many characters, with the one that ends it
LONGEST = 4095
_BITS = {"float": "uint32_t", "double": "uint64_t"}


def array(declaration: str, values: Array, real: str, indent: str = "") -> str:
    """Write numbers of float32 ("float") or float64 so that they are read as they are."""
    pattern, suffix, many = ("{:.9g}", "f", 6) if real == "float" else ("{:.17g}", "", 4)
    words = [_with_point(pattern.format(v)) + suffix for v in values.ravel().tolist()]
    lines = (", ".join(words[i : i + many]) for i in range(0, len(words), many))
    inner = f",\n{indent}    ".join(lines)
    return f"{indent}static const {real} {declaration} = {{\n{indent}    {inner}\n{indent}}};\n"


def _with_point(text: str) -> str:
    return text if "." in text or "e" in text else text + ".0"


def listed(items: Iterable[str], indent: str = "    ") -> str:
    """Write items between commas in lines that never break one of them."""
    lines = [""]
    for item in items:
        if lines[-1] and len(indent) + len(lines[-1]) + 2 + len(item) > 96:
            lines.append("")
        lines[-1] += f", {item}" if lines[-1] else item
    return ",\n".join(indent + line for line in lines)


def verbatim(text: str) -> str:
    """Mark a text of the user's, printable ASCII, for `named`, which leaves it as it is."""
    return f"\x01{text}\x02"


def named(template: str, name: str, real: str) -> str:
    """Put the name, the type and its bits into a text, all at once: a name may be one of them."""
    words = {"NAME": name, "REAL": real, "BITS": _BITS[real]}
    suffix = "f" if real == "float" else ""

    def put(found: re.Match[str]) -> str:
        kept, word, number = found.groups()
        return kept if word is number is None else suffix if number else words[word]

    return re.sub(
        r"\x01([^\x02]*)\x02|\b(NAME(?=_|\b)|(?:REAL|BITS)\b)|(?<=[0-9.])(R)\b", put, template
    )


def text(value: str | bytes) -> str:
    """Write a text between quotes; what is not printable ASCII, as octal bytes of UTF-8."""
    data = value.encode("utf-8") if isinstance(value, str) else value
    return '"' + "".join(map(_character, data)) + '"'


def _character(code: int) -> str:
    # a question mark could begin a trigraph
    if chr(code) in '"\\?':
        return "\\" + chr(code)
    return chr(code) if 32 <= code < 127 else f"\\{code:03o}"


def whole_number(value: int) -> str:
    """Write a whole number of int64_t, or of uint64_t if it is above."""
    if value == -(2**63):
        # which is no literal, but the negative of one that is too large
        return "(-9223372036854775807LL - 1)"
    return f"{value}ULL" if value >= 2**63 else f"{value}LL" if abs(value) >= 2**31 else str(value)


def in_comment(value: Any) -> str:
    """Write a name so that it neither ends a comment nor begins one, nor breaks its line."""
    shown = str(value).encode("ascii", "backslashreplace").decode("ascii")
    return re.sub(r"[^ -~]|\*|\?", lambda found: f"\\x{ord(found[0]):02x}", shown)
