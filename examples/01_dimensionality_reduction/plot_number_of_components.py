"""
Choosing the number of components
=================================

With more components the error falls and falls, so it does not say by itself when to
stop. We draw it against their number for :class:`~sklearn_ae.Autoencoder` and
:class:`~sklearn.decomposition.PCA`, and then choose: as many as PCA needs for a share
of the variance, or the fewest that reach a score in a grid search.
"""

# %%
# The data: the digits, a third of them held out.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X_train, X_test = train_test_split(
    load_digits().data / 16, test_size=1 / 3, random_state=0
)

# %%
# The counterpart of a scree plot. For every number of components both are fitted to
# each of two halves and judged on the other. 40 epochs are fewer than usual on
# so few rows, and enough to see the shape.
import matplotlib.pyplot as plt

from sklearn_ae import Autoencoder
from sklearn_ae.inspection import ComponentsDisplay

autoencoder = Autoencoder(max_epochs=40, random_state=0)
display = ComponentsDisplay.from_estimator(
    autoencoder, X_train, n_components=[2, 4, 8, 16, 32], cv=2
)
display.ax_.set(xscale="log", xticks=display.n_components)
display.ax_.set_xticklabels(display.n_components)
display.ax_.minorticks_off()

means = {name: error.mean(axis=1) for name, error in display.errors.items()}
ratios = means["Autoencoder"] / means["PCA"]
for n_components, ratio in zip(display.n_components, ratios, strict=True):
    print(f"{n_components:2} components: {ratio:.2f} of PCA's error")
assert ratios[:4].max() < 0.9

# %%
# **A share of the variance.** As for PCA, a float in (0, 1) takes as many components as
# PCA needs to explain more than this share. The autoencoder then explains more of it.
by_share = Autoencoder(0.85, max_epochs=40, random_state=0).fit(X_train)
print(
    f"n_components=0.85: {by_share.n_components_} components, "
    f"{by_share.score(X_test):.3f} of the held-out variance explained"
)
assert by_share.score(X_test) > 0.85

# %%
# **The fewest that reach a score.** `score` is the share of the variance explained, so
# :class:`~sklearn.model_selection.GridSearchCV` needs neither ``y`` nor ``scoring``.
# Left alone it takes the most components on offer. A function as ``refit`` says what
# you want instead: the fewest that explain 85 % of the variance of held-out rows.
import numpy as np
from sklearn.model_selection import GridSearchCV

target = 0.85
candidates = [4, 8, 12, 16]


def fewest(results):
    return int(np.argmax(results["mean_test_score"] >= target))


search = GridSearchCV(
    autoencoder, {"n_components": candidates}, cv=2, refit=fewest
).fit(X_train)
scores = search.cv_results_["mean_test_score"]
for n_components, score in zip(candidates, scores, strict=True):
    print(f"{n_components:2} components: score {score:.3f}")
n_components = search.best_params_["n_components"]
print(f"The fewest that reach {target}: {n_components}")
assert (np.diff(scores) > 0).all()
assert n_components < by_share.n_components_

plt.show()

# %%
# Where the codes feed a classifier or regressor, ask that one: put both in a pipeline
# and search over ``n_components`` by its score. A score of reconstruction does not know
# which details matter later.
