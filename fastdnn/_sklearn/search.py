"""The line search of Moré and Thuente (1994), with the constants of L-BFGS-B."""

from math import inf, isfinite, nan
from typing import NamedTuple

import numpy as np

LONGEST = 1e10
# a step ends the search where f falls by this share of what the slope at 0 promises ...
_DECREASE = 1e-3
# ... and the slope is at most this share of the one at 0,
_CURVATURE = 0.9
# or where the interval of steps is this narrow, as a share of its upper end
_NARROW = 0.1
# the next trial, where nothing brackets the minimum: so many times the last change
_LEAST, _MOST = 1.1, 4.0
# an interval that is not narrowed to this share in two steps is halved
_SHRINKS = 0.66


class Point(NamedTuple):
    """A step along the direction, the function's value there, and its slope."""

    step: float
    f: float
    slope: float

    def less(self, slope: float) -> "Point":
        """Subtract the line through the origin of this slope."""
        return Point(self.step, self.f - self.step * slope, self.slope - slope)


class Search:
    """Where to evaluate the function next.

    Parameters
    ----------
    f, slope : float
        At step 0; slope < 0.
    step : float
        The first one to be tried.
    """

    def __init__(self, f: float, slope: float, step: float) -> None:
        self._start = self._best = self._other = Point(0.0, f, slope)
        self._bracketed, self._first_stage = False, True
        self._width, self._width_before = LONGEST, 2.0 * LONGEST
        self._low, self._high = 0.0, step + _MOST * step

    def after(self, step: float, f: float, slope: float) -> float | None:
        """Return the step to try after this one, or None if this one ends the search."""
        if not (isfinite(f) and isfinite(slope)):
            # the step is too long
            return self._halve(step)
        start, line = self._start, _DECREASE * self._start.slope
        enough = start.f + step * line
        if f <= enough and slope >= 0.0:
            self._first_stage = False
        low, high = self._low, self._high
        ends = self._bracketed and (not low < step < high or high - low <= _NARROW * high)
        ends = ends or (step == LONGEST and f <= enough and slope <= line)
        ends = ends or (step == 0.0 and (f > enough or slope >= line))
        if ends or (f <= enough and abs(slope) <= -_CURVATURE * start.slope):
            return None
        trial = Point(step, f, slope)
        # an auxiliary function whose minimum decreases f enough, until a step has done so
        tilted = line if self._first_stage and f <= self._best.f and f > enough else 0.0
        after = self._interpolate(trial, tilted)
        return after if isfinite(after) else self._halve(step)

    def _interpolate(self, trial: Point, tilted: float) -> float:
        best, other = self._best, self._other
        step, bracketed = _interpolate(
            best.less(tilted), other.less(tilted), trial.less(tilted), self._bracketed,
            self._low, self._high,
        )  # fmt: skip
        if trial.less(tilted).f > best.less(tilted).f:
            other = trial
        else:
            other = best if trial.less(tilted).slope * best.less(tilted).slope < 0.0 else other
            best = trial
        self._best, self._other, self._bracketed = best, other, bracketed
        if bracketed:
            width = abs(other.step - best.step)
            if width >= _SHRINKS * self._width_before:
                step = best.step + 0.5 * (other.step - best.step)
            self._width_before, self._width = self._width, width
            self._low, self._high = sorted((best.step, other.step))
        else:
            self._low = step + _LEAST * (step - best.step)
            self._high = step + _MOST * (step - best.step)
        step = min(max(step, 0.0), LONGEST)
        low, high = self._low, self._high
        if bracketed and (not low < step < high or high - low <= _NARROW * high):
            step = best.step
        return step

    def _halve(self, step: float) -> float:
        # beyond this step f counts as infinite, so that the interval ends here
        self._bracketed, self._other = True, Point(step, inf, nan)
        self._low, self._high = sorted((self._best.step, step))
        return self._best.step + 0.5 * (step - self._best.step)


@np.errstate(all="ignore")
def _interpolate(
    best: Point, other: Point, trial: Point, bracketed: bool, low: float, high: float
) -> tuple[float, bool]:
    """Interpolate the minimum by cubics and lines; also whether it is bracketed."""
    x, p = best.step, trial.step
    if trial.f > best.f:
        # between the two
        cubic = _cubic(best, trial)[0]
        fall = np.float64(best.f - trial.f) / (p - x) + best.slope
        quadratic = x + best.slope / fall / 2.0 * (p - x)
        near = abs(cubic - x) < abs(quadratic - x)
        return float(cubic if near else cubic + (quadratic - cubic) / 2.0), True
    if trial.slope * best.slope < 0.0:
        # between the two as well
        cubic, secant = _cubic(trial, best)[0], _secant(trial, best)
        return float(cubic if abs(cubic - p) > abs(secant - p) else secant), True
    end = high if p > x else low
    if abs(trial.slope) < abs(best.slope):
        # the cubic may have no minimum beyond the trial
        cubic, r = _cubic(trial, best)
        cubic, secant = cubic if r < 0.0 else end, _secant(trial, best)
        if bracketed:
            step = cubic if abs(cubic - p) < abs(secant - p) else secant
            most = p + _SHRINKS * (other.step - p)
            return float(min(most, step) if p > x else max(most, step)), True
        step = cubic if abs(cubic - p) > abs(secant - p) else secant
        return float(min(max(step, low), high)), False
    return (float(_cubic(trial, other)[0]) if bracketed else end), bracketed


def _cubic(a: Point, b: Point) -> tuple[float, float]:
    """Minimise the cubic through two points: the step, and its share of the way from a to b."""
    change = np.float64(b.step - a.step)
    theta = 3.0 * (a.f - b.f) / change + a.slope + b.slope
    s = max(abs(theta), abs(a.slope), abs(b.slope))
    gamma = s * np.sqrt(max(0.0, theta / s * (theta / s) - a.slope / s * (b.slope / s)))
    if change < 0.0:
        gamma = -gamma
    r = (gamma - a.slope + theta) / (gamma - a.slope + gamma + b.slope)
    # gamma is 0 where the cubic only flattens
    return a.step + r * change, r if gamma else nan


def _secant(a: Point, b: Point) -> float:
    """Return the zero of the line through the slopes of two points."""
    return a.step + np.float64(a.slope) / (a.slope - b.slope) * (b.step - a.step)
