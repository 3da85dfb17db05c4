"""One fitting function each for Autoencoder and its peers, for time_to_quality.py.

``fit(X, code, epochs, seed)`` trains on the float32 rows of `X` and returns a function
from rows to their reconstructions. time_to_quality.py documents the settings and the
reasons for them.
"""

import contextlib
import importlib.util
import io
import logging
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import torch
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from skorch import NeuralNet
from torch import nn

from benchmarks._data import default_epochs
from sklearn_ae import Autoencoder

WIDTH, BATCH_SIZE = 256, 128  # of `Network` and the hand-written loop


def fit_pca(X, code, epochs, seed):
    pca = PCA(code, random_state=seed).fit(X)
    return lambda rows: pca.inverse_transform(pca.transform(rows))


def fit_ours(X, code, epochs, seed):
    return Autoencoder(code, max_epochs=epochs, random_state=seed).fit(X).reconstruct


def fit_mlp(X, code, epochs, seed):
    model = MLPRegressor(
        hidden_layer_sizes=(128, code, 128), max_iter=epochs, random_state=seed
    )
    return model.fit(X, X).predict


class Network(nn.Sequential):
    """The layers of the Autoencoder without its linear path."""

    def __init__(self, n_features, code):
        super().__init__(
            nn.Linear(n_features, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, code),
            nn.Linear(code, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, n_features),
        )


def fit_skorch(X, code, epochs, seed):
    torch.manual_seed(seed)
    shape = {"module__n_features": X.shape[1], "module__code": code}
    net = NeuralNet(Network, nn.MSELoss, max_epochs=epochs, verbose=0, **shape)
    return net.fit(X, X).predict


def fit_loop(X, code, epochs, seed):
    torch.manual_seed(seed)
    X = torch.from_numpy(X)
    network = Network(X.shape[1], code)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            x = X[rows]
            loss = nn.functional.mse_loss(network(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return arrays_through(network)


def fit_pyod(X, code, epochs, seed):
    from pyod.models.auto_encoder import AutoEncoder

    detector = AutoEncoder(
        hidden_neuron_list=[64, code],
        preprocessing=False,
        epoch_num=epochs,
        random_state=seed,
        verbose=0,
    )
    detector.fit(X)
    return arrays_through(detector.model.eval())


def fit_encdr(X, code, epochs, seed):
    from encdr import ENCDR

    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    model = ENCDR(
        latent_dim=code, max_epochs=epochs, random_state=seed, trainer_kwargs=quiet
    )
    return model.fit(X).predict


def fit_pythae(X, code, epochs, seed):
    from pythae.models import AE, AEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    scaler = FunctionTransformer()  # the identity
    if X.min() < 0 or X.max() > 1:
        scaler = MinMaxScaler()
    X = scaler.fit_transform(X)
    torch.manual_seed(seed)
    model = AE(AEConfig(input_dim=X.shape[1:], latent_dim=code))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(output_dir=folder, num_epochs=epochs, seed=seed)
        pipeline = TrainingPipeline(model, config)
        pipeline(X)
    # It keeps the best model on the training rows in addition to the last one.
    best = pipeline.trainer._best_model.eval()
    reconstruct = arrays_through(lambda x: best({"data": x}).recon_x)
    return lambda rows: scaler.inverse_transform(reconstruct(scaler.transform(rows)))


def arrays_through(network):
    """Wrap `network` as a function from array to array, without gradients."""

    def reconstruct(rows):
        with torch.no_grad():
            return network(torch.from_numpy(rows)).numpy()

    return reconstruct


def quarters(last):
    """`last` divided by powers of 4, down to 1 at the lowest, in rising order."""
    return [*quarters(last // 4), last] if last >= 4 else [last]


def our_epochs(n_rows, n_columns):
    """0 (the PCA start), "auto", and the default number by halves and doubles."""
    usual = default_epochs(n_rows, n_columns)
    shorter = {usual // 2**i for i in range(1, 12)}
    return [*sorted({0, *shorter}), "auto", 2 * usual, 4 * usual]


@dataclass(frozen=True)
class Method:
    """How to fit a method, and for how many epochs, given rows and columns."""

    fit: Callable
    epochs: Callable[[int, int], list[int | str]]
    package: str = "sklearn"  # required package

    @property
    def is_installed(self):
        return importlib.util.find_spec(self.package) is not None


def _loop_epochs(n_rows, n_columns):
    return quarters(200 if n_rows < 5_000 else 50)


METHODS = {
    "PCA": Method(fit_pca, lambda n_rows, n_columns: [0]),
    "Autoencoder": Method(fit_ours, our_epochs),
    "MLPRegressor": Method(fit_mlp, lambda n_rows, n_columns: quarters(200)),
    "skorch": Method(fit_skorch, lambda n_rows, n_columns: quarters(10)),
    "Adam loop": Method(fit_loop, _loop_epochs),
    "PyOD": Method(fit_pyod, lambda n_rows, n_columns: quarters(10), "pyod"),
    "encdr": Method(fit_encdr, lambda n_rows, n_columns: quarters(100), "encdr"),
    "pythae": Method(fit_pythae, lambda n_rows, n_columns: quarters(100), "pythae"),
}


def installed(names):
    """Names and versions of the installed packages of the peers."""
    return [
        f"{METHODS[name].package} {version(METHODS[name].package)}"
        for name in names
        if METHODS[name].package != "sklearn" and METHODS[name].is_installed
    ]


@contextlib.contextmanager
def silence():
    """Suppress progress bars, logs and warnings of the peers."""
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
