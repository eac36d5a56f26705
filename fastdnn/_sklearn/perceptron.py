"""What the two estimators share: scikit-learn's perceptron, trained by the compiled engine."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import lru_cache, partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import (
    _check_sample_weight,
    validate_data,
)

from fastdnn._arrays import Array
from fastdnn._core.levels import promised
from fastdnn._fit.blocks import lies_elsewhere
from fastdnn._fit.data import costs_in_order, mean_cost, source
from fastdnn._fit.loop import epochs
from fastdnn._fit.model import Model, Training
from fastdnn._fit.sparse import Csr, as_csr
from fastdnn._fit.stretches import Loss
from fastdnn._fit.threads import helpers, piece
from fastdnn._sklearn.assembled import (
    activate_output,
    begin_records,
    checked_sizes,
    draw,
    drawn,
    element_type,
    ends,
    go_on,
    hidden_activations,
    keeps,
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
from fastdnn._sklearn.chunks import plain_examples
from fastdnn._sklearn.converted import Conversions, from_theirs
from fastdnn._sklearn.declared import FITTED
from fastdnn._sklearn.gradients import Gradients
from fastdnn._sklearn.lbfgs import descended, keeps_float32, minimize
from fastdnn._sklearn.losses import constant_of, constants, examples, scale
from fastdnn._sklearn.parts import fit_parts, predict_parts
from fastdnn._sklearn.rates import Rate, take_up
from fastdnn._sklearn.scores import Scores, scored
from fastdnn._sklearn.seeds import begun
from fastdnn._sklearn.stochastic import alone, iterate, settings_of
from fastdnn._sklearn.stopping import Judge, Validation, places, scorer_of, set_apart

# types whose equal values are alike
_PLAIN = {bool, float, int, str, type(None), np.float64}
# what a classifier's score in early stopping is made of
_SCORING = ("_score", "_predict", "_forward_pass_fast", "_computed", "_examples", "_seen")


class Perceptron(Gradients, Conversions, Scores, CallbackSupportMixin):
    """A mixin that comes before scikit-learn's class and replaces what it computes."""

    n_outputs_: int
    loss_: float
    # estimators that were pickled by version 0.1.0 have none of their own
    reproducible: bool | None = None

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """List the parameters, for which scikit-learn reads the signature in each call."""
        of: Any = cls
        return list(_names_of(of, of.__init__))

    def __sklearn_clone__(self) -> Self:
        """Clone as scikit-learn, in less time where there are parameters alone, of plain types."""
        of: Any = type(self)
        given = self.get_params(deep=False)
        if vars(self).keys() - given.keys() <= {"loss"} and all(map(_is_plain, given.values())):
            made: Self = of(**given)
            found = vars(made)
            if all(found.get(name) is value for name, value in given.items()):
                return made
        return super().__sklearn_clone__()

    def _validate_params(self) -> None:
        """Check the parameters; what was valid once is so again."""
        of: Any = type(self)
        for name, value in self.get_params(deep=False).items():
            kind: Any = type(value)
            check = _check if kind in _PLAIN else _check.__wrapped__
            check(of, name, kind, value)

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[Array, Array]:
        """Draw a layer's parameters as scikit-learn does: Glorot-uniform, the biases too."""
        return drawn(self, self._random_state, fan_in, fan_out, dtype)

    # -------------------------------------------------------------------------------------- fit

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False, **given: Any
    ) -> Self:  # fmt: skip
        """Train, in one thread at a time; given are X_val, y_val and sample_weight_val."""
        owner, state = object(), self.__dict__
        try:
            if state.setdefault("_owner", owner) is not owner:
                raise RuntimeError(FITTED)
            if incremental and lies_elsewhere(X):
                draw = check_random_state(self.random_state).permutation
                fit_parts(
                    self, X, y, sample_weight, draw, partial(self._fit_alone, incremental=True)
                )
                return self
            return self._fit_alone(X, y, sample_weight, incremental, **given)
        finally:
            # without a call, between whose parts an interrupt could come
            if "_owner" in state and state["_owner"] is owner:
                del state["_owner"]

    def _fit_alone(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool,
        X_val: Any = None, y_val: Any = None, sample_weight_val: Any = None,
    ) -> Self:  # fmt: skip
        refuse_hooks(self)
        promised(self.reproducible)
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
            n_0, n_L = ends(self) if kept is None else (kept.layer_dims[0], kept.layer_dims[-1])
            if X.shape[1] != n_0:
                raise ValueError(f"X has {X.shape[1]} features, but coefs_[0] has {n_0} rows")
            if y.shape[1] != n_L:
                raise ValueError(f"y has {y.shape[1]} outputs, but was fitted with {n_L}")
        self.n_outputs_ = y.shape[1]
        dtype = X.dtype if first else element_type(self) if kept is None else kept.dtype
        check_targets(self, y, "y", dtype)
        validation = validation_data(self, X_val, y_val, sample_weight_val)
        if validation is not None:
            check_targets(self, validation[1], "y_val", dtype)
        with self._generator() as random:
            init = (
                self._init_coef if "_random_state" in vars(self) else partial(drawn, self, random)
            )
            if first:
                draw(self, [X.shape[1], *hidden, self.n_outputs_], X.dtype, init)
            begin_records(self)
            set_output(self, first)
            # a call of partial_fit is no whole fit
            tasks = None if incremental else self._tasks(*data, sample_weight)
            if self.solver == "lbfgs":
                assert tasks is not None
                model = self._fit_lbfgs(X, y, sample_weight, tasks, validation, random)
            else:
                model = self._fit_stochastic(X, y, sample_weight, tasks, validation, random)
            if tasks is not None:
                tasks.close()
                # after an epoch they are finite, whatever its examples, but not after a callback
                if not np.isfinite(model.params).all():
                    raise ValueError(NOT_FINITE)
        return self

    def _generator(self) -> AbstractContextManager[np.random.RandomState]:
        """Take the generator of a call; that of a seed is kept where a subclass draws from it."""
        seed = self.random_state
        if isinstance(seed, Integral) and keeps(self, ("_init_coef",)):
            vars(self).pop("_random_state", None)
            return begun(int(seed))
        self._random_state = check_random_state(seed)
        return nullcontext(self._random_state)

    def _tasks(self, X: Any, y: Any, sample_weight: Any) -> Tasks:
        context = None
        if hasattr(self, "_init_callback_context"):
            # also where there are no callbacks: a search passes its own on
            # L-BFGS says that an iteration has ended, not that another will begin
            most = self.max_iter + (self.solver == "lbfgs")
            context = self._init_callback_context(max_subtasks=most)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}

        def fitted() -> dict[str, Any]:
            arrays = {"coefs_": self.coefs_, "intercepts_": self.intercepts_}
            return {name: [array.copy() for array in of] for name, of in arrays.items()}

        return Tasks(context, {"estimator": self, "X": X, "y": y, "metadata": metadata}, fitted)

    def _fit_stochastic(
        self, X: Any, y: Array, weights: Any, tasks: Tasks | None, given: Validation | None,
        random: np.random.RandomState,
    ) -> Model:  # fmt: skip
        model = self._bind()
        rate = self._taken_up(model, tasks is None)
        X, y, weights, validation = set_apart(self, X, y, weights, given, random)
        loss = None if validation is None else self._loss_of(model, validation)
        judge = self._judge(model, validation, loss)
        data = examples(X, y, weights, self.out_activation_, model.dtype, "X")
        m, L, cost = data.m, len(model.coefs), model.cost
        batch, order = self._batch(m), np.arange(m, dtype=np.int64)
        # a batch of all examples needs no order
        shuffled = order if self.shuffle and batch < m else None
        settings = settings_of(self, L, batch, shuffled, rate, scale(cost, y.shape[1]))
        constant = partial(constant_of(cost, y, weights, batch), shuffled)
        model.rng = random
        reordered = order if self.shuffle else None
        most = 1 if tasks is None else self.max_iter
        with Progress(self.verbose, most, m) as progress:
            # the loss's other terms depend on the order
            unseen = None
            if cost != "poisson":
                unseen = alone(self, loss, judge, tasks, progress)
            training = epochs(model, data, settings, self.max_iter, unseen, reordered)
            try:
                # a call: Python 3.13 leaves a loop's jump back out of what it stands in
                iterate(self, model, training, order, rate, constant, judge, tasks, progress)
            except KeyboardInterrupt:
                if settings.stop is not None and settings.stop.asked:
                    # of a search that has ended nothing is scored any more
                    raise
                warnings.warn("Training interrupted by user.", stacklevel=6)
            finally:
                training.close()
                # also where a scorer or a callback raises
                judge.restore()
                model.rng = None
        return model

    def _taken_up(self, model: Model, incremental: bool) -> Rate:
        """Take the rate of the last fit, if it is to go on and can, or begin one."""
        theirs = vars(self).pop("_optimizer", None)
        if theirs is not None:
            taken = from_theirs(theirs, self, model) if incremental else None
            model.training = taken or Training()
        return take_up(self, model, incremental or self.warm_start)

    def _fit_lbfgs(
        self, X: Any, y: Array, weights: Any, tasks: Tasks, given: Validation | None,
        random: np.random.RandomState,
    ) -> Model:  # fmt: skip
        # in the type that the solver hands on, as in scikit-learn
        model = self._bind(None if keeps_float32() else np.dtype(np.float64))
        self._no_improvement_count = self.n_iter_ = 0
        X, y, weights, validation = set_apart(self, X, y, weights, given, random)
        loss = None if validation is None else self._loss_of(model, validation)
        judge = self._judge(model, validation, loss)
        data = examples(X, y, weights, self.out_activation_, model.dtype, "X")
        settings = descended(self, data.m, scale(model.cost, y.shape[1]))
        constant = constant_of(model.cost, y, weights, data.m)(None)
        moments = model.training
        with (
            closing(epochs(model, data, settings)) as training,
            Progress(self.verbose, self.max_iter, data.m) as progress,
        ):

            def loss_of(gradient: Array) -> float:
                epoch = next(training)
                # a stochastic solver may go on
                model.training = moments
                epoch.gradient(gradient)
                return epoch.cost + constant

            descent = minimize(self, model.params, loss_of, judge, tasks, progress)
        # as scikit-learn, in float64 whatever X is
        model = self._bind(np.dtype(np.float64))
        model.params[:] = judge.best(descent.reached)
        if not np.isfinite(descent.f):
            raise ValueError(f"{NOT_FINITE} The weights are those of the last finite iteration.")
        self.loss_ = descent.f
        return model

    def _batch(self, m: int) -> int:
        if isinstance(self.batch_size, str):  # "auto"
            return min(200, m)
        if self.batch_size > m:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                "clipped",
                stacklevel=7,
            )
        return min(int(self.batch_size), m)

    def _judge(self, model: Model, validation: Validation | None, loss: Loss | None) -> Judge:
        """Prepare to judge what is trained, by the validation data if there is some."""
        if validation is None or loss is None:
            return Judge(self, model.params, None, None, None)
        X, y, weights = validation
        score: Callable[[], float] | None = None
        at = None
        if self.early_stopping and self.scoring == "loss":

            def score() -> float:
                assert self.validation_loss_curve_
                return -self.validation_loss_curve_[-1]

        elif self.early_stopping and self.scoring is None:
            options = {} if weights is None else {"sample_weight": weights}
            score = partial(self._score, X, y, **options)
            if keeps(self, _SCORING):
                at = places(validation, getattr(self, "_label_binarizer", None))
        elif self.early_stopping:
            classes = getattr(self, "classes_", None)
            score = scorer_of(self, self.scoring, validation, classes)
        data, factor, constant = loss

        def mean() -> float:
            return mean_cost(costs_in_order(model, data)) * factor + constant

        return Judge(self, model.params, validation, mean, score, at)

    def _score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score without a check of the input; scikit-learn's subclasses override it."""
        y_pred = self._predict(X, check_input=False)
        if np.issubdtype(y_pred.dtype, np.floating) and not np.isfinite(y_pred).all():
            return np.nan
        return scored(isinstance(self, ClassifierMixin), y, y_pred, sample_weight)

    def _loss_of(self, model: Model, validation: Validation) -> Loss:
        """Prepare the mean loss of examples, without the L2 term."""
        X, y, weights = validation
        if isinstance(self, ClassifierMixin):
            y = self._label_binarizer.transform(y)
        y = np.reshape(y, (len(y), -1))
        data = examples(X, y, weights, self.out_activation_, model.dtype, "X_val")
        rest = constants(model.cost, y)
        constant = 0.0 if rest is None else float(np.average(rest, weights=weights))
        return Loss(data, scale(model.cost, y.shape[1]), constant)

    # -------------------------------------------------------------------------------------- predict

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        if check_input and lies_elsewhere(X):
            return predict_parts(X, self._forward_pass_fast)
        X = self._examples(X, check_input)
        AL = self._computed(self._seen(), X)
        activate_output(self.out_activation_, AL)
        if AL.dtype == X.dtype:
            return AL
        return AL.astype(np.result_type(X.dtype, AL.dtype), copy=False)

    def _logits(self, X: Any) -> Array:
        """Compute what the output's activation is applied to."""
        X = self._examples(X, True)
        model = self._seen()
        Z = self._computed(model.of(model.activations, "identity", "squared_error"), X)
        return Z.astype(np.result_type(X.dtype, Z.dtype), copy=False)

    def _examples(self, X: Any, check_input: bool) -> Any:
        if check_input and not plain_examples(self, X):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if X.dtype.kind in "mMc":
            raise TypeError(f"X must hold real numbers, got element type {X.dtype}")
        return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)

    def _computed(self, model: Model, X: Any) -> Array:
        """Compute the output of a model on checked examples."""
        if self.reproducible:
            promised(True)
        if self.n_threads in (None, 1):
            found = model.plan.outputs(X)
            if found is not None:
                return found
        m, n_0 = X.shape[0], model.layer_dims[0]
        if X.shape[1] != n_0:
            raise ValueError(f"X has {X.shape[1]} features, but coefs_[0] has {n_0} rows")
        work: float = m * model.params.size
        X = source(X, n_0)
        if isinstance(X, Csr):
            X = X.astype(model.dtype)
            work += m * (X.per_row - n_0) * model.layer_dims[1]
        AL = np.empty((m, model.layer_dims[-1]), model.dtype)
        n_threads = helpers(self.n_threads, m, work)
        model.plan.predict(X, AL, n_threads, piece(model.work))
        return AL


def _is_plain(value: Any) -> bool:
    """Whether nothing can change a parameter's value."""
    return type(value) in _PLAIN or (
        type(value) is tuple and all(type(entry) in _PLAIN for entry in value)
    )


@lru_cache(maxsize=64)
def _names_of(cls: Any, _init: Any) -> tuple[str, ...]:
    return tuple(super(Perceptron, cls)._get_param_names())


@lru_cache(maxsize=4096)
def _check(cls: Any, name: str, _kind: type, value: Any) -> None:
    """Check a parameter, as scikit-learn checks them all."""
    validate_parameter_constraints(cls._parameter_constraints, {name: value}, cls.__name__)
