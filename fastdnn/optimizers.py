"""The optimisers and the schedules of their learning rate: numbers only, no loops.

With g the gradient of the cost and p a parameter, t = 1, 2, ... the step::

    SGD       v = momentum v + g                    p -= learning_rate v
              with nesterov                         p -= learning_rate (g + momentum v)
    RMSprop   v = rho v + (1 - rho) g^2             p -= learning_rate g / (sqrt(v) + epsilon)
    Adam      m = beta1 m + (1 - beta1) g           v = beta2 v + (1 - beta2) g^2
              p -= learning_rate m' / (sqrt(v') + epsilon)
              m' = m / (1 - beta1^t)                v' = v / (1 - beta2^t)
    AdamW     Adam, and p -= learning_rate weight_decay p before it
    NAdam     Adam, with m' = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t)

References
----------
.. [1] I. Sutskever, J. Martens, G. Dahl, G. Hinton, On the importance of initialization and
   momentum in deep learning, 2013.
.. [2] T. Tieleman, G. Hinton, Lecture 6.5: RMSprop, 2012.
.. [3] D. Kingma, J. Ba, Adam: a method for stochastic optimization, 2015.
.. [4] I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019.
.. [5] T. Dozat, Incorporating Nesterov momentum into Adam, 2016.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from fastdnn._arrays import in_range

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosLog",
    "Cosine",
    "NAdam",
    "OneCycle",
    "RMSprop",
    "StepDecay",
]

LearningRate = float | Callable[[Any], float]


# --------------------------------------------------------------------------------------- optimisers


class Optimizer:
    """The base of the optimisers, each of which names a rule of `fit` and its numbers."""

    learning_rate: LearningRate

    def settings(self) -> dict[str, Any]:
        """Name the rule and its numbers, as `_fit.settings.Settings` has them."""
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent.

    With g the gradient of a parameter p, as Sutskever, Martens, Dahl and Hinton (2013) have it::

        v = momentum v + g       p -= learning_rate v
        with nesterov            p -= learning_rate (g + momentum v)

    Parameters
    ----------
    learning_rate : float or callable
        Step size, or a function of the epoch, 0, 1, ... over all fits of a network.
    momentum : float
        Decay rate of the sum of past gradients, at least 0 and below 1.
    nesterov : bool
        Look ahead along the momentum.

    See Also
    --------
    Adam : A step size for each parameter.
    StepDecay, Cosine, OneCycle : Schedules of the learning rate.

    Examples
    --------
    >>> net = fastdnn.Network([3, 8, 1], rng=0)
    >>> costs = net.fit(np.eye(3), [0, 1, 1], optimizer=fastdnn.SGD(0.5), epochs=100).costs
    >>> costs[-1] < costs[0] / 2
    True
    """

    learning_rate: LearningRate = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check_rate(self)
        _check(self, "momentum", below=1)
        if getattr(self.nesterov, "ndim", 0) or self.nesterov not in (True, False):
            raise TypeError(f"nesterov must be True or False, got {self.nesterov!r}")

    def settings(self) -> dict[str, Any]:
        """Name the rule and its numbers.

        Returns
        -------
        dict
            What `fit` is told.
        """
        rule = ("nesterov" if self.nesterov else "momentum") if self.momentum else "sgd"
        return {"rule": rule, "beta1": self.momentum}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradient descent by the root of the mean square of past gradients.

    With g the gradient of a parameter p, from Tieleman and Hinton (2012)::

        v = rho v + (1 - rho) g^2        p -= learning_rate g / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate : float or callable
        Step size, or a function of the epoch, 0, 1, ... over all fits of a network.
    rho : float
        Decay rate of the mean of squares, at least 0 and below 1.
    epsilon : float
        Added to the divisor, to keep it from 0.

    See Also
    --------
    Adam : With a mean of the gradients too.

    Examples
    --------
    >>> net = fastdnn.Network([3, 8, 1], rng=0)
    >>> costs = net.fit(np.eye(3), [0, 1, 1], optimizer=fastdnn.RMSprop(1e-2), epochs=100).costs
    >>> costs[-1] < costs[0] / 2
    True
    """

    learning_rate: LearningRate = 0.001
    rho: float = 0.99
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _check_rate(self)
        _check(self, "rho", below=1)
        _check(self, "epsilon")

    def settings(self) -> dict[str, Any]:
        """Name the rule and its numbers.

        Returns
        -------
        dict
            What `fit` is told.
        """
        return {"rule": "rmsprop", "beta2": self.rho, "epsilon": self.epsilon}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Gradient descent by the moments of past gradients.

    With g the gradient of a parameter p in step t, from Kingma and Ba (2015)::

        m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g^2
        m' = m / (1 - beta1^t)           v' = v / (1 - beta2^t)
        p -= learning_rate m' / (sqrt(v') + epsilon)

    Parameters
    ----------
    learning_rate : float or callable
        Step size, or a function of the epoch, 0, 1, ... over all fits of a network.
    beta1, beta2 : float
        Decay rates of the first and second moment, at least 0 and below 1.
    epsilon : float
        Added to the divisor, to keep it from 0.

    See Also
    --------
    AdamW : With a weight decay.
    NAdam : With Nesterov's look ahead.
    SGD : One step size for all parameters.

    Examples
    --------
    >>> net = fastdnn.Network([3, 8, 1], rng=0)
    >>> costs = net.fit(np.eye(3), [0, 1, 1], optimizer=fastdnn.Adam(1e-2), epochs=100).costs
    >>> costs[-1] < costs[0] / 2
    True
    """

    learning_rate: LearningRate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _check_rate(self)
        _check(self, "beta1", below=1)
        _check(self, "beta2", below=1)
        _check(self, "epsilon")

    def settings(self) -> dict[str, Any]:
        """Name the rule and its numbers.

        Returns
        -------
        dict
            What `fit` is told.
        """
        numbers = {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        return {"rule": "adam", **numbers}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with a weight decay that is not part of the gradient.

    Before a step of `Adam`, from Loshchilov and Hutter (2019)::

        p -= learning_rate weight_decay p

    Parameters
    ----------
    learning_rate : float or callable
        Step size, or a function of the epoch, 0, 1, ... over all fits of a network.
    beta1, beta2 : float
        Decay rates of the first and second moment, at least 0 and below 1.
    epsilon : float
        Added to the divisor, to keep it from 0.
    weight_decay : float
        Share of every parameter, biases too, that a step of learning rate 1 takes off.

    See Also
    --------
    Adam : Without it; the `l2` of `Network.fit` is part of the gradient.

    Examples
    --------
    >>> net = fastdnn.Network([3, 8, 1], rng=0)
    >>> costs = net.fit(np.eye(3), [0, 1, 1], optimizer=fastdnn.AdamW(1e-2), epochs=100).costs
    >>> costs[-1] < costs[0] / 2
    True
    """

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self, "weight_decay")

    def settings(self) -> dict[str, Any]:
        """Name the rule and its numbers.

        Returns
        -------
        dict
            What `fit` is told.
        """
        return {**super().settings(), "weight_decay": self.weight_decay}


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam that looks ahead along the first moment, as Nesterov's momentum does.

    A step of `Adam`, from Dozat (2016), with another corrected first moment::

        m' = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t)

    The decay rate is one for all steps, as in Optax: the schedule of it that Dozat proposes too,
    and PyTorch and Keras follow, is left out.

    Parameters
    ----------
    learning_rate : float or callable
        Step size, or a function of the epoch, 0, 1, ... over all fits of a network.
    beta1, beta2 : float
        Decay rates of the first and second moment, at least 0 and below 1.
    epsilon : float
        Added to the divisor, to keep it from 0.

    See Also
    --------
    Adam : Without it.

    Examples
    --------
    >>> net = fastdnn.Network([3, 8, 1], rng=0)
    >>> costs = net.fit(np.eye(3), [0, 1, 1], optimizer=fastdnn.NAdam(1e-2), epochs=100).costs
    >>> costs[-1] < costs[0] / 2
    True
    """

    def settings(self) -> dict[str, Any]:
        """Name the rule and its numbers.

        Returns
        -------
        dict
            What `fit` is told.
        """
        return {**super().settings(), "rule": "nadam"}


OPTIMIZERS = (SGD, RMSprop, Adam, AdamW, NAdam)


# ---------------------------------------------------------------------------------------- schedules


@dataclass(frozen=True)
class StepDecay:
    """The learning rate times factor^k after k times ``every`` epochs.

    It is given to an optimiser in place of a number, and called with the epoch, 0, 1, ... over all
    fits of a network.

    Parameters
    ----------
    learning_rate : float
        The first.
    every : int
        How many epochs each lasts.
    factor : float
        What one is multiplied by to give the next.

    See Also
    --------
    Cosine, OneCycle : Other schedules.
    fastdnn.callbacks.LearningRateOnPlateau : Lowers the rate when the cost no longer falls.

    Examples
    --------
    >>> schedule = fastdnn.StepDecay(0.1, every=10)
    >>> [round(schedule(epoch), 6) for epoch in (0, 9, 10, 20)]
    [0.1, 0.1, 0.01, 0.001]
    >>> optimizer = fastdnn.Adam(schedule)
    """

    learning_rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _check(self, "learning_rate")
        _check(self, "every", least=1)
        _check(self, "factor")

    def __call__(self, epoch: int) -> float:
        """Give the learning rate of an epoch."""
        try:
            rate = float(self.learning_rate) * float(self.factor) ** (epoch // self.every)
        except OverflowError:
            rate = math.inf
        return _finite(rate, epoch)


@dataclass(frozen=True)
class Cosine:
    """From learning_rate in the first of ``epochs`` epochs to final in the last, by a cosine.

    That of Loshchilov and Hutter (2017), without restarts::

        final + (learning_rate - final) (1 + cos(pi epoch / (epochs - 1))) / 2

    Parameters
    ----------
    learning_rate : float
        The first.
    epochs : int
        How many epochs it takes; after them it stays.
    final : float
        The last.

    See Also
    --------
    StepDecay, OneCycle : Other schedules.

    Examples
    --------
    >>> schedule = fastdnn.Cosine(0.1, epochs=11)
    >>> [round(schedule(epoch), 6) for epoch in (0, 5, 10)]
    [0.1, 0.05, 0.0]
    >>> optimizer = fastdnn.SGD(schedule, momentum=0.9)
    """

    learning_rate: float
    epochs: int
    final: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "learning_rate")
        _check(self, "epochs", least=1)
        _check(self, "final")

    def __call__(self, epoch: int) -> float:
        """Give the learning rate of an epoch."""
        rate = _cosine(self.learning_rate, self.final, epoch / max(1, self.epochs - 1))
        return _finite(rate, epoch)


@dataclass(frozen=True)
class OneCycle:
    """Up to learning_rate along half a cosine, and down to nearly 0 along another.

    The rates of Smith and Topin (2018), with cosines in place of lines.

    Parameters
    ----------
    learning_rate : float
        The highest.
    epochs : int
        Length of the cycle.
    warm_up : float
        Share of it that goes up.
    start, final : float
        The first and the last learning rate, as shares of the highest.

    See Also
    --------
    StepDecay, Cosine : Other schedules.

    Examples
    --------
    >>> schedule = fastdnn.OneCycle(0.1, epochs=11)
    >>> [round(schedule(epoch), 6) for epoch in (0, 3, 10)]
    [0.004, 0.1, 0.0]
    >>> optimizer = fastdnn.AdamW(schedule)
    """

    learning_rate: float
    epochs: int
    warm_up: float = 0.3
    start: float = 0.04
    final: float = 4e-6

    def __post_init__(self) -> None:
        _check(self, "learning_rate")
        _check(self, "epochs", least=1)
        _check(self, "warm_up", below=1)
        _check(self, "start")
        _check(self, "final")

    def __call__(self, epoch: int) -> float:
        """Give the learning rate of an epoch."""
        last = self.epochs - 1
        # a number of half precision would overflow sooner
        top, turn = float(self.learning_rate), float(self.warm_up) * last
        if epoch < turn:
            return _finite(_cosine(float(self.start) * top, top, epoch / turn), epoch)
        return _finite(
            _cosine(top, float(self.final) * top, (epoch - turn) / max(1, last - turn)), epoch
        )


@dataclass(frozen=True)
class CosLog:
    """Up to learning_rate and down to 0 again, in waves that are each twice as long.

    That of RealMLP (Holzmüller, Grinsztajn and Steinwart, 2024), which is asked once a step, with
    the share t of its epochs that is over::

        learning_rate (1 - cos(2 pi log2(1 + (2^waves - 1) t))) / 2

    It is 0 in the first step and at the end of each wave.

    Parameters
    ----------
    learning_rate : float
        The highest.
    epochs : float
        How many epochs it takes; after them it is 0.
    waves : float
        How many times it goes up. If it is not whole, the rate ends within a wave, and stays there.

    See Also
    --------
    Cosine, OneCycle : Schedules that are asked once an epoch.

    Examples
    --------
    >>> schedule = fastdnn.CosLog(0.1, epochs=15)
    >>> [round(schedule(epoch), 6) for epoch in (0, 1, 2**1.5 - 1, 3, 7, 15)]
    [0.0, 0.0, 0.1, 0.0, 0.0, 0.0]
    >>> optimizer = fastdnn.Adam(schedule, beta2=0.95)
    """

    learning_rate: float
    epochs: float
    waves: float = 4

    every_step = True

    def __post_init__(self) -> None:
        _check(self, "learning_rate")
        _check(self, "epochs", least=1)
        _check(self, "waves", least=1, below=64)

    def __call__(self, epoch: float) -> float:
        """Give the learning rate of a step, before which there were so many epochs."""
        t = min(epoch / self.epochs, 1.0)
        turns = math.log2(1 + (2.0**self.waves - 1) * t)
        return float(self.learning_rate) * (1 - math.cos(2 * math.pi * turns)) / 2


SCHEDULES = (StepDecay, Cosine, OneCycle, CosLog)


# ----------------------------------------------------------------------------------------- helpers


def _cosine(first: float, last: float, share: float) -> float:
    first, last = float(first), float(last)
    return last + (first - last) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _finite(rate: float, epoch: int) -> float:
    if not math.isfinite(rate):
        raise ValueError(f"the learning rate of epoch {epoch} is too large: {rate}")
    return rate


def _check_rate(optimizer: Optimizer) -> None:
    if not callable(optimizer.learning_rate):
        _check(optimizer, "learning_rate")


def _check(owner: object, name: str, least: float = 0, below: float = math.inf) -> None:
    value = getattr(owner, name)
    number = in_range(value, name, least=least, below=below)
    if not isinstance(value, Real):
        # an array of one element, as update_parameters takes it
        if name != "learning_rate":
            raise TypeError(f"{name} must be a number, got {value!r}")
        object.__setattr__(owner, name, number)
