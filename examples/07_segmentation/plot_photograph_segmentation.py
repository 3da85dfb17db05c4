"""
Segmenting a photograph from three small boxes per region
=========================================================

Three boxes of 6 x 6 pixels are labelled in each of the regions sky, water, pagoda and
trees; all other pixels are to be classified. Codes of the patch around a pixel,
averaged over its neighbourhood, are better features than the colour or the pixels of
the patch. The codes of PCA are as good here as those of a
:class:`~sklearn_ae.SparseAutoencoder`.
"""

# %%
# The photograph at half its resolution. The reference consists of polygons drawn by
# hand well inside the regions, given as (column, row) in the original. Pixels outside
# the polygons are not evaluated.
import numpy as np
from matplotlib.path import Path
from sklearn.datasets import load_sample_image

photograph = load_sample_image("china.jpg")[:426] / 255
photograph = photograph.reshape(213, 2, 320, 2, 3).mean(axis=(1, 3))
height, width, _ = photograph.shape

polygons = {
    "sky": [
        "0,0 185,0 185,60 90,100 90,195 40,170 0,130",
        "225,0 640,0 640,125 590,130 540,200 360,200 345,105 260,70 225,40",
    ],
    "water": [
        "372,242 545,245 550,265 500,280 430,305 390,318 375,280",
        "10,282 65,280 75,312 15,318",
    ],
    "pagoda": [
        "200,70 240,60 270,85 310,112 310,160 330,175 315,200 315,240 350,258 335,280 "
        "335,310 340,330 280,370 230,355 180,345 90,335 85,280 75,270 110,250 110,195 "
        "90,180 130,165 135,125 110,118 150,100"
    ],
    "trees": [
        "0,170 30,180 65,225 50,250 30,270 0,290",
        "0,330 90,345 180,350 210,380 270,400 290,425 0,425",
        "345,400 400,340 470,310 540,290 560,330 560,425 345,425",
        "578,190 610,150 639,150 639,425 578,425",
    ],
}
rows, columns = np.mgrid[:height, :width]
centres = 2 * np.column_stack([columns.ravel(), rows.ravel()]) + 0.5
reference = np.full((height, width), -1)
for region, shapes in enumerate(polygons.values()):
    for shape in shapes:
        corners = [point.split(",") for point in shape.split()]
        inside = Path(np.array(corners, float)).contains_points(centres)
        reference[inside.reshape(height, width)] = region

# %%
# One row per pixel: the colour patch of 9 x 9 pixels around it. We subtract the mean
# colour of each patch and divide by its contrast, so that bright and shaded areas have
# the same weight. Adding 0.04 to the contrast limits the noise of smooth patches, such
# as the sky.
side = 9
margin = side // 2
padded = np.pad(photograph, ((margin, margin), (margin, margin), (0, 0)), "reflect")
windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
patches = windows.reshape(height * width, 3, side**2).astype(np.float32)
X = patches - patches.mean(axis=2, keepdims=True)
X = X.reshape(len(X), -1)
X /= X.std(axis=1, keepdims=True) + 0.04
y = reference.ravel()

# %%
# The encoders are trained on 8,000 patches without labels. With an L1 penalty and tied
# weights, about half of the 100 codes of a patch are zero.
from sklearn.decomposition import PCA

from sklearn_ae import SparseAutoencoder

some = np.random.default_rng(0).choice(len(X), 8000, replace=False)
sparse = SparseAutoencoder(
    100, sparsity="l1", lambd=0.3, tied_weights=True, max_epochs=15, random_state=0
).fit(X[some])
pca = PCA(40, random_state=0).fit(X[some])
print(f"Active codes: {np.mean(sparse.transform(X[some]) > 0):.0%}")

# %%
# The features are averages over the neighbourhood, weighted by a Gaussian with a
# standard deviation of 5 pixels. Pixels and PCA codes take both signs and would average
# to almost zero, so we first split them into positive and negative parts.
from scipy.ndimage import gaussian_filter


def averages(codes):
    maps = codes.reshape(height, width, -1)
    return gaussian_filter(maps, (5, 5, 0)).reshape(len(codes), -1)


def parts(codes):
    return np.hstack([np.maximum(codes, 0), np.maximum(-codes, 0)])


colour = photograph.reshape(-1, 3)
features = {
    "colour": colour,
    "colour, averaged": averages(colour),
    "patch": patches.reshape(len(X), -1),
    "patch, averaged": averages(parts(X)),
    "PCA codes": pca.transform(X),
    "PCA codes, averaged": averages(parts(pca.transform(X))),
    "sparse codes": sparse.transform(X),
    "sparse codes, averaged": averages(sparse.transform(X)),
}

# %%
# The boxes are drawn ten times, three in each region. Test pixels lie in the polygons,
# at least 13 pixels away from all boxes. The regions differ in size, so we report the
# mean of the four accuracies.
from scipy.ndimage import binary_dilation, binary_erosion
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

draws = []
for seed in range(10):
    rng = np.random.default_rng(seed)
    labelled = np.zeros((height, width), bool)
    for region in range(len(polygons)):
        places = np.argwhere(binary_erosion(reference == region, np.ones((7, 7))))
        for row, column in rng.choice(places, 3, replace=False):
            labelled[row - 3 : row + 3, column - 3 : column + 3] = True
    near = binary_dilation(labelled, iterations=13)
    draws.append((labelled, (reference >= 0) & ~near))

accuracy, maps = {}, {}
for name, F in features.items():
    scores = []
    for labelled, test in draws:
        classifier = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)
        ).fit(F[labelled.ravel()], y[labelled.ravel()])
        predicted = classifier.predict(F)
        scores.append(balanced_accuracy_score(y[test.ravel()], predicted[test.ravel()]))
        # The map of the first draw is shown below.
        maps.setdefault(name, predicted.reshape(height, width))
    accuracy[name] = np.mean(scores)
    print(
        f"{name:22} {accuracy[name]:.3f}, from {min(scores):.2f} to {max(scores):.2f}"
    )

codes = [accuracy["PCA codes, averaged"], accuracy["sparse codes, averaged"]]
rest = [value for name, value in accuracy.items() if "codes, averaged" not in name]
assert min(codes) > max(rest) + 0.05
assert abs(codes[0] - codes[1]) < 0.04

# %%
# The boxes of the first draw, the polygons, and the predictions of four of the methods
# for this draw. The accuracies in the titles are means over all draws.
import matplotlib.pyplot as plt
from matplotlib.colors import ListedColormap, to_rgba_array
from matplotlib.patches import Patch

colors = ["#56B4E9", "#0072B2", "#D55E00", "#009E73"]
labelled, _ = draws[0]
fig, axes = plt.subplots(2, 3, figsize=(9, 4.7), layout="constrained")
marked = photograph.copy()
marked[binary_dilation(labelled, iterations=2)] = 1
marked[labelled] = to_rgba_array(colors)[reference[labelled], :3]
axes[0, 0].imshow(marked)
axes[0, 0].set_title("photograph and labelled boxes")
shown = {"reference (white: not evaluated)": np.ma.masked_less(reference, 0)}
for name in (
    "colour, averaged",
    "patch, averaged",
    "PCA codes, averaged",
    "sparse codes, averaged",
):
    shown[f"{name}: {accuracy[name]:.2f}"] = maps[name]
for ax, (title, regions) in zip(axes.ravel()[1:], shown.items(), strict=True):
    ax.imshow(regions, cmap=ListedColormap(colors), vmin=0, vmax=3)
    ax.set_title(title)
for ax in axes.ravel():
    ax.set(xticks=[], yticks=[])
    ax.title.set_fontsize(10)
fig.legend(
    handles=[Patch(color=c, label=n) for c, n in zip(colors, polygons, strict=True)],
    loc="outside lower center",
    ncols=4,
)
plt.show()

# %%
# Averaging the codes is essential; the code of a single patch says little by itself.
# The regions differ in the energy of their textures. For this PCA is sufficient, and
# faster. See :ref:`sphx_glr_auto_examples_07_segmentation_plot_texture_segmentation.py`
# for textures where it is not.
