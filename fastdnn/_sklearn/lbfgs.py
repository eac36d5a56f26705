"""The solver "lbfgs": the engine's loss and gradient, descended."""

from collections.abc import Callable
from functools import cache
from time import perf_counter

import numpy as np
from scipy.optimize import OptimizeResult
from scipy.optimize import minimize as scipys
from sklearn.utils.optimize import _check_optimize_result

from fastdnn._arrays import Array
from fastdnn._fit.settings import Settings
from fastdnn._sklearn.callbacks import Progress, Tasks
from fastdnn._sklearn.declared import Declared
from fastdnn._sklearn.descent import Descent, End
from fastdnn._sklearn.rates import number
from fastdnn._sklearn.stopping import Judge


def descended(estimator: Declared, m: int, cost_scale: float) -> Settings:
    """Make the settings of an evaluation: a step of all m examples that leaves the gradient."""
    return Settings(
        m,
        "none",
        l2=number(estimator, "alpha"),
        guarded=False,
        n_threads=estimator.n_threads,
        stop=getattr(estimator, "_stop", None),
        l2_per_weight=True,
        cost_per_row=True,
        cost_scale=cost_scale,
    )


def minimize(
    records: Declared, params: Array, loss_of: Callable[[Array], float], judge: Judge, tasks: Tasks,
    progress: Progress,
) -> Descent:  # fmt: skip
    """Iterate until the estimator's parameters end the fit.

    Parameters
    ----------
    records : Declared
        An estimator: its parameters, and the records of its fit.
    params : ndarray
        The arena of the weights.
    loss_of : callable
        Computes the loss of these weights, and writes its gradient into an array like them.
    judge : Judge
    tasks : Tasks
    progress : Progress

    Returns
    -------
    descent : Descent
        As it has ended.
    """
    start = perf_counter()
    # the vector is of float64, whatever type the weights have
    x = params if params.dtype == np.float64 else params.astype(np.float64)
    narrow = None if params is x else np.empty_like(params)

    def evaluate(gradient: Array) -> float:
        if narrow is not None:
            params[:] = x
        loss = loss_of(gradient if narrow is None else narrow)
        if narrow is not None:
            gradient[:] = narrow
        # overflow: a step that is too long is shortened
        if np.isfinite(loss):
            records.loss_ = loss
        return loss

    def iterated() -> bool:
        records.n_iter_ += 1
        progress.iterated(records.n_iter_, records.loss_)
        judge.judge(progress)
        progress.passed(records)
        stop = tasks.end()
        tasks.begin()
        late = records.max_time is not None and perf_counter() - start >= records.max_time
        unimproved = records._no_improvement_count > records.n_iter_no_change
        return stop or late or (records.early_stopping and unimproved)

    descent = Descent(x, evaluate)
    tasks.begin()
    try:
        end = descent.run(records.tol, records.max_iter, records.max_fun, iterated)
    except BaseException:
        params[:] = judge.best(descent.reached)
        raise
    if end is not End.STOPPED:
        status, message = end.value
        result = OptimizeResult(nit=descent.nit, status=status, message=message)
        _check_optimize_result("lbfgs", result, records.max_iter)
    return descent


@cache
def keeps_float32() -> bool:
    """Whether SciPy's L-BFGS evaluates float32 parameters in float32: older ones do not."""
    seen = []

    def objective(x: Array) -> tuple[float, Array]:
        seen.append(x.dtype)
        return float(x[0] ** 2), np.array([2.0 * x[0]])

    scipys(objective, np.ones(1, np.float32), method="L-BFGS-B", jac=True)
    return bool(seen[0] == np.float32)
