"""
Bands of quantiles
==================

The quantile cost estimates where a target lies, not only its middle. Five networks of one shape
differ in their quantile alone, and `fit_many` trains them at once.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastdnn

random = np.random.default_rng(0)
x = np.sort(random.uniform(-3, 3, 1000))
y = np.sin(2 * x) + random.normal(size=x.size) * (0.1 + 0.2 * (x + 3) / 3)  # noise that grows
X = x[:, np.newaxis] / 3

quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
nets = [
    fastdnn.Network(
        [1, 32, 32, 1],
        activation="tanh",
        output_activation="identity",
        cost="quantile",
        quantile=q,
        rng=0,
    )
    for q in quantiles
]
fastdnn.fit_many(
    nets, X, y, optimizer=fastdnn.Adam(fastdnn.Cosine(1e-2, 150)), batch_size=50, epochs=150
)
low, quarter, middle, three_quarters, high = (net.predict(X)[:, 0] for net in nets)

# %%
# A band of 5 to 95 % should hold nine tenths of the points:

print(f"{np.mean((low < y) & (y < high)):.1%} in the outer band")
print(
    f"{np.mean((quarter < y) & (y < three_quarters)):.1%} in the inner one, which should hold half"
)

# %%

figure, ax = plt.subplots()
ax.plot(x, y, ".", color="0.6", markersize=3, label="examples")
ax.fill_between(x, low, high, alpha=0.25, color="C0", label="5 to 95 %")
ax.fill_between(x, quarter, three_quarters, alpha=0.4, color="C0", label="25 to 75 %")
ax.plot(x, middle, color="C1", label="median")
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="lower left")

# %%
# The bands are those of the examples that were trained on; of others they hold a little less.
