"""
A circle in one component, a swiss roll in two
==============================================

Some data lie near a curve or a curved surface that no linear projection can follow.
:class:`~sklearn.decomposition.PCA` can only drop a direction;
:class:`~sklearn_ae.Autoencoder` learns the curve or surface and coordinates on it.
We compare both on held-out points and look at what the coordinates mean.
"""

# %%
# The data: a noisy circle in the plane and a swiss roll in space, with the true
# position of every point. Half of the circle and a third of the roll are held out.
import numpy as np
from sklearn.datasets import make_swiss_roll

rng = np.random.default_rng(0)
angle = rng.uniform(-np.pi, np.pi, 1000)
circle = np.column_stack([np.cos(angle), np.sin(angle)])
circle += 0.05 * rng.standard_normal(circle.shape)
circle_train, circle_test, angle_test = circle[:500], circle[500:], angle[500:]

roll, turn = make_swiss_roll(3000, noise=0.2, random_state=0)
roll[:, 1] *= 0.7  # clearly smaller than the width, so that PCA drops the height
roll_train, roll_test = roll[:2000], roll[2000:]

# %%
# Both are fitted with the defaults. The roll has more to offer: three hidden layers can
# model more curvature, ``optimizer="adam"`` avoids the weight decay of the default
# optimizer, which favours smooth maps, and 150 epochs are more than the default. Such a
# network is best started from random weights.
from sklearn.decomposition import PCA

from sklearn_ae import Autoencoder

deeper = Autoencoder(
    2,
    init="random",
    hidden_layer_sizes=(128, 64, 32),
    optimizer="adam",
    max_epochs=150,
    random_state=0,
)
fitted = {
    "circle": {
        "PCA": PCA(1).fit(circle_train),
        "Autoencoder": Autoencoder(1, random_state=0).fit(circle_train),
    },
    "swiss roll": {
        "PCA": PCA(2).fit(roll_train),
        "Autoencoder": Autoencoder(2, random_state=0).fit(roll_train),
        "deeper": deeper.fit(roll_train),
    },
}
held_out = {"circle": circle_test, "swiss roll": roll_test}

reconstructions, errors = {}, {}
for data, models in fitted.items():
    for name, model in models.items():
        output = model.inverse_transform(model.transform(held_out[data]))
        reconstructions[data, name] = output
        errors[data, name] = np.mean((held_out[data] - output) ** 2)
        print(f"{data:10}  {name:11}  error {errors[data, name]:7.4f}")
    assert errors[data, "Autoencoder"] < 0.4 * errors[data, "PCA"]
assert errors["swiss roll", "deeper"] < 0.1 * errors["swiss roll", "PCA"]

# %%
# A fit with the defaults trains several networks, from PCA or from random weights, and
# keeps the one that is best on rows that it was not trained on. ``candidates_`` has
# their losses on these rows; the first one is that of PCA itself. The last candidate is
# tried only if the gain of the others is in doubt, which it is not here.
for data, models in fitted.items():
    default = models["Autoencoder"]
    losses = zip(*map(default.candidates_.get, ("start", "loss")), strict=True)
    tried = [(start, loss) for start, loss in losses if np.isfinite(loss)]
    print(f"{data:10}", *(f" {start} {loss:.3g}" for start, loss in tried))
    assert default.best_candidate_ > 0

# %%
# **The circle.** A line has two ends and a circle has none, so the code must cut the
# circle somewhere: the jump in the right panel. Elsewhere the code follows the angle.
import matplotlib.pyplot as plt

BLUE, VERMILION = "#0072B2", "#D55E00"
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for ax, name in zip(axes, fitted["circle"], strict=False):
    ax.plot(*circle_test.T, ".", color="0.7", markersize=4, label="held-out points")
    output = reconstructions["circle", name]
    ax.plot(*output.T, ".", color=VERMILION, markersize=4, label="reconstructions")
    ax.set(title=f"{name}\nerror {errors['circle', name]:.4f}", aspect="equal")
    ax.set(xlabel="$x_0$", ylabel="$x_1$")
axes[0].legend(loc="upper right", fontsize=7)
for (name, model), color, marker in zip(
    fitted["circle"].items(), (BLUE, VERMILION), "x.", strict=True
):
    code = model.transform(circle_test)[:, 0]
    axes[2].plot(np.degrees(angle_test), code, marker, color=color, ms=3, label=name)
axes[2].set(title="Code", xlabel="true angle in degrees", ylabel="code")
axes[2].set(xticks=[-180, -90, 0, 90, 180])
axes[2].legend(fontsize=7)

# %%
# **The roll.** It has two coordinates: the turn along the spiral and the height across
# it. PCA keeps only the turn: it projects the roll along its axis, so all heights
# coincide. To measure how much of a coordinate a code preserves, we predict the
# coordinate from the code by nearest neighbours.
from sklearn.neighbors import KNeighborsRegressor

coordinates = {"turn": turn, "height": roll[:, 1]}
shares = {}
for name, model in fitted["swiss roll"].items():
    code_train, code_test = model.transform(roll_train), model.transform(roll_test)
    for coordinate, position in coordinates.items():
        regressor = KNeighborsRegressor().fit(code_train, position[:2000])
        shares[name, coordinate] = regressor.score(code_test, position[2000:])
        print(f"{name:11}  {coordinate:6}  R2 {shares[name, coordinate]:.2f}")
assert shares["PCA", "height"] < 0.2
assert min(shares["deeper", name] for name in coordinates) > 0.8

# %%
# Top: the held-out points and their reconstructions, coloured by the true turn. Below:
# the codes, coloured by turn and by height.
fig = plt.figure(figsize=(9, 7), layout="constrained")
outputs = {"held-out points": roll_test} | {
    f"{name}\nerror {errors['swiss roll', name]:.2f}": reconstructions[
        "swiss roll", name
    ]
    for name in fitted["swiss roll"]
}
for column, (title, points) in enumerate(outputs.items(), start=1):
    ax = fig.add_subplot(3, 4, column, projection="3d")
    ax.scatter(*points.T, c=turn[2000:], cmap="cividis", s=3)
    ax.set(title=title, xticklabels=[], yticklabels=[], zticklabels=[])
    ax.view_init(elev=12, azim=-72)
    ax.set_box_aspect(None, zoom=1.2)
for row, (coordinate, position) in enumerate(coordinates.items(), start=1):
    label = fig.add_subplot(3, 4, 4 * row + 1)
    label.text(0.5, 0.5, f"codes,\ncoloured by {coordinate}", ha="center", va="center")
    label.set_axis_off()
    for column, (name, model) in enumerate(fitted["swiss roll"].items(), start=2):
        ax = fig.add_subplot(3, 4, 4 * row + column, xticks=[], yticks=[])
        codes = model.transform(roll_test)
        ax.scatter(*codes.T, c=position[2000:], cmap="cividis", s=3)
        ax.set_title(f"R2 {shares[name, coordinate]:.2f}", fontsize=10)
        ax.set(xlabel="code 0", ylabel="code 1")

plt.show()

# %%
# All three codes determine the turn, but only those of the autoencoders the height as
# well. The codes do not preserve distances, since nothing in the loss asks for it: they
# only have to separate points that the decoder must distinguish. If you want distances
# along the roll, use :class:`~sklearn.manifold.Isomap`; it cannot map codes back to the
# data, though.
#
# The defaults are safe where there is no curvature, and find it where there is some.
# Where you expect more than they find, as here on the roll, try several layers and
# ``init="random"``.
