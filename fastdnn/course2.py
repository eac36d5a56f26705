"""The functions of the course's second part: ``from fastdnn.course2 import *`` serves a notebook.

Initialisation (of any depth; biases are 0)
    `initialize_parameters_zeros`, `initialize_parameters_random`, `initialize_parameters_he`

Optimisation
    `update_parameters_with_gd`; `initialize_velocity` and `update_parameters_with_momentum`;
    `initialize_adam` and `update_parameters_with_adam`; `update_lr` and `schedule_lr_decay`;
    `random_mini_batches`, `convert_to_one_hot`

Gradient checking
    `dictionary_to_vector`, `gradients_to_vector`, `vector_to_dictionary`

The first part's functions
    `initialize_parameters`, `initialize_parameters_deep`, `linear_forward`,
    `linear_activation_forward`, `L_model_forward`, `compute_cost`, `linear_backward`,
    `linear_activation_backward`, `L_model_backward`, `update_parameters`, `sigmoid`, `relu`,
    `sigmoid_backward`, `relu_backward`, `predict`, `L_layer_model`

They return new arrays in new dicts, and write to nothing that they are given. Where the course sets
the seed of NumPy's global generator, a private one draws the same numbers.

References
----------
.. [1] A. Ng, K. Katanforoosh, Y. Bensouda Mourri, Improving Deep Neural Networks: Hyperparameter
   Tuning, Regularization and Optimization, weeks 1 and 2.
"""

from fastdnn._course.batches import convert_to_one_hot, random_mini_batches
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
from fastdnn.application import L_layer_model, predict
from fastdnn.functional import (
    L_model_backward,
    L_model_forward,
    compute_cost,
    linear_activation_backward,
    linear_activation_forward,
    linear_backward,
    linear_forward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
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
    "compute_cost",
    "convert_to_one_hot",
    "dictionary_to_vector",
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
    "random_mini_batches",
    "relu",
    "relu_backward",
    "schedule_lr_decay",
    "sigmoid",
    "sigmoid_backward",
    "update_lr",
    "update_parameters",
    "update_parameters_with_adam",
    "update_parameters_with_gd",
    "update_parameters_with_momentum",
    "vector_to_dictionary",
]
