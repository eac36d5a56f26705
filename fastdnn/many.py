"""Many networks at once, on the same examples: every candidate and fold of a search in one call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from numpy.typing import ArrayLike

from fastdnn._fit.many import fit_all
from fastdnn._fit.results import History, State
from fastdnn.network import Network
from fastdnn.optimizers import Optimizer

_T = TypeVar("_T")
_Each: TypeAlias = _T | list[_T]


def fit_many(
    networks: Sequence[Network],
    X: ArrayLike | Sequence[Any],
    Y: ArrayLike | None = None,
    *,
    rows: _Each[ArrayLike | None] = None,
    validation_rows: _Each[ArrayLike | None] = None,
    sample_weight: _Each[ArrayLike | None] = None,
    optimizer: _Each[Optimizer | None] = None,
    batch_size: _Each[int | None] = None,
    accumulate: _Each[int] = 1,
    epochs: _Each[int] = 1,
    shuffle: _Each[bool] = True,
    l2: _Each[float] = 0.0,
    dropout: _Each[float] = 0.0,
    input_dropout: _Each[float] = 0.0,
    clip_norm: _Each[float | None] = None,
    label_smoothing: _Each[float] = 0.0,
    last_batch: _Each[Literal["keep", "drop"]] = "keep",
    rate_factors: _Each[Mapping[str, float] | None] = None,
    epsilon_factors: _Each[Mapping[str, float] | None] = None,
    validation_data: _Each[Sequence[ArrayLike] | None] = None,
    callbacks: _Each[Iterable[Callable[[State], object]]] = (),
    first_layer: _Each[Literal["auto", "direct", "gram"]] = "auto",
    n_threads: int | None = None,
    block_bytes: int | None = None,
    verbose: bool = False,
    keep: _Each[Literal["last", "best"]] = "last",
    metric: _Each[Literal["cost", "errors"] | Callable[[State], float] | None] = None,
) -> list[History]:
    """Train networks at once, each as ``net.fit(X[rows], Y[rows], ...)`` trains it, to the bit.

    Of every keyword **a list holds one value for each network, and anything else is for all**. So
    what is a sequence itself is given to all as an array or a tuple: indices, weights,
    ``callbacks=(tell,)`` and ``validation_data=(X_val, Y_val)``.

    Parameters
    ----------
    networks : sequence of Network
        Of any shapes, outputs and element types that fit X and Y; each once.
    X, Y : array_like or sparse matrix, array_like
        As for `Network.fit`, for all networks: neither is copied for any of them. Every row must be
        finite. What reads all its rows at once, which is a fit in full batches, a sparse X and the
        validation, has a copy of them for each set of rows, which those networks share.
    rows : array_like of int, optional
        Which rows of X and Y are trained on, as of a fold, in this order where nothing is shuffled;
        by default all.
    validation_rows : array_like of int, optional
        The rows whose cost is recorded after each epoch, instead of validation_data.
    sample_weight : array_like, shape (m,), optional
        Weights of all rows of X; those of the validation's rows count in its cost.
    optimizer, batch_size, accumulate, epochs, shuffle, l2 : optional
        As for `Network.fit`.
    dropout, input_dropout, clip_norm, label_smoothing, last_batch : optional
        As for `Network.fit`.
    rate_factors, epsilon_factors, validation_data, callbacks, first_layer : optional
        As for `Network.fit`. Callbacks are called by several threads, one at a time for a network.
    n_threads : int, optional
        How many networks are trained at once, by default as many as there are processors, of those
        that BLAS may use. Fewer networks than that may have several threads each, where they pay.
    block_bytes : int, optional
        As for `Network.fit`. What is read in blocks, each network reads for itself, and all of it:
        rows and validation_rows need examples in memory.
    verbose : bool
        Show how many are trained, as `Network.fit` shows how far it is.
    keep, metric : optional
        As for `Network.fit`.

    Returns
    -------
    list of History
        In the order of the networks. The `error` of one that diverged is what `Network.fit` would
        have raised; its parameters are those of before that epoch, and the others go on.

    Raises
    ------
    TypeError, ValueError
        As `Network.fit`, naming the network; also if a list has not one value for each, a network
        is given twice, or rows are no integers, out of range, repeated or none. All is judged
        before the first network is trained.
    RuntimeError
        If a network is being trained at the moment, or is an estimator's.

    See Also
    --------
    Network.fit : Trains one.
    fastdnn.estimators.GridSearchCV : Searches parameters of the estimators.

    Notes
    -----
    Ctrl-C, or an error of a callback or a schedule, ends all after a batch, as it ends `fit`; those
    that were done are done.

    Examples
    --------
    >>> import numpy as np, fastdnn
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> nets = [fastdnn.Network([4, n, 1], rng=0) for n in (4, 8, 16)]
    >>> histories = fastdnn.fit_many(nets, X, X.sum(axis=1) > 0, batch_size=32, epochs=20)
    >>> len(histories)
    3
    """
    asked = {name: value for name, value in locals().items() if name not in _NOT_EACH}
    given = _checked(networks)
    if not given:
        return []
    trained = [(network, network._model, network._fits) for network in given]
    return fit_all(trained, X, Y, asked, block_bytes, n_threads, verbose)


_NOT_EACH = ("networks", "X", "Y", "n_threads", "block_bytes", "verbose")


def _checked(networks: object) -> list[Network]:
    """Take networks, each of which is given once, and has weights of its own."""
    if isinstance(networks, Network) or not isinstance(networks, Iterable):
        raise TypeError(f"networks must be a sequence of Network, got {type(networks).__name__}")
    given = list(networks)
    first: dict[int, int] = {}
    for i, network in enumerate(given):
        if not isinstance(network, Network):
            raise TypeError(f"networks[{i}] must be a Network, got {type(network).__name__}")
        if network._model.source is not None:
            raise RuntimeError(
                f"networks[{i}] is an estimator's: train the estimator, or copy.copy(network)"
            )
        j = first.setdefault(id(network), i)
        if j != i:
            raise ValueError(f"networks[{i}] is networks[{j}]: each can be given once")
        if network._fits.running():
            raise RuntimeError(f"networks[{i}] is being trained: let that end, or copy it")
    return given
