"""
Cleaning noisy images
=====================

A denoising autoencoder is trained to give back the clean image from a corrupted one.
:class:`~sklearn_ae.DenoisingAutoencoder` corrupts its training images itself, anew in
every epoch. Here it cleans held-out digits of three kinds of damage, one of them
written by ourselves in three lines, beside what the projection on principal components
makes of the same images.
"""

# %%
# The data: images of 8 x 8 pixels in [0, 1], half of them held out.
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, _, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)


# %%
# Three kinds of damage. A corruption of one's own takes a batch and a generator of
# random numbers, and returns a corrupted copy: here a hole of 4 x 4 pixels somewhere.
def punch_hole(images, generator):
    rows, columns = torch.randint(0, 5, (2, len(images), 1, 1), generator=generator)
    across = torch.arange(8)
    in_rows = (across[:, None] >= rows) & (across[:, None] < rows + 4)
    in_columns = (across >= columns) & (across < columns + 4)
    return images * ~(in_rows & in_columns).reshape(len(images), 64)


from sklearn_ae import DenoisingAutoencoder

denoisers = {
    "normal noise": DenoisingAutoencoder(32, corruption_level=0.3, random_state=0),
    "salt and pepper": DenoisingAutoencoder(
        32, corruption="salt_and_pepper", corruption_level=0.2, random_state=0
    ),
    "a hole": DenoisingAutoencoder(32, corruption=punch_hole, random_state=0),
}

# %%
# The same damage done to held-out images.
rng = np.random.default_rng(0)
salted = np.where(rng.uniform(size=X_test.shape) < 0.1, 1.0, X_test)
generator = torch.Generator().manual_seed(0)
damaged = {
    "normal noise": X_test + 0.3 * rng.normal(size=X_test.shape),
    "salt and pepper": np.where(rng.uniform(size=X_test.shape) < 0.1, 0.0, salted),
    "a hole": punch_hole(torch.from_numpy(X_test), generator).numpy(),
}

# %%
# Clean it. PCA gets the number of components that serves it best on these very images.
from sklearn.decomposition import PCA


def error(images):
    return np.mean((images - X_test) ** 2)


def best_projection(images):
    candidates = []
    for n_components in (4, 8, 12, 16, 24, 32):
        pca = PCA(n_components).fit(X_train)
        candidates.append(pca.inverse_transform(pca.transform(images)))
    return min(candidates, key=error)


cleaned = {}
for kind, denoiser in denoisers.items():
    cleaned[kind] = {
        "damaged": damaged[kind],
        "PCA": best_projection(damaged[kind]),
        "autoencoder": denoiser.fit(X_train).reconstruct(damaged[kind]),
    }
    errors = {name: error(images) for name, images in cleaned[kind].items()}
    print(kind, {name: round(float(value), 4) for name, value in errors.items()})
    assert errors["autoencoder"] < 0.75 * errors["PCA"]

# %%
# The first held-out image of each digit. Errors are mean squared errors per pixel over
# all held-out images.
import matplotlib.pyplot as plt

first = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
fig = plt.figure(figsize=(9, 9))
parts = fig.subfigures(4, 1, height_ratios=[1.25, 3, 3, 3])


def draw(part, rows):
    axes = part.subplots(
        len(rows),
        10,
        squeeze=False,
        gridspec_kw={"left": 0.2, "right": 0.99, "hspace": 0.08, "wspace": 0.08},
    )
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, index in zip(row, first, strict=True):
            ax.imshow(images[index].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_color("0.8")
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)


draw(parts[0], {"original": X_test})
for part, (kind, images) in zip(parts[1:], cleaned.items(), strict=True):
    draw(part, {f"{k}\nerror {error(v):.4f}": v for k, v in images.items()})
    part.suptitle(kind, x=0.01, y=0.93, ha="left", weight="bold", size="medium")
plt.show()
