"""The Gram form: full-batch gradient descent on the first layer without a pass over the data.

The first layer's weights W and their moment V stay in the span of their first values and of the
data: W = w W0 + w' V0 + X^T C, V = v W0 + v' V0 + X^T U. `gram.pxi` moves C, U (m, n_1) and the
four coefficients w, w', v, v' by X X^T, X W0 and X V0 alone, which are made here; and here W and V
are written out again.
"""

from functools import partial
from typing import Any

import numpy as np

from fastdnn._arrays import Array
from fastdnn._core.plan import multiply, slices, span
from fastdnn._fit.threads import Team

NAMES = ("W0", "V0", "C", "U", "shares")
# multiplications from one look for Ctrl-C to the next
_PATIENCE = 10**9


def pays(m: int, n_0: int, n_1: int, epochs: int) -> bool:
    """Whether the Gram form needs fewer multiplications than the direct one, and no more memory.

    Parameters
    ----------
    m, n_0, n_1 : int
        Examples, inputs, units of the first layer.
    epochs : int
        Steps.
    """
    direct = 2 * epochs * m * n_0 * n_1
    return m <= n_0 and epochs * m * m * n_1 + m * m * n_0 + 2 * m * n_0 * n_1 < 0.8 * direct


class Gram:
    """The first layer in the Gram form.

    Parameters
    ----------
    X : ndarray (m, n_0)
        The data, contiguous.
    W : ndarray (n_0, n_1)
        The weights, C-contiguous: a view on the network's arena.
    V : ndarray (n_0, n_1) or None
        Their moment, likewise.
    state : dict, optional
        An earlier form's `state`, if W and V still are what it gives: the training then goes on
        from there, to the last bit.
    team : Team
        The threads that multiply.
    """

    def __init__(
        self, X: Array, W: Array, V: Array | None, state: dict[str, Any] | None, team: Team
    ) -> None:
        self._X, self._team = X, team
        self.shares = np.eye(2)
        if state is not None and len(state["C"]) == len(X):
            self.W0, self.V0, self.C, self.U, self.shares = (state[name] for name in NAMES)
            if not self._gives(W, V):
                state = None
        else:
            state = None
        if state is None:
            self.W0, self.V0 = W.copy(), None
            if V is not None and V.any():
                self.V0 = V.copy()
            self.C = np.zeros((len(X), W.shape[1]), W.dtype)
            self.U = np.zeros_like(self.C) if V is not None else None
            self.shares = np.eye(2)
        self.K = np.empty((len(X), len(X)), W.dtype)
        self._multiply(X, X.T, self.K, 0.0)
        self.Z0 = self._product(self.W0)
        self.ZV0 = self._product(self.V0)
        self.squares = (
            *(_inner(self.W0, self.W0), _inner(self.W0, self.V0), _inner(self.V0, self.V0)),
            float(np.trace(self.K, dtype=np.float64)),
        )
        # writes some slices of the weights and their moment into the network's arenas
        self.write = self._span(W, V)

    def state(self) -> dict[str, Any]:
        """Return the state from which another fit goes on."""
        return {name: getattr(self, name) for name in NAMES}

    def _span(self, W: Array | None, V: Array | None) -> Any:
        pairs = ((W, self.C), (V, self.U))
        return partial(span, self._X, self.W0, self.V0, self.shares, pairs)

    def _gives(self, W: Array, V: Array | None) -> bool:
        if (V is None) != (self.U is None):
            return False
        given = [None if array is None else np.empty_like(array) for array in (W, V)]
        self._team.share(slices(len(W)), self._span(*given))
        pairs: Any = zip((W, V), given, strict=True)
        return all(now is None or np.array_equal(now, array) for now, array in pairs)

    def _product(self, W: Array | None) -> Array | None:
        if W is None:
            return None
        Z = np.empty((len(self._X), W.shape[1]), W.dtype)
        self._multiply(self._X, W, Z, 0.0)
        return Z

    def _multiply(self, A: Array, B: Array, C: Array, beta: float) -> None:
        """C := A B + beta C, each thread of the team some slices of C."""
        count = slices(len(A))
        self._team.share(
            count,
            lambda begin, end: multiply(A, B, C, 1.0, beta, begin, end),
            max(1, _PATIENCE // B.size * count // len(A)),
        )


def _inner(A: Array | None, B: Array | None) -> float:
    """Sum the products of two arrays' elements, in double; None is 0."""
    if A is None or B is None:
        return 0.0
    return float(np.multiply(A, B, dtype=np.float64).sum())
