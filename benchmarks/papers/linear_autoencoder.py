"""13: a linear autoencoder that starts at random spans the subspace of PCA."""

import numpy as np
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from benchmarks.papers._paper import Figure, Paper, Setting
from sklearn_ae import Autoencoder

N_COMPONENTS, N_EPOCHS = 30, 25

EXCESS = "SSE of the test images above that of PCA, in percent"
ANGLE = "largest principal angle to PCA's subspace, in degrees"
COSINE = "tied weights: smallest cosine between a component and PCA's"


def run(setting: Setting) -> dict[str, float]:
    X_train, _, X_test, _ = setting.mnist
    pca = PCA(N_COMPONENTS).fit(X_train)
    free = fitted(setting, "free", X_train)
    tied = fitted(setting, "tied", X_train, tied_weights=True)
    error = np.sum((X_test - free.reconstruct(X_test)) ** 2, axis=1).mean()
    best = np.sum((X_test - pca.inverse_transform(pca.transform(X_test))) ** 2, axis=1)
    angles = subspace_angles(pca.components_.T, free.components_.T)
    lengths = np.linalg.norm(tied.components_, axis=1)
    cosines = np.abs(np.sum(tied.components_ * pca.components_, axis=1)) / lengths
    return {
        EXCESS: 100 * (error / best.mean() - 1),
        ANGLE: np.degrees(angles.max()),
        COSINE: cosines.min(),
    }


def fitted(setting: Setting, name: str, X: np.ndarray, **parameters) -> Autoencoder:
    return Autoencoder(
        N_COMPONENTS,
        hidden_layer_sizes=(),
        init="random",
        optimizer="adam",
        max_epochs=setting.epochs(N_EPOCHS),
        validation=None,
        checkpoint=setting.checkpoint(name),
        random_state=setting.seed,
        verbose=2,
        **parameters,
    ).fit(X)


PAPER = Paper(
    name="linear_autoencoder",
    title="Linear autoencoder",
    citation=(
        "Baldi and Hornik (1989), "
        "[doi:10.1016/0893-6080(89)90014-2]"
        "(https://doi.org/10.1016/0893-6080(89)90014-2); Plaut (2018), "
        "[arXiv:1804.10253](https://arxiv.org/abs/1804.10253)."
    ),
    protocol=(
        "The minimum of a linear autoencoder is the subspace of PCA. On MNIST with 30 "
        "components, fitted to 60,000 images, PCA has an SSE of 13.866 on the 10,000 "
        "test images."
    ),
    figures=(
        Figure(13, EXCESS, "0 (a theorem)", "<= 0.1", digits=3),
        Figure(13, ANGLE, "0 (a theorem)", "< 1", digits=2),
        Figure(13, COSINE, "1 (a theorem)", None, "> 0.99", digits=4),
    ),
    run=run,
    ours=(
        '`Autoencoder(30, hidden_layer_sizes=(), init="random", optimizer="adam")`, '
        "which knows nothing of PCA, for 25 epochs. With tied weights the columns of "
        "the weights are orthogonal at the minimum. Since the estimator rotates codes "
        "into uncorrelated ones, sorted by variance, the components are then those of "
        "PCA in their order, and not only another basis of their subspace."
    ),
    notes=(
        "*How it was set up.* Optimizer, batches and number of epochs were tried on "
        "all training images with these figures in view, that of the test images "
        "included: the question is whether training comes to a minimum that is known, "
        "not how well it does on unseen images.\n\n"
        "*Steps and batches.* After 10 epochs the angle was 1.5 degrees; with batches "
        "of 1,000 images and 20 epochs it was 1.8. The direction that converges last "
        "is the 30th, since the 31st explains nearly as much variance."
    ),
)
