"""
Fill gaps without a complete image to learn from
================================================

Half of the handwritten digits lack half of their pixels, the others a block of four by
four. A photograph is scratched, and there is no intact part to train on. With
``missing_values=np.nan`` an autoencoder learns from what has been observed, and its
reconstruction fills the rest. It is not told what kinds of gaps there are.
"""

# %%
# Digits with two kinds of gaps, in the rows for training as in the others. A missing
# pixel is NaN.
import numpy as np
from sklearn.datasets import load_digits

complete = load_digits().data / 16
rng = np.random.default_rng(0)
has_block = rng.random(len(complete)) < 0.5
corner = rng.integers(0, 5, (len(complete), 2, 1))
pixel = np.arange(8)
in_rows, in_columns = ((pixel >= corner) & (pixel < corner + 4)).swapaxes(0, 1)
blocks = (in_rows[:, :, None] & in_columns[:, None, :]).reshape(len(complete), -1)
lost = rng.random(complete.shape) < 0.5
missing = np.where(has_block[:, None], blocks, lost)
X = np.where(missing, np.nan, complete)
X_train, X_test = X[:1200], X[1200:]

# %%
# The loss counts observed pixels only. Training hides a part of them as well,
# different ones in every step, so that the network learns to predict pixels that it
# does not see.
from sklearn_ae import DenoisingAutoencoder
from sklearn_ae.objectives import MaskingNoise

autoencoder = DenoisingAutoencoder(
    32,
    corruption=MaskingNoise(0.5, value=np.nan),
    missing_values=np.nan,
    max_epochs=40,
    random_state=0,
)
guesses = {"autoencoder": autoencoder.fit(X_train).reconstruct(X_test)}

# %%
# Scikit-learn's imputers learn from the same rows.
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

imputers = {
    "mean": SimpleImputer(keep_empty_features=True),
    "neighbours": KNNImputer(keep_empty_features=True),
    "iterative": IterativeImputer(keep_empty_features=True),
}
for name, imputer in imputers.items():
    guesses[name] = imputer.fit(X_train).transform(X_test)

# %%
# Errors of the missing pixels of digits that were held out, as root mean squares; the
# pixels are in [0, 1].
truth, gaps, in_block = complete[1200:], missing[1200:], has_block[1200:]
errors = {}
print("               lost pixels  lost blocks")
for name in [*imputers, "autoencoder"]:
    squares = np.square(guesses[name] - truth)
    errors[name] = [
        np.sqrt(squares[kind][gaps[kind]].mean()) for kind in (~in_block, in_block)
    ]
    print(f"{name:12}         {errors[name][0]:.3f}        {errors[name][1]:.3f}")

assert all(np.less(errors["autoencoder"], np.multiply(0.85, errors["mean"])))
assert errors["autoencoder"][0] < errors["neighbours"][0]

# %%
# Four digits of each kind.
import matplotlib.pyplot as plt

shown = np.concatenate([np.flatnonzero(~in_block)[:4], np.flatnonzero(in_block)[:4]])
images = {"with gaps": X_test}
images |= {name: np.where(gaps, guesses[name], truth) for name in errors}
images["original"] = truth
colours = plt.get_cmap("gray_r").with_extremes(bad="tab:red")
fig, axes = plt.subplots(6, 8, figsize=(8, 6.4), layout="constrained")
for row, (name, table) in zip(axes, images.items(), strict=True):
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, image in zip(row, table[shown], strict=True):
        ax.imshow(image.reshape(8, 8), cmap=colours, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# The mean digit is the same grey blur in every gap. Neighbours, the iterative imputer
# and the autoencoder continue the strokes, and the autoencoder has the smallest error
# for lost pixels. For blocks it is close to the neighbours: a stroke that lies in the
# block altogether is not in the row, and similar digits are as good a guide as any.

# %%
# A photograph at half its resolution, scratched. All there is to learn from are its own
# patches of 8 by 8 pixels, most of which have gaps.
from skimage.draw import line
from sklearn.datasets import load_sample_image

photo = load_sample_image("china.jpg")[:426].mean(axis=2) / 255
photo = photo.reshape(213, 2, 320, 2).mean(axis=(1, 3))[40:, 105:233]
height, width = photo.shape
scratched = photo.copy()
for _ in range(28):
    row, column = rng.integers(height - 2), rng.integers(width - 2)
    rows, columns = line(row, column, *rng.integers((height - 2, width - 2)))
    for i, j in np.ndindex(3, 3):
        scratched[rows[:60] + i, columns[:60] + j] = np.nan
unknown = np.isnan(scratched)
print(f"{unknown.mean():.0%} of the pixels are missing")

patches = np.lib.stride_tricks.sliding_window_view(scratched, (8, 8)).reshape(-1, 64)
some = rng.permutation(len(patches))[:3000]
print(f"{np.isnan(patches[some]).any(axis=1).mean():.0%} of the patches have gaps")

# %%
# The guesses of overlapping patches are averaged. Biharmonic inpainting, the smoothest
# surface through the known pixels, is the usual method if there is nothing to learn
# from.
from skimage.restoration import inpaint_biharmonic
from sklearn.feature_extraction.image import reconstruct_from_patches_2d

from sklearn_ae import Autoencoder

of_patches = Autoencoder(24, missing_values=np.nan, max_epochs=15, random_state=0)
found = of_patches.fit(patches[some]).reconstruct(patches).reshape(-1, 8, 8)
filled = {
    "mean": np.full_like(photo, np.nanmean(scratched)),
    "biharmonic": inpaint_biharmonic(np.nan_to_num(scratched), unknown),
    "autoencoder": reconstruct_from_patches_2d(found, photo.shape),
}
rms = {}
for name, image in filled.items():
    filled[name] = np.where(unknown, image.clip(0, 1), photo)
    rms[name] = np.sqrt(np.square(filled[name] - photo)[unknown].mean())
    print(f"{name:12} {rms[name]:.3f}")

assert rms["autoencoder"] < 0.5 * rms["mean"]
assert rms["autoencoder"] < 0.95 * rms["biharmonic"]

# %%
# The photograph before and after.
images = {"with gaps": scratched} | filled | {"original": photo}
del images["mean"]
greys = plt.get_cmap("gray").with_extremes(bad="tab:red")
fig, axes = plt.subplots(1, 4, figsize=(9, 3.4), layout="constrained")
for ax, (name, image) in zip(axes, images.items(), strict=True):
    ax.imshow(image, cmap=greys, vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    error = f", error {rms[name]:.3f}" if name in rms else ""
    ax.set_title(name + error, fontsize=10)
plt.show()

# %%
# Biharmonic inpainting leaves streaks and spots where a scratch crosses an edge. The
# autoencoder continues eaves and columns. Where several scratches cross, it has little
# to go by, and blurs.
#
# Tables with columns in different units are filled by
# :class:`~sklearn_ae.AutoencoderImputer`; see :doc:`/user_guide/missing_values`.
