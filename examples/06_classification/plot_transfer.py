"""
Transfer learning: an encoder of some digits, used on others
============================================================

An encoder is pretrained without labels on the digits 0 to 4 and then used to classify
the digits 5 to 9 from few labels. Does pretraining transfer? It does where pixels are
missing, since the strokes of all digits are completed in much the same way. It helps
less with noise, and not at all on clean images.
"""

# %%
# The source: 901 images of the digits 0 to 4. The target: 896 images of the digits 5 to
# 9, either clean, or with 40 % of the pixels missing (set to zero), or with Gaussian
# noise.
import numpy as np
from sklearn.datasets import load_digits

X, y = load_digits(return_X_y=True)
X = X / 16
X_source, X_target, y_target = X[y < 5], X[y >= 5], y[y >= 5]


def with_gaps(X, rng):
    return np.where(rng.random(X.shape) < 0.4, 0, X)


def with_noise(X, rng):
    return X + rng.normal(scale=0.4, size=X.shape)


rng = np.random.default_rng(0)
damages = {
    "clean images": lambda X, rng: X,
    "40 % of the pixels missing": with_gaps,
    "noisy images": with_noise,
}
sources = {name: damage(X_source, rng) for name, damage in damages.items()}
targets = {name: damage(X_target, rng) for name, damage in damages.items()}

# %%
# The encoders are trained to restore the source images. The code is wide and has an
# activation, so that it can serve as the hidden layer of a classifier. For clean images
# we use the encoder that fills gaps. No encoder sees a digit above 4 or a label.
from sklearn.base import clone

from sklearn_ae import AutoencoderClassifier, DenoisingAutoencoder

encoder = DenoisingAutoencoder(
    256, corruption_level=0.4, code_activation="silu", init="random", random_state=0
)
fills_gaps = clone(encoder).set_params(corruption="masking").fit(X_source)
removes_noise = clone(encoder).set_params(corruption="gaussian").fit(X_source)
pretrained = {
    "clean images": fills_gaps,
    "40 % of the pixels missing": fills_gaps,
    "noisy images": removes_noise,
}
random = clone(encoder).set_params(max_epochs=0).fit(X_source)

# %%
# For comparison: the same network without pretraining, and logistic regression on the
# pixels and on codes of PCA. PCA is fitted to the source, damaged in the same way as
# the target, or to the few labelled rows of the target. No labelled rows are held out:
# ``validation=None``.
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

training = {"validation": None, "max_epochs": 30, "random_state": 0}
linear = LogisticRegression(C=0.3, max_iter=1000)


def methods(target, n_labels):
    of_source = FrozenEstimator(PCA(32, random_state=0).fit(sources[target]))
    of_rows = PCA(min(16, n_labels // 2), random_state=0)
    return {
        "pretrained on 0 to 4": AutoencoderClassifier(pretrained[target], **training),
        "not pretrained": AutoencoderClassifier(random, **training),
        "pixels": linear,
        "PCA fitted on 0 to 4": make_pipeline(of_source, linear),
        "PCA fitted on the labelled rows": make_pipeline(of_rows, linear),
    }


# %%
# The labelled images are drawn five times, stratified by digit. All other images of the
# target are for testing.
from sklearn.model_selection import StratifiedShuffleSplit

numbers, n_draws = [10, 20, 40, 80], 5
accuracy = {}
for target, X in targets.items():
    for i, n_labels in enumerate(numbers):
        draws = StratifiedShuffleSplit(n_draws, train_size=n_labels, random_state=0)
        for j, (train, test) in enumerate(draws.split(X, y_target)):
            for name, model in methods(target, n_labels).items():
                empty = np.empty((len(numbers), n_draws))
                scores = accuracy.setdefault(target, {}).setdefault(name, empty)
                model.fit(X[train], y_target[train])
                scores[i, j] = model.score(X[test], y_target[test])

for target, of_method in accuracy.items():
    print(f"{target}, {' '.join(map(str, numbers))} labels")
    for name, scores in of_method.items():
        print(f"    {name:32}", *(f"{mean:.3f}" for mean in scores.mean(axis=1)))

clean, missing, noisy = (
    np.array([scores.mean(axis=1) for scores in of_method.values()])
    for of_method in accuracy.values()
)
# The first row is the pretrained network, the second the same without pretraining.
gain_missing, gain_noisy = (a[0] - a[1:].max(axis=0) for a in (missing, noisy))
assert (gain_missing > 0.01).all()
assert gain_noisy.mean() < 0.8 * gain_missing.mean()
assert (noisy[0] > noisy[1] + 0.01).all()
assert (clean[0] < clean[1] + 0.01).all()

# %%
# Means over the draws, with the ranges of the two networks.
import matplotlib.pyplot as plt

styles = {
    "pretrained on 0 to 4": ("#0072B2", "o-"),
    "not pretrained": ("#D55E00", "s--"),
    "pixels": ("0.3", "^:"),
    "PCA fitted on 0 to 4": ("#009E73", "v-."),
    "PCA fitted on the labelled rows": ("#CC79A7", "D:"),
}
fig, axes = plt.subplots(1, 3, figsize=(9, 4), sharex=True, layout="constrained")
for ax, (target, of_method) in zip(axes, accuracy.items(), strict=True):
    for name, (color, style) in styles.items():
        values = of_method[name]
        ax.plot(numbers, values.mean(axis=1), style, color=color, label=name)
        if "PCA" not in name and name != "pixels":
            low, high = values.min(axis=1), values.max(axis=1)
            ax.fill_between(numbers, low, high, color=color, alpha=0.12, linewidth=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks(numbers, numbers)
    ax.set(xlabel="number of labelled images", title=target)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("accuracy on the other images (5 to 9)")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# What transfers is the ability to restore images, so pretraining helps most where
# pixels are missing. With noise the gain over PCA and the pixels is small, and with
# another noise level and other labels there may be none. On clean images the encoder of
# other digits is a handicap; pretrain on images of the target itself instead, as in
# :ref:`sphx_glr_auto_examples_06_classification_plot_semi_supervised_digits.py`.
