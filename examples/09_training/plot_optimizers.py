"""
Comparing optimizers: plain gradient descent, momentum and adaptive rates
=========================================================================

We compare the values of ``optimizer`` of :class:`~sklearn_ae.Autoencoder` with the same
network, initial weights, shuffling and number of epochs. Each optimizer gets its best
learning rate from a small grid, since a comparison at one common rate would say more
about that rate than about the optimizers.
"""

# %%
# The data, and a deep network with random initial weights, so that there is much to
# learn. With ``learning_rate_schedule="constant"`` and ``validation=None``
# only the optimizers affect the training loss.
from sklearn.datasets import load_digits

from sklearn_ae import Autoencoder

X = load_digits().data / 16
autoencoder = Autoencoder(
    8,
    init="random",
    hidden_layer_sizes=(128, 64),
    learning_rate_schedule="constant",
    validation=None,
    max_epochs=20,
    random_state=0,
)

# %%
# Three learning rates per optimizer, each about three times the previous one. The
# criterion is the training loss of the last epoch. If the loss diverges, `fit` raises a
# ``ValueError``, and the rate is discarded.
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
# Plain gradient descent is last. Momentum, which accelerates where successive gradients
# agree, brings most of the improvement by itself. The adaptive methods give every
# weight its own learning rate.
for optimizer in grids.keys() - {"sgd"}:
    assert final[optimizer] < 0.97 * final["sgd"]
assert final["momentum"] < 0.9 * final["sgd"]
assert final["adam"] < 0.9 * final["sgd"]

# %%
# Nesterov's momentum and Adam are the best here. With the largest rate of the grid,
# Adam ends with a higher loss, while Nesterov's method diverges: the steps of adaptive
# methods do not grow with the gradients. The weight decay of "adamw", the default,
# costs some training loss. Its purpose is a lower error on unseen rows, which this
# comparison does not measure.
leaders = {"nesterov", "adam"}
behind = min(final[optimizer] for optimizer in grids.keys() - leaders)
assert max(final[optimizer] for optimizer in leaders) < 1.03 * behind
assert not np.isfinite(tried_losses["nesterov"][-1])
assert np.isfinite(tried_losses["adam"]).all()

# %%
# The loss curves, each at the best rate.
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
fig, ax = plt.subplots(figsize=(8.4, 4.5), layout="constrained")
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
ax.set(ylabel="training loss", title="Training loss: half the squared error per image")
ax.set(xticks=range(2, 21, 2), ylim=(0.25, 1))

plt.show()
