"""
Grid search of rho and lambd for a classifier
=============================================

How sparse a code should be depends on its purpose. Here
:class:`~sklearn_ae.SparseAutoencoder` is the first step of a pipeline that ends in a
classifier, and a grid search selects the ``rho`` and ``lambd`` with the best
classification accuracy. Raw pixels and PCA get grid searches of their own.
"""

# %%
# The data: images of 8 x 8 pixels in [0, 1], half of them held out until the end.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.5, random_state=0, stratify=y
)

# %%
# The target of the mean activations, ``rho``, and the weight of the penalty that keeps
# them there, ``lambd``, are parameters of a step: ``codes__rho`` and ``codes__lambd``.
# :class:`~sklearn_ae.model_selection.BatchedGridSearchCV` gives the scores of
# :class:`~sklearn.model_selection.GridSearchCV`, but trains the autoencoders of all
# settings and folds together. ``max_epochs=20`` is enough to tell settings apart. The
# scaler is needed because sparse codes are small and the classifier penalises large
# weights.
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import SparseAutoencoder
from sklearn_ae.model_selection import BatchedGridSearchCV

rhos = [0.005, 0.02, 0.07, 0.2, 0.5]
lambds = [0.01, 1.0, 30.0, 1000.0]

classifier = LogisticRegression(C=0.1, max_iter=1000)
sparse = Pipeline(
    [
        ("codes", SparseAutoencoder(100, max_epochs=20, random_state=0)),
        ("scaler", StandardScaler()),
        ("classifier", classifier),
    ]
)
search = BatchedGridSearchCV(sparse, {"codes__rho": rhos, "codes__lambd": lambds}, cv=3)
search.fit(X_train, y_train)
print(search.best_params_)

# %%
# Two alternatives to the first step: none at all, or PCA. Their searches choose the
# strength of the classifier's penalty and the number of components.
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV

strengths = {"classifier__C": [0.1, 1.0, 10.0]}
steps = [("scaler", StandardScaler()), ("classifier", classifier)]
searches = {
    "sparse codes": search,
    "pixels": GridSearchCV(Pipeline(steps), strengths, cv=3),
    "PCA": GridSearchCV(
        Pipeline([("codes", PCA()), *steps]),
        {"codes__n_components": [20, 30, 40]} | strengths,
        cv=3,
    ),
}
accuracies = {}
for name, one in searches.items():
    if name != "sparse codes":
        one.fit(X_train, y_train)
    accuracies[name] = one.score(X_test, y_test)
    print(
        f"{name:12} cross-validated accuracy {one.best_score_:.3f}, "
        f"held out {accuracies[name]:.3f}"
    )

# %%
# No choice depends on the held-out images. We check their accuracies and the
# cross-validated scores over the grid.
scores = search.cv_results_["mean_test_score"].reshape(len(lambds), len(rhos))
assert accuracies["sparse codes"] > accuracies["pixels"]
assert accuracies["sparse codes"] > accuracies["PCA"] + 0.01
# The best rho lies inside the grid, and the largest lambd is too large.
by_rho = scores[:2].mean(axis=0)
assert by_rho[2] > max(by_rho[0], by_rho[-1]) + 0.002
assert scores[:2, 1:-1].mean() > scores[-1, 1:-1].mean() + 0.003

# %%
# A heat map of the scores. With a ``rho`` that is too small, the codes carry little
# information. With a large one they are not sparse, and the classifier does no better
# than on pixels. ``lambd`` matters less: the initial mean activations are already close
# to ``rho``, so even a weak penalty keeps them there. A strong penalty neglects the
# reconstruction.
import matplotlib.pyplot as plt

fig, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.6), width_ratios=[3, 2], layout="constrained"
)
image = left.imshow(scores, cmap="cividis", aspect="auto")
middle = (scores.min() + scores.max()) / 2
for row, column in np.ndindex(*scores.shape):
    score = scores[row, column]
    color = "black" if score > middle else "white"
    left.text(column, row, f"{score:.3f}", ha="center", va="center", color=color)
row, column = np.unravel_index(scores.argmax(), scores.shape)
left.add_patch(
    plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, color="#D55E00", lw=3)
)
left.set(
    xticks=range(len(rhos)),
    xticklabels=rhos,
    xlabel="rho",
    yticks=range(len(lambds)),
    yticklabels=[f"{lambd:g}" for lambd in lambds],
    ylabel="lambd",
    title="Cross-validated accuracy",
)

right.plot(list(accuracies.values()), list(accuracies), "o", color="#0072B2", ms=9)
for name, accuracy in accuracies.items():
    right.annotate(
        f"{accuracy:.3f}",
        (accuracy, name),
        xytext=(0, 9),
        textcoords="offset points",
        ha="center",
    )
right.set(xlabel="accuracy", title="Accuracy on held-out images", ylim=(2.5, -0.5))
right.margins(x=0.2)
right.grid(axis="x", alpha=0.4)
plt.show()

# %%
# In your own searches, vary ``rho`` around its default of 0.05 by factors of two or
# three, and ``lambd`` by factors of ten. The scores of neighbouring settings differ by
# less than three folds can resolve, so any setting on the plateau will do.
