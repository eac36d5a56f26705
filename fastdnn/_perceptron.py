"""What the two estimators share: scikit-learn's perceptron, trained by the compiled engine."""

import sys
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from itertools import pairwise
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from fastdnn._arrays import Array, arena
from fastdnn._judged import Judged
from fastdnn._runs import Optimizer, Run, SparseRun, dense, views
from fastdnn._tasks import CallbackSupportMixin, Tasks
from fastdnn._threads import CALL, STEP, Team, choose
from fastdnn._trainer import ACTIVATIONS, COSTS, Plan
from fastdnn.network import Network

# multiplications up to which BLAS asks no other thread either
ALONE = 200_000
# scikit-learn's names of the activations, and ours
NAMES = {"logistic": "sigmoid"} | {name: name for name in ACTIVATIONS if name != "sigmoid"}


class Perceptron(Judged, CallbackSupportMixin):
    """A mixin that comes before scikit-learn's class and replaces what it computes."""

    if TYPE_CHECKING:
        coefs_: list[Array]
        intercepts_: list[Array]
        _optimizer: Any

        # the parameters, and what scikit-learn's class has
        def __getattr__(self, name: str) -> Any: ...

    # ------------------------------------------------------------------------------- parameters

    def _hidden_activations(self) -> list[str]:
        hidden = _sizes(self.hidden_layer_sizes)
        if isinstance(self.activation, str):
            return [self.activation] * len(hidden)
        names = list(self.activation)
        if len(names) != len(hidden):
            raise ValueError(
                f"activation must be one name, or one for each of {len(hidden)} hidden layers, "
                f"got {self.activation!r}"
            )
        for name in names:
            if name not in NAMES:
                raise ValueError(f"activation must name some of {sorted(NAMES)}, got {name!r}")
        return names

    def _initialize(self, layer_units: list[int], dtype: Any) -> None:
        """Draw the parameters as scikit-learn does (Glorot-uniform, the biases too)."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(layer_units)
        names = self._hidden_activations()
        self.coefs_, self.intercepts_ = [], []
        for name, (n_prev, n) in zip([*names, self.activation], pairwise(layer_units), strict=True):
            bound = np.sqrt((2.0 if name == "logistic" else 6.0) / (n_prev + n))
            for shape, arrays in (((n_prev, n), self.coefs_), (n, self.intercepts_)):
                drawn = self._random_state.uniform(-bound, bound, shape)
                arrays.append(drawn.astype(dtype, copy=False))
        if hasattr(self, "_optimizer"):
            del self._optimizer
        if self.solver != "lbfgs":
            self.loss_curve_ = []
            self._no_improvement_count = 0
            self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_loss_curve_ = None
        self.validation_scores_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None

    def _type(self) -> np.dtype[Any]:
        """Find the type to compute in, whatever was assigned to the parameters."""
        # a few types of perhaps more arrays than NumPy takes arguments
        types = {array.dtype for array in [*self.coefs_, *self.intercepts_]}
        char = np.result_type(*types).char
        return np.dtype(np.float32 if char in "ef" else np.float64)

    def _plan(self, dtype: Any) -> tuple[Plan, Array]:
        """Gather the parameters in an arena."""
        pairs = zip(self.coefs_, self.intercepts_, strict=True)
        parts = [np.ravel(array) for pair in pairs for array in pair]
        params = arena(sum(part.size for part in parts), dtype)
        np.concatenate(parts, out=params, casting="unsafe")
        dims = (len(self.coefs_[0]), *map(len, self.intercepts_))
        output, cost, parameter = self._fitted_output
        plan = Plan(
            dims, tuple(ACTIVATIONS[NAMES[name]] for name in self._fitted_activations),
            COSTS[output][cost], parameter, params,
        )  # fmt: skip
        return plan, params

    def _bind(self, dtype: Any = None, keep: bool = True) -> tuple[Plan, Array]:
        """Find the plan whose arena the parameters are in; make it where they were assigned.

        They become views of the arena, if it is to be kept.
        """
        bound = getattr(self, "_bound", None)
        arrays = [*self.coefs_, *self.intercepts_]
        if (
            bound is not None
            and (dtype is None or bound.params.dtype == dtype)
            and all(a is b for a, b in zip(arrays, bound.views, strict=True))
        ):
            return bound.plan, bound.params
        plan, params = self._plan(dtype or self._type())
        if keep:
            dims = (len(self.coefs_[0]), *map(len, self.intercepts_))
            self.coefs_, self.intercepts_ = views(params, dims)
            kept = [*self.coefs_, *self.intercepts_]
            self._bound = SimpleNamespace(plan=plan, params=params, views=kept)
        return plan, params

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_bound"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # of a shallow copy too
        if hasattr(self, "_optimizer"):
            self._optimizer = deepcopy(self._optimizer)
        if hasattr(self, "_fitted_output"):
            self._bind()

    # -------------------------------------------------------------------------------------- fit

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False,
        X_val: Any = None, y_val: Any = None,
    ) -> Any:  # fmt: skip
        sizes = _sizes(self.hidden_layer_sizes)
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        if self.weight_decay and self.solver != "adam":
            raise ValueError("weight_decay needs the solver 'adam'")
        if self.dropout and self.solver == "lbfgs":
            raise ValueError("dropout needs a stochastic solver")
        names = self._hidden_activations()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        data, labels = X, y
        X, y = self._validate_input(X, y, incremental, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        class_weight = getattr(self, "class_weight", None)
        if class_weight is not None:
            weight = compute_sample_weight(class_weight, labels)
            sample_weight = weight if sample_weight is None else sample_weight * weight
        if y.dtype.kind not in "biuf":
            raise TypeError(f"y must hold numbers, got element type {y.dtype}")
        if y.ndim == 1:
            y = y.reshape((-1, 1))
        if not first and y.shape[1] != len(self.intercepts_[-1]):
            raise ValueError(
                f"y has {y.shape[1]} outputs, but was fitted with {len(self.intercepts_[-1])}"
            )
        self.n_outputs_ = y.shape[1]
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize([X.shape[1], *sizes, self.n_outputs_], X.dtype)
        self._fitted_activations = names
        self.out_activation_ = self._output_activation()
        self._fitted_output = self._output(self._type())
        # the loss may be another than that of the last fit, which may have been interrupted
        for name in ("_bound", "_best"):
            self.__dict__.pop(name, None)
        validation = self._validation(X_val, y_val)
        # a call of partial_fit is no whole fit
        tasks: Any = None if incremental else Tasks(self, data, labels, sample_weight)
        if self.solver == "lbfgs":
            self._fit_lbfgs(X, y, sample_weight, validation, tasks)
        else:
            self._fit_stochastic(X, y, sample_weight, tasks, validation)
        if tasks is not None:
            tasks.close()
        if not np.isfinite(self._bind()[1]).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large"
                " values and need to be preprocessed."
            )
        return self

    def _fit_stochastic(
        self, X: Any, y: Array, sample_weight: Any, tasks: Tasks | None,
        validation: tuple[Any, Any] | None,
    ) -> None:  # fmt: skip
        incremental = tasks is None
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        plan, params = self._bind()
        optimizer = getattr(self, "_optimizer", None)
        if optimizer is None or not (
            (incremental or self.warm_start) and optimizer.goes_on(self, params)
        ):
            optimizer = self._optimizer = Optimizer(self, params)
        X, y, sample_weight, validation = self._split(X, y, sample_weight, validation)
        m = X.shape[0]
        if self.batch_size == "auto":
            batch = min(200, m)
        else:
            if self.batch_size > m:
                warnings.warn(
                    "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                    "clipped",
                    stacklevel=4,
                )
            batch = int(np.clip(self.batch_size, 1, m))
        order = np.arange(m, dtype=np.int64)
        start = perf_counter()
        self.n_iter_ = 0
        with Team(self._threads(batch, m)) as team, _progress(self) as progress:
            run = _run(X)(self, plan, params, X, y, sample_weight, batch, team)
            try:
                for _ in range(self.max_iter):
                    if tasks is not None:
                        tasks.begin()
                    if self.shuffle:
                        # what sklearn.utils.shuffle draws and returns, without its checks
                        self._random_state.shuffle(order)
                    self.loss_ = run.epoch(order if self.shuffle else None)
                    self.n_iter_ += 1
                    self.t_ += m
                    self.loss_curve_.append(self.loss_)
                    if self.verbose:
                        progress(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                    self._judge(validation, params, progress)
                    optimizer.end_iteration(self)
                    if tasks is not None and tasks.end():
                        break
                    if self._no_improvement_count > self.n_iter_no_change:
                        if optimizer.stops(self, progress):
                            break
                        self._no_improvement_count = 0
                    if incremental:
                        break
                    if self.max_time is not None and perf_counter() - start >= self.max_time:
                        break
                    if self.n_iter_ == self.max_iter:
                        warnings.warn(
                            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached "
                            "and the optimization hasn't converged yet.",
                            ConvergenceWarning,
                            stacklevel=4,
                        )
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=4)
        if hasattr(self, "_best"):
            params[:] = self._best
            del self._best

    def _threads(self, batch: int, m: int) -> int:
        work = 3 * sum(W.size for W in self.coefs_) - self.coefs_[0].size
        return choose(self.n_threads, batch, work * batch, max(STEP, CALL * batch // m))

    # ---------------------------------------------------------------------------------------- lbfgs

    def _fit_lbfgs(
        self, X: Any, y: Array, sample_weight: Any, validation: Any, tasks: Tasks
    ) -> None:
        # in the type that the solver hands on, as in scikit-learn
        dtype = self._type() if _keeps_float32() else np.dtype(np.float64)
        self._fitted_output = self._output(dtype)
        plan, params = self._bind(dtype)
        self._no_improvement_count = self.n_iter_ = 0
        X, y, sample_weight, validation = self._split(X, y, sample_weight, validation)
        m, start = X.shape[0], perf_counter()
        gradient = np.empty_like(params)
        # scikit-learn's order, all weights before the biases: the solver's sums then round alike
        numbers = views(np.arange(params.size), (len(self.coefs_[0]), *map(len, self.intercepts_)))
        packed = np.concatenate([array.ravel() for array in [*numbers[0], *numbers[1]]])
        with Team(self._threads(m, m)) as team, _progress(self) as progress:
            run = _run(X)(self, plan, params, X, y, sample_weight, m, team)

            def objective(x: Array) -> tuple[float, Array]:
                params[packed] = x
                self.loss_ = run.epoch(None)
                run.gradient(gradient)
                return self.loss_, gradient[packed].astype(np.float64, copy=False)

            def iterated(x: Array) -> None:
                params[packed] = x
                self.n_iter_ += 1
                progress(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                if validation is not None:
                    self._judge(validation, params, progress)
                stop = tasks.end()
                tasks.begin()
                late = self.max_time is not None and perf_counter() - start >= self.max_time
                enough = self.early_stopping and self._no_improvement_count > self.n_iter_no_change
                if stop or late or enough:
                    raise StopIteration

            tasks.begin()
            result = scipy.optimize.minimize(
                objective,
                params[packed],
                method="L-BFGS-B",
                jac=True,
                callback=iterated,
                options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
            )
        if result.status == 99:  # the callback's StopIteration
            self.n_iter_ = min(result.nit, self.max_iter)
        else:
            self.n_iter_ = _check_optimize_result("lbfgs", result, self.max_iter)
        self.loss_ = float(result.fun)
        best = np.empty(params.size)
        best[packed] = result.x
        if hasattr(self, "_best"):
            best = self._best
            del self._best
        # as scikit-learn, in float64 whatever X is
        self._bind(np.dtype(np.float64))[1][:] = best

    # -------------------------------------------------------------------------------------- predict

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        plan, params = self._bind(keep=False)
        m = X.shape[0]
        AL = np.empty((m, len(self.intercepts_[-1])), params.dtype)
        work = m * params.size
        if isinstance(X, np.ndarray) and work < ALONE:
            plan.predict(X, AL, 0, m)
            return AL.astype(np.result_type(X.dtype, params.dtype), copy=False)
        with Team(choose(self.n_threads, m, work, CALL)) as team:
            for first, rows in dense(X):
                out = AL[first : first + len(rows)]
                team.share(len(rows), partial(plan.predict, rows, out))
        return AL.astype(np.result_type(X.dtype, params.dtype), copy=False)

    @property
    def network_(self) -> Network:
        """A `Network` with the parameters of now: single rows at full speed, and more training."""
        check_is_fitted(self)
        names = [NAMES[name] for name in self._fitted_activations]
        output, cost, parameter = self._fitted_output
        options = {"huber": "huber_delta", "quantile": "quantile"}
        network = Network(
            [len(self.coefs_[0]), *(len(b) for b in self.intercepts_)],
            names,
            output,
            cost=cost,
            dtype=self._type(),
            init=0.0,
            rng=0,
            **({options[cost]: parameter} if cost in options else {}),
        )
        for l, (W, b) in enumerate(zip(self.coefs_, self.intercepts_, strict=True), 1):
            network.parameters[f"W{l}"][...] = W.T
            network.parameters[f"b{l}"][...] = b[:, None]
        return network

    def course_parameters(self) -> dict[str, Array]:
        """Copy the weights as the course's dictionary.

        Returns
        -------
        parameters : dict
            ``W1``, ``b1``, ..., of shapes (n, n_prev) and (n, 1).
        """
        check_is_fitted(self)
        return {
            key: value
            for l, (W, b) in enumerate(zip(self.coefs_, self.intercepts_, strict=True), 1)
            for key, value in ((f"W{l}", W.T.copy()), (f"b{l}", b[:, None].copy()))
        }

    # ----------------------------------------------------------------------------------------- loss

    def _targets(self, y: Array, dtype: Any) -> tuple[Array | None, Array | None]:
        """Make the engine's targets: class indices for softmax, else numbers."""
        if self.out_activation_ == "softmax":
            return None, np.argmax(y, axis=1).astype(np.int64)
        return np.ascontiguousarray(y, dtype), None

    def _loss_scale(self) -> float:
        """Say what share of the engine's cost scikit-learn's loss is."""
        return 1.0

    def _loss_constants(self, y: Array) -> Array | None:
        """Compute what each example's loss has in scikit-learn beside the engine's cost."""
        return None


class _progress:  # noqa: N801
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


@cache
def _keeps_float32() -> bool:
    """Whether SciPy's L-BFGS evaluates float32 parameters in float32: older ones do not."""
    seen = []

    def objective(x: Array) -> tuple[float, Array]:
        seen.append(x.dtype)
        return float(x[0] ** 2), np.array([2.0 * x[0]])

    scipy.optimize.minimize(objective, np.ones(1, np.float32), method="L-BFGS-B", jac=True)
    return bool(seen[0] == np.float32)


def _run(X: Any) -> type[Run]:
    return SparseRun if hasattr(X, "tocsr") else Run


def _sizes(hidden_layer_sizes: Any) -> list[int]:
    if not hasattr(hidden_layer_sizes, "__iter__"):
        return [hidden_layer_sizes]
    return list(hidden_layer_sizes)
