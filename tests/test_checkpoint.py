"""Fits that go on after a crash: the same bits, whatever the moment."""

import io
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from registry import OwnCorruption, OwnNetwork
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.batched.networks import StackedNetworks
from sklearn_ae.model_selection import BatchedGridSearchCV
from sklearn_ae.persistence import Checkpoint, files, fingerprint
from sklearn_ae.persistence.files import Encoded
from sklearn_ae.persistence.fingerprint import describe, digest
from sklearn_ae.persistence.state import dump_state
from sklearn_ae.training.eager_optimizers import SGD, Adam
from sklearn_ae.training.net import AutoencoderNet

# A few epochs explain little.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CHEAP = {"max_epochs": 3, "random_state": 0}
RANDOM = {"init": "random", "hidden_layer_sizes": 4, **CHEAP}
PLAIN = Autoencoder(2, **RANDOM)
LAYER = DenoisingAutoencoder(max_epochs=2)


class OwnAdam(Adam):
    """An optimizer that is not known to treat weights one by one."""


# Each kind of estimator, of training and of what training changes.
ESTIMATORS = {
    "comparison": Autoencoder(1, hidden_layer_sizes=4, validation=2, **CHEAP),
    "comparison, ended early": DenoisingAutoencoder(
        1,
        hidden_layer_sizes=4,
        validation=3,
        n_iter_no_change=1,
        tol=0.25,
        learning_rate_schedule="reduce_on_plateau",
        random_state=0,
    ).set_params(max_epochs=8, callbacks=[Callback()]),
    "one candidate": Autoencoder(1, validation=None, **CHEAP),
    "hold-out": Autoencoder(1, validation=0.3, **CHEAP),
    "plain": PLAIN,
    "plateau": clone(PLAIN).set_params(
        learning_rate_schedule="reduce_on_plateau", n_iter_no_change=2, dropout=0.1
    ),
    "lbfgs": clone(PLAIN).set_params(optimizer="lbfgs", validation=None),
    "own network and optimizer": Autoencoder(
        2, network=OwnNetwork, optimizer=OwnAdam, **CHEAP
    ),
    "sparse": SparseAutoencoder(3, batch_size=16, **CHEAP),
    "denoising": DenoisingAutoencoder(2, corruption=OwnCorruption(0.1), **RANDOM),
    "contractive": ContractiveAutoencoder(
        4, n_projections=2, learning_rate_schedule="cosine", **CHEAP
    ),
    "variational": VariationalAutoencoder(2, loss="bernoulli", **CHEAP),
    "convolutional": ConvolutionalAutoencoder(2, channels=(2,), **CHEAP),
    "stacked": StackedAutoencoder(2, hidden_layer_sizes=4, layer=[LAYER] * 2, **CHEAP),
    "classifier": AutoencoderClassifier(PLAIN, **CHEAP),
    "regressor": AutoencoderRegressor(PLAIN, **CHEAP),
    "detector": AutoencoderOutlierDetector(PLAIN, cv=2, random_state=0),
    "detector, comparisons": AutoencoderOutlierDetector(
        Autoencoder(1, hidden_layer_sizes=2, max_epochs=2, validation=2),
        cv=2,
        random_state=0,
    ),
    "detector, pipeline": AutoencoderOutlierDetector(
        make_pipeline(StandardScaler(), PLAIN), cv=2, random_state=0
    ),
}


@pytest.fixture(scope="module")
def data():
    """A table with values in [0, 1], and labels."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 8))
    X += 0.1 * rng.standard_normal(X.shape)
    X = (X - X.min()) / np.ptp(X)
    return X, (X[:, 0] > np.median(X[:, 0])).astype(int)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.npz"


@pytest.fixture
def written(monkeypatch):
    """The contents of all files that are written, in their order."""
    contents = []
    write = files.write

    def write_and_note(path, value):
        write(path, value)
        contents.append((path, path.read_bytes()))

    monkeypatch.setattr(files, "write", write_and_note)
    return contents


def with_checkpoint(estimator, path, **options):
    """A clone that saves after every epoch."""
    options = {"every_seconds": None, "every_n_epochs": 1} | options
    return clone(estimator).set_params(checkpoint=Checkpoint(path, **options))


def assert_same(one, other, X):
    """Everything that a fit leaves is the same to the bit."""
    mine, others = vars(one), vars(other)
    assert mine.keys() == others.keys()
    for name in mine:
        if name.endswith("_") and isinstance(mine[name], np.ndarray | float | int):
            np.testing.assert_array_equal(mine[name], others[name], err_msg=name)
    for name in ("history_", "candidates_"):
        for column, values in mine.get(name, {}).items():
            np.testing.assert_array_equal(values, others[name][column])
    if "net_" in mine:
        states = [Encoded.of(dump_state(fitted.net_)) for fitted in (one, other)]
        assert states[0].structure == states[1].structure
        for array, same in zip(*(state.arrays for state in states), strict=True):
            np.testing.assert_array_equal(array, same)
    for method in ("transform", "score_samples", "predict"):
        if hasattr(one, method):
            results = [getattr(fitted, method)(X) for fitted in (one, other)]
            np.testing.assert_array_equal(*results)


# -- the same bits ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_goes_on_from_any_moment(name, data, path, written):
    estimator = with_checkpoint(ESTIMATORS[name], path)
    whole = clone(estimator).fit(*data)
    moments = [content for _, content in written]
    n_epochs = len(moments)
    assert n_epochs >= 3
    assert not path.exists()
    # Where networks of a stack end one by one, all moments.
    step = 1 if "early" in name else n_epochs // 2
    for moment in range(step, n_epochs, step):
        path.write_bytes(moments[moment])
        written.clear()
        resumed = clone(estimator).fit(*data)
        # It has trained no epoch again.
        assert len(written) == n_epochs - 1 - moment
        assert_same(resumed, whole, data[0])


@pytest.mark.parametrize("name", ["comparison", "plain", "regressor"])
def test_a_checkpoint_changes_no_result(name, data, path):
    estimator = ESTIMATORS[name]
    saved = with_checkpoint(estimator, path).fit(*data)
    assert_same(saved.set_params(checkpoint=None), clone(estimator).fit(*data), data[0])


def test_weights_targets_and_sparse_tables(data, path, written):
    X, y = data
    table = sparse.csr_array(np.where(X < 0.4, 0, X))
    arguments = {"X_target": X[:, :3], "sample_weight": y + 0.5}
    estimator = with_checkpoint(PLAIN, path)
    whole = clone(estimator).fit(table, **arguments)
    path.write_bytes(written[1][1])
    resumed = clone(estimator).fit(table, **arguments)
    np.testing.assert_array_equal(resumed.reconstruct(table), whole.reconstruct(table))


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
@pytest.mark.parametrize("name", ["plain", "stacked", "classifier", "detector"])
def test_goes_on_with_the_seed_that_was_drawn(name, random_state, data, path, written):
    estimator = with_checkpoint(ESTIMATORS[name], path)
    estimator.set_params(random_state=random_state)
    whole = estimator.fit(*data)
    path.write_bytes(written[-2][1])
    # Another state of the same generator, as in another process.
    again = clone(estimator).fit(*data)
    assert_same(again, whole, data[0])


def test_a_warm_start_goes_on(data, path, written):
    X, _ = data
    warm = Autoencoder(2, warm_start=True, **RANDOM).fit(X)
    before = pickle.dumps(warm)
    checkpoint = Checkpoint(path, every_seconds=0)
    whole = pickle.loads(before).set_params(checkpoint=checkpoint).fit(X)
    path.write_bytes(written[0][1])
    resumed = pickle.loads(before).set_params(checkpoint=checkpoint).fit(X)
    assert_same(resumed, whole, X)
    # Another start is another fit.
    path.write_bytes(written[0][1])
    with pytest.raises(ValueError, match="data differ: the network of the warm"):
        whole.fit(X)


def test_only_the_path_is_positional():
    with pytest.raises(TypeError, match="positional"):
        Checkpoint("fit.npz", 60.0)


def test_partial_fit_saves_nothing(data, path, written):
    with_checkpoint(PLAIN, path).partial_fit(data[0])
    assert written == []
    assert not path.exists()


# -- crashes ---------------------------------------------------------------------------

KILLED = """
    import os, signal, sys
    import numpy as np
    from sklearn_ae import Autoencoder
    from sklearn_ae.persistence import Checkpoint, files

    def killed(handle, n=[0]):
        # All is written but for the new name.
        n[0] += 1
        if n[0] == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    files.os.fsync = killed
    X = np.load(sys.argv[1])
    Autoencoder(
        2, init="random", hidden_layer_sizes=4, max_epochs=6, random_state=0,
        checkpoint=Checkpoint(sys.argv[2], every_n_epochs=1),
    ).fit(X)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_while_it_writes(data, path, written):
    X, _ = data
    table = path.with_name("X.npy")
    np.save(table, X)
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), table, path],
        env=environment,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    (unfinished,) = path.parent.glob("fit.npz.*.unfinished")
    assert unfinished.stat().st_size >= path.stat().st_size
    estimator = clone(PLAIN).set_params(max_epochs=6)
    whole = clone(estimator).fit(X)
    resumed = with_checkpoint(estimator, path).fit(X)
    # Two synchronisations a file: two epochs of six were saved.
    assert len(written) == 4
    assert_same(resumed, whole, X)
    assert list(path.parent.iterdir()) == [table]


def test_an_error_while_it_writes_leaves_the_state_before(data, path, monkeypatch):
    files.write(path, {"one": Encoded.of(np.zeros(3))})
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, {"one": Encoded.of(np.ones(3))})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_does_not_end_the_fit(data, path, monkeypatch):
    def fail(path, value):
        raise OSError("No space left on device")

    monkeypatch.setattr(files, "write", fail)
    estimator = with_checkpoint(PLAIN, path)
    with pytest.warns(RuntimeWarning, match="could not be written.*No space left"):
        estimator.fit(data[0])
    assert_same(
        estimator.set_params(checkpoint=None), clone(PLAIN).fit(data[0]), data[0]
    )


class Interrupt(Callback):
    """Sends an interrupt after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n_epochs:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ["plain", "stacked", "classifier", "hold-out"])
def test_an_interrupted_fit_goes_on(name, data, path, written):
    estimator = with_checkpoint(ESTIMATORS[name], path)
    estimator.set_params(callbacks=[Interrupt(0)])
    whole = clone(estimator).fit(*data)
    n_epochs = len(written)
    written.clear()
    estimator.set_params(callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clone(estimator).fit(*data)
    n_saved = len(written)
    assert path.exists()
    written.clear()
    resumed = estimator.set_params(callbacks=[Interrupt(0)]).fit(*data)
    assert len(written) == n_epochs - n_saved
    assert_same(resumed, whole, data[0])
    assert not path.exists()


def test_an_interrupted_comparison_goes_on(data, path, written, monkeypatch):
    estimator = with_checkpoint(ESTIMATORS["comparison"], path)
    whole = clone(estimator).fit(data[0])
    validate = StackedNetworks.validate

    def interrupted(self):
        if self.trainings[0].n_epochs_begun == 2:
            signal.raise_signal(signal.SIGINT)
        return validate(self)

    written.clear()
    monkeypatch.setattr(StackedNetworks, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        clone(estimator).fit(data[0])
    assert path.exists()
    monkeypatch.undo()
    assert_same(clone(estimator).fit(data[0]), whole, data[0])


# -- whose file it is ------------------------------------------------------------------


@pytest.fixture
def begun(data, path, written):
    """An estimator whose fit has saved an epoch."""
    estimator = with_checkpoint(AutoencoderClassifier(PLAIN, **CHEAP), path)
    clone(estimator).fit(*data)
    path.write_bytes(written[0][1])
    return estimator


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 4}, "fit: max_epochs was 3 and is 4. Remove"),
        ({"random_state": None}, "fit: random_state was 0 and is None. Remove"),
        ({"verbose": 1}, "fit: verbose was False and is True. Remove"),
        ({"callbacks": [Callback()]}, r"callbacks was \[\] and is \['Callback'\]"),
        (
            {"autoencoder__n_components": 3},
            "fit: autoencoder__n_components was 2 and is 3. Remove",
        ),
        (
            {"autoencoder__loss": "mae", "tol": 0},
            "autoencoder__loss was 'mse' and is 'mae'; tol was 0.0001 and is 0. ",
        ),
    ],
)
def test_other_parameters_are_named(begun, data, params, message):
    with pytest.raises(ValueError, match=message):
        clone(begun).set_params(**params).fit(*data)


def test_other_data_are_named(begun, data):
    X, y = data
    for arguments, names in (
        ((X + 1e-9, y), "X"),
        ((X, 1 - y), "y"),
        ((X[:40], y[:40], np.arange(1, 41)), "X, y, sample_weight"),
        ((X.astype(np.float32), y), "X"),
        # Not the weights, which nobody has passed.
        ((X[:40], y[:40]), "X, y"),
    ):
        message = rf"another fit: the data differ: {names}\. Remove"
        with pytest.raises(ValueError, match=message):
            begun.fit(*arguments)


def test_only_weights_that_are_passed_are_named(data, path, written):
    X = data[0]
    estimator = with_checkpoint(PLAIN, path).fit(X)
    path.write_bytes(written[0][1])
    weight = np.ones(len(X))
    weight[0] = 0
    for table, given, names in (
        (X[:40], None, "X"),
        (X, weight, "sample_weight"),
        (X[:40], weight[:40], "X, sample_weight"),
    ):
        with pytest.raises(ValueError, match=rf"data differ: {names}\. Remove"):
            estimator.fit(table, sample_weight=given)


def test_other_validation_data_are_named(data, path, written):
    X, y = data
    for estimator, labels in (
        (PLAIN, {}),
        (AutoencoderClassifier(PLAIN, **CHEAP), {"y_val": y[:20]}),
        (AutoencoderOutlierDetector(PLAIN, cv=2, random_state=0), {}),
    ):
        estimator = with_checkpoint(estimator, path)
        whole = clone(estimator).fit(X, y, X_val=X[:20], **labels)
        path.write_bytes(written[-2][1])
        with pytest.raises(ValueError, match=r"the data differ: X_val\. Remove"):
            clone(estimator).fit(X, y, X_val=X[:20] + 1e-3, **labels)
        assert_same(clone(estimator).fit(X, y, X_val=X[:20], **labels), whole, X)
    estimator = with_checkpoint(PLAIN, path)
    estimator.set_params(validation=ShuffleSplit(1, random_state=0))
    clone(estimator).fit(X)
    path.write_bytes(written[-2][1])
    with pytest.raises(ValueError, match=r"validation was .*the splits of validation"):
        estimator.set_params(validation=ShuffleSplit(1, random_state=1)).fit(X)


def test_other_versions_threads_and_classes_are_named(begun, data, monkeypatch):
    params = begun.get_params(deep=False)
    del params["class_weight"]
    message = "class was AutoencoderClassifier and is AutoencoderRegressor"
    # Only the classifier has a `class_weight`.
    with pytest.raises(ValueError, match=rf"another fit: the {message}(; the data|\.)"):
        AutoencoderRegressor(**params).fit(*data)
    other = SparseAutoencoder(2, hidden_layer_sizes=4)
    message = r"fit: autoencoder was Autoencoder\(.* and is SparseAutoencoder\([^;]*$"
    with pytest.raises(ValueError, match=message):
        clone(begun).set_params(autoencoder=other).fit(*data)
    with monkeypatch.context() as patch:
        n_threads = torch.get_num_threads()
        patch.setattr(torch, "get_num_threads", lambda: n_threads + 1)
        message = f"threads of torch was {n_threads} and is {n_threads + 1}"
        with pytest.raises(ValueError, match=message):
            begun.fit(*data)
    message = f"fit: torch was {re.escape(str(torch.__version__))} and is 9.9"
    monkeypatch.setattr(torch, "__version__", "9.9")
    with pytest.raises(ValueError, match=message):
        begun.fit(*data)


def test_the_same_in_another_form_goes_on(begun, data):
    X, y = data
    frame = pd.DataFrame(np.asfortranarray(X))
    resumed = begun.set_params(autoencoder__hidden_layer_sizes=np.int64(4))
    assert resumed.fit(frame, y.tolist()).n_iter_ == 3


def test_a_fit_that_does_not_repeat_itself_is_an_error(begun, data, monkeypatch):
    held_out = AutoencoderNet.initialize

    def other(self):
        held_out(self)
        self.module_.more = torch.nn.Linear(2, 2)
        return self

    monkeypatch.setattr(AutoencoderNet, "initialize", other)
    with pytest.raises(ValueError, match="does not repeat itself: training 0"):
        begun.fit(*data)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("A checkpoint has run code.",)


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def structure(text):
    return archive(structure=np.frombuffer(text.encode(), np.uint8))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        pickle.dumps(Bomb()),
        archive(a=np.zeros(3)),
        archive(structure=np.array([Bomb()], dtype=object)),
        structure("no JSON"),
        structure('{"head": {"dict": []}}'),
        structure('{"head": {"array": 7}}'),
        structure('{"head": {"__class__": "os.system"}}'),
    ],
)
def test_a_file_that_is_no_checkpoint_is_an_error(data, path, content):
    path.write_bytes(content)
    estimator = with_checkpoint(PLAIN, path)
    message = "is damaged, or no checkpoint of sklearn_ae"
    with pytest.raises(ValueError, match=message) as info:
        estimator.fit(data[0])
    assert "unsafely" not in str(info.value)
    assert path.read_bytes() == content
    assert not hasattr(estimator, "net_")


def test_a_damaged_file_is_an_error(begun, data, path):
    content = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(content[: len(content) * tenth // 10])
        with pytest.raises(ValueError, match="is damaged"):
            begun.fit(*data)
    flipped = bytearray(content)
    # In the middle of the weights and of the state of a generator.
    for position in range(len(content) // 8, len(content) // 2, len(content) // 8):
        flipped[position] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(ValueError, match="is damaged"):
        begun.fit(*data)


@pytest.mark.parametrize("missing", ["weights", "progress", "optimizer"])
def test_missing_or_wrong_arrays_are_an_error(data, path, written, missing):
    estimator = with_checkpoint(PLAIN, path)
    clone(estimator).fit(data[0])
    path.write_bytes(written[0][1])
    found = files.read(path)
    record = found["0"].value()
    (training,) = record["trainings"]
    if missing == "weights":
        weights = training["net"]["weights"]
        name = next(iter(weights))
        weights[name] = np.zeros((1, 2, 3))
    else:
        training.pop(missing, training["net"].pop(missing, None))
    files.write(path, {**found, "0": Encoded.of(record)})
    with pytest.raises(ValueError, match="is damaged"):
        estimator.fit(data[0])


# -- where it is, and for how long -----------------------------------------------------


@pytest.mark.parametrize("name", ["comparison", "classifier", "detector"])
def test_a_file_that_is_kept_has_the_result(name, data, path, written, monkeypatch):
    estimator = with_checkpoint(
        ESTIMATORS[name], path, every_n_epochs=None, every_seconds=3600, keep=True
    )
    whole = clone(estimator).fit(*data)
    assert len(written) == 1

    def fail(*args, **kwargs):
        pytest.fail("It trains again.")

    for cls, method in (
        (AutoencoderNet, "train_step"),
        (StackedNetworks, "train"),
        (files, "write"),
    ):
        monkeypatch.setattr(cls, method, fail)
    assert_same(clone(estimator).fit(*data), whole, data[0])


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_fit_that_resumes_says_so(verbose, data, path, written, capsys):
    estimator = with_checkpoint(PLAIN, path).set_params(verbose=verbose).fit(data[0])
    assert capsys.readouterr().out == ""
    path.write_bytes(written[0][1])
    estimator.fit(data[0])
    line = f"Resuming from checkpoint={str(path)!r}.\n"
    assert capsys.readouterr().out == verbose * line


def test_a_link_is_followed(data, path, written):
    target = path.with_name("target")
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("no symbolic links here")
    estimator = with_checkpoint(PLAIN, path, keep=True).fit(data[0])
    assert path.is_symlink()
    assert target.is_file()
    assert target.read_bytes() == written[-1][1]
    estimator.set_params(checkpoint=path).fit(data[0])
    assert path.is_symlink()
    assert not target.exists()


def test_a_short_fit_writes_nothing(data, path, written):
    clone(PLAIN).set_params(checkpoint=path).fit(data[0])
    clone(PLAIN).set_params(checkpoint=str(path)).fit(data[0])
    assert written == []
    assert list(path.parent.iterdir()) == []


def test_the_outermost_estimator_has_the_file(data, path, written):
    inner = path.with_name("inner")
    autoencoder = with_checkpoint(PLAIN, inner)
    classifier = AutoencoderClassifier(autoencoder, **CHEAP)
    with_checkpoint(classifier, path).fit(*data)
    assert {where for where, _ in written} == {path}
    written.clear()
    classifier.fit(*data)
    assert {where for where, _ in written} == {inner}
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("search", [GridSearchCV, BatchedGridSearchCV])
def test_searches(search, data, tmp_path, written, monkeypatch):
    X, _ = data
    folder = tmp_path / "search"
    estimator = with_checkpoint(PLAIN, folder, per_fit=True, keep=True)
    grid = {"n_components": [1, 2], "l2_penalty": [0, 0.1]}

    def fit():
        own = search(make_pipeline(clone(estimator)), params, cv=2, n_jobs=2)
        with parallel_config(backend="threading"):
            return own.fit(X)

    params = {f"autoencoder__{name}": values for name, values in grid.items()}
    whole = fit()
    # Four candidates on two folds, and the best one again.
    assert len({path for path, _ in written}) == 9
    assert len(written) == 9 * 3
    for path in folder.iterdir():
        path.unlink()
    moment = written[: len(written) // 2]
    for path, content in moment:
        path.write_bytes(content)
    written.clear()
    resumed = fit()
    assert len(written) == 9 * 3 - len(moment)
    np.testing.assert_array_equal(
        resumed.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )
    fits = [one.best_estimator_[-1] for one in (resumed, whole)]
    assert_same(*fits, X)


def test_a_search_with_one_file_says_what_is_needed(data, path, written):
    estimator = with_checkpoint(PLAIN, path, keep=True)
    search = GridSearchCV(estimator, {"n_components": [1, 2]}, error_score="raise")
    with pytest.raises(ValueError, match=r"need Checkpoint\(..., per_fit=True\)"):
        search.fit(data[0])


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (1, r"checkpoint=1 must be a path, a sklearn_ae\.persistence\.Checkpoint or "),
        (Checkpoint(None), "'path' parameter of Checkpoint"),
        (Checkpoint("a", every_seconds=-1), "'every_seconds' parameter of Checkpoint"),
        (Checkpoint("a", every_n_epochs=0), "'every_n_epochs' parameter of Checkpoint"),
        (Checkpoint("a", keep="no"), "'keep' parameter of Checkpoint"),
        (Checkpoint("a", per_fit=None), "'per_fit' parameter of Checkpoint"),
        (Checkpoint("a", every_seconds=None), "every_n_epochs=None never save"),
        (os.curdir, "is a folder. Give the name of a file"),
        (os.path.join(__file__, "a"), "cannot be written: "),
        # No file can have such a name.
        ("a\0", "checkpoint='a.*' cannot be "),
        ("a" * 300, "checkpoint='a.*' cannot be "),
    ],
)
@pytest.mark.parametrize("estimator", [PLAIN, AutoencoderOutlierDetector(PCA(1))])
def test_wrong_values(estimator, checkpoint, message, data):
    with pytest.raises(ValueError, match=message):
        clone(estimator).set_params(checkpoint=checkpoint).fit(data[0])


# -- what cannot be saved --------------------------------------------------------------


class OwnGenerator(OwnNetwork):
    """A network that draws from a generator of its own."""

    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components)
        self.generator = torch.Generator()


class OwnState(SGD):
    """An optimizer whose state has more than numbers and tensors."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            self.state[group["params"][0]]["seen"] = {1, 2}
        return loss


class OwnHistory(Callback):
    """Writes an object into the history."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("module", object())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network": OwnGenerator}, "generator 'generator' of a OwnGenerator"),
        ({"optimizer": OwnState}, r"cannot hold \{1, 2\} of type set, which is at .*"),
        ({"callbacks": [OwnHistory()]}, r"type object, which is at .*\['module'\]"),
    ],
)
def test_what_cannot_be_saved_is_an_error_at_the_start(params, message, data, path):
    # Long before it would be saved.
    estimator = Autoencoder(2, checkpoint=path, **CHEAP).set_params(**params)
    with pytest.raises(ValueError, match=message):
        estimator.fit(data[0])
    assert list(path.parent.iterdir()) == []


# -- parts -----------------------------------------------------------------------------


def test_values_keep_their_types(path):
    value = {
        "numbers": [True, 1, 1.5, np.float64(0.1), np.bool_(True), float("inf"), None],
        3: (1, [2, ("a",)]),
        "arrays": (np.arange(6).reshape(2, 3).T, np.array(2.5), np.zeros((0, 2))),
        "tensors": [torch.tensor(1.0), torch.arange(3), torch.tensor([True])],
        "text": np.array(["a", "bc"]),
        "ordered": OrderedDict(a=1),
    }
    files.write(path, {"value": Encoded.of(value)})
    found = files.read(path)["value"].value()
    assert list(found) == list(value)
    assert found["numbers"] == value["numbers"]
    assert [*map(type, found["numbers"])] == [*map(type, value["numbers"])]
    assert found[3] == value[3]
    for array, same in zip(found["arrays"], value["arrays"], strict=True):
        np.testing.assert_array_equal(array, same, strict=True)
    for tensor, same in zip(found["tensors"], value["tensors"], strict=True):
        assert tensor.dtype == same.dtype
        assert torch.equal(tensor, same)
    with pytest.raises(ValueError, match=r"type Tensor, which is at \['a'\]\[0\]"):
        Encoded.of({"a": [torch.zeros(1, dtype=torch.bfloat16)]})


def test_digests_are_of_values(tmp_path, monkeypatch):
    X = np.random.RandomState(0).standard_normal((50, 3))
    np.save(tmp_path / "X.npy", X)
    monkeypatch.setattr(fingerprint, "_BLOCK", 100)
    for same in (
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        np.load(tmp_path / "X.npy", mmap_mode="r"),
    ):
        assert digest(same) == digest(X)
    others = [X.astype(np.float32), X.reshape(25, 6), X[::-1], X[:-1], X[:, 0]]
    others += [sparse.csr_array(X), sparse.csr_array(X[::-1]), X.astype(object), None]
    others += [np.array(["a", "b"]), np.array(["a", None], dtype=object), (X, X)]
    assert len({*map(digest, [X, *others])}) == 1 + len(others)


def test_descriptions_tell_values_apart():
    fitted = PCA(1).fit(np.eye(3))
    values = [1, 1.5, "1", None, (64,), (64, 64), {"a": 1}, OwnCorruption(1.0)]
    values += [OwnCorruption(2.0), OwnNetwork, np.zeros(2), np.ones(2), PCA(1), fitted]
    values += [torch.float32, np.random.RandomState(0), np.random.RandomState(1)]
    values += [np.random.default_rng(0), np.random.default_rng(1), torch.zeros(2, 1)]
    values += [list(range(100)), list(range(101)), np.tanh, describe, PLAIN.fit]
    texts = [describe(value) for value in values]
    assert len({*texts}) == len(values)
    assert max(map(len, texts)) <= 120
    assert texts == [describe(pickle.loads(pickle.dumps(value))) for value in values]
    circle = []
    circle.append(circle)
    assert describe(circle) == "[...]"
