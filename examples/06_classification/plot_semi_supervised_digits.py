"""
Few labels, many images
=======================

Images are cheap, labels are not. :class:`~sklearn_ae.AutoencoderClassifier` pretrains
an autoencoder on all images, trains a classifier on the codes of those with a label,
and fine-tunes both together. We count what that is worth on scikit-learn's digits, for
20 to 320 labels among 898 images: the same network with and without pretraining, and
logistic regression, which sees the labelled images only.
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
# All labels are needed for training: ``early_stopping=False`` holds none of them out.
from sklearn_ae import AutoencoderClassifier

classifier = AutoencoderClassifier(early_stopping=False, max_epochs=50, random_state=0)
classifier.fit(X, with_labels(50, seed=0))
print(f"50 labels: accuracy {classifier.score(X_test, y_test):.3f}")

# %%
# Pretraining looks at no label. So one autoencoder, fitted before, serves all the
# classifiers that follow; an autoencoder that is fitted already is used as it is.
# ``max_epochs=0`` leaves the other one with its random weights.
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

pretrained = classifier.autoencoder_
random = clone(pretrained).set_params(max_epochs=0).fit(X)
params = {"early_stopping": False, "max_epochs": 50, "random_state": 0}
methods = {
    "pretrained on all images": AutoencoderClassifier(pretrained, **params),
    "not pretrained": AutoencoderClassifier(random, **params),
    "LogisticRegression": LogisticRegression(max_iter=1000),
}
numbers, seeds = [20, 40, 80, 160, 320], range(5)
accuracy = {name: np.empty((len(numbers), len(seeds))) for name in methods}
for i, n_labels in enumerate(numbers):
    for seed in seeds:
        few = with_labels(n_labels, seed)
        has_label = few != -1
        for name, method in methods.items():
            method.fit(X[has_label], few[has_label])
            accuracy[name][i, seed] = method.score(X_test, y_test)
    means = [f"{name} {values[i].mean():.3f}" for name, values in accuracy.items()]
    print(f"{n_labels:3} labels: {', '.join(means)}")

first, second, _ = accuracy.values()
assert (first.mean(axis=1) > second.mean(axis=1)).all()

# %%
# Means over five draws of the labels, and their range.
import matplotlib.pyplot as plt

styles = {
    "pretrained on all images": ("C0", "o-"),
    "not pretrained": ("C1", "s--"),
    "LogisticRegression": ("0.45", "^:"),
}
fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for name, (color, style) in styles.items():
    values = 100 * accuracy[name]
    ax.plot(numbers, values.mean(axis=1), style, color=color, label=name)
    ax.fill_between(
        numbers, values.min(axis=1), values.max(axis=1), color=color, alpha=0.12, lw=0
    )
ax.set_xscale("log", base=2)
ax.set_xticks(numbers, numbers)
ax.set(
    xlabel=f"labelled images of {len(y)}",
    ylabel="accuracy on held-out images (%)",
    title="What unlabelled digits are worth",
)
ax.grid(alpha=0.3)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", frameon=False)

plt.show()
