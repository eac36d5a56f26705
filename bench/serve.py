"""Predictions of a trained network: a table of several parts, each with columns of its own.

A part is a module with

- `TITLE`: a sentence that says what is measured, and against what;
- `HEADER`: names of at most nine columns, of which the first three are words;
- `run(quick, rounds, threads)`: yields its rows, each a dict, as they are measured; nothing where
  it has nothing to say about so many threads;
- `cells(row)`: a row as it is shown, a text for each column.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from bench import batches, generated, gradients, latency

TITLE = "predictions of a trained network"
PARTS: dict[str, ModuleType] = {
    "latency": latency,
    "generated": generated,
    "batches": batches,
    "gradients": gradients,
}
WIDTHS = (20, 18, 12, 12, 12, 12, 12, 12, 12)
HEADER = ("",) * len(WIDTHS)


def run(
    quick: bool, rounds: int, show: Callable[[tuple[str, ...]], None], threads: int
) -> list[dict[str, Any]]:
    """Measure every part."""
    rows = []

    def line(cells: tuple[str, ...]) -> None:
        show((*cells, *HEADER[len(cells) :]))

    for name, part in PARTS.items():
        for i, row in enumerate(part.run(quick, rounds, threads)):
            if i == 0:
                print(f"\n{part.TITLE}\n")
                line(part.HEADER)
            line(part.cells(row))
            rows.append({"part": name, **row})
    return rows
