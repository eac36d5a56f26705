"""The functions of the course, one example a column.

Formulas, with m examples, L layers and act the layer's activation::

    Z[l] = W[l] A[l-1] + b[l]        A[l] = act(Z[l])        A[0] = X
    cost = -mean(Y log(A[L]) + (1 - Y) log(1 - A[L]))
    dA[L] = -(Y / A[L] - (1 - Y) / (1 - A[L]))
    dZ[l] = dA[l] act'(Z[l])         dW[l] = dZ[l] A[l-1]^T / m
    dA[l-1] = W[l]^T dZ[l]           db[l] = mean of dZ[l] over the examples

References
----------
.. [1] A. Ng, K. Katanforoosh, Y. Bensouda Mourri, Neural Networks and Deep Learning, week 4,
   "Building your Deep Neural Network: Step by Step".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from fastdnn._arrays import Array, computed, depth, entry, layer_names, output_arrays
from fastdnn._core import course
from fastdnn._course.costs import NONE, cost_of, output_gradient, penalty
from fastdnn._course.elementwise import relu as relu
from fastdnn._course.elementwise import relu_backward as relu_backward
from fastdnn._course.elementwise import sigmoid as sigmoid
from fastdnn._course.elementwise import sigmoid_backward as sigmoid_backward
from fastdnn._course.generators import Rng
from fastdnn._course.layers import (
    CODES,
    IDENTITY,
    Activation,
    Cache,
    LinearCache,
    act_of,
    acts_of,
    has_pair,
    layer_backward,
    layer_forward,
    output_of,
    plain_acts,
    special_backward,
    special_forward,
)
from fastdnn._course.masks import ALL, drawing

# the course's own activations, as the functions' defaults known as themselves
HIDDEN = "relu"
OUTPUT = "sigmoid"
MEAN = "mean"


# ----------------------------------------------------------------------------------------- forward


def linear_forward(A: ArrayLike, W: ArrayLike, b: ArrayLike) -> tuple[Array, LinearCache]:
    """Compute the linear part of a layer, Z = W A + b.

    Parameters
    ----------
    A : array_like, shape (n_prev, m)
        Activations of the layer before, or the input.
    W : array_like, shape (n, n_prev)
        Weights.
    b : array_like, shape (n, 1), or a number
        Biases.

    Returns
    -------
    Z : ndarray, shape (n, m)
        Of the type that NumPy promotes the arguments to, float32 or float64, and in the memory
        order of `A`.
    cache : tuple
        ``(A, W, b)``, for `linear_backward`.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes do not fit.

    See Also
    --------
    linear_backward : The gradients.
    linear_activation_forward : The same with an activation.

    Examples
    --------
    >>> fastdnn.linear_forward([[1.0], [2.0]], W=[[3.0, 4.0]], b=[[5.0]])[0]
    array([[16.]])
    """
    Z, cache = layer_forward(IDENTITY, A, W, b)
    return Z, cache[0]


def linear_activation_forward(
    A_prev: ArrayLike,
    W: ArrayLike,
    b: ArrayLike,
    activation: Activation,
    keep_prob: float = ALL,
    *,
    rng: Rng = None,
) -> tuple[Array, Cache]:
    """Compute a layer, A = act(W A_prev + b), and drop some of its outputs if so asked.

    Parameters
    ----------
    A_prev : array_like, shape (n_prev, m)
        Activations of the layer before, or the input.
    W : array_like, shape (n, n_prev)
        Weights.
    b : array_like, shape (n, 1), or a number
        Biases.
    activation : str or tuple of callable
        "sigmoid", "tanh", "relu", "leaky_relu" (0.01), "elu", "selu", "gelu", "silu", "softplus",
        "mish", "linear" (or "identity") or "softmax", over the units of an example. Or a pair of
        functions of arrays, ``(forward, backward)`` with ``A = forward(Z)`` and
        ``dZ = backward(dA, Z)``: this layer's activation then runs in Python.
    keep_prob : float
        Dropout: the probability of an output to be kept, and then divided by it; above 0, at most
        1.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        What draws the mask, ``rng.rand(n, m) < keep_prob``: a seed, as for ``numpy.random.seed``,
        which gives the same mask at each call, or a generator, which goes on. By default a
        generator of this module's own. NumPy's global generator is left alone.

    Returns
    -------
    A : ndarray, shape (n, m)
        Of the type that NumPy promotes the arrays to, float32 or float64, and in the memory order
        of `A_prev`.
    cache : tuple
        ``((A_prev, W, b), Z)``, for `linear_activation_backward`; with dropout ``((A_prev, W, b),
        Z, D)``, of which D is the mask, an array of bool.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, the shapes do not fit, the activation is unknown, or keep_prob is
        out of range.

    See Also
    --------
    linear_activation_backward : The gradients.
    L_model_forward : All layers.

    Examples
    --------
    >>> fastdnn.linear_activation_forward([[1.0, -1.0]], [[2.0]], 0.0, "relu")[0]
    array([[2., 0.]])
    """
    if keep_prob is ALL and type(activation) is str and activation in CODES:
        return layer_forward(CODES[activation], A_prev, W, b)
    act = act_of(activation, keep_prob)
    if type(act) is int:
        return layer_forward(act, A_prev, W, b)
    draw = None if rng is None else drawing(rng)
    return special_forward(act, draw, A_prev, W, b)


def L_model_forward(
    X: ArrayLike,
    parameters: Mapping[str, Any],
    keep_prob: float | Sequence[float] = ALL,
    *,
    activation: Activation | Sequence[Activation] = HIDDEN,
    output_activation: str = OUTPUT,
    rng: Rng = None,
) -> tuple[Array, list[Cache]]:
    """Compute the network's output: relu on the layers 1 to L-1, sigmoid on layer L, or others.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    parameters : dict
        ``W1, b1, ..., WL, bL``, as `initialize_parameters_deep` returns them.
    keep_prob : float or sequence of float
        Dropout of the hidden layers: the probability of an output to be kept, for all of them or
        one for each. The masks are drawn layer by layer, none where it is 1.
    activation : str, tuple of callable, or sequence of them
        The activation of all hidden layers or one for each, as in `linear_activation_forward`.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        The activation of the output; "linear" is another name of "identity".
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        What draws the masks, as in `linear_activation_forward`.

    Returns
    -------
    AL : ndarray, shape (n_L, m)
        Activations of the last layer.
    caches : list of tuple
        The L caches of `linear_activation_forward`, the first layer's first.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an array is missing or empty, the shapes do not fit, an activation is unknown, or
        keep_prob is out of range.

    See Also
    --------
    L_model_backward : The gradients.
    L_layer_model : The whole training.

    Examples
    --------
    >>> fastdnn.L_model_forward([[1.0]], {"W1": [[2.0]], "b1": [[-2.0]]})[0]
    array([[0.5]])
    """
    L = depth(parameters, "parameters")
    acts: tuple[Any, ...]
    draw: Any = None
    if keep_prob is ALL and activation is HIDDEN and output_activation is OUTPUT and rng is None:
        acts = plain_acts(L)
    else:
        acts = acts_of(L, activation, output_activation, keep_prob)
        if rng is not None:
            draw = drawing(rng, alone=not any(map(has_pair, acts)))
    A: Any = X
    caches = []
    for l, (W_name, b_name, _, _, _) in enumerate(layer_names(L), 1):
        try:
            W, b = parameters[W_name], parameters[b_name]
        except (KeyError, TypeError, IndexError):
            W, b = entry(parameters, W_name, "parameters"), entry(parameters, b_name, "parameters")
        act: Any = acts[l - 1]
        if type(act) is int:
            A, cache = layer_forward(act, A, W, b, l)
        else:
            A, cache = special_forward(act, draw, A, W, b, l)
        caches.append(cache)
    return A, caches


def compute_cost(
    AL: ArrayLike,
    Y: ArrayLike,
    parameters: Mapping[str, Any] | None = None,
    lambd: float = NONE,
    *,
    output_activation: str = OUTPUT,
    reduction: str = MEAN,
) -> Array:
    """Compute the cross-entropy cost, -mean(Y log(AL) + (1 - Y) log(1 - AL)), or another.

    Parameters
    ----------
    AL : array_like, shape (1, m)
        Predicted probabilities. As the formula has it, 0 and 1 give an infinite cost or NaN.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities; of any shape for one output unit, else of that of `AL`.
    parameters : dict, optional
        ``W1, b1, ..., WL, bL``, whose weights count with `lambd`.
    lambd : float
        L2: the cost has ``lambd / (2 m)`` times the sum of the squares of all weights too.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        What the cost is of: for "softmax" it is ``-sum(Y log(AL)) / m``, in which 0 log 0 is 0 and
        `Y` has one-hot columns or probabilities, for "identity" ``sum((AL - Y)^2) / (2 m)``.
    reduction : {"mean", "sum"}
        "sum" leaves out the 1 / m, of the weights' part too.

    Returns
    -------
    ndarray, shape ()
        A sum over the output units, a mean over the m examples.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty or out of range, the sizes do not match, or a name is unknown.

    See Also
    --------
    L_model_backward : The gradients of the cost.
    fastdnn.course2.compute_cost : Leaves out what is NaN.

    Examples
    --------
    >>> round(float(fastdnn.compute_cost([[0.5, 0.5]], [[1, 0]])), 4)
    0.6931
    """
    if not (lambd is NONE and output_activation is OUTPUT and reduction is MEAN):
        return cost_of(AL, Y, parameters, lambd, output_activation, reduction)
    cost = course.cross_entropy(AL, Y)
    if cost is None:
        cost = computed(course.cross_entropy, *output_arrays(AL, Y))
    return cost


# ---------------------------------------------------------------------------------------- backward


def linear_backward(
    dZ: ArrayLike, cache: LinearCache, lambd: float = NONE
) -> tuple[Array, Array, Array]:
    """Compute the gradients of the linear part of a layer.

    Parameters
    ----------
    dZ : array_like, shape (n, m)
        Gradient of the cost by Z, times m.
    cache : tuple
        ``(A_prev, W, b)``, from `linear_forward`.
    lambd : float
        L2: `dW` has ``lambd / m * W`` too.

    Returns
    -------
    dA_prev : ndarray, shape (n_prev, m)
        The product W^T dZ, in the memory order of `A_prev`.
    dW : ndarray, shape (n, n_prev)
        The product dZ A_prev^T / m, in the memory order of `W`.
    db : ndarray, shape (n, 1)
        The mean of dZ over the examples.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, or the shapes do not fit.

    See Also
    --------
    linear_forward : Makes the cache.

    Examples
    --------
    >>> fastdnn.linear_backward([[1.0]], ([[2.0]], [[3.0]], [[0.0]]))
    (array([[3.]]), array([[2.]]), array([[1.]]))
    """
    if lambd is not NONE:
        lambd = penalty(lambd)
    return layer_backward(IDENTITY, dZ, (cache, dZ), lambd)


def linear_activation_backward(
    dA: ArrayLike,
    cache: Cache,
    activation: Activation,
    lambd: float = NONE,
    keep_prob: float = ALL,
) -> tuple[Array, Array, Array]:
    """Compute the gradients of a layer.

    Parameters
    ----------
    dA : array_like, shape (n, m)
        Gradient of the cost by A, times m.
    cache : tuple
        ``((A_prev, W, b), Z)`` or ``((A_prev, W, b), Z, D)``, from `linear_activation_forward`.
    activation : str or tuple of callable
        The activation, as in `linear_activation_forward`. That of softmax is the product with its
        Jacobian.
    lambd : float
        L2: `dW` has ``lambd / m * W`` too.
    keep_prob : float
        Dropout: the gradient of what was dropped is 0, that of the rest is divided by this.

    Returns
    -------
    dA_prev : ndarray, shape (n_prev, m)
        The product W^T dZ with dZ = dA act'(Z), in the memory order of `A_prev`.
    dW : ndarray, shape (n, n_prev)
        The product dZ A_prev^T / m, in the memory order of `W`.
    db : ndarray, shape (n, 1)
        The mean of dZ over the examples.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty, the shapes do not fit, the activation is unknown, a number is out
        of range, or the cache has a mask without a keep_prob below 1, or the reverse.

    See Also
    --------
    linear_activation_forward : Makes the cache.

    Examples
    --------
    >>> A, cache = fastdnn.linear_activation_forward([[2.0]], [[3.0]], 0.0, "relu")
    >>> fastdnn.linear_activation_backward([[1.0]], cache, "relu")
    (array([[3.]]), array([[2.]]), array([[1.]]))
    """
    if lambd is not NONE:
        lambd = penalty(lambd)
    if keep_prob is ALL and type(activation) is str and activation in CODES:
        return layer_backward(CODES[activation], dA, cache, lambd)
    act = act_of(activation, keep_prob)
    if type(act) is int:
        return layer_backward(act, dA, cache, lambd)
    return special_backward(act, dA, cache, lambd)[:3]


def L_model_backward(
    AL: ArrayLike,
    Y: ArrayLike,
    caches: Sequence[Cache],
    lambd: float = NONE,
    keep_prob: float | Sequence[float] = ALL,
    *,
    activation: Activation | Sequence[Activation] = HIDDEN,
    output_activation: str = OUTPUT,
) -> dict[str, Array]:
    """Compute the gradients of the cost by every parameter and activation.

    Parameters
    ----------
    AL : array_like, shape (n_L, m)
        Activations of the last layer, from `L_model_forward`.
    Y : array_like of as many elements
        Labels: 0 and 1, or probabilities; of any shape for one output unit, else of that of `AL`.
    caches : list of tuple
        From `L_model_forward`.
    lambd : float
        L2: the gradients are those of the cost with `lambd`, ``dW`` with ``lambd / m * W``.
    keep_prob : float or sequence of float
        The forward pass's.
    activation : str, tuple of callable, or sequence of them
        The forward pass's.
    output_activation : {"sigmoid", "softmax", "identity", "linear"}
        The forward pass's. For all but "sigmoid" the gradient begins with ``dZL = AL - Y``.

    Returns
    -------
    dict of ndarray
        ``dA0 .. dA(L-1)``, ``dW1 .. dWL`` and ``db1 .. dbL``. Each has the memory order of the
        array in the caches that it belongs to. Where outputs are dropped, ``dA`` is that of the
        layer's output before: its mask and division are done.

    Raises
    ------
    TypeError
        If an argument is no array of real numbers, or is masked.
    ValueError
        If an argument is empty or out of range, the shapes do not fit, an activation is unknown, or
        a cache has a mask without a keep_prob below 1, or the reverse.

    See Also
    --------
    L_model_forward : Makes the caches.
    update_parameters : Takes a step by the gradients.

    Examples
    --------
    >>> AL, caches = fastdnn.L_model_forward([[2.0]], {"W1": [[0.0]], "b1": [[0.0]]})
    >>> fastdnn.L_model_backward(AL, [[1]], caches)["dW1"]
    array([[-1.]])
    """
    if (caches.__class__ is not list and not isinstance(caches, Sequence)) or len(caches) == 0:
        raise ValueError("caches must be the list of caches that L_model_forward returns")
    L = len(caches)
    acts: tuple[Any, ...]
    if keep_prob is ALL and activation is HIDDEN and output_activation is OUTPUT:
        acts = plain_acts(L)
        dA = course.cross_entropy_backward(AL, Y)
        if dA is None:
            dA = computed(course.cross_entropy_backward, *output_arrays(AL, Y))
    else:
        acts = acts_of(L, activation, output_activation, keep_prob, backward=True)
        dA = output_gradient(AL, Y, output_of(output_activation))
    if lambd is not NONE:
        lambd = penalty(lambd)
    grads = {}
    names = layer_names(L)
    for l in range(L, 0, -1):
        _, _, dW_name, db_name, dA_name = names[l - 1]
        act: Any = acts[l - 1]
        if type(act) is int:
            dA, dW, db = layer_backward(act, dA, caches[l - 1], lambd, l)
        else:
            dA, dW, db, left = special_backward(act, dA, caches[l - 1], lambd, l)
            if left is not None:
                grads[names[l][4]] = left
        grads[dA_name] = dA
        grads[dW_name] = dW
        grads[db_name] = db
    return grads
