"""What a notebook shows of a network and of a history: HTML, and a curve as SVG."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

import numpy as np

from fastdnn._arrays import Array
from fastdnn._fit.model import Model

# of the curve, in pixels: the picture, and its edge, where the numbers stand
_WIDTH, _HEIGHT, _LEFT, _EDGE = 360, 110, 64, 10
# points of a curve, as many as its pixels
_POINTS = _WIDTH - _LEFT - _EDGE
# from this ratio of the greatest cost to the least on the scale is logarithmic
_WIDE = 100
# matplotlib's first blue and orange, which are seen on white and on black
_COLOURS = "#1f77b4", "#ff7f0e"


def network_html(model: Model) -> str:
    """Show a model as a table of its layers: shapes, activations, parameters."""
    activations = (*model.activations, model.output)
    rows = []
    for l, ((n_prev, n), activation) in enumerate(
        zip(pairwise(model.layer_dims), activations, strict=True), 1
    ):
        shapes = f"W{l} ({n}, {n_prev}), b{l} ({n}, 1)"
        rows.append(_row("td", l, n, activation, shapes, f"{n * n_prev + n:,}"))
    optimizer = model.training.optimizer
    facts = [
        f"{len(rows)} layer{'s' * (len(rows) != 1)} of {model.layer_dims[0]:,} inputs",
        f"{sum(row.size for row in model.rows if row.kind != 'unscaled'):,} parameters",
        f"{model.dtype}, {model.params.nbytes:,} bytes",
        f"cost {model.cost}",
        f"{model.training.counts.epochs:,} epochs" + (f" by {optimizer}" if optimizer else ""),
    ]
    head = _row("th", "layer", "units", "activation", "shapes", "parameters")
    return (
        f"<div><strong>Network</strong>: {escape('; '.join(facts))}"
        f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def history_html(summary: str, costs: Sequence[float], validation: Sequence[float]) -> str:
    """Show a fit's costs, and those of its validation data dashed, as a curve each."""
    dashed = "; dashed, the validation cost" if validation else ""
    finite = [cost for cost in validation if np.isfinite(cost)]
    if finite:
        least = min(finite)
        dashed += f" (least: {least:.4g} in epoch {validation.index(least) + 1})"
    text = f"<strong>History</strong>: {escape(summary + dashed)}"
    return f"<div>{text}<br>{_curves([np.array(costs), np.array(validation)])}</div>"


# ----------------------------------------------------------------------------------------- helpers


def _row(kind: str, *cells: object) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(str(cell))}</{kind}>' for cell in cells)}</tr>"


def _curves(curves: list[Array]) -> str:
    """Draw curves on the same scale, or nothing, where there is no finite point."""
    finite = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    if finite.size == 0:
        return ""
    low, high = finite.min(), finite.max()
    logarithmic = low > 0 and high / _WIDE > low
    ends = f"{high:.3g}", f"{low:.3g}"
    if logarithmic:
        curves, low, high = [np.log(curve) for curve in curves], np.log(low), np.log(high)
    scale = max(abs(low), abs(high)) or 1.0
    low, high = low / scale, high / scale
    last = max(len(curve) for curve in curves) - 1
    lines = "".join(
        f'<path d="{_path(curve / scale, low, high, last)}" stroke="{colour}"{dashes}/>'
        for curve, colour, dashes in zip(
            curves, _COLOURS, ("", ' stroke-dasharray="4 3"'), strict=True
        )
        if np.isfinite(curve).any()
    )
    x, right, bottom = _LEFT - 6, _WIDTH - _EDGE, _HEIGHT - _EDGE
    texts = [(_EDGE + 4, ends[0]), (bottom, ends[1])] if high > low else []
    if logarithmic:
        texts.append((_HEIGHT // 2, "log"))
    texts = texts or [(_HEIGHT // 2 + 4, ends[0])]
    numbers = "".join(f'<text x="{x}" y="{y}">{text}</text>' for y, text in texts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="costs of {last + 1} epochs">'
        f'<path d="M{_LEFT} {_EDGE}V{bottom}H{right}" fill="none" stroke="currentColor" '
        f'stroke-opacity="0.4"/>'
        f'<g font-size="11" text-anchor="end" fill="currentColor" font-family="sans-serif">'
        f"{numbers}</g>"
        f'<g fill="none" stroke-width="1.5" stroke-linecap="round">{lines}</g>'
        "</svg>"
    )


def _path(curve: Array, low: float, high: float, last: int) -> str:
    """Write the points of a curve, with a gap where it is not finite."""
    epochs = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), _POINTS)).astype(int))
    words, gap = [], True
    for epoch in epochs:
        y = curve[epoch]
        if not np.isfinite(y):
            gap = True
            continue
        across = _LEFT + (_WIDTH - _LEFT - _EDGE) * (epoch / last if last else 0.5)
        up = (y - low) / (high - low) if high > low else 0.5
        point = f"{across:.1f} {_HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * up:.1f}"
        # a line of no length is a dot
        words.append(f"M{point}h0L{point}" if gap else f"L{point}")
        gap = False
    return "".join(words)
