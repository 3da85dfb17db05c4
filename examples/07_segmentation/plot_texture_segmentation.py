"""
Textures with the same brightness, contrast and spectrum
========================================================

We segment a mosaic of six textures from 50 labelled pixels of each. The patch around
each pixel is encoded, the codes are averaged over the neighbourhood, and a linear
classifier predicts the texture. The codes of PCA measure the energy of a texture, which
is the same for three of the six textures. The codes of a
:class:`~sklearn_ae.SparseAutoencoder` detect strokes.
"""

# %%
# The textures are strokes in two directions, bright or dark, and noise with the same
# power spectrum, that is, strokes with random phases. All textures have mean 0 and
# standard deviation 1; then pixel noise is added. The classifiers are trained on one
# mosaic and tested on another one, with other strokes and another layout.
import numpy as np

size = 192
names = [
    f"{kind}, {direction}"
    for direction in ("flat", "steep")
    for kind in ("bright", "dark", "random phases")
]


def strokes(angle, rng):
    """Thin bright strokes in one direction, at random positions."""
    u, v = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size))
    along = u * np.cos(angle) + v * np.sin(angle)
    across = v * np.cos(angle) - u * np.sin(angle)
    stroke = np.exp(-2 * np.pi**2 * ((3.6 * along) ** 2 + across**2))
    points = rng.random((size, size)) < 0.012
    image = np.fft.ifft2(np.fft.fft2(points) * stroke).real
    return (image - image.mean()) / image.std()


def with_random_phases(image, rng):
    noise = np.fft.fft2(rng.normal(size=image.shape))
    return np.fft.ifft2(np.abs(np.fft.fft2(image)) * noise / np.abs(noise)).real


def mosaic(seed):
    """An image, and the index of the texture at each of its pixels."""
    rng = np.random.default_rng(seed)
    textures = []
    for angle in (0.5, 0.5 + np.pi / 2):
        bright, dark, other = (strokes(angle, rng) for _ in range(3))
        textures += [bright, -dark, with_random_phases(other, rng)]
    # A region consists of the pixels that are nearest to one of six points.
    rows, columns = np.mgrid[:size, :size]
    points = np.array([(r, c) for r in (45, 148) for c in (30, 96, 163)])
    points = rng.permutation(points + rng.integers(-8, 9, points.shape))
    regions = np.argmin([(rows - r) ** 2 + (columns - c) ** 2 for r, c in points], 0)
    image = np.take_along_axis(np.array(textures), regions[None], axis=0)[0]
    return image + rng.normal(scale=0.5, size=image.shape), regions


image, regions = mosaic(seed=0)
test_image, test_regions = mosaic(seed=1)

# %%
# One row per pixel: the patch of 9 x 9 pixels around it.
side = 9


def patches(image):
    padded = np.pad(image, side // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return windows.reshape(image.size, -1).astype(np.float32)


X, X_test = patches(image), patches(test_image)
y, y_test = regions.ravel(), test_regions.ravel()

# %%
# Neither encoder sees labels. Of the 100 codes of a patch at most ``k=3`` are active,
# since few strokes cross a patch of this size. 8,000 patches and 30 epochs are enough.
from sklearn.decomposition import PCA

from sklearn_ae import SparseAutoencoder

some = np.random.default_rng(0).choice(len(X), 8000, replace=False)
sparse = SparseAutoencoder(100, sparsity="topk", k=3, max_epochs=30, random_state=0)
sparse.fit(X[some])
pca = PCA(40).fit(X[some])

# %%
# Averages over the neighbourhood, weighted by a Gaussian with a standard deviation of 9
# pixels, measure how active each code is there. Pixels and PCA codes average to zero,
# so we first split them into positive and negative parts. We add two stronger
# baselines: the cubes of the PCA codes, which distinguish bright from dark, and a
# nonlinear classifier on the raw pixels of the patch.
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def averages(codes):
    maps = codes.reshape(size, size, -1)
    return gaussian_filter(maps, (9, 9, 0)).reshape(len(codes), -1)


def parts(codes):
    return np.hstack([np.maximum(codes, 0), np.maximum(-codes, 0)])


def parts_and_cubes(codes):
    return np.hstack([parts(codes), codes**3])


linear = LogisticRegression(C=0.1, max_iter=1000)
methods = {
    "pixels, SVC": (lambda X: X, SVC()),
    "pixels": (lambda X: averages(parts(X)), linear),
    "PCA codes": (lambda X: averages(parts(pca.transform(X))), linear),
    "PCA codes, cubes": (lambda X: averages(parts_and_cubes(pca.transform(X))), linear),
    "sparse codes": (lambda X: averages(sparse.transform(X)), linear),
}

# %%
# Means over five draws of the 50 labelled pixels of each texture.
labelled = []
for seed in range(5):
    rng = np.random.default_rng(seed)
    of_each = [rng.choice(np.flatnonzero(y == k), 50, replace=False) for k in range(6)]
    labelled.append(np.concatenate(of_each))

accuracy, predicted = {}, {}
for name, (features, classifier) in methods.items():
    F, F_test = features(X), features(X_test)
    scores = []
    for rows in labelled:
        model = make_pipeline(StandardScaler(), classifier).fit(F[rows], y[rows])
        predicted[name] = model.predict(F_test)
        scores.append(np.mean(predicted[name] == y_test))
    accuracy[name] = np.mean(scores)
    print(f"{name:16} accuracy {accuracy[name]:.3f}")

best_pca = accuracy["PCA codes, cubes"]
assert accuracy["PCA codes"] < 0.45
assert accuracy["sparse codes"] > max(0.7, best_pca + 0.2)

# %%
# The test mosaic, and the predictions of two of the methods with one draw of the
# labels.
import matplotlib.pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

colors = ["#0072B2", "#56B4E9", "#009E73", "#D55E00", "#E69F00", "#CC79A7"]
maps = {"known regions": y_test}
for name in ("PCA codes, cubes", "sparse codes"):
    maps[f"{name}: {np.mean(predicted[name] == y_test):.0%}"] = predicted[name]

fig, axes = plt.subplots(1, 4, figsize=(9, 3.1), layout="constrained")
axes[0].imshow(test_image, cmap="gray", vmin=-3, vmax=3)
axes[0].set_title("test mosaic")
for ax, (title, labels) in zip(axes[1:], maps.items(), strict=True):
    ax.imshow(labels.reshape(size, size), cmap=ListedColormap(colors), vmin=0, vmax=5)
    ax.set_title(title)
for ax in axes:
    ax.set(xticks=[], yticks=[])
patches_of_legend = [
    Patch(color=color, label=name) for color, name in zip(colors, names, strict=True)
]
fig.legend(handles=patches_of_legend, loc="outside lower center", ncols=3)

# %%
# Why does this work? Many units of the sparse code represent one stroke, bright or
# dark, with a given direction and position, so bright and dark strokes activate
# different units. The principal components are waves, which fit a texture and its
# negative equally well.
from sklearn_ae.inspection import WeightsDisplay

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
WeightsDisplay.from_estimator(
    sparse, kind="decoder", units=range(36), image_shape=(side, side), ax=left
)
WeightsDisplay(weights=pca.components_[:36], image_shape=(side, side)).plot(ax=right)
left.set_title("36 of the 100 sparse units")
right.set_title("36 of the 40 principal components")
plt.show()

# %%
# Textures that differ in their spectra do not need this. For them the energies of PCA
# codes are good features, too.
