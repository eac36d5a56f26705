"""
A table as it is
================

No column is scaled, and no parameter is tuned: `TabularMLPClassifier` trains 256 epochs, its rate
in four waves, and keeps the last of the best ones by rows that it has set apart.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import fastdnn
from fastdnn.estimators import TabularMLPClassifier

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = TabularMLPClassifier((64, 64, 64), random_state=0).fit(X_train, y_train)
print(f"accuracy: {model.score(X_test, y_test):.3f}")

# %%

epochs = np.arange(1, model.n_iter_ + 1)
rates = [fastdnn.CosLog(model.learning_rate_init, 256)(epoch) for epoch in range(256)]
figure, (above, below) = plt.subplots(2, sharex=True)
above.plot(epochs, model.validation_scores_)
above.axvline(model.best_iter_, color="C1", label="kept")
above.set(ylabel="accuracy")
above.legend()
below.plot(epochs, rates, color="0.4")
below.set(xlabel="epoch", ylabel="learning rate")

# %%
# Smoothed labels make its probabilities soft. One number, which the rows set apart choose, mends
# that, and changes no prediction:

sharp = TabularMLPClassifier((64, 64, 64), calibrate=True, random_state=0).fit(X_train, y_train)
figure, ax = plt.subplots()
for name, one in (("as trained", model), ("calibrated", sharp)):
    highest = one.predict_proba(X_test).max(axis=1)
    ax.hist(highest, np.linspace(0.5, 1, 26), alpha=0.6, label=name)
ax.set(xlabel="probability of the predicted class", ylabel="rows")
ax.legend()
