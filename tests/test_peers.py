"""Training trajectories beside PyTorch's, where it is installed."""

import numpy as np
import pytest

from fastdnn import SGD, Adam, AdamW, Network, RMSprop
from fastdnn._fit import names

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

PAIRS = [
    (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (SGD(0.1, momentum=0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    (SGD(0.1, 0.9, True), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
    (RMSprop(0.01), lambda p: torch.optim.RMSprop(p, 0.01)),
    (Adam(0.01), lambda p: torch.optim.Adam(p, 0.01)),
    (AdamW(0.01, weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)),
]
# by our names: those of both
THEIRS = {name.lower(): getattr(torch.nn, name) for name in dir(torch.nn)}
ACTIVATIONS = {
    name: THEIRS[name.replace("_", "")]
    for name in names.ACTIVATIONS
    if name.replace("_", "") in THEIRS
}


def trajectories(ours, theirs, activation="tanh", epochs=20):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(60, 7)), random.integers(0, 3, 60)
    net = Network([7, 12, 9, 3], activation, "softmax", rng=0)
    layers = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in ((7, 12), (12, 9), (9, 3))]
    for l, layer in enumerate(layers, 1):
        layer.weight.data = torch.from_numpy(net.parameters[f"W{l}"].copy())
        layer.bias.data = torch.from_numpy(net.parameters[f"b{l}"].ravel().copy())
    act = ACTIVATIONS[activation]
    model = torch.nn.Sequential(layers[0], act(), layers[1], act(), layers[2])
    optimizer, loss = theirs(model.parameters()), torch.nn.CrossEntropyLoss()
    costs = []
    for _ in range(epochs):
        total = 0.0
        for first in range(0, 60, 16):
            rows = slice(first, min(first + 16, 60))
            optimizer.zero_grad()
            cost = loss(model(torch.from_numpy(X[rows])), torch.from_numpy(y[rows]))
            cost.backward()
            optimizer.step()
            total += cost.item() * (rows.stop - rows.start)
        costs.append(total / 60)
    history = net.fit(X, y, optimizer=ours, batch_size=16, epochs=epochs, shuffle=False)
    np.testing.assert_allclose(history.costs, costs, rtol=1e-8)
    for l, layer in enumerate(layers, 1):
        np.testing.assert_allclose(
            net.parameters[f"W{l}"], layer.weight.detach().numpy(), rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda value: str(value)[:40])
def test_optimizers(ours, theirs):
    trajectories(ours, theirs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation):
    trajectories(SGD(0.05), lambda p: torch.optim.SGD(p, 0.05), activation)
