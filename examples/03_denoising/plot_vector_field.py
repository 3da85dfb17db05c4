"""
A denoising autoencoder points at the data
==========================================

We train a denoising autoencoder on points of the plane that lie along a curve. Its
output minus its input is an arrow at every point of the plane. The arrows point towards
the curve and follow the gradient of the log-density [1]_: the autoencoder has learned
where the data are.
"""

# %%
# 2000 points on a spiral.
import numpy as np

rng = np.random.default_rng(0)


def spiral(angle):
    return np.column_stack([angle * np.cos(angle), angle * np.sin(angle)]) / 5


def draw_points(n_points):
    # Square roots of uniform numbers spread the points evenly along the spiral.
    return spiral(np.sqrt(rng.uniform(2**2, 8**2, size=n_points)))


X = draw_points(2000)

# %%
# Training adds Gaussian noise with a standard deviation of 0.15 to each point; the
# target is the point without noise. The network is deeper than the default. It starts
# from random weights, since PCA cannot initialise a code that is wider than the data.
# The optimizer is Adam because weight decay would straighten the curve.
from sklearn_ae import DenoisingAutoencoder

sigma = 0.15
autoencoder = DenoisingAutoencoder(
    16,
    hidden_layer_sizes=(128, 128),
    activation="tanh",
    init="random",
    optimizer="adam",
    corruption_level=sigma,
    random_state=0,
).fit(X)

# %%
# New points near the spiral. Do the arrows point to the nearest point on it? We measure
# the cosine of the angle between the two directions, for all points that are not
# already close to the spiral.
from sklearn.neighbors import NearestNeighbors

curve = spiral(np.linspace(2, 8, 5000))
neighbors = NearestNeighbors(n_neighbors=1).fit(curve)


def way_to_curve(points):
    nearest = neighbors.kneighbors(points, return_distance=False).ravel()
    return curve[nearest] - points


points = draw_points(1000)
noisy = points + sigma * rng.normal(size=points.shape)
arrows = autoencoder.reconstruct(noisy) - noisy
way = way_to_curve(noisy)
distance = np.linalg.norm(way, axis=1)
cosine = (arrows * way).sum(axis=1) / (np.linalg.norm(arrows, axis=1) * distance)
median_cosine = np.median(cosine[distance > sigma / 4])
print(f"Median cosine between arrows and directions to spiral: {median_cosine:.3f}")
assert median_cosine > 0.95

# %%
# Following the arrows brings the points closer to the spiral, mostly in the first step.
steps = [noisy]
for _ in range(3):
    steps.append(autoencoder.reconstruct(steps[-1]))
distances = [np.linalg.norm(way_to_curve(step), axis=1) for step in steps]
for n_steps, values in enumerate(distances):
    print(f"{n_steps} steps: median distance to the spiral {np.median(values):.3f}")
assert np.median(distances[1]) < 0.25 * np.median(distances[0])
assert np.median(distances[3]) < 0.25 * np.median(distances[0])

# %%
# Divided by the variance of the noise, an arrow estimates the gradient of the
# log-density [1]_ of the noisy points. We can compute this gradient from the training
# points and compare: the optimal output is a weighted mean of the training points, with
# weights proportional to the probability that the noise moves each of them here.
squared = ((noisy[:, None] - X) ** 2).sum(axis=2)
weights = np.exp(-squared / (2 * sigma**2))
gradient = (weights @ X / weights.sum(axis=1, keepdims=True) - noisy) / sigma**2
estimate = arrows / sigma**2
unexplained = ((estimate - gradient) ** 2).sum() / (gradient**2).sum()
print(f"Share of the gradient not explained by the arrows: {unexplained:.3f}")
assert unexplained < 0.15

# %%
# Left: the arrows, on a grid around the spiral. Right: noisy points before and after
# one step.
import matplotlib.pyplot as plt

low, high = curve.min(axis=0) - 0.35, curve.max(axis=0) + 0.35
grid = np.stack(
    np.meshgrid(*(np.arange(a, b, 0.12) for a, b in zip(low, high, strict=True))),
    axis=-1,
).reshape(-1, 2)
grid = grid[np.linalg.norm(way_to_curve(grid), axis=1) < 2.5 * sigma]
field = autoencoder.reconstruct(grid) - grid

fig, (left, right) = plt.subplots(
    1, 2, figsize=(9, 4.9), sharex=True, sharey=True, layout="constrained"
)
left.plot(*curve.T, color="#D55E00", linewidth=2, label="spiral")
left.quiver(
    *grid.T, *field.T, angles="xy", scale_units="xy", scale=1.5, color="#0072B2"
)
left.set_title("Output minus input")
right.scatter(*noisy.T, s=5, color="#56B4E9", label="noisy points")
right.scatter(*steps[1].T, s=5, color="black", label="after one step")
right.set_title("Noisy points, denoised")
for ax in (left, right):
    ax.set_aspect("equal")
    ax.legend(loc="upper right", frameon=False, markerscale=2)
plt.show()

# %%
# .. [1] Alain and Bengio (2014). "What regularized auto-encoders learn from the
#    data-generating distribution". Journal of Machine Learning Research 15.
#    https://jmlr.org/papers/v15/alain14a.html
