"""
Generating digits with a variational autoencoder
================================================

:class:`~sklearn_ae.VariationalAutoencoder` is a density model: it gives the likelihood
of an image and generates new ones. Its code space has no gaps, so images on a path
between two digits look like digits as well. Training starts from probabilistic PCA, the
density model behind :meth:`sklearn.decomposition.PCA.score_samples`, and we compare the
two.
"""

# %%
# The data: scikit-learn's digits, 8 x 8 pixels in [0, 1], half of them held out. If the
# environment variable ``SKLEARN_AE_MNIST`` names an ``.npz`` file with MNIST, we use
# its first 6,000 training and 500 test images of 28 x 28 pixels instead.
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
print(f"{len(X_train)} training images of {side} x {side} pixels")

# %%
# Log-likelihoods of held-out images, in nats; higher is better. For a variational
# autoencoder we only get a lower bound, which becomes tighter with more importance
# samples.
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
# Samples from both models: for PCA ``mean + components * sqrt(variance) * normal``. How
# far is a sample from the nearest training image? The scale is the same distance for
# held-out images, which are real digits. Samples are smoother than real images, which
# reduces their distance, for PCA as well.
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
# The samples, and the most and the least likely held-out images. Simple images, such as
# ones, are likely; images with an unusual shape are unlikely.
import matplotlib.pyplot as plt

order = np.argsort(vae.score_samples(X_test))
pictures = {
    "Samples of PCA(8)": drawn["PCA"],
    "Samples of VAE(8)": drawn["VAE"],
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
# Interpolation in the code space, from one held-out digit to another in equal steps: we
# decode codes on the line between the two. Below each row is the interpolation of the
# pixels, which fades one digit into the other and shows both at once in between.
rng = np.random.default_rng(0)
share = np.linspace(0, 1, 9)[:, np.newaxis]


def interpolate(starts, ends, share):
    """Interpolations of the codes, and of the pixels of both reconstructions."""
    z_starts, z_ends = vae.transform(starts), vae.transform(ends)
    by_codes = vae.inverse_transform((1 - share) * z_starts + share * z_ends)
    by_pixels = (1 - share) * vae.reconstruct(starts) + share * vae.reconstruct(ends)
    return by_codes, by_pixels


pairs = [(0, 6), (1, 4), (3, 8)]
first = {digit: np.flatnonzero(y_test == digit)[:1] for digit in range(10)}
rows = [
    images
    for start, end in pairs
    for images in interpolate(X_test[first[start]], X_test[first[end]], share)
]
fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
ax.imshow(tiles(np.concatenate(rows), len(share)), cmap="gray_r", vmin=0, vmax=1)
ax.set_yticks(
    (np.arange(len(rows)) + 0.5) * (side + 2), ["codes", "pixels"] * len(pairs)
)
ax.set(xticks=[], title="Interpolation in equal steps, from left to right")
ax.tick_params(length=0)
ax.spines[:].set_visible(False)

# %%
# Halfway between 300 pairs of different digits, interpolated codes are closer to real
# digits than interpolated pixels.
starts, ends = rng.integers(len(X_test), size=(2, 400))
different = y_test[starts] != y_test[ends]
starts, ends = X_test[starts[different][:300]], X_test[ends[different][:300]]
halfway = interpolate(starts, ends, 0.5)
half = dict(zip(("codes", "pixels"), map(distance, halfway), strict=True))
print("halfway, distance to digits:", {name: f"{d:.2f}" for name, d in half.items()})
assert half["codes"] < 0.97 * half["pixels"]

# %%
# A code of two components can be shown completely. Left: the codes of the held-out
# digits. Right: decoded points of the plane.
from sklearn_ae.inspection import LatentSpaceDisplay

flat = VariationalAutoencoder(2, random_state=0).fit(X_train)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
LatentSpaceDisplay.from_estimator(flat, X_test, y_test, ax=left)
LatentSpaceDisplay.from_estimator(flat, X_test, kind="grid", n_grid=12, ax=right)

error = np.mean((flat.reconstruct(X_test) - X_test) ** 2)
pca = PCA(2).fit(X_train)
error_pca = np.mean((pca.inverse_transform(pca.transform(X_test)) - X_test) ** 2)
print(f"error with two components: VAE {error:.4f}, PCA {error_pca:.4f}")
assert error < 0.95 * error_pca
plt.show()

# %%
# Two components are few: digits overlap, and images in between are blurred. Use 8 or
# more components to generate images, and two for a map.
