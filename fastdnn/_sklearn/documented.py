"""What the parameters mean that both estimators have, added to their docstrings."""

import re
from collections.abc import Callable
from inspect import cleandoc, signature
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)
# scikit-learn's, and then those that are new or mean more
_SHARED = """\
hidden_layer_sizes : array-like of int
    Units of each hidden layer.
solver : {"adam", "sgd", "lbfgs"}
    Adam, gradient descent, or the quasi-Newton method L-BFGS on all examples at once.
alpha : float
    Strength of the L2 term, which is divided by the batch's weight.
batch_size : int or "auto"
    Examples of a step; "auto" is 200, or all if there are fewer. Not used by "lbfgs".
learning_rate : {"constant", "invscaling", "adaptive"}
    Schedule of the solver "sgd": constant, divided by ``t ** power_t``, or divided by 5 each time
    that the fit would end by `tol`, until it is 1e-6 or less.
learning_rate_init : float
    The first step size, of "sgd" and "adam".
power_t : float
    Exponent of the schedule "invscaling".
max_iter : int
    The most iterations: epochs, or those of "lbfgs".
shuffle : bool
    Draw a new order of the examples for each epoch.
random_state : int, RandomState instance or None
    What weights, orders and the validation's part are drawn from.
tol : float
    What the loss or the score must gain, or the fit ends after `n_iter_no_change` iterations.
momentum : float
    Momentum of "sgd", from 0 to 1.
nesterovs_momentum : bool
    Look ahead along the momentum.
early_stopping : bool
    Set examples apart and stop when their score no longer grows; the best weights are kept.
validation_fraction : float
    Share of the examples that early stopping sets apart.
beta_1 : float
    Adam's decay rate of the first moment.
beta_2 : float
    Adam's decay rate of the second moment.
epsilon : float
    Added to Adam's divisor, to keep it from 0.
n_iter_no_change : int
    Iterations without a gain of `tol` before the fit ends.
max_fun : int
    The most evaluations of the loss by "lbfgs".
verbose : bool, int or "bar"
    A line an iteration, or a bar, as `fastdnn.Network.fit` shows it.
warm_start : bool
    As in scikit-learn, but the optimiser goes on too, exactly where it was.
dropout : float
    Share of the hidden activations that a step sets to 0. Not with the solver "lbfgs".
weight_decay : float
    Decoupled weight decay (AdamW); only with the solver "adam".
clip_norm : float, optional
    The greatest norm that a batch's gradient keeps. Not used by "lbfgs".
max_time : float, optional
    Seconds after which no other iteration begins.
n_threads : int, optional
    Threads; by default as many as pay, of those that BLAS may use.
reproducible : bool, optional
    Whether the same bits are demanded on every processor with AVX2, AVX-512 or NEON: a
    ValueError where they cannot be had. By default what `fastdnn.config` says.
"""


# those of the estimators of tables
TABULAR = """\
hidden_layer_sizes : int or array-like of int
    Units of each hidden layer; a number alone is one layer.
activation : str or sequence of str
    One for all hidden layers, or one for each, of
    {activations}.
learning_rate_init : float
    The greatest step size: it rises from 0 and falls to 0 four times.
beta_1 : float
    Adam's decay rate of the first moment.
beta_2 : float
    Adam's decay rate of the second moment.
epsilon : float
    Added to Adam's divisor, to keep it from 0.
batch_size : int
    Examples of a step, or all if there are fewer; a last batch that is shorter is left out.
max_iter : int
    Epochs, over which the waves of the step size are spread. Of the first step it is 0, so that one
    epoch of one batch changes nothing.
scale_rate : float
    What the step size of the columns' factors is multiplied with.
bias_rate : float
    What that of the biases is multiplied with.
validation_fraction : float or None
    Share of the rows that is set apart to choose the best epoch by, of each class alike; None for
    none, and the last epoch. Not used where `fit` is given X_val.
categorical_features : "from_dtype", array-like of bool, int or str, or None
    Which columns are categories, as for `TabularPreprocessor`.
dtype : {"float32", "float64"}
    Type in which the network computes; columns are made ready in float64.
random_state : int, RandomState instance or None
    What the rows set apart, and then a seed for each network, are drawn from.
verbose : bool or int
    Show how far it is, as `fastdnn.Network.fit` does.
max_time : float, optional
    Seconds after which no other epoch begins.
n_threads : int, optional
    Threads; by default as many as pay, of those that BLAS may use.
n_ensemble : int
    Networks that are trained at once, and whose predictions are averaged: of other seeds, and each
    with other rows set apart.
"""


def documented(shared: str = _SHARED) -> Callable[[_Class], _Class]:
    """Write every parameter into a class's docstring, in the order of its signature."""

    def decorate(cls: _Class) -> _Class:
        # without the indentation of the source, which Python 3.13 takes off itself
        text = cleandoc(cls.__doc__ or "") + "\n"
        before, heading, rest = text.partition("\nParameters\n")
        if heading:
            rule, _, rest = rest.partition("\n")
            own, attributes, after = rest.partition("\nAttributes\n")
            texts = {**_entries(shared), **_entries(own)}
            names = [name for name in signature(cls).parameters if name in texts]
            written = "".join(texts[name] for name in names)
            cls.__doc__ = f"{before}{heading}{rule}\n{written}{attributes}{after}"
        return cls

    return decorate


def _entries(text: str) -> dict[str, str]:
    """Cut a section into its entries."""
    found = re.findall(r"^\w+ : .*\n(?: {4}.*\n?)*", text, re.M)
    return {entry.split()[0]: entry for entry in found}
