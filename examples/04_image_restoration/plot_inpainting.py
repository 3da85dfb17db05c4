"""
Filling in the missing pixels of a photograph
=============================================

Two thirds of the pixels of a photograph are lost, or it is covered with scratches. We
train an autoencoder on patches of another part of the photograph, with pixels removed
artificially, and use it to fill the gaps. We compare it with biharmonic inpainting, the
smoothest surface through the remaining pixels.
"""

# %%
# A photograph at half its resolution. We train on the left part and restore the right
# part, so that the missing pixels are never seen in training.
import numpy as np
from sklearn.datasets import load_sample_image

photo = load_sample_image("china.jpg")[:426] / 255
photo = photo.reshape(213, 2, 320, 2, 3).mean(axis=(1, 3))
left, right = photo[:, :105], photo[40:, 105:233]

# %%
# Two kinds of damage: pixels lost independently, and scratches three pixels wide. Each
# function returns a mask of the known pixels.
from skimage.draw import line

rng = np.random.default_rng(0)


def lose_pixels(shape):
    return rng.uniform(size=shape) > 2 / 3


def scratch(shape):
    known = np.ones(shape, dtype=bool)
    height, width = shape
    for _ in range(height * width // 800):
        row, column = rng.integers(height - 2), rng.integers(width - 2)
        rows, columns = line(row, column, *rng.integers((height - 2, width - 2)))
        rows, columns = rows[:60], columns[:60]
        for i in range(3):
            for j in range(3):
                known[rows + i, columns + j] = False
    return known


damages = {"two thirds of pixels lost": lose_pixels, "scratches": scratch}

# %%
# The input of the network for a patch: the known pixels minus their mean, zeros in
# place of the missing ones, and a mask column per pixel that marks the known pixels.
# The mean is added back to the output.
from sklearn.feature_extraction.image import (
    extract_patches_2d,
    reconstruct_from_patches_2d,
)

size = 8


def to_patches(image):
    patches = extract_patches_2d(image, (size, size))
    return patches.reshape(len(patches), size * size, -1)


def to_rows(image, known):
    known = to_patches(known)
    pixels = to_patches(image) * known
    mean = pixels.sum(axis=1, keepdims=True) / known.sum(axis=1, keepdims=True).clip(1)
    rows = np.concatenate([(pixels - mean) * known, 0.3 * known], axis=2)
    return rows.reshape(len(rows), -1).astype(np.float32), mean


# %%
# Training pairs: patches of the left part and its mirror image, damaged in both ways,
# with the undamaged patches as targets. One network learns to repair both.
X, X_target = [], []
for damage in damages.values():
    for image in (left, left[:, ::-1]):
        rows, mean = to_rows(image, damage(image.shape[:2]))
        X.append(rows)
        X_target.append((to_patches(image) - mean).reshape(len(rows), -1))
X, X_target = np.concatenate(X), np.concatenate(X_target).astype(np.float32)
chosen = rng.permutation(len(X))[:20000]
X, X_target = X[chosen], X_target[chosen]

# %%
# The code has a quarter as many components as the input has columns. The learning rate
# is half the default, at which the loss of these inputs jumps in the first epochs. A
# linear model learns from the same pairs.
from sklearn.linear_model import Ridge

from sklearn_ae import DenoisingAutoencoder

autoencoder = DenoisingAutoencoder(
    64, max_epochs=10, learning_rate=0.01, random_state=0
)
autoencoder.fit(X, X_target=X_target)
ridge = Ridge(0.1).fit(X, X_target)

# %%
# The predictions of overlapping patches are averaged. Known pixels stay as they are.
from skimage.restoration import inpaint_biharmonic


def assemble(rows, mean, known):
    patches = rows.reshape(len(rows), size * size, 3) + mean
    patches = patches.reshape(-1, size, size, 3)
    predicted = reconstruct_from_patches_2d(patches, right.shape).clip(0, 1)
    return np.where(known[..., None], right, predicted)


damaged, results = {}, {}
for kind, damage in damages.items():
    known = damage(right.shape[:2])
    damaged[kind] = known[..., None] * right
    rows, mean = to_rows(damaged[kind], known)
    results[kind] = {
        "mean colour": np.where(known[..., None], right, right[known].mean(axis=0)),
        "ridge regression": assemble(ridge.predict(rows), mean, known),
        "biharmonic": inpaint_biharmonic(damaged[kind], ~known, channel_axis=-1),
        "autoencoder": assemble(autoencoder.reconstruct(rows), mean, known),
    }

# %%
# Peak signal-to-noise ratio (in decibels) and structural similarity (at most 1); higher
# is better for both.
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

psnr, ssim = {}, {}
for kind, images in results.items():
    print(kind)
    for name, image in images.items():
        psnr[kind, name] = peak_signal_noise_ratio(right, image, data_range=1)
        ssim[kind, name] = structural_similarity(
            right, image, channel_axis=-1, data_range=1
        )
        print(
            f"  {name:18}  PSNR {psnr[kind, name]:.1f} dB  SSIM {ssim[kind, name]:.3f}"
        )

for kind in results:
    assert psnr[kind, "autoencoder"] > psnr[kind, "biharmonic"] + 0.2
    assert psnr[kind, "autoencoder"] > psnr[kind, "ridge regression"] + 0.3

# %%
# The right part of the photograph before and after restoration.
import matplotlib.pyplot as plt

fig, axes = plt.subplots(2, 4, figsize=(9, 6.7), layout="constrained")
for row, (kind, images) in zip(axes, results.items(), strict=True):
    row[0].imshow(damaged[kind])
    row[0].set_title(kind, fontsize=10)
    for ax, name in zip(row[1:3], ("biharmonic", "autoencoder"), strict=True):
        figures = f"{psnr[kind, name]:.1f} dB, SSIM {ssim[kind, name]:.3f}"
        ax.imshow(images[name].clip(0, 1))
        ax.set_title(f"{name}\n{figures}", fontsize=10)
    row[3].imshow(right)
    row[3].set_title("original", fontsize=10)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Biharmonic inpainting needs no training and is hard to beat by more than a few tenths
# of a decibel. It overshoots to colours that do not occur nearby, where the autoencoder
# knows what roofs and their edges look like. In structural similarity the two are about
# equal. The autoencoder cannot fill a gap that is wider than a patch.
