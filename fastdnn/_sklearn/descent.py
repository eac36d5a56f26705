"""L-BFGS, as SciPy's L-BFGS-B computes it where nothing is bounded.

Most passes of that solver over its vectors serve the bounds. Without them the direction is

    d = -H g,  H = gamma I + (S^T, gamma Y^T) M (S^T, gamma Y^T)^T

where the rows of S and Y are the last steps and the changes of the gradient on them, ten at most,
and M is small (Byrd, Nocedal and Schnabel 1994, theorem 2.2). An iteration reads S and Y twice:
for their products with the new vectors, and for d.
"""

from collections.abc import Callable
from enum import Enum
from math import isfinite

import numpy as np
from scipy.linalg.blas import idamax
from scipy.linalg.lapack import dtrtrs

from fastdnn._arrays import Array
from fastdnn._sklearn.search import LONGEST, Search

_PAIRS = 10
# a line search takes so many evaluations at most
_TRIALS = 20
# an iteration that improves the function by less, relatively, is the last one
_LEAST_GAIN = 2.2204460492503131e-09
_EPSILON = float(np.finfo(np.float64).eps)
# numbers of a block: the blocks of all vectors fit the caches together
_BLOCK = 8192


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
        # a pair's s and y are neighbours; memory is taken as it is written
        self._pairs = np.empty((2 * _PAIRS, n))
        self._forget()

    def _forget(self) -> None:
        # the pairs' places, oldest first; in that order s_i . y_j for i <= j, and y_i . y_j
        self._order = np.arange(0)
        self._sy, self._yy = np.zeros((2, _PAIRS, _PAIRS))
        self._gamma = 1.0

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
        products = None
        while True:
            self._turn(products)
            before = self.f
            slopes = self._line_search()
            if slopes is None:
                self.x[:] = self.reached
                if not len(self._order):
                    return End.ABNORMAL
                self._forget()
                products = None
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
            products = self._remember(*slopes)

    def _at_x(self) -> float:
        self._evaluations += 1
        return float(self._evaluate(self._g))

    def _largest(self) -> float:
        return abs(float(self._g[idamax(self._g)]))

    @np.errstate(all="ignore")
    def _line_search(self) -> tuple[float, float, float] | None:
        """Search along d: return the step and the slopes at both its ends, or None."""
        d, slope = self._d, float(self._g @ self._d)
        if not slope < 0.0:
            return None
        step = 1.0 if self.nit else min(1.0 / float(np.sqrt(d @ d)), LONGEST)
        search = Search(self.f, slope, step)
        self._g, self._g_before = self._g_before, self._g
        for _ in range(_TRIALS):
            if step == 1.0:
                np.add(self.reached, d, out=self.x)
            else:
                np.multiply(d, step, out=self.x)
                self.x += self.reached
            f = self._at_x()
            there = float(self._g @ d)
            after = search.after(step, f, there)
            if after is None:
                self.f = f
                return step, slope, there
            step = after
        self._g, self._g_before = self._g_before, self._g
        return None

    @np.errstate(all="ignore")
    def _remember(self, step: float, slope: float, there: float) -> Array | None:
        """Keep the iteration's pair, and multiply all pairs by the gradient; None without pairs."""
        sy = step * (there - slope)
        kept = sy > -_EPSILON * step * slope
        if kept and len(self._order) < _PAIRS:
            self._order = np.arange(len(self._order) + 1)
        elif kept:
            self._order = np.concatenate((self._order[1:], self._order[:1]))
            for products in (self._sy, self._yy):
                products[:-1, :-1] = products[1:, 1:]
        count = len(self._order)
        at = 2 * int(self._order[-1]) if kept else 0
        of_y, of_g = np.zeros((2, 2 * count))
        for a in range(0, self.x.size, _BLOCK):
            part = slice(a, a + _BLOCK)
            pairs, g = self._pairs[: 2 * count, part], self._g[part]
            if kept:
                np.multiply(self._d[part], step, out=pairs[at])
                y = np.subtract(g, self._g_before[part], out=pairs[at + 1])
                of_y += pairs @ y
            of_g += pairs @ g
        if kept:
            last = count - 1
            s_y, y_y = of_y.reshape(count, 2)[self._order].T
            self._sy[:count, last], self._sy[last, last] = s_y, sy
            self._yy[:count, last] = self._yy[last, :count] = y_y
            self._gamma = sy / self._yy[last, last]
        return of_g if count else None

    @np.errstate(all="ignore")
    def _turn(self, products: Array | None) -> None:
        """Compute d = -H g of the pairs' products with g."""
        if products is None:
            np.negative(self._g, out=self._d)
            return
        count = len(self._order)
        sy, yy, gamma = self._sy[:count, :count], self._yy[:count, :count], self._gamma
        s_g, y_g = products.reshape(count, 2)[self._order].T
        # R a = S g; R^T e = D a - gamma Y (g - Y^T a); H g = gamma (g - Y^T a) + S^T e
        a = dtrtrs(sy, s_g)[0]
        e = dtrtrs(sy, sy.diagonal() * a - gamma * (y_g - yy @ a), trans=1)[0]
        shares = np.empty(2 * count)
        of_s, of_y = shares.reshape(count, 2).T
        of_s[self._order], of_y[self._order] = -e, gamma * a
        for at in range(0, self.x.size, _BLOCK):
            part = slice(at, at + _BLOCK)
            d = np.matmul(shares, self._pairs[: 2 * count, part], out=self._d[part])
            d -= gamma * self._g[part]
