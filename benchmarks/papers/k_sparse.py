"""8: k-sparse autoencoders, and a linear classifier on their codes."""

from benchmarks.papers._paper import Figure, Paper, Setting, error_rate
from sklearn_ae import AutoencoderClassifier, SparseAutoencoder

ERROR = "test error of a linear classifier on the codes, %"


def run(setting: Setting) -> dict[str, float]:
    X_train, y_train, X_test, y_test = setting.mnist
    autoencoder = SparseAutoencoder(
        1000,
        sparsity="topk",
        k=25,
        tied_weights=True,
        max_epochs=setting.epochs(15),
        validation=None,
        checkpoint=setting.checkpoint("codes"),
        random_state=setting.seed,
        verbose=2,
    ).fit(X_train)
    classifier = AutoencoderClassifier(
        autoencoder, freeze=True, head_penalty=100.0, random_state=setting.seed
    ).fit(X_train, y_train)
    return {ERROR: error_rate(classifier, X_test, y_test)}


PAPER = Paper(
    name="k_sparse",
    title="k-sparse autoencoder",
    citation=(
        "Makhzani and Frey (2013), *k-sparse autoencoders*, "
        "[arXiv:1312.5663](https://arxiv.org/abs/1312.5663), and (2015), "
        "*Winner-take-all autoencoders*, "
        "[arXiv:1409.2752](https://arxiv.org/abs/1409.2752)."
    ),
    protocol=(
        "MNIST, 60,000 and 10,000 images, a code of 1,000 (k-sparse) or 2,000 units "
        "(winner-take-all), without fine-tuning."
    ),
    figures=(
        Figure(
            8,
            ERROR,
            "k-sparse 1.35, winner-take-all 1.20 (1.38 in a re-run)",
            "<= 1.38",
            "< 1.20",
        ),
    ),
    run=run,
    ours=(
        "1,000 rectified units with tied weights, of which the 25 with the largest "
        "activations are kept in training and in the codes, and a logistic regression "
        "on the codes."
    ),
    notes=(
        "The figure of the k-sparse autoencoder is quoted from memory. The re-run of "
        "the winner-take-all autoencoder is "
        "[tensorflow-fcwta](https://github.com/guoguo12/tensorflow-fcwta), which "
        "classifies 98.62 % of the test images correctly.\n\n"
        "*How it was set up.* Tied weights and the classifier's penalty were chosen on "
        "the last 10,000 training images after a fit to the first 15,000: an error of "
        "2.72 % with tied and 3.51 % with free weights.\n\n"
        "*Why not reached.* In the paper units are linear, training begins with more "
        "active units, whose number is lowered step by step, and more units are kept "
        "for the classifier than in training; `SparseAutoencoder` has one `k`. Neither "
        "more units nor more epochs were tried."
    ),
)
