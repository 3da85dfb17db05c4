"""
A sparse autoencoder finds edges in photographs
===============================================

Sparse codes of small patches of photographs respond to edges and bars, like cells of
the visual cortex. Here :class:`~sklearn_ae.SparseAutoencoder` finds them in two
pictures that come with scikit-learn. The same network without the penalty does not.
"""

# %%
# 8,000 grey patches of 10 x 10 pixels from each picture. We subtract the mean of each
# patch and whiten the rest, as in Stanford's deep learning tutorial (UFLDL): each
# principal component is divided by its standard deviation, regularised by a constant
# that limits noise. Otherwise a few smooth components would have almost all the
# variance.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d

side = 10
pictures = [picture.mean(axis=2) / 255 for picture in load_sample_images().images]
X = np.concatenate(
    [
        extract_patches_2d(picture, (side, side), max_patches=8000, random_state=0)
        for picture in pictures
    ]
).reshape(-1, side * side)
X = X - X.mean(axis=1, keepdims=True)
variances, directions = np.linalg.eigh(np.cov(X.T))
X = X @ (directions / np.sqrt(variances + 0.1)) @ directions.T

# %%
# A hundred units, with the settings of the tutorial. A target of 0.035 means that a
# patch activates three or four of the hundred units. ``l2_penalty`` shrinks weights
# that nothing else determines, such as the weights of the finest patterns. 15 epochs
# are enough.
from sklearn_ae import SparseAutoencoder

settings = {"l2_penalty": 0.003, "max_epochs": 15, "random_state": 0}
models = {
    "sparse": SparseAutoencoder(100, rho=0.035, lambd=5.0, **settings),
    "without the penalty": SparseAutoencoder(100, lambd=0.0, **settings),
}
for name, model in models.items():
    model.fit(X)
    print(f"{name:20} variance explained {model.score(X):.2f}")

# %%
# The first 64 units as tiles: the patch of given norm that activates each unit most.
# Zero is grey. Next to them are the components of PCA.
from sklearn.decomposition import PCA

from sklearn_ae.inspection import ActivationDisplay, WeightsDisplay

fig, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
displays = {
    name: WeightsDisplay.from_estimator(
        model, kind="activating", units=range(64), ax=ax
    )
    for ax, (name, model) in zip(axes[:2], models.items(), strict=True)
}
displays["PCA"] = WeightsDisplay(weights=PCA(64).fit(X).components_).plot(axes[2])
for ax, name in zip(axes, displays, strict=True):
    ax.set_title(name)

# %%
# The sparse units are edges and bars, many of them confined to one place. Without the
# penalty nothing prefers one mixture of patterns to another, and the units look as
# random as their initial weights. The components of PCA are waves that fill the whole
# patch. Most of them are chequered: they oscillate in two directions at once.
#
# To measure whether a tile is an edge, we look at its Fourier components: for an edge
# they all have the same direction. We take the mean of ``exp(2 i angle)`` over the
# components, weighted by their power. Its absolute value is 1 if all directions agree,
# and near 0 for noise.


def orientation(tiles):
    power = np.abs(np.fft.fft2(tiles.reshape(-1, side, side))) ** 2
    power[:, 0, 0] = 0  # the mean has no direction
    down, across = np.meshgrid(*2 * [np.fft.fftfreq(side)], indexing="ij")
    turns = np.exp(2j * np.arctan2(down, across))
    return np.abs((power * turns).sum(axis=(1, 2))) / power.sum(axis=(1, 2))


medians = {}
for name, display in displays.items():
    medians[name] = np.median(orientation(display.weights))
    print(f"{name:20} median orientation {medians[name]:.2f}")
assert medians["sparse"] > 1.25 * medians["PCA"]
assert medians["sparse"] > 2.5 * medians["without the penalty"]

# %%
# The mean activation of each unit is close to ``rho``, and no unit is dead.
display = ActivationDisplay.from_estimator(models["sparse"])
deviation = np.abs(models["sparse"].mean_activation_ / 0.035 - 1)
assert deviation.max() < 0.15
assert not models["sparse"].dead_units_.any()
plt.show()

# %%
# The price: the sparse codes explain less of the variance of whitened patches. Use them
# to find structure, not for compression.
