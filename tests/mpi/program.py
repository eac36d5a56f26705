"""What is asked of several ranks, in one program: each function's answers of all ranks are printed.

Tests start it, and judge the answers. With a second argument there is no room in memory that
processes share.
"""

import copy
import errno
import json
import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from mpi4py import MPI
from scipy.sparse import csr_array

import fastdnn

COMM = MPI.COMM_WORLD
RANK, SIZE = COMM.rank, COMM.size
STEPS, BATCH = 4, 48


def network(dtype="float64", rng=0, layer_dims=(7, 16, 8, 3), **others):
    return fastdnn.Network(layer_dims, output_activation="softmax", dtype=dtype, rng=rng, **others)


def examples(m=STEPS * BATCH, seed=1):
    random = np.random.default_rng(seed)
    X = random.normal(size=(m, 7))
    X[random.random(X.shape) < 0.5] = 0
    return X, random.integers(0, 3, m), random.integers(1, 4, m).astype(float)


def own(m=STEPS * BATCH, batch=BATCH):
    """Take this rank's even parts of the batches."""
    first, stop = batch * RANK // SIZE, batch * (RANK + 1) // SIZE
    return np.concatenate([np.arange(at + first, at + stop) for at in range(0, m, batch)])


def params(net):
    return np.concatenate([a.ravel() for a in net.parameters.values()])


def difference(one, other):
    return float(np.abs(params(one) - params(other)).max())


def error_of(call):
    """Say what a call raises."""
    try:
        call()
    except BaseException as error:
        return type(error).__name__, str(error)
    return None


# --------------------------------------------------------------------------- as one process would


def as_one_process():
    """Measure how far parameters and costs are from one process on the same global batches."""
    found = {}
    X, Y, w = examples()
    mine = own()
    cases = {
        "adam": {"optimizer": fastdnn.Adam(1e-2)},
        "sgd": {"optimizer": fastdnn.SGD(0.1)},
        "momentum": {"optimizer": fastdnn.SGD(0.05, momentum=0.9)},
        "adamw": {"optimizer": fastdnn.AdamW(1e-2)},
        "l2, clipped": {"l2": 1e-2, "clip_norm": 0.2},
        "accumulated": {"accumulate": 3, "l2": 1e-2},
        "schedule": {"optimizer": fastdnn.Adam(fastdnn.Cosine(1e-2, 10))},
        "weighted": {"sample_weight": w},
        "sparse": {"X": csr_array(X)},
        "threads": {"n_threads": 2, "l2": 1e-2, "accumulate": 2},
        "whole": {"batch_size": None},
        "recipe": {
            "made": {"input_scale": True, "parametrization": "ntk", "init_bias": 1.0},
            "optimizer": fastdnn.Adam(fastdnn.CosLog(0.1, 2), epsilon=1e-3),
            "rate_factors": {"scale": 6.0, "b": 0.1},
            "label_smoothing": 0.1,
            "l2": 1e-2,
            "clip_norm": 0.2,
        },
    }
    for dtype in ("float64", "float32"):
        for name, asked in cases.items():
            arguments = {"batch_size": BATCH, "shuffle": False, "epochs": 2} | asked
            given, made = arguments.pop("X", X), arguments.pop("made", {})
            one, other = network(dtype, **made), network(dtype, **made)
            alone = one.fit(given, Y, **arguments)
            if "sample_weight" in arguments:
                arguments["sample_weight"] = w[mine]
            together = other.fit(given[mine], Y[mine], comm=COMM, **arguments)
            cost = np.abs(np.subtract(alone.costs, together.costs)).max()
            found[f"{name}, {dtype}"] = difference(one, other), float(cost)
    return found


def same_bits():
    """Tell whether parts of 256 examples give the bits of one process, which adds up so many."""
    batch = 256 * SIZE
    X, Y, _ = examples(2 * batch)
    mine = own(2 * batch, batch)
    found = {}
    cases = {
        "adam": {},
        "momentum": {"optimizer": fastdnn.SGD(0.05, momentum=0.9)},
        "l2, clipped": {"optimizer": fastdnn.SGD(0.1), "l2": 1e-2, "clip_norm": 0.1},
    }
    for dtype in ("float64", "float32"):
        for name, asked in cases.items():
            for layer_dims in ((7, 16, 8, 3), (7, 40, 1)):
                output = "softmax" if layer_dims[-1] > 1 else "sigmoid"
                one, other = (
                    fastdnn.Network(layer_dims, output_activation=output, dtype=dtype, rng=0)
                    for _ in range(2)
                )
                T = Y if layer_dims[-1] > 1 else Y % 2
                arguments = {"batch_size": batch, "shuffle": False, "epochs": 2} | asked
                alone = one.fit(X, T, **arguments)
                together = other.fit(X[mine], T[mine], comm=COMM, **arguments)
                same = bool((params(one) == params(other)).all())
                found[f"{name}, {dtype}, {layer_dims}"] = same, alone.costs == together.costs
    return found


def no_room(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def without_room(rank=RANK):
    """Let a rank find that the memory which processes share is full."""
    if rank != RANK:
        return nullcontext()
    return mock.patch.object(os, "posix_fallocate", no_room, create=True)


def other_ways():
    """Compare gradients in memory that all see with messages, which one full rank leads to."""
    found = []
    X, Y, _ = examples()
    mine = own()
    for dtype in ("float64", "float32"):
        # sizes that no number of ranks divides
        for layer_dims in ((7, 16, 8, 3), (7, 3)):
            one, other = (
                network(dtype, layer_dims=layer_dims),
                network(dtype, layer_dims=layer_dims),
            )
            asked = {"batch_size": BATCH, "clip_norm": 0.5, "l2": 1e-2, "epochs": 2, "comm": COMM}
            one.fit(X[mine], Y[mine], **asked)
            with without_room(rank=SIZE - 1):
                other.fit(X[mine], Y[mine], **asked)
            found.append(difference(one, other))
    return found


def left():
    """List the files that a fit has in the folder of memory that processes share.

    One looks when they are given room, and after an epoch.
    """
    folder, names = Path("/dev/shm"), []
    mark = f"fastdnn-{COMM.bcast(os.getpid())}-"

    def look(state):
        names.extend(file.name for file in folder.glob(f"{mark}*"))

    allocate = getattr(os, "posix_fallocate", None)

    def look_and_allocate(*given):
        look(None)
        allocate(*given)

    X, Y, _ = examples()
    with mock.patch.object(os, "posix_fallocate", look_and_allocate, create=True):
        network().fit(X, Y, epochs=1, callbacks=[look], comm=COMM)
    with without_room():
        network().fit(X, Y, epochs=1, callbacks=[look], comm=COMM)
    return names


class Counted(MPI.Intracomm):
    """A communicator that counts its duplicates, of which an MPI has a few thousand."""

    duplicates = 0

    def Dup(self, *args):
        Counted.duplicates += 1
        return super().Dup(*args)

    def Free(self):
        Counted.duplicates -= 1
        super().Free()


def freed():
    """Count the duplicates that are left after fits that end well, are refused or interrupted."""

    def rate(epoch):
        if epoch == 1 and RANK == SIZE - 1:
            raise KeyboardInterrupt
        return 0.01

    X, Y, _ = examples(20)
    comm = Counted(COMM)
    ended = [
        error_of(partial(network().fit, X, Y, comm=comm, **asked))
        for asked in ({}, {"l2": 0.1 * RANK}, {"optimizer": fastdnn.Adam(rate), "epochs": 3})
    ]
    return [error is None for error in ended], Counted.duplicates


def unequal_shards():
    """Compare ranks of other numbers of examples, some of none, with steps of one process."""
    found = {}
    for name, shards in (("unequal", (31, 9, 16, 2)), ("empty", (20, 0, 13, 0))):
        m = shards[RANK]
        X, Y, w = examples(m, seed=RANK + 5)
        sizes = [10 * (r + 1) // SIZE - 10 * r // SIZE for r in range(SIZE)]
        for weighted in (False, True):
            one, other = network(), network()
            weights = w if weighted and m else None
            history = other.fit(X, Y, sample_weight=weights, batch_size=10, shuffle=False,
                                epochs=2, l2=1e-2, comm=COMM)  # fmt: skip
            all_of = COMM.allgather((X, Y, w))
            costs = []
            for _ in range(2):
                costs.append([])
                for s in range(
                    max(-(-len(x) // k) for (x, *_), k in zip(all_of, sizes, strict=True))
                ):
                    rows = [tuple(a[s * k : (s + 1) * k] for a in of)
                            for of, k in zip(all_of, sizes, strict=True)]  # fmt: skip
                    x, y, v = (np.concatenate(part) for part in zip(*rows, strict=True))
                    cost = one.fit(x, y, sample_weight=v if weighted else None, l2=1e-2).costs[0]
                    costs[-1].append((cost, v.sum() if weighted else len(x)))
            costs = [sum(c * v for c, v in epoch) / sum(v for _, v in epoch) for epoch in costs]
            cost = float(np.abs(np.subtract(costs, history.costs)).max())
            found[f"{name}, {weighted}"] = difference(one, other), cost
    return found


def one_rank():
    """Compare a communicator of one rank with none."""
    one, other = network(), network()
    X, Y, _ = examples()
    one.fit(X, Y, batch_size=BATCH, dropout=0.5, epochs=3)
    other.fit(X, Y, batch_size=BATCH, dropout=0.5, epochs=3, comm=MPI.COMM_SELF)
    return difference(one, other)


# ----------------------------------------------------------------------------- orders and dropout


def resumed():
    """Compare 2 epochs and 2 more with 4, where orders and dropout are drawn."""
    rng = np.random.default_rng(0)
    return max(_resumed(rng), _resumed(rng), _resumed(0))


def _resumed(rng):
    one = network(rng=rng)
    other = copy.deepcopy(one)
    X, Y, _ = examples(50, seed=RANK)
    asked = {"batch_size": 16, "dropout": 0.3, "input_dropout": 0.1, "comm": COMM}
    one.fit(X, Y, epochs=4, **asked)
    other.fit(X, Y, epochs=2, **asked)
    state = other.state_dict()
    again = network(rng=99)
    again.load_state_dict(state)
    again.fit(X, Y, epochs=2, **asked)
    return difference(one, again)


def drawn_apart():
    """Tell whether ranks with the same examples draw other orders, and other dropout."""
    X, Y, _ = examples(40)
    found = []
    for asked in ({}, {"shuffle": False, "dropout": 0.5}):
        one, other = network(), network()
        one.fit(X, Y, batch_size=4 * SIZE, comm=COMM, **asked)
        # one process that draws once for all
        other.fit(X, Y, batch_size=4, **asked)
        found.append(difference(one, other) > 1e-6)
    return found


# ------------------------------------------------------------------------- validation, callbacks


def validated():
    """Compare the validation cost with that of all ranks' validation examples."""
    net = network()
    X, Y, w = examples(20, seed=RANK)
    given = (X, Y, w) if RANK != 1 else None
    history = net.fit(X, Y, batch_size=8, epochs=2, validation_data=given, comm=COMM)
    parts = [part for part in COMM.allgather(given) if part is not None]
    cost = net.cost(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    return history.validation_costs[-1] - cost, len(history.validation_costs)


def called():
    """Tell who calls callbacks, and whether one of them stops all."""
    seen = []

    def callback(state):
        seen.append((state.epoch, len(state.history.costs)))
        if state.epoch == 3:
            state.stop()

    net = network()
    X, Y, _ = examples(20)
    history = net.fit(X, Y, batch_size=8, epochs=9, callbacks=[callback], comm=COMM)
    return seen, net.epochs, len(history.costs)


def told():
    """Tell what the learning rate is that a callback sets, and which parameters are left."""
    best = network(rng=3)
    rates = []

    def callback(state):
        rates.append(state.learning_rate)
        state.learning_rate /= 2
        if state.epoch == 3:
            state.stop(best.parameters)

    net = network()
    X, Y, _ = examples(20)
    asked = {"batch_size": 8, "comm": COMM, "optimizer": fastdnn.SGD(0.1)}
    net.fit(X, Y, epochs=9, callbacks=[callback], **asked)
    left = difference(net, best)
    net.fit(X, Y, batch_size=8, comm=COMM, callbacks=[lambda s: rates.append(s.learning_rate)])
    return rates, left, net.state_dict()["optimizer"].learning_rate


def raised():
    """Tell what a callback's error is on every rank; and of one that writes to its network."""

    def fails(state):
        raise LookupError("a callback's own")

    def writes(state):
        state.network.parameters["W1"][0, 0] += 1

    X, Y, _ = examples(20)
    asked = {"epochs": 3, "comm": COMM}
    return [
        error_of(partial(network().fit, X, Y, callbacks=[callback], **asked))
        for callback in (fails, writes)
    ]


def interrupted():
    """Tell what one rank's interrupt is on every rank, and after which step each ends."""
    net = network()
    X, Y, _ = examples()

    def rate(epoch):
        if epoch == 2 and RANK == SIZE - 1:
            raise KeyboardInterrupt
        return 0.01

    error = error_of(
        lambda: net.fit(X, Y, batch_size=8, epochs=5, optimizer=fastdnn.Adam(rate), comm=COMM)
    )
    return error, net.epochs, float(params(net).sum()).hex()


def goes_on():
    """Let one rank's schedule end a fit between two epochs, and train the network further."""
    found = []
    X, Y, _ = examples()
    for kind in (KeyboardInterrupt, LookupError):

        def rate(epoch, kind=kind):
            if epoch == 2 and RANK == SIZE - 1:
                raise kind
            return 0.01

        for asked in ({}, {"shuffle": False, "dropout": 0.5}):
            net = network()
            fit = partial(net.fit, X, Y, batch_size=8, comm=COMM, **asked)
            error = error_of(partial(fit, epochs=5, optimizer=fastdnn.Adam(rate)))
            again = error_of(partial(fit, epochs=2, optimizer=fastdnn.Adam(0.01)))
            found.append((error and error[0], again, net.epochs, float(params(net).sum()).hex()))
    return found


def diverged():
    """Let a training diverge, and tell whether the parameters are those of before it."""
    net = network()
    before = params(net)
    X, Y, _ = examples(40)
    error = error_of(
        lambda: net.fit(X, Y, batch_size=8, optimizer=fastdnn.SGD(1e200), epochs=3, comm=COMM)
    )
    return error, bool((params(net) == before).all())


# ----------------------------------------------------------------------------------- what differs


def refused():
    """Tell what every rank says to what does not go together."""
    X, Y, w = examples(20)
    last = RANK == SIZE - 1

    def fit(net=None, X=X, Y=Y, **asked):
        asked = {"batch_size": 8, "comm": COMM} | asked
        return error_of(lambda: (net or network()).fit(X, Y, **asked))

    moved = network()
    moved.parameters["b1"][:] += last
    trained = network()
    if last:
        trained.fit(X, Y, epochs=1)
        trained.parameters["W1"][:] = network().parameters["W1"]
    drawn = network(rng=int(last))
    for name, value in network().parameters.items():
        drawn.parameters[name][:] = value
    rng = np.random.default_rng(0)
    rng.random(int(last))
    bad = X.copy()
    bad[3, 0] = np.nan if last else 0
    return {
        "sizes": fit(network(layer_dims=(7, 4 + last, 3))),
        "type": fit(network("float32" if last else "float64")),
        "activation": fit(network(activation="tanh" if last else "relu")),
        "parameters": fit(moved),
        "trained": fit(trained),
        "generator": fit(drawn),
        "no seed": fit(network(rng=None)),
        "drawn from": fit(network(rng=rng)),
        "batch_size": fit(batch_size=8 + last),
        "no batch_size": fit(batch_size=None if last else 8),
        "l2": fit(l2=0.1 * last),
        "epochs": fit(epochs=1 + last),
        "clip_norm": fit(clip_norm=1.0 + last),
        "dropout": fit(dropout=0.1 * last),
        "shuffle": fit(shuffle=bool(last)),
        "accumulate": fit(accumulate=1 + last),
        "optimizer": fit(optimizer=fastdnn.Adam() if last else fastdnn.SGD()),
        "learning_rate": fit(optimizer=fastdnn.Adam(0.1 + last)),
        "schedule": fit(optimizer=fastdnn.Adam(lambda epoch: 0.1 + RANK)),
        "X": fit(X=bad),
        "width": fit(X=X[:, : 7 - last]),
        "Y": fit(Y=Y[: 20 - last]),
        "type of l2": fit(l2="a" if last else 0.1),
        "callbacks": fit(callbacks=3 if last else ()),
        "small": fit(batch_size=SIZE - 1),
        "gram": fit(batch_size=None, optimizer=fastdnn.SGD(0.1), first_layer="gram"),
        "dropped": fit(last_batch="drop"),
        "best": fit(keep="best", validation_data=(X, Y)),
        "no examples": fit(X=X[:0], Y=Y[:0]),
        "empty, no Y": fit(X=X[:0], Y=None) if last else fit(),
        "empty, Y": fit(X=X[:0]) if last else fit(),
        "empty, width": fit(X=X[:0, :5], Y=Y[:0]) if last else fit(),
        "empty, weights": fit(X=X[:0], Y=Y[:0], sample_weight=w[:5]) if last else fit(),
        "empty, weight": fit(X=X[:0], Y=Y[:0], sample_weight=1.0) if last else fit(),
        "empty, list": fit(X=X[:0], Y=[], sample_weight=w[:0]) if last else fit(),
        "still works": fit(),
    }


def no_communicator():
    """Tell what is said to what is no communicator."""
    X, Y, _ = examples(20)
    wrong = 3, "MPI.COMM_WORLD", MPI, MPI.COMM_NULL
    return [error_of(partial(network().fit, X, Y, comm=comm)) for comm in wrong]


if __name__ == "__main__":
    answers = {}
    with without_room() if sys.argv[2:] else nullcontext():
        for function in sys.argv[1].split(","):
            answers[function] = COMM.gather(globals()[function]())
    if RANK == 0:
        print(json.dumps(answers))
