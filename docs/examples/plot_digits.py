"""
Digits
======

Ten classes with softmax, held-out digits beside the training, and a look at what is mistaken for
what.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

import fastdnn
from fastdnn.plots import LossCurveDisplay

digits = load_digits()
X, X_test, y, y_test = train_test_split(digits.data / 16, digits.target, random_state=0)

net = fastdnn.Network([64, 32, 10], output_activation="softmax", rng=0)
history = net.fit(
    X, y, optimizer=fastdnn.Adam(1e-2), batch_size=32, epochs=20, validation_data=(X_test, y_test)
)
P = net.predict(X_test)
print(f"{np.mean(P.argmax(axis=1) == y_test):.1%} of the digits that it has not seen")

# %%

LossCurveDisplay.from_history(history).ax_.set_yscale("log")

# %%

ConfusionMatrixDisplay.from_predictions(y_test, P.argmax(axis=1), colorbar=False)

# %%
# The eight of which it is least sure:

figure, axes = plt.subplots(1, 8, figsize=(9, 1.8), layout="constrained")
for ax, i in zip(axes, P.max(axis=1).argsort(), strict=False):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{y_test[i]}, said {P[i].argmax()}", fontsize=9)
    ax.axis("off")
