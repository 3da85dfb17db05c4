"""
Colouring half of a photograph from the other half
==================================================

The left half of a photograph is in colour, the right half is grey. An autoencoder
learns from patches of the left half which colours belong to which grey patch, and
colours the right half. A linear model cannot learn this, and nearest neighbours among
the same patches do it less well.
"""

# %%
# A photograph at half its resolution. Only the left half and its grey version are used
# in training.
import numpy as np
from skimage.color import rgb2gray
from sklearn.datasets import load_sample_image

photo = load_sample_image("flower.jpg")[:426] / 255
photo = photo.reshape(213, 2, 320, 2, 3).mean(axis=(1, 3))
left, right = photo[:, :152], photo[:, 152:]
grey = rgb2gray(right)

# %%
# Grey patches of 8 x 8 pixels and the same patches in colour, from the left half and
# its mirror image.
from sklearn.feature_extraction.image import extract_patches_2d

size = 8


def to_patches(image):
    patches = extract_patches_2d(image, (size, size))
    return patches.reshape(len(patches), -1).astype(np.float32)


both_ways = [left, left[:, ::-1]]
X_grey = np.concatenate([to_patches(rgb2gray(image)) for image in both_ways])
X_colour = np.concatenate([to_patches(image) for image in both_ways])
chosen = np.random.default_rng(0).permutation(len(X_grey))[:10000]
X_grey, X_colour = X_grey[chosen], X_colour[chosen]
print(f"{X_grey.shape[1]} grey values in, {X_colour.shape[1]} colour values out")

# %%
# Input and target may differ in width, so no padding is needed: 64 columns in, 192 out,
# and a code of 32 between them.
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from sklearn_ae import DenoisingAutoencoder

autoencoder = DenoisingAutoencoder(32, random_state=0)
autoencoder.fit(X_grey, X_target=X_colour)
linear = LinearRegression().fit(X_grey, X_colour)
neighbours = KNeighborsRegressor(10).fit(X_grey, X_colour)

# %%
# Every patch of the right half predicts the colours of its pixels. We average the
# predictions of overlapping patches and then shift all three channels of a pixel by the
# same amount, so that its brightness equals the known brightness of the grey
# photograph.
from sklearn.feature_extraction.image import reconstruct_from_patches_2d

X = to_patches(grey)


def assemble(patches):
    patches = patches.reshape(-1, size, size, 3).astype(float)
    image = reconstruct_from_patches_2d(patches, right.shape)
    return (image + (grey - rgb2gray(image))[..., None]).clip(0, 1)


results = {
    "grey": np.dstack([grey, grey, grey]),
    "linear regression": assemble(linear.predict(X)),
    "10 nearest neighbours": assemble(neighbours.predict(X)),
    "autoencoder": assemble(autoencoder.reconstruct(X)),
}

# %%
# Peak signal-to-noise ratio (in decibels) and structural similarity (at most 1),
# compared with the true colours; higher is better for both.
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

psnr, ssim = {}, {}
for name, image in results.items():
    psnr[name] = peak_signal_noise_ratio(right, image, data_range=1)
    ssim[name] = structural_similarity(right, image, channel_axis=-1, data_range=1)
    print(f"{name:21}  PSNR {psnr[name]:.1f} dB  SSIM {ssim[name]:.3f}")

assert psnr["autoencoder"] > psnr["linear regression"] + 4
assert psnr["autoencoder"] > psnr["10 nearest neighbours"] + 2

# %%
# The coloured right half next to the left half, which was used for training.
import matplotlib.pyplot as plt

fig, axes = plt.subplots(2, 2, figsize=(8.5, 6.5), layout="constrained")
shown = ("grey", "10 nearest neighbours", "autoencoder")
for ax, name in zip(axes.flat, shown, strict=False):
    ax.imshow(np.hstack([left, results[name]]))
    ax.axvline(left.shape[1] - 0.5, color="white", linewidth=1, linestyle=":")
    ax.set_title(f"{name}\n{psnr[name]:.1f} dB, SSIM {ssim[name]:.3f}", fontsize=10)
axes[1, 1].imshow(photo)
axes[1, 1].set_title("original", fontsize=10)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# The centre of the flower is as dark as the leaves. The autoencoder infers from the
# shape of the petals that it is red. The nearest neighbours, which are compared pixel
# by pixel, are mostly patches of leaves. In structural similarity the two differ less.
#
# Colours that do not occur in the left half cannot be predicted. The bud at the lower
# right is yellow but becomes orange, and blue leaves become green: the squared error
# favours the mean of all colours that go with a grey patch.
