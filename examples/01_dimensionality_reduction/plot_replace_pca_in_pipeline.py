"""
Replace PCA in an existing pipeline
===================================

A pipeline scales the data, reduces them with :class:`~sklearn.decomposition.PCA` and
classifies. One call of ``set_params`` replaces PCA by an
:class:`~sklearn_ae.Autoencoder`; a grid search compares the two. We see where the
replacement helps a classifier and where it does not.
"""

# %%
# A pipeline as it may already exist in your code, here on the digits as a data frame.
# Half of the rows are held out.
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

X, y = load_digits(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

pipeline = Pipeline([("scale", StandardScaler()), ("pca", PCA(4)), ("svc", SVC())])
pipeline.fit(X_train, y_train)
before = pipeline.score(X_test, y_test)

# %%
# The replacement. Nothing else changes, not even the name of the step. ``set_output``
# requests data frames between the steps.
from sklearn_ae import Autoencoder

pipeline.set_params(pca=Autoencoder(4, random_state=0)).set_output(transform="pandas")
pipeline.fit(X_train, y_train)
after = pipeline.score(X_test, y_test)
print(f"accuracy with 4 components: PCA {before:.3f}, Autoencoder {after:.3f}")
assert after > before

# %%
# The column names are derived from the name of the estimator's class, as in PCA.
codes = pipeline[:-1].transform(X_test)
print(codes.head(3).round(2))
assert list(codes.columns) == [f"autoencoder{i}" for i in range(4)]

# %%
# A grid search chooses the reducer and the number of components. A whole step is a
# parameter like any other. 30 epochs are fewer than the default for so few rows and
# keep the search short.
from sklearn.model_selection import GridSearchCV

reducers = [PCA(), Autoencoder(max_epochs=30, random_state=0)]
grid = {"pca": reducers, "pca__n_components": [2, 4, 16]}
search = GridSearchCV(pipeline, grid, cv=3).fit(X_train, y_train)
results = search.cv_results_
accuracy = {}
for params, score in zip(results["params"], results["mean_test_score"], strict=True):
    key = type(params["pca"]).__name__, params["pca__n_components"]
    accuracy[key] = score
    print(f"{key[0]:11}  {key[1]:2} components  {score:.3f}")
print(
    f"best: {search.best_params_}, held-out accuracy {search.score(X_test, y_test):.3f}"
)

# %%
# With 2 or 4 components the codes of the autoencoder tell the classifier more. With 16
# there is little left to gain: PCA is as good, and it is a single decomposition.
for n_components in (2, 4):
    assert accuracy["Autoencoder", n_components] > accuracy["PCA", n_components]
assert abs(accuracy["Autoencoder", 16] - accuracy["PCA", 16]) < 0.02

# %%
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
styles = {"PCA": ("#0072B2", "o--"), "Autoencoder": ("#D55E00", "s-")}
for name, (color, style) in styles.items():
    curve = [accuracy[name, n_components] for n_components in (2, 4, 16)]
    ax.plot((2, 4, 16), curve, style, color=color, label=name)
ax.set(xscale="log", xticks=(2, 4, 16), xticklabels=(2, 4, 16))
ax.minorticks_off()
ax.set(xlabel="number of components", ylabel="cross-validated accuracy")
ax.set_title("Support vector classifier on codes")
ax.legend()

# %%
# On data without curvature the replacement changes nothing. Here the features are
# linear combinations of three factors, with noise. No candidate does better than PCA on
# unseen rows, so the autoencoder is PCA, with the same codes.
import numpy as np

rng = np.random.default_rng(0)
factors, loadings = rng.normal(size=(200, 3)), rng.normal(size=(3, 10))
linear = factors @ loadings + 0.3 * rng.normal(size=(200, 10))
autoencoder = Autoencoder(3, random_state=0)
codes = autoencoder.fit_transform(linear)
assert autoencoder.best_candidate_ == 0
assert np.allclose(codes, PCA(3).fit_transform(linear), atol=1e-4)

plt.show()
