"""What the two estimators share: scikit-learn's perceptron, trained by the compiled engine."""

import warnings
from contextlib import suppress
from copy import deepcopy
from functools import partial
from numbers import Integral
from operator import is_
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    validate_data,
)

from fastdnn._arrays import Array, arena, native, readable
from fastdnn._core.plan import Plan
from fastdnn._fit.loop import inputs
from fastdnn._fit.model import Model
from fastdnn._fit.threads import CALL, STEP, Team, choose
from fastdnn._sklearn.assembled import (
    NAMES,
    activate_output,
    begin_records,
    chain,
    checked_sizes,
    complete,
    draw,
    go_on,
    hidden_activations,
    output,
    refuse_hooks,
    set_output,
    sizes,
)
from fastdnn._sklearn.callbacks import CallbackSupportMixin, Progress, Tasks
from fastdnn._sklearn.checked import (
    NOT_FINITE,
    check_targets,
    class_weights,
    refuse_balanced,
    validation_data,
)
from fastdnn._sklearn.converted import course_parameters, from_theirs, network
from fastdnn._sklearn.lbfgs import minimize
from fastdnn._sklearn.runs import Optimizer, Run, source, views
from fastdnn._sklearn.stopping import Judged
from fastdnn._sparse import Csr, as_csr, csr, is_sparse
from fastdnn.network import Network

# multiplications up to which BLAS asks no other thread either
ALONE = 200_000


class Bound(NamedTuple):
    """A plan, the arena that it reads, and the units of each layer."""

    plan: Plan
    params: Array
    dims: tuple[int, ...]


class Perceptron(Judged, CallbackSupportMixin):
    """A mixin that comes before scikit-learn's class and replaces what it computes."""

    if TYPE_CHECKING:
        coefs_: list[Array]
        intercepts_: list[Array]
        _optimizer: Any

        # the parameters, and what scikit-learn's class has
        def __getattr__(self, name: str) -> Any: ...

    # ------------------------------------------------------------------------------- parameters

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[Array, Array]:
        """Draw a layer's parameters as scikit-learn does: Glorot-uniform, the biases too."""
        bound = np.sqrt((2.0 if self._drawn == "logistic" else 6.0) / (fan_in + fan_out))
        drawn = (self._random_state.uniform(-bound, bound, n) for n in ((fan_in, fan_out), fan_out))
        W, b = (array.astype(dtype, copy=False) for array in drawn)
        return W, b

    def _type(self) -> np.dtype[Any]:
        """Find the type to compute in, whatever was assigned to the parameters."""
        # a few types of perhaps more arrays than NumPy takes arguments
        coefs, intercepts = chain(self)
        types = {array.dtype for array in coefs + intercepts}
        char = np.result_type(*types).char
        return np.dtype(np.float32 if char in "ef" else np.float64)

    def _dims(self) -> tuple[int, ...]:
        """Find the units of each layer, the input's features first."""
        coefs, intercepts = chain(self)
        return (len(coefs[0]), *map(len, intercepts))

    def _plan(self, dtype: Any) -> Bound:
        """Gather the parameters in an arena."""
        complete(self)
        coefs, intercepts = chain(self)
        parts = [np.ravel(array) for pair in zip(coefs, intercepts, strict=True) for array in pair]
        params = arena(sum(part.size for part in parts), dtype)
        np.concatenate(parts, out=params, casting="unsafe")
        dims = (len(coefs[0]), *map(len, intercepts))
        return Bound(self._plan_of(params, dims, output(self, dtype)), params, dims)

    def _plan_of(self, params: Array, dims: tuple[int, ...], last: tuple[str, str, float]) -> Plan:
        names = hidden_activations(self.activation, len(dims) - 2)
        return Model(dims, tuple(NAMES[name] for name in names), *last, params).plan

    def _bind(self, dtype: Any = None, keep: bool = True) -> Bound:
        """Find the plan whose arena the parameters are in; make it where they were assigned.

        They become views of the arena, if it is to be kept.
        """
        kept = self._kept()
        if kept is not None and (dtype is None or kept.params.dtype == dtype):
            return kept
        made = self._plan(dtype or self._type())
        if keep:
            self.coefs_, self.intercepts_ = views(made.params, made.dims)
            self.n_layers_ = len(made.dims)
            self._n_fitted = len(self.coefs_)
            self._bound = made, self._arrays(), self._said()
        return made

    def _kept(self) -> Bound | None:
        """Find the plan that was made, if nothing that it follows from was set since."""
        bound, arrays = getattr(self, "_bound", None), self._arrays()
        if (
            bound is not None
            and bound[2] == self._said()
            and len(arrays) == len(bound[1])
            and all(map(is_, arrays, bound[1]))
        ):
            return cast(Bound, bound[0])
        return None

    def _arrays(self) -> list[Array]:
        return [*self.coefs_, *self.intercepts_]

    def _said(self) -> tuple[Any, ...]:
        """Tell what else a plan follows from."""
        names = self.activation
        names = names if isinstance(names, str) else tuple(names)
        return (
            names,
            getattr(self, "out_activation_", None),
            getattr(self, "n_layers_", None),
            self.loss,
            getattr(self, "huber_delta", None),
            getattr(self, "quantile", None),
        )

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        left_out = ("_bound", "_owner", "_seeded")
        return {key: value for key, value in state.items() if key not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # of a shallow copy too
        if hasattr(self, "_optimizer"):
            self._optimizer = deepcopy(self._optimizer)
        if hasattr(self, "coefs_"):
            # memory of its own; what does not fit each other says so when it is used
            with suppress(AttributeError, TypeError, ValueError):
                self._bind()

    # -------------------------------------------------------------------------------------- fit

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False, **given: Any
    ) -> Any:  # fmt: skip
        """Train, in one thread at a time; given are X_val, y_val and sample_weight_val."""
        owner, state = object(), self.__dict__
        try:
            if state.setdefault("_owner", owner) is not owner:
                raise RuntimeError(
                    "this estimator is being fitted: let that end, or fit a clone of it"
                )
            return self._fit_alone(X, y, sample_weight, incremental, **given)
        finally:
            # without a call, between whose parts an interrupt could come
            if "_owner" in state and state["_owner"] is owner:
                del state["_owner"]

    def _fit_alone(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool,
        X_val: Any = None, y_val: Any = None, sample_weight_val: Any = None,
    ) -> Any:  # fmt: skip
        refuse_hooks(self)
        hidden = sizes(self.hidden_layer_sizes)
        if self.weight_decay and self.solver != "adam":
            raise ValueError("weight_decay needs the solver 'adam'")
        if self.dropout and self.solver == "lbfgs":
            raise ValueError("dropout needs a stochastic solver")
        class_weight = getattr(self, "class_weight", None)
        if incremental:
            refuse_balanced(class_weight)
            if self.early_stopping:
                raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        # what the last call has judged need not be again, where all is as it left it
        unchanged = not first and hidden == getattr(self, "_fitted_sizes", None)
        if not unchanged:
            hidden = checked_sizes(self.hidden_layer_sizes)
        kept = self._kept() if unchanged else None
        if first:
            hidden_activations(self.activation, len(hidden))
        elif kept is None or not hasattr(self, "n_outputs_"):
            go_on(self, hidden)
        data = X, y
        X, y = self._validate_input(X, y, incremental, reset=first)
        X = as_csr(X)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        if y.dtype.kind not in "biuf":
            raise TypeError(f"y must hold numbers, got element type {y.dtype}")
        if y.ndim == 1:
            y = y.reshape((-1, 1))
        if class_weight is not None:
            weight = class_weights(class_weight, self._label_binarizer, y)
            sample_weight = weight if sample_weight is None else sample_weight * weight
        if not first:
            n_0, *_, n_L = self._dims() if kept is None else kept.dims
            if X.shape[1] != n_0:
                raise ValueError(f"X has {X.shape[1]} features, but coefs_[0] has {n_0} rows")
            if y.shape[1] != n_L:
                raise ValueError(f"y has {y.shape[1]} outputs, but was fitted with {n_L}")
        self.n_outputs_ = y.shape[1]
        dtype = X.dtype if first else self._type() if kept is None else kept.params.dtype
        check_targets(self, y, "y", dtype)
        validation = validation_data(self, X_val, y_val, sample_weight_val)
        if validation is not None:
            check_targets(self, validation[1], "y_val", dtype)
        self._begin_random()
        if first:
            draw(self, [X.shape[1], *hidden, self.n_outputs_], X.dtype)
        begin_records(self)
        set_output(self, first)
        # of a fit that was interrupted
        self.__dict__.pop("_best", None)
        # a call of partial_fit is no whole fit
        tasks: Any = None if incremental else Tasks(self, *data, sample_weight)
        if self.solver == "lbfgs":
            minimize(self, X, y, sample_weight, validation, tasks)
        else:
            self._fit_stochastic(X, y, sample_weight, tasks, validation)
        if tasks is not None:
            tasks.close()
        if not np.isfinite(self._bind().params).all():
            raise ValueError(NOT_FINITE)
        return self

    def _begin_random(self) -> None:
        """Take the generator of a call, which a seed begins anew."""
        seed, seeded = self.random_state, self.__dict__.get("_seeded")
        if isinstance(seed, Integral) and seeded is not None:
            # a new one takes longer than a small step
            seeded.seed(seed)
        else:
            seeded = check_random_state(seed)
            if isinstance(seed, Integral):
                self._seeded = seeded
        self._random_state = seeded

    def _fit_stochastic(
        self, X: Any, y: Array, sample_weight: Any, tasks: Tasks | None,
        validation: Any,
    ) -> None:  # fmt: skip
        incremental = tasks is None
        plan, params, _ = self._bind()
        optimizer = self._taken_up(params, incremental)
        X, y, sample_weight, validation = self._split(X, y, sample_weight, validation)
        X, m = source(X), X.shape[0]
        if self.batch_size == "auto":
            batch = min(200, m)
        else:
            if self.batch_size > m:
                warnings.warn(
                    "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                    "clipped",
                    stacklevel=5,
                )
            batch = int(np.clip(self.batch_size, 1, m))
        order = np.arange(m, dtype=np.int64)
        start = perf_counter()
        self.n_iter_ = 0
        with Team(self._threads(X, batch)) as team, Progress(self) as progress:
            run = Run(self, plan, params, X, y, sample_weight, batch, team)

            def iterate() -> None:
                for _ in range(self.max_iter):
                    if tasks is not None:
                        tasks.begin()
                    if self.shuffle:
                        # what sklearn.utils.shuffle draws and returns, without its checks
                        self._random_state.shuffle(order)
                    loss = run.epoch(order if self.shuffle else None)
                    if not np.isfinite(loss):
                        raise ValueError(
                            f"{NOT_FINITE} The loss, or a weight, of epoch {self.n_iter_ + 1} is "
                            "not finite: the weights are those of before it."
                        )
                    self.loss_ = loss
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
                            stacklevel=6,
                        )

            try:
                # a call: Python 3.13 leaves a loop's jump back out of what it stands in
                iterate()
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=5)
            finally:
                # also where a scorer or a callback raises
                if hasattr(self, "_best"):
                    params[:] = self._best
                    del self._best

    def _taken_up(self, params: Array, incremental: bool) -> Any:
        """Take the optimiser of the last fit, if it is to go on and can, or begin one."""
        optimizer = getattr(self, "_optimizer", None)
        if incremental and not isinstance(optimizer, Optimizer):
            optimizer = from_theirs(optimizer, self, params)
        if (
            not (incremental or self.warm_start)
            or not isinstance(optimizer, Optimizer)
            or not optimizer.goes_on(self, params)
        ):
            optimizer = Optimizer(self, params)
        self._optimizer = optimizer
        return optimizer

    def _threads(self, X: Array | Csr, batch: int) -> int:
        first = 2 * inputs(X, batch) * len(self.intercepts_[0])
        work = first + 3 * sum(W.size for W in self.coefs_[1:])
        return choose(self.n_threads, batch, work * batch, max(STEP, CALL * batch // len(X)))

    # -------------------------------------------------------------------------------------- predict

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        X = self._examples(X, check_input)
        AL = self._computed(*self._bind(keep=False), X)
        activate_output(self.out_activation_, AL)
        return AL.astype(np.result_type(X.dtype, AL.dtype), copy=False)

    def _logits(self, X: Any) -> Array:
        """Compute what the output's activation is applied to."""
        X = self._examples(X, True)
        _, params, dims = self._bind(keep=False)
        plan = self._plan_of(params, dims, ("identity", "squared_error", 0.0))
        Z = self._computed(plan, params, dims, X)
        return Z.astype(np.result_type(X.dtype, Z.dtype), copy=False)

    def _examples(self, X: Any, check_input: bool) -> Any:
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if X.dtype.kind in "mMc":
            raise TypeError(f"X must hold real numbers, got element type {X.dtype}")
        return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)

    def _computed(self, plan: Plan, params: Array, dims: tuple[int, ...], X: Any) -> Array:
        """Compute the output of a plan on checked examples."""
        m, n_0, n_L = X.shape[0], dims[0], dims[-1]
        if X.shape[1] != n_0:
            raise ValueError(f"X has {X.shape[1]} features, but coefs_[0] has {n_0} rows")
        AL = np.empty((m, n_L), params.dtype)
        work = m * params.size
        if is_sparse(X):
            X = csr(X, "X", n_0).astype(params.dtype)
            work += int(m * (X.per_row - n_0)) * dims[1]
        else:
            X = readable(X)
        if work < ALONE:
            plan.predict(X, AL, 0, m)
            return AL
        with Team(choose(self.n_threads, m, work, CALL)) as team:
            team.share(m, partial(plan.predict, X, AL))
        return AL

    @property
    def network_(self) -> Network:
        """A `Network` with the parameters of now: single rows at full speed, and more training."""
        return network(self)

    def course_parameters(self) -> dict[str, Array]:
        """Copy the weights as the course's dictionary.

        Returns
        -------
        parameters : dict
            ``W1``, ``b1``, ..., of shapes (n, n_prev) and (n, 1).
        """
        return course_parameters(self)

    # ----------------------------------------------------------------------------------------- loss

    def _targets(self, y: Array, dtype: Any) -> tuple[Array | None, Array | None]:
        """Make the engine's targets: class indices for softmax, else numbers."""
        if self.out_activation_ == "softmax":
            return None, np.argmax(y, axis=1).astype(np.int64)
        return native(y, dtype, "C"), None

    def _loss_scale(self) -> float:
        """Say what share of the engine's cost scikit-learn's loss is."""
        return 1.0

    def _loss_constants(self, y: Array) -> Array | None:
        """Compute what each example's loss has in scikit-learn beside the engine's cost."""
        return None
