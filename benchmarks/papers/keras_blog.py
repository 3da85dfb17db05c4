"""12: deep and convolutional autoencoders of the blog of Keras."""

import numpy as np
from scipy.special import xlogy

from benchmarks.papers._paper import Figure, Paper, Setting
from sklearn_ae import Autoencoder, ConvolutionalAutoencoder

DEEP = "deep, code of 32: cross-entropy of a test pixel"
CONVOLUTIONAL = "convolutional, code of 128: cross-entropy of a test pixel"


def run(setting: Setting) -> dict[str, float]:
    X_train, _, X_test, _ = setting.mnist
    shared = {
        "loss": "bce",
        "optimizer": "adam",
        "validation": None,
        "random_state": setting.seed,
        "verbose": 2,
    }
    deep = Autoencoder(
        32,
        hidden_layer_sizes=(128, 64),
        max_epochs=setting.epochs(12),
        checkpoint=setting.checkpoint("deep"),
        **shared,
    ).fit(X_train)
    convolutional = ConvolutionalAutoencoder(
        128,
        image_shape=(1, 28, 28),
        channels=(16, 8),
        max_epochs=setting.epochs(2),
        checkpoint=setting.checkpoint("convolutional"),
        **shared,
    ).fit(X_train)
    return {
        DEEP: cross_entropy(X_test, deep.reconstruct(X_test)),
        CONVOLUTIONAL: cross_entropy(X_test, convolutional.reconstruct(X_test)),
    }


def cross_entropy(X: np.ndarray, output: np.ndarray) -> float:
    """Mean binary cross-entropy of a pixel, in nats."""
    X, output = X.astype(float), np.clip(output.astype(float), 1e-7, 1 - 1e-7)
    return float(-np.mean(xlogy(X, output) + xlogy(1 - X, 1 - output)))


PAPER = Paper(
    name="keras_blog",
    title="Deep and convolutional autoencoders",
    citation=(
        "Chollet (2016), *Building autoencoders in Keras*, "
        "[blog.keras.io](https://blog.keras.io/building-autoencoders-in-keras.html)."
    ),
    protocol=(
        "MNIST, 60,000 and 10,000 images, mean binary cross-entropy of a pixel: layers "
        "784-128-64-32 for 100 epochs, or convolutions with 16, 8 and 8 channels and a "
        "code of 4 x 4 x 8 = 128 numbers. The entropy of the grey pixels is 0.0581, "
        "below which no reconstruction comes."
    ),
    figures=(
        Figure(12, DEEP, "0.097", "<= 0.097", "<= 0.080", digits=4),
        Figure(12, CONVOLUTIONAL, "0.094", "<= 0.094", "<= 0.080", digits=4),
    ),
    run=run,
    ours=(
        "`Autoencoder(32, hidden_layer_sizes=(128, 64))` for 12 epochs, and "
        "`ConvolutionalAutoencoder(128, channels=(16, 8))` for 2, both with "
        '`loss="bce"`, `optimizer="adam"` and the defaults of the package: GELU or '
        "SiLU, linear maps in parallel with the layers, which start as PCA, and a "
        "one-cycle schedule. Instead of pooling, convolutions have a stride of 2, and "
        "a dense layer gives the code of 128 numbers."
    ),
    notes=(
        "*The start.* In a trial on 20,000 training images, the deep network had a "
        "cross-entropy of 0.081 on unseen training images after 6 epochs, and 0.096 "
        '(with `init="random"`) without the linear maps and the start as PCA.'
    ),
)
