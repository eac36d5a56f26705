"""scikit-learn's classes that ours extend; theirs.pyi beside this file gives them types."""

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "GridSearchCV",
    "MLPClassifier",
    "MLPRegressor",
    "RandomizedSearchCV",
    "RegressorMixin",
    "TransformerMixin",
]
