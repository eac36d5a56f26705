"""Draw the pictures of how.md, as SVG of a few kB each: ``python docs/pictures.py`` writes them."""

import sys
from collections.abc import Callable
from pathlib import Path

INK, GREY, PALE = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE, GREEN = "#2b6cb0", "#c05621", "#2f855a"
LIGHT = {BLUE: "#bee3f8", ORANGE: "#fbd38d", GREEN: "#c6f6d5", GREY: "#f0f2f4"}


class Picture:
    """What was drawn, element by element."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
            f"<title>{title}</title>",
            f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>',
        ]
        # an arrow's head has the colour of its line
        for name, colour in (("grey", GREY), ("blue", BLUE), ("orange", ORANGE), ("green", GREEN)):
            self.parts.append(
                f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
                f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
            )

    def box(self, x: float, y: float, width: float, height: float, colour: str = GREY) -> None:
        """Draw a rectangle, light within."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{LIGHT[colour]}" stroke="{colour}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        colour: str = INK,
        *,
        at: str = "middle",
        size: int = 13,
    ) -> None:
        """Write a line, whose middle, start or end is at x."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{at}" fill="{colour}" font-size="{size}">'
            f"{text}</text>"
        )

    def arrow(self, x1: float, y1: float, x2: float, y2: float, colour: str = GREY) -> None:
        """Draw an arrow."""
        name = {GREY: "grey", BLUE: "blue", ORANGE: "orange", GREEN: "green"}[colour]
        self.parts.append(
            f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="{colour}" stroke-width="1.5" '
            f'fill="none" marker-end="url(#{name})"/>'
        )

    def grid(
        self, x: float, y: float, width: float, height: float, columns: int, rows: int, colour: str
    ) -> None:
        """Divide a rectangle."""
        lines = [f"M{x + width * i / columns:g} {y:g}v{height:g}" for i in range(1, columns)]
        lines += [f"M{x:g} {y + height * i / rows:g}h{width:g}" for i in range(1, rows)]
        self.parts.append(f'<path d="{"".join(lines)}" stroke="{colour}" stroke-width="0.6"/>')

    def svg(self) -> str:
        """Give all of it."""
        return "\n".join([*self.parts, "</svg>", ""])


def step() -> Picture:
    """Draw the layers of [3, 4, 4, 2], what runs through them, and the memory that they lie in."""
    drawn = Picture(720, 330, "A training step: layers, and the arenas of memory below them")
    drawn.text(20, 26, "forward", BLUE, at="start")
    drawn.text(20, 148, "backward", ORANGE, at="start")
    names = ["X", "A[1]", "A[2]", "A[3]"]
    for l, (name, units) in enumerate(zip(names, (3, 4, 4, 2), strict=True)):
        x = 120 + 165 * l
        drawn.box(x, 40, 18 * units, 72, BLUE if l else GREY)
        drawn.grid(x, 40, 18 * units, 72, units, 6, PALE if l == 0 else "#fff")
        drawn.text(x + 9 * units, 30, name)
        if l:
            before = 18 * (3, 4, 4)[l - 1]
            drawn.arrow(x - 165 + before + 5, 66, x - 5, 66, BLUE)
            drawn.text(x - 82 + before / 2, 59, f"W[{l}]", BLUE)
            drawn.text(x + 9 * units, 148, f"dZ[{l}]", ORANGE)
        if l > 1:
            drawn.arrow(x - 2, 143, x - 96, 143, ORANGE)
            drawn.arrow(x + 9 * units, 118, x + 9 * units, 133, ORANGE)
    drawn.text(120, 127, "a row is an example", GREY, at="start", size=11)
    rows = (("parameters", BLUE), ("gradients", ORANGE), ("moments", GREEN))
    for i, (name, colour) in enumerate(rows):
        x, y = 120.0, 205 + 34 * i
        drawn.text(20, y + 16, name, colour, at="start")
        for l, (before, units) in enumerate(((3, 4), (4, 4), (4, 2)), 1):
            for kind, width in ((f"W[{l}]", 11.0 * before * units), (f"b[{l}]", 14.0 * units)):
                drawn.box(x, y, width, 24, colour)
                name = f"d{kind}" if i == 1 else kind
                if i < 2 and width > 20:
                    drawn.text(x + width / 2, y + 16, name, size=12 if width > 40 else 10)
                x += width
    drawn.arrow(700, 250, 700, 222, GREEN)
    drawn.arrow(700, 284, 700, 256, GREEN)
    drawn.text(
        20, 192, "each arena is one piece of memory, in one order:", GREY, at="start", size=11
    )
    drawn.text(20, 319, "the update is one loop over all three", GREEN, at="start", size=11)
    return drawn


def stages() -> Picture:
    """Draw which slices two threads take in the stages of a step."""
    drawn = Picture(720, 190, "The stages of a step, whose slices two threads take")
    for y, name in ((40, "caller"), (84, "helper")):
        drawn.text(20, y + 21, name, at="start")
    taken = (
        (100, BLUE, "rows of the batch: X to dZ[1]", ((0, 1, 3, 5, 6), (2, 4, 7))),
        (330, ORANGE, "rows of each W: dW", ((0, 2, 3, 5), (1, 4, 6, 7))),
        (520, GREEN, "parts of the arena: update", ((0, 2, 4, 5), (1, 3, 6, 7))),
    )
    for x, colour, name, of in taken:
        for y, slices in zip((40, 84), of, strict=True):
            for i, s in enumerate(slices):
                drawn.box(x + 38 * i, y, 36, 32, colour)
                drawn.text(x + 38 * i + 18, y + 21, str(s))
        drawn.text(x, 28, name, colour, at="start", size=12)
    for x in (306, 494):
        drawn.parts.append(f'<path d="M{x} 36v92" stroke="{GREY}" stroke-dasharray="4 3"/>')
        drawn.text(x, 144, "meet", GREY, size=11)
    lines = (
        "Slices follow from shapes alone; who makes one does not matter to its bits.",
        "Sums over rows are added slice by slice, in the slices' order.",
    )
    for i, line in enumerate(lines):
        drawn.text(20, 162 + 17 * i, line, GREY, at="start", size=11)
    return drawn


def gram() -> Picture:
    """Draw what an iteration of the course's network reads, to scale."""
    per = 20  # units a pixel
    wide, m = 12288 / per, 209 / per
    drawn = Picture(720, 260, "What an iteration reads, without and with the Gram form, to scale")
    drawn.text(20, 28, "direct: each iteration reads X twice", ORANGE, at="start")
    for y, name in ((42, "X W[1]"), (74, "X\u1d40 dZ[1]")):
        drawn.box(20, y, wide, m, ORANGE)
        drawn.text(wide + 30, y + 10, name, at="start", size=12)
    drawn.text(20, 68, "209 \u00d7 12 288", GREY, at="start", size=11)
    drawn.text(20, 128, "Gram form: X X\u1d40 is made once, before the first", BLUE, at="start")
    drawn.box(20, 142, wide, m, GREY)
    drawn.text(wide + 30, 152, "X X\u1d40", at="start", size=12)
    drawn.text(20, 190, "and each iteration reads", BLUE, at="start")
    drawn.box(200, 180, m, m, BLUE)
    drawn.text(220, 190, "209 \u00d7 209: a sixtieth of X, which stays in the cache", at="start")
    written = "W1 = W1(0) \u2212 learning_rate X\u1d40 C is written when it is asked for."
    drawn.text(20, 222, written, GREY, at="start", size=11)
    drawn.text(
        20, 240, "All lengths are to scale, one pixel for 20 numbers.", GREY, at="start", size=11
    )
    return drawn


def tiles() -> Picture:
    """Draw a tile of C = A B, which stays in registers while k runs."""
    drawn = Picture(720, 330, "A tile of a matrix product: six rows by four vectors")
    left, top, cell = 190, 120, 30  # of C, in pixels; a cell is a vector wide and a row high
    drawn.box(left, top, 12 * cell, 180)
    drawn.grid(left, top, 12 * cell, 180, 3, 2, GREY)
    drawn.text(left + 6 * cell, 318, "C, in tiles")
    drawn.box(left + 4 * cell, top, 4 * cell, 90, GREEN)
    drawn.grid(left + 4 * cell, top, 4 * cell, 90, 4, 6, GREEN)
    drawn.box(left, 20, 12 * cell, 80)
    drawn.box(left + 4 * cell, 20, 4 * cell, 80, "#7b8794")
    drawn.box(left + 4 * cell, 52, 4 * cell, 13, ORANGE)
    drawn.grid(left + 4 * cell, 52, 4 * cell, 13, 4, 1, ORANGE)
    drawn.text(left + 2 * cell, 64, "B")
    drawn.text(left + 8 * cell + 10, 63, "row k, loaded once", ORANGE, at="start", size=11)
    drawn.box(50, top, 120, 180)
    drawn.box(50, top, 120, 90, "#7b8794")
    drawn.box(98, top, 13, 90, BLUE)
    drawn.grid(98, top, 13, 90, 1, 6, BLUE)
    drawn.text(110, 318, "A")
    drawn.text(50, 112, "column k: six numbers", BLUE, at="start", size=11)
    drawn.arrow(118, top + 45, left + 4 * cell - 6, top + 45, BLUE)
    drawn.arrow(left + 6 * cell, 69, left + 6 * cell, top - 5, ORANGE)
    for i, line in enumerate((
        "the tile: 6 \u00d7 4 sums,", "a register each, to which", "a fused multiply-add for",
        "each k adds", "A[i, k] B[k, j]",
    )):  # fmt: skip
        drawn.text(left + 12 * cell + 16, top + 20 + 17 * i, line, GREEN, at="start", size=12)
    return drawn


PICTURES: tuple[Callable[[], Picture], ...] = (step, stages, gram, tiles)


def main(folder: Path) -> None:
    """Write all pictures into a folder."""
    folder.mkdir(exist_ok=True)
    for draw in PICTURES:
        (folder / f"{draw.__name__}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(*sys.argv[1:]) if sys.argv[1:] else Path(__file__).resolve().parent / "pictures")
