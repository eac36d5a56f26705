"""Calls of course 2's passes with flat caches, beside plain NumPy."""

import numpy as np
import reference_passes
from arrays import given
from course import SIZES
from oracle import FaultError, Inputs, Outcome, close

from fastdnn import course2


def passes(draw):
    """Go forward and backward through a network, with L2 or with dropout."""
    L = draw.whole(1, 4)
    sizes, m = [draw.pick(SIZES) for _ in range(L + 1)], draw.pick(SIZES)
    givens = {"X": given(draw, draw.normal(sizes[0], m), odd=0.03, extreme=0.03)}
    for l in range(1, L + 1):
        for name, shape in ((f"W{l}", (sizes[l], sizes[l - 1])), (f"b{l}", (sizes[l], 1))):
            givens[name] = given(draw, draw.normal(*shape), odd=0.03, extreme=0.03)
    Y = (draw.rng.random((sizes[-1], m)) > 0.5).astype(float)
    givens["Y"] = given(draw, Y, odd=0.03, extreme=0.02)
    inputs = Inputs(**{name: g.value for name, g in givens.items()})
    values = {name: g.value for name, g in givens.items()}
    X, Y, keep = values.pop("X"), values.pop("Y"), draw.pick((None, 0.5, 0.8, 1))
    gradients = {f"d{name}{l}" for name in "AWZb" for l in range(L + 1)}
    names = (*givens, *(f"A{l}" for l in range(L)), *gradients, "AL", "parameters")

    def forward():
        if keep is None:
            return course2.forward_propagation(X, values)
        return course2.forward_propagation_with_dropout(X, values, keep)

    def backward(cache):
        if keep is None:
            return course2.backward_propagation_with_regularization(X, Y, cache, 0.7)
        return course2.backward_propagation_with_dropout(X, Y, cache, keep)

    outcome = Outcome(forward)
    inputs.check()
    outcome.named(*names)
    if outcome.error is None:
        AL, cache = outcome.result
        parts = [Outcome(lambda: backward(cache))]
        parts += [Outcome(lambda: course2.compute_cost_with_regularization(AL, Y, values, 0.7))]
        inputs.check()
        for part in parts:
            part.named(*names, "a3")
    if not all(g.ordinary and g.plain is not None for g in givens.values()):
        return
    outcome.accepted()
    found = parts[0].accepted()
    plain = {name: g.plain for name, g in givens.items()}
    X, Y = plain.pop("X"), plain.pop("Y")
    with np.errstate(all="ignore"):
        if keep is None:
            _, right = reference_passes.forward_propagation(X, plain)
        else:
            _, right = reference_passes.forward_propagation_with_dropout(X, plain, keep)
        expected = reference_passes.backward_propagation(
            X, Y, right, 0.7 if keep is None else 0.0, keep
        )
    if found.keys() != expected.keys():
        raise FaultError(f"the keys are {list(found)}")
    # rounding may switch a unit of relu on or off
    hidden = right[: -4 : 4 if keep is None else 5]
    if all(np.abs(Z).min() > 1e-3 * np.abs(Z).max() for Z in hidden):
        for key, value in expected.items():
            close(found[key], value, key, 1e-2)
