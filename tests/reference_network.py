"""Training a network in plain NumPy, one example a row: the oracle of the tests of Network.

Nothing here is fast or careful. Weights are W (n_prev, n) in lists, biases b (n,).
"""

import numpy as np
from scipy.special import expit, logsumexp, ndtr

from fastdnn.optimizers import SGD, Adam, AdamW, NAdam, RMSprop

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def normal_pdf(z):
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


# name: the function and its derivative, both of z
ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "sigmoid": (expit, lambda z: expit(z) * expit(-z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))),
    ),
    "selu": (
        lambda z: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0))),
        lambda z: SELU_SCALE * np.where(z > 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0))),
    ),
    "gelu": (lambda z: z * ndtr(z), lambda z: ndtr(z) + z * normal_pdf(z)),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
    "softplus": (lambda z: np.logaddexp(0, z), expit),
    "mish": (
        lambda z: z * np.tanh(np.logaddexp(0, z)),
        lambda z: np.tanh(np.logaddexp(0, z)) + z * expit(z) / np.cosh(np.logaddexp(0, z)) ** 2,
    ),
}


def softmax(z):
    return np.exp(z - logsumexp(z, axis=1, keepdims=True))


OUTPUTS = {"sigmoid": expit, "softmax": softmax, "identity": lambda z: z, "exp": np.exp}


def huber(r, delta):
    a = np.abs(r)
    return np.where(a <= delta, r * r / 2, delta * (a - delta / 2))


def log_cosh(r):
    a = np.abs(r)
    return np.where(
        a < 1, np.log1p(2 * np.sinh(np.minimum(a, 1) / 2) ** 2),
        a + np.log1p(np.expm1(-2 * a) / 2),
    )  # fmt: skip


# (output activation, cost): the cost of each example and its gradient by z, with a parameter p
COSTS = {
    ("sigmoid", "cross_entropy"): (
        lambda z, t, p: (np.logaddexp(0, z) - t * z).sum(axis=1),
        lambda z, t, p: expit(z) - t,
    ),
    ("softmax", "cross_entropy"): (
        lambda z, t, p: -(t * (z - logsumexp(z, axis=1, keepdims=True))).sum(axis=1),
        lambda z, t, p: softmax(z) * t.sum(axis=1, keepdims=True) - t,
    ),
    ("identity", "squared_error"): (
        lambda z, t, p: ((z - t) ** 2 / 2).sum(axis=1),
        lambda z, t, p: z - t,
    ),
    ("identity", "absolute_error"): (
        lambda z, t, p: np.abs(z - t).sum(axis=1),
        lambda z, t, p: np.sign(z - t),
    ),
    ("identity", "huber"): (
        lambda z, t, p: huber(z - t, p).sum(axis=1),
        lambda z, t, p: np.clip(z - t, -p, p),
    ),
    ("identity", "quantile"): (
        lambda z, t, p: np.where(t > z, p * (t - z), (1 - p) * (z - t)).sum(axis=1),
        lambda z, t, p: np.where(t > z, -p, np.where(t < z, 1 - p, 0)),
    ),
    ("identity", "log_cosh"): (
        lambda z, t, p: log_cosh(z - t).sum(axis=1),
        lambda z, t, p: np.tanh(z - t),
    ),
    ("exp", "poisson"): (
        lambda z, t, p: (np.exp(z) - t * z).sum(axis=1),
        lambda z, t, p: np.exp(z) - t,
    ),
}


def forward(W, b, activations, X, keep=None, masks=None):
    """Return the Z of each layer and the input of each, dropped by masks of 0 and 1 / keep."""
    Z, inputs = [], []
    A = X
    for l in range(len(W)):
        if masks is not None:
            A = A * masks[l]
        inputs.append(A)
        Z.append(A @ W[l] + b[l])
        if l < len(W) - 1:
            A = ACTIVATIONS[activations[l]][0](Z[l])
    return Z, inputs


def gradient(W, b, activations, output, cost, p, X, T, weights=None, l2=0.0, masks=None):
    """Return the mean cost, with its L2 term, and the gradients by W and b."""
    value, derivative = COSTS[output, cost]
    w = np.ones(len(X), X.dtype) if weights is None else weights
    Z, inputs = forward(W, b, activations, X, masks=masks)
    total = (w * value(Z[-1], T, p)).sum() / w.sum() + l2 / 2 * sum((v**2).sum() for v in W)
    dZ = derivative(Z[-1], T, p) * (w / w.sum())[:, None]
    dW, db = [None] * len(W), [None] * len(W)
    for l in reversed(range(len(W))):
        dW[l] = inputs[l].T @ dZ + l2 * W[l]
        db[l] = dZ.sum(axis=0)
        if l > 0:
            dA = dZ @ W[l].T
            if masks is not None:
                dA = dA * masks[l]
            dZ = dA * ACTIVATIONS[activations[l - 1]][1](Z[l - 1])
    return total, dW, db


# the derivatives of the outputs of each example by its logits, (m, n_L, n_L)
SEEDS = {
    "sigmoid": lambda z: np.eye(z.shape[1]) * (expit(z) * expit(-z))[:, None],
    "softmax": lambda z: (
        np.eye(z.shape[1]) * softmax(z)[:, None] - softmax(z)[:, :, None] * softmax(z)[:, None]
    ),
    "identity": lambda z: np.eye(z.shape[1]) * np.ones_like(z)[:, None],
    "exp": lambda z: np.eye(z.shape[1]) * np.exp(z)[:, None],
}


def jacobian(W, b, activations, output, X):
    """Return the derivatives of the outputs by the input, (m, n_L, n_0)."""
    Z, _ = forward(W, b, activations, X)
    G = SEEDS[output](Z[-1])
    for l in reversed(range(1, len(W))):
        G = (G @ W[l].T) * ACTIVATIONS[activations[l - 1]][1](Z[l - 1])[:, None]
    return G @ W[0].T


def clip(gradients, norm):
    size = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients))
    return [g * min(1, norm / size) for g in gradients]


OPTIMIZERS = (
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.8, nesterov=True),
    RMSprop(0.01),
    Adam(0.01),
    AdamW(0.01, weight_decay=0.1),
    NAdam(0.01),
)


class Optimizer:
    """A step of each optimiser, by the formulas of fastdnn.optimizers."""

    def __init__(self, settings):
        self.s = settings
        self.t = 0
        self.m, self.v = {}, {}

    def step(self, parameters, gradients, rate):
        self.t += 1
        s, name = self.s, type(self.s).__name__
        for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            m, v = self.m.get(i, np.zeros_like(p)), self.v.get(i, np.zeros_like(p))
            if name == "SGD":
                m = s.momentum * m + g
                p -= rate * (g + s.momentum * m if s.nesterov else m)
            elif name == "RMSprop":
                v = s.rho * v + (1 - s.rho) * g * g
                p -= rate * g / (np.sqrt(v) + s.epsilon)
            else:
                m = s.beta1 * m + (1 - s.beta1) * g
                v = s.beta2 * v + (1 - s.beta2) * g * g
                p -= rate * getattr(s, "weight_decay", 0.0) * p
                m_, v_ = m / (1 - s.beta1**self.t), v / (1 - s.beta2**self.t)
                if name == "NAdam":
                    m_ = s.beta1 * m / (1 - s.beta1 ** (self.t + 1))
                    m_ = m_ + (1 - s.beta1) * g / (1 - s.beta1**self.t)
                p -= rate * m_ / (np.sqrt(v_) + s.epsilon)
            self.m[i], self.v[i] = m, v


def train(
    W, b, activations, output, cost, p, X, T, settings, epochs, batch, orders=None, weights=None,
    l2=0.0, clip_norm=None,
):  # fmt: skip
    """Train W and b in place; returns the mean cost of each epoch, taken before the updates."""
    optimizer, costs = Optimizer(settings), []
    for epoch in range(epochs):
        rate = settings.learning_rate
        rate = rate(epoch) if callable(rate) else rate
        order = np.arange(len(X)) if orders is None else orders[epoch]
        total = shares = 0.0
        for first in range(0, len(X), batch):
            rows = order[first : first + batch]
            w = None if weights is None else weights[rows]
            if w is not None and w.sum() == 0:
                continue
            value, dW, db = gradient(
                W, b, activations, output, cost, p, X[rows], T[rows], w, l2
            )  # fmt: skip
            gradients = dW + db
            if clip_norm is not None:
                gradients = clip(gradients, clip_norm)
            optimizer.step(W + b, gradients, rate)
            share = len(rows) if w is None else w.sum()
            total, shares = total + share * value, shares + share
        costs.append(total / shares)
    return costs
