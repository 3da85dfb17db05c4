"""
Codes as features for five classifiers
======================================

A good code should be useful for any model that comes after it. We train five
classifiers of scikit-learn on the pixels of the digits, on 8 components of PCA and of
an :class:`~sklearn_ae.Autoencoder`, and on wide codes of PCA and of a
:class:`~sklearn_ae.SparseAutoencoder`, and compare them on held-out images.
"""

# %%
# The representations. Sparse codes are mostly near zero, on different scales, so they
# are standardised. The other codes share a meaningful scale and stay as they are, which
# is better for k-NN and the SVC.
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ae import Autoencoder, SparseAutoencoder

X, y = load_digits(return_X_y=True)
X = X / 16
representations = {
    "64 pixels": FunctionTransformer(),
    "PCA(8)": PCA(8),
    "Autoencoder(8)": Autoencoder(8, random_state=0),
    "PCA(32)": PCA(32, random_state=0),
    "SparseAutoencoder(256)": make_pipeline(
        SparseAutoencoder(256, random_state=0), StandardScaler()
    ),
}

# %%
# The classifiers, with their defaults.
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

classifiers = {
    "logistic regression": LogisticRegression(max_iter=2000),
    "Gaussian naive Bayes": GaussianNB(),
    "k-NN": KNeighborsClassifier(),
    "random forest": RandomForestClassifier(random_state=0),
    "SVC": SVC(),
}

# %%
# Three random splits into halves. Each representation is learned once on the training
# half, for all classifiers.
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedShuffleSplit

splits = StratifiedShuffleSplit(3, train_size=0.5, random_state=0)
accuracy = np.empty((len(representations), len(classifiers), splits.get_n_splits()))
for k, (train, test) in enumerate(splits.split(X, y)):
    for i, transformer in enumerate(representations.values()):
        codes = transformer.fit_transform(X[train])
        codes_test = transformer.transform(X[test])
        for j, classifier in enumerate(classifiers.values()):
            classifier = clone(classifier).fit(codes, y[train])
            accuracy[i, j, k] = classifier.score(codes_test, y[test])

mean = accuracy.mean(axis=2)
print(" " * 22, *(f"{name.split()[-1]:>10}" for name in classifiers))
for name, values in zip(representations, mean, strict=True):
    print(f"{name:22}", *(f"{value:10.3f}" for value in values))

# %%
# All five classifiers do better with eight components of the autoencoder than with
# eight of PCA. Logistic regression is best with the sparse codes. Naive Bayes assumes
# that features are independent, which pixels are not. The codes of PCA, which are at
# least uncorrelated, and the sparse codes suit it much better. For the nonlinear
# classifiers k-NN, random forest and SVC, the pixels are as good as any code.
names = list(representations)
pixels, pca, narrow, pca_wide, sparse = mean
assert (narrow > pca).all()
assert sparse[0] > max(pixels[0], pca_wide[0]) + 0.005
assert min(sparse[1], pca_wide[1]) > pixels[1] + 0.05
assert (sparse[2:] < pixels[2:] + 0.01).all()

# %%
# Means and ranges over the splits.
import matplotlib.pyplot as plt

styles = [
    ("0.35", "s"),
    ("#E69F00", "v"),
    ("#D55E00", "^"),
    ("#56B4E9", "D"),
    ("#0072B2", "o"),
]
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
places = np.arange(len(classifiers))[::-1]
for i, (name, (color, marker)) in enumerate(zip(names, styles, strict=True)):
    offsets = places + 0.12 * (2 - i)
    ax.hlines(
        offsets,
        accuracy[i].min(axis=1),
        accuracy[i].max(axis=1),
        color=color,
        linewidth=1.5,
    )
    ax.plot(mean[i], offsets, marker, color=color, label=name)
ax.set_yticks(places, list(classifiers))
for place in places[:-1]:
    ax.axhline(place - 0.5, color="0.85", linewidth=0.8)
ax.set(
    xlabel="accuracy on held-out images: mean and range over three splits",
    title="Five classifiers on five representations",
)
ax.grid(axis="x", alpha=0.3)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()
