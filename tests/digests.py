"""Fits of every kind, and of each a digest of all that comes out: a program, which prints them."""

import hashlib
import warnings

import numpy as np
import scipy.sparse
from reference_network import OPTIMIZERS

import fastdnn
from fastdnn import MLPClassifier, MLPRegressor
from fastdnn._fit import names

EPOCHS = 50
random = np.random.default_rng(0)
X = random.normal(size=(130, 17))
X[random.uniform(size=X.shape) < 0.3] = 0
y = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)
wide = random.normal(size=(60, 900))
weights = random.uniform(size=130)


def show(name, *results):
    """Print the digest of some arrays."""
    digest = hashlib.sha256()
    for result in results:
        digest.update(np.ascontiguousarray(result).tobytes())
    print(name, digest.hexdigest()[:16])


def train(
    name, dims, dtype, hidden="relu", output=None, cost=None, X=X, optimizer=None, **settings
):
    """Fit a network, and show what is left: weights, predictions, costs."""
    output = output or ("sigmoid" if dims[-1] == 1 else "softmax")
    Y = y[: X.shape[0]] % dims[-1] if output == "softmax" else y[: X.shape[0]]
    net = fastdnn.Network(dims, hidden, output, cost=cost, dtype=dtype, rng=0, reproducible=True)
    X = X.astype(dtype)
    settings = {"epochs": EPOCHS, "batch_size": 32, "n_threads": 1} | settings
    history = net.fit(X, Y, optimizer=optimizer or fastdnn.Adam(0.002), **settings)
    left = (net.state_dict()["params"], net.predict(X), net.cost(X, Y))
    show((name, dims, output, np.dtype(dtype).name), *left, history.costs)


def train_networks(dtype):
    """Fit networks of every activation, cost and optimiser, and in every way."""
    for hidden in names.ACTIVATIONS:
        train(hidden, [17, 20, 5, 1], dtype, hidden)
    for output, costs in names.COSTS.items():
        for cost in costs:
            n_L = 2 if output == "softmax" else 1
            train(cost, [17, 12, n_L], dtype, "tanh", output, cost, sample_weight=weights)
    for optimizer in OPTIMIZERS:
        train(repr(optimizer), [17, 9, 3], dtype, optimizer=optimizer)
    for batch in (1, 7, 32, 100, None):
        for dims in ([17, 64, 1], [17, 1, 1], [17, 300, 17, 1]):
            train(batch, dims, dtype, batch_size=batch)
    train("threads", [17, 64, 17, 1], dtype, n_threads=2)
    train("sparse", [17, 64, 1], dtype, X=scipy.sparse.csr_array(X))
    train("dropout", [17, 64, 1], dtype, dropout=0.3, input_dropout=0.1)
    train("clip", [17, 64, 1], dtype, clip_norm=0.5, l2=0.1, accumulate=2)
    train("blocks", [17, 64, 1], dtype, block_bytes=4096)
    for form in ("gram", "direct"):
        momentum = fastdnn.SGD(0.01, 0.9)
        train(form, [900, 20, 1], dtype, X=wide, optimizer=momentum, first_layer=form,
              batch_size=None, l2=0.1)  # fmt: skip


def train_estimators(dtype):
    """Fit both estimators by every solver."""
    x = X.astype(dtype)
    for solver in ("adam", "sgd", "lbfgs"):
        for cls, settings in (
            (MLPClassifier, {"activation": "tanh"}),
            (MLPRegressor, {}),
            (MLPRegressor, {"loss": "poisson"}),
            (MLPClassifier, {"early_stopping": True, "n_iter_no_change": EPOCHS}),
        ):
            model = cls(
                hidden_layer_sizes=(20, 9), solver=solver, max_iter=EPOCHS, random_state=0,
                tol=0, n_threads=1, reproducible=True, **settings,
            )  # fmt: skip
            model.fit(x, y)
            name = (cls.__name__, solver, *settings.items(), np.dtype(dtype).name)
            show(name, *model.coefs_, model.predict(x), model.loss_, model.n_iter_)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for dtype in (np.float32, np.float64):
        train_networks(dtype)
        train_estimators(dtype)
