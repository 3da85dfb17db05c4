"""
Few labels, many images
=======================

Images are cheap, labels are not. :class:`~sklearn_ae.AutoencoderClassifier` pretrains
an autoencoder on all images, trains a classifier on the codes of the labelled images,
and fine-tunes both together. We measure what this gains with 20 to 160 labels among 898
digits, compared with classifiers that see only the labelled images and with the
semi-supervised methods of scikit-learn.
"""

# %%
# Half of the digits are for testing. Rows without a label have ``y == -1``.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)


def with_labels(n_labels, seed):
    few = np.full_like(y, -1)
    labelled = np.random.RandomState(seed).permutation(len(y))[:n_labels]
    few[labelled] = y[labelled]
    return few


# %%
# All labels are needed for training, so ``validation=None`` holds none out.
from sklearn_ae import AutoencoderClassifier

params = {"validation": None, "max_epochs": 50, "random_state": 0}
classifier = AutoencoderClassifier(**params).fit(X, with_labels(50, seed=0))
print(f"50 labels: accuracy {classifier.score(X_test, y_test):.3f}")

# %%
# Pretraining does not use labels, so one pretrained autoencoder serves all the
# classifiers below: an autoencoder that is already fitted is used as it is. With
# ``max_epochs=0`` the second one keeps its initial weights. PCA sees all images, too.
# Self-training and label spreading accept ``y == -1`` like our classifier. The settings
# that differ from the defaults (``C``, ``gamma``) favour the scikit-learn models.
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

pretrained = classifier.autoencoder_
random = clone(pretrained).set_params(max_epochs=0).fit(X)
linear = LogisticRegression(C=10, max_iter=1000)
pca = FrozenEstimator(PCA(32, random_state=0).fit(X))
supervised = {
    "pretrained": AutoencoderClassifier(pretrained, **params),
    "not pretrained": AutoencoderClassifier(random, **params),
    "logistic regression, pixels": linear,
    "logistic regression, PCA": make_pipeline(pca, linear),
}
semi_supervised = {
    "self-training": SelfTrainingClassifier(linear),
    "label spreading": LabelSpreading(gamma=5),
}
numbers, n_draws = [20, 40, 80, 160], 5
accuracy = {
    name: np.empty((len(numbers), n_draws)) for name in supervised | semi_supervised
}
for i, n_labels in enumerate(numbers):
    for draw in range(n_draws):
        few = with_labels(n_labels, draw)
        has_label = few != -1
        for name, model in supervised.items():
            model.fit(X[has_label], few[has_label])
            accuracy[name][i, draw] = model.score(X_test, y_test)
        for name, model in semi_supervised.items():
            model.fit(X, few)
            accuracy[name][i, draw] = model.score(X_test, y_test)

print(f"{'labels':28}", *(f"{n_labels:6}" for n_labels in numbers))
for name, values in accuracy.items():
    print(f"{name:28}", *(f"{mean:6.3f}" for mean in values.mean(axis=1)))

mean = {name: values.mean(axis=1) for name, values in accuracy.items()}
for name in ("not pretrained", "logistic regression, pixels"):
    assert (mean["pretrained"] > mean[name] + 0.01).all()
assert mean["pretrained"].mean() > mean["self-training"].mean()
assert (mean["label spreading"] > mean["pretrained"]).all()

# %%
# Means over five draws of the labels, with the ranges of the two networks.
import matplotlib.pyplot as plt

styles = {
    "label spreading": ("#009E73", "D-."),
    "pretrained": ("#0072B2", "o-"),
    "self-training": ("#CC79A7", "v-."),
    "not pretrained": ("#D55E00", "s--"),
    "logistic regression, pixels": ("0.3", "^:"),
    "logistic regression, PCA": ("#E69F00", "x:"),
}
fig, ax = plt.subplots(figsize=(6.8, 4.4), layout="constrained")
for name, (color, style) in styles.items():
    ax.plot(numbers, mean[name], style, color=color, label=name)
    if "pretrained" in name:
        low, high = accuracy[name].min(axis=1), accuracy[name].max(axis=1)
        ax.fill_between(numbers, low, high, color=color, alpha=0.12, linewidth=0)
ax.set_xscale("log", base=2)
ax.set_xticks(numbers, numbers)
ax.set(
    xlabel=f"number of labelled images, of {len(y)}",
    ylabel="accuracy on held-out images",
    title="What unlabelled images contribute",
)
ax.grid(alpha=0.3)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", frameon=False)
plt.show()

# %%
# Without pretraining the network is no better than a linear classifier up to 80 labels.
# Label spreading is best: the neighbours of an image mostly show the same digit, and
# the method needs nothing else. It needs all training images for its predictions,
# though, and gives no codes.
