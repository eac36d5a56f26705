"""scikit-learn's searches, whose candidates are trained in threads."""

from typing import Any, Self

from joblib import parallel_backend
from joblib._parallel_backends import AutoBatchingMixin, ThreadingBackend
from sklearn.pipeline import Pipeline

from fastdnn._core.workers import Stop
from fastdnn._fit.threads import at_once
from fastdnn._sklearn import theirs
from fastdnn._sklearn.perceptron import Perceptron

_MODULE = "fastdnn.estimators"
# fits, more than any machine has processors
_MANY = 2**20


class _Threads(AutoBatchingMixin, ThreadingBackend):  # type: ignore[misc]
    """Threads, each of which fits ours alone, some at a time; where one fails, all end."""

    # seconds that short fits together take at least: each hand-over to a thread waits for Python
    MIN_IDEAL_BATCH_DURATION = 0.02
    MAX_IDEAL_BATCH_DURATION = 0.2

    def __init__(self) -> None:
        super().__init__()
        self._stop = Stop()

    def submit(self, func: Any, callback: Any = None) -> Any:
        """Begin some tasks, of `_fit_and_score` or not."""
        self._tell(func)
        return super().submit(func, callback)

    def apply_async(self, func: Any, callback: Any = None) -> Any:
        """Begin some tasks, under the name that an older joblib calls."""
        self._tell(func)
        return super().apply_async(func, callback)

    def _tell(self, func: Any) -> None:
        for _, arguments, _ in func.items:
            last = _last((*arguments, None)[0])
            if is_ours(last):
                vars(last)["_stop"] = self._stop
                if last.n_threads is None:
                    # the bits are the same
                    last.n_threads = 1

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all, and wait for that."""
        self._stop.ask()
        threads = [] if self._pool is None else self._pool._pool
        super().abort_everything(ensure_ready)
        for thread in threads:
            thread.join()


class _InThreads:
    """A mixin that comes before a search of scikit-learn, and runs its candidates in threads."""

    estimator: Any
    n_jobs: Any

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Search, as scikit-learn does.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            The examples.
        y : array-like, optional
            Their classes or targets.
        **params :
            For the estimator, the splitter and the scorers.

        Returns
        -------
        self
            The search, with its results.
        """
        fit = super().fit  # type: ignore[misc]
        if not isinstance(_last(self.estimator), Perceptron):
            fit(X, y, **params)
        else:
            # one thread more than can compute: one waits for Python now and then
            threads = at_once(None, _MANY)[0]
            with parallel_backend(_Threads(), threads + (threads > 1)):
                fit(X, y, **params)
        return self


class GridSearchCV(_InThreads, theirs.GridSearchCV):
    """A GridSearchCV with scikit-learn's results, its candidates trained in threads.

    Every parameter, attribute and method is that of ``sklearn.model_selection.GridSearchCV``, and
    so are the scores, to the bit. The estimators of this module, and pipelines that end in one, are
    fitted in threads, which share X and y. All other estimators are searched by scikit-learn alone.

    Parameters
    ----------
    n_jobs : int or None
        How many threads; None for one more than there are processors, of those that BLAS may use.

    See Also
    --------
    RandomizedSearchCV : Draws the candidates.
    fastdnn.fit_many : Trains several networks at once.

    Examples
    --------
    >>> from fastdnn.estimators import GridSearchCV, MLPClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> model = MLPClassifier((4,), tol=1, random_state=0)
    >>> search = GridSearchCV(model, {"activation": ["relu", "tanh"]}, cv=2).fit(X, X[:, 0] > 0)
    >>> len(search.cv_results_["mean_test_score"])
    2
    """

    __module__ = _MODULE


class RandomizedSearchCV(_InThreads, theirs.RandomizedSearchCV):
    """A RandomizedSearchCV with scikit-learn's results, as `GridSearchCV` is one.

    Parameters
    ----------
    n_jobs : int or None
        How many threads; None for one more than there are processors, of those that BLAS may use.

    See Also
    --------
    GridSearchCV : Tries every candidate.

    Examples
    --------
    >>> from fastdnn.estimators import MLPClassifier, RandomizedSearchCV
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> model = MLPClassifier((4,), tol=1, random_state=0)
    >>> grid = {"activation": ["relu", "tanh"], "alpha": [1e-4, 1e-2]}
    >>> search = RandomizedSearchCV(model, grid, n_iter=3, cv=2, random_state=0).fit(X, X[:, 0] > 0)
    >>> len(search.cv_results_["mean_test_score"])
    3
    """

    __module__ = _MODULE


def is_ours(estimator: Any) -> bool:
    """Tell whether an estimator is one of this package's, and of no class that extends one."""
    return isinstance(estimator, Perceptron) and type(estimator).__module__ == _MODULE


def _last(estimator: Any) -> Any:
    """Return what a pipeline ends in, or the estimator itself."""
    while isinstance(estimator, Pipeline) and estimator.steps:
        estimator = estimator.steps[-1][1]
    return estimator
