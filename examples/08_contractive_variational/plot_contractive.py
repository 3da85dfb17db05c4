"""
How far codes move when the input changes a little
==================================================

:class:`~sklearn_ae.ContractiveAutoencoder` penalises the sensitivity of the codes to
changes of the input; ``lambd`` is the weight of the penalty. We perturb held-out digits
and measure how far the codes move, in comparison with PCA and with a plain and a
denoising autoencoder of the same code size, and what stable codes cost in
reconstruction.
"""

# %%
# The data: images of 8 x 8 pixels in [0, 1], half of them held out, and small
# perturbations (steps) of equal length in random directions.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X_train, X_test = train_test_split(
    load_digits().data / 16, test_size=0.5, random_state=0
)
steps = np.random.default_rng(0).normal(size=X_test.shape)
steps *= 0.5 / np.linalg.norm(steps, axis=1, keepdims=True)

# %%
# All codes have 32 components. All contractive autoencoders have the same network,
# their default: a single sigmoid layer with tied weights. They differ only in
# ``lambd``. The denoising autoencoder has the same network; the plain one is a default
# :class:`~sklearn_ae.Autoencoder`.
from sklearn.decomposition import PCA

from sklearn_ae import Autoencoder, ContractiveAutoencoder, DenoisingAutoencoder

n_components = 32
lambds = [0.0, 0.01, 0.1, 0.3, 1.0]
contractive = {
    lambd: ContractiveAutoencoder(n_components, lambd=lambd, random_state=0)
    for lambd in lambds
}
others = {
    "PCA": PCA(n_components),
    "plain": Autoencoder(n_components, random_state=0),
    "denoising": DenoisingAutoencoder(
        n_components,
        hidden_layer_sizes=(),
        code_activation="sigmoid",
        tied_weights=True,
        init="random",
        random_state=0,
    ),
}
models = {f"lambd={lambd:g}": model for lambd, model in contractive.items()} | others

# %%
# If all codes are divided by ten, they move a tenth as far, but nothing is gained. So
# we divide the movement of the codes by their spread, the square root of their total
# variance, and that of the images by the spread of the images: 1 means that codes and
# images move equally far relative to their spreads.


def spread(rows):
    return np.sqrt(rows.var(axis=0).sum())


def measure(model):
    """Movement per unit step, relative movement, and reconstruction error."""
    codes = model.transform(X_test)
    moved = np.linalg.norm(model.transform(X_test + steps) - codes, axis=1).mean()
    relative = (moved / spread(codes)) / (0.5 / spread(X_test))
    error = np.mean((model.inverse_transform(codes) - X_test) ** 2)
    return moved / 0.5, relative, error


measures = {}
for name, model in models.items():
    measures[name] = measure(model.fit(X_train))
    ratio, relative, error = measures[name]
    print(
        f"{name:10} movement / step {ratio:.2f}, relative movement "
        f"{relative:.2f}, reconstruction error {error:.4f}"
    )

relative = [measures[f"lambd={lambd:g}"][1] for lambd in lambds]
assert (np.diff(relative) < 0).all()
assert relative[3] < 0.9 * min(measures[name][1] for name in others)

# %%
# The larger ``lambd``, the less the codes move, also relative to their spread, and the
# larger the reconstruction error. Both change little from ``lambd=0`` to 0.01.
#
# Why do the codes move less? The singular values of the Jacobian of the encoder at an
# image give the distance that the codes move per unit step in each of a set of
# orthogonal directions. Those of PCA are all 1. As ``lambd`` grows, fewer and fewer
# singular values stay large.
import torch


def singular_values(model):
    images = torch.as_tensor(X_test[:200], dtype=torch.float32)
    jacobian = torch.func.vmap(torch.func.jacrev(model.module_.encode))(images)
    return torch.linalg.svdvals(jacobian).detach().numpy()


def n_directions(values):
    """Effective number of directions; n equal singular values count as n."""
    squares = values**2
    return np.mean(squares.sum(axis=1) ** 2 / (squares**2).sum(axis=1))


spectra = {lambd: singular_values(contractive[lambd]) for lambd in lambds[1:]}
directions = [n_directions(values) for values in spectra.values()]
for lambd, number in zip(spectra, directions, strict=True):
    print(f"lambd={lambd:<5g} effective number of directions: {number:.1f}")
assert (np.diff(directions) < 0).all()
assert directions[-1] < n_components / 4

# %%
# Left: the singular values, relative to the largest. Right: the cost in reconstruction
# error. PCA can also have stable codes, with fewer components: the line shows codes of
# 4 to 32 components.
import matplotlib.pyplot as plt

colors = ["#56B4E9", "#009E73", "#E69F00", "#D55E00"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
styles = zip(spectra.items(), colors, ["-", "--", "-.", ":"], strict=True)
for (lambd, values), color, style in styles:
    mean = values.mean(axis=0)
    left.plot(
        np.arange(1, n_components + 1),
        mean / mean[0],
        style,
        color=color,
        label=f"lambd={lambd:g}",
    )
left.axhline(1, color="black", linewidth=0.8, label="PCA")
left.set(xlabel="index of the singular value", ylabel="relative to the largest")
left.set_title("Singular values of the Jacobian")
left.set_ylim(-0.05, 1.45)
left.legend(loc="upper center", ncols=2)

curve = np.array([measures[f"lambd={lambd:g}"][1:] for lambd in lambds])
right.plot(*curve.T[::-1], "o-", color="#D55E00", label="contractive, by lambd")
for lambd, (y, x) in zip(lambds, curve, strict=True):
    # The first two points lie side by side.
    place = (-4, 7) if lambd == 0 else (-7, -13)
    right.annotate(
        f"{lambd:g}", (x, y), xytext=place, textcoords="offset points", fontsize=9
    )
sizes = [4, 6, 8, 12, 16, 24, 32]
pca = {n: measure(PCA(n).fit(X_train))[1:] for n in sizes}
right.plot(
    [error for _, error in pca.values()],
    [moved for moved, _ in pca.values()],
    "s--",
    color="black",
    markersize=4,
    label="PCA, 4 to 32 components",
)
for name, marker, color in (("plain", "^", "#0072B2"), ("denoising", "D", "#CC79A7")):
    right.plot(*measures[name][:0:-1], marker, color=color, label=name, linestyle="")
right.set(xlabel="reconstruction error", ylabel="relative movement of the codes")
right.set_title("Stability against error")
right.margins(y=0.12)
right.legend()
plt.show()

# %%
# Stable codes cost about as much with every method: at equal error, the codes of PCA
# with fewer components are almost as stable. The advantages of the penalty are that the
# code keeps its width, that it selects the important directions for each image
# separately, and that one parameter sets its stability.
errors_pca, moved_pca = np.array([one[::-1] for one in pca.values()])[::-1].T
ratios = curve[1:, 0] / np.interp(curve[1:, 1], errors_pca, moved_pca)
print("movement relative to PCA at the same error:", ratios.round(2))
assert (0.75 < ratios).all()
assert (ratios < 1.05).all()
