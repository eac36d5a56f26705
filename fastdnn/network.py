"""A dense network that is trained by whole epochs below the Python line. One example is one row."""

import operator
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastdnn._arrays import (
    Array,
    apart,
    arena,
    as_arena,
    class_indices,
    in_range,
    integer,
    owned,
    targets,
    weights,
)
from fastdnn._core.training import ACTIVATIONS, COSTS, Counts, Plan, first_nonfinite, take_over
from fastdnn._core.workers import Exclusive
from fastdnn._fit.gram import NAMES
from fastdnn._fit.loop import (
    MOMENTS,
    History,
    Optimizer,
    Run,
    State,
    mean_cost,
    takes_gram,
    threads,
    train,
)  # fmt: skip
from fastdnn._fit.threads import CALL, Team, choose, piece
from fastdnn._sparse import Csr, rows
from fastdnn.optimizers import SGD, Adam, RMSprop
from fastdnn.parameters import Rng, Scale, initialize_parameters_deep

_T = TypeVar("_T")


class Network:
    """A network of dense layers.

    Parameters
    ----------
    layer_dims : sequence of int
        Units of each layer, the input's features first.
    activation : str or sequence of str
        Of all hidden layers, or one a hidden layer: identity, sigmoid, tanh, relu, leaky_relu
        (slope 0.01), elu, selu, gelu, silu or softplus.
    output_activation : {"sigmoid", "softmax", "identity", "exp"}
        Sigmoid for one class or several that do not exclude each other, softmax for classes that
        do, identity for regression, exp for counts.
    cost : str, optional
        With the identity "squared_error" (half the square, the default), "absolute_error", "huber"
        or "quantile"; the others have one each, "cross_entropy", or "poisson" with exp. The cost of
        an example is the sum over the outputs.
    dtype : {float64, float32}
        Element type of all that is computed.
    init : float, "he" or "lecun"
        Standard deviation of the first weights: a number, sqrt(2 / n_prev) or 1 / sqrt(n_prev). The
        biases are 0.
    rng : int, numpy.random.Generator or numpy.random.RandomState, optional
        What the weights, the shuffles and dropout are drawn from: a seed, or a generator, of which
        a copy is kept.
    huber_delta : float
        Where huber goes over from the square to the absolute error.
    quantile : float
        Which quantile is estimated, between 0 and 1.

    Attributes
    ----------
    layer_dims : tuple of int
    dtype : numpy.dtype
    parameters : mapping of str to ndarray
        ``W1 (n_1, n_0), b1 (n_1, 1), ...`` as in the course: views on the network's memory, which
        may be written to.
    epochs : int
        How many it was trained for.

    Raises
    ------
    TypeError
        If an argument is not of its type.
    ValueError
        If there are fewer than two sizes, one is below 1, or a name is unknown.

    Examples
    --------
    >>> import numpy as np, fastdnn
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> net = fastdnn.Network([4, 8, 1], rng=0)
    >>> history = net.fit(X, X.sum(axis=1) > 0, batch_size=32, epochs=20)
    >>> net.predict(X).shape
    (200, 1)
    """

    def __init__(
        self,
        layer_dims: Sequence[int],
        activation: str | Sequence[str] = "relu",
        output_activation: str = "sigmoid",
        *,
        cost: str | None = None,
        dtype: DTypeLike = "float64",
        init: Scale = "he",
        rng: Rng = None,
        huber_delta: float = 1.0,
        quantile: float = 0.5,
    ) -> None:
        self._rng = _generator(rng)
        if init not in ("he", "lecun"):
            init = in_range(init, "init")
        drawn = initialize_parameters_deep(layer_dims, rng=self._rng, scale=init, dtype=dtype)
        L = len(drawn) // 2
        self._layer_dims = (
            drawn["W1"].shape[1],
            *(len(drawn[f"b{l}"]) for l in range(1, L + 1)),
        )
        self._activations = _names(activation, L - 1)
        self._output_activation = _known(output_activation, "output_activation", COSTS)
        if output_activation == "softmax" and self._layer_dims[-1] < 2:
            raise ValueError("output_activation 'softmax' needs at least 2 output units")
        known = COSTS[output_activation]
        self._cost_name = _known(next(iter(known)) if cost is None else cost, "cost", known)
        self._huber_delta = in_range(huber_delta, "huber_delta", above=0)
        self._quantile = in_range(quantile, "quantile", above=0, below=1)
        self._counts = Counts()
        self._kind: str | None = None
        self._optimizer: Optimizer = Adam()
        self._moments: tuple[Array | None, Array | None] = (None, None)
        self._gram_state: dict[str, Any] | None = None
        parts = [a.T.ravel() for l in range(1, L + 1) for a in (drawn[f"W{l}"], drawn[f"b{l}"])]
        self._params = arena(sum(part.size for part in parts), parts[0].dtype)
        np.concatenate(parts, out=self._params)
        self._prepare()

    def _prepare(self) -> None:
        """Make what is not kept in a state: the plan and the lock."""
        parameter = {"huber": self._huber_delta, "quantile": self._quantile}
        self._plan = Plan(
            self.layer_dims,
            tuple(ACTIVATIONS[name] for name in self._activations),
            COSTS[self._output_activation][self._cost_name],
            parameter.get(self._cost_name, 0.0),
            self._params,
        )
        self._work = sum(n_prev * n for n_prev, n in pairwise(self.layer_dims))
        self._piece = piece(self._work)
        self._fitting = threading.Lock()

    def __repr__(self) -> str:
        """Say the shape and what it computes."""
        hidden = ", ".join(dict.fromkeys(self._activations)) or "no hidden layer"
        return (
            f"Network({list(self.layer_dims)}, {hidden}, {self._output_activation}, "
            f"{self._cost_name}, {self.dtype}, {self.epochs} epochs)"
        )

    @property
    def layer_dims(self) -> tuple[int, ...]:
        """Units of each layer, the input's features first."""
        return self._layer_dims

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self._params.dtype

    @property
    def epochs(self) -> int:
        """How many epochs it was trained for, in all fits."""
        return self._counts.epochs

    @property
    def _steps(self) -> int:
        return self._counts.steps

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The weights and biases, W (n, n_prev) and b (n, 1): views on the network's memory."""
        views, at = {}, 0
        for l, (n_prev, n) in enumerate(pairwise(self.layer_dims), 1):
            views[f"W{l}"] = self._params[at : at + n_prev * n].reshape(n_prev, n).T
            at += n_prev * n
            views[f"b{l}"] = self._params[at : at + n].reshape(n, 1)
            at += n
        return MappingProxyType(views)

    # ------------------------------------------------------------------------------------- predict

    def predict(self, X: ArrayLike, *, n_threads: int | None = None) -> Array:
        """Compute the activations of the output.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (m, n_0)
            Input, one example a row; a sparse matrix or array of SciPy is read as CSR.
        n_threads : int, optional
            By default as many as pay, of those that BLAS may use; at most four times as many as
            there are processors.

        Returns
        -------
        AL : ndarray, shape (m, n_L)
            Probabilities, means or values, in the network's element type.

        Raises
        ------
        TypeError
            If X is no array of real numbers, or is masked.
        ValueError
            If X is empty or has another number of columns than the network has inputs.
        """
        data: Any = X
        m = self._plan.rows(data)
        if not m:
            data = rows(X, "X", self.layer_dims[0])
            if isinstance(data, Csr):
                data = data.astype(self.dtype)
            m = len(data)
        AL = np.empty((m, self.layer_dims[-1]), self.dtype)
        self._shared(n_threads, data, m, lambda i, j: self._plan.predict(data, AL, i, j))
        return AL

    def cost(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        n_threads: int | None = None,
    ) -> float:
        """Compute the mean cost of examples, without the L2 term.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (m, n_0)
            Input, one example a row; a sparse matrix or array of SciPy is read as CSR.
        Y : array_like, shape (m, n_L), (m, 1) or (m,)
            Targets, as for `fit`.
        sample_weight : array_like, shape (m,), optional
            Weights of the examples in the mean.
        n_threads : int, optional
            By default as many as pay, of those that BLAS may use; at most four times as many as
            there are processors.

        Returns
        -------
        cost : float

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        data, T, labels, w = self._data(X, Y, sample_weight, "X", "Y", "sample_weight")
        evaluate = partial(self._plan.evaluate, data, T, labels, w)
        return mean_cost(self._shared(n_threads, data, len(data), evaluate))

    def _shared(
        self, n_threads: int | None, X: Array | Csr, m: int, task: Callable[[int, int], _T]
    ) -> list[_T]:
        """Call task(first, stop) for each thread's rows."""
        if n_threads is not None:
            n_threads = integer(n_threads, "n_threads")
        work: float = self._work
        if isinstance(X, Csr):
            work += (X.per_row - self.layer_dims[0]) * self.layer_dims[1]
        with Team(choose(n_threads, m, work * m, CALL)) as team:
            return team.share(m, task, self._piece)

    def _data(
        self, X: Any, Y: Any, sample_weight: Any, X_name: str, Y_name: str, weight_name: str
    ) -> tuple[Array | Csr, Array | None, Array | None, Array | None]:
        """Judge examples: X as it lies, targets or class indices, weights."""
        X = rows(X, X_name, self.layer_dims[0])
        row = first_nonfinite(X, self.dtype == np.float32)
        if row >= 0:
            raise ValueError(f"{X_name} must be finite in {self.dtype}, but row {row} is not")
        if isinstance(X, Csr):
            X = X.astype(self.dtype)
        T = labels = None
        m, n_L = len(X), self.layer_dims[-1]
        if self._output_activation == "softmax":
            labels = class_indices(Y, Y_name, m, n_L)
        if labels is None:
            least, most = {
                "sigmoid": (0.0, 1.0),
                "softmax": (0.0, np.inf),
                "exp": (0.0, np.inf),
                "identity": (-np.inf, np.inf),
            }[self._output_activation]
            T = targets(Y, Y_name, m, n_L, self.dtype, least, most)
        w = None
        if sample_weight is not None:
            w = weights(sample_weight, weight_name, m, self.dtype)
        return X, T, labels, w

    # ----------------------------------------------------------------------------------------- fit

    def fit(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        *,
        optimizer: Optimizer | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        shuffle: bool = True,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        clip_norm: float | None = None,
        validation_data: Sequence[ArrayLike] | None = None,
        callbacks: Iterable[Callable[[State], object]] = (),
        first_layer: Literal["auto", "direct", "gram"] = "auto",
        n_threads: int | None = None,
    ) -> History:
        """Train; called again it goes on exactly where it was.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (m, n_0)
            Input, one example a row. Float32 and float64 are read in place or a batch at a time,
            whatever the memory order; other types are converted whole. Of a sparse matrix or array
            of SciPy the first layer reads the nonzeros, unless there are so many that a dense batch
            takes less time; what is not CSR is converted to it once.
        Y : array_like, shape (m, n_L), (m, 1) or (m,)
            Targets; with softmax class indices 0 .. n_L - 1, or a row of shares.
        optimizer : SGD, RMSprop, Adam or AdamW, optional
            By default the one of the last fit, at first ``Adam()``. Its moments are kept from fit
            to fit, and begin anew with another kind of optimiser.
        batch_size : int, optional
            Examples a step, by default all.
        epochs : int
            Passes over the data.
        shuffle : bool
            Draw a new order for each epoch. A batch of all examples needs none.
        sample_weight : array_like, shape (m,), optional
            Weights of the examples in a batch's mean cost, at least 0.
        l2 : float
            The cost of a batch has l2 / 2 times the sum of squares of all weights added to it.
        dropout, input_dropout : float
            Share of the hidden activations, and of the inputs, that a step sets to 0; the rest is
            scaled up, so that predict needs no change. Of sparse inputs only nonzeros are drawn.
        clip_norm : float, optional
            The greatest norm that the gradient of all parameters together keeps.
        validation_data : (X, Y) or (X, Y, sample_weight), optional
            Examples whose cost is recorded after each epoch, whatever it is: infinite, say, where a
            prediction overflows.
        callbacks : iterable of callable
            Each is given a `State` after each epoch, and may stop the training.
        first_layer : {"auto", "direct", "gram"}
            How the first layer is computed. In full-batch descent by SGD the Gram form replaces
            the passes over X by products with X X^T, which has m^2 elements; "auto" takes it by the
            shapes, where it is less work in ten epochs. W1 then is written when a callback or the
            validation asks for it, and at the end: another thread sees it late. It needs a dense X.
        n_threads : int, optional
            By default as many as pay, of those that BLAS may use; at most four times as many as
            there are processors.

        Returns
        -------
        history : History
            Costs, validation costs and times of the epochs of this call.

        Raises
        ------
        TypeError
            If an argument is not of its type, or is masked.
        ValueError
            If an argument is empty, not finite or out of range, or the shapes do not fit.
        FloatingPointError
            If the cost or a parameter is no longer finite. The parameters then are those of before
            that epoch; what it drew from the generator stays drawn.
        RuntimeError
            If the network is being trained at the moment, in another thread or by this very fit.

        Notes
        -----
        Ctrl-C ends the training after a batch; the parameters and moments are those of that moment.
        An epoch of which not every batch was taken is not counted in `epochs`. A network is pickled
        with its optimiser, so a learning rate that is a lambda keeps it from that.
        """
        data, T, labels, w = self._data(X, Y, sample_weight, "X", "Y", "sample_weight")
        data, T = self._apart(data), self._apart(T)
        validation = None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
                raise TypeError("validation_data must be (X, Y) or (X, Y, sample_weight)")
            validation = self._data(
                *(*validation_data, None)[:3], *(f"validation_data[{i}]" for i in range(3))
            )
            validation = (*map(self._apart, validation[:2]), *validation[2:])
        m = len(data)
        batch = m if batch_size is None else min(m, integer(batch_size, "batch_size"))
        epochs = integer(epochs, "epochs", least=0)
        if optimizer is None:
            optimizer = self._optimizer
        elif not isinstance(optimizer, (SGD, RMSprop, Adam)):
            raise TypeError(
                f"optimizer must be SGD, RMSprop, Adam or AdamW, got {type(optimizer).__name__}"
            )
        try:
            callbacks = tuple(callbacks)
        except TypeError:
            raise TypeError(
                f"callbacks must be a sequence of callables, got {callbacks!r}"
            ) from None
        for callback in callbacks:
            if not callable(callback):
                raise TypeError(f"callbacks must be callables, got {callback!r}")
        if not isinstance(shuffle, (bool, np.bool_)):
            raise TypeError(f"shuffle must be True or False, got {shuffle!r}")
        if not np.isfinite(self._params).all():
            raise ValueError("the network's parameters must be finite")
        numbers = {
            "l2": in_range(l2, "l2"),
            # no subnormal, which the engine takes as 0
            "clip_norm": 0.0
            if clip_norm is None
            else max(in_range(clip_norm, "clip_norm", above=0), float(np.finfo(float).tiny)),
        }
        keep = (
            1 - in_range(input_dropout, "input_dropout", below=1),
            *[1 - in_range(dropout, "dropout", below=1)] * (len(self.layer_dims) - 2),
        )
        _known(first_layer, "first_layer", ("auto", "direct", "gram"))
        if n_threads is not None:
            n_threads = integer(n_threads, "n_threads")
        shuffled = bool(shuffle) and batch < m
        run = Run(data, T, labels, w, batch, shuffled, keep, numbers, n_threads, guarded=True)
        with self._exclusively():
            gram = takes_gram(run, optimizer, first_layer, self.layer_dims[1])
            with Team(threads(run, self.layer_dims, gram)) as team:
                return train(self, run, optimizer, epochs, gram, team, validation, callbacks)

    def _apart(self, data: Any) -> Any:
        """Copy what lies in the memory that is trained: it may be read while that is written."""
        if isinstance(data, Csr):
            data.data = self._apart(data.data)
        elif data is not None:
            data = apart(data, [self._params, *(m for m in self._moments if m is not None)])
        return data

    def _exclusively(self) -> Exclusive:
        return Exclusive(
            self._fitting, "this network is being trained: let that end, or copy the network"
        )

    # --------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Copy all that `fit` needs to go on exactly: parameters, moments, counts, generator.

        Returns
        -------
        state : dict
        """
        return deepcopy(
            {name: getattr(self, f"_{name}") for name in _STATE}
            | {"epochs": self.epochs, "layer_dims": self.layer_dims}
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a network of the same shape has given.

        Parameters
        ----------
        state : dict

        Raises
        ------
        TypeError
            If it is no dict.
        ValueError
            If it is of a network of other sizes or another element type, lacks an entry, or has one
            that is not what it must be.
        """
        kept = self._checked(state)
        with self._exclusively():
            m1, m2 = kept["moments"]
            kept["moments"] = as_arena(m1), as_arena(m2)
            kept["counts"] = Counts(kept["steps"], kept["epochs"])
            changed = {f"_{name}": kept[name] for name in (*_OWN, "counts")}
            # the plan and the user's views point at the memory
            take_over(self._params, kept["params"], self.__dict__, changed)

    def _checked(self, state: Any) -> dict[str, Any]:
        """Copy a state, of which every entry is what the engine relies on."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict, got {type(state).__name__}")
        kept: dict[str, Any] = owned(deepcopy(dict(state)))
        for name in (*_STATE, "epochs", "layer_dims"):
            if name not in kept:
                raise ValueError(f"state has no {name!r}")
        for name in ("steps", "epochs"):
            try:
                kept[name] = operator.index(kept[name])
            except TypeError:
                raise ValueError(
                    f"state[{name!r}] is not of this network: {kept[name]!r}"
                ) from None
        try:
            dims = tuple(map(operator.index, kept["layer_dims"]))
        except TypeError:
            raise ValueError(
                f"state['layer_dims'] is not of this network: {kept['layer_dims']!r}"
            ) from None
        params = kept["params"]
        if not isinstance(params, np.ndarray):
            raise ValueError(f"state['params'] is not of this network: {type(params).__name__}")
        if dims != self.layer_dims or params.dtype != self.dtype:
            raise ValueError(
                f"state is of a network {list(dims)} in {params.dtype}, "
                f"but this one is {list(self.layer_dims)} in {self.dtype}"
            )
        kind, moments = kept["kind"], kept["moments"]
        if not (kind is None or (isinstance(kind, str) and kind in MOMENTS)):
            raise ValueError(f"state['kind'] is not of this network: {kind!r}")
        fits = {
            "params": params.shape == self._params.shape and bool(np.isfinite(params).all()),
            "moments": isinstance(moments, tuple)
            and len(moments) == 2
            and all(
                (a is None) == (kind is None or i not in MOMENTS[kind])
                and (a is None or self._is_arena(a, self._params.size))
                for i, a in enumerate(moments, 1)
            ),
            "optimizer": isinstance(kept["optimizer"], (SGD, RMSprop, Adam)),
            "steps": 0 <= kept["steps"] < _MOST,
            "epochs": 0 <= kept["epochs"] < _MOST,
            "rng": isinstance(kept["rng"], np.random.Generator),
            "gram_state": kept["gram_state"] is None or self._is_gram(kept["gram_state"]),
        }
        for name, fit in fits.items():
            if not fit:
                raise ValueError(f"state[{name!r}] is not of this network: {kept[name]!r}")
        return kept

    def _is_arena(self, array: Any, *shape: int) -> bool:
        return (
            isinstance(array, np.ndarray)
            and array.shape == shape
            and array.dtype == self.dtype
            and array.flags.c_contiguous
            and bool(np.isfinite(array).all())
        )

    def _is_gram(self, state: Any) -> bool:
        n_0, n_1 = self.layer_dims[:2]
        if not isinstance(state, Mapping):
            return False
        try:
            W0, V0, C, U, shares = (state[name] for name in NAMES)
            return (
                self._is_arena(W0, n_0, n_1)
                and (V0 is None or self._is_arena(V0, n_0, n_1))
                and self._is_arena(C, len(C), n_1)
                and (U is None or self._is_arena(U, len(C), n_1))
                and shares.shape == (2, 2)
                and shares.dtype == np.float64
                and bool(shares.flags.c_contiguous)
                and bool(np.isfinite(shares).all())
            )
        except (TypeError, KeyError, AttributeError):
            return False

    def __copy__(self) -> "Network":
        """Copy the memory too: two networks on one would train each other."""
        return deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made anew."""
        made = ("_plan", "_fitting", "_counts")
        state = {k: v for k, v in self.__dict__.items() if k not in made}
        return state | {"_steps": self._counts.steps, "_epochs": self._counts.epochs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make it, in memory of its own: what was read from a memory map cannot be written."""
        self.__dict__.update(state)
        self._counts = Counts(self.__dict__.pop("_steps"), self.__dict__.pop("_epochs"))
        self._params = arena(self._params.size, self.dtype, self._params)
        m1, m2 = self._moments
        self._moments = as_arena(m1), as_arena(m2)
        self._gram_state = owned(self._gram_state)
        self._prepare()


# steps and epochs that a long training is far from, and that 64 bits can go on counting
_MOST = 2**62
_OWN = ("moments", "kind", "optimizer", "gram_state", "rng")
_STATE = ("params", *_OWN, "steps")


# ----------------------------------------------------------------------------------------- helpers


def _generator(rng: Rng) -> np.random.Generator:
    if isinstance(rng, np.random.RandomState):
        return np.random.Generator(deepcopy(rng)._bit_generator)
    if isinstance(rng, np.random.Generator):
        return deepcopy(rng)
    if rng is not None and (isinstance(rng, bool) or not isinstance(rng, (int, np.integer))):
        raise TypeError(
            "rng must be an integer, a numpy.random.Generator or a numpy.random.RandomState, "
            f"got {type(rng).__name__}"
        )
    if rng is not None and rng < 0:
        raise ValueError(f"rng must be at least 0, got {rng}")
    return np.random.default_rng(rng)


def _names(activation: Any, count: int) -> tuple[str, ...]:
    if isinstance(activation, str):
        _known(activation, "activation", ACTIVATIONS)
        return (activation,) * count
    if not isinstance(activation, Sequence):
        raise TypeError(f"activation must be a name or a sequence of names, got {activation!r}")
    if len(activation) != count:
        raise ValueError(
            f"activation must be one name, or one for each of {count} hidden layers, "
            f"got {activation!r}"
        )
    return tuple(_known(name, "activation", ACTIVATIONS) for name in activation)


def _known(name: Any, argument: str, known: Iterable[str]) -> str:
    if not isinstance(name, str) or name not in tuple(known):
        raise ValueError(f"{argument} must be one of {', '.join(known)}, got {name!r}")
    return str(name)
