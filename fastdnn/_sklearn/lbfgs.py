"""The solver "lbfgs": the engine's loss and gradient, descended."""

from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from scipy.optimize import minimize as scipys
from sklearn.utils.optimize import _check_optimize_result

from fastdnn._arrays import Array
from fastdnn._fit.threads import Team
from fastdnn._sklearn.callbacks import Progress, Tasks
from fastdnn._sklearn.checked import NOT_FINITE
from fastdnn._sklearn.descent import Descent, End
from fastdnn._sklearn.runs import Run, source


def minimize(
    estimator: Any, X: Any, y: Array, sample_weight: Any, validation: Any,
    tasks: Tasks,
) -> None:  # fmt: skip
    """Train a perceptron."""
    # in the type that the solver hands on, as in scikit-learn
    dtype = estimator._type() if _keeps_float32() else np.dtype(np.float64)
    plan, params, _ = estimator._bind(dtype)
    estimator._no_improvement_count = estimator.n_iter_ = 0
    X, y, sample_weight, validation = estimator._split(X, y, sample_weight, validation)
    X, m, start = source(X), X.shape[0], perf_counter()
    # the vector in float64 whatever the parameters are
    x = params if dtype == np.float64 else params.astype(np.float64)
    narrow = None if params is x else np.empty_like(params)
    with Team(estimator._threads(X, m)) as team, Progress(estimator) as progress:
        run = Run(estimator, plan, params, X, y, sample_weight, m, team)

        def evaluate(gradient: Array) -> float:
            if narrow is not None:
                params[:] = x
            loss = run.epoch(None)
            run.gradient(gradient if narrow is None else narrow)
            if narrow is not None:
                gradient[:] = narrow
            # a step may be too long, and is then shortened
            if np.isfinite(loss):
                estimator.loss_ = loss
            return loss

        def iterated() -> bool:
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
            return bool(stop or late or enough)

        descent = Descent(x, evaluate)
        tasks.begin()
        try:
            end = descent.run(estimator.tol, estimator.max_iter, estimator.max_fun, iterated)
        except BaseException:
            params[:] = estimator.__dict__.pop("_best", descent.reached)
            raise
    if end is not End.STOPPED:
        status, message = end.value
        result = OptimizeResult(nit=descent.nit, status=status, message=message)
        _check_optimize_result("lbfgs", result, estimator.max_iter)
    diverged = not np.isfinite(descent.f)
    # as scikit-learn, in float64 whatever X is
    best = estimator.__dict__.pop("_best", descent.reached)
    estimator._bind(np.dtype(np.float64)).params[:] = best
    if diverged:
        raise ValueError(f"{NOT_FINITE} The weights are those of the last finite iteration.")
    estimator.loss_ = descent.f


@cache
def _keeps_float32() -> bool:
    """Whether SciPy's L-BFGS evaluates float32 parameters in float32: older ones do not."""
    seen = []

    def objective(x: Array) -> tuple[float, Array]:
        seen.append(x.dtype)
        return float(x[0] ** 2), np.array([2.0 * x[0]])

    scipys(objective, np.ones(1, np.float32), method="L-BFGS-B", jac=True)
    return bool(seen[0] == np.float32)
