"""Momentum and Adam on the course's dicts, and its schedules of the learning rate.

Formulas, with g the gradient of a parameter p, and t counted from 1::

    momentum    v = beta v + (1 - beta) g         p = p - learning_rate v
    Adam        v = beta1 v + (1 - beta1) g       vc = v / (1 - beta1^t)
                s = beta2 s + (1 - beta2) g^2     sc = s / (1 - beta2^t)
                p = p - learning_rate vc / (sqrt(sc) + epsilon)
"""

from collections.abc import Callable, Mapping, Sequence
from math import floor
from typing import Any, Literal, overload

import numpy as np

from fastdnn._arrays import (
    as_matrix,
    as_shaped,
    computed,
    depth,
    descended,
    entry,
    in_range,
    integer,
    layer_names,
    number,
    promoted,
    real,
)
from fastdnn._core import course

Arrays = dict[str, Any]


# ---------------------------------------------------------------------------------------- momentum


def initialize_velocity(parameters: Mapping[str, Any]) -> Arrays:
    """Make the moments with which momentum begins.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.

    Returns
    -------
    dict of ndarray
        Zeros under ``dW1, db1, ..., dWL, dbL``, each of the shape, element type and memory order of
        its parameter.

    Raises
    ------
    TypeError
        If a parameter is no array of real numbers, or is masked.
    ValueError
        If a parameter is missing or empty.

    See Also
    --------
    update_parameters_with_momentum : Takes a step by them.

    Examples
    --------
    >>> fastdnn.initialize_velocity({"W1": [[1.0]], "b1": [[0.0]]})
    {'dW1': array([[0.]]), 'db1': array([[0.]])}
    """
    return _zeros(parameters)


def update_parameters_with_momentum(
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    v: Mapping[str, Any],
    beta: float,
    learning_rate: float,
) -> tuple[Arrays, Arrays]:
    """Take one step of gradient descent with momentum, v = beta v + (1 - beta) g.

    The moments are means of past gradients, as the course has them, without a correction for their
    beginning; those of `fastdnn.SGD` and of PyTorch are sums, 1 / (1 - beta) times as large.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    grads : dict
        ``dW1, db1, ..., dWL, dbL``, from `L_model_backward`; other keys are not read.
    v : dict
        The moments, from `initialize_velocity` or the step before.
    beta : float
        How much of the moments is kept, at least 0 and below 1.
    learning_rate : float
        Step size.

    Returns
    -------
    parameters : dict
        A new dict of new arrays: nothing is written to what was given.
    v : dict
        The moments of the next step, new ones too.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, the shapes do not fit, or beta is out of its range.

    See Also
    --------
    initialize_velocity : Makes the first moments.
    update_parameters_with_adam : A step of Adam.

    Examples
    --------
    >>> parameters, grads = {"W1": [[1.0]], "b1": [[0.0]]}, {"dW1": [[2.0]], "db1": [[3.0]]}
    >>> v = fastdnn.initialize_velocity(parameters)
    >>> fastdnn.update_parameters_with_momentum(parameters, grads, v, 0.9, learning_rate=0.1)[0]
    {'W1': array([[0.98]]), 'b1': array([[-0.03]])}
    """
    beta = in_range(beta, "beta", below=1)
    learning_rate = number(learning_rate, "learning_rate")
    layers = layer_names(depth(parameters, "parameters"))
    made: tuple[Arrays, Arrays] | None = course.momentum(
        layers, beta, learning_rate, parameters, grads, v
    )
    if made is None:
        numbers = beta, learning_rate
        made = _converted(course.momentum, layers, numbers, parameters, grads, v=v)
    return made


# -------------------------------------------------------------------------------------------- Adam


def initialize_adam(parameters: Mapping[str, Any]) -> tuple[Arrays, Arrays]:
    """Make the moments with which Adam begins.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.

    Returns
    -------
    v : dict of ndarray
        Zeros under ``dW1, db1, ..., dWL, dbL``, each of the shape, element type and memory order of
        its parameter.
    s : dict of ndarray
        The same for the second moment.

    Raises
    ------
    TypeError
        If a parameter is no array of real numbers, or is masked.
    ValueError
        If a parameter is missing or empty.

    See Also
    --------
    update_parameters_with_adam : Takes a step by them.

    Examples
    --------
    >>> v, s = fastdnn.initialize_adam({"W1": [[1.0]], "b1": [[0.0]]})
    >>> v
    {'dW1': array([[0.]]), 'db1': array([[0.]])}
    """
    return _zeros(parameters), _zeros(parameters)


@overload
def update_parameters_with_adam(
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    v: Mapping[str, Any],
    s: Mapping[str, Any],
    t: int,
    learning_rate: float = ...,
    beta1: float = ...,
    beta2: float = ...,
    epsilon: float = ...,
    *,
    corrected: Literal[True] = ...,
) -> tuple[Arrays, Arrays, Arrays, Arrays, Arrays]: ...
@overload
def update_parameters_with_adam(
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    v: Mapping[str, Any],
    s: Mapping[str, Any],
    t: int,
    learning_rate: float = ...,
    beta1: float = ...,
    beta2: float = ...,
    epsilon: float = ...,
    *,
    corrected: Literal[False],
) -> tuple[Arrays, Arrays, Arrays]: ...
def update_parameters_with_adam(
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    v: Mapping[str, Any],
    s: Mapping[str, Any],
    t: int,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    *,
    corrected: bool = True,
) -> tuple[Arrays, ...]:
    """Take one step of Adam.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    grads : dict
        ``dW1, db1, ..., dWL, dbL``, from `L_model_backward`; other keys are not read.
    v, s : dict
        The moments, from `initialize_adam` or the step before.
    t : int
        How many steps there were, this one included: the first is 1.
    learning_rate : float
        Step size.
    beta1, beta2 : float
        How much of the moments is kept, at least 0 and below 1.
    epsilon : float
        What is added to the root of the corrected second moment, at least 0.
    corrected : bool
        Whether the corrected moments are returned too, as since 2021; older versions of the course
        unpack three values, which False gives. Both take the same step.

    Returns
    -------
    parameters, v, s : dict
        New dicts of new arrays: nothing is written to what was given.
    v_corrected, s_corrected : dict
        The moments divided by 1 - beta1^t and 1 - beta2^t.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked, or t is no integer.
    ValueError
        If an array is missing or empty, the shapes do not fit, t is below 1, or a number is out of
        its range.

    See Also
    --------
    initialize_adam : Makes the first moments.
    update_parameters_with_momentum : A step with momentum.

    Examples
    --------
    >>> parameters, grads = {"W1": [[1.0]], "b1": [[0.0]]}, {"dW1": [[2.0]], "db1": [[3.0]]}
    >>> v, s = fastdnn.initialize_adam(parameters)
    >>> fastdnn.update_parameters_with_adam(parameters, grads, v, s, t=1, learning_rate=0.1)[0]
    {'W1': array([[0.9]]), 'b1': array([[-0.1]])}
    """
    t = integer(t, "t")
    beta1, beta2 = in_range(beta1, "beta1", below=1), in_range(beta2, "beta2", below=1)
    numbers = (
        number(learning_rate, "learning_rate"), beta1, beta2, 1 / (1 - beta1**t),
        1 / (1 - beta2**t), in_range(epsilon, "epsilon"), bool(corrected),
    )  # fmt: skip
    layers = layer_names(depth(parameters, "parameters"))
    made: tuple[Arrays, ...] | None = course.adam(layers, *numbers, parameters, grads, v, s)
    if made is None:
        made = _converted(course.adam, layers, numbers, parameters, grads, v=v, s=s)
    return made


# --------------------------------------------------------------------------------------- schedules


def update_lr(learning_rate0: float, epoch_num: float, decay_rate: float) -> float:
    """Lower the learning rate with every epoch, learning_rate0 / (1 + decay_rate epoch_num).

    Parameters
    ----------
    learning_rate0 : float
        The learning rate at first.
    epoch_num : number
        How many epochs there were.
    decay_rate : float
        How fast the rate falls, at least 0.

    Returns
    -------
    float
        The rate of this epoch.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If epoch_num or decay_rate is below 0.

    See Also
    --------
    schedule_lr_decay : Lowers it only from time to time.

    Examples
    --------
    >>> fastdnn.update_lr(0.5, epoch_num=3, decay_rate=1)
    0.125
    """
    learning_rate0 = number(learning_rate0, "learning_rate0")
    epoch_num = in_range(epoch_num, "epoch_num")
    return learning_rate0 / (1 + in_range(decay_rate, "decay_rate") * epoch_num)


def schedule_lr_decay(
    learning_rate0: float, epoch_num: float, decay_rate: float, time_interval: float = 1000
) -> float:
    """Lower the learning rate from time to time.

    The rate is learning_rate0 / (1 + decay_rate floor(epoch_num / time_interval)).

    Parameters
    ----------
    learning_rate0 : float
        The learning rate at first.
    epoch_num : number
        How many epochs there were.
    decay_rate : float
        How fast the rate falls, at least 0.
    time_interval : float
        Epochs from one rate to the next, above 0.

    Returns
    -------
    float
        The rate of this epoch.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If epoch_num or decay_rate is below 0, or time_interval is not above 0.

    See Also
    --------
    update_lr : Lowers it with every epoch.
    L_layer_model : Trains by such a schedule, its `decay`.

    Examples
    --------
    >>> fastdnn.schedule_lr_decay(0.5, 999, 1), fastdnn.schedule_lr_decay(0.5, 1000, 1)
    (0.5, 0.25)
    """
    intervals = floor(
        in_range(epoch_num, "epoch_num") / in_range(time_interval, "time_interval", above=0)
    )
    return update_lr(learning_rate0, intervals, decay_rate)


# ----------------------------------------------------------------------------------------- helpers


def _zeros(parameters: Mapping[str, Any]) -> Arrays:
    zeros = {}
    for W_name, b_name, dW_name, db_name, _ in layer_names(depth(parameters, "parameters")):
        for key, gradient in ((W_name, dW_name), (b_name, db_name)):
            P = real(entry(parameters, key, "parameters"), key)
            zeros[gradient] = np.zeros_like(P, promoted(P))
    return zeros


def _converted(
    door: Callable[..., Any],
    layers: Sequence[tuple[str, ...]],
    numbers: tuple[Any, ...],
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    **moments: Mapping[str, Any],
) -> Any:
    """Take a step by a door that cannot read the arrays as they are."""
    given: list[Arrays] = [{} for _ in range(2 + len(moments))]
    shaped = {}
    for W_name, b_name, dW_name, db_name, _ in layers:
        for key, gradient in ((W_name, dW_name), (b_name, db_name)):
            P, dP = entry(parameters, key, "parameters"), entry(grads, gradient, "grads")
            of_dP = {name: entry(moment, gradient, name) for name, moment in moments.items()}
            arrays = descended(key, P, dP, **of_dP)
            shaped[key] = shaped[gradient] = arrays[0]
            for at, array in zip(given, arrays, strict=True):
                at[key if at is given[0] else gradient] = as_matrix(array)
    results = computed(door, layers, *numbers, *given)
    for made in results:
        made.update({key: as_shaped(made[key], shaped[key]) for key in made})
    results[0].update({key: parameters[key] for key in parameters if key not in shaped})
    return results
