"""The solver "lbfgs": SciPy's, with the engine's loss and gradient."""

from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from fastdnn._arrays import Array
from fastdnn._fit.threads import Team
from fastdnn._sklearn.callbacks import Progress, Tasks
from fastdnn._sklearn.checked import NOT_FINITE
from fastdnn._sklearn.runs import Run, source, views


def minimize(
    estimator: Any, X: Any, y: Array, sample_weight: Any, validation: Any,
    tasks: Tasks,
) -> None:  # fmt: skip
    """Train a perceptron."""
    # in the type that the solver hands on, as in scikit-learn
    dtype = estimator._type() if _keeps_float32() else np.dtype(np.float64)
    plan, params, dims = estimator._bind(dtype)
    estimator._no_improvement_count = estimator.n_iter_ = 0
    X, y, sample_weight, validation = estimator._split(X, y, sample_weight, validation)
    X, m, start = source(X), X.shape[0], perf_counter()
    gradient = np.empty_like(params)
    # scikit-learn's order, all weights before the biases: the solver's sums then round alike
    parts, of_gradient = (
        [array.ravel() for arrays in views(arena, dims) for array in arrays]
        for arena in (params, gradient)
    )
    with Team(estimator._threads(X, m)) as team, Progress(estimator) as progress:
        run = Run(estimator, plan, params, X, y, sample_weight, m, team)

        def objective(x: Array) -> tuple[float, Array]:
            _unpack(x, parts)
            loss = run.epoch(None)
            run.gradient(gradient)
            # a step may be too long, and is then shortened
            if np.isfinite(loss):
                estimator.loss_ = loss
            return loss, np.concatenate(of_gradient, dtype=np.float64)

        def iterated(x: Array) -> None:
            reached[:] = x
            _unpack(x, parts)
            estimator.n_iter_ += 1
            progress(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
            if validation is not None:
                estimator._judge(validation, params, progress)
            stop = tasks.end()
            tasks.begin()
            late = estimator.max_time is not None and perf_counter() - start >= estimator.max_time
            enough = (
                estimator.early_stopping
                and estimator._no_improvement_count > estimator.n_iter_no_change
            )
            if stop or late or enough:
                raise StopIteration

        reached = np.concatenate(parts)
        tasks.begin()
        try:
            result = scipy.optimize.minimize(
                objective,
                reached.copy(),
                method="L-BFGS-B",
                jac=True,
                callback=iterated,
                options={
                    "maxfun": estimator.max_fun,
                    "maxiter": estimator.max_iter,
                    "gtol": estimator.tol,
                },
            )
        except BaseException:
            _unpack(reached, parts)
            params[:] = estimator.__dict__.pop("_best", params)
            raise
    if result.status == 99:  # the callback's StopIteration
        estimator.n_iter_ = min(result.nit, estimator.max_iter)
    else:
        estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)
    diverged = not (np.isfinite(result.fun) and np.isfinite(result.x).all())
    best = np.empty(params.size)
    of_best = [array.ravel() for arrays in views(best, dims) for array in arrays]
    _unpack(reached if diverged else result.x, of_best)
    # as scikit-learn, in float64 whatever X is
    estimator._bind(np.dtype(np.float64)).params[:] = estimator.__dict__.pop("_best", best)
    if diverged:
        raise ValueError(f"{NOT_FINITE} The weights are those of the last finite iteration.")
    estimator.loss_ = float(result.fun)


def _unpack(x: Array, parts: list[Array]) -> None:
    """Write a vector into flat views, one after the other."""
    at = 0
    for part in parts:
        part[:] = x[at : at + len(part)]
        at += len(part)


@cache
def _keeps_float32() -> bool:
    """Whether SciPy's L-BFGS evaluates float32 parameters in float32: older ones do not."""
    seen = []

    def objective(x: Array) -> tuple[float, Array]:
        seen.append(x.dtype)
        return float(x[0] ** 2), np.array([2.0 * x[0]])

    scipy.optimize.minimize(objective, np.ones(1, np.float32), method="L-BFGS-B", jac=True)
    return bool(seen[0] == np.float32)
