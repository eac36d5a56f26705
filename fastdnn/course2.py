"""The functions of the course's second part: ``from fastdnn.course2 import *`` serves a notebook.

Initialisation (of any depth; biases are 0)
    `initialize_parameters_zeros`, `initialize_parameters_random`, `initialize_parameters_he`

Optimisation
    `update_parameters_with_gd`; `initialize_velocity` and `update_parameters_with_momentum`;
    `initialize_adam` and `update_parameters_with_adam`; `update_lr` and `schedule_lr_decay`;
    `random_mini_batches`, `convert_to_one_hot`

Regularisation (of any depth; relu, and sigmoid on the output)
    `forward_propagation` and `backward_propagation`, with flat caches and every gradient;
    `backward_propagation_with_regularization`; `forward_propagation_with_dropout` and
    `backward_propagation_with_dropout`; `compute_cost`, `compute_loss` and
    `compute_cost_with_regularization`; `predict`, `predict_dec`

Gradient checking
    `gradient_check_n`, and `gradient_check` of any option in place of the course's toy;
    `dictionary_to_vector`, `gradients_to_vector`, `vector_to_dictionary`

The first part's functions
    `initialize_parameters`, `initialize_parameters_deep`, `linear_forward`,
    `linear_activation_forward`, `L_model_forward`, `linear_backward`,
    `linear_activation_backward`, `L_model_backward`, `update_parameters`, `L_layer_model`; but
    `compute_cost` and `predict` are those of the second part, which skip NaN and return integers.
    `sigmoid` and `relu` return one array in the second part, and a cache too in the first: import
    those from `fastdnn`

They return new arrays in new dicts, and write to nothing that they are given. Where the course sets
the seed of NumPy's global generator, a private one draws the same numbers.

References
----------
.. [1] A. Ng, K. Katanforoosh, Y. Bensouda Mourri, Improving Deep Neural Networks: Hyperparameter
   Tuning, Regularization and Optimization, weeks 1 and 2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array
from fastdnn._course.batches import convert_to_one_hot, random_mini_batches
from fastdnn._course.checks import gradient_check_n, in_double, relative_difference
from fastdnn._course.costs import (
    compute_cost,
    compute_cost_with_regularization,
    compute_loss,
)
from fastdnn._course.generators import Rng
from fastdnn._course.layers import Activation, acts_of
from fastdnn._course.propagation import (
    backward_propagation,
    backward_propagation_with_dropout,
    backward_propagation_with_regularization,
    forward_propagation,
    forward_propagation_with_dropout,
    predict_dec,
)
from fastdnn._course.updates import (
    initialize_adam,
    initialize_velocity,
    schedule_lr_decay,
    update_lr,
    update_parameters_with_adam,
    update_parameters_with_momentum,
)
from fastdnn._course.vectors import (
    dictionary_to_vector,
    gradients_to_vector,
    vector_to_dictionary,
)
from fastdnn.application import L_layer_model
from fastdnn.application import predict as predict_numbers
from fastdnn.functional import (
    L_model_backward,
    L_model_forward,
    linear_activation_backward,
    linear_activation_forward,
    linear_backward,
    linear_forward,
)
from fastdnn.parameters import (
    initialize_parameters,
    initialize_parameters_deep,
    initialize_parameters_he,
    initialize_parameters_random,
    initialize_parameters_zeros,
    update_parameters,
    update_parameters_with_gd,
)

__all__ = [
    "L_layer_model",
    "L_model_backward",
    "L_model_forward",
    "backward_propagation",
    "backward_propagation_with_dropout",
    "backward_propagation_with_regularization",
    "compute_cost",
    "compute_cost_with_regularization",
    "compute_loss",
    "convert_to_one_hot",
    "dictionary_to_vector",
    "forward_propagation",
    "forward_propagation_with_dropout",
    "gradient_check",
    "gradient_check_n",
    "gradients_to_vector",
    "initialize_adam",
    "initialize_parameters",
    "initialize_parameters_deep",
    "initialize_parameters_he",
    "initialize_parameters_random",
    "initialize_parameters_zeros",
    "initialize_velocity",
    "linear_activation_backward",
    "linear_activation_forward",
    "linear_backward",
    "linear_forward",
    "predict",
    "predict_dec",
    "random_mini_batches",
    "schedule_lr_decay",
    "update_lr",
    "update_parameters",
    "update_parameters_with_adam",
    "update_parameters_with_gd",
    "update_parameters_with_momentum",
    "vector_to_dictionary",
]


def gradient_check(
    parameters: Mapping[str, Any],
    X: ArrayLike,
    Y: ArrayLike,
    *,
    grads: Mapping[str, Any] | None = None,
    epsilon: float = 1e-5,
    lambd: float = 0.0,
    keep_prob: float | Sequence[float] = 1.0,
    activation: Activation | Sequence[Activation] = "relu",
    output_activation: str = "sigmoid",
    rng: Rng = None,
) -> np.float64:
    """Compare the gradients of a network of any depth with central differences of its cost.

    It is meant for an activation or a backward pass of one's own. All is computed in double
    precision, layer by layer: of 10 000 parameters with some 30 examples it takes about a second.

    Parameters
    ----------
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    X : array_like, shape (n_x, m)
        Input, one example a column.
    Y : array_like of as many elements as the output
        Labels, as for `L_model_backward`.
    grads : dict, optional
        The gradients to check, ``dW1, db1, ..., dWL, dbL``; other keys are not read. By default
        those of `L_model_backward`.
    epsilon : float
        How far a parameter is moved, to both sides.
    lambd : float
        L2, as in `compute_cost`.
    keep_prob : float, or sequence of a float for each hidden layer
        Dropout, with masks that are drawn once.
    activation : str, tuple of callable, or sequence of them
        Of the hidden layers, as in `L_model_forward`.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        Of the output, and so the cost, as in `compute_cost`.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        What draws the masks, as in `L_model_forward`; `grads` need the masks of their own forward
        pass, so the same seed.

    Returns
    -------
    numpy.float64
        With the gradients g and the differences d, all in one vector, ``|g - d| / (|g| + |d|)``.
        Right gradients give 1e-9 or so, somewhat more where a unit of relu is within epsilon of 0;
        a mistake gives 1e-3 and more.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, unknown or out of range, an array is missing, or the shapes do not
        fit.

    See Also
    --------
    fastdnn.course2.gradient_check_n : With the course's signature and message.
    Network.check_grad : Of a network's training.

    Examples
    --------
    >>> parameters = fastdnn.initialize_parameters_he([3, 4, 1])
    >>> bool(fastdnn.gradient_check(parameters, np.eye(3), [0, 1, 1]) < 1e-7)
    True
    """
    own, X = in_double(parameters, X)
    acts = acts_of(len(own) // 2, activation, output_activation, keep_prob)
    AL, caches = L_model_forward(
        X, own, keep_prob, activation=activation, output_activation=output_activation, rng=rng
    )
    if grads is None:
        grads = L_model_backward(
            AL, Y, caches, lambd, keep_prob,
            activation=activation, output_activation=output_activation,
        )  # fmt: skip
    masks = [cache[2] if len(cache) > 2 else None for cache in caches]
    return relative_difference(own, grads, X, Y, epsilon, lambd, acts, output_activation, masks)


def predict(
    X: ArrayLike,
    y: ArrayLike,
    parameters: Mapping[str, Any],
    *,
    activation: Activation | Sequence[Activation] = "relu",
    output_activation: str = "sigmoid",
) -> Array:
    """Predict the class of each example, and print the share of them that is right.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    y : array_like of m elements
        Labels, as for `fastdnn.predict`.
    parameters : dict
        ``W1, b1, ..., WL, bL``.
    activation : str, tuple of callable, or sequence of them
        Of the hidden layers.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        Of the output.

    Returns
    -------
    ndarray of int, shape (1, m)
        Of one output unit 1 where it is above 0.5, else 0; of several the class of the largest.

    Raises
    ------
    TypeError, ValueError
        As `fastdnn.predict`.

    See Also
    --------
    fastdnn.predict : The first course's, which returns floats.
    predict_dec : Without labels, for a decision boundary.

    Examples
    --------
    >>> fastdnn.course2.predict([[1.0, 3.0]], [0, 1], {"W1": [[1.0]], "b1": [[-2.0]]})
    Accuracy: 1.0
    array([[0, 1]])
    """
    p = predict_numbers(
        X, y, parameters, activation=activation, output_activation=output_activation
    )
    return p.astype(int)
