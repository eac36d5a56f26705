"""Mini-batches and one-hot labels, one example a column."""

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array, integer, label_matrix, real
from fastdnn._course.generators import Rng, generator


def random_mini_batches(
    X: ArrayLike, Y: ArrayLike, mini_batch_size: int = 64, seed: int = 0, *, rng: Rng = None
) -> list[tuple[Array, Array]]:
    """Shuffle the examples and cut them into mini-batches.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
        Input, one example a column.
    Y : array_like, shape (C, m), or m labels of any shape
        Labels; a single one for each example is taken as shape (1, m).
    mini_batch_size : int
        Examples of a batch; the last one may have fewer.
    seed : int
        The order of the examples is that of the course after ``np.random.seed(seed)``. NumPy's
        global generator is not touched.
    rng : int or list of int, SeedSequence, BitGenerator, Generator or RandomState, optional
        A seed or what to draw the order from, instead of `seed`.

    Returns
    -------
    list of tuple
        ``(X_batch, Y_batch)``: parts of a shuffled copy, of the element types of `X` and `Y`.

    Raises
    ------
    TypeError
        If X or Y is no array of real numbers or is masked, or mini_batch_size or the seed is no
        integer.
    ValueError
        If X or Y is empty, their numbers of examples differ, mini_batch_size is below 1 or the
        seed is out of its range.

    See Also
    --------
    L_layer_model : Trains by such batches.

    Examples
    --------
    >>> X, Y = np.ones((3, 150)), np.ones((1, 150))
    >>> [X_batch.shape for X_batch, Y_batch in fastdnn.random_mini_batches(X, Y)]
    [(3, 64), (3, 64), (3, 22)]
    """
    examples = real(X, "X")
    if examples.ndim != 2:
        raise ValueError(f"X must have 2 dimensions, got shape {examples.shape}")
    m = examples.shape[1]
    labels = label_matrix(Y, m, "Y")
    size = integer(mini_batch_size, "mini_batch_size")
    random = generator(seed, 0, "seed") if rng is None else generator(rng, 0)
    order = random.permutation(m)
    examples, labels = _ordered(examples, order), _ordered(labels, order)
    return [(examples[:, k : k + size], labels[:, k : k + size]) for k in range(0, m, size)]


def convert_to_one_hot(Y: ArrayLike, C: int) -> Array:
    """Write class indices as columns that hold a 1 in the row of the class.

    Parameters
    ----------
    Y : array_like of m integers, of any shape
        Classes, from 0 to C - 1.
    C : int
        Number of classes.

    Returns
    -------
    ndarray, shape (C, m)
        In float64, one example a row of the memory.

    Raises
    ------
    TypeError
        If Y is no array of real numbers or is masked, or C is no integer.
    ValueError
        If Y is empty, a class is none of 0 to C - 1, or C is below 1.

    See Also
    --------
    compute_cost : Takes such labels for softmax.

    Examples
    --------
    >>> fastdnn.convert_to_one_hot([0, 2, 1], C=3)
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    C = integer(C, "C")
    labels = real(Y, "Y").reshape(-1)
    wrong = ~((labels >= 0) & (labels < C) & (labels == np.floor(labels)))
    if wrong.any():
        raise ValueError(f"Y must hold classes from 0 to {C - 1}, but holds {labels[wrong][0]}")
    one_hot = np.zeros((labels.size, C))
    one_hot[np.arange(labels.size), labels.astype(np.intp)] = 1
    return one_hot.T


def _ordered(array: Array, order: Array) -> Array:
    """Copy columns in an order; along memory, where rows or columns are whole there."""
    if array.flags.c_contiguous:
        return array.take(order, axis=1)
    return array.T.take(order, axis=0).T if array.flags.f_contiguous else array[:, order]
