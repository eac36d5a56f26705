"""Searches whose fits joblib sends to a cluster of dask."""

import pytest
from processes import run_apart

pytest.importorskip("sklearn")
pytest.importorskip("distributed")

CODE = """
import joblib
import numpy as np
from distributed import Client
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from fastdnn.estimators import MLPClassifier

if __name__ == "__main__":
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    grid = {"alpha": [1e-4, 1e-1], "hidden_layer_sizes": [(8,), (4, 4)]}
    model = MLPClassifier(max_iter=5, tol=0, random_state=0)
    here = GridSearchCV(model, grid, cv=2).fit(X, y)
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None):
        with joblib.parallel_backend("dask"):
            there = GridSearchCV(model, grid, cv=2).fit(X, y)
    scores = [search.cv_results_["mean_test_score"] for search in (here, there)]
    assert (scores[0] == scores[1]).all()
    assert (here.predict_proba(X) == there.predict_proba(X)).all()
    print(here.best_params_ == there.best_params_)
"""


def test_a_search_on_a_cluster_finds_the_same():
    assert run_apart(CODE).strip() == "True"
