"""
PCA and an autoencoder, side by side on the digits
==================================================

A pipeline reduces the 64 pixels of scikit-learn's handwritten digits to 8 components
and classifies these. We fit it once with :class:`~sklearn.decomposition.PCA` and once
with :class:`~sklearn_ae.Autoencoder`, and compare both on held-out images: how well the
8 components determine the image, and how well they determine the class.
"""

# %%
# The data: 1797 images of 8 x 8 pixels with values from 0 to 16, half of them held out.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.5, random_state=0
)

# %%
# Two pipelines that differ in one step. All pixels share the same scale, so neither
# needs a ``StandardScaler``.
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ae import Autoencoder

n_components = 8
reducers = {
    "PCA": PCA(n_components),
    "Autoencoder": Autoencoder(n_components, random_state=0),
}
pipelines = {
    name: make_pipeline(reducer, LogisticRegression(max_iter=1000))
    for name, reducer in reducers.items()
}

# %%
# Fit both. The steps before the classifier map held-out images to 8 components and
# back.
import numpy as np

reconstructions, errors = {}, {}
for name, pipeline in pipelines.items():
    pipeline.fit(X_train, y_train)
    reducer = pipeline[:-1]
    reconstructions[name] = reducer.inverse_transform(reducer.transform(X_test))
    errors[name] = np.mean((X_test - reconstructions[name]) ** 2)
    print(
        f"{name:11}  mean squared error per pixel {errors[name]:.4f}"
        f"  accuracy {pipeline.score(X_test, y_test):.3f}"
    )

ratio = errors["Autoencoder"] / errors["PCA"]
print(f"The autoencoder's reconstruction error is {ratio:.2f} of PCA's.")
assert ratio < 1

# %%
# The first held-out image of each digit, and its reconstructions from 8 components.
import sys

import matplotlib.pyplot as plt

first = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
rows = {"Original, 64 pixels": X_test}
for name, images in reconstructions.items():
    rows[f"{name}, 8 numbers, error {errors[name]:.4f}"] = images

fig, axes = plt.subplots(
    len(rows),
    len(first),
    figsize=(7, 3.2),
    gridspec_kw={"wspace": 0.08, "hspace": 0.5},
)
for row, (label, images) in zip(axes, rows.items(), strict=True):
    for ax, index in zip(row, first, strict=True):
        ax.imshow(images[index].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
    row[0].set_title(label, loc="left", fontsize=13)

path = sys.argv[1] if len(sys.argv) > 1 else "digits_reconstructions.png"
fig.savefig(path, dpi=160, bbox_inches="tight", facecolor="white")
print(f"Wrote {path}")
plt.show()
