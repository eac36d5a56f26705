"""A fit's loop over epochs: what surrounds the engine's part of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

from fastdnn._arrays import Array, arena, in_range
from fastdnn._core.training import OPTIMIZERS, Counts, Trainer
from fastdnn._fit.gram import Gram, pays
from fastdnn._fit.threads import CALL, STEP, Team, choose
from fastdnn._sparse import Csr
from fastdnn.optimizers import SGD, Adam, AdamW, RMSprop

Optimizer = SGD | RMSprop | Adam | AdamW
# the moments that a code of OPTIMIZERS needs
MOMENTS = {"sgd": (), "momentum": (1,), "nesterov": (1,), "rmsprop": (2,), "adam": (1, 2)}


@dataclass
class History:
    """What one fit has recorded, an entry an epoch.

    Attributes
    ----------
    costs : list of float
        Mean cost of the training data, each batch's taken before its update, the L2 term included.
    validation_costs : list of float
        Mean cost of the validation data after the epoch, without the L2 term; empty without any.
    times : list of float
        Seconds since the fit began.
    """

    costs: list[float] = field(default_factory=list)
    validation_costs: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


@dataclass
class State:
    """What a callback is given after an epoch.

    Attributes
    ----------
    network : Network
        The network, its parameters those of after the epoch.
    epoch : int
        How many epochs it has been trained for, in this fit and before.
    learning_rate : float
        Of this epoch.
    history : History
        Of this fit; the last entries are this epoch's.
    """

    network: Any
    epoch: int
    learning_rate: float
    history: History
    stopped: bool = False

    def stop(self) -> None:
        """End the training after this epoch."""
        self.stopped = True


@dataclass(frozen=True)
class Run:
    """The judged arguments of a fit."""

    X: Array | Csr
    T: Array | None
    labels: Array | None
    weights: Array | None
    batch: int
    shuffled: bool
    keep: tuple[float, ...]
    numbers: dict[str, float]
    n_threads: int | None
    guarded: bool


def takes_gram(
    run: Run, optimizer: Optimizer, first_layer: str, n_1: int, epochs: int = 10
) -> bool:
    """Decide on the form of the first layer, of n_1 units.

    By default by the shapes alone, as for a fit of ten epochs: were the number of epochs to decide,
    k of them and k more would not take the form of 2k.

    Raises
    ------
    ValueError
        If the Gram form is asked for, but not what was asked for beside it allows it.
    """
    m, n_0 = run.X.shape
    possible = (
        isinstance(optimizer, SGD)
        and run.batch == m
        and run.keep[0] == 1
        and not run.numbers["clip_norm"]
        and not isinstance(run.X, Csr)
    )
    if first_layer == "gram" and not possible:
        raise ValueError(
            "first_layer='gram' needs a dense X, the optimiser SGD, batch_size=None, and neither "
            "input_dropout nor clip_norm"
        )
    if first_layer == "auto":
        return possible and pays(m, n_0, n_1, epochs)
    return first_layer == "gram"


def threads(run: Run, layer_dims: Sequence[int], gram: bool) -> int:
    """Choose the threads of a run: another number gives other bits."""
    m = len(run.X)
    # multiplications of an example in a step: three products, but for the first layer two
    first = (run.batch if gram else 2 * inputs(run.X, run.batch)) * layer_dims[1]
    work = first + 3 * sum(n_prev * n for n_prev, n in pairwise(layer_dims[1:]))
    # the threads are asked anew for each epoch, and for each step they wait for each other
    least = max(STEP, CALL * run.batch // m)
    return choose(run.n_threads, run.batch, work * run.batch, least)


def inputs(X: Array | Csr, batch: int) -> float:
    """Count the inputs of an example that a step multiplies; a sparse one's update counts too."""
    return X.per_row + X.shape[1] / batch if isinstance(X, Csr) else X.shape[1]


def mean_cost(sums: Sequence[tuple[float, float]]) -> float:
    """Divide the costs of each thread's examples by their weights."""
    cost, weight = (sum(column) for column in zip(*sums, strict=True))
    return cost / weight if weight > 0 else 0.0


def train(
    network: Any,
    run: Run,
    optimizer: Optimizer,
    epochs: int,
    gram: bool,
    team: Team,
    validation: Any = None,
    callbacks: Sequence[Callable[[State], object]] = (),
    after: Callable[[int, float], object] | None = None,
) -> History:
    """Train a network, which is locked, with a team of the threads of `threads`.

    A fit that fails before its first step changes nothing: all is judged and allocated before. The
    counts, weights and moments are the engine's, which changes them in one call, an epoch or less;
    what follows from them is written by compiled code too: so they belong together, whenever Ctrl-C
    comes.
    """
    kind, numbers = _numbers(optimizer)
    # the engine takes what is below the smallest normal number as 0, which means something else
    tiny = float(np.finfo(network.dtype).tiny)
    if numbers["epsilon"] > 0:
        numbers["epsilon"] = max(numbers["epsilon"], tiny)
    X = run.X
    if isinstance(X, np.ndarray) and run.batch == len(X):
        X = np.asarray(X, network.dtype, order=None if X.flags.forc else "C")
        if gram and X is run.X:
            # W1 is written as a sum of the rows that it was trained on, whoever writes to X since
            X = X.copy(order="K")
    counts, (m1, m2) = _moments(network, kind)
    n_0, n_1 = network.layer_dims[:2]
    W1 = network._params[: n_0 * n_1].reshape(n_0, n_1)
    V1 = None if m1 is None else m1[: n_0 * n_1].reshape(n_0, n_1)
    bits = network._rng.bit_generator if min(run.keep) < 1 else None
    order = network._rng.permutation if run.shuffled else None

    def begin(state: dict[str, Any] | None) -> tuple[Gram | None, Trainer]:
        form = None if isinstance(X, Csr) or not gram else Gram(X, W1, V1, state, team)
        return form, Trainer(
            network._plan, X, run.T, run.labels, run.weights, run.batch, run.shuffled, run.keep,
            bits, OPTIMIZERS[kind], run.numbers | numbers, m1, m2, counts, form,
            run.guarded, team.n_threads,
        )  # fmt: skip

    def rate_of(epoch: int) -> float:
        rate = optimizer.learning_rate
        if not callable(rate):
            return rate
        return in_range(rate(epoch), "learning_rate") if run.guarded else rate(epoch)

    form, trainer = begin(network._gram_state)
    rate = rate_of(counts.epochs) if epochs > 0 else 0.0
    changed: dict[str, Any] = {
        "_optimizer": optimizer,
        "_kind": kind,
        "_counts": counts,
        "_moments": (m1, m2),
    }
    if epochs > 0 or form is not None:
        changed["_gram_state"] = None if form is None else form.state()
    history = History()
    start, before = perf_counter(), counts.steps
    written: Array | None = None  # the first layer's weights, while callbacks may write to them

    def run_epochs() -> None:
        nonlocal form, trainer, rate, written
        for i in range(epochs):
            if i > 0:
                rate = rate_of(counts.epochs)
            trainer.begin(order, rate)
            cost = team.run(trainer.epoch, trainer.abandon)[0]
            if run.guarded and not np.isfinite(cost):
                raise FloatingPointError(
                    f"the training diverged in epoch {counts.epochs + 1}: the parameters are "
                    "those of before it; try a smaller learning rate or clip_norm"
                )
            if i == 0:
                network.__dict__.update(changed)
            # behind it: an interrupt in between has all taken over once more
            history.costs.append(cost)
            if form is not None and (validation or callbacks):
                team.share(n_0, form.write)
            if validation is not None:
                X_, *of_Y = validation
                evaluate = partial(network._plan.evaluate, X_, *of_Y)
                sums = team.share(len(X_), evaluate, network._piece)
                history.validation_costs.append(mean_cost(sums))
            history.times.append(perf_counter() - start)
            if after is not None:
                after(i, cost)
            if callbacks:
                written = None if form is None else W1.copy()
                state = State(network, network.epochs, rate, history)
                for callback in callbacks:
                    callback(state)
                if written is not None and not np.array_equal(W1, written):
                    # a callback has changed the weights: they are where it begins anew
                    form, trainer = begin(None)
                    network._gram_state = None if form is None else form.state()
                written = None
                if state.stopped:
                    break

    try:
        # a call: Python 3.13 does not take a loop's jump back for a part of what it stands in
        run_epochs()
    finally:
        # calls of compiled code, for which the next Ctrl-C waits
        if epochs == 0 or counts.steps > before:
            try:
                if not history.costs:
                    network.__dict__.update(changed)
            finally:
                if written is not None and not np.array_equal(W1, written):
                    # what a callback wrote before it raised is what it leaves
                    network._gram_state = None
                elif form is not None:
                    team.share(n_0, form.write)
    return history


def _moments(network: Any, kind: str) -> tuple[Counts, tuple[Array | None, Array | None]]:
    """Keep the moments, and count, of the same kind of optimiser, else begin anew."""
    if network._kind is not None and MOMENTS[kind] == MOMENTS[network._kind]:
        return network._counts, network._moments
    m1, m2 = (
        arena(network._params.size, network.dtype) if i in MOMENTS[kind] else None for i in (1, 2)
    )
    return Counts(0, network.epochs), (m1, m2)


def _numbers(optimizer: Optimizer) -> tuple[str, dict[str, float]]:
    """Translate an optimiser into its code's name and the engine's numbers."""
    numbers = dict.fromkeys(("beta1", "beta2", "epsilon", "weight_decay", "bias_corrected"), 0.0)
    if isinstance(optimizer, SGD):
        numbers["beta1"] = optimizer.momentum
        if not optimizer.momentum:
            return "sgd", numbers
        return "nesterov" if optimizer.nesterov else "momentum", numbers
    numbers["epsilon"] = optimizer.epsilon
    if isinstance(optimizer, RMSprop):
        numbers["beta2"] = optimizer.rho
        return "rmsprop", numbers
    numbers |= {"beta1": optimizer.beta1, "beta2": optimizer.beta2, "bias_corrected": 1.0}
    if isinstance(optimizer, AdamW):
        numbers["weight_decay"] = optimizer.weight_decay
    return "adam", numbers
