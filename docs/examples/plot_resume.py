"""
Going on with a fit
===================

A fit that is broken off and goes on from a file ends with the very bits of one that never stopped:
weights, moments of the optimiser, counts and the generator are all in it.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastdnn

random = np.random.default_rng(0)
X = random.normal(size=(400, 2))
y = X[:, 0] * X[:, 1] > 0
settings = {"optimizer": fastdnn.Adam(1e-2), "batch_size": 32, "dropout": 0.1}

whole = fastdnn.Network([2, 16, 16, 1], rng=0)
all_costs = whole.fit(X, y, epochs=60, **settings).costs

# %%
# The same in two halves, with a file between them. Only ``training_state=True`` writes what a fit
# needs:

first = fastdnn.Network([2, 16, 16, 1], rng=0)
first_costs = first.fit(X, y, epochs=30, **settings).costs
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "half.safetensors"
    first.save(path, training_state=True)
    second = fastdnn.load(path)
    first.save(path)  # the weights alone
    forgetful = fastdnn.load(path)
second_costs = second.fit(X, y, epochs=30, **settings).costs
forgetful_costs = forgetful.fit(X, y, epochs=30, **settings).costs

print("the same costs:", first_costs + second_costs == all_costs)
print("the same bits:", np.array_equal(second.predict(X), whole.predict(X)))

# %%

figure, ax = plt.subplots()
ax.plot(all_costs, color="0.8", linewidth=6, label="never stopped")
ax.plot(range(30), first_costs, color="C0", label="the first half")
ax.plot(range(30, 60), second_costs, color="C1", label="on from the file")
ax.plot(range(30, 60), forgetful_costs, ":", color="C3", label="on from the weights alone")
ax.axvline(29.5, color="0.5", linewidth=0.8)
ax.set(xlabel="epoch", ylabel="mean cost")
ax.legend()
