"""
Cleaning noisy digits of three kinds of noise
=============================================

A denoising autoencoder is trained to give back the clean image from a corrupted one.
:class:`~sklearn_ae.DenoisingAutoencoder` corrupts its training images itself, anew in
every epoch. Here it cleans held-out digits of normal noise, of lost pixels and of salt
and pepper, with less error than the best projection on principal components. For
damage of another kind three lines will do.
"""

# %%
# The data: images of 8 x 8 pixels in [0, 1], half of them held out.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, _, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)

# %%
# One autoencoder for each kind of noise, with a code of 32 numbers, and the same noise
# done to images that it has not seen.
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
        32, corruption=kind, corruption_level=level, random_state=0
    ).fit(X_train)
    for kind, level in levels.items()
}

# %%
# PCA cleans as well: what is left out by the projection is mostly noise. It gets the
# number of components that serves it best on these very images, which is more than it
# could know.
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
# Inputs, clean images, and what the two make of the inputs, one image for each digit.
# The errors are means over all held-out images.
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
# Damage of one's own: a callable that takes a batch and a generator of random numbers,
# and returns a corrupted copy. Here it is a hole of 4 x 4 pixels somewhere.
import torch


def punch_hole(images, generator):
    rows, columns = torch.randint(0, 5, (2, len(images), 1, 1), generator=generator)
    across = torch.arange(8)
    in_rows = (across[:, None] >= rows) & (across[:, None] < rows + 4)
    in_columns = (across >= columns) & (across < columns + 4)
    return images * ~(in_rows & in_columns).reshape(len(images), 64)


generator = torch.Generator().manual_seed(0)
holed = punch_hole(torch.from_numpy(X_test), generator).numpy()
painter = DenoisingAutoencoder(32, corruption=punch_hole, random_state=0).fit(X_train)
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
# A denoiser has its price where there is nothing to clean: of clean images it keeps
# less than PCA with as many numbers.
pca = PCA(32).fit(X_train)
clean_errors = {
    "PCA": error(pca.inverse_transform(pca.transform(X_test))),
    "Autoencoder": error(denoisers["gaussian"].reconstruct(X_test)),
}
print(f"{'clean':16}", {name: round(float(e), 4) for name, e in clean_errors.items()})
assert clean_errors["PCA"] < clean_errors["Autoencoder"]
