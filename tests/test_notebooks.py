"""What a notebook shows: each figure once, without an `%` line, and a bar that moves."""

import json
import re

import pytest
from processes import run_apart

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

SETUP = """
import numpy as np, fastdnn
X = np.random.default_rng(0).normal(size=(60, 4))
Y = X[:, :1] > 0
net = fastdnn.Network([4, 8, 1], rng=0)
"""


# in a process of its own: what the libraries warn of is not the package's
NOTEBOOK = """
    import json, sys
    from jupyter_client import AsyncKernelManager
    from nbclient import NotebookClient
    from nbformat import v4
    cells = [v4.new_code_cell(cell) for cell in json.loads(sys.argv[1])]
    manager = AsyncKernelManager()
    manager.kernel_spec.argv = [sys.executable, "-P", "-m", "ipykernel_launcher", "-f"]
    manager.kernel_spec.argv += ["{connection_file}"]
    NotebookClient(v4.new_notebook(cells=cells), km=manager, timeout=100).execute()
    print(json.dumps([cell.outputs for cell in cells]))
"""


def run(*cells):
    """Run a notebook in a kernel of this Python, and return each cell's outputs."""
    return json.loads(run_apart(NOTEBOOK, json.dumps(cells)).splitlines()[-1])


def images(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


def written(outputs):
    return "".join(output["text"] for output in outputs if "text" in output)


def test_figures_are_shown_once():
    pytest.importorskip("matplotlib")
    plot = "fastdnn.plot_costs([3.0, 2.0, 1.0])"
    _, *shown = run(
        SETUP + "import sys; assert 'matplotlib.pyplot' not in sys.modules",
        plot,
        f"{plot};",
        f"kept = {plot}",
        f"{plot}\n{plot}\nprint('two')",
        "kept",
        "from fastdnn.plots import LossCurveDisplay, WeightsDisplay\n"
        "history = net.fit(X, Y, epochs=5)\n"
        "display = LossCurveDisplay.from_history(history)",
        "WeightsDisplay.from_estimator(net)",
        "fastdnn.print_mislabeled_images(['a', 'b'], np.ones((12, 2)), [0, 1], [1, 1])",
        "import matplotlib.pyplot as plt, os, tempfile\n"
        f"figure = {plot}\n"
        "assert plt.gcf() is figure\n"
        "plt.savefig(os.path.join(tempfile.mkdtemp(), 'costs.png'))\n"
        "plt.show()",
        "%matplotlib inline\n" + plot,
        "fig, ax = plt.subplots()\nfastdnn.plot_costs([3.0, 2.0], ax=ax);",
        "display.plot();",
        "from fastdnn.estimators import MLPClassifier\n"
        "est = MLPClassifier(max_iter=2).fit(X, Y[:, 0])\n"
        "LossCurveDisplay.from_estimator(est)",
        "from fastdnn.__main__ import main\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    main(['demo', '--images', '12', '--iterations', '2', '--output', folder + '/a.png'])",
        "print(plt.get_fignums())",
    )
    expected = [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    # the demo writes its figure to a file
    assert [images(outputs) for outputs in shown] == [*expected, 0, 0]
    assert "Figure: " in written(shown[-2])
    assert "[]" in written(shown[-1])


def test_a_bar_and_tables():
    pytest.importorskip("rich")
    _, bar, many, network, history = run(
        SETUP,
        "history = net.fit(X, Y, epochs=50, verbose=True)",
        "nets = [fastdnn.Network([4, n, 1], rng=0) for n in range(2, 9)]\n"
        "histories = fastdnn.fit_many(nets, X, Y, epochs=500, n_threads=2, verbose=True)",
        "net",
        "history",
    )
    for outputs, end in ((bar, r"epoch .*50/50.* cost 0\.\d+, "), (many, r"network .*7/7.* div")):
        # one output, whose last picture stays
        (output,) = outputs
        assert re.search(end, output["data"]["text/plain"]), output
        assert "<pre" in output["data"]["text/html"]
    assert "<table>" in network[0]["data"]["text/html"]
    assert "<svg" in history[0]["data"]["text/html"]
    assert history[0]["data"]["text/plain"].startswith("History(50 epochs, cost 0.")


def test_a_notebook_without_rich_gets_lines_and_a_hint():
    (outputs,) = run(SETUP + "import sys; sys.modules['rich'] = None; net.fit(X, Y, verbose=True);")
    assert re.match(
        r"fastdnn draws a bar here with rich: python -m pip install .rich>=13.\n"
        r"epoch 1 of 1, cost 0\.\d+, ",
        written(outputs),
    )
