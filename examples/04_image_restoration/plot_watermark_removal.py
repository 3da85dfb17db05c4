"""
Removing a watermark from a photograph
======================================

A photograph has a semi-transparent text on top. We remove it with an autoencoder
trained on pairs of patches, with and without such marks, from the other half of the
photograph and with other letters. A watermark is not noise, so filters do not remove
it.
"""

# %%
# A photograph at half its resolution. The left half is for training; the watermark is
# removed from the right half.
import numpy as np
from sklearn.datasets import load_sample_image

photo = load_sample_image("flower.jpg")[:426] / 255
photo = photo.reshape(213, 2, 320, 2, 3).mean(axis=(1, 3))
left, right = photo[:, :152], photo[:, 152:]

# %%
# The watermark: white letters with an opacity of 35 %, drawn by matplotlib.
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

opacity = 0.35


def letters(shape, lines):
    """Share of each pixel that the letters cover, from 0 to 1."""
    height, width = shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    for x, y, text, angle in lines:
        figure.text(
            x,
            y,
            text,
            rotation=angle,
            color="white",
            size=22,
            weight="bold",
            ha="center",
            va="center",
        )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:height, :width, 0] / 255


def put_mark(image, coverage):
    mark = opacity * coverage[..., None]
    return (1 - mark) * image + mark


coverage = letters(right.shape, [(0.5, y, "sklearn_ae", 20) for y in (0.25, 0.5, 0.75)])
marked = put_mark(right, coverage)

# %%
# Training pairs: the left half and its mirror image with random strings at random
# positions and angles. Both patches of a pair come from the same position.
from sklearn.feature_extraction.image import extract_patches_2d

size = 8
rng = np.random.default_rng(0)
alphabet = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
pairs = []
for clean in [left, left[:, ::-1]] * 3:
    lines = [
        (*rng.uniform(size=2), "".join(rng.choice(alphabet, 8)), rng.uniform(-40, 40))
        for _ in range(8)
    ]
    both = np.dstack([put_mark(clean, letters(clean.shape, lines)), clean])
    pairs.append(
        extract_patches_2d(both, (size, size), max_patches=2500, random_state=0)
    )
pairs = np.concatenate(pairs).astype(np.float32)
X_marked = pairs[..., :3].reshape(len(pairs), -1)
X_clean = pairs[..., 3:].reshape(len(pairs), -1)

# %%
# The target is what the watermark adds to a patch, not the clean patch. The details of
# the photograph then need not pass through the code and stay sharp. Three times the
# default number of epochs helps here. Ridge regression on the same pairs shows what the
# hidden layers contribute.
from sklearn.linear_model import Ridge

from sklearn_ae import DenoisingAutoencoder

added = X_marked - X_clean
autoencoder = DenoisingAutoencoder(64, max_epochs=40, random_state=0)
autoencoder.fit(X_marked, X_target=added)
ridge = Ridge(0.1).fit(X_marked, added)

# %%
# All overlapping patches of the right half are cleaned, and each pixel is the mean over
# its patches.
from sklearn.feature_extraction.image import reconstruct_from_patches_2d

patches = extract_patches_2d(marked, (size, size))
X = patches.reshape(len(patches), -1).astype(np.float32)


def assemble(cleaned):
    cleaned = cleaned.reshape(patches.shape).astype(float)
    return reconstruct_from_patches_2d(cleaned, marked.shape).clip(0, 1)


# %%
# For comparison, a median filter and the inpainting of scikit-image. Inpainting is
# given the positions of the letters, discards the pixels there and leaves all other
# pixels as they are. The autoencoder does not know the positions. If they are known,
# its output can be restricted to them.
from skimage.filters import median
from skimage.restoration import inpaint_biharmonic

is_marked = coverage > 0
filled = inpaint_biharmonic(marked, is_marked, channel_axis=-1).clip(0, 1)
freed = assemble(X - autoencoder.reconstruct(X))
results = {
    "watermarked": marked,
    "median filter": median(marked, np.ones((5, 5, 1))),
    "ridge regression": assemble(X - ridge.predict(X)),
    "autoencoder": freed,
    "inpainting, mask known": filled,
    "autoencoder, mask known": np.where(is_marked[..., None], freed, marked),
}

# %%
# Peak signal-to-noise ratio (in decibels) and structural similarity (at most 1); higher
# is better for both.
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

psnr, ssim = {}, {}
for name, image in results.items():
    psnr[name] = peak_signal_noise_ratio(right, image, data_range=1)
    ssim[name] = structural_similarity(right, image, channel_axis=-1, data_range=1)
    print(f"{name:23}  PSNR {psnr[name]:.1f} dB  SSIM {ssim[name]:.3f}")

for blind in ("watermarked", "median filter", "ridge regression"):
    assert psnr["autoencoder"] > psnr[blind] + 5
    assert ssim["autoencoder"] > ssim[blind] + 0.1
assert psnr["autoencoder, mask known"] > psnr["inpainting, mask known"] + 1

on_petals = is_marked & (right[..., 0] > 0.5)
errors = {
    name: np.mean((results[f"{name}, mask known"] - right)[on_petals] ** 2)
    for name in ("inpainting", "autoencoder")
}
ratio = errors["autoencoder"] / errors["inpainting"]
print(f"Squared error under letters on petals: {ratio:.2f} times that of inpainting")
assert ratio < 0.75

# %%
# The right half with the watermark, after its removal, and the original.
import matplotlib.pyplot as plt

shown = [name for name in results if name != "ridge regression"]
fig, axes = plt.subplots(2, 3, figsize=(8, 7.3), layout="constrained")
for ax, name in zip(axes.flat, shown, strict=False):
    ax.imshow(results[name])
    ax.set_title(f"{name}\n{psnr[name]:.1f} dB, SSIM {ssim[name]:.3f}", fontsize=10)
axes[1, 2].imshow(right)
axes[1, 2].set_title("original", fontsize=10)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Inpainting fills in the letters from their surroundings. It blurs the petals, while
# the autoencoder sees them through the letters. On the out-of-focus leaves inpainting
# is sufficient, and the autoencoder leaves faint outlines there: in structural
# similarity inpainting is ahead, provided that it is given the positions of the
# letters.
#
# The autoencoder knows only this kind of photograph and this kind of watermark. To
# remove marks of other colours or opacities, it would need them in its training data.
