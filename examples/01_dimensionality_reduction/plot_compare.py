"""
Which one to take: four methods compared
========================================

Before an :class:`~sklearn_ae.Autoencoder` replaces :class:`~sklearn.decomposition.PCA`,
one wants to know what is gained, and what it costs.
:func:`~sklearn_ae.inspection.compare` answers both on the same folds, for whatever has
``fit`` and ``transform``. Here it compares codes of eight numbers for the digits.
"""

# %%
# The candidates. The first one is the baseline. Isomap cannot reconstruct, which does
# not matter here. 20 epochs are fewer than the default of the autoencoder, to be quick.
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF, PCA
from sklearn.manifold import Isomap

from sklearn_ae import Autoencoder

estimators = {
    "PCA": PCA(8),
    "NMF": NMF(8, max_iter=500, random_state=0),
    "Isomap": Isomap(n_components=8, n_neighbors=20),
    "Autoencoder": Autoencoder(8, max_epochs=20, random_state=0),
}
X, y = load_digits(return_X_y=True)

# %%
# Each of them is fitted to both halves of the rows, and measured on the other. With a
# ``downstream`` model we also learn what the codes are worth for telling the digits
# apart, and with ``n_neighbors`` whether neighbours stay neighbours.
from sklearn.linear_model import LogisticRegression

from sklearn_ae.inspection import compare

comparison = compare(
    estimators,
    X / 16,
    y,
    cv=2,
    downstream=LogisticRegression(max_iter=1000),
    n_neighbors=10,
)
columns = ["error", "ratio", "explained", "trustworthiness", "score", "fit_time"]
print(comparison[columns].round(3).to_string())

# %%
# The same as a plot: error and accuracy against the time of a fit, which has a
# logarithmic scale. The dashed lines are at the level of PCA.
import matplotlib.pyplot as plt

from sklearn_ae.inspection import ComparisonDisplay

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
display = ComparisonDisplay(comparison=comparison)
display.plot(ax=left, quantity="error")
display.plot(ax=right, quantity="score")
right.set_ylabel("accuracy on the codes, held-out rows")

# %%
# There is no winner, but a choice. The autoencoder reconstructs best by far, and its
# codes keep neighbours best. A linear classifier does still better on those of Isomap,
# which has no way back. PCA takes a small fraction of the time of either.
ratio, score = comparison["ratio"], comparison["score"]
assert ratio["Autoencoder"] < 0.7
assert ratio["NMF"] > 1
assert comparison["trustworthiness"].idxmax() == "Autoencoder"
assert score["PCA"] < score["Autoencoder"] < score["Isomap"]

plt.show()
