"""9: sparse codes of scikit-learn's digits, and a linear classifier on them."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC

from benchmarks.papers._paper import Figure, Paper, Setting
from sklearn_ae import SparseAutoencoder

N_UNITS, N_ACTIVE = 256, 18  # 7 % of the units
N_FITS = 5
PIXELS, CODES = (
    f"accuracy of a linear SVM on {what}, in percent" for what in ("pixels", "codes")
)


def run(setting: Setting) -> dict[str, float]:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.35, random_state=0
    )
    X_train, y_train = setting.rows(X_train), setting.rows(y_train)
    values = {PIXELS: 100 * searched_svm(X_train, y_train).score(X_test, y_test)}
    for i in range(1 if setting.is_quick else N_FITS):
        autoencoder = SparseAutoencoder(
            N_UNITS,
            sparsity="topk",
            k=N_ACTIVE,
            tied_weights=True,
            max_epochs=setting.epochs(120),
            validation=None,
            checkpoint=setting.checkpoint(f"fit{i}"),
            random_state=setting.seed + i,
        ).fit(X_train)
        svm = searched_svm(autoencoder.transform(X_train), y_train)
        accuracy = svm.score(autoencoder.transform(X_test), y_test)
        values[f"codes of seed {i}"] = 100 * accuracy
        print(values, flush=True)
    fits = [value for name, value in values.items() if name != PIXELS]
    return values | {CODES: np.mean(fits)}


def searched_svm(X: np.ndarray, y: np.ndarray) -> BaseEstimator:
    """A linear SVM whose `C` is chosen by cross-validation."""
    return GridSearchCV(SVC(kernel="linear"), {"C": np.logspace(-5, 5, 11)}).fit(X, y)


PAPER = Paper(
    name="sparse_digits",
    title="Sparse codes of digits",
    citation=(
        "[tensorflow-fcwta](https://github.com/guoguo12/tensorflow-fcwta), "
        "`train_digits.py`, after Makhzani and Frey (2015), "
        "[arXiv:1409.2752](https://arxiv.org/abs/1409.2752)."
    ),
    protocol=(
        "scikit-learn's digits, split by `train_test_split(test_size=0.35, "
        "random_state=0)`; 256 units, 7 % of them active; a linear SVM on the codes. "
        "`C` was chosen on the test rows, so that the published figure is optimistic."
    ),
    figures=(
        Figure(9, PIXELS, "95.5"),
        Figure(9, CODES, "99.0", ">= 98.5", "> 99.05"),
    ),
    run=run,
    ours=(
        '`SparseAutoencoder(256, sparsity="topk", k=18, tied_weights=True)`, which '
        "keeps the 18 largest codes of each row, where the original keeps the rows "
        "with the largest values of each unit, and drops that limit for the codes of "
        "the SVM. `C` is chosen by cross-validation on the training rows, as were tied "
        "weights and the number of epochs. The SVM compares pairs of classes. "
        "The figure is the mean of five fits."
    ),
    notes=(
        "The published figure was read in the script. The test set has 629 rows: one "
        "row more or less is 0.16 points, and single fits go from 98.4 to 99.0. In "
        "cross-validation on training rows, tied weights gained 0.3 to 0.5 points over "
        "free ones, 120 epochs about 0.3 over 30, and 200 epochs nothing more."
    ),
)
