"""
Weights of the first layer
==========================

What a unit looks for, drawn as the image that it weighs its input by. Weight decay leaves less
noise.
"""

from sklearn.datasets import load_digits

import fastdnn
from fastdnn.plots import WeightsDisplay

X, y = load_digits(return_X_y=True)


def trained(l2):
    """Train a network on the digits, and say its cost."""
    net = fastdnn.Network([64, 16, 10], output_activation="softmax", rng=0)
    net.fit(X / 16, y, optimizer=fastdnn.Adam(1e-2), batch_size=32, epochs=30, l2=l2)
    print(f"l2 = {l2}, cost {net.cost(X / 16, y):.3f}")
    return net


WeightsDisplay.from_estimator(trained(l2=0.0))

# %%
# The penalty shrinks what does not pay. Some units it leaves without any weight, others with
# strokes:

WeightsDisplay.from_estimator(trained(l2=0.01))
