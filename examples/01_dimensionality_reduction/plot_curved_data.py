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
# The circle is fitted with the defaults, which compare starts from PCA and from random
# weights. The roll is curved in more places, and more can be gained: three hidden
# layers can model more curvature, ``optimizer="adam"`` avoids the weight decay of the
# default optimizer, which favours smooth maps, and 150 epochs are more than the
# default. Such a network is best started from random weights.
from sklearn.decomposition import PCA

from sklearn_ae import Autoencoder

bent = Autoencoder(
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
        "Autoencoder": bent.fit(roll_train),
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
    assert errors[data, "Autoencoder"] < 0.2 * errors[data, "PCA"]

# %%
# On the roll, too, the defaults are far better than PCA. ``candidates_`` has the losses
# of PCA and of the candidates on unseen rows.
default = Autoencoder(2, random_state=0).fit(roll_train)
output = default.inverse_transform(default.transform(roll_test))
error = np.mean((roll_test - output) ** 2)
print(f"swiss roll, defaults: error {error:.4f}")
print(default.candidates_["start"], default.candidates_["loss"].round(2))
assert error < 0.4 * errors["swiss roll", "PCA"]
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
assert min(shares["Autoencoder", name] for name in coordinates) > 0.8

# %%
# Top: the held-out points and their reconstructions, coloured by the true turn. Bottom:
# the codes, coloured by turn and by height.
fig = plt.figure(figsize=(9, 6), layout="constrained")
top, bottom = fig.subfigures(2, 1)
outputs = {
    "held-out points": roll_test,
    **{
        f"{name}, error {errors['swiss roll', name]:.2f}": reconstructions[
            "swiss roll", name
        ]
        for name in fitted["swiss roll"]
    },
}
for column, (title, points) in enumerate(outputs.items(), start=1):
    ax = top.add_subplot(1, 3, column, projection="3d")
    ax.scatter(*points.T, c=turn[2000:], cmap="cividis", s=4)
    ax.set(title=title, xticklabels=[], yticklabels=[], zticklabels=[])
    ax.view_init(elev=12, azim=-72)
    ax.set_box_aspect(None, zoom=1.2)
panels = bottom.subplots(1, 4)
for pair, (name, model) in zip(
    (panels[:2], panels[2:]), fitted["swiss roll"].items(), strict=True
):
    for ax, (coordinate, position) in zip(pair, coordinates.items(), strict=True):
        ax.scatter(
            *model.transform(roll_test).T, c=position[2000:], cmap="cividis", s=4
        )
        ax.set(title=f"{name},\nby {coordinate}", xticks=[], yticks=[])
        ax.set(xlabel="code 0", ylabel="code 1")

plt.show()

# %%
# The code does not preserve distances, since nothing in the loss asks for it: it only
# has to separate points that the decoder must distinguish. If you want distances along
# the roll, use :class:`~sklearn.manifold.Isomap`; it cannot map codes back to the data,
# though.
#
# The defaults are safe where there is no curvature, and find it where there is some.
# Try ``init="random"`` with several layers where you expect more than they find.
