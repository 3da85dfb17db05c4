"""
Weight penalties, dropout and early stopping against overfitting
================================================================

A network with many more weights than training values memorises its training rows. Four
options of :class:`~sklearn_ae.Autoencoder` prevent this: ``l2_penalty``,
``l1_penalty``, ``dropout``, and ``validation``, which keeps the weights of the
epoch with the lowest validation loss. We train on 200 images from random weights and
evaluate on about 1600 others.
"""

# %%
# The data: few digits for training, all others for testing.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X_train, X_test = train_test_split(
    load_digits().data / 16, train_size=200, random_state=0
)

# %%
# A network that overfits. It starts from random weights instead of PCA, with 256 hidden
# units, the default for such networks. ``optimizer="adam"`` replaces "adamw", whose
# weight decay is itself a regulariser. The network is trained at a constant learning
# rate for 300 epochs with small batches.
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
# Each network is trained twice. The first fit holds out 50 of the 200 rows, which give
# the validation curves below, and keeps the weights with the lowest validation loss.
# The result is the same as that of early stopping; to save the remaining epochs as
# well, set ``n_iter_no_change``. The second fit evaluates the other three options
# without early stopping: it uses all rows and keeps the weights of the last epoch.
import numpy as np
from sklearn.decomposition import PCA

watched = {
    name: Autoencoder(**plain, **measure, validation=0.25).fit(X_train)
    for name, measure in measures.items()
}
fitted = {
    name: Autoencoder(**plain, **measure, validation=None).fit(X_train)
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
# The unregularised network has by far the lowest training error, but on unseen rows it
# is no better than PCA. Every option increases the training error and decreases the
# error on unseen rows.
for name in ("L2 penalty", "L1 penalty", "dropout", "early stopping"):
    assert errors[name][0] > 1.5 * errors["none"][0]
    assert errors[name][1] < 0.9 * errors["none"][1]
    assert errors[name][1] < 0.9 * errors["PCA"][1]
assert errors["none"][1] > 0.95 * errors["PCA"][1]

# %%
# The curves show the reconstruction error alone, without the penalty terms of the loss.
# With dropout, the training error is measured with units dropped.
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
        label="weights kept by early stopping",
    )
    ax.set(title="no regularisation" if name == "none" else name)
    ax.set(ylabel="half the error per image")
    ax.label_outer()
    ax.get_legend().remove()
axes[0, 0].legend(loc="lower left", fontsize=7)

# %%
# Without regularisation the validation error reaches a minimum and rises again; with
# regularisation it hardly rises.
rise = {}
for name, model in watched.items():
    curve = model.history_["valid_reconstruction"]
    rise[name] = curve[-1] / curve.min()
    print(f"{name:11}  last validation error / lowest: {rise[name]:.2f}")
assert rise["none"] > 1.2
assert max(value for name, value in rise.items() if name != "none") < 1.2

# %%
# Early stopping needs validation rows, which are then missing from the training data.
# If rows are few, a penalty or dropout gives a lower error, once its strength is tuned.
# The defaults combine weight decay with noise on the inputs, whose amount is chosen by
# unseen rows, so there is nothing to tune.
for name in ("L2 penalty", "L1 penalty", "dropout"):
    assert errors[name][1] < errors["early stopping"][1]

plt.show()
