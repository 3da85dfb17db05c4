"""
Weight penalties, dropout and early stopping against overfitting
================================================================

A network with far more weights than data learns its training rows by heart. Each of
four measures of :class:`~sklearn_ae.Autoencoder` prevents that: ``early_stopping``,
``l2_penalty``, ``l1_penalty`` and ``dropout``. We watch them on 200 images, from random
weights, and compare on some 1600 others.
"""

# %%
# The data: few digits to learn from, all others to judge by.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X_train, X_test = train_test_split(
    load_digits().data / 16, train_size=200, random_state=0
)

# %%
# A network that overfits: 256 hidden units, as is the default, but with
# ``optimizer="adam"`` instead of "adamw", whose weight decay is a regulariser of its
# own; with random weights instead of PCA's; and at a constant learning rate for 300
# epochs of small batches.
from sklearn_ae import Autoencoder

plain = {
    "n_components": 8,
    "init": "random",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "learning_rate_schedule": "constant",
    "batch_size": 32,
    "max_epochs": 300,
    "random_state": 0,
}
measures = {
    "none": {},
    "L2 penalty": {"l2_penalty": 3e-3},
    "L1 penalty": {"l1_penalty": 1e-3},
    "dropout": {"dropout": 0.2},
}

# %%
# Each network is trained twice. Once it holds out 50 of the 200 rows, from which come
# the curves below. Such a fit keeps the weights of its lowest validation loss, which
# *is* early stopping. The other three measures are then judged by themselves: without
# it, trained on all rows to the last epoch.
import numpy as np
from sklearn.decomposition import PCA

watched = {
    name: Autoencoder(**plain, **measure, validation_fraction=0.25).fit(X_train)
    for name, measure in measures.items()
}
fitted = {
    name: Autoencoder(**plain, **measure, early_stopping=False).fit(X_train)
    for name, measure in measures.items()
}
fitted["early stopping"] = watched["none"]

errors = {}
print("                  training   unseen")
for name, model in fitted.items():
    errors[name] = [model.reconstruction_error(X).mean() for X in (X_train, X_test)]
    print("{:15}     {:.4f}   {:.4f}".format(name, *errors[name]))
pca = PCA(8).fit(X_train)
errors["PCA"] = [
    np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
    for X in (X_train, X_test)
]
print("{:15}     {:.4f}   {:.4f}".format("PCA", *errors["PCA"]))

# %%
# The unregularised network has by far the lowest error on its training rows, and on
# others no lower one than PCA. Every measure makes the first worse and the second
# better.
for name in ("L2 penalty", "L1 penalty", "dropout", "early stopping"):
    assert errors[name][0] > 1.5 * errors["none"][0]
    assert errors[name][1] < 0.9 * errors["none"][1]
    assert errors[name][1] < 0.9 * errors["PCA"][1]
assert errors["none"][1] > 0.95 * errors["PCA"][1]

# %%
# The curves: the error alone, without the penalties that are part of the loss. With
# dropout the training error is that of the damaged network.
import matplotlib.pyplot as plt

from sklearn_ae.inspection import LossCurveDisplay

fig, axes = plt.subplots(
    2, 2, figsize=(8, 5.5), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, model) in zip(axes.flat, watched.items(), strict=True):
    history = {
        f"{part}_loss": model.history_[f"{part}_reconstruction"]
        for part in ("train", "valid")
    }
    LossCurveDisplay(history=history).plot(ax)
    lowest = np.argmin(history["valid_loss"])
    ax.plot(
        lowest + 1,
        history["valid_loss"][lowest],
        "v",
        color="#D55E00",
        label="early stopping keeps this",
    )
    ax.set(title="no regularisation" if name == "none" else name)
    ax.set(ylabel="error of an image, halved")
    ax.label_outer()
    ax.get_legend().remove()
axes[0, 0].legend(loc="lower left", fontsize=7)

# %%
# Without regularisation the validation curve turns and rises; with it, hardly.
rise = {}
for name, model in watched.items():
    curve = model.history_["valid_reconstruction"]
    rise[name] = curve[-1] / curve.min()
    print(f"{name:11}  last validation error {rise[name]:.2f} of the lowest")
assert rise["none"] > 1.2
assert max(value for name, value in rise.items() if name != "none") < 1.2

# %%
# Early stopping costs rows that are then not learned from: where they are few, a
# penalty or dropout gets further, once its weight is found. The defaults combine a
# start as PCA, weight decay and early stopping, so that there is no weight to find.
for name in ("L2 penalty", "L1 penalty", "dropout"):
    assert errors[name][1] < errors["early stopping"][1]

plt.show()
