"""Gradients checked against finite differences of the cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import (
    Array,
    all_names,
    computed,
    entry,
    in_range,
    matrices,
    output_arrays,
    real,
)
from fastdnn._core import course
from fastdnn._course.costs import check_columns, penalty
from fastdnn._course.layers import (
    Act,
    Activation,
    acts_of,
    layer_forward,
    output_of,
    special_forward,
)
from fastdnn._course.masks import ALL

# what the course calls a mistake
_MISTAKE = 2e-7
_RED, _GREEN, _PLAIN = "\033[93m", "\033[92m", "\033[0m"


def gradient_check_n(
    parameters: Mapping[str, Any],
    gradients: Mapping[str, Any],
    X: ArrayLike,
    Y: ArrayLike,
    epsilon: float = 1e-7,
    print_msg: bool = False,
    *,
    lambd: float = 0.0,
    activation: Activation | Sequence[Activation] = "relu",
    output_activation: str = "sigmoid",
) -> np.float64:
    """Compare gradients of a network of any depth with central differences of its cost.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    gradients : dict
        ``dW1, db1, ..., dWL, dbL``; other keys are not read.
    X : array_like, shape (n_x, m)
        Input, one example a column.
    Y : array_like of as many elements as the output
        Labels: 0 and 1, or probabilities; of any shape for one output unit.
    epsilon : float
        How far a parameter is moved, to both sides. With the course's 1e-7 right gradients differ
        by about 1e-7 too, all of it rounding; with 1e-5 by about 1e-9.
    print_msg : bool
        Print the course's message: the gradients are wrong if they differ by more than 2e-7.
    lambd : float
        L2: the cost has ``lambd / (2 m)`` times the sum of all W squared too.
    activation : str, tuple of callable, or sequence of them
        Of the hidden layers, as in `L_model_forward`.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        Of the output, and so the cost, as in `compute_cost`.

    Returns
    -------
    numpy.float64
        With the gradients g and the differences d, all in one vector, ``|g - d| / (|g| + |d|)``.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, unknown or out of range, an array is missing, or the shapes do not
        fit.

    See Also
    --------
    fastdnn.gradient_check : The same without gradients of one's own, and with dropout.

    Examples
    --------
    >>> X, Y, parameters = np.eye(3), [0, 1, 1], fastdnn.initialize_parameters_he([3, 4, 1])
    >>> AL, caches = fastdnn.L_model_forward(X, parameters)
    >>> gradients = fastdnn.L_model_backward(AL, Y, caches)
    >>> bool(fastdnn.course2.gradient_check_n(parameters, gradients, X, Y, epsilon=1e-5) < 1e-7)
    True
    """
    own, X = in_double(parameters, X)
    acts = acts_of(len(own) // 2, activation, output_activation, ALL)
    difference = relative_difference(own, gradients, X, Y, epsilon, lambd, acts, output_activation)
    if print_msg:
        if difference <= _MISTAKE:
            color, text = _GREEN, "Your backward propagation works perfectly fine! difference = "
        else:
            color, text = _RED, "There is a mistake in the backward propagation! difference = "
        print(f"{color}{text}{difference}{_PLAIN}")
    return difference


def relative_difference(
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Any],
    X: Array,
    Y: Any,
    epsilon: Any,
    lambd: Any,
    acts: Sequence[Act],
    output_activation: str,
    masks: Sequence[Array | None] = (),
) -> np.float64:
    """Compare the gradients of a network, whose layers have these masks, with differences.

    The parameters are those of `in_double`: they are moved one by one, and back.
    """
    epsilon, lambd = in_range(epsilon, "epsilon", above=0), penalty(lambd)
    given = [_gradient(gradients, name, array.shape) for name, array in parameters.items()]
    network = _Network(list(parameters.values()), X, Y, acts, output_activation, masks)
    g = np.concatenate(given)
    d = np.concatenate([network.differences(i, epsilon, lambd) for i in range(len(given))])
    total = np.linalg.norm(g) + np.linalg.norm(d)
    return np.float64(np.linalg.norm(g - d) / total if total != 0 else 0.0)


def in_double(parameters: Mapping[str, Any], X: Any) -> tuple[dict[str, Array], Array]:
    """Copy the parameters of a network, W1, b1, ..., WL, bL, and take X, in double precision."""
    own = {
        name: np.array(real(entry(parameters, name, "parameters"), name), np.float64, order="C")
        for row in all_names(parameters, "parameters")
        for name in row[:2]
    }
    (X,) = matrices(X=X)
    return own, X.astype(np.float64)


class _Network:
    """A network whose parameters are moved one by one.

    Parameters
    ----------
    arrays : list of ndarray
        W1, b1, ..., WL, bL.
    X : ndarray
    Y : array_like
    acts : sequence of Act
    output_activation : str
    masks : sequence of ndarray or None
        Of each layer, where any has one.
    """

    def __init__(
        self,
        arrays: list[Array],
        X: Array,
        Y: Any,
        acts: Sequence[Act],
        output_activation: str,
        masks: Sequence[Array | None],
    ) -> None:
        output = output_of(output_activation)
        self._arrays, self._acts, self._masks = arrays, acts, masks
        self._summed = course.COSTS[output]
        # the input of each layer, which a later layer's parameters leave as it is
        self._inputs = [X]
        for l in range(1, len(acts) + 1):
            self._inputs.append(self._layer(l, self._inputs[-1]))
        AL, Y = output_arrays(self._inputs.pop(), Y)
        if output == "softmax":
            check_columns(Y)
        self._Y, self._m = Y, AL.shape[1]

    def differences(self, i: int, epsilon: float, lambd: float) -> Array:
        """Differentiate the cost by array i of W1, b1, ..., WL, bL, of which the Ws cost."""
        l, array = i // 2 + 1, self._arrays[i].reshape(-1)
        lambd = 0.0 if i % 2 else lambd
        out = np.empty(array.size)
        for at, value in enumerate(array.tolist()):
            above, below = value + epsilon, value - epsilon
            array[at] = above
            cost = self._cost(l)
            array[at] = below
            cost -= self._cost(l)
            array[at] = value
            # of the weights' cost only that of this one changes, by its square
            squares = (above - below) * (above + below)
            out[at] = (cost + lambd / 2 * squares) / (2 * epsilon * self._m)
        return out

    def _cost(self, l: int) -> float:
        """Sum the cost over the examples, with the parameters of layer l and those behind anew."""
        A = self._inputs[l - 1]
        for k in range(l, len(self._acts) + 1):
            A = self._layer(k, A)
        return computed(course.total, self._summed, A, self._Y)  # type: ignore[no-any-return]

    def _layer(self, l: int, A: Array) -> Array:
        W, b = self._arrays[2 * l - 2], self._arrays[2 * l - 1]
        act = self._acts[l - 1]
        if isinstance(act, int):
            return layer_forward(act, A, W, b, l)[0]
        mask: Any = self._masks[l - 1] if self._masks else None
        return special_forward(act, lambda *_: mask, A, W, b, l)[0]


def _gradient(gradients: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    """Take the gradient of a parameter, flat."""
    gradient = real(entry(gradients, f"d{name}", "gradients"), f"d{name}")
    if gradient.shape != shape:
        raise ValueError(f"d{name} has shape {gradient.shape}, but {name} {shape}")
    return gradient.astype(np.float64).reshape(-1)
