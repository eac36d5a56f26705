"""What a network computes of examples without a change of its weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdnn._arrays import Array
from fastdnn._fit.checks import check_grad
from fastdnn._fit.model import Model
from fastdnn._fit.passes import cost, gradient, predicted


class Predictor:
    """The part of `fastdnn.Network` that reads its model alone."""

    _model: Model

    @property
    def layer_dims(self) -> tuple[int, ...]:
        """Units of each layer, the input's features first."""
        return self._model.layer_dims

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self._model.dtype

    @property
    def reproducible(self) -> bool:
        """Whether the same bits are demanded everywhere."""
        return self._model.reproducible

    @property
    def epochs(self) -> int:
        """How many epochs it was trained for, in all fits."""
        return self._model.training.counts.epochs

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The weights and biases, W (n, n_prev) and b (n, 1): views on the network's memory.

        They may be written to, but for the ``scale`` and ``V1`` of a scale of the inputs.
        """
        return self._model.parameters

    # ------------------------------------------------------------------------------------- predict

    def predict(self, X: ArrayLike, *, n_threads: int | None = None) -> Array:
        """Compute the activations of the output.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (m, n_0)
            Input, one example a row; a sparse matrix or array of SciPy is read as CSR, and what
            lies elsewhere than in memory, or in a sequence of blocks, as by `fit`.
        n_threads : int, optional
            By default as many as pay, of those that BLAS may use; at most four times as many as
            there are processors.

        Returns
        -------
        ndarray, shape (m, n_L)
            Probabilities, means or values, in the network's element type.

        Raises
        ------
        TypeError
            If X is no array of real numbers, or is masked.
        ValueError
            If X is empty or has another number of columns than the network has inputs.

        See Also
        --------
        Network.fit : Trains.
        Network.gradient : The derivatives of what this returns.

        Examples
        --------
        >>> net = fastdnn.Network([4, 8, 3], output_activation="softmax", rng=0)
        >>> net.predict(np.ones((2, 4))).sum(axis=1)
        array([1., 1.])
        """
        if n_threads is None or (n_threads.__class__ is int and n_threads == 1):
            outputs = self._model.plan.outputs(X)
            if outputs is not None:
                return outputs
        return predicted(self._model, X, n_threads)

    def cost(
        self,
        X: ArrayLike,
        Y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        n_threads: int | None = None,
    ) -> float:
        """Compute the mean cost of examples, without the L2 term.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (m, n_0)
            Input, one example a row; a sparse matrix or array of SciPy is read as CSR, and what
            lies elsewhere than in memory in blocks. Or a sequence of blocks, without Y.
        Y : array_like, shape (m, n_L), (m, 1) or (m,)
            Targets, as for `fit`.
        sample_weight : array_like, shape (m,), optional
            Weights of the examples in the mean.
        n_threads : int, optional
            As for `predict`.

        Returns
        -------
        float
            That of an example is a sum over the outputs.

        Raises
        ------
        TypeError, ValueError
            As `fit`.

        See Also
        --------
        Network.fit : Records such costs, of validation data.

        Examples
        --------
        >>> net = fastdnn.Network([2, 1], init=0.0, rng=0)
        >>> round(net.cost([[1.0, 2.0]], [1]), 4)
        0.6931
        """
        return cost(self._model, X, Y, sample_weight, n_threads)

    def gradient(
        self, X: ArrayLike, output: int | None = None, *, n_threads: int | None = None
    ) -> Array:
        """Compute the derivatives of what `predict` returns by the input, of each example.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (m, n_0)
            Input, one example a row, as for `fit`.
        output : int, optional
            Of which output, 0 .. n_L - 1; by default of all.
        n_threads : int, optional
            As for `predict`.

        Returns
        -------
        ndarray, shape (m, n_0), or (m, n_L, n_0) if no output is named, also where n_L is 1
            In the network's element type, dense whatever X is; at a kink, as of relu at 0, the
            derivative to the left.

        Raises
        ------
        TypeError, ValueError
            As `predict`; also if X is not finite, or there is no such output.

        See Also
        --------
        Network.predict : What is derived.
        Network.check_grad : The cost's gradient, by the parameters.

        Examples
        --------
        >>> net = fastdnn.Network([2, 1], output_activation="identity", rng=0)
        >>> bool(np.all(net.gradient([[1.0, 2.0]], output=0) == net.parameters["W1"]))
        True
        """
        return gradient(self._model, X, output, n_threads)

    def check_grad(
        self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None, *, l2: float = 0
    ) -> float:
        """Compare the gradient that `fit` uses with finite differences, in double precision.

        Each parameter p is moved to both sides by 6e-6 max(1, abs(p)), in a copy: two passes each.

        Parameters
        ----------
        X, Y, sample_weight : array_like
            As for `cost`; a few examples will do.
        l2 : float
            As for `fit`.

        Returns
        -------
        float
            The largest ``|g - d| / max(|g|, |d|, s)`` of a derivative g and a difference d, where s
            is a hundredth of the largest ``|g|``, ``|d|`` or the cost. Right gradients differ by
            1e-6 or less, unless a move crosses a kink, as of relu at 0 or of an absolute error.

        Raises
        ------
        TypeError, ValueError
            As `fit`.

        See Also
        --------
        fastdnn.gradient_check : Of the course's functions.
        Network.gradient : By the input.

        Examples
        --------
        >>> X = np.random.default_rng(0).normal(size=(20, 2))
        >>> net = fastdnn.Network([2, 8, 1], activation="tanh", rng=0)
        >>> net.check_grad(X, X[:, 0] > 0) < 1e-6
        True
        """
        return check_grad(self._model, X, Y, sample_weight, l2)
