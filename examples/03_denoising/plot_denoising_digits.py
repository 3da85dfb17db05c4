"""
Removing three kinds of noise from digits
=========================================

A denoising autoencoder is trained to recover the clean image from a corrupted one.
:class:`~sklearn_ae.DenoisingAutoencoder` corrupts its training images itself, with new
noise in every epoch. Here it restores held-out digits with Gaussian noise, with missing
pixels, and with salt-and-pepper noise. Its error is lower than that of the best
projection onto principal components. A short function adds a corruption of your own.
"""

# %%
# The data: images of 8 x 8 pixels in [0, 1], half of them held out.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, _, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)

# %%
# One autoencoder for each kind of noise, with 32 components. ``validation=None`` trains
# a single network instead of several candidates, and 60 epochs are fewer than the
# default for so few rows: quicker, and enough here. The same noise is applied to the
# held-out images.
from sklearn_ae import DenoisingAutoencoder

rng = np.random.default_rng(0)
shape = X_test.shape
extremes = rng.integers(0, 2, size=shape)
noisy = {
    "gaussian": X_test + 0.3 * rng.normal(size=shape),
    "masking": np.where(rng.uniform(size=shape) < 0.3, 0, X_test),
    "salt_and_pepper": np.where(rng.uniform(size=shape) < 0.2, extremes, X_test),
}
levels = {"gaussian": 0.3, "masking": 0.3, "salt_and_pepper": 0.2}
denoisers = {
    kind: DenoisingAutoencoder(
        32,
        corruption=kind,
        corruption_level=level,
        validation=None,
        max_epochs=60,
        random_state=0,
    ).fit(X_train)
    for kind, level in levels.items()
}

# %%
# PCA denoises as well, since the projection removes mostly noise. We give it the number
# of components with the lowest error on these very images, an advantage that it would
# not have in practice.
from sklearn.decomposition import PCA


def error(images):
    return np.mean((images - X_test) ** 2)


def best_pca(images):
    candidates = [PCA(n).fit(X_train) for n in (4, 8, 12, 16, 24, 32)]
    return min(
        candidates,
        key=lambda pca: error(pca.inverse_transform(pca.transform(images))),
    )


# %%
# The inputs, the clean images and both reconstructions, one image per digit. The errors
# are means over all held-out images.
import matplotlib.pyplot as plt

from sklearn_ae.inspection import ReconstructionDisplay

first = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
order = np.concatenate([first, np.delete(np.arange(len(X_test)), first)])
for kind, images in noisy.items():
    display = ReconstructionDisplay.from_estimator(
        {"PCA": best_pca(images), "Autoencoder": denoisers[kind]},
        images[order],
        X_target=X_test[order],
        difference=False,
        im_kw={"vmin": 0, "vmax": 1},
    )
    display.ax_.set_title(kind)
    errors = {"noisy": error(images), **display.errors_}
    print(f"{kind:16}", {name: round(float(e), 4) for name, e in errors.items()})
    assert errors["Autoencoder"] < 0.75 * errors["PCA"] < errors["noisy"]


# %%
# A corruption of your own is a callable that takes a batch and a random number
# generator and returns a corrupted copy. Here it removes a square of 4 x 4 pixels at a
# random position.
import torch


def punch_hole(images, generator):
    rows, columns = torch.randint(0, 5, (2, len(images), 1, 1), generator=generator)
    across = torch.arange(8)
    in_rows = (across[:, None] >= rows) & (across[:, None] < rows + 4)
    in_columns = (across >= columns) & (across < columns + 4)
    return images * ~(in_rows & in_columns).reshape(len(images), 64)


generator = torch.Generator().manual_seed(0)
holed = punch_hole(torch.from_numpy(X_test), generator).numpy()
painter = DenoisingAutoencoder(
    32, corruption=punch_hole, validation=None, max_epochs=60, random_state=0
).fit(X_train)
display = ReconstructionDisplay.from_estimator(
    {"PCA": best_pca(holed), "Autoencoder": painter},
    holed[order],
    X_target=X_test[order],
    difference=False,
    im_kw={"vmin": 0, "vmax": 1},
)
display.ax_.set_title("a hole")
print(f"{'a hole':16}", {k: round(e, 4) for k, e in display.errors_.items()})
assert display.errors_["Autoencoder"] < 0.75 * display.errors_["PCA"]
plt.show()

# %%
# Denoising has a price where there is no noise: clean images are reconstructed less
# accurately than by PCA with as many components.
pca = PCA(32).fit(X_train)
clean_errors = {
    "PCA": error(pca.inverse_transform(pca.transform(X_test))),
    "Autoencoder": error(denoisers["gaussian"].reconstruct(X_test)),
}
print(f"{'clean':16}", {name: round(float(e), 4) for name, e in clean_errors.items()})
assert clean_errors["PCA"] < clean_errors["Autoencoder"]
