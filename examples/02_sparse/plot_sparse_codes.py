"""
Sparse codes: what rho, lambd and k do
======================================

:class:`~sklearn_ae.SparseAutoencoder` may have more code units than there are pixels,
but only few of them are active for any image. ``sparsity="kl"`` penalises units whose
mean activation over the images differs from ``rho``; ``lambd`` is the weight of this
penalty. ``sparsity="topk"`` keeps only the ``k`` largest codes of each image.
"""

# %%
# The data: images of 8 x 8 pixels in [0, 1], half of them held out.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, _, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)

# %%
# Two hundred code units for 64 pixels. The larger ``lambd``, the closer the mean
# activation of each unit over the training images, ``mean_activation_``, is to ``rho``.
from sklearn_ae import SparseAutoencoder

rho = 0.05
models = {
    lambd: SparseAutoencoder(200, rho=rho, lambd=lambd, random_state=0).fit(X_train)
    for lambd in (0.0, 0.01, 1.0)
}
models["topk"] = SparseAutoencoder(200, sparsity="topk", k=10, random_state=0)
models["topk"].fit(X_train)
for name, model in models.items():
    means = model.mean_activation_
    print(
        f"{name!s:5} mean activations {means.min():.3f} to {means.max():.3f}, "
        f"held-out variance explained {model.score(X_test):.3f}"
    )

deviations = {
    lambd: np.abs(models[lambd].mean_activation_ / rho - 1).max()
    for lambd in (0.0, 0.01, 1.0)
}
assert deviations[1.0] < deviations[0.01] < deviations[0.0]
assert deviations[1.0] < 0.1

# %%
# Histograms of the mean activations. Without the penalty the units are about twice as
# active.
import matplotlib.pyplot as plt

from sklearn_ae.inspection import ActivationDisplay

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharex=True)
for ax, lambd in zip(axes, (0.0, 1.0), strict=True):
    ActivationDisplay.from_estimator(models[lambd], ax=ax, bins=np.linspace(0, 0.3, 61))
    ax.set_title(f"lambd = {lambd:g}")

# %%
# The codes of 100 held-out images, one image per row. The KL divergence makes the
# activations small on average, but hardly ever zero. With ``k=10`` all but ten are
# zero, and images of the same digit share the active units. Some units are never among
# the ten: ``dead_units_`` marks them.
fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
chosen = np.concatenate([np.flatnonzero(y_test == digit)[:10] for digit in range(10)])
titles = {1.0: 'sparsity="kl", rho=0.05, lambd=1', "topk": 'sparsity="topk", k=10'}
for ax, (name, title) in zip(axes, titles.items(), strict=True):
    codes = models[name].transform(X_test[chosen])
    codes = codes[:, np.argsort(codes.argmax(axis=0))]  # by most activating image
    image = ax.imshow(codes / codes.max(), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    ax.set(xlabel="unit", title=title, yticks=np.arange(5, 100, 10))
    ax.set_yticklabels(range(10))
axes[0].set_ylabel("images, sorted by digit")
fig.colorbar(image, ax=axes, label="relative to the largest code")

active = (models["topk"].transform(X_test) > 0).sum(axis=1)
assert active.max() <= 10
assert (models[1.0].transform(X_test) > 0).all()
dead = models["topk"].dead_units_.sum()
print(f"{dead} of 200 units are dead with k=10")
assert 0 < dead < 100
plt.show()
