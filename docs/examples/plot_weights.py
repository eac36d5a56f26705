"""
Weights of the first layer
==========================

What a unit looks for, drawn as the image that it weighs its input by. Weight decay leaves less
noise.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import fastdnn

X, y = load_digits(return_X_y=True)


def drawn(l2):
    """Train a network, and draw what each of its hidden units looks for."""
    net = fastdnn.Network([64, 16, 10], output_activation="softmax", rng=0)
    net.fit(X / 16, y, optimizer=fastdnn.Adam(1e-2), batch_size=32, epochs=30, l2=l2)
    W1 = net.parameters["W1"]  # a row for each unit
    reach = np.abs(W1).max()
    figure, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
    for ax, weights in zip(axes.flat, W1, strict=True):
        image = ax.imshow(weights.reshape(8, 8), cmap="RdBu_r", vmin=-reach, vmax=reach)
        ax.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=axes)
    figure.suptitle(f"l2 = {l2}, cost {net.cost(X / 16, y):.3f}")


drawn(l2=0.0)

# %%
# The penalty shrinks what does not pay. Some units it leaves without any weight, others with
# strokes:

drawn(l2=0.01)
