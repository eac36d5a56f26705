"""Calls of the course's functions, beside plain NumPy."""

import contextlib
import io
from copy import deepcopy

import numpy as np
import reference
import reference_layers
from arrays import given
from oracle import FaultError, Inputs, Outcome, close, finite, no_none
from scipy.special import expit

import fastdnn

SIZES = (1, 1, 2, 3, 5, 8, 16, 17, 33)
# None is the linear part alone
ACTIVATIONS = (None, "relu", "sigmoid", "tanh", "linear", "elu", "mish", "softmax")


def _forward_names(l):
    return (f"A{l - 1}" if l > 1 else "X", f"W{l}", f"b{l}")


def _judge(outcome, inputs, aliases=()):
    """Look at how a call ended; returns its result if the reference has one too."""
    inputs.check()
    givens = inputs.arguments
    names = (*givens, *aliases)
    if outcome.error is not None:
        outcome.named(*names)
    if any(g.refused for g in givens.values()):
        outcome.refused(*names)
        return None
    if outcome.error is None:
        no_none(outcome.result)
    if any(g.plain is None for g in givens.values()):
        return None
    if inputs.fits:
        return outcome.accepted()
    return None


def _inputs(givens, fits=True):
    inputs = Inputs(**{name: g.value for name, g in givens.items()})
    inputs.arguments, inputs.fits = givens, fits
    inputs.ordinary = all(g.ordinary for g in givens.values())
    return inputs


def of_any_shape(g):
    """Let an argument pass whose dimensions are of no concern."""
    g.refused = g.refused and g.form != "four dimensions"


def _wrong_shape(draw, shape):
    if not draw.chance(0.05):
        return shape, True
    return tuple(n + draw.whole(1, 3) for n in shape), False


def _draw_all(draw, shapes):
    givens, fits = {}, True
    for name, shape in shapes.items():
        # where one may be of a size of 1, a number would do
        shape, fit = _wrong_shape(draw, shape)
        fits = fits and fit
        givens[name] = given(draw, draw.normal(*shape))
    return _inputs(givens, fits)


# --------------------------------------------------------------------------------------- functions


def _layer(draw):
    n, n_prev, m = (draw.pick(SIZES) for _ in range(3))
    inputs = _draw_all(draw, {"A_prev": (n_prev, m), "W": (n, n_prev), "b": (n, 1)})
    A, W, b = (g.value for g in inputs.arguments.values())
    act = draw.pick(ACTIVATIONS)
    keep = draw.pick((1.0, 1.0, 0.7))
    if act is None:
        outcome = Outcome(lambda: fastdnn.linear_forward(A, W, b))
    else:
        outcome = Outcome(lambda: fastdnn.linear_activation_forward(A, W, b, act, keep, rng=3))
    result = _judge(outcome, inputs, ("A",))
    if result is None or not inputs.ordinary:
        return
    A, W, b = (g.plain for g in inputs.arguments.values())
    Z = W @ A + b
    if act is None:
        close(result[0], Z, "Z")
        return
    right = reference_layers.activate(act, Z)
    if keep < 1:
        right = right * (np.random.RandomState(3).rand(n, m) < keep) / keep
    close(result[0], right, "A")
    close(result[1][1], Z, "the cached Z")


def _layer_backward(draw):
    n, n_prev, m = (draw.pick(SIZES) for _ in range(3))
    shapes = {"dA": (n, m), "A_prev": (n_prev, m), "W": (n, n_prev), "Z": (n, m)}
    act = draw.pick(ACTIVATIONS)
    if act is None:
        del shapes["Z"]
    inputs = _draw_all(draw, shapes)
    dA, A, W = (inputs.arguments[name].value for name in ("dA", "A_prev", "W"))
    b = np.zeros((n, 1))
    lambd, keep, masks = draw.pick((0.0, 0.3)), 1.0, ()
    if act is not None and draw.chance(0.4):
        D = draw.rng.random((n, m)) < 0.7
        keep, masks = 0.7, (D.astype(draw.pick(("?", "i8", "f4")), order=draw.pick("CF")),)
    if act is None:
        outcome = Outcome(lambda: fastdnn.linear_backward(dA, (A, W, b), lambd))
    else:
        Z = inputs.arguments["Z"].value
        cache = ((A, W, b), Z, *masks)
        outcome = Outcome(lambda: fastdnn.linear_activation_backward(dA, cache, act, lambd, keep))
    result = _judge(outcome, inputs, ("dZ", "cache", "D"))
    if result is None or not inputs.ordinary:
        return
    dA, A, W = (inputs.arguments[name].plain for name in ("dA", "A_prev", "W"))
    if act is None:
        right = reference_layers.linear_backward(dA, (A, W, b), lambd)
    else:
        cache = ((A, W, b), inputs.arguments["Z"].plain, *masks)
        right = reference_layers.linear_activation_backward(dA, cache, act, lambd, keep)
    for ours, theirs, name in zip(result, right, ("dA_prev", "dW", "db"), strict=True):
        close(ours, theirs, name)


def _elementwise(draw):
    shape = draw.pick(((7,), (1, 1), (3, 5), (1, 64), (64, 1), (40, 33)))
    backward = draw.chance(0.5)
    shapes = {"dA": shape, "cache": shape} if backward else {"Z": shape}
    inputs = _inputs({name: given(draw, 3 * draw.normal(*s)) for name, s in shapes.items()})
    values = [g.value for g in inputs.arguments.values()]
    name = draw.pick(("relu", "sigmoid"))
    function = getattr(fastdnn, name + ("_backward" if backward else ""))
    outcome = Outcome(lambda: function(*values))
    for g in inputs.arguments.values():
        of_any_shape(g)
    result = _judge(outcome, inputs)
    if result is None:
        return
    plain = [g.plain for g in inputs.arguments.values()]
    with np.errstate(all="ignore"):
        if backward:
            right = getattr(reference, name + "_backward")(*plain)
            if name == "sigmoid":
                right = plain[0] * expit(plain[1]) * expit(-plain[1])
        else:
            result, right = result[0], np.maximum(plain[0], 0) if name == "relu" else expit(*plain)
    if inputs.ordinary:
        close(result, right, name)
    elif all(np.isfinite(p).all() for p in plain) and result.dtype == np.float64:
        finite(result, name)


def _cost(draw):
    n, m = draw.pick((1, 1, 1, 3)), draw.pick(SIZES)
    backward = draw.chance(0.4)
    AL = given(draw, draw.rng.uniform(0.1, 0.9, (n, m)), types=("f8", "f4", "named f8", "big f4"))
    Y = given(draw, (draw.rng.random((n, m)) > 0.5).astype(float))
    of_any_shape(Y)
    inputs = _inputs({"AL": AL, "Y": Y})
    if backward:
        W, A = draw.normal(n, 2), draw.normal(2, m)
        caches = [((A, W, np.zeros((n, 1))), draw.normal(n, m))]
        outcome = Outcome(lambda: fastdnn.L_model_backward(AL.value, Y.value, caches))
    else:
        outcome = Outcome(lambda: fastdnn.compute_cost(AL.value, Y.value))
    result = _judge(outcome, inputs, ("dA1",))
    if result is None or not inputs.ordinary:
        return
    if backward:
        with np.errstate(all="ignore"):
            right = reference.L_model_backward(AL.plain, Y.plain, caches)
        for key, value in right.items():
            close(result[key], value, key, 2e-3)
    else:
        with np.errstate(all="ignore"):
            right = reference.compute_cost(AL.plain, Y.plain)
        close(result, right, "the cost")


def _dict(draw, parameters):
    """Give a dict of parameters or gradients odd forms."""
    return {key: given(draw, value, odd=0.03, extreme=0.02) for key, value in parameters.items()}


def _model(draw):
    dims = [draw.pick(SIZES) for _ in range(draw.whole(2, 4))]
    m = draw.pick(SIZES)
    parameters = {}
    for l in range(1, len(dims)):
        parameters[f"W{l}"] = draw.normal(dims[l], dims[l - 1])
        parameters[f"b{l}"] = draw.normal(dims[l], 1)
    givens = _dict(draw, parameters)
    inputs = _inputs(givens | {"X": given(draw, draw.normal(dims[0], m))})
    values = {name: g.value for name, g in givens.items()}
    X = inputs.arguments["X"]
    outcome = Outcome(lambda: fastdnn.L_model_forward(X.value, values))
    aliases = tuple(name for l in range(1, len(dims)) for name in _forward_names(l))
    result = _judge(outcome, inputs, aliases)
    if result is None or not inputs.ordinary:
        return
    with np.errstate(all="ignore"):
        right, caches = reference.L_model_forward(
            X.plain, {name: g.plain for name, g in givens.items()}
        )
    close(result[0], right, "AL", 2e-3)
    Y = (draw.rng.random(right.shape) > 0.5).astype(float)
    if np.abs(right - 0.5).max() < 0.49:
        grads = Outcome(lambda: fastdnn.L_model_backward(result[0], Y, result[1])).accepted()
        for key, value in reference.L_model_backward(right, Y, caches).items():
            close(no_none(grads[key], key), value, key, 5e-3)


def functions(draw):
    """Call one of the course's functions."""
    draw.pick((_layer, _layer, _layer_backward, _layer_backward, _elementwise, _cost, _model))(draw)


# -------------------------------------------------------------------------------------- parameters

ODD_SIZES = (0, -1, 2**31, 2**63, 10**30, 1.5, "3", None, True, np.int32(3), np.float64(3),
             np.array(3), np.array([3]), (3,), 1j, float("nan"))  # fmt: skip
ODD_NUMBERS = (0, -1, 1e400, -0.0, float("nan"), 10**400, "0.1", b"1", None, 1j, True, (1.0,),
               [], np.array(0.5), np.array([0.5]), np.array([[0.5]]), np.float32(0.5), {},
               np.longdouble(0.5), np.ma.masked, object(), np.float16(0.5), 2**70)  # fmt: skip
ODD_RNGS = (-1, 2**32, 2**64, 1.5, "1", True, None, np.int64(1), np.random.RandomState(1),
            np.random.default_rng(1), np.random.PCG64(1), (1,), [-1], [1.5], "12", np.array([1, 2]),
            np.random.SeedSequence(1), np.random)  # fmt: skip
GENERATORS = (np.random.RandomState, np.random.Generator, np.random.BitGenerator)
ODD_TYPES = ("f4", "float64", ">f8", "i4", "f2", "longdouble", complex, None, "x", object(), float,
             np.float32, bool, np.dtype("f8").newbyteorder("<"), [("x", "f8")])  # fmt: skip


def fresh(value):
    """Copy a generator, so that a call can be repeated alone."""
    return deepcopy(value) if isinstance(value, GENERATORS) else value


def parameters(draw):
    """Call what makes parameters, and their update."""
    if draw.chance(0.5):
        draw.pick((_update, _update, _step))(draw)
        return
    dims = [draw.pick(SIZES) for _ in range(3)]
    odd = draw.chance(0.4)
    if odd:
        dims[draw.whole(0, 2)] = draw.pick(ODD_SIZES)
    options = {}
    for name, values in (("rng", ODD_RNGS), ("scale", (*ODD_NUMBERS, "lecun", "he", "best")),
                         ("dtype", ODD_TYPES)):  # fmt: skip
        if draw.chance(0.25):
            options[name] = fresh(draw.pick(values))
    if draw.chance(0.5):
        names = ("n_x", "n_h", "n_y")
        outcome = Outcome(lambda: fastdnn.initialize_parameters(*dims, **options))
        right = None if odd else reference.initialize_parameters
    else:
        names = ("layer_dims",)
        form = draw.pick((list, tuple, iter, np.array)) if not odd else list
        outcome = Outcome(lambda: fastdnn.initialize_parameters_deep(form(dims), **options))
        right = None if odd else lambda *dims: reference.initialize_parameters_deep(dims)
    outcome.named(*names, *options)
    if outcome.error is None:
        for key, value in no_none(outcome.result).items():
            finite(value, key)
    if not options and right is not None:
        for key, value in right(*dims).items():
            if not np.array_equal(outcome.accepted()[key], value):
                raise FaultError(f"{key} has not the course's digits")


def _update(draw):
    shapes = [(draw.pick(SIZES), draw.pick(SIZES)) for _ in range(draw.whole(1, 2))]
    arrays = {}
    for l, (n, n_prev) in enumerate(shapes, 1):
        arrays |= {f"W{l}": draw.normal(n, n_prev), f"b{l}": draw.normal(n, 1)}
    givens = _dict(draw, arrays)
    grads = _dict(draw, {"d" + key: draw.normal(*value.shape) for key, value in arrays.items()})
    rate = draw.pick(ODD_NUMBERS) if draw.chance(0.1) else 0.5
    inputs = _inputs(givens | grads)
    outcome = Outcome(
        lambda: fastdnn.update_parameters(
            {name: g.value for name, g in givens.items()},
            {name: g.value for name, g in grads.items()},
            rate,
        )
    )
    inputs.fits = rate == 0.5 and isinstance(rate, float)
    # shapes broadcast
    for g in inputs.arguments.values():
        of_any_shape(g)
    result = _judge(outcome, inputs, ("learning_rate",))
    if result is None or not inputs.ordinary:
        return
    for key in arrays:
        close(result[key], givens[key].plain - rate * grads["d" + key].plain, key)


def _step(draw):
    """Take a step of momentum or Adam, from moments that may be odd too."""
    adam, t = draw.chance(0.5), draw.pick((1, 2, 100, 10**9))
    shape = (draw.pick(SIZES), draw.pick(SIZES))
    arrays = {"W1": draw.normal(*shape), "b1": draw.normal(shape[0], 1)}
    dicts = [_dict(draw, arrays)]
    for name in ("d{}", "v['d{}']", "s['d{}']")[: 3 if adam else 2]:
        moment = {name.format(key): abs(draw.normal(*P.shape)) for key, P in arrays.items()}
        dicts.append(_dict(draw, moment))
    inputs = _inputs({name: g for givens in dicts for name, g in givens.items()})
    # a gradient or a parameter may broadcast, but not always to the shape of the moments
    inputs.fits = inputs.ordinary
    for g in inputs.arguments.values():
        of_any_shape(g)
    P, g, v, *s = (
        dict(zip(keys, (given.value for given in givens.values()), strict=True))
        for keys, givens in zip((("W1", "b1"), *[("dW1", "db1")] * 3), dicts, strict=False)
    )
    if adam:
        outcome = Outcome(lambda: fastdnn.update_parameters_with_adam(P, g, v, s[0], t))
    else:
        outcome = Outcome(lambda: fastdnn.update_parameters_with_momentum(P, g, v, 0.9, 0.01))
    result = _judge(outcome, inputs)
    if result is None or not inputs.ordinary:
        return
    for key, *plain in zip(arrays, *([g.plain for g in d.values()] for d in dicts), strict=True):
        P, g, v, *s = plain
        v = 0.9 * v + 0.1 * g
        close(result[1]["d" + key], v, f"v of {key}")
        if adam:
            s = 0.999 * s[0] + 0.001 * g**2
            v = v / (1 - 0.9**t) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        close(result[0][key], P - 0.01 * v, key)


# ------------------------------------------------------------------------------------- application


def application(draw):
    """Train one of the course's two models, or predict."""
    dims = [draw.pick((1, 2, 3, 8, 17)) for _ in range(2 if draw.chance(0.2) else 3)] + [1]
    m = draw.pick(SIZES)
    X, Y = draw.normal(dims[0], m), (draw.rng.random((1, m)) > 0.5).astype(float)
    X, Y = given(draw, X), given(draw, Y)
    of_any_shape(Y)
    inputs = _inputs({"X": X, "Y": Y})
    printed = io.StringIO()
    if draw.chance(0.3):
        parameters = reference.initialize_parameters_deep(dims)
        with contextlib.redirect_stdout(printed):
            outcome = Outcome(lambda: fastdnn.predict(X.value, Y.value, parameters))
        result = _judge(outcome, inputs, ("y",))
        if result is not None and inputs.ordinary:
            with np.errstate(all="ignore"):
                AL, _ = reference.L_model_forward(X.plain, parameters)
            sure = np.abs(AL - 0.5) > 1e-6
            close(result[sure], (AL > 0.5)[sure], "the predictions")
        return
    model = fastdnn.two_layer_model if len(dims) == 3 else fastdnn.L_layer_model
    options = {"learning_rate": 0.05, "num_iterations": draw.pick((0, 1, 3, 101))}
    usual = dict(options)
    if draw.chance(0.1):
        options["learning_rate"] = draw.pick(ODD_NUMBERS)
    if draw.chance(0.1):
        # not so many that the call would not end
        options["num_iterations"] = draw.pick((*ODD_SIZES[:2], *ODD_SIZES[4:]))
    if draw.chance(0.1):
        options["rng"] = fresh(draw.pick(ODD_RNGS))
    fits = len(usual) == len(options) and all(usual[name] is options[name] for name in usual)
    if draw.chance(0.2):
        options["print_cost"] = True
    layers_dims = list(dims)
    inputs.fits = fits
    if draw.chance(0.1):
        inputs.fits = False
        layers_dims[draw.whole(0, len(dims) - 1)] = draw.pick(ODD_SIZES)
    with contextlib.redirect_stdout(printed):
        outcome = Outcome(lambda: model(X.value, Y.value, layers_dims, **options))
    result = _judge(outcome, inputs, ("layers_dims", *options))
    if result is None or not inputs.ordinary:
        return
    scaled = fastdnn.initialize_parameters_deep(
        dims, rng=1, scale=0.01 if len(dims) == 3 else "lecun"
    )
    with np.errstate(all="ignore"):
        for _ in range(options["num_iterations"]):
            AL, caches = reference.L_model_forward(X.plain, scaled)
            grads = reference.L_model_backward(AL, Y.plain, caches)
            scaled = reference.update_parameters(scaled, grads, 0.05)
    for key, value in scaled.items():
        if np.isfinite(value).all():
            close(result[0][key], value, key, 1e-3 if result[0][key].dtype == np.float32 else 1e-7)
