"""What a notebook shows of networks, histories and estimators: HTML that fits together."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from networks import problem

from fastdnn import SGD, History, Network


def parsed(shown):
    """Read HTML, which is XML too but for line breaks."""
    return ElementTree.fromstring(shown._repr_html_().replace("<br>", "<br/>"))


def text(shown):
    return "".join(parsed(shown).itertext())


def paths(history):
    """List the curves' points."""
    found = []
    for group in parsed(history).iter("{http://www.w3.org/2000/svg}g"):
        for path in group.iter("{http://www.w3.org/2000/svg}path"):
            words = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d"))
            found.append([(float(x), float(y)) for x, y in words])
    return found


def test_a_network_is_a_table_of_its_layers():
    X, Y, _ = problem("sigmoid")
    net = Network([5, 8, 4, 3], ["gelu", "tanh"], rng=0)
    rows = [[cell.text for cell in row] for row in parsed(net).iter("tr")]
    assert rows == [
        ["layer", "units", "activation", "shapes", "parameters"],
        ["1", "8", "gelu", "W1 (8, 5), b1 (8, 1)", "48"],
        ["2", "4", "tanh", "W2 (4, 8), b2 (4, 1)", "36"],
        ["3", "3", "sigmoid", "W3 (3, 4), b3 (3, 1)", "15"],
    ]
    assert "99 parameters; float64, 792 bytes; cost cross_entropy; 0 epochs by Adam(" in text(net)
    net.fit(X, Y, epochs=3, optimizer=SGD(lambda epoch: 0.1))
    # whatever a user's object calls itself
    assert "3 epochs by SGD(learning_rate=<function" in text(net)
    assert "1 layer of 5 inputs" in text(Network([5, 3]))


def test_a_history_is_a_line_and_two_curves():
    X, Y, _ = problem("sigmoid")
    history = Network([5, 8, 3], rng=0).fit(X, Y, epochs=9, validation_data=(X, Y))
    cost, validation = f"{history.costs[-1]:.4g}", history.validation_costs
    line = f"9 epochs, cost {cost}, validation cost {validation[-1]:.4g}, {history.times[-1]:.3g} s"
    assert repr(history) == f"History({line})"
    least = f"(least: {min(validation):.4g} in epoch {np.argmin(validation) + 1})"
    assert text(history).startswith(f"History: {line}; dashed, the validation cost {least}")
    ours, theirs = paths(history)
    assert len(ours) >= len(theirs) >= 9
    # a falling cost falls on the screen, where down is more
    assert np.argmin([y for _, y in ours]) == np.argmax(history.costs)
    assert ours[0][0] < ours[-1][0]


@pytest.mark.parametrize(
    ("costs", "validation", "n_paths"),
    [
        ([], [], 0),
        ([0.5], [], 1),
        ([0.5] * 9, [0.5] * 9, 2),
        ([np.nan, np.inf], [], 0),
        ([1.0, np.inf, 2, np.nan, 3], [np.inf] * 5, 1),
        ([1e308, -1e308, 0], [1e-320] * 3, 2),
        ([1e300, 1e-300], [], 1),
        ([0.0, 0.0], [], 1),
    ],
)
def test_any_history_is_drawn(costs, validation, n_paths):
    history = History(costs, validation)
    curves = paths(history)
    assert len(curves) == n_paths
    assert all(0 <= x <= 360 and 0 <= y <= 110 for curve in curves for x, y in curve)
    assert repr(history).startswith(f"History({len(costs)} epoch")


def test_a_long_history_is_a_short_text():
    history = History([1 / k for k in range(1, 10**6)])
    assert len(history._repr_html_()) < 10_000
    assert "log" in text(history)


def test_a_history_of_a_divergence():
    history = History([1.0], error=FloatingPointError("diverged"))
    assert repr(history) == "History(1 epoch, cost 1, diverged)"


def test_an_estimator_has_scikit_learns_and_no_links_that_lead_nowhere():
    pytest.importorskip("sklearn")
    from fastdnn.estimators import MLPClassifier

    html = MLPClassifier()._repr_mimebundle_()["text/html"]
    assert "MLPClassifier" in html
    # scikit-learn's pages do not know ours
    assert not re.findall(r'href="[^"#]', html)
