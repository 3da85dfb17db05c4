"""
A linear autoencoder is PCA
===========================

Without nonlinear layers and without penalties, an autoencoder cannot do better than
:class:`~sklearn.decomposition.PCA`, and it converges to PCA from any initialisation. We
train a linear :class:`~sklearn_ae.Autoencoder` from random weights and compare its
subspace, components, codes and errors with those of PCA.
"""

# %%
# The data: the digits, half of them held out.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X_train, X_test = train_test_split(
    load_digits().data / 16, test_size=0.5, random_state=0
)

# %%
# With ``hidden_layer_sizes=()`` the encoder and the decoder are one matrix each. Deeper
# networks with ``activation="identity"`` are linear, too. ``tied_weights=True`` makes
# the decoder the transpose of the encoder. The optimizer is "adam" because the weight
# decay of the default would bias the weights away from PCA. The learning rate of 0.02
# is four times the default. ``validation=None`` holds no rows out, so that PCA
# and the autoencoder see the same rows.
import numpy as np
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from sklearn_ae import Autoencoder

n_components = 8
pca = PCA(n_components, svd_solver="full").fit(X_train)
linear = Autoencoder(
    n_components,
    hidden_layer_sizes=(),
    tied_weights=True,
    init="random",
    optimizer="adam",
    learning_rate=0.02,
    validation=None,
    random_state=0,
)


def mean_error(model, X):
    return np.mean((X - model.inverse_transform(model.transform(X))) ** 2)


def directions(model):
    """Change of the output per unit of each code, one row per code."""
    origin = np.zeros((1, n_components))
    steps = model.inverse_transform(np.eye(n_components))
    return steps - model.inverse_transform(origin)


def largest_angle(model):
    """Largest angle between the model's and PCA's subspaces, in degrees."""
    angles = subspace_angles(directions(model).T, pca.components_.T)
    return np.degrees(angles.max())


epochs = [0, 3, 10, 30, 100]
angles, ratios = [], []
for max_epochs in epochs:
    linear.set_params(max_epochs=max_epochs).fit(X_train)
    angles.append(largest_angle(linear))
    ratios.append(mean_error(linear, X_test) / mean_error(pca, X_test))
    print(
        f"{max_epochs:3} epochs: {angles[-1]:5.2f} degrees from PCA's subspace, "
        f"{ratios[-1]:.4f} of PCA's held-out error"
    )
assert angles[-1] < 1
assert abs(ratios[-1] - 1) < 1e-3

# %%
# The components agree with PCA's as well, not only the subspace. The error does not
# depend on a rotation of the code, so `fit` finally applies the rotation that makes the
# codes uncorrelated and sorts them by variance. Both use the same sign convention.
found = directions(linear)
cosines = np.sum(found * pca.components_, axis=1) / np.linalg.norm(found, axis=1)
variances = linear.explained_variance_ / pca.explained_variance_
print("cosines with PCA's components: ", cosines.round(4))
print("variances / PCA's:             ", variances.round(4))
assert np.abs(cosines).min() > 0.99
assert np.allclose(variances, 1, rtol=1e-2)

# %%
# With untied weights the subspace and the error are the same. But the decoder can undo
# any scaling by the encoder, so the scale of the codes, and with it the components,
# depends on the random initialisation.
free = Autoencoder(**linear.get_params()).set_params(tied_weights=False).fit(X_train)
found = directions(free)
free_cosines = np.sum(found * pca.components_, axis=1) / np.linalg.norm(found, axis=1)
ratio = mean_error(free, X_train) / mean_error(pca, X_train)
print(f"untied weights: {ratio:.4f} of PCA's error on the training rows")
print("cosines with PCA's components: ", free_cosines.round(4))
assert abs(ratio - 1) < 1e-3
assert np.abs(free_cosines).min() < 0.9

# %%
# With the default initialisation none of this needs training: it *is* PCA.
start = Autoencoder(n_components, max_epochs=0).fit(X_train)
assert np.allclose(start.transform(X_test), pca.transform(X_test), atol=1e-4)

# %%
# The distance from PCA during training, and the final components.
import matplotlib.pyplot as plt

fig = plt.figure(figsize=(9, 2.8), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=[1, 2])
ax = left.subplots()
ax.plot(epochs, angles, "o-", color="#0072B2")
ax.set(xscale="symlog", xticks=epochs, xticklabels=epochs, ylim=(0, 95))
ax.set(xlabel="epochs", ylabel="largest angle in degrees", title="Distance from PCA")
axes = right.subplots(2, n_components)
for row, (name, components) in zip(
    axes,
    {"PCA": pca.components_, "linear\nautoencoder": directions(linear)}.items(),
    strict=True,
):
    for ax, component in zip(row, components, strict=True):
        most = np.abs(component).max()
        ax.imshow(component.reshape(8, 8), cmap="RdBu_r", vmin=-most, vmax=most)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
for ax, variance in zip(axes[1], linear.explained_variance_, strict=True):
    ax.set_xlabel(f"{variance:.2f}")
right.suptitle("Components and the variances of their codes", fontsize=11)

plt.show()

# %%
# So everything that :class:`~sklearn_ae.Autoencoder` gains over PCA comes from its
# nonlinear layers. If you want a linear model, use PCA: it is exact and faster.
