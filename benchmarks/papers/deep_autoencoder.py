"""1 and 2: the deep autoencoder of MNIST with a code of 30 numbers."""

import numpy as np

from benchmarks.papers._paper import Figure, Paper, Setting
from sklearn_ae import Autoencoder

TEST, TRAINING = "SSE of the test images", "SSE of the training images"


def run(setting: Setting) -> dict[str, float]:
    X_train, _, X_test, _ = setting.mnist
    autoencoder = Autoencoder(
        30,
        hidden_layer_sizes=(1000, 500, 250),
        activation="gelu",
        init="random",
        optimizer="adam",
        learning_rate=2e-3,
        batch_size=128,
        max_epochs=setting.epochs(28),
        validation=None,
        checkpoint=setting.checkpoint("fit"),
        random_state=setting.seed,
        verbose=2,
    ).fit(X_train)
    return {
        TEST: squared_error(autoencoder, X_test),
        TRAINING: squared_error(autoencoder, X_train),
    }


def squared_error(autoencoder: Autoencoder, X: np.ndarray) -> float:
    """Squared error of an image, summed over its pixels; the mean of all images."""
    return X.shape[1] * float(np.mean(autoencoder.reconstruction_error(X)))


PAPER = Paper(
    name="deep_autoencoder",
    title="Deep autoencoder",
    citation=(
        "Hinton and Salakhutdinov (2006), "
        "[doi:10.1126/science.1127647](https://doi.org/10.1126/science.1127647); "
        "training error: Martens (2010) and Sutskever, Martens, Dahl and Hinton (2013)."
    ),
    protocol="MNIST, 60,000 and 10,000 images, layers 784-1000-500-250-30.",
    figures=(
        Figure(1, TEST, "3.00", "<= 3.00", "< 2.65"),
        Figure(
            2, TRAINING, "SGD 2.1, Hessian-free 1.40, NAG 0.73", "<= 2.1", "<= 1.40"
        ),
    ),
    run=run,
    ours=(
        "The same layers, with GELU in place of logistic units. All weights start at "
        "random and are trained at once, by Adam in 28 epochs, without the pretraining "
        "of the paper and without any penalty."
    ),
    notes=(
        "Rate and batch size were chosen by the error of the last 10,000 training "
        "images after 3 epochs on the others: 6.71 with the settings here, 6.99 with "
        "a rate of 0.004 and batches of 256. A start as PCA, in coordinates with "
        "whitened codes, gave 6.60.\n\n"
        "*Why not reached.* The number of epochs was set by a limit of 20 minutes on "
        "one core. It is 13,000 steps, where Sutskever et al. took 750,000 for the "
        "lowest of the published training errors. The error of the training images "
        "fell in every epoch and is above the published ones, too, which points to a "
        "training that was too short. A longer one was not tried."
    ),
)
