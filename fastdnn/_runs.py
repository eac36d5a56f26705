"""Where pickles that version 0.1.0 wrote look for the optimiser of an estimator."""

from fastdnn._sklearn.rates import Optimizer as Optimizer
