"""How far a long task is: a bar in a terminal or a notebook, elsewhere a line now and then."""

import sys
from collections.abc import Mapping
from threading import Lock
from time import perf_counter
from typing import Any, Protocol

from fastdnn._config import install

# seconds between two drawings of a bar
_FRAME = 0.1
# seconds between two lines, at least, and as a share of the time that has passed
_BETWEEN, _SHARE = 1.0, 0.1
# columns of a terminal that has room for a long bar
_WIDE = 120


class Progress:
    """What a user sees of a task on the standard error, or in a notebook below its cell.

    The library rich draws the bar; where it is missing, lines are written, and a hint once.

    Parameters
    ----------
    unit : str
        What is counted, in the singular.
    total : int
        How many there will be.
    examples : int
        Examples that each one reads; 0, if that says nothing.
    """

    def __init__(self, unit: str, total: int, examples: int = 0) -> None:
        self._examples, self._total = examples, total
        self._done, self._values = 0, dict[str, float]()
        self._lock = Lock()
        self._drawing = _drawing(unit, total)
        self._start = self._last = perf_counter()

    def __enter__(self) -> "Progress":
        self._drawing.begin()
        return self

    def show(self, done: int, values: Mapping[str, float]) -> None:
        """Tell how many are done, and numbers of the last one; from any thread."""
        now = perf_counter()
        if now - self._last < self._drawing.between(now - self._start):
            self._done, self._values = done, dict(values)
            return
        with self._lock:
            self._done, self._values, self._last = done, dict(values), now
            self._drawing.draw(done, self._text(now - self._start))

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._drawing.end(self._done, self._text(perf_counter() - self._start, over=True))

    def _text(self, passed: float, over: bool = False) -> str:
        """Say the numbers, examples a second, and the time that is left, or was taken."""
        done = self._done
        parts = [f"{name} {value:.4g}" for name, value in self._values.items()]
        if over:
            parts.append(duration(passed))
        elif done:
            parts.append(f"{duration(passed / done * (self._total - done))} left")
        if self._examples and done and passed:
            parts.append(f"{rounded(done * self._examples / passed)} examples/s")
        return ", ".join(parts)


class _Drawing(Protocol):
    """A way to show progress."""

    def begin(self) -> None: ...
    def between(self, passed: float) -> float: ...
    def draw(self, done: int, text: str) -> None: ...
    def end(self, done: int, text: str) -> None: ...


class _Lines:
    """Lines, that become fewer as time passes."""

    def __init__(self, unit: str, total: int) -> None:
        self._unit, self._total = unit, total

    def begin(self) -> None:
        """Write nothing."""

    def between(self, passed: float) -> float:
        return max(_BETWEEN, _SHARE * passed)

    def draw(self, done: int, text: str) -> None:
        _write(f"{self._unit} {done} of {self._total}, {text}")

    end = draw


class _Bar:
    """A bar of rich in a terminal."""

    def __init__(self, unit: str, total: int, console: Any) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Rich

        bar = 30 if console.width >= _WIDE else 10
        # beside the unit, the bar, and how many of how many are done
        self._room = console.width - len(unit) - bar - 2 * len(str(total)) - 4
        self._rich = Rich(
            TextColumn("{task.description}"),
            BarColumn(bar_width=bar),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            auto_refresh=False,
            # what a callback prints appears above the bar, but in a file if it goes there
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self._task = self._rich.add_task(unit, total=total, text="")

    def begin(self) -> None:
        self._rich.start()

    def between(self, passed: float) -> float:
        return _FRAME

    def draw(self, done: int, text: str) -> None:
        self._update(done, text)
        self._rich.refresh()

    def end(self, done: int, text: str) -> None:
        self._update(done, text)
        self._rich.stop()

    def _update(self, done: int, text: str) -> None:
        while len(text) > self._room and ", " in text:
            text = text.rpartition(", ")[0]
        self._rich.update(self._task, completed=done, text=text)


class _Output(_Bar):
    """The same bar in a notebook, as an output that is replaced: rich alone needs a widget."""

    def begin(self) -> None:
        from IPython.display import display

        self._handle = display(self._rich, display_id=True)

    def draw(self, done: int, text: str) -> None:
        self._update(done, text)
        self._handle.update(self._rich)

    end = draw


def _drawing(unit: str, total: int) -> _Drawing:
    """Choose how to show progress."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    try:
        from rich.console import Console
    except ImportError:
        if terminal or "ipykernel" in sys.modules:
            _hint()
        return _Lines(unit, total)
    console = Console(stderr=True)
    if console.is_jupyter:
        return _Output(unit, total, console)
    if terminal and console.is_terminal and not console.is_dumb_terminal:
        return _Bar(unit, total, console)
    return _Lines(unit, total)


_hinted = False


def _hint() -> None:
    """Say once how to have a bar."""
    global _hinted
    if not _hinted:
        _hinted = True
        _write(f"fastdnn draws a bar here with rich: {install('rich')}")


def _write(line: str) -> None:
    # a program without a console has no standard error
    if sys.stderr is not None:
        print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Write a time for people.

    Examples
    --------
    >>> duration(3.14159), duration(75.0), duration(7500.0)
    ('3.1 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rounded(value: float) -> str:
    """Write three digits of a number.

    Examples
    --------
    >>> rounded(123456.0), rounded(1.5)
    ('123,000', '1.5')
    """
    digits = float(f"{value:.3g}")
    return f"{digits:,.0f}" if digits >= 100 else f"{digits:g}"
