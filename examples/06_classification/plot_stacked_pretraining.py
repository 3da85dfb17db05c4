"""
Training a deep network layer by layer
======================================

:class:`~sklearn_ae.StackedAutoencoder` trains a deep network in the classical way: each
layer is first trained as a small autoencoder on the codes of the layer below. Then the
layers are unfolded into one deep network, and all of it is trained together. We look at
the losses of each stage and at the reconstructions from 8 components.
"""

# %%
# The data: 1797 images of 8 x 8 pixels in [0, 1]. Half of them are held out.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, _, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)

# %%
# Layers of 256, 128 and 8 units. Each layer is a copy of the prototype `layer`, which
# learns to remove masking noise from 30 % of its inputs. The activation is the sigmoid,
# as when pretraining was invented: it saturates, and deep sigmoid networks are hard to
# train from random weights. With the default activation pretraining gains little.
import numpy as np

from sklearn_ae import Autoencoder, DenoisingAutoencoder, StackedAutoencoder

stacked = StackedAutoencoder(
    8,
    hidden_layer_sizes=(256, 128),
    activation="sigmoid",
    layer=DenoisingAutoencoder(corruption="masking", corruption_level=0.3),
    random_state=0,
).fit(X_train)

# %%
# The fitted layers are in ``layers_``. Encoding with each in turn, and decoding in
# reverse order, gives the deep network before fine-tuning. For comparison we also train
# the same network without pretraining.


def reconstruct(layers, X):
    for layer in layers:
        X = layer.transform(X)
    for layer in reversed(layers):
        X = layer.inverse_transform(X)
    return X


network = Autoencoder(
    8,
    hidden_layer_sizes=(256, 128),
    activation="sigmoid",
    init="random",
    random_state=0,
)
reconstructions = {
    "original": X_test,
    "pretrained layers": reconstruct(stacked.layers_, X_test),
    "after fine-tuning": stacked.reconstruct(X_test),
    "no pretraining": network.fit(X_train).reconstruct(X_test),
}
errors = {
    name: np.mean((X_test - images) ** 2) for name, images in reconstructions.items()
}
for name, error in errors.items():
    print(f"{name:18} mean squared error per pixel {error:.4f}")

assert errors["after fine-tuning"] < 0.9 * errors["no pretraining"]
assert errors["after fine-tuning"] < 0.7 * errors["pretrained layers"]

# %%
# The history has a column for the stage. The losses of a layer refer to its own task,
# on noisy inputs and in its own units, so they cannot be compared between stages. The
# fine-tuning starts at the loss of the unfolded layers.
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

fig = plt.figure(figsize=(9, 6), layout="constrained")
top, bottom = fig.subfigures(2, height_ratios=[1.15, 1])
history = stacked.history_
titles = [f"stage {i}: layer {i + 1}" for i in range(3)] + ["stage 3: fine-tuning"]
widths = [X.shape[1], *(layer.n_components_ for layer in stacked.layers_)]
labels = [f"{wide} - {code} - {wide}" for wide, code in pairwise(widths)]
labels.append(" - ".join(map(str, widths)) + "\nand mirrored")
for stage, ax in enumerate(top.subplots(1, 4)):
    rows = history["stage"] == stage
    ax.plot(
        history["epoch"][rows],
        history["train_loss"][rows],
        "--",
        color="#D55E00",
        label="training",
    )
    ax.plot(
        history["epoch"][rows],
        history["valid_loss"][rows],
        color="#0072B2",
        label="held out",
    )
    ax.set(title=titles[stage], xlabel=f"epoch\n{labels[stage]}", yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    if stage == 0:
        ax.set_ylabel("loss")
        ax.legend(frameon=False)

first = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
axes = bottom.subplots(len(reconstructions), len(first))
for row, (name, images) in zip(axes, reconstructions.items(), strict=True):
    for ax, index in zip(row, first, strict=True):
        ax.imshow(images[index].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
    text = name if name == "original" else f"{name}\nerror {errors[name]:.4f}"
    row[0].set_ylabel(text, rotation=0, ha="right", va="center", labelpad=8)
plt.show()

# %%
# The network without pretraining is trained for as many epochs as the fine-tuning; the
# epochs of the layers come on top. If it is trained for as long as all stages together,
# it is about as good on the digits: see the notes of
# :class:`~sklearn_ae.StackedAutoencoder`.
