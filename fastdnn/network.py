"""A dense network that is trained by whole epochs below the Python line. One example is one row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastdnn._arrays import flag, in_range
from fastdnn._course.generators import Rng, first_generator, own_generator
from fastdnn._fit.document import load_network, save_network
from fastdnn._fit.fits import Fits
from fastdnn._fit.html import network_html
from fastdnn._fit.model import Model
from fastdnn._fit.names import ACTIVATIONS, COSTS, lists
from fastdnn._fit.predictor import Predictor
from fastdnn._fit.ranks import Fit, several
from fastdnn._fit.results import History, State
from fastdnn._fit.state import checked, load, pickled, unpickled, whole
from fastdnn.optimizers import Adam, Optimizer
from fastdnn.parameters import Scale, initialize_parameters_deep

_DEFAULT = Adam()


@lists(activations=ACTIVATIONS, costs=COSTS["identity"])
class Network(Predictor):
    """A network of dense layers.

    One example is one row. `fit` trains it by whole epochs of compiled code, and called again goes
    on exactly where it was.

    Parameters
    ----------
    layer_dims : sequence of int
        Units of each layer, the input's features first.
    activation : str or sequence of str
        Of all hidden layers, or one a hidden layer, with leaky_relu of slope 0.01; one of
        {activations}.
    output_activation : {"sigmoid", "softmax", "identity", "exp"}
        Sigmoid for one class or several that do not exclude each other, softmax for classes that
        do, identity for regression, exp for counts.
    cost : str, optional
        Of sigmoid and softmax "cross_entropy", of exp "poisson", and of the identity, the default
        first (half the square), one of
        {costs}.
        The cost of an example is the sum over the outputs.
    dtype : {float64, float32}
        Element type of all that is computed.
    init : float, "he" or "lecun"
        Standard deviation of the first weights: a number, sqrt(2 / n_prev) or 1 / sqrt(n_prev).
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        What the weights, the shuffles and dropout are drawn from, as `numpy.random.default_rng`
        takes it. A seed gives the same network each time. A generator goes on: it draws the weights
        and a seed, of which the network makes a generator of its own for all that follows.
    huber_delta : float
        Where huber goes over from the square to the absolute error.
    quantile : float
        Which quantile is estimated, between 0 and 1.
    init_bias : float
        Standard deviation of the first biases, which are drawn after all weights.
    zero_output : bool
        Whether the weights and biases of the output begin with 0, so that it is the same for all
        examples at first.
    input_scale : bool
        Whether each input is multiplied by a number of its own, at first 1, that is trained too.
        `parameters` then has these numbers, ``scale (n_0, 1)``, and the weights behind them,
        ``V1 (n_1, n_0)``, both to be read only; ``W1 = V1 * scale.T`` is what the network computes
        with. If W1 is written to, training goes on with a V1 that is W1 and a scale of 1.
    parametrization : {"standard", "ntk"}
        Whether a step changes weights by a learning rate that is that of the optimiser for all
        layers, or, in the neural tangent parametrisation, as if a layer computed
        ``W A / sqrt(n_prev)``: `parameters` holds ``W / sqrt(n_prev)``, of which the learning rate
        is 1 / sqrt(n_prev) of the optimiser's and epsilon sqrt(n_prev) times its. With
        ``init="lecun"`` such a W begins with standard deviation 1.
    reproducible : bool, optional
        Whether the same bits are demanded on every processor with AVX2, AVX-512 or NEON: a
        ValueError where they cannot be had. By default what `fastdnn.config` says.

    Attributes
    ----------
    layer_dims : tuple of int
    dtype : numpy.dtype
    parameters : mapping of str to ndarray
        ``W1 (n_1, n_0), b1 (n_1, 1), ...`` as in the course: views on the network's memory, which
        may be written to, but for the ``scale`` and ``V1`` of `input_scale`.
    epochs : int
        How many it was trained for.
    reproducible : bool
        Whether the same bits are demanded everywhere.

    Raises
    ------
    TypeError
        If an argument is not of its type.
    ValueError
        If there are fewer than two sizes, one is below 1, or a name is unknown.

    See Also
    --------
    fit_many : Trains several at once.
    save, load : Model files.
    to_onnx, to_c : For other programs.
    fastdnn.estimators.MLPClassifier : In scikit-learn's words.
    L_layer_model : In the course's.

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
        init_bias: float = 0.0,
        zero_output: bool = False,
        input_scale: bool = False,
        parametrization: Literal["standard", "ntk"] = "standard",
        reproducible: bool | None = None,
    ) -> None:
        first = first_generator(rng)
        if init not in ("he", "lecun"):
            init = in_range(init, "init")
        init_bias, zeros = in_range(init_bias, "init_bias"), flag(zero_output, "zero_output")
        drawn = initialize_parameters_deep(layer_dims, rng=first, scale=init, dtype=dtype)
        L = len(drawn) // 2
        for l in range(1, L + 1 if init_bias else 1):
            b = drawn[f"b{l}"]
            b[...] = init_bias * first.standard_normal(b.shape)
        if zeros:
            drawn[f"W{L}"][...] = drawn[f"b{L}"][...] = 0
        numbers = {"huber_delta": huber_delta, "quantile": quantile}
        scaled = flag(input_scale, "input_scale")
        model = Model.asked(
            drawn, activation, output_activation, cost, numbers, first, scaled, parametrization
        )
        model.demand(reproducible)
        model.rng = own_generator(first, rng)
        self._own(model)

    @classmethod
    def _of(cls, model: Model) -> "Network":
        """Make a network that owns a model."""
        net = cls.__new__(cls)
        net._own(model)
        return net

    def _own(self, model: Model) -> None:
        self._model, self._fits = model, Fits()
        if model.training.optimizer is None:
            model.training.optimizer = _DEFAULT
        if model.rng is None:
            model.rng = np.random.default_rng(0)

    def __repr__(self) -> str:
        """Say the shape and what it computes."""
        return f"Network({self._model})"

    def _repr_html_(self) -> str:
        """Show it as a table of its layers, in a notebook."""
        return network_html(self._model)

    # ----------------------------------------------------------------------------------------- fit

    def fit(
        self,
        X: ArrayLike | Sequence[Any],
        Y: ArrayLike | None = None,
        *,
        optimizer: Optimizer | None = None,
        batch_size: int | None = None,
        accumulate: int = 1,
        epochs: int = 1,
        shuffle: bool = True,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        clip_norm: float | None = None,
        label_smoothing: float = 0.0,
        last_batch: Literal["keep", "drop"] = "keep",
        rate_factors: Mapping[str, float] | None = None,
        epsilon_factors: Mapping[str, float] | None = None,
        validation_data: Sequence[ArrayLike] | None = None,
        callbacks: Iterable[Callable[[State], object]] = (),
        first_layer: Literal["auto", "direct", "gram"] = "auto",
        n_threads: int | None = None,
        block_bytes: int | None = None,
        verbose: bool = False,
        comm: Any = None,
        keep: Literal["last", "best"] = "last",
        metric: Literal["cost", "errors"] | Callable[[State], float] | None = None,
    ) -> History:
        """Train; called again it goes on exactly where it was.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (m, n_0)
            Input, one example a row. Float32 and float64 are read in place or a batch at a time,
            whatever the memory order; other types are converted whole. Of a sparse matrix or array
            of SciPy the first layer reads the nonzeros, unless there are so many that a dense batch
            takes less time; what is not CSR is converted to it once. What has a shape, an element
            type and slices, but lies elsewhere than in memory, as of h5py, zarr or dask, is read a
            block of rows at a time. So is a sequence of blocks ``(X, Y)`` or
            ``(X, Y, sample_weight)``, without Y.
        Y : array_like, shape (m, n_L), (m, 1) or (m,)
            Targets; with softmax class indices 0 .. n_L - 1, or a row of shares. Beside an X that
            is read in blocks they may lie elsewhere too.
        optimizer : Optimizer, optional
            One of `fastdnn.optimizers`; by default that of the last fit, at first ``Adam()``. Its
            moments are kept from fit to fit, and begin anew with another kind of optimiser.
        batch_size : int, optional
            Examples a batch, by default all.
        accumulate : int
            Batches whose gradients are added before a step is taken; of an epoch's last step there
            may be fewer. That is a step of a batch so many times as large, but for rounding, in the
            memory of one.
        epochs : int
            Passes over the data.
        shuffle : bool
            Draw a new order for each epoch: of blocks their order, and in each that of its rows. A
            batch of all examples needs none.
        sample_weight : array_like, shape (m,), optional
            Weights of the examples in a batch's mean cost, at least 0.
        l2 : float
            The cost of a batch has l2 / 2 times the sum of squares of all weights added to it.
        dropout, input_dropout : float
            Share of the hidden activations, and of the inputs, that a step sets to 0; the rest is
            scaled up, so that predict needs no change. Of sparse inputs only nonzeros are drawn.
        clip_norm : float, optional
            The greatest norm that the gradient of all parameters together keeps.
        label_smoothing : float
            Share of each target that is spread evenly over the classes, at least 0 and below 1:
            with softmax of K outputs a target t becomes (1 - share) t + share / K, with sigmoid
            (1 - share) t + share / 2. Those of the validation stay as they are.
        last_batch : {"keep", "drop"}
            Whether an epoch's last batch is taken too, if it has fewer examples than the others. If
            it is dropped, other examples sit out in each epoch that is shuffled. In a sequence of
            blocks that is the last batch of each block. Fewer examples than a batch, in all or in
            such a block, are a batch of their own, which is never dropped.
        rate_factors, epsilon_factors : mapping of str to float, optional
            What the optimiser's learning rate, and its epsilon, are multiplied by for some
            parameters: all weights by the name ``"W"``, all biases by ``"b"``, the inputs' scale by
            ``"scale"``, one by its own, such as ``"W2"``, which counts before that of its kind. A
            rate of 0 leaves them as they are. SGD has no epsilon, and takes no factors of it.
        validation_data : (X, Y) or (X, Y, sample_weight), optional
            Examples whose cost is recorded after each epoch, whatever it is: infinite, say, where a
            prediction overflows. They may lie elsewhere, too, and be ``(blocks, None)``.
        callbacks : iterable of callable
            Each is given a `State` after each epoch, and may stop the training.
        first_layer : {"auto", "direct", "gram"}
            How the first layer is computed. In full-batch descent by SGD the Gram form replaces
            the passes over X by products with X X^T, which has m^2 elements; "auto" takes it by the
            shapes, where it is less work in ten epochs. W1 then is written when a callback or the
            validation asks for it, and at the end: another thread sees it late. It needs a dense X.
        n_threads : int, optional
            As for `predict`.
        block_bytes : int, optional
            Bytes of a block of what is read in blocks, of which two lie in memory; a block has
            whole batches. By default data of up to 64 MiB are one block, and larger data at least
            16 of 8 to 64 MiB. Given it, an array is read in blocks too, which is right for a memory
            map of a file larger than memory that is to be shuffled.
        verbose : bool
            Show how far it is, on the standard error or below a notebook's cell: a bar, which rich
            draws (the extra ``progress``), or a line now and then where that is missing or nobody
            looks, as in a file.
        comm : mpi4py.MPI.Intracomm, optional
            Processes that train the same network together, each on its own rows: of each batch,
            which `batch_size` counts over all of them, every one takes an even part, and the
            gradients are added before the update. Callbacks are called on rank 0 alone, which also
            shows the progress; `n_threads` is 1 by default. See ``docs/clusters.md``.

        keep : {"last", "best"}
            Which epoch's parameters the network is left with: the last one's, or those of the epoch
            with the least score, of equal ones the last. Where no score is finite, it is left with
            the last one's, and the history has None as its best epoch. The optimiser's moments are
            those of the last epoch in any case. After Ctrl-C nothing is put back.
        metric : {"cost", "errors"} or callable, optional
            The score of an epoch, where the best one is kept: by default the cost of the validation
            data; the number of its examples, or their weight, of which softmax or one output
            predicts another class; or a number that shall fall, which a function makes of the
            `State`. `History.validation_scores` has them.

        Returns
        -------
        History
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
        Exception
            Whatever the reading of a block raises. The parameters are those of the block before, as
            they are if a block is not finite or of another shape than was said.

        See Also
        --------
        Network.predict : Predicts.
        fit_many : Trains several networks at once.
        fastdnn.callbacks.EarlyStopping : A callback.

        Notes
        -----
        Ctrl-C ends the training after a batch; the parameters and moments are those of that moment.
        An epoch of which not every batch was taken is not counted in `epochs`. A network is pickled
        with its optimiser, so a learning rate that is a lambda keeps it from that.

        Examples
        --------
        >>> import numpy as np
        >>> import fastdnn
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> net = fastdnn.Network([2, 16, 1], rng=0)
        >>> history = net.fit(X, X[:, 0] > X[:, 1], optimizer=fastdnn.Adam(1e-2), epochs=100)
        >>> history.costs[-1] < history.costs[0] / 2
        True
        """
        asked = (
            optimizer, batch_size, accumulate, shuffle, l2, dropout, input_dropout, clip_norm,
            label_smoothing, last_batch, rate_factors, epsilon_factors, first_layer, n_threads,
        )  # fmt: skip
        given = (
            self, self._model, X, Y, sample_weight, asked, epochs, validation_data, callbacks,
            block_bytes, verbose, keep, metric,
        )  # fmt: skip
        mpi = None if comm is None else several(comm)
        if mpi is not None:
            return Fit(self._fits, *given).run(comm, mpi)
        return self._fits.fit(*given)

    # --------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Copy all that `fit` needs to go on exactly: parameters, moments, counts, generator.

        Returns
        -------
        dict
            Arrays and numbers by name, which a pickle can hold.

        See Also
        --------
        Network.load_state_dict : Takes it over.
        Network.save : Writes a file.

        Examples
        --------
        >>> X = np.random.default_rng(0).normal(size=(100, 2))
        >>> net, other = fastdnn.Network([2, 8, 1], rng=0), fastdnn.Network([2, 8, 1], rng=1)
        >>> _ = net.fit(X, X[:, 0] > 0, epochs=5)
        >>> other.load_state_dict(net.state_dict())
        >>> net.fit(X, X[:, 0] > 0).costs == other.fit(X, X[:, 0] > 0).costs
        True
        """
        return whole(self._model, self._fits.running)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a network of the same shape has given.

        Parameters
        ----------
        state : dict
            What `state_dict` returned.

        Raises
        ------
        TypeError
            If it is no dict.
        ValueError
            If it is of a network of other sizes or another element type, lacks an entry, or has one
            that is not what it must be.

        See Also
        --------
        Network.state_dict : Gives the state.

        Examples
        --------
        >>> net, other = fastdnn.Network([2, 8, 1], rng=0), fastdnn.Network([2, 8, 1], rng=1)
        >>> other.load_state_dict(net.state_dict())
        >>> np.array_equal(net.predict([[1.0, 2.0]]), other.predict([[1.0, 2.0]]))
        True
        """
        kept = checked(self._model, state)
        with self._fits.alone():
            load(self._model, kept)

    def save(
        self, path: Any, *, training_state: bool = False, allow_nonfinite: bool = False
    ) -> None:
        """Write a model file, as `fastdnn.save` does.

        Parameters
        ----------
        path : str, path-like or binary file
            Where to.
        training_state : bool
            Also write what `fit` needs to go on to the last bit.
        allow_nonfinite : bool
            Whether weights may be NaN or infinite.

        Raises
        ------
        TypeError, ValueError, RuntimeError, OSError
            As `fastdnn.save`.

        See Also
        --------
        Network.load : Reads it.
        fastdnn.save : Of estimators and the course's parameters too.

        Examples
        --------
        >>> import io
        >>> net, file = fastdnn.Network([2, 8, 1], rng=0), io.BytesIO()
        >>> net.save(file)
        >>> _ = file.seek(0)
        >>> fastdnn.Network.load(file)
        Network([2, 8, 1], relu, sigmoid, cross_entropy, float64, 0 epochs)
        """
        running = self._fits.running
        save_network(self, path, self._model, running, training_state, allow_nonfinite)

    @staticmethod
    def load(path: Any, *, mmap: bool = False, allow_nonfinite: bool = False) -> "Network":
        """Read a model file that holds a network, as `fastdnn.load` does.

        Parameters
        ----------
        path : str, path-like or binary file
            Where from.
        mmap : bool
            Map the weights, so that processes share them.
        allow_nonfinite : bool
            Whether weights may be NaN or infinite.

        Returns
        -------
        Network
            A network of its own, that goes on from there.

        Raises
        ------
        ModelFileError, OSError
            As `fastdnn.load`; also if the file holds something else.

        See Also
        --------
        Network.save : Writes it.
        fastdnn.load : Reads a file of any kind.

        Examples
        --------
        >>> import io
        >>> net, file = fastdnn.Network([2, 8, 1], rng=0), io.BytesIO()
        >>> net.save(file)
        >>> _ = file.seek(0)
        >>> fastdnn.Network.load(file)
        Network([2, 8, 1], relu, sigmoid, cross_entropy, float64, 0 epochs)
        """
        return Network._of(load_network(path, mmap, allow_nonfinite))

    def __copy__(self) -> "Network":
        """Copy the memory too: two networks on one would train each other."""
        return deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """Write what version 0.1.0 wrote."""
        state = dict(vars(self))
        del state["_model"], state["_fits"]
        return state | pickled(self._model, self._fits.running)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read it."""
        self._model, left = unpickled(state)
        vars(self).update(left, _fits=Fits())
