"""10: PyTorch's example of a variational autoencoder, on grey pixels."""

from benchmarks.papers._paper import Figure, Paper, Setting
from sklearn_ae import VariationalAutoencoder

# For each training: the parameters beside those of the network.
TRAININGS = {
    "as in the example": {
        "init": "random",
        "optimizer_params": {"betas": (0.9, 0.999), "eps": 1e-8},
        "learning_rate": 1e-3,
        "learning_rate_schedule": "constant",
    },
    "start and schedule of this package": {},
}


def loss(name: str) -> str:
    return f"loss of the test images, nats ({name})"


def run(setting: Setting) -> dict[str, float]:
    X_train, _, X_test, _ = setting.mnist
    values = {}
    for name, parameters in TRAININGS.items():
        vae = VariationalAutoencoder(
            20,
            hidden_layer_sizes=400,
            activation="relu",
            loss="bernoulli",
            batch_size=128,
            max_epochs=setting.epochs(10),
            validation=None,
            checkpoint=setting.checkpoint(name),
            random_state=setting.seed,
            verbose=2,
            **parameters,
        ).fit(X_train)
        values[loss(name)] = -vae.score_samples(X_test).mean()
    return values


EXAMPLE, PACKAGE = map(loss, TRAININGS)

PAPER = Paper(
    name="grey_vae",
    title="Variational autoencoder on grey pixels",
    citation=(
        "[pytorch/examples](https://github.com/pytorch/examples/tree/main/vae), after "
        "Kingma and Welling (2014), "
        "[arXiv:1312.6114](https://arxiv.org/abs/1312.6114)."
    ),
    protocol=(
        "MNIST, 60,000 and 10,000 images, layers 784-400-20 with ReLU, 10 epochs of "
        "Adam at 1e-3 with batches of 128; cross-entropy plus divergence of an image. "
        "Since the pixels are grey, this is not a likelihood, and 45.5 nats of it are "
        "the entropy of the pixels themselves."
    ),
    figures=(
        Figure(10, EXAMPLE, "105.59", "<= 105.6"),
        Figure(10, PACKAGE, "105.59", "<= 105.6", "<= 103"),
    ),
    run=run,
    ours=(
        "The same network, batches and number of epochs, once with the training of the "
        "example (random weights, Adam with the constants of torch, a constant rate) "
        "and once with the defaults of "
        "`VariationalAutoencoder`: the start as probabilistic PCA, and a one-cycle "
        "schedule. The expectation over the codes is a mean over 64 quasi-random "
        "draws, where the example takes a single draw."
    ),
    notes=(
        "*How it was set up.* Both trainings follow the example or the defaults; "
        "nothing was chosen by this loss but one thing. The first one was run with "
        "this package's constants of Adam (a second beta of 0.99 instead of 0.999, "
        "and an epsilon of 1e-5), and had a loss of 106.47. Since the example has "
        "those of torch, the script has them now, although the loss is higher with "
        "them.\n\n"
        "*Why not reached.* With the training of the example the loss is 1.2 nats "
        "above the published one, for one seed each. What still differs are the "
        "initial weights, which are Xavier's here, and the pixels, which the "
        "estimator centres and divides by a common scale. Which of them counts was "
        "not tested."
    ),
)
