"""
Replace PCA on a table with categories
======================================

The Palmer penguins are a table of measurements and categories: four sizes of each bird,
its species, its sex and the island where it lives. A
:class:`~sklearn.compose.ColumnTransformer` makes numbers of them, as it does for
:class:`~sklearn.decomposition.PCA`. With ``loss="mixed"`` the autoencoder that replaces
PCA returns probabilities of the categories, and we can read its reconstructions as
rows of the table.
"""

# %%
# The data were collected by Kristen Gorman and the Palmer Station LTER, and are in the
# public domain (CC0). The package ``palmerpenguins`` ships them. We drop the eleven
# birds with missing entries and hold out 30 % of the others.
from palmerpenguins import load_penguins
from sklearn.model_selection import train_test_split

sizes = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
categories = ["species", "island", "sex"]
table = load_penguins().dropna()[sizes + categories]
train, test = train_test_split(table, test_size=0.3, random_state=0)
print(table.head(3))

# %%
# A pipeline as it may already exist, which ends in PCA. Sizes are standardised, and
# each category becomes a block of indicators.
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

columns = make_column_transformer(
    (StandardScaler(), sizes), (OneHotEncoder(sparse_output=False), categories)
)
pipeline = Pipeline([("columns", columns), ("reduce", PCA(2))]).fit(train)

# %%
# How well do two components stand for a bird? :func:`~sklearn_ae.data.inverse_columns`
# turns the reconstructions of unseen birds back into the table, where the largest
# indicator is the category.
import numpy as np
import pandas as pd

from sklearn_ae.data import inverse_columns


def restored(pipeline, table):
    """The rows of a table after reduction and reconstruction."""
    encoder, reducer = pipeline["columns"], pipeline["reduce"]
    outputs = reducer.inverse_transform(pipeline.transform(table))
    return pd.DataFrame(inverse_columns(encoder, outputs), index=table.index)


def quality(pipeline):
    """Share of right categories, and error of the sizes in standard deviations."""
    back = restored(pipeline, test)
    result = (back[categories] == test[categories]).mean()
    errors = (back[sizes] - test[sizes]) / train[sizes].std()
    return {**result, "error of the sizes": np.sqrt((errors**2).to_numpy().mean())}


results = {"PCA": quality(pipeline)}
codes = {"PCA": pipeline.transform(table)}

# %%
# The replacement is one line. Nothing says which columns are indicators: ``fit`` finds
# them by their values, and ``loss_`` tells what it has found.
from sklearn_ae import Autoencoder

pipeline.set_params(reduce=Autoencoder(2, loss="mixed", random_state=0)).fit(train)
print(pipeline["reduce"].loss_)
results["Autoencoder"] = quality(pipeline)
codes["Autoencoder"] = pipeline.transform(table)
print(pd.DataFrame(results).round(2))

# %%
# Two principal components forget where a quarter of the birds live, as no plane is near
# to all combinations of species, island and sex. Two curved ones tell nearly all
# categories of birds that they have not seen, and give the sizes more precisely, too.
for name in categories:
    assert results["Autoencoder"][name] > 0.9
assert results["PCA"]["island"] < 0.85
assert (
    results["Autoencoder"]["error of the sizes"]
    < 0.9 * results["PCA"]["error of the sizes"]
)

# %%
# Outputs in a block of indicators are probabilities that add up to 1; those of PCA are
# any numbers.
encoder = columns.named_transformers_["onehotencoder"]
block = columns.output_indices_["onehotencoder"]
names = encoder.get_feature_names_out(categories)
outputs = pipeline["reduce"].reconstruct(pipeline["columns"].transform(test[:3]))
probabilities = pd.DataFrame(outputs[:, block], columns=names, index=test.index[:3])
print(probabilities[[name for name in names if name.startswith("island")]].round(3))
assert np.allclose(probabilities.sum(axis=1), len(categories), atol=1e-5)

# %%
# The codes of all birds. Colours are species, markers islands.
import matplotlib.pyplot as plt

colors = {"Adelie": "#0072B2", "Chinstrap": "#E69F00", "Gentoo": "#009E73"}
markers = {"Biscoe": "o", "Dream": "^", "Torgersen": "s"}
groups = table.groupby(["species", "island"]).indices
fig, axes = plt.subplots(1, 2, figsize=(8.5, 4.2), layout="constrained")
for ax, (name, code) in zip(axes, codes.items(), strict=True):
    for (species, island), rows in groups.items():
        ax.scatter(
            *code[rows].T,
            s=22,
            color=colors[species],
            marker=markers[island],
            alpha=0.7,
            edgecolor="white",
            linewidth=0.4,
            label=f"{species}, {island}",
        )
    share = results[name]["island"]
    ax.set_title(f"{name}\nisland right for {share:.0%} of unseen birds")
    ax.set(xlabel="component 1", ylabel="component 2")
fig.legend(
    *axes[0].get_legend_handles_labels(),
    loc="outside lower center",
    ncols=5,
    fontsize=9,
)

plt.show()
