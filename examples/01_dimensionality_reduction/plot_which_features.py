"""
Which features does a component use?
====================================

A row of PCA's ``components_`` says what its component consists of. For an autoencoder,
:class:`~sklearn_ae.inspection.FeatureImportanceDisplay` shows which features each
component depends on, ``components_`` what each one changes in the middle of the data,
and :func:`~sklearn_ae.inspection.errors_by_feature` which features the code loses.
"""

# %%
# The data: thirty measurements of the cell nuclei in 569 tumours, compressed to three
# numbers. The names of the columns go through the pipeline.
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import Autoencoder

table = load_breast_cancer(as_frame=True).data
models = {
    "PCA": make_pipeline(StandardScaler(), PCA(3)),
    "Autoencoder": make_pipeline(StandardScaler(), Autoencoder(3, random_state=0)),
}
for model in models.values():
    model.fit(table)

# %%
# **What goes into a component.** A feature is important for a component if shuffling
# the feature's values among the rows changes the component a lot. Each number is the
# feature's share of the component, in percent. The twenty features with the largest
# shares are drawn.
from sklearn_ae.inspection import FeatureImportanceDisplay

display = FeatureImportanceDisplay.from_estimator(
    models["Autoencoder"], table, random_state=0
)
display.ax_.set_title("What the autoencoder's components use")

# %%
# The first component is mostly about the size of the nuclei. The second is about how
# regular their outlines are, the third about texture and about how much the nuclei of a
# tumour differ, which the columns called "error" measure.
import numpy as np

leading = table.columns[display.shares_.argmax(axis=0)]
print("; ".join(leading))
assert "fractal" in leading[1]
assert "texture" in leading[2]
sizes = table.columns.str.contains("radius|perimeter|area")
of_sizes = display.shares_[sizes].sum(axis=0)
print("shares of radius, perimeter and area:", of_sizes.round())
assert of_sizes[0] > 1.5 * of_sizes[1:].max()

# %%
# **What comes out of a component.** A row of ``components_`` is the direction in which
# the reconstruction moves if a component grows, in the middle of the data. The first
# one has nearly the direction of PCA's first. The others are between several of PCA's.
autoencoder, pca = (models[name][-1] for name in ("Autoencoder", "PCA"))
directions = autoencoder.components_.copy()
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
cosines = np.abs(directions @ pca.components_.T)
print("cosines of angles between the autoencoder's components and PCA's:")
print(cosines.round(2))
assert cosines[0, 0] > 0.9
assert cosines[2, 2] < 0.8

# %%
# **What is lost.** PCA reconstructs texture hardly at all: its components follow the
# many features that say the same. The autoencoder keeps half of the variance of every
# feature.
import matplotlib.pyplot as plt

from sklearn_ae.inspection import errors_by_feature

errors = {name: errors_by_feature(model, table) for name, model in models.items()}
names = errors["Autoencoder"].index[::-1]

fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
for name, marker in zip(models, "o^", strict=True):
    explained = errors[name].loc[names, "explained"]
    ax.plot(100 * explained, np.arange(len(names)), marker, label=name)
ax.set_yticks(np.arange(len(names)), names)
ax.set(xlabel="variance that the reconstruction explains (%)", xlim=(0, 100))
ax.grid(alpha=0.4)
ax.legend(loc="lower left")

# %%
# The five features of which PCA explains least:
print(errors["PCA"]["explained"].head().round(2))
assert errors["PCA"].index[:2].str.contains("texture").all()
assert errors["PCA"]["explained"].min() < 0.25
assert errors["Autoencoder"]["explained"].min() > 0.45
