"""
A variational autoencoder draws digits
======================================

:class:`~sklearn_ae.VariationalAutoencoder` is a density: it tells how likely an image
is, draws new ones, and fills the space of its codes, so that a walk from one digit to
another stays among digits. It starts as probabilistic PCA, the density behind
:meth:`sklearn.decomposition.PCA.score_samples`, which is what we compare it with.
"""

# %%
# The data: scikit-learn's digits, 8 x 8 pixels in [0, 1], half of them held out. Where
# the environment variable ``SKLEARN_AE_MNIST`` names an ``.npz`` file with MNIST, its
# first 6,000 training and 500 test images of 28 x 28 pixels take their place.
import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

path = os.environ.get("SKLEARN_AE_MNIST")
if path:
    with np.load(path) as archive:
        X_train, X_test = archive["X_train"][:6000] / 255, archive["X_test"][:500] / 255
        y_test = archive["y_test"][:500]
else:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, _, y_test = train_test_split(
        X / 16, y, test_size=0.5, random_state=0
    )
side = round(np.sqrt(X_train.shape[1]))
print(f"{len(X_train)} images of {side} x {side} pixels to learn from")

# %%
# Log-likelihoods of held-out images, in nats, higher is better. For a variational
# autoencoder there is a bound from below; more importance samples bring it nearer.
from sklearn.decomposition import PCA

from sklearn_ae import VariationalAutoencoder

vae = VariationalAutoencoder(8, random_state=0).fit(X_train)
pca = PCA(8).fit(X_train)
lower = vae.score_samples(X_test).mean()
tight = vae.score_samples(X_test, n_importance_samples=50).mean()
print(f"PCA {pca.score(X_test):.1f}")
print(f"VAE, evidence lower bound {lower:.1f}")
print(f"VAE, 50 importance samples {tight:.1f}")
assert tight > lower > pca.score(X_test) + 8

# %%
# Draws of both densities: for PCA ``mean + components * sqrt(variance) * normal``. How
# far is a draw from the nearest image of the training set? Held-out images, which are
# digits beyond doubt, set the scale. Draws are smoother than images, which brings them
# nearer, those of PCA as well.
from sklearn.neighbors import NearestNeighbors

codes = np.sqrt(pca.explained_variance_) * np.random.default_rng(0).normal(
    size=(500, 8)
)
drawn = {"PCA": pca.inverse_transform(codes), "VAE": vae.sample(500, random_state=0)}
neighbors = NearestNeighbors(n_neighbors=1).fit(X_train)


def distance(images):
    """Median distance to the nearest training image, 1 for held-out images."""
    (nearest, usual) = (neighbors.kneighbors(each)[0] for each in (images, X_test))
    return np.median(nearest) / np.median(usual)


distances = {name: distance(images) for name, images in drawn.items()}
print("distance to digits:", {name: f"{d:.2f}" for name, d in distances.items()})
assert distances["VAE"] < 0.97 * distances["PCA"]

# %%
# Beside the draws the most and the least likely of the held-out images: likely are
# those that are simple, as ones are, and unlikely those of an unusual shape.
import matplotlib.pyplot as plt

order = np.argsort(vae.score_samples(X_test))
pictures = {
    "PCA(8), draws": drawn["PCA"],
    "VAE(8), draws": drawn["VAE"],
    "Held out, most likely": X_test[order[::-1]],
    "Held out, least likely": X_test[order],
}


def tiles(images, n_columns):
    images = images.reshape(-1, n_columns, side, side)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return padded.transpose(0, 2, 1, 3).reshape(-1, n_columns * (side + 2))


fig, axes = plt.subplots(1, 4, figsize=(9, 2.7), layout="constrained")
for ax, (title, images) in zip(axes, pictures.items(), strict=True):
    ax.imshow(tiles(images[:36], 6), cmap="gray_r", vmin=0, vmax=1)
    ax.set_title(title, fontsize=10)
    ax.set_axis_off()

# %%
# A walk through the code space, from one held-out digit to another in equal steps: the
# codes on the line between the two, decoded. Below each the same walk through the
# pixels, which fades one digit into the other and shows both on the way.
rng = np.random.default_rng(0)
share = np.linspace(0, 1, 9)[:, np.newaxis]


def walks(starts, ends, share):
    """Through the codes, and through the pixels between the same two images."""
    z_starts, z_ends = vae.transform(starts), vae.transform(ends)
    ours = vae.inverse_transform((1 - share) * z_starts + share * z_ends)
    ends_of_ours = vae.reconstruct(starts), vae.reconstruct(ends)
    return ours, (1 - share) * ends_of_ours[0] + share * ends_of_ours[1]


pairs = [(0, 6), (1, 4), (3, 8)]
first = {digit: np.flatnonzero(y_test == digit)[:1] for digit in range(10)}
rows = [
    images
    for start, end in pairs
    for images in walks(X_test[first[start]], X_test[first[end]], share)
]
fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
ax.imshow(tiles(np.concatenate(rows), len(share)), cmap="gray_r", vmin=0, vmax=1)
ax.set_yticks(
    (np.arange(len(rows)) + 0.5) * (side + 2), ["codes", "pixels"] * len(pairs)
)
ax.set(xticks=[], title="From left to right, in equal steps")
ax.tick_params(length=0)
ax.spines[:].set_visible(False)

# %%
# Halfway between 300 pairs of images of different digits, codes stay nearer to real
# digits than pixels do.
starts, ends = rng.integers(len(X_test), size=(2, 400))
different = y_test[starts] != y_test[ends]
starts, ends = X_test[starts[different][:300]], X_test[ends[different][:300]]
halfway = walks(starts, ends, 0.5)
half = dict(zip(("codes", "pixels"), map(distance, halfway), strict=True))
print("halfway, distance to digits:", {name: f"{d:.2f}" for name, d in half.items()})
assert half["codes"] < 0.97 * half["pixels"]

# %%
# With two numbers for a code, all of its space can be seen: on the left where the
# held-out digits are, on the right what the points of the plane decode to.
from sklearn_ae.inspection import LatentSpaceDisplay

flat = VariationalAutoencoder(2, random_state=0).fit(X_train)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
LatentSpaceDisplay.from_estimator(flat, X_test, y_test, ax=left)
LatentSpaceDisplay.from_estimator(flat, X_test, kind="grid", n_grid=12, ax=right)

error = np.mean((flat.reconstruct(X_test) - X_test) ** 2)
pca = PCA(2).fit(X_train)
error_pca = np.mean((pca.inverse_transform(pca.transform(X_test)) - X_test) ** 2)
print(f"error from two numbers: VAE {error:.4f}, PCA {error_pca:.4f}")
assert error < 0.95 * error_pca
plt.show()

# %%
# Two numbers are few: digits share places, and what lies between is blurred. Take 8 or
# more for draws, and two for a map.
