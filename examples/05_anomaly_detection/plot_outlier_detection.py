"""
Find outliers among images, and the pixels that make them outliers
==================================================================

:class:`~sklearn_ae.AutoencoderOutlierDetector` learns what typical rows look like and
compares what it makes of other rows with the most similar typical ones. Here the
typical rows are handwritten eights. The detector is not told what other digits look
like, and its training data are contaminated: one image in ten is another digit. We
detect the outliers among held-out images and show which pixels are unusual.
"""

# %%
# 87 eights and 10 other digits are for training; the remaining eights and other digits
# are for testing.
import numpy as np
from sklearn.datasets import load_digits

X, y = load_digits(return_X_y=True)
X = X / 16
rng = np.random.default_rng(0)
eights = rng.permutation(np.flatnonzero(y == 8))
others = rng.permutation(np.flatnonzero(y != 8))
train = np.concatenate([eights[:87], others[:10]])
test = np.concatenate([eights[87:], others[10:]])
X_train, X_test = X[train], X[test]
is_eight = y[test] == 8

# %%
# We compare the detector with those of scikit-learn, all with their defaults, by the
# area under the ROC curve: the probability that an eight scores higher than another
# digit. ``criterion="error"`` looks at the size of the reconstruction error alone.
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from sklearn_ae import AutoencoderOutlierDetector

detectors = {
    "Autoencoder": AutoencoderOutlierDetector(random_state=0),
    'Autoencoder, criterion="error"': AutoencoderOutlierDetector(
        criterion="error", random_state=0
    ),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "OneClassSVM": OneClassSVM(),
    "IsolationForest": IsolationForest(random_state=0),
}
scores, areas = {}, {}
for name, detector in detectors.items():
    scores[name] = detector.fit(X_train).score_samples(X_test)
    areas[name] = roc_auc_score(is_eight, scores[name])
    print(f"{name:30} area under the ROC curve {areas[name]:.3f}")

# %%
# It is about as good as the better ones of scikit-learn's detectors. In addition to a
# score, it gives the contribution of each pixel.
theirs = [areas[name] for name in detectors if not name.startswith("Autoencoder")]
assert areas["Autoencoder"] > max(theirs) - 0.03
assert areas["Autoencoder"] > areas["IsolationForest"]

# %%
# By default, ``predict`` is cautious: among the training rows are outliers that hide
# others. Since we know that one image in ten is an outlier, we set the threshold
# accordingly. This needs no second fit.
detector = detectors["Autoencoder"]
cautious = detector.predict(X_test) == -1
is_outlier = detector.set_threshold(0.1).predict(X_test) == -1
for name, found in {"auto": cautious, "0.1": is_outlier}.items():
    print(
        f"contamination={name}: {found[~is_eight].mean():.0%} of the other digits and "
        f"{found[is_eight].mean():.0%} of the eights are outliers."
    )

# %%
# Left: the image with the median score of each of six digits, and below it what each
# pixel adds to the score; 1 is usual. Right: the ROC curves.
import matplotlib.pyplot as plt

score = scores["Autoencoder"]
shown = []
for digit in (8, 3, 5, 0, 6, 4):
    images = np.flatnonzero(y[test] == digit)
    shown.append(images[score[images].argsort()[len(images) // 2]])
errors = detector.feature_errors(X_test[shown])
labels = detector.predict(X_test[shown])

fig = plt.figure(figsize=(10, 3.2), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=[3, 2])
axes = left.subplots(2, len(shown))
for column, index, error, label in zip(axes.T, shown, errors, labels, strict=True):
    image, blame = column
    image.imshow(X_test[index].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    drawn = blame.imshow(error.reshape(8, 8), cmap="Reds", vmin=0, vmax=10)
    verdict = "inlier" if label == 1 else "outlier"
    color = "#0072B2" if label == 1 else "#D55E00"
    image.set_title(f"{verdict}\nscore {score[index]:.1f}", fontsize=10, color=color)
    for ax in column:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
axes[0, 0].set_ylabel("image")
axes[1, 0].set_ylabel("pixels to blame")
left.colorbar(drawn, ax=axes, label="times the usual", extend="max")
left.suptitle("Trained on eights and a few other digits")

ax = right.subplots()
colors = ["#D55E00", "#D55E00", "#0072B2", "#009E73", "#CC79A7"]
styles = ["-", "--", "-", "-.", ":"]
for name, color, style in zip(detectors, colors, styles, strict=True):
    false_alarms, found, _ = roc_curve(~is_eight, -scores[name])
    ax.plot(
        false_alarms,
        found,
        label=f"{name} ({areas[name]:.3f})",
        color=color,
        linestyle=style,
    )
ax.set(
    xlabel="share of eights marked as outliers",
    ylabel="share of other digits detected",
    xlim=(0, 0.5),
    ylim=(0.5, 1.01),
    title="ROC curves of the detectors",
)
ax.legend(loc="lower right", fontsize=8, frameon=False)

plt.show()
