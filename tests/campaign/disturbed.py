"""Fits that are disturbed: by callbacks, by other threads, by a fork, and by interrupts."""

import _thread
import contextlib
import copy
import os
import signal
import sys
import threading
import time
import warnings
from functools import cache

import numpy as np
from networks import OPTIMIZERS, equal
from oracle import FaultError, Outcome, finite, no_none

import fastdnn

try:
    import threadpoolctl
except ImportError:
    threadpoolctl = None

MESSAGES = ("trained", "finite", "diverged", "parameters", "labels", "Y", "weights")


@cache
def _pools():
    return threadpoolctl.ThreadpoolController() if threadpoolctl else None


def blas_threads():
    """Ask every BLAS of the process how many threads it has."""
    return [pool["num_threads"] for pool in _pools().info()] if threadpoolctl else []


class Before:
    """What there was before a fit, and must be again behind it."""

    def __init__(self):
        self._pools, self._threads = blas_threads(), _thread._count()

    def again(self, net, X, Y):
        """Demand that nothing is left of a fit that has ended, and that another one can begin."""
        if blas_threads() != self._pools:
            raise FaultError(f"BLAS has {blas_threads()} threads, before it had {self._pools}")
        until = time.monotonic() + 5
        # of any module's: those of the engine are not in threading's list
        while _thread._count() > self._threads:
            if time.monotonic() > until:
                raise FaultError(f"{_thread._count() - self._threads} threads are left")
            time.sleep(1e-4)
        Outcome(lambda: net.load_state_dict(net.state_dict())).accepted()
        outcome = Outcome(lambda: net.fit(X, Y, epochs=1, batch_size=4, n_threads=1))
        # a step of SGD is large for a few of these networks
        if not isinstance(outcome.error, FloatingPointError):
            outcome.accepted()


class Meddler:
    """Another thread that does something again and again."""

    def __init__(self, deed):
        self._deed, self._stopped = deed, False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stopped:
            self._deed()
            # a thread that never sleeps would keep the others from the lock of Python
            time.sleep(1e-5)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._stopped = True
        self._thread.join()


# ------------------------------------------------------------------------------------------- writes


def _data(draw, softmax=True):
    """Draw a network, and data whose arrays can be written to."""
    dims = [draw.pick((1, 3, 8)), draw.pick((1, 16, 20)), draw.pick((1, 3))]
    output = draw.pick(("softmax", "sigmoid", "identity")) if softmax else "sigmoid"
    if output == "softmax":
        dims[-1] = 3
    dtype = draw.pick(("float64", "float32"))
    net = fastdnn.Network(dims, output_activation=output, dtype=dtype, rng=draw.whole(0, 99))
    m = draw.pick((2, 9, 20, 64))
    X = draw.normal(m, dims[0]).astype(dtype)
    if output == "softmax":
        Y = draw.rng.integers(0, 3, m)
    else:
        Y = draw.rng.integers(0, 2, (m, dims[-1])).astype(dtype)
    return net, X, Y, np.ones(m, dtype)


def _scribble(draw, name, array):
    """Make a function that writes something to an array."""
    if array.dtype.kind == "i":
        values = (10**7, -(10**12), 7, -1, 2**62)
    elif name == "parameters":
        values = (0.0, 1.0, 1e3)
    else:
        values = (0.0, 1.0, -1.0, 1e300, np.nan, np.inf, 1e30)
    values = [draw.pick(values), draw.pick(values)]
    turn = [0]

    def write():
        turn[0] ^= 1
        with np.errstate(all="ignore"):
            array[...] = values[turn[0]]

    return write


def writes(draw):
    """Let a callback or another thread write to what a fit reads."""
    net, X, Y, w = _data(draw)
    weighted, softly = draw.chance(0.6), draw.chance(0.5)
    what = {"X": X, "Y": Y, "parameters": net.parameters["W1"]}
    if weighted:
        what["sample_weight"] = w
    name = draw.pick(list(what))
    write = _scribble(draw, name, what[name])
    options = {
        "epochs": draw.pick((3, 10)), "batch_size": draw.pick((None, 1, 2, 8)),
        "n_threads": draw.pick((1, 2, 3)), "optimizer": draw.pick(OPTIMIZERS),
        "dropout": draw.pick((0.0, 0.3)), "sample_weight": w if weighted else None,
    }  # fmt: skip
    if draw.chance(0.3):
        options["validation_data"] = (X, Y, w) if weighted else (X, Y)
    if name == "X":
        # in the Gram form the weights are a sum over the X of now
        options["first_layer"] = "direct"
    also = (OverflowError,) if name == "parameters" else ()
    before = Before()
    X_kept, Y_kept = X.copy(), Y.copy()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if softly:
            options["callbacks"] = [lambda state: write()]
            outcome = Outcome(lambda: net.fit(X, Y, **options), also)
        else:
            with Meddler(write):
                outcome = Outcome(lambda: net.fit(X, Y, **options), also)
                with contextlib.suppress(ValueError):
                    net.cost(X, Y, n_threads=options["n_threads"])
                net.predict(X, n_threads=options["n_threads"])
    if name != "parameters":
        for key, value in net.parameters.items():
            finite(value, key)
    outcome.named(*what, *MESSAGES, "validation_data", "sample_weight")
    # what goes on from there is another network's training
    net = copy.copy(net)
    net.load_state_dict(fastdnn.Network(net.layer_dims, dtype=net.dtype).state_dict())
    before.again(net, X_kept, Y_kept)


# ---------------------------------------------------------------------------------------- callbacks


class OddError(Exception):
    """What a callback raises."""


def _callback(draw, net, X, Y):
    """Draw what a callback does; and what may come of it."""

    def fork(state):
        child = os.fork()
        if child == 0:
            os._exit(_in_child(net, X, Y))
        # a child that hangs must not keep its parent
        for _ in range(2000):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.005)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise FaultError("a forked child hangs")
        if os.waitstatus_to_exitcode(status) != 0:
            raise FaultError(f"a forked child ended with {os.waitstatus_to_exitcode(status)}")

    def threaded(state):
        seen = []

        def use():
            try:
                net.predict(X)
                net.cost(X, Y)
                net.state_dict()
                net.fit(X, Y)
            except RuntimeError as error:
                seen.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        if not seen:
            raise FaultError("another thread could train the network that is being trained")

    def raises(state):
        raise draw.pick((OddError("odd"), KeyboardInterrupt(), StopIteration(), SystemExit(3)))

    def rewrite(state):
        state.network.parameters["W1"][...] *= 0.5

    deeds = {
        "raise": raises,
        "fit": lambda state: net.fit(X, Y),
        "load": lambda state: net.load_state_dict(net.state_dict()),
        "copy": lambda state: copy.deepcopy(net).fit(X, Y),
        "predict": lambda state: net.predict(X, n_threads=2),
        "cost": lambda state: net.cost(X, Y),
        "rewrite": rewrite,
        "stop": lambda state: state.stop(),
        "fork": fork,
        "threaded": threaded,
        "history": lambda state: state.history.costs.clear(),
        "interrupt": lambda state: _thread.interrupt_main(),
    }
    name = draw.pick([name for name in deeds if name != "fork" or draw.chance(0.3)])
    return name, deeds[name]


def _in_child(net, X, Y):
    """Go on in a forked child; returns its exit status."""
    try:
        signal.alarm(20)
        twin = copy.deepcopy(net)
        twin.fit(X, Y, epochs=1, n_threads=2)
        net.predict(X, n_threads=2)
        return 0 if np.isfinite(twin.predict(X)).all() else 3
    except BaseException:
        return 4


def callbacks(draw):
    """Let a callback raise, stop, fork, fit again, or use the network."""
    net, X, Y, w = _data(draw)
    name, deed = _callback(draw, net, X, Y)
    twin = copy.deepcopy(net)
    when, options = draw.whole(1, 3), {"epochs": 3, "batch_size": draw.pick((None, 4))}
    options |= {"n_threads": draw.pick((1, 2, 3)), "optimizer": draw.pick(OPTIMIZERS)}
    if options["batch_size"] is None and isinstance(options["optimizer"], fastdnn.SGD):
        options["first_layer"] = draw.pick(("direct", "gram"))
    if draw.chance(0.3):
        options["sample_weight"] = w

    def callback(state):
        if state.epoch == when:
            deed(state)

    before = Before()
    ends = (OddError, StopIteration, IndexError)
    with warnings.catch_warnings():
        # of Python, where a process with threads forks
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            outcome = Outcome(lambda: net.fit(X, Y, callbacks=[callback], **options), ends)
        except SystemExit as error:
            outcome = Outcome(lambda: None)
            outcome.error = error
    if isinstance(outcome.error, FloatingPointError):
        # what diverges with no callback at all may diverge
        Outcome(lambda: twin.fit(X, Y, **options)).refused("diverged")
        return
    expected = {
        "raise": (OddError, KeyboardInterrupt, StopIteration, SystemExit),
        "fit": RuntimeError, "load": RuntimeError, "interrupt": KeyboardInterrupt,
    }  # fmt: skip
    if name in expected:
        if not isinstance(outcome.error, expected[name]):
            raise FaultError(f"{name} in a callback ended in {outcome.error!r}")
    else:
        outcome.accepted()
    right = when if name in (*expected, "stop") else 3
    if net.epochs != right and name != "interrupt":
        raise FaultError(f"{net.epochs} epochs were counted after {name} in epoch {when}")
    finite(net.predict(X), "AL")
    before.again(net, X, Y)


# --------------------------------------------------------------------------------------- interrupts


class Interrupt:
    """Let Ctrl-C come in the middle of what a with statement holds.

    Parameters
    ----------
    seconds : float
        When; or after so many calls and returns of Python, if `events` is given: exactly there.
    events : int or None
        0 counts them only.
    """

    def __init__(self, seconds=0.0, events=None):
        self._seconds, self._events, self.seen = seconds, events, 0

    def _profile(self, frame, event, argument):
        # Python looks for signals at the beginning of a function and after a call of a C function
        if event in ("call", "c_return"):
            self.seen += 1
            if self.seen == self._events:
                signal.raise_signal(signal.SIGINT)

    def _alarm(self, signum, frame):
        signal.raise_signal(signal.SIGINT)

    def __enter__(self):
        self._handler = signal.signal(signal.SIGALRM, self._alarm)
        if self._events is None:
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
        else:
            sys.setprofile(self._profile)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)


def _interrupted(draw, work, twin):
    """Work, interrupted at a moment chosen by an earlier run of the twin; return the interrupt."""
    exactly = draw.chance(0.6)
    start = time.perf_counter()
    with Interrupt(events=0) if exactly else contextlib.nullcontext() as counted:
        twin()
    took = time.perf_counter() - start
    try:
        if exactly:
            with Interrupt(events=draw.whole(1, max(1, counted.seen - 2))):
                work()
        else:
            with Interrupt(max(1e-6, took * draw.rng.random() * 1.1)):
                work()
        # hears an interrupt that came just behind the work
        time.sleep(0)
    except KeyboardInterrupt as error:
        return error
    return None


def interrupts(draw):
    """Interrupt a fit, a prediction or the cost, and compare with a twin that was not."""
    net, X, Y, w = _data(draw)
    m, batch = len(X), draw.pick((None, None, 1, 4))
    options = {
        "epochs": draw.pick((1, 3, 20)), "batch_size": batch, "shuffle": False,
        "n_threads": draw.pick((1, 1, 2)), "optimizer": draw.pick(OPTIMIZERS),
    }  # fmt: skip
    if batch is None and isinstance(options["optimizer"], fastdnn.SGD):
        options["first_layer"] = draw.pick(("direct", "gram"))
    if draw.chance(0.3):
        options["sample_weight"] = w
    if draw.chance(0.2):
        options["callbacks"] = [lambda state: None]
    # not from nothing: with moments, and a form that goes on
    with contextlib.suppress(FloatingPointError):
        if draw.chance(0.5):
            net.fit(X, Y, **(options | {"epochs": 2, "callbacks": ()}))
    begun, before = net.state_dict(), Before()
    net = copy.copy(net)
    twin = copy.copy(net)
    what = draw.pick(("fit", "fit", "fit", "predict", "gradient", "cost"))
    if what == "predict":
        _interrupted(draw, lambda: net.predict(X, n_threads=2), lambda: twin.predict(X))
    elif what == "gradient":
        _interrupted(draw, lambda: net.gradient(X, n_threads=2), lambda: twin.gradient(X))
    elif what == "cost":
        _interrupted(draw, lambda: net.cost(X, Y, n_threads=2), lambda: twin.cost(X, Y))
    else:
        ways = copy.copy(net)
        with contextlib.suppress(FloatingPointError):
            _interrupted(draw, lambda: net.fit(X, Y, **options), lambda: ways.fit(X, Y, **options))
    after = net.state_dict()
    _belongs(twin, begun, after, X, Y, batch or m, options)
    before.again(net, X, Y)


PARTS = ("params", "moments", "steps", "epochs")


def _belongs(twin, begun, after, X, Y, batch, options):
    """Demand that a state is one that a twin passes through."""
    if all(equal(after[name], begun[name]) for name in PARTS if name != "moments"):
        if begun["kind"] == after["kind"] and not equal(after["moments"], begun["moments"]):
            raise FaultError("the moments are others, but the steps and the parameters are not")
        return
    m = len(X)
    in_epoch = -(-m // batch)
    steps, epochs = after["steps"] - begun["steps"], after["epochs"] - begun["epochs"]
    if begun["steps"] and begun["kind"] != after["kind"]:
        steps = after["steps"]
    whole, rest = divmod(steps, in_epoch)
    if epochs != whole:
        raise FaultError(f"{epochs} epochs were counted, but {steps} steps, {in_epoch} an epoch")
    options = options | {"callbacks": ()}
    twin.fit(X, Y, **(options | {"epochs": whole}))
    if rest:
        some = slice(0, rest * batch)
        if options.get("sample_weight") is not None:
            options["sample_weight"] = options["sample_weight"][some]
        twin.fit(X[some], Y[some], **(options | {"epochs": 1}))
    right = twin.state_dict()
    for name in ("params", "moments", "steps"):
        if not equal(after[name], right[name]):
            raise FaultError(
                f"{name} are of no moment: {steps} steps, {epochs} epochs, {rest} more"
            )


# -------------------------------------------------------------------------------------------- teams


def teams(draw):
    """Train, predict and ask for the cost with teams of threads, every kind of step in turn."""
    net, X, Y, w = _data(draw)
    options = {
        "epochs": 3, "batch_size": draw.pick((None, 2, 8)), "n_threads": draw.pick((2, 3)),
        "optimizer": draw.pick(OPTIMIZERS), "clip_norm": draw.pick((None, 0.5)),
        "dropout": draw.pick((0.0, 0.4)), "input_dropout": draw.pick((0.0, 0.0, 0.2)),
        "l2": draw.pick((0.0, 0.1)),
    }  # fmt: skip
    if draw.chance(0.4):
        w[draw.rng.random(len(w)) < 0.5] = 0
        w[0] = 1
        options["sample_weight"] = w
    direct = options["clip_norm"] or options["input_dropout"] or options["batch_size"]
    if not direct and isinstance(options["optimizer"], fastdnn.SGD):
        options["first_layer"] = "gram"
    if draw.chance(0.3):
        options["validation_data"] = (X, Y)
    before = Before()
    if draw.chance(0.2):
        with (
            contextlib.suppress(KeyboardInterrupt, FloatingPointError),
            Interrupt(1e-3 * draw.rng.random()),
        ):
            net.fit(X, Y, **options)
    else:
        outcome = Outcome(lambda: net.fit(X, Y, **options))
        # a step of SGD is large for a few of these networks
        if not isinstance(outcome.error, FloatingPointError):
            outcome.accepted()
    # a network that is about to diverge may have a cost of no number
    no_none(Outcome(lambda: net.predict(X, n_threads=options["n_threads"])).accepted())
    no_none(Outcome(lambda: net.cost(X, Y, n_threads=options["n_threads"])).accepted())
    before.again(net, X, Y)
