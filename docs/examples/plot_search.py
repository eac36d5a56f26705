"""
A search
========

scikit-learn's `GridSearchCV` with one import changed: the same results to the bit, with the
candidates fitted in threads.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastdnn.estimators import GridSearchCV, MLPClassifier

X, y = load_breast_cancer(return_X_y=True)
model = make_pipeline(StandardScaler(), MLPClassifier((16,), batch_size=32, max_iter=15, tol=0,
                                                      random_state=0))  # fmt: skip
rates, penalties = np.logspace(-4, -1, 7), np.logspace(-4, 1, 6)
warnings.simplefilter("ignore", ConvergenceWarning)  # fifteen epochs are all that each is given
grid = {"mlpclassifier__learning_rate_init": rates, "mlpclassifier__alpha": penalties}

start = time.perf_counter()
search = GridSearchCV(model, grid, cv=5, scoring="neg_log_loss").fit(X, y)
print(f"{len(rates) * len(penalties) * 5} fits in {time.perf_counter() - start:.2f} s")
print(*(f"{search.best_params_[name]:.2g}" for name in grid), f"loss {-search.best_score_:.4f}")

# %%
# The loss of each candidate, the mean of five folds. The order of the results is that of
# scikit-learn's ``ParameterGrid``: the names sorted, the last one running fastest.

losses = -search.cv_results_["mean_test_score"].reshape(len(penalties), len(rates))
figure, ax = plt.subplots()
colors = ax.pcolormesh(rates, penalties, losses, cmap="viridis_r", vmax=0.3, shading="nearest")
ax.plot(*(search.best_params_[name] for name in grid), "o", color="white", markeredgecolor="black")
ax.set(xscale="log", yscale="log", xlabel="learning_rate_init", ylabel="alpha")
figure.colorbar(colors, label="mean log-loss of five folds", extend="max")
