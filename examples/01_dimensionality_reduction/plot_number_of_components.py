"""
Choosing the number of components
=================================

The error keeps falling as components are added, so it does not tell by itself how many
to use. We plot it against the number of components for :class:`~sklearn_ae.Autoencoder`
and :class:`~sklearn.decomposition.PCA`, and then choose in two ways: as many as PCA
needs to explain a given share of the variance, or the fewest that reach a given score
in a grid search.
"""

# %%
# The data: the digits, a third of them held out.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X_train, X_test = train_test_split(
    load_digits().data / 16, test_size=1 / 3, random_state=0
)

# %%
# The counterpart of a scree plot. For each number of components, both models are fitted
# to each half of the training rows and evaluated on the other. 20 epochs are fewer than
# the default for so few rows, and ``validation=None`` trains a single network instead
# of several candidates: enough to see the shape of the curve.
import matplotlib.pyplot as plt

from sklearn_ae import Autoencoder
from sklearn_ae.inspection import ComponentsDisplay

autoencoder = Autoencoder(validation=None, max_epochs=20, random_state=0)
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
# **A share of the variance.** As in PCA, a float in (0, 1) selects as many components
# as PCA needs to explain more than this share. The autoencoder explains even more with
# as many components.
by_share = Autoencoder(0.85, validation=None, max_epochs=20, random_state=0)
by_share.fit(X_train)
print(
    f"n_components=0.85: {by_share.n_components_} components, "
    f"{by_share.score(X_test):.3f} of the held-out variance explained"
)
assert by_share.score(X_test) > 0.85

# %%
# **The fewest that reach a score.** `score` is the share of the variance explained, so
# :class:`~sklearn.model_selection.GridSearchCV` needs neither ``y`` nor ``scoring``. By
# default it would pick the largest candidate. Instead, we pass a function as ``refit``
# that picks the fewest components that explain 85 % of the held-out variance.
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
print(f"Fewest components that reach {target}: {n_components}")
assert (np.diff(scores) > 0).all()
assert n_components < by_share.n_components_

plt.show()

# %%
# If the codes are features for a classifier or regressor, put both in a pipeline and
# search over ``n_components`` by the final score. The reconstruction score does not
# know which details matter later.
