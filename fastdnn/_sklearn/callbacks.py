"""What a fit tells while it goes on: its tasks, to callbacks of scikit-learn, and its progress."""

import sys
from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
except ImportError:  # an older scikit-learn

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What an estimator without callbacks needs."""


class Tasks:
    """A fit and its iterations, that `sklearn.callback` sees, from scikit-learn 1.9 on.

    Parameters
    ----------
    estimator : Perceptron
    X, y, sample_weight :
        What `fit` was given.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        self._estimator = estimator
        self._root: Any = None
        self._iteration: Any = None
        if hasattr(estimator, "_init_callback_context"):
            # also where there are none: a search passes its own on
            # L-BFGS says that an iteration has ended, not that another will begin
            most = estimator.max_iter + (estimator.solver == "lbfgs")
            self._root = estimator._init_callback_context(max_subtasks=most)
            self._silent = not self._root._callbacks
            metadata = None if sample_weight is None else {"sample_weight": sample_weight}
            self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
            self._root.call_on_fit_task_begin(**self._data)

    def begin(self) -> None:
        """Begin an iteration."""
        if self._root is not None and not self._silent:
            self._iteration = self._root.subcontext(task_name="iteration")
            self._iteration.call_on_fit_task_begin(
                **self._data, reconstruction_attributes=self._fitted
            )

    def end(self) -> bool:
        """End it; true if a callback asks to stop."""
        if self._iteration is None:
            return False
        iteration, self._iteration = self._iteration, None
        return bool(
            iteration.call_on_fit_task_end(**self._data, reconstruction_attributes=self._fitted)
        )

    def close(self) -> None:
        """End the fit."""
        self.end()
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._data, reconstruction_attributes=self._fitted)

    def _fitted(self) -> dict[str, Any]:
        return {
            name: [array.copy() for array in getattr(self._estimator, name)]
            for name in ("coefs_", "intercepts_")
        }


class Progress:
    """What verbose says: nothing, lines, or a bar on the terminal."""

    def __init__(self, estimator: Any) -> None:
        self._bar = estimator.verbose == "bar"
        self._lines = bool(estimator.verbose) and not self._bar
        self._estimator = estimator

    def __enter__(self) -> Callable[[str], None]:
        return self._say

    def _say(self, line: str) -> None:
        if self._lines:
            print(line)
        elif self._bar and line.startswith("Iteration"):
            filled = min(30, 30 * self._estimator.n_iter_ // self._estimator.max_iter)
            bar = "#" * filled + "-" * (30 - filled)
            print(f"\r[{bar}] {line}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._bar:
            print(file=sys.stderr)
