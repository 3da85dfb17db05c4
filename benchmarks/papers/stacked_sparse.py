"""7: the stacked sparse autoencoder of the UFLDL tutorial."""

from sklearn.base import clone

from benchmarks.papers._paper import Figure, Paper, Setting, error_rate
from sklearn_ae import AutoencoderClassifier, SparseAutoencoder, StackedAutoencoder

BEFORE = "test accuracy before fine-tuning, %"
AFTER = "test accuracy after fine-tuning, %"


def run(setting: Setting) -> dict[str, float]:
    X_train, y_train, X_test, y_test = setting.mnist
    stack = StackedAutoencoder(
        200,
        hidden_layer_sizes=(200,),
        activation="sigmoid",
        code_activation="sigmoid",
        output_activation="sigmoid",
        layer=SparseAutoencoder(
            rho=0.1, lambd=3.0, l2_penalty=3e-3, validation=None, verbose=2
        ),
        pretrain_epochs=setting.epochs(15),
        max_epochs=0,
        validation=None,
        checkpoint=setting.checkpoint("stack"),
        random_state=setting.seed,
    ).fit(X_train)
    classifier = AutoencoderClassifier(
        stack,
        learning_rate=3e-3,
        max_epochs=setting.epochs(40),
        validation=None,
        checkpoint=setting.checkpoint("fine-tuned"),
        random_state=setting.seed,
        verbose=2,
    )
    frozen = clone(classifier).set_params(freeze=True, checkpoint=None)
    values = {}
    for name, model in {BEFORE: frozen, AFTER: classifier}.items():
        model.fit(X_train, y_train)
        values[name] = 100 - error_rate(model, X_test, y_test)
    return values


PAPER = Paper(
    name="stacked_sparse",
    title="Stacked sparse autoencoder",
    citation=(
        "Ng, Ngiam, Foo, Mai and Suen, UFLDL tutorial, *Exercise: Implement deep "
        "networks for digit classification*, "
        "<http://ufldl.stanford.edu/wiki/index.php/Exercise:_Implement_deep_networks_"
        "for_digit_classification>."
    ),
    protocol=(
        "MNIST, 60,000 and 10,000 images, layers 784-200-200-10 of sigmoid units, mean "
        "activation 0.1, weights 3 of the sparsity and 0.003 of the squared weights."
    ),
    figures=(
        Figure(7, BEFORE, "87.7"),
        Figure(7, AFTER, "97.6", ">= 97.6", ">= 98.35"),
    ),
    run=run,
    ours=(
        "The same layers and the same objective, which Adam minimises in batches "
        "instead of L-BFGS. In fine-tuning, Adam's weight decay stands in for the "
        "penalty of the squared weights."
    ),
)
