"""3 and 4: the autoencoders that Parametric UMAP was compared with."""

import numpy as np
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.papers._paper import Figure, Paper, Setting
from sklearn_ae import Autoencoder

WIDE_ERROR = "mean squared error of a pixel, code of 64"
WIDE_ACCURACY = "accuracy of the nearest neighbour, code of 64"
FLAT_ERROR = "mean squared error of a pixel, code of 2"
FLAT_TRUST = "trustworthiness of training images, code of 2"
FLAT_TEST_TRUST = "trustworthiness of test images, code of 2"
FLAT_ACCURACY = "accuracy of the nearest neighbour, code of 2"

N_TRAINING = 50_000
N_TRUST = 10_000  # images whose pairwise distances are compared


def run(setting: Setting) -> dict[str, float]:
    return setting.once("wide", lambda: wide(setting)) | setting.once(
        "flat", lambda: flat(setting)
    )


def wide(setting: Setting) -> dict[str, float]:
    """The figures of a code of 64 numbers."""
    X_train, y_train, X_test, y_test = setting.mnist
    X_train, y_train = X_train[:N_TRAINING], y_train[:N_TRAINING]
    autoencoder = Autoencoder(
        64,
        hidden_layer_sizes=(1024,),
        init="random",
        output_activation="sigmoid",
        learning_rate=0.01,
        batch_size=256,
        max_epochs=setting.epochs(32),
        validation=None,
        checkpoint=setting.checkpoint("wide"),
        random_state=setting.seed,
        verbose=2,
    ).fit(X_train)
    return {
        WIDE_ERROR: float(np.mean(autoencoder.reconstruction_error(X_test))),
        WIDE_ACCURACY: accuracy(autoencoder, X_train, y_train, X_test, y_test),
    }


def flat(setting: Setting) -> dict[str, float]:
    """The figures of a code of two numbers."""
    X_train, y_train, X_test, y_test = setting.mnist
    X_train, y_train = X_train[:N_TRAINING], y_train[:N_TRAINING]
    autoencoder = Autoencoder(
        2,
        hidden_layer_sizes=(512, 256, 128),
        init="random",
        batch_size=256,
        max_epochs=setting.epochs(18),
        validation=None,
        checkpoint=setting.checkpoint("flat"),
        random_state=setting.seed,
        verbose=2,
    ).fit(X_train)
    return {
        FLAT_ERROR: float(np.mean(autoencoder.reconstruction_error(X_test))),
        FLAT_TRUST: trust(autoencoder, X_train),
        FLAT_TEST_TRUST: trust(autoencoder, X_test),
        FLAT_ACCURACY: accuracy(autoencoder, X_train, y_train, X_test, y_test),
    }


def accuracy(autoencoder: Autoencoder, X_train, y_train, X_test, y_test) -> float:
    """How often the training image with the nearest code has the label."""
    nearest = KNeighborsClassifier(1).fit(autoencoder.transform(X_train), y_train)
    return float(nearest.score(autoencoder.transform(X_test), y_test))


def trust(autoencoder: Autoencoder, X: np.ndarray) -> float:
    """Trustworthiness of the first rows with scikit-learn's default, 5 neighbours."""
    X = X[:N_TRUST]
    return float(trustworthiness(X, autoencoder.transform(X)))


PAPER = Paper(
    name="parametric_umap",
    title="The autoencoders beside Parametric UMAP",
    citation=(
        "Sainburg, McInnes and Gentner (2021), "
        "[doi:10.1162/neco_a_01434](https://doi.org/10.1162/neco_a_01434); the "
        "figures are those of its "
        "[notebooks](https://github.com/timsainb/ParametricUMAP_paper)."
    ),
    protocol=(
        "MNIST, 50,000 training images, the 10,000 test images; a convolutional "
        "network (64 and 128 channels, 512 dense units) trained for 50 epochs on the "
        "binary cross-entropy. The nearest neighbour of a test image is a training "
        "image. The trustworthiness that was published is that of the first 10,000 "
        "training images, with 5 neighbours; the notebook has that of the test images, "
        "too."
    ),
    figures=(
        Figure(3, WIDE_ERROR, "0.00162 (PCA 0.0090)", "<= 0.00162", digits=5),
        Figure(
            3,
            WIDE_ACCURACY,
            "0.9748 (variational 0.9785, PCA 0.9707)",
            ">= 0.9748",
            "> 0.9785",
            digits=4,
        ),
        Figure(4, FLAT_ERROR, "0.0369 (PCA 0.0557)", "<= 0.0369", "< 0.0343", digits=4),
        Figure(4, FLAT_TRUST, "0.966 (PCA 0.743)", ">= 0.966", digits=4),
        Figure(4, FLAT_TEST_TRUST, "0.922", digits=4),
        Figure(4, FLAT_ACCURACY, "0.765", digits=4),
    ),
    run=run,
    ours=(
        "Dense networks, 784-1024-64 with a logistic output and 784-512-256-128-2, "
        "trained on the squared error for 32 and 18 epochs. The last 10,000 training "
        "images, on which settings were chosen, are not used."
    ),
    notes=(
        "On those images and after 5 epochs, codes of 64 had an error of 0.0027 with "
        "1024 units and a rate of 0.005, 0.0033 with 512 units, 0.0031 with 512 and a "
        "rate of 0.01, and 0.0045 with a rate of 0.003 and no weight decay. The "
        "nearest neighbour was right for 0.973 to 0.974 of the images with each of "
        "them, and for 0.9745 with PCA. Noise of 0.2 on the inputs "
        "(`DenoisingAutoencoder`, 512 units) raised that to 0.9765 and the error to "
        "0.0040. Other scales of the same codes, such as whitened ones, were not "
        "better. Codes of two had an error of 0.0355, and of 0.0360 with a logistic "
        "output.\n\n"
        "*Why the code of 64 does not reach its bounds.* At the end of 32 epochs the "
        "error was about 0.0016 on training and 0.0021 on test images, so that the "
        "wide layer is fitted too closely to the former. The nearest neighbour is "
        "right less often than it was for held-out images after 5 epochs. The rate of "
        "0.01 and the number of epochs were not tried with 1024 units before this "
        "run; convolutions, fewer epochs and stronger regularisation were not tried "
        "since.\n\n"
        "*Trustworthiness of the code of 2.* It differs less between training and "
        "test images than the published one does: it is lower for the former, whose "
        "bound is not reached, and higher for the latter. The network was chosen by "
        "its error on images that it had not seen. Nothing was tried for the "
        "neighbours of training images, such as more epochs or convolutions."
    ),
)
