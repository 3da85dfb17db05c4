"""
Optimizers side by side: momentum and adaptive rates against plain descent
==========================================================================

The same network, the same random weights, the same order of the rows, the same number
of epochs: only ``optimizer`` of :class:`~sklearn_ae.Autoencoder` differs. Each
optimizer gets the learning rate that suits it, found on a small grid, since a
comparison at one rate for all would compare the rate.
"""

# %%
# The data, and a deep network from random weights, so that there is a way to go.
# ``learning_rate_schedule="constant"`` and ``early_stopping=False`` leave the
# optimizers alone with the training loss.
from sklearn.datasets import load_digits

from sklearn_ae import Autoencoder

X = load_digits().data / 16
autoencoder = Autoencoder(
    8,
    init="random",
    hidden_layer_sizes=(128, 64),
    learning_rate_schedule="constant",
    early_stopping=False,
    max_epochs=20,
    random_state=0,
)

# %%
# Three rates an optimizer, each about three times the one before. The criterion is the
# training loss of the last epoch. Where it becomes infinite, `fit` raises a
# ``ValueError``, and the rate is out.
import numpy as np
from sklearn.base import clone

grids = {
    "sgd": (0.03, 0.1, 0.3),
    "momentum": (0.01, 0.03, 0.1),
    "nesterov": (0.01, 0.03, 0.1),
    "adagrad": (0.01, 0.03, 0.1),
    "rmsprop": (0.001, 0.003, 0.01),
    "adam": (0.003, 0.01, 0.03),
    "adamw": (0.001, 0.003, 0.01),
}
best, final, tried_losses = {}, {}, {}
for optimizer, rates in grids.items():
    fits, losses = [], []
    for rate in rates:
        model = clone(autoencoder).set_params(optimizer=optimizer, learning_rate=rate)
        try:
            fits.append(model.fit(X))
            losses.append(model.loss_curve_[-1])
        except ValueError:
            fits.append(None)
            losses.append(np.inf)
    best[optimizer] = fits[np.argmin(losses)]
    final[optimizer], tried_losses[optimizer] = min(losses), losses
    tried = zip(rates, losses, strict=True)
    print(f"{optimizer:9}", *(f"{rate:6g}: {loss:.3f}" for rate, loss in tried))

# %%
# Plain descent comes last. Momentum keeps going where gradients agree, and alone takes
# most of the way; the other methods give every weight a rate of its own.
for optimizer in grids.keys() - {"sgd"}:
    assert final[optimizer] < 0.97 * final["sgd"]
assert final["momentum"] < 0.9 * final["sgd"]
assert final["adam"] < 0.9 * final["sgd"]

# %%
# No other method does better here than Nesterov's momentum and Adam. One rate too high
# on the grid costs Adam some loss, and Nesterov's method the training: the steps of
# adaptive methods do not grow with the gradients. The decay of the weights in "adamw",
# the default, costs some training loss. What it is there for is rows not seen, which
# are no part of this comparison.
leaders = {"nesterov", "adam"}
behind = min(final[optimizer] for optimizer in grids.keys() - leaders)
assert max(final[optimizer] for optimizer in leaders) < 1.03 * behind
assert not np.isfinite(tried_losses["nesterov"][-1])
assert np.isfinite(tried_losses["adam"]).all()

# %%
# The curves, each at its best rate.
import matplotlib.pyplot as plt

from sklearn_ae.inspection import LossCurveDisplay

styles = {
    "sgd": ("#000000", "-"),
    "momentum": ("#D55E00", "-"),
    "nesterov": ("#D55E00", "--"),
    "adagrad": ("#009E73", ":"),
    "rmsprop": ("#CC79A7", "-."),
    "adam": ("#0072B2", "-"),
    "adamw": ("#0072B2", "--"),
}
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for optimizer, (color, linestyle) in styles.items():
    model = best[optimizer]
    LossCurveDisplay.from_estimator(
        model,
        ax=ax,
        terms=False,
        yscale="linear",
        line_kw={
            "color": color,
            "linestyle": linestyle,
            "label": f"{optimizer}, rate {model.learning_rate:g}",
        },
    )
ax.set(ylabel="training loss", title="Half the squared error of an image")
ax.set(xticks=range(2, 21, 2), ylim=(0.25, 1))

plt.show()
