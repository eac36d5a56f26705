"""L-BFGS, as SciPy's L-BFGS-B computes it where nothing is bounded.

Most passes of that solver over its vectors serve the bounds. Without them the direction is

    d = -H g,  H = gamma I + (S^T, gamma Y^T) M (S^T, gamma Y^T)^T

where the rows of S and Y are the last steps and the changes of the gradient on them, ten at most,
and M is small (Byrd, Nocedal and Schnabel 1994, theorem 2.2). An iteration reads S and Y twice:
for their products with the new vectors, and for d.
"""

from collections.abc import Callable
from enum import Enum
from math import isfinite, sqrt

import numpy as np
from scipy.linalg.blas import idamax

from fastdnn._arrays import Array
from fastdnn._core.pairs import Pairs, dot
from fastdnn._sklearn.search import LONGEST, Search

# a line search takes so many evaluations at most
_TRIALS = 20
# an iteration that improves the function by less, relatively, is the last one
_LEAST_GAIN = 2.2204460492503131e-09


class End(Enum):
    """Why the iterations ended, in SciPy's words; `status` is SciPy's too."""

    GRADIENT = 0, "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL"
    GAIN = 0, "CONVERGENCE: RELATIVE REDUCTION OF F <= FACTR*EPSMCH"
    ITERATIONS = 1, "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT"
    EVALUATIONS = 1, "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT"
    ABNORMAL = 2, "ABNORMAL: "
    STOPPED = 99, "STOP: CALLBACK REQUESTED HALT"


class Descent:
    """A minimisation that begins at a vector.

    Parameters
    ----------
    x : ndarray of float64
        Where to begin. Each evaluation's vector is written here, at the end the last iteration's.
    evaluate : callable
        Computes the function at x and writes its gradient into the array that it is given.

    Attributes
    ----------
    reached : ndarray
        x after the last iteration.
    f : float
        The function there.
    nit : int
        The iterations.
    """

    def __init__(self, x: Array, evaluate: Callable[[Array], float]) -> None:
        n = x.size
        self.x, self.reached, self.f, self.nit = x, x.copy(), 0.0, 0
        self._evaluate = evaluate
        self._g, self._g_before, self._d = np.empty(n), np.empty(n), np.empty(n)
        self._evaluations = 0
        self._pairs = Pairs(n)

    def run(
        self, tol: float, most_iterations: int, most_evaluations: int,
        iterated: Callable[[], bool],
    ) -> End:  # fmt: skip
        """Iterate. `iterated` is called after each iteration, and ends the run with True."""
        self.f = self._at_x()
        if not (isfinite(self.f) and np.isfinite(self._g).all()):
            return End.ABNORMAL
        if self._largest() <= tol:
            return End.GRADIENT
        while True:
            self._pairs.turn(self._g, self._d)
            before = self.f
            slopes = self._line_search()
            if slopes is None:
                self.x[:] = self.reached
                if not len(self._pairs):
                    return End.ABNORMAL
                self._pairs.forget()
                continue
            self.nit += 1
            self.reached[:] = self.x
            if iterated():
                return End.STOPPED
            if self.nit >= most_iterations:
                return End.ITERATIONS
            if self._evaluations > most_evaluations:
                return End.EVALUATIONS
            if self._largest() <= tol:
                return End.GRADIENT
            if before - self.f <= _LEAST_GAIN * max(abs(before), abs(self.f), 1.0):
                return End.GAIN
            self._pairs.remember(*slopes, self._d, self._g, self._g_before)

    def _at_x(self) -> float:
        self._evaluations += 1
        return float(self._evaluate(self._g))

    def _largest(self) -> float:
        return abs(float(self._g[idamax(self._g)]))

    @np.errstate(all="ignore")
    def _line_search(self) -> tuple[float, float, float] | None:
        """Search along d: return the step and the slopes at both its ends, or None."""
        d, slope = self._d, dot(self._g, self._d)
        if not slope < 0.0:
            return None
        step = 1.0 if self.nit else min(1.0 / sqrt(dot(d, d)), LONGEST)
        search = Search(self.f, slope, step)
        self._g, self._g_before = self._g_before, self._g
        for _ in range(_TRIALS):
            if step == 1.0:
                np.add(self.reached, d, out=self.x)
            else:
                np.multiply(d, step, out=self.x)
                self.x += self.reached
            f = self._at_x()
            there = dot(self._g, d)
            after = search.after(step, f, there)
            if after is None:
                self.f = f
                return step, slope, there
            step = after
        self._g, self._g_before = self._g_before, self._g
        return None
