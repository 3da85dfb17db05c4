"""6: contractive, denoising, weight-decayed and plain autoencoders, fine-tuned."""

import numpy as np
from scipy.special import logit
from sklearn.base import clone

from benchmarks.papers._paper import Figure, Paper, Setting, error_rate, validation_rows
from sklearn_ae import (
    AutoencoderClassifier,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
)

SIGMOID = {
    "hidden_layer_sizes": (),
    "code_activation": "sigmoid",
    "output_activation": "sigmoid",
    "loss": "bce",
    "tied_weights": True,
    "init": "random",
    "validation": None,
    "verbose": 2,
}
# In the published order: from the lowest error to the largest.
METHODS = {
    "contractive": ContractiveAutoencoder(1000, lambd=0.5, **SIGMOID),
    "denoising": DenoisingAutoencoder(
        1000, corruption="masking", corruption_level=0.3, **SIGMOID
    ),
    "weight decay": ContractiveAutoencoder(1000, lambd=0.0, l2_penalty=1e-3, **SIGMOID),
    "plain": ContractiveAutoencoder(1000, lambd=0.0, **SIGMOID),
}
# As published, in %, and the mean norms of the encoder's Jacobian times 10,000.
ERRORS = {"contractive": 1.14, "denoising": 1.18, "weight decay": 1.68, "plain": 1.78}
NORMS = {"contractive": 0.73, "denoising": 0.86, "weight decay": 5.0, "plain": 17.5}

ORDER = "pairs of methods in the published order of their errors, of 6"
SMALLEST = "contractive: norm of the Jacobian, over the smallest of the others"


def run(setting: Setting) -> dict[str, float]:
    values = {}
    for name in METHODS:
        values |= setting.once(name, lambda name=name: measure(name, setting))
    errors = [values[error(name)] for name in METHODS]
    first, *others = (values[norm(name)] for name in METHODS)
    pairs = [(i, j) for j in range(len(errors)) for i in range(j)]
    values[ORDER] = sum(errors[i] < errors[j] for i, j in pairs)
    return values | {SMALLEST: first / min(others)}


def error(name: str) -> str:
    return f"{name}: test error, %"


def norm(name: str) -> str:
    return f"{name}: mean norm of the Jacobian"


def measure(name: str, setting: Setting) -> dict[str, float]:
    X_train, y_train, X_test, y_test = setting.mnist
    kept, unseen = validation_rows(len(X_train))
    autoencoder = clone(METHODS[name]).set_params(
        max_epochs=setting.epochs(6),
        checkpoint=setting.checkpoint(f"{name}, pretrained"),
        random_state=setting.seed,
    )
    autoencoder.fit(X_train[kept])
    classifier = AutoencoderClassifier(
        autoencoder,
        learning_rate=3e-3,
        max_epochs=setting.epochs(30),
        checkpoint=setting.checkpoint(f"{name}, fine-tuned"),
        random_state=setting.seed,
        verbose=2,
    ).fit(X_train[kept], y_train[kept], X_val=X_train[unseen], y_val=y_train[unseen])
    return {
        error(name): error_rate(classifier, X_test, y_test),
        norm(name): float(np.mean(jacobian_norm(autoencoder, X_train[unseen]))),
    }


def jacobian_norm(autoencoder, X: np.ndarray) -> np.ndarray:
    """``||dh/dx||_F`` of each row, for a code ``h`` of one layer of sigmoid units.

    Row ``j`` of the Jacobian is ``h_j (1 - h_j) w_j``. The weights ``w`` follow from
    the codes of a black image, and of images with a single white pixel.
    """
    n_pixels = X.shape[1]
    black, *white = logit(autoencoder.transform(np.eye(n_pixels + 1, n_pixels, -1)))
    squares = np.sum((np.array(white) - black) ** 2, axis=0)
    codes = autoencoder.transform(X)
    return np.sqrt((codes * (1 - codes)) ** 2 @ squares)


PAPER = Paper(
    name="contractive",
    title="Contractive autoencoder",
    citation=(
        "Rifai, Vincent, Muller, Glorot and Bengio (2011), *Contractive auto-encoders: "
        "explicit invariance during feature extraction*, ICML."
    ),
    protocol=(
        "MNIST, 50,000, 10,000 and 10,000 images, one layer of 1,000 sigmoid units "
        "with tied weights, fine-tuned as a classifier."
    ),
    figures=(
        *(
            Figure(
                6,
                error(name),
                f"{ERRORS[name]}",
                beyond="<= 1.14" if name == "contractive" else None,
            )
            for name in METHODS
        ),
        *(Figure(6, norm(name), f"{NORMS[name]}e-4", digits=4) for name in METHODS),
        Figure(6, ORDER, "6", ">= 6", digits=0),
        Figure(6, SMALLEST, "0.85", "< 1"),
    ),
    run=run,
    ours=(
        "The same layer and tied weights, with the cross-entropy of the pixels. "
        "Autoencoders are trained for 6 epochs, classifiers for 30 at a rate of 0.003, "
        "of which the validation images choose one. Norms are those of the pretrained "
        "encoders, averaged over the validation images. The published norms are on "
        "another scale than Frobenius norms in these units; only their ratios can be "
        "compared."
    ),
    notes=(
        "The published figures are quoted from memory.\n\n"
        "*How it was set up.* By the validation images, after 10 and 30 epochs on the "
        "first 15,000 training images. Plain: an error of 3.59 % at a rate of 0.001 "
        "for the classifier, 3.28 at 0.003. Contractive, at 0.001: 2.88 % with a "
        "weight of 0.1, 2.12 with 0.5, 2.47 with 2. Denoising, at 0.001: 3.99 %, and "
        "4.17 if the autoencoder is trained at 0.002.\n\n"
        "*Why not reached.* There is one run with one seed. The share of masked pixels "
        "and the weight decay were not searched, nor more epochs of pretraining. As "
        "published, the contractive autoencoder has the lowest error and the smallest "
        "Jacobian. A test error of 2 % has a standard error of 0.14 points, so that "
        "the order of the other three may be chance."
    ),
)
