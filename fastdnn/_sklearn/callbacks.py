"""A fit's messages while it goes on: tasks for scikit-learn's callbacks, and its progress."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastdnn._fit import progress
from fastdnn._sklearn.declared import Declared

if TYPE_CHECKING:

    class CallbackSupportMixin:
        """The methods that are used of scikit-learn's class, which has no types."""

        def _init_callback_context(self, *, max_subtasks: int) -> Any: ...

else:
    try:
        from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
    except ImportError:  # an older scikit-learn

        class CallbackSupportMixin:
            """An estimator without callbacks, in an older scikit-learn."""


class Tasks:
    """A fit and its iterations as `sklearn.callback` sees them, from scikit-learn 1.9 on.

    Parameters
    ----------
    context : CallbackContext or None
        The fit's, of scikit-learn; None in an older one.
    data : dict
        The arguments of each task: the estimator, and X, y and metadata of `fit`.
    fitted : callable
        Copies the attributes that make an estimator of the iteration.

    Attributes
    ----------
    silent : bool
        Whether no callback looks at the iterations.
    """

    def __init__(
        self, context: Any, data: dict[str, Any], fitted: Callable[[], dict[str, Any]]
    ) -> None:
        self._root, self._data, self._fitted = context, data, fitted
        self._iteration: Any = None
        self.silent = context is None or not context._callbacks
        if context is not None:
            context.call_on_fit_task_begin(**data)

    def begin(self) -> None:
        """Begin an iteration."""
        if not self.silent:
            self._iteration = self._root.subcontext(task_name="iteration")
            self._iteration.call_on_fit_task_begin(
                **self._data, reconstruction_attributes=self._fitted
            )

    def end(self) -> bool:
        """End an iteration; return whether a callback asks to stop."""
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


class Progress:
    """The output of `verbose`: nothing, lines on the standard output, or a bar.

    Parameters
    ----------
    verbose : bool, int or "bar"
    most : int
        Iterations that fill the bar.
    m : int
        Examples of an iteration.

    Attributes
    ----------
    silent : bool
        Whether nothing is said of single iterations.
    """

    def __init__(self, verbose: bool | int | str, most: int, m: int) -> None:
        self._bar = progress.Progress("iteration", most, m) if verbose == "bar" else None
        self.silent = not verbose or self._bar is not None

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def iterated(self, n: int, loss: float) -> None:
        """Say that an iteration has ended."""
        self.say(f"Iteration {n}, loss = {loss:.8f}")

    def passed(self, records: Declared) -> None:
        """Show an estimator's iterations up to now."""
        if self._bar is None:
            return
        values = {"loss": records.loss_}
        for name, curve in (
            ("validation loss", records.validation_loss_curve_),
            ("validation score", records.validation_scores_),
        ):
            if curve:
                values[name] = curve[-1]
        self._bar.show(records.n_iter_, values)

    def say(self, line: str) -> None:
        """Print a line."""
        if not self.silent:
            print(line)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(*error)
