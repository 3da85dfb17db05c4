"""
Removing a watermark from a photograph
======================================

A half-transparent text lies over a photograph. We take it off with an autoencoder that
was trained on pairs of patches, with and without such marks, from the other half of the
photograph and with other letters. A mark is not noise: filters do not see it.
"""

# %%
# A photograph at half its resolution. The left half is there to learn from, the right
# half is the one to be cleaned.
import numpy as np
from sklearn.datasets import load_sample_image

photo = load_sample_image("flower.jpg")[:426] / 255
photo = photo.reshape(213, 2, 320, 2, 3).mean(axis=(1, 3))
left, right = photo[:, :152], photo[:, 152:]

# %%
# The mark: white letters that cover 35 % of what is below them, drawn by matplotlib.
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

opacity = 0.35


def letters(shape, lines):
    """How much of each pixel the letters cover, from 0 to 1."""
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
# Pairs to learn from: the left half and its mirror image under random strings at random
# places and angles. Both members of a pair are cut out of the same place.
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
# The target is what the mark has added to a patch, not the clean patch. The details of
# the photograph then need not pass through the code, and stay sharp. Twice the usual
# number of epochs pays here. Ridge regression on the same pairs tells what the hidden
# layers are good for.
from sklearn.linear_model import Ridge

from sklearn_ae import DenoisingAutoencoder

added = X_marked - X_clean
autoencoder = DenoisingAutoencoder(64, max_epochs=20, random_state=0)
autoencoder.fit(X_marked, X_target=added)
ridge = Ridge(0.1).fit(X_marked, added)

# %%
# All overlapping patches of the right half are cleaned, and each pixel is the mean of
# what its patches say.
from sklearn.feature_extraction.image import reconstruct_from_patches_2d

patches = extract_patches_2d(marked, (size, size))
X = patches.reshape(len(patches), -1).astype(np.float32)


def assemble(cleaned):
    cleaned = cleaned.reshape(patches.shape).astype(float)
    return reconstruct_from_patches_2d(cleaned, marked.shape).clip(0, 1)


# %%
# For comparison a median filter, and the inpainting of scikit-image, which is told
# where the letters are, forgets what is below them, and leaves all other pixels alone.
# The autoencoder is not told. Where the place is known, its output can be used there
# only.
from skimage.filters import median
from skimage.restoration import inpaint_biharmonic

is_marked = coverage > 0
filled = inpaint_biharmonic(marked, is_marked, channel_axis=-1).clip(0, 1)
freed = assemble(X - autoencoder.reconstruct(X))
results = {
    "with the mark": marked,
    "median filter": median(marked, np.ones((5, 5, 1))),
    "ridge regression": assemble(X - ridge.predict(X)),
    "autoencoder": freed,
    "inpainting, told where": filled,
    "autoencoder, told where": np.where(is_marked[..., None], freed, marked),
}

# %%
# Peak signal-to-noise ratio (in decibels) and structural similarity (at most 1): higher
# is better for both.
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

psnr, ssim = {}, {}
for name, image in results.items():
    psnr[name] = peak_signal_noise_ratio(right, image, data_range=1)
    ssim[name] = structural_similarity(right, image, channel_axis=-1, data_range=1)
    print(f"{name:23}  PSNR {psnr[name]:.1f} dB  SSIM {ssim[name]:.3f}")

for blind in ("with the mark", "median filter", "ridge regression"):
    assert psnr["autoencoder"] > psnr[blind] + 5
    assert ssim["autoencoder"] > ssim[blind] + 0.1
assert psnr["autoencoder, told where"] > psnr["inpainting, told where"] + 1

on_petals = is_marked & (right[..., 0] > 0.5)
errors = {
    name: np.mean((results[f"{name}, told where"] - right)[on_petals] ** 2)
    for name in ("inpainting", "autoencoder")
}
ratio = errors["autoencoder"] / errors["inpainting"]
print(f"Squared error under letters on petals: {ratio:.2f} of inpainting's")
assert ratio < 0.75

# %%
# The right half with the mark, without it, and as it was.
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
# Inpainting guesses what is below the letters from what surrounds them. On the petals
# it smears, while the autoencoder sees them through the letters. On leaves out of focus
# a guess is enough, and the autoencoder leaves faint outlines there: by the structural
# similarity inpainting is ahead, as long as somebody tells it where to work.
#
# The autoencoder knows this kind of photograph and this kind of mark. Neither other
# colours nor another opacity were in its training data, and both would need to be.
