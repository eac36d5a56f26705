"""Calls of Network, its optimisers and its state, beside plain NumPy."""

import copy
import pickle
import re

import numpy as np
import reference_network as reference
from arrays import given
from course import ODD_NUMBERS, ODD_RNGS, ODD_SIZES, ODD_TYPES, fresh
from oracle import FaultError, Inputs, Outcome, close, finite, no_none

import fastdnn

ACTIVATIONS = tuple(reference.ACTIVATIONS)
OPTIMIZERS = (
    *reference.OPTIMIZERS,
    fastdnn.SGD(fastdnn.Cosine(0.05, 5)),
    fastdnn.Adam(fastdnn.OneCycle(0.02, 6)),
)
SIZES = (1, 1, 2, 3, 5, 8, 16, 33)
ROWS = (1, 2, 3, 7, 16, 33, 70)


def draw_network(draw, smooth=False):
    """Draw a network, and what the reference needs to know of it."""
    output, cost = draw.pick(list(reference.COSTS))
    least = 2 if output == "softmax" else 1
    dims = [draw.pick(SIZES) for _ in range(draw.whole(2, 4))]
    dims[-1] = max(least, draw.pick((1, 1, 2, 3, 7)))
    known = [name for name in ACTIVATIONS if not smooth or "elu" not in name]
    activations = [draw.pick(known) for _ in dims[2:]]
    dtype = draw.pick(("float64", "float64", "float32"))
    net = fastdnn.Network(
        dims, activations, output, cost=cost, dtype=dtype, init="lecun", rng=draw.whole(0, 99)
    )
    parameter = {"huber": 1.0, "quantile": 0.5}.get(cost, 0.0)
    return net, activations, output, cost, parameter


def draw_targets(draw, net, output, m):
    """Draw targets, and class indices in their place for softmax; and their form as a matrix."""
    n = net.layer_dims[-1]
    if output == "softmax":
        labels = draw.rng.integers(0, n, m).astype(float)
        return labels, np.eye(n)[labels.astype(int)]
    T = draw.rng.integers(0, 2, (m, n)).astype(float)
    return (T[:, 0], T) if n == 1 and draw.chance(0.5) else (T, T)


def copies(net):
    """Copy the parameters as the reference has them."""
    views, L = net.parameters, len(net.layer_dims) - 1
    W = [views[f"W{l}"].T.astype(np.float64) for l in range(1, L + 1)]
    return W, [views[f"b{l}"][:, 0].astype(np.float64) for l in range(1, L + 1)]


# ------------------------------------------------------------------------------------------ network


def network(draw):
    """Fit, predict, or ask for the cost or for derivatives."""
    net, activations, output, cost, parameter = draw_network(draw)
    m = draw.pick(ROWS)
    X = given(draw, draw.normal(m, net.layer_dims[0]))
    Y, T = draw_targets(draw, net, output, m)
    Y = given(draw, Y)
    givens = {"X": X, "Y": Y}
    W_, b_ = copies(net)
    what = draw.pick(("fit", "fit", "predict", "gradient", "cost"))
    options = {"n_threads": draw.pick((None, None, 1, 2))}
    if what == "predict":
        inputs = Inputs(X=X.value)
        outcome = Outcome(lambda: net.predict(X.value, **options))
        result = _judged(outcome, inputs, {"X": X})
        if result is not None and X.ordinary:
            Z, _ = reference.forward(W_, b_, activations, X.plain)
            close(result, reference.OUTPUTS[output](Z[-1]), "AL")
        return
    if what == "gradient":
        inputs = Inputs(X=X.value)
        chosen = draw.pick((None, 0, net.layer_dims[-1] - 1))
        outcome = Outcome(lambda: net.gradient(X.value, chosen, **options))
        result = _judged(outcome, inputs, {"X": X})
        if result is not None and X.ordinary:
            right = reference.jacobian(W_, b_, activations, output, X.plain)
            close(result, right if chosen is None else right[:, chosen], "dX")
        return
    if draw.chance(0.3):
        weights = draw.rng.integers(0, 3, m).astype(float)
        weights[0] = 1
        givens["sample_weight"] = given(draw, weights)
        if givens["sample_weight"].value is None:
            del givens["sample_weight"]
        else:
            options["sample_weight"] = givens["sample_weight"].value
    inputs = Inputs(**{name: g.value for name, g in givens.items()})
    weights = givens["sample_weight"].plain if "sample_weight" in givens else None
    # a broadcast column has the same label for all, and no weight may be 0 for all
    ordinary = all(g.ordinary for g in givens.values())
    known = ordinary and _targets_of(draw, output, Y, T)
    if weights is not None:
        known = known and weights.sum() > 0 and (weights >= 0).all()
    if what == "cost":
        outcome = Outcome(lambda: net.cost(X.value, Y.value, **options))
        result = _judged(outcome, inputs, givens, known)
        if result is not None and known:
            T = _targets_of(draw, output, Y, T)[0]
            right, _, _ = reference.gradient(
                W_, b_, activations, output, cost, parameter, X.plain, T, weights
            )
            close(np.asarray(result, net.dtype), right, "the cost")
        return
    batch = draw.pick((None, None, 1, 4, m, 1000))
    settings = draw.pick(OPTIMIZERS)
    epochs = draw.pick((0, 1, 3))
    options |= {
        "optimizer": settings, "epochs": epochs, "batch_size": batch, "shuffle": False,
        "l2": draw.pick((0.0, 0.1)), "clip_norm": draw.pick((None, None, 0.5)),
        "first_layer": "auto" if batch else draw.pick(("auto", "direct")),
    }  # fmt: skip
    if batch is None and isinstance(settings, fastdnn.SGD) and options["clip_norm"] is None:
        options["first_layer"] = draw.pick(("auto", "direct", "gram"))
    before = net.state_dict()
    outcome = Outcome(lambda: net.fit(X.value, Y.value, **options))
    if isinstance(outcome.error, FloatingPointError):
        known = False
        _same(net.parameters, before, "a fit that diverged in its first epoch", epochs == 1)
    result = _judged(outcome, inputs, givens, known, ("parameters", "diverged"))
    if outcome.error is not None and not isinstance(outcome.error, FloatingPointError):
        _unchanged(net, before)
    for key, value in net.parameters.items():
        finite(value, key)
    if result is None or not known:
        return
    with np.errstate(all="ignore"):
        costs = reference.train(
            W_, b_, activations, output, cost, parameter, X.plain,
            _targets_of(draw, output, Y, T)[0], settings, epochs, batch or m, weights=weights,
            l2=options["l2"], clip_norm=options["clip_norm"],
        )  # fmt: skip
    # absolute errors' gradients jump, and Adam's first steps are of the size of the learning rate
    digits = 1e-6 if net.dtype == np.float64 else None
    if digits is None or cost in ("absolute_error", "quantile", "huber"):
        return
    if np.isfinite(costs).all() and np.abs(costs).max(initial=0) < 1e3:
        close(np.asarray(result.costs), costs, "the costs", digits)
    if net.epochs != epochs:
        raise FaultError(f"{net.epochs} epochs were counted, of {epochs}")


def _targets_of(draw, output, Y, T):
    """Make the reference's targets of what was given; None if that may not be valid."""
    if Y.plain is None:
        return None
    if output == "softmax":
        return (np.eye(T.shape[1])[Y.plain.astype(int)],)
    return (Y.plain.reshape(T.shape),)


def _judged(outcome, inputs, givens, known=True, aliases=()):
    inputs.check()
    outcome.named(*givens, *aliases)
    if any(g.refused for g in givens.values()):
        outcome.refused(*givens)
    if outcome.error is None:
        no_none(outcome.result)
    if any(g.plain is None for g in givens.values()) or (outcome.error is not None and not known):
        return None
    return outcome.accepted() if all(g.ordinary for g in givens.values()) else outcome.result


def _same(parameters, state, after, demanded=True):
    flat = np.concatenate([parameters[key].T.ravel() for key in parameters])
    if demanded and not np.array_equal(flat, state["params"]):
        raise FaultError(f"the parameters are others after {after}")


def _unchanged(net, before):
    """Demand that a fit that was refused has changed nothing."""
    after = net.state_dict()
    for name in before:
        if not equal(before[name], after[name]):
            raise FaultError(f"a fit that was refused has changed {name}")


def equal(a, b):
    """Compare states: arrays by their bits, containers by their items."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        same = isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape
        return same and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, np.random.Generator):
        return equal(a.bit_generator.state, b.bit_generator.state)
    return bool(a == b)


# ----------------------------------------------------------------------------------------- settings

WORDS = ("relu", "sigmoid", "softmax", "identity", "exp", "gelu", "", None, 1, ("relu",), b"relu",
         ["relu", "tanh"], object(), np.str_("tanh"), float("nan"), np.array("relu"))  # fmt: skip
RATES = (lambda epoch: float("nan"), lambda epoch: None, lambda epoch: "fast",
         lambda epoch: 1 / 0, lambda epoch: -1.0, lambda epoch: 10**400, lambda epoch: 1e308,
         lambda: 0.1, lambda epoch: [0.1], lambda epoch: np.float32(0.1))  # fmt: skip


def _odd(draw, name):
    kind = {"layer_dims": ODD_SIZES, "rng": ODD_RNGS, "dtype": ODD_TYPES}.get(name, ODD_NUMBERS)
    if name in ("activation", "output_activation", "cost", "first_layer", "last_batch", "keep",
                "parametrization"):  # fmt: skip
        kind = WORDS
    if name in ("batch_size", "epochs", "n_threads", "every"):
        kind = [size for size in ODD_SIZES if size not in (2**31,)]
    if name in ("rate_factors", "epsilon_factors"):
        kind = (None, {}, {"W": 0}, {"b1": 2.0}, {"W": None}, {"w": 1}, {1: 1}, {"b": -1.0}, 1, [])
    if name == "metric":
        kind = (None, "cost", "errors", "hits", len, 1, lambda state: 1.0, lambda state: None)
    if name in ("shuffle", "nesterov", "zero_output", "input_scale"):
        kind = (0, 1, "no", None, np.True_, np.array(True), [], (False,))
    if name == "callbacks":
        kind = (None, 1, [1], print, [None], "ab", (), iter(()), {})
    if name == "learning_rate" and draw.chance(0.5):
        kind = RATES
    if name == "validation_data":
        kind = (1, (1,), (1, 2, 3, 4), ([[1.0]], [1.0]), "XY", [None, None], {}, ())
    if name == "layer_dims":
        dims = [draw.pick(SIZES) for _ in range(3)]
        dims[draw.whole(0, 2)] = draw.pick(kind)
        return draw.pick((dims, dims[:1], (), None, 5, "345", iter(dims), [2**31 - 1, 2**31 - 1],
                          [2**40, 2**40], [[3, 4]], {3: 4, 5: 6}))  # fmt: skip
    return fresh(draw.pick(list(kind)))


def settings(draw):
    """Call with odd numbers, names and callables in place of the arguments that are no arrays."""
    what = draw.pick(("network", "optimizer", "fit", "fit"))
    if what == "network":
        names = ("layer_dims", "activation", "output_activation", "cost", "dtype", "init", "rng",
                 "huber_delta", "quantile", "init_bias", "zero_output", "input_scale",
                 "parametrization")  # fmt: skip
        options = {"layer_dims": [3, 4, 2]} | {
            name: _odd(draw, name) for name in names if draw.chance(0.2)
        }
        outcome = Outcome(lambda: fastdnn.Network(**options))
        outcome.named(*options, "units")
        if outcome.error is None:
            finite(outcome.result.predict(np.ones((2, outcome.result.layer_dims[0]))), "AL")
        return
    schedules = fastdnn.StepDecay, fastdnn.Cosine, fastdnn.OneCycle, fastdnn.CosLog
    kind = draw.pick((*fastdnn.optimizers.OPTIMIZERS, *schedules))
    known = list(kind.__dataclass_fields__)
    needed = {"learning_rate": 0.1, "every": 2, "epochs": 5}
    options = {name: _odd(draw, name) if draw.chance(0.3) else needed[name]
               for name in known if name in needed}  # fmt: skip
    options |= {name: _odd(draw, name) for name in known if name not in needed if draw.chance(0.2)}
    outcome = Outcome(lambda: kind(**options))
    outcome.named(*options)
    if outcome.error is not None:
        return
    optimizer = outcome.result
    if kind in schedules:
        for epoch in (0, 1, 4, 5, 10**6):
            rate = Outcome(lambda epoch=epoch: optimizer(epoch))
            rate.named("learning rate")
            if rate.error is None:
                finite(rate.result, f"the rate of {epoch}")
        return
    net = fastdnn.Network([3, 4, 2], rng=0)
    X, Y = draw.normal(9, 3), draw.rng.integers(0, 2, (9, 2))
    fit = {"optimizer": optimizer, "epochs": 2, "n_threads": 1}
    if what == "fit":
        names = (
            "optimizer", "batch_size", "epochs", "shuffle", "l2", "dropout", "input_dropout",
            "clip_norm", "validation_data", "callbacks", "first_layer", "n_threads",
            "label_smoothing", "last_batch", "rate_factors", "epsilon_factors", "keep", "metric",
        )  # fmt: skip
        fit |= {name: _odd(draw, name) for name in names if draw.chance(0.12)}
    net.fit(X, Y)
    before = net.state_dict()
    # a schedule's own error passes through, and that of a callback
    outcome = Outcome(lambda: net.fit(X, Y, **fit), also=(ZeroDivisionError,))
    if outcome.error is None:
        no_none(outcome.result)
    elif isinstance(outcome.error, (TypeError, ValueError)):
        if not re.search(r"positional argument", str(outcome.error)):
            outcome.named(*fit, "learning_rate")
        if net.epochs == before["epochs"]:
            _unchanged(net, before)
    for key, value in net.parameters.items():
        finite(value, key)
    # weights that a large rate has left need not go on well
    huge = max(np.abs(value).max() for value in net.parameters.values()) > 1e6
    last = Outcome(lambda: net.fit(X, Y, optimizer=fastdnn.Adam(), batch_size=4))
    if not (huge and isinstance(last.error, FloatingPointError)):
        last.accepted()


# ------------------------------------------------------------------------------------------- states


def _tampered(draw, state):
    """Change one thing in a state, or in what is in it."""
    name = draw.pick(list(state))
    value = state[name]
    odd = draw.pick((*ODD_NUMBERS, *ODD_SIZES, "drop", "word", lambda: 1, {}, ()))
    if isinstance(value, np.ndarray) or (name == "moments" and draw.chance(0.8)):
        arrays = [value] if name == "params" else list(value)
        at = draw.whole(0, len(arrays) - 1)
        a = arrays[at]
        if a is None:
            a = arrays[at] = np.zeros_like(state["params"])
        else:
            with np.errstate(all="ignore"):
                arrays[at] = draw.pick((
                    lambda: a[:-1], lambda: a.astype("f4"), lambda: a.astype(">f8"),
                    lambda: np.full_like(a, np.nan), lambda: np.full_like(a, np.inf),
                    lambda: a.reshape(1, -1), lambda: a.tolist(), lambda: np.repeat(a, 2)[::2],
                    lambda: a.astype(object), lambda: np.ma.masked_array(a), lambda: None,
                    lambda: -np.abs(a) - 1, lambda: a.astype(np.dtype(a.dtype).newbyteorder("<")),
                    lambda: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1),
                ))()  # fmt: skip
        state[name] = arrays[0] if name == "params" else tuple(arrays)
    elif isinstance(value, dict) and draw.chance(0.8):
        key = draw.pick(list(value))
        inner = value[key]
        if isinstance(inner, np.ndarray):
            with np.errstate(all="ignore"):
                value[key] = draw.pick((
                    inner[:-1], inner * np.nan, inner.T, inner.astype("f2"), None,
                    inner.tolist(), inner[:0], inner * 1e30,
                ))  # fmt: skip
        else:
            value[key] = odd
    elif isinstance(odd, str) and odd == "drop":
        del state[name]
    else:
        state[name] = odd
    return state


def states(draw):
    """Train, tamper with what is kept, load it, and go on."""
    gram = draw.chance(0.3)
    dims = [draw.pick((1, 3, 40)), draw.pick((1, 4)), draw.pick((1, 2))]
    dtype = draw.pick(("float64", "float32"))
    net = fastdnn.Network(dims, dtype=dtype, rng=1)
    X = draw.normal(9, dims[0])
    Y = draw.rng.integers(0, 2, (9, dims[-1])).astype(float)

    def fit(net, optimizer=None):
        form = gram and isinstance(optimizer or net.state_dict()["optimizer"], fastdnn.SGD)
        return net.fit(
            X, Y, optimizer=optimizer, epochs=2, batch_size=None if form else 4,
            first_layer="gram" if form else "auto",
        )  # fmt: skip

    first = draw.pick([o for o in OPTIMIZERS if not gram or isinstance(o, fastdnn.SGD)])
    fit(net, first)
    kept = net.state_dict()
    # what goes on from a copy of any kind goes on alike
    way = draw.pick(("copy", "deepcopy", "pickle", "state"))
    if way == "pickle":
        twin = pickle.loads(pickle.dumps(net, draw.whole(2, 5)))
    elif way == "state":
        twin = fastdnn.Network(dims, dtype=dtype)
        twin.load_state_dict(kept)
    else:
        twin = getattr(copy, way)(net)
    second = draw.pick((None, None, *OPTIMIZERS))
    fit(net, second)
    fit(twin, second)
    if not equal(net.state_dict(), twin.state_dict()):
        raise FaultError(f"a network goes on otherwise after {way}")
    if not draw.chance(0.7):
        return
    state = _tampered(draw, copy.deepcopy(kept))
    other = fastdnn.Network(dims, dtype=dtype, rng=5)
    untouched = other.state_dict()
    outcome = Outcome(lambda: other.load_state_dict(state))
    if outcome.error is not None:
        outcome.named("state")
        if not equal(other.state_dict(), untouched):
            raise FaultError("a state that was refused has changed the network")
    after = Outcome(lambda: fit(other))
    if isinstance(after.error, (TypeError, ValueError)):
        raise FaultError(f"a state was taken that no fit takes: {after.error}") from after.error
    after = other.state_dict()
    for name in ("steps", "epochs"):
        if not isinstance(after[name], int) or after[name] < 0:
            raise FaultError(f"{name} is {after[name]!r}")
    finite(after["params"], "params")
    finite(other.predict(X), "AL")
