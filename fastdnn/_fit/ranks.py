"""A fit that the ranks of an MPI communicator take together, each with examples of its own.

All ranks hold the same network, and take the same steps: of each batch a rank has an even part, and
the gradients are added over ranks, in their order, before the update. What only one rank could do,
callbacks, the first one does.
"""

import json
import mmap
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from hashlib import blake2b
from math import isnan, nan
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import perf_counter
from typing import Any

import numpy as np

from fastdnn._arrays import Array, flag, in_range, integer
from fastdnn._config import __version__
from fastdnn._core.ranks import Ranks
from fastdnn._fit import loop
from fastdnn._fit.best import best_of
from fastdnn._fit.blocks import Blocks, taken, validation_of
from fastdnn._fit.data import Data, costs_of, mean_cost
from fastdnn._fit.fits import Fits, take_parameters
from fastdnn._fit.model import Model
from fastdnn._fit.names import COSTS
from fastdnn._fit.progress import Progress
from fastdnn._fit.results import History, State, checked_callbacks, last_costs
from fastdnn._fit.settings import Settings

# settings that a rank has for itself, and the others' names in `Network.fit`
_OWN = {"batch", "learning_rate", "optimizer", "order", "first_layer", "n_threads", "ranks"}
_NAMES = {"rule": "optimizer", "keep": "dropout"}


def several(comm: Any) -> Any:
    """Check a communicator, and return mpi4py's module; None, if it has one rank alone."""
    # only who has imported it can have a communicator
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is None or not isinstance(comm, mpi.Intracomm) or comm == mpi.COMM_NULL:
        raise TypeError(
            "comm must be an intracommunicator of mpi4py, such as MPI.COMM_WORLD, got "
            f"{type(comm).__name__ if mpi is None or comm != mpi.COMM_NULL else 'MPI.COMM_NULL'}"
        )
    return mpi if comm.Get_size() > 1 else None


class Fit:
    """One rank's part of a fit: the arguments are those of `Fits.fit`, and a communicator's."""

    def __init__(
        self, fits: Fits, network: Any, model: Model, X: Any, Y: Any, sample_weight: Any,
        asked: tuple[Any, ...], epochs: Any, validation_data: Any, callbacks: Iterable[Any],
        block_bytes: Any, verbose: Any, keep: Any, metric: Any,
    ) -> None:  # fmt: skip
        self._keep = keep, metric
        self._fits, self._network, self._model = fits, network, model
        self._examples = X, Y, sample_weight
        self._asked, self._epochs = asked, epochs
        self._validation_data, self._callbacks = validation_data, callbacks
        self._block_bytes, self._verbose = block_bytes, verbose

    def run(self, comm: Any, mpi: Any) -> History:
        """Train, on every rank, or raise on every rank."""
        return Ranks(comm, mpi).run(self._train)

    def _train(self, ranks: Ranks) -> tuple[History, bytes]:
        # first of all: amidst another fit nobody may even look at weights and moments
        with self._fits.alone():
            history = self._trained(ranks)
            return history, _digest(self._model)

    def _trained(self, ranks: Ranks) -> History:
        model = self._model
        data = self._data()
        validation = _whole(validation_of(model, self._validation_data, self._block_bytes))
        if best_of(model, *self._keep, validation) is not None:
            raise ValueError("keep='best' does not go with comm: EarlyStopping's restore_best does")
        epochs = integer(self._epochs, "epochs", least=0)
        callbacks = checked_callbacks(self._callbacks)
        settings = self._settings(ranks, data)
        verbose = flag(self._verbose, "verbose") and ranks.rank == 0
        facts = {
            "m": data.m if data.weights is None or data.weights.any() else 0,
            "callbacks": bool(callbacks), "validated": validation is not None,
        }  # fmt: skip
        shards = ranks.gather((facts, self._compared(settings, epochs)))
        _compare([compared for _, compared in shards])
        steps, settings = self._agreed(ranks, settings, [facts["m"] for facts, _ in shards])
        ranks.allot(steps, model.params, _memory(ranks, ranks.row(model.params)))
        progress = None
        if verbose:
            progress = Progress("epoch", epochs, sum(facts["m"] for facts, _ in shards))
        follow = _Following(
            ranks, self._network, model, epochs, validation, callbacks,
            any(facts["validated"] for facts, _ in shards), shards[0][0]["callbacks"], progress,
        )  # fmt: skip
        training = loop.epochs(model, data, settings, epochs)
        try:
            # a call: Python 3.13 leaves a loop's jump back out of what it stands in
            with progress or nullcontext():
                follow(training)
        finally:
            training.close()
        return follow.history

    def _data(self) -> Data:
        X, Y, sample_weight = self._examples
        model = self._model
        shape = getattr(X, "shape", None)
        if shape and shape[0] == 0:
            if shape != (0, model.layer_dims[0]):
                raise ValueError(
                    "X of a rank without examples must have shape "
                    f"{(0, model.layer_dims[0])}, got {shape}"
                )
            _without_rows(Y, "Y")
            if sample_weight is not None:
                _without_rows(sample_weight, "sample_weight")
            return _nothing(model)
        data = _whole(taken(model, X, Y, sample_weight, self._block_bytes))
        if data is None or not np.isfinite(model.params).all():
            raise ValueError("the network's parameters must be finite")
        return data

    def _settings(self, ranks: Ranks, data: Data) -> Settings:
        optimizer, batch_size, *others, first_layer, n_threads = self._asked
        part = batch_size
        if batch_size is not None:
            batch_size = integer(batch_size, "batch_size")
            if batch_size < ranks.size:
                raise ValueError(
                    f"batch_size must be at least the number of ranks, {ranks.size}, got "
                    f"{batch_size}"
                )
            part = _part(batch_size, ranks.rank, ranks.size)
        if first_layer == "gram":
            raise ValueError("first_layer='gram' does not go with comm")
        asked = (optimizer, part, *others, first_layer, 1 if n_threads is None else n_threads)
        settings = Settings.asked(self._model, data.m, *asked)
        if settings.drop:
            raise ValueError("last_batch='drop' does not go with comm")
        return settings._replace(ranks=ranks, first_layer="direct")

    def _compared(self, settings: Settings, epochs: int) -> dict[str, Any]:
        """List what must be the same on every rank."""
        model, training = self._model, self._model.training
        _, batch_size, _, shuffle, *_ = self._asked
        rate = settings.learning_rate
        return {
            "the version of fastdnn": __version__,
            "the version of NumPy": np.__version__,
            "layer_dims": model.layer_dims,
            "dtype": str(model.dtype),
            "activation, output_activation or cost": model.meaning,
            **{
                _NAMES.get(name, name): value
                for name, value in settings._asdict().items() if name not in _OWN
            },
            "learning_rate": "a schedule" if callable(rate) else rate,
            "batch_size": batch_size,
            "shuffle": bool(shuffle),
            "epochs": epochs,
            "the count of earlier epochs or steps": (training.counts.epochs, training.counts.steps),
            "the network's parameters (its rng)": _hash(model.params.data),
            "the optimiser's state": (
                training.rule, *(m if m is None else _hash(m.data) for m in training.moments)
            ),
            "the network's generator (its rng)": _hash(_state(model)),
        }  # fmt: skip

    def _agreed(self, ranks: Ranks, settings: Settings, shards: list[int]) -> tuple[int, Settings]:
        """Count the steps of an epoch, which are those of the rank that has most of them."""
        if not any(shards):
            raise ValueError("X must have examples on one rank or more")
        _, batch_size, _, shuffle, *_ = self._asked
        steps = 1
        if batch_size is not None:
            sizes = (
                _part(int(batch_size), rank, ranks.size) * settings.accumulate
                for rank in range(ranks.size)
            )
            steps = max(-(-m // size) for m, size in zip(shards, sizes, strict=True))
        shuffled = bool(shuffle) and steps > 1
        if shuffled or min(settings.keep) < 1:
            settings = settings._replace(order=_Orders(self._model, ranks, shuffled))
        else:
            settings = settings._replace(order=None)
        return steps, settings


class _Orders:
    """What a rank draws for an epoch: its order and, after it, its dropout.

    All ranks take four words from the network's generator, which so stays the same on every rank,
    and make a generator of them and their number.
    """

    def __init__(self, model: Model, ranks: Ranks, shuffled: bool) -> None:
        self._model, self._ranks, self._shuffled = model, ranks, shuffled
        self._generator = np.random.Generator(ranks.bits)

    def __call__(self, m: int) -> Array:
        words = [int(word) for word in self._ranks.draw(self._model.bits, 4)]
        seeds = np.random.SeedSequence(words, spawn_key=(self._ranks.rank,))
        self._ranks.bits.state = np.random.PCG64(seeds).state
        order: Array = self._generator.permutation(m) if self._shuffled else np.arange(m)
        return order


class _Following:
    """Record each epoch; the first rank's callbacks see it."""

    def __init__(
        self, ranks: Ranks, network: Any, model: Model, epochs: int, validation: Data | None,
        callbacks: tuple[Callable[[State], object], ...], validated: bool, seen: bool,
        progress: Progress | None,
    ) -> None:  # fmt: skip
        self._ranks, self._network, self._model, self._epochs = ranks, network, model, epochs
        self._validation, self._validated = validation, validated
        self._callbacks, self._seen = callbacks if ranks.rank == 0 else (), seen
        self._left: dict[str, Array] | None = None
        self.history, self._progress = History(), progress

    def __call__(self, training: Iterator[loop.Epoch]) -> None:
        start, history = perf_counter(), self.history
        for epoch in training:
            history.costs.append(epoch.cost)
            if self._validated:
                history.validation_costs.append(self._validation_cost(epoch))
            history.times.append(perf_counter() - start)
            if self._progress is not None:
                self._progress.show(len(history.costs), last_costs(history))
            if self._seen and self._stops(epoch):
                break
        if self._seen:
            # what a callback of the first rank wishes it to be left with
            take_parameters(self._model, self._ranks.gather(self._left)[0])

    def _validation_cost(self, epoch: loop.Epoch) -> float:
        """Compute the mean cost of all ranks' examples."""
        cost, weight = 0.0, 0.0
        if self._validation is not None:
            for c, w in costs_of(self._model, self._validation, epoch.team):
                cost, weight = cost + c, weight + w
        return mean_cost(self._ranks.meet(cost, weight))

    def _stops(self, epoch: loop.Epoch) -> bool:
        """Let the callbacks of the first rank see the epoch; whether one stops the training."""
        state = State(
            self._network, self._model.training.counts.epochs, epoch.learning_rate, self.history,
            epochs=self._epochs,
        )  # fmt: skip
        for callback in self._callbacks:
            callback(state)
        rate = nan
        if state.left is not None:
            self._left = {name: np.array(P) for name, P in state.left.items()}
        if state.learning_rate != epoch.learning_rate:
            rate = in_range(state.learning_rate, "learning_rate")
        stopped, rate = self._ranks.meet(state.stopped, rate)[0]
        if not isnan(rate):
            epoch.set_rate(rate)
        return bool(stopped)


# ----------------------------------------------------------------------------------------- helpers


def _part(batch_size: int, rank: int, size: int) -> int:
    """Count a rank's examples of a batch."""
    return batch_size * (rank + 1) // size - batch_size * rank // size


def _whole(data: Data | Blocks | None) -> Data | None:
    """Read the only block of data that lies elsewhere."""
    if isinstance(data, Blocks):
        data = data.cut()
    if isinstance(data, Blocks):
        raise ValueError(
            "data of several blocks does not go with comm: give each rank its own rows"
        )
    return data


def _nothing(model: Model) -> Data:
    """Make the data of a rank without examples: one that weighs nothing."""
    X = np.zeros((1, model.layer_dims[0]), model.dtype)
    weights = np.zeros(1, model.dtype)
    if COSTS[model.output][model.cost].classes:
        return Data(X, None, np.zeros(1, np.int64), weights)
    return Data(X, np.zeros((1, model.layer_dims[-1]), model.dtype), None, weights)


def _without_rows(value: Any, name: str) -> None:
    """Check what comes with an X of no rows."""
    shape = getattr(value, "shape", None)
    if shape is None and isinstance(value, (list, tuple)):
        shape = (len(value),)
    if not shape or shape[0] != 0:
        got = f"shape {shape}" if shape else "None" if value is None else type(value).__name__
        raise ValueError(f"{name} of a rank without examples must have no rows, got {got}")


def _memory(ranks: Ranks, row: int) -> Array | None:
    """Map memory that all ranks see, a row of so many bytes or more for each; None without it.

    It is a file of Linux's folder for that, which has lost its name on all ranks when the first
    gives it room: if one is killed meanwhile, no memory is lost.
    """
    row = -(-row // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
    with ExitStack() as files:
        file, has_room = _nameless(ranks, ranks.size * row, files), False
        if not all(ranks.gather(file >= 0)):
            return None
        with suppress(OSError):
            # where memory is full, it would be a fault to write to it
            os.posix_fallocate(file, ranks.rank * row, row)
            has_room = True
        if not all(ranks.gather(has_room)):
            return None
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        memory = np.frombuffer(mmap.mmap(file, ranks.size * row, flags), np.uint8)
        return memory.reshape(ranks.size, row)


def _nameless(ranks: Ranks, size: int, files: ExitStack) -> int:
    """Open one file without room on all ranks, and return its number; -1 where that cannot be."""
    file, name = -1, ""
    # the name lasts as long as this block
    with ExitStack() as names:
        with suppress(OSError):
            if ranks.rank == 0:
                name = names.enter_context(
                    NamedTemporaryFile(dir="/dev/shm", prefix=f"fastdnn-{os.getpid()}-")
                ).name
                os.truncate(name, size)
        name = ranks.gather(name)[0]
        with suppress(OSError):
            if name:
                # another machine has no such file
                file = files.enter_context(Path(name).open("r+b")).fileno()
        ranks.gather(None)
    return file


def _compare(ranks: list[dict[str, Any]]) -> None:
    """Raise the same error on every rank, if one differs from the first."""
    for name, value in ranks[0].items():
        for rank, others in enumerate(ranks):
            if others.get(name) != value:
                raise ValueError(
                    f"{name} must be the same on every rank, but rank 0 has {value}, and rank "
                    f"{rank} {others.get(name)}"
                )


def _state(model: Model) -> bytes:
    """Write the state of the generator."""
    text = json.dumps(model.bits.state, default=lambda value: value.tolist(), sort_keys=True)
    return text.encode()


def _hash(memory: bytes | memoryview) -> str:
    return blake2b(memory, digest_size=8).hexdigest()


def _digest(model: Model) -> bytes:
    """Sum up all that must be the same on every rank after a fit."""
    digest = blake2b(model.params.data)
    for moments in model.training.moments:
        if moments is not None:
            digest.update(moments.data)
    counts = model.training.counts
    digest.update(f"{counts.steps} {counts.epochs}".encode() + _state(model))
    return digest.digest()
