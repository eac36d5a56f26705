"""
Early stopping on a metric of one's own
=======================================

A callback is called after each epoch with the fit's `State`, may look at whatever it likes, and may
stop the fit. An estimator does the same by the name of a scorer.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import fastdnn
from fastdnn.estimators import MLPClassifier

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
X, X_val, y, y_val = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)

# %%
# The F1 score of the rarer class, with a patience of ten epochs:


class BestF1:
    """Stop when the score has not grown for some epochs, and keep the best parameters."""

    def __init__(self, patience):
        self.patience, self.scores, self.best = patience, [], -1.0

    def __call__(self, state):
        """Look at the network after an epoch."""
        said = state.network.predict(X_val)[:, 0] > 0.5
        self.scores.append(f1_score(y_val, said, pos_label=0))
        if self.scores[-1] > self.best:
            self.best, self.epoch = self.scores[-1], state.epoch
            self.parameters = {name: W.copy() for name, W in state.network.parameters.items()}
        elif state.epoch - self.epoch >= self.patience:
            state.stop()


net = fastdnn.Network([30, 32, 1], rng=0)
watch = BestF1(patience=10)
net.fit(X, y, optimizer=fastdnn.Adam(3e-3), batch_size=32, epochs=200, callbacks=[watch])
for name, W in watch.parameters.items():
    net.parameters[name][...] = W  # views of the network's own memory
print(f"stopped after {net.epochs} epochs; the best was {watch.best:.4f} after {watch.epoch}")

# %%
# The estimator, by scikit-learn's name of a score:

model = MLPClassifier(
    (32,), early_stopping=True, scoring="f1", learning_rate_init=3e-3, batch_size=32, random_state=0
)
model.fit(X, y, X_val=X_val, y_val=y_val)
print(f"stopped after {model.n_iter_} iterations; the best was {model.best_validation_score_:.4f}")

# %%

figure, ax = plt.subplots()
ax.plot(range(1, len(watch.scores) + 1), watch.scores, label="callback: F1 of the rarer class")
scores = model.validation_scores_
ax.plot(range(1, len(scores) + 1), scores, label='estimator: scoring="f1"')
ax.axvline(watch.epoch, color="C0", linestyle=":")
ax.set(xlabel="epoch", ylabel="F1 on the validation data", ylim=(0.9, 1))
ax.legend(loc="lower right")
