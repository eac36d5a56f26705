"""What the candidates of a search share: the checks of a fold's training data."""

from collections.abc import Callable
from threading import Lock
from typing import Any

from fastdnn._arrays import Array
from fastdnn._sklearn.declared import Declared

_Validate = Callable[[Any, Any, bool, bool], tuple[Any, Array]]


class Fold:
    """What the checks of one fold's training data have found, for all candidates alike."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: tuple[dict[str, Any], Any, Array] | None = None

    def checked(self, estimator: Declared, X: Any, y: Any, check: _Validate) -> tuple[Any, Array]:
        """Check the data as the estimator does, and set the attributes that this sets, once."""
        with self._lock:
            if self._found is None:
                before = set(vars(estimator))
                X_, y_ = check(X, y, False, True)
                found = {k: v for k, v in vars(estimator).items() if k not in before}
                # data that was not converted is every candidate's own
                self._found = found, None if X_ is X else X_, y_
                return X_, y_
        attributes, X_, y_ = self._found
        vars(estimator).update(attributes)
        return X if X_ is None else X_, y_
