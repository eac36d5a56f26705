"""
Dropout and learning curves
===========================

A large network learns a few hundred digits by heart, and its cost on others rises again. Dropout
keeps it from that, at the price of a slower and noisier training.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastdnn
from fastdnn.plots import LossCurveDisplay

X, y = load_digits(return_X_y=True)
X, X_val, y, y_val = train_test_split(X / 16, y, train_size=300, random_state=0, stratify=y)

histories = {}
for dropout in (0.0, 0.5):
    net = fastdnn.Network([64, 128, 64, 10], output_activation="softmax", dtype="float32", rng=0)
    histories[f"dropout {dropout}"] = net.fit(
        X,
        y,
        optimizer=fastdnn.Adam(1e-3),
        batch_size=32,
        epochs=150,
        dropout=dropout,
        validation_data=(X_val, y_val),
    )
    said = net.predict(X_val).argmax(axis=1)
    print(
        f"dropout {dropout}: {(said == y_val).mean():.1%} right, cost {net.cost(X_val, y_val):.3f}"
    )

ax = LossCurveDisplay.from_history(histories).ax_
ax.set(yscale="log", ylim=(1e-3, 3))

# %%
# It makes the cost smaller, since the network is less sure of its mistakes; as many are right.
# Costs of the training are those of its own steps, with what was dropped; the validation drops
# nothing, and so may lie below it.
