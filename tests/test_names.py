"""The rows of `names.py` and what they stand for: the compiled enums, derivatives, targets."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import reference_network as reference
from inside import moments, params

import fastdnn
from fastdnn import Network, optimizers
from fastdnn._course.layers import CODES
from fastdnn._fit.names import ACTIVATIONS, COSTS, OUTPUTS, RULES
from fastdnn.optimizers import OPTIMIZERS, SGD

CORE = Path(__file__).resolve().parent.parent / "fastdnn" / "_core"
# these activations are the course's functions' alone
OF_THE_COURSE = {"SIGMOID_Z", "SOFTMAX"}


def enum(name):
    """Read the codes of an enum where it is defined."""
    for file in sorted(CORE.glob("*.p*x*")):
        found = re.search(
            rf"^c?p?c?def enum {name}:\n((?:    .*\n)+)", file.read_text("utf-8"), re.M
        )
        if found and file.suffix in (".pxd", ".pyx", ".pxi"):
            lines = (line.partition("#")[0].strip() for line in found[1].splitlines())
            return {member: code for code, member in enumerate(filter(None, lines))}
    raise AssertionError(name)


def test_codes_are_those_of_the_enums():
    activations = enum("Activation")
    assert {name.upper(): row.code for name, row in ACTIVATIONS.items()} == {
        name: code for name, code in activations.items() if name not in OF_THE_COURSE
    }
    of_the_course = {"SIGMOID_Z": CODES["sigmoid"], "SOFTMAX": CODES["softmax"]}
    assert of_the_course == {name: activations[name] for name in OF_THE_COURSE}
    assert {f"OUTPUT_{name}".upper(): row.code for name, row in OUTPUTS.items()} == enum("Output")
    assert {name.upper(): row.code for name, row in RULES.items()} == enum("Optimizer")
    costs = {
        (f"{output}_{name}" if name == "cross_entropy" else name).upper(): row.code
        for output, rows in COSTS.items()
        for name, row in rows.items()
    }
    assert costs == enum("Cost")


def test_all_are_beside_the_reference():
    assert set(reference.ACTIVATIONS) == set(ACTIVATIONS)
    assert set(reference.COSTS) == {(output, name) for output in COSTS for name in COSTS[output]}
    assert {type(one) for one in reference.OPTIMIZERS} == set(OPTIMIZERS)
    assert {one.settings()["rule"] for one in reference.OPTIMIZERS} == {*RULES} - {"none"}


def test_all_are_in_the_documents():
    names = {"activation": ACTIVATIONS, "cost": COSTS["identity"]}
    for argument, known in names.items():
        said = re.search(rf"^{argument} : .*\n((?:    .*\n)+)", inspect.getdoc(Network), re.M)[1]
        assert {f'"{name}"' for name in known} <= set(re.findall(r'"\w+"', said))
        assert max(map(len, said.splitlines())) <= 96
    assert {kind.__name__ for kind in OPTIMIZERS} <= set(fastdnn.__all__)
    for kind in OPTIMIZERS:
        assert re.search(rf"^ *{kind.__name__} ", optimizers.__doc__, re.M)


def test_names_are_one_to_one():
    for rows in (ACTIVATIONS, OUTPUTS):
        assert len({row.scikit_learn for row in rows.values()}) == len(rows)
        assert len({row.onnx for row in rows.values()}) == len(rows)
    assert set(OUTPUTS) == set(COSTS)
    assert all(COSTS.values())


def test_scikit_learns_names():
    base = pytest.importorskip("sklearn.neural_network._base")
    theirs = {row.scikit_learn for row in (ACTIVATIONS | OUTPUTS).values()}
    assert {"identity", "logistic", "tanh", "relu", "softmax"} <= theirs & {*base.ACTIVATIONS}


@pytest.mark.parametrize("name", [name for name, row in ACTIVATIONS.items() if row.of_output])
def test_a_derivative_of_the_output_needs_an_output_that_tells_the_input(name):
    # where the derivative is a function of A, an A must not belong to two Z with other derivatives
    net = Network([1, 1, 1], name, "identity", rng=0)
    for view in net.parameters.values():
        view[...] = 0
    for key in ("W1", "W2"):
        net.parameters[key][...] = 1
    A = net.predict(np.linspace(-8, 8, 401)[:, None])
    assert (np.diff(A, axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("output", "cost"), [(output, cost) for output, rows in COSTS.items() for cost in rows]
)
def test_bounds_of_the_targets(output, cost):
    row = COSTS[output][cost]
    net = Network([2, 3], output_activation=output, cost=cost, rng=0)
    X = np.ones((2, 2))
    for bound, beyond in ((row.least, -0.5), (row.most, 0.5)):
        if np.isfinite(bound):
            net.fit(X, np.full((2, 3), bound), epochs=0)
            with pytest.raises(ValueError, match="Y must be between"):
                net.fit(X, np.full((2, 3), bound + beyond), epochs=0)
    if row.classes:
        net.fit(X, [0, 2])


def test_every_optimiser_names_its_rule_and_trains_by_it():
    rules = set()
    options = {SGD: ({"momentum": 0.9}, {"momentum": 0.9, "nesterov": True})}
    X, Y = np.eye(3), np.ones(3)
    for kind in OPTIMIZERS:
        for chosen in ({}, *options.get(kind, ())):
            optimizer = kind(0.1, **chosen)
            rule = optimizer.settings()["rule"]
            rules.add(rule)
            net = Network([3, 2, 1], "tanh", rng=0)
            before = params(net).copy()
            net.fit(X, Y, optimizer=optimizer, epochs=2)
            assert (params(net) != before).any()
            needed = RULES[rule].moments
            assert [m is not None for m in moments(net)] == [1 in needed, 2 in needed]
            # each is used
            assert all(m is None or m.any() for m in moments(net))
            gram = {"optimizer": optimizer, "first_layer": "gram"}
            if RULES[rule].linear:
                net.fit(X, Y, **gram)
            else:
                with pytest.raises(ValueError, match="first_layer='gram' needs"):
                    net.fit(X, Y, **gram)
    assert rules == {*RULES} - {"none"}
