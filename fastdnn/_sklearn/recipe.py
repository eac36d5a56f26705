"""How a tabular estimator is trained: rows set apart, networks and their settings, temperatures."""

from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.utils import _safe_indexing

from fastdnn._arrays import Array
from fastdnn._fit.results import History, State
from fastdnn.many import fit_many
from fastdnn.network import Network
from fastdnn.optimizers import Adam, CosLog

# between which a temperature is looked for
_COLDEST, _HOTTEST = 0.05, 20.0


class Examples(NamedTuple):
    """Rows of a table, or what is made of them: inputs, targets or class indices, and weights."""

    X: Any
    Y: Array
    weights: Array | None

    def rows(self, at: Array) -> "Examples":
        """Take some of them."""
        weights = None if self.weights is None else self.weights[at]
        return Examples(_safe_indexing(self.X, at, axis=0), self.Y[at], weights)

    @property
    def validation_data(self) -> tuple[Any, ...]:
        """What `Network.fit` calls validation data."""
        return self[: 2 if self.weights is None else 3]


def set_apart(m: int, fraction: float, count: int, classes: Array | None, random: Any) -> list[Any]:
    """Set rows apart for the validation, for each of so many networks the next ones of an order.

    Of each class as large a part, as far as it has as many rows, and never all.
    """
    n = int(np.ceil(fraction * m))
    if n >= m:
        raise ValueError(
            f"With n_samples={m} and validation_fraction={fraction} no row is left to train on: "
            "give X_val and y_val, or validation_fraction=None"
        )
    order = random.permutation(m)
    if classes is not None:
        place = np.empty(m)
        for k in np.unique(classes):
            at = order[classes[order] == k]
            place[at] = (np.arange(len(at)) + random.uniform()) / len(at)
        order = np.argsort(place, kind="stable")
    parts = []
    for i in range(count):
        rows = order[np.arange(i * n, (i + 1) * n) % m]
        if classes is not None:
            left = np.delete(classes, rows)
            rows = rows[np.isin(classes[rows], left)]
            if not len(rows):
                raise ValueError(
                    f"With n_samples={m} and validation_fraction={fraction} the only row of a "
                    "class would be set apart: give X_val and y_val, or validation_fraction=None"
                )
        parts.append(np.sort(rows))
    return parts


def network(
    layer_dims: list[int], activation: Any, output: str, dtype: Any, random: Any
) -> Network:  # fmt: skip
    """Draw a network as the recipe has it."""
    return Network(
        layer_dims, activation, output, dtype=dtype, init="lecun", init_bias=1.0, zero_output=True,
        parametrization="ntk", input_scale=True, rng=int(random.randint(2**31 - 1)),
    )  # fmt: skip


def plain(net: Network, activation: Any, output: str, temperature: float = 1.0) -> Network:
    """Make a network of the weights alone, the last of which are divided by a temperature."""
    made = Network(net.layer_dims, activation, output, dtype=net.dtype, rng=0)
    for name, P in made.parameters.items():
        P[...] = net.parameters[name]
    L = len(net.layer_dims) - 1
    for name in (f"W{L}", f"b{L}"):
        made.parameters[name][...] /= temperature
    return made


class Deadline:
    """A callback that ends a fit some seconds after it was made."""

    def __init__(self, seconds: float) -> None:
        self._end = perf_counter() + seconds

    def __call__(self, state: State) -> None:
        """Stop, when it is time."""
        if perf_counter() >= self._end:
            state.stop()


def train(
    networks: list[Network], examples: Examples, parts: list[Any], validation: Examples | None,
    metrics: list[Any], n_threads: int | None, verbose: bool, settings: dict[str, Any],
) -> list[History]:  # fmt: skip
    """Train one network, or many at once, each with its rows for the validation, if it has some."""
    settings = {**settings, "last_batch": "drop", "n_threads": n_threads, "verbose": verbose}
    X, Y, weights = examples
    apart = any(part is not None for part in parts)
    if apart or validation is not None:
        settings["keep"] = "best"
    if len(networks) > 1:
        rows: Any = None
        if apart:
            rows = [np.delete(np.arange(len(X)), part) for part in parts]
            settings["validation_rows"] = parts
        elif validation is not None:
            settings["validation_data"] = validation.validation_data
        if "keep" in settings:
            settings["metric"] = metrics
        histories = fit_many(networks, X, Y, rows=rows, sample_weight=weights, **settings)
        for history in histories:
            if history.error is not None:
                raise history.error
        return histories
    if validation is not None:
        settings |= {"validation_data": validation.validation_data, "metric": metrics[0]}
    return [networks[0].fit(X, Y, sample_weight=weights, **settings)]


def optimizer(asked: Any, epsilon: float) -> Adam:
    """Make the optimiser that parameters ask for, its rate in four waves that grow longer."""
    rate = CosLog(float(asked.learning_rate_init), epochs=int(asked.max_iter))
    return Adam(rate, float(asked.beta_1), float(asked.beta_2), float(epsilon))


def temperature(P: Array, at: Array, weights: Array | None) -> float:
    """Find what the logits are divided by for the least log loss of validation data.

    Its classes count as if one more row of no known class were there, or a validation without an
    error would ask for certainty.
    """
    m, K = P.shape
    Z = np.log(np.maximum(P.astype(np.float64), np.finfo(P.dtype).tiny))
    T = np.full((m, K), 1 / (K * (m + 1)))
    T[np.arange(m), at] += m / (m + 1)
    if weights is not None:
        T *= weights[:, None]

    def loss(log_t: float) -> float:
        S = Z / np.exp(log_t)
        S -= S.max(axis=1, keepdims=True)
        S -= np.log(np.exp(S).sum(axis=1, keepdims=True))
        return -float((T * S).sum())

    bounds = float(np.log(_COLDEST)), float(np.log(_HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
