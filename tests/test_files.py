"""Files of fitted estimators: skops, MLflow, safetensors, files of earlier versions.

A forged or damaged file ends in an error that says what is wrong, and runs nothing.
"""

import inspect
import io
import json
import pickle
import pkgutil
import re
import zipfile
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np
import pytest
import registry
import saved_files
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_ae
from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.model_selection import BatchedGridSearchCV, BatchedHalvingGridSearchCV
from sklearn_ae.networks import Network
from sklearn_ae.objectives import Huber, L1Penalty
from sklearn_ae.objectives.objective import Objective
from sklearn_ae.persistence import TRUSTED_TYPES

skops = pytest.importorskip("skops.io")
# Fits are as short as they can be.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:hidden_layer_sizes"
)

RNG = np.random.RandomState(0)
X = RNG.uniform(size=(40, 5))
y = (X[:, 0] > 0.5).astype(int)
TINY = {
    "hidden_layer_sizes": 4,
    "max_epochs": 1,
    "validation": None,
    "random_state": 0,
}
# What users pass in is theirs to trust.
OWN = ["registry.OwnNetwork", "registry.OwnCorruption", torch.optim.RAdam]


def round_trip(estimator, own=()):
    return skops.loads(skops.dumps(estimator), trusted=[*TRUSTED_TYPES, *own])


def outputs(estimator):
    """Everything that an estimator says of the rows of `X`."""
    return {
        name: getattr(estimator, name)(X)
        for name in (
            "transform",
            "reconstruct",
            "score_samples",
            "decision_function",
            "predict",
        )
        if hasattr(estimator, name)
    }


def assert_same_bits(one, other):
    expected, got = outputs(one), outputs(other)
    assert expected
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        assert_array_equal(got[name], value, err_msg=name)


# -- skops -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.instances())
def test_instances_come_back_to_the_bit(name):
    model = clone(registry.instances()[name])
    params = model.get_params(deep=False)
    fewer = {"max_epochs", "pretrain_epochs"} & params.keys()
    model.set_params(**{key: min(1, params[key]) for key in fewer}).fit(X, y)
    trains_on = hasattr(model, "partial_fit")
    if trains_on:
        model.partial_fit(X)  # so that the optimizer has something to remember
    loaded = round_trip(model, OWN)
    assert_same_bits(model, loaded)
    assert vars(loaded).keys() == vars(model).keys()
    if trains_on:
        codes = model.partial_fit(X).transform(X)
        assert_array_equal(loaded.partial_fit(X).transform(X), codes)


@pytest.mark.parametrize("name", ["plain", "penalties", "variational", "stacked_plain"])
def test_warm_start_goes_on_to_the_bit(name):
    model = clone(registry.instances()[name]).set_params(warm_start=True, max_epochs=1)
    loaded = round_trip(model.fit(X))
    assert_same_bits(model.fit(X), loaded.fit(X))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), Autoencoder(2, **TINY), LogisticRegression()),
        GridSearchCV(Autoencoder(2, **TINY), {"n_components": [1, 2]}, cv=2),
        GridSearchCV(
            make_pipeline(SparseAutoencoder(3, **TINY), LogisticRegression()),
            {"sparseautoencoder__rho": [0.1, 0.2]},
            cv=2,
        ),
        BatchedGridSearchCV(Autoencoder(2, **TINY), {"n_components": [1, 2]}, cv=2),
        BatchedHalvingGridSearchCV(
            Autoencoder(2, **TINY), {"n_components": [1, 2]}, cv=2, random_state=0
        ),
        AutoencoderOutlierDetector(make_pipeline(StandardScaler(), PCA(2))),
        AutoencoderOutlierDetector(FrozenEstimator(Autoencoder(2, **TINY).fit(X))),
        Autoencoder(2, loss="bce", penalties=[L1Penalty(1e-3)], **TINY),
        Autoencoder(2, **TINY | {"random_state": np.random.RandomState(0)}),
    ],
    ids=lambda model: type(model).__name__,
)
def test_compositions_come_back_to_the_bit(model):
    model.fit(X, y)
    assert_same_bits(model, round_trip(model))


def test_detector_of_one_column_comes_back():
    model = AutoencoderOutlierDetector().fit(X[:, :1])
    loaded = round_trip(model)
    assert_array_equal(loaded.score_samples(X[:, :1]), model.score_samples(X[:, :1]))


def test_names_of_columns_and_classes_come_back():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    labels = np.where(y == 1, "yes", "no").astype(object)
    model = AutoencoderClassifier(Autoencoder(2, **TINY), max_epochs=1, random_state=0)
    loaded = round_trip(model.fit(frame, labels).set_output(transform="pandas"))
    pandas.testing.assert_frame_equal(loaded.transform(frame), model.transform(frame))
    assert_array_equal(loaded.predict(frame), model.predict(frame))
    assert_array_equal(loaded.feature_names_in_, frame.columns)


@pytest.mark.parametrize(
    "imputer",
    [
        AutoencoderImputer(n_corrections=1, random_state=0, add_indicator=True),
        AutoencoderImputer(Autoencoder(2, **TINY), random_state=0),
        AutoencoderImputer(
            VariationalAutoencoder(2, **TINY), sample_posterior=True, random_state=0
        ),
    ],
    ids=["corrections", "iterated", "drawn"],
)
def test_imputers_come_back(imputer, monkeypatch):
    monkeypatch.setattr("sklearn_ae.estimators._corrections.N_STEPS", 10)
    gappy = np.where(X < 0.2, np.nan, X)
    imputer.fit(gappy)
    # Networks this small are not believed.
    imputer.correction_share_ = 0.5
    loaded = round_trip(imputer)
    assert_array_equal(loaded.transform(gappy), imputer.transform(gappy))
    assert vars(loaded).keys() == vars(imputer).keys()


def test_unfitted_estimators_come_back():
    noise = DenoisingAutoencoder(corruption="masking")
    for layer in (noise, [noise, None]):
        model = StackedAutoencoder(layer=layer)
        assert repr(round_trip(model)) == repr(model)


def classes():
    """All classes of the package."""
    for info in pkgutil.walk_packages(sklearn_ae.__path__, "sklearn_ae."):
        for _, cls in inspect.getmembers(import_module(info.name), inspect.isclass):
            if cls.__module__ == info.name:
                yield cls


# Never in a file: classes of which there are subclasses only, and the skorch net, whose
# state is saved without it, and without what the net puts around a network for gaps.
NOT_HELD = {
    "AutoencoderNet",
    "BaseAutoencoder",
    "BaseSupervised",
    "CompletingNetwork",
    "Corruption",
    "LayeredNetwork",
    "Loss",
    "NestedParameters",
    "NestedLists",
    "Network",
    "Part",
    "Penalty",
    "Wrapper",
    "_Candidate",
}


def test_list_has_every_class_that_files_hold():
    """If this fails, add a new class to TRUSTED_TYPES, or to NOT_HELD above."""
    assert sorted(set(TRUSTED_TYPES)) == TRUSTED_TYPES
    own = [name for name in TRUSTED_TYPES if name.startswith("sklearn_ae.")]
    held = {
        f"{cls.__module__}.{cls.__name__}"
        for cls in classes()
        if issubclass(cls, BaseEstimator | Network | Objective)
        and cls.__name__ not in NOT_HELD
    }
    assert sorted(held) == own


def test_other_types_are_those_of_any_search():
    """Scikit-learn's searches of its own estimators hold them, too."""
    others = {name for name in TRUSTED_TYPES if not name.startswith("sklearn_ae.")}
    for model, grid in (
        (PCA(), {"n_components": [1, 2]}),
        (LogisticRegression(), {"C": [1, 2]}),
    ):
        search = GridSearchCV(model, grid, cv=2).fit(X, y)
        assert {*skops.get_untrusted_types(data=skops.dumps(search))} <= others
    for name in others:
        module, _, cls = name.rpartition(".")
        assert inspect.isclass(getattr(import_module(module), cls))


# -- forged and damaged files ----------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    """One of each kind, with an optimizer that remembers where there is one."""
    return {
        "autoencoder": Autoencoder(2, loss=Huber(2.0), **TINY).fit(X).partial_fit(X),
        "momentum": Autoencoder(2, optimizer="momentum", **TINY).fit(X).partial_fit(X),
        "sparse": SparseAutoencoder(3, **TINY).fit(X).partial_fit(X),
        "classifier": AutoencoderClassifier(
            Autoencoder(2, **TINY), max_epochs=1, random_state=0
        ).fit(X, y),
        "detector": AutoencoderOutlierDetector(
            Autoencoder(2, **TINY), random_state=0
        ).fit(X),
    }


@pytest.fixture(scope="module")
def saved(fitted):
    return skops.dumps(fitted["autoencoder"])


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def payload(tmp_path):
    """An object whose pickle creates a file, which no test may let happen."""
    made = tmp_path / "made"
    yield Payload(made)
    assert not made.exists()


def test_payload_works(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "made")))
    assert (tmp_path / "made").exists()


def files_of(saved):
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def array_file(array, **params):
    buffer = io.BytesIO()
    np.save(buffer, array, **params)
    return buffer.getvalue()


def load(data):
    return skops.loads(data, trusted=TRUSTED_TYPES)


def test_pickle_is_not_taken_for_a_file(payload):
    with pytest.raises(zipfile.BadZipFile):
        load(pickle.dumps(payload))


def test_pickle_in_the_archive_is_not_read(saved, fitted, payload):
    files = files_of(saved) | {"payload.pkl": pickle.dumps(payload)}
    assert_same_bits(load(zipped(files)), fitted["autoencoder"])


def test_pickle_in_place_of_the_schema(saved, payload):
    files = files_of(saved) | {"schema.json": pickle.dumps(payload)}
    with pytest.raises(ValueError, match="decode"):
        load(zipped(files))


@pytest.mark.parametrize("in_array", [True, False])
def test_pickle_in_place_of_an_array(saved, payload, in_array):
    blob = pickle.dumps(payload)
    if in_array:
        objects = np.array([payload], dtype=object)
        blob = array_file(objects, allow_pickle=True)
    files = files_of(saved)
    arrays = [name for name in files if name.endswith(".npy")]
    assert len(arrays) > 20
    for name in arrays[::8]:
        with pytest.raises(ValueError, match="pickle"):
            load(zipped(files | {name: blob}))


def nodes(schema):
    """All nodes of a schema, by their class."""
    if isinstance(schema, dict):
        if "__class__" in schema:
            yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value)


def with_schema(saved, change):
    """A file whose schema is changed."""
    files = files_of(saved)
    schema = json.loads(files["schema.json"])
    change(schema)
    return zipped(files | {"schema.json": json.dumps(schema).encode()})


def renamed(saved, old, module, new, **fields):
    """A file in which every node of a class is one of another class."""

    def change(schema):
        found = [node for node in nodes(schema) if node["__class__"] == old]
        assert found
        for node in found:
            node.update(__module__=module, __class__=new, **fields)

    return with_schema(saved, change)


def calling(path):
    """The arguments of a node as skops writes those of a constructor."""
    buffer = files_of(skops.dumps((str(path),)))
    content = json.loads(buffer["schema.json"])
    return {key: content[key] for key in content if key.startswith("__")} | {
        "content": content["content"]
    }


@pytest.mark.parametrize("loader", ["ObjectNode", "FunctionNode", "TypeNode"])
@pytest.mark.parametrize("old", ["Autoencoder", "DenseNetwork", "Huber"])
def test_names_of_others_are_refused(saved, payload, old, loader):
    for module, name in (("os", "system"), ("builtins", "eval"), ("pathlib", "Path")):
        data = renamed(saved, old, module, name, __loader__=loader)
        with pytest.raises(skops.exceptions.UntrustedTypesFoundException, match=name):
            load(data)


@pytest.mark.parametrize(
    ("module", "function"), [("io", "open"), ("builtins", "open"), ("os", "mkdir")]
)
def test_functions_are_not_called(saved, payload, module, function):
    """As a constructor with arguments, which skops calls for types that are trusted."""
    data = renamed(
        saved,
        "Huber",
        module,
        function,
        __loader__="ConstructorFromReduceNode",
        content=calling(payload.path),
    )
    refused = skops.exceptions.UntrustedTypesFoundException
    with pytest.raises(refused, match=f"{module}.{function}"):
        load(data)


OURS = "sklearn_ae."


@pytest.mark.parametrize(
    ("old", "module", "new", "message"),
    [
        ("Autoencoder", "estimators._sparse", "SparseAutoencoder", "parameters.*rho"),
        ("Autoencoder", "estimators._outlier", "AutoencoderOutlierDetector", "param"),
        ("Autoencoder", "objectives.losses", "Huber", None),
        ("Huber", "objectives.terms", "L1Penalty", "not a Loss|.*weight"),
        ("DenseNetwork", "objectives.objective", "Objective", "network="),
        ("DenseNetwork", "networks.headed", "HeadedNetwork", "n_outputs|argument"),
        ("Objective", "networks.dense", "DenseNetwork", "objective is"),
        ("Objective", "estimators._autoencoder", "Autoencoder", "objective is"),
    ],
)
def test_another_name_of_ours(saved, old, module, new, message):
    data = renamed(saved, old, f"{OURS}{module}", new)
    if message is None:
        # A loss without an objective around it is harmless, but no estimator.
        assert not hasattr(load(data), "transform")
        return
    with pytest.raises(pickle.UnpicklingError, match=f"(?s){message}.*fit it again"):
        load(data)


@pytest.mark.parametrize("state", ["a string", 3, [1, 2], None])
def test_states_of_other_types(state):
    with pytest.raises(pickle.UnpicklingError, match="not dict"):
        Autoencoder().__setstate__(state)


def test_file_that_is_cut_short(saved):
    for tenth in range(10):
        with pytest.raises(zipfile.BadZipFile):
            load(saved[: len(saved) * tenth // 10])


def test_file_with_a_wrong_byte(saved):
    position = saved.index(b"\x93NUMPY") + 130  # in the numbers of an array
    damaged = bytearray(saved)
    damaged[position] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        load(bytes(damaged))


def test_file_without_one_of_its_arrays(saved):
    files = files_of(saved)
    arrays = [name for name in files if name.endswith(".npy")]
    for name in arrays[::4]:
        rest = {key: value for key, value in files.items() if key != name}
        with pytest.raises(KeyError, match=name):
            load(zipped(rest))


# Fitted attributes that describe a fit, and on which nothing depends.
DESCRIPTIVE = {
    "best_candidate_",
    "candidates_",
    "dead_units_",
    "history_",
    "loss_curve_",
    "mean_activation_",
    "validation_loss_curve_",
}


def arrays_in(value, path=()):
    """Paths of the arrays in nested states."""
    if isinstance(value, np.ndarray):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in DESCRIPTIVE:
                yield from arrays_in(item, (*path, key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from arrays_in(item, (*path, i))


def replaced(value, path, change):
    """A copy of a nested state with one value changed, or left out."""
    if not path:
        return change(value)
    first, *rest = path
    if isinstance(value, dict):
        copy = dict(value)
        copy[first] = replaced(value[first], rest, change)
        return copy
    items = list(value)
    items[first] = replaced(value[first], rest, change)
    return type(value)(items)


NAMES = ["autoencoder", "momentum", "sparse", "classifier", "detector"]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_of_other_shapes_are_named(fitted, name):
    state = fitted[name].__getstate__()
    paths = list(arrays_in(state))
    assert len(paths) >= 6
    for path in paths:
        *_, last = (part for part in path if isinstance(part, str))
        if last == "mean_activation.mass":
            continue  # torch takes one number for a scalar
        # Of two that should have the same length, either may be wrong.
        pairs = {"_weight": "support_", "_usual_weight": "_usual"}
        expected = pairs.get(last, last)
        for change in (
            lambda array: np.append(np.ravel(array), np.ravel(array)[:1]),
            lambda array: array[..., np.newaxis],
        ):
            forged = replaced(state, path, change)
            with pytest.raises(pickle.UnpicklingError) as caught:
                type(fitted[name])().__setstate__(forged)
            assert re.search(f"{last}|{expected}", str(caught.value)), path


@pytest.mark.parametrize("name", NAMES)
def test_missing_arrays_are_named(fitted, name):
    state = fitted[name].__getstate__()
    for path in arrays_in(state):
        *where, key = path
        if isinstance(key, int):
            continue  # in a tuple, which has nothing left out
        forged = replaced(
            state,
            where,
            lambda entries, key=key: {k: v for k, v in entries.items() if k != key},
        )
        with pytest.raises(pickle.UnpicklingError, match=re.escape(key)):
            type(fitted[name])().__setstate__(forged)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *(
            ("autoencoder", key)
            for key in (
                "_net_state",
                "_recipe",
                "_feature_scale",
                "_n_outputs",
                "_target_rms",
                "device_",
                "learning_rate",
                "n_components_",
                "n_features_in_",
                "n_iter_",
                "scale_",
            )
        ),
        ("classifier", "autoencoder"),
        ("detector", "offset_"),
        ("detector", "autoencoder_"),
    ],
)
def test_missing_attributes_are_named(fitted, name, key):
    state = fitted[name].__getstate__()
    del state[key]
    with pytest.raises(pickle.UnpicklingError, match=key):
        type(fitted[name])().__setstate__(state)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_recipe.module", int),
        ("_recipe.module", "DenseNetwork"),
        ("_recipe.objective", torch.nn.Linear),
        ("_recipe.loss", "mse"),
        ("_recipe.penalties", {"l1": SparseAutoencoder()}),
        ("_recipe.corruption", 3),
        ("_recipe.settings.optimizer", "evolution"),
        ("_recipe.settings.optimizer", int),
        ("_recipe.standardize", (np.zeros(5), -1.0)),
        ("_recipe.standardize", (np.zeros(5), np.nan)),
        ("_recipe.standardize_target", ("no array", 1.0)),
        ("_recipe.module_params.n_features", 6),
        ("_recipe.module_params.n_components", 3),
        ("n_features_in_", 6),
        ("n_components_", 3),
        ("_n_outputs", 3),
        ("_net_state.history", ["row"]),
    ],
)
def test_other_values_are_named(fitted, path, value):
    *_, name = path.split(".")
    state = fitted["autoencoder"].__getstate__()
    forged = replaced(state, path.split("."), lambda _: value)
    name = {"_n_outputs": "standardize_target"}.get(name, name.rstrip("_"))
    with pytest.raises(pickle.UnpicklingError, match=name):
        Autoencoder().__setstate__(forged)


def test_invalid_fields_of_parts_are_named(fitted):
    state = fitted["autoencoder"].__getstate__()
    state["_recipe"]["loss"] = Huber(-1.0)
    with pytest.raises(pickle.UnpicklingError, match="delta"):
        Autoencoder().__setstate__(state)


# -- MLflow and weights alone ----------------------------------------------------------


@pytest.mark.slow  # imports MLflow
def test_model_is_logged_to_mlflow_and_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    mlflow = pytest.importorskip("mlflow")
    model = make_pipeline(StandardScaler(), Autoencoder(2, **TINY)).fit(X)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            model,
            name="autoencoder",
            serialization_format="skops",
            skops_trusted_types=TRUSTED_TYPES,
            # MLflow finds them out by loading the model in another process.
            pip_requirements=["sklearn-ae[skops]"],
        )
    assert_same_bits(model, mlflow.sklearn.load_model(logged.model_uri))
    # Without the list of types that the model brings along itself.
    folder = Path(mlflow.artifacts.download_artifacts(logged.model_uri))
    loaded = skops.load(folder / "model.skops", trusted=TRUSTED_TYPES)
    assert_same_bits(model, loaded)


@pytest.mark.parametrize(
    "name",
    ["plain", "tied_deep", "convolutional", "sparse_topk", "variational", "classifier"],
)
def test_weights_alone_as_safetensors(tmp_path, name):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = clone(registry.instances()[name]).set_params(max_epochs=1).fit(X, y)
    path = tmp_path / "weights.safetensors"
    model.net_.save_params(f_params=path, use_safetensors=True)
    weights = safetensors.load_file(path)
    for key, value in model.net_.module_.state_dict().items():
        assert_array_equal(weights[key], value.numpy())
    other = pickle.loads(pickle.dumps(model))
    with torch.no_grad():
        for weight in other.net_.module_.parameters():
            weight.zero_()
    assert np.ptp(other.transform(X)) == 0
    other.net_.load_params(f_params=path, use_safetensors=True)
    assert_same_bits(model, other)


def test_weights_with_units_as_safetensors(tmp_path):
    """For use without this package: the units are buffers of `module_`."""
    safetensors = pytest.importorskip("safetensors.torch")
    model = Autoencoder(2, **TINY | {"hidden_layer_sizes": ()}).fit(X)
    path = tmp_path / "weights.safetensors"
    safetensors.save_file(model.module_.state_dict(), path)
    weights = safetensors.load_file(path)
    rows = (torch.tensor(X) - weights["input_mean"]) / weights["input_scale"]
    kernel, bias = (weights[f"network.encoder.0.{part}"] for part in ("weight", "bias"))
    codes = (rows.float() @ kernel.T + bias) * weights["code_scale"]
    assert_allclose(codes.numpy(), model.transform(X), rtol=1e-4, atol=1e-6)


# -- files of earlier versions ---------------------------------------------------------


# The current minor version and the one before. Remove those of earlier ones.
FOLDERS = sorted(saved_files.DATA.iterdir())


def test_files_of_this_version_are_kept():
    """If this fails, a minor version begins: run `python -m tests.saved_files`."""
    assert saved_files.DATA / saved_files.MINOR_VERSION in FOLDERS
    assert len(FOLDERS) <= 2
    for folder in FOLDERS:
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))[
            "results"
        ]
        names = {path.name for path in folder.iterdir()}
        wanted = {
            f"{name}.{end}" for name in expected for end in ("pickle.gz", "skops")
        }
        assert names == {*wanted, "expected.json", "types.txt"}


@pytest.mark.filterwarnings("ignore:.*was saved by sklearn_ae:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize(
    "path",
    [path for folder in FOLDERS for path in sorted(folder.glob("*.[ps][ik]*"))],
    ids=lambda path: f"{path.parent.name}-{path.name}",
)
def test_file_is_loaded(path):
    expected = json.loads((path.parent / "expected.json").read_text(encoding="utf-8"))
    rows = np.array(expected["X"])
    model = saved_files.read(path)
    found = saved_files.results(model, rows)
    results = expected["results"][path.name.partition(".")[0]]
    assert found.keys() == results.keys()
    for name, values in results.items():
        # In single precision on any processor.
        assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    model.get_params()
    if hasattr(model, "partial_fit"):
        n_epochs = model.n_iter_
        assert model.partial_fit(saved_files.table()).n_iter_ == n_epochs + 1


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_names_of_types_lead_to_classes(folder):
    """Pickles and skops files of a version look classes up under their old names."""
    for name in (folder / "types.txt").read_text(encoding="utf-8").split():
        module, _, cls = name.rpartition(".")
        assert inspect.isclass(getattr(import_module(module), cls))


# -- versions --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["autoencoder", "classifier", "detector"])
@pytest.mark.parametrize("form", ["pickle", "skops"])
def test_another_scikit_learn_warns_in_its_own_way(fitted, monkeypatch, name, form):
    model = fitted[name]
    saved = pickle.dumps(model) if form == "pickle" else skops.dumps(model)
    monkeypatch.setattr("sklearn.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning) as caught:
        loaded = pickle.loads(saved) if form == "pickle" else load(saved)
    assert type(model).__name__ in {w.message.estimator_name for w in caught}
    assert {w.message.current_sklearn_version for w in caught} == {"99.0"}
    if form == "pickle":
        assert {w.filename for w in caught} == {__file__}
    assert_same_bits(model, loaded)


def test_parameters_that_an_earlier_version_did_not_have(fitted, monkeypatch):
    state = fitted["sparse"].__getstate__()
    del state["rho"]
    monkeypatch.setattr(sklearn_ae, "__version__", "99.0")
    loaded = SparseAutoencoder.__new__(SparseAutoencoder)
    with pytest.warns(UserWarning, match=r"saved by .* loaded by 99\.0"):
        loaded.__setstate__(state)
    assert loaded.rho == SparseAutoencoder().rho
    assert_same_bits(fitted["sparse"], loaded)


def test_pickle_that_is_cut_short(fitted):
    """The error of pickle itself, which is clear."""
    saved = pickle.dumps(fitted["autoencoder"])
    for tenth in range(10):
        cut = saved[: len(saved) * tenth // 10]
        with pytest.raises(
            (EOFError, pickle.UnpicklingError), match=r"truncated|input"
        ):
            pickle.loads(cut)


def test_joblib_file_that_is_cut_short(fitted, tmp_path):
    """An error of one kind or another, but never half an estimator."""
    path = tmp_path / "autoencoder.joblib"
    joblib.dump(fitted["autoencoder"], path)
    saved = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(saved[: len(saved) * tenth // 10])
        with pytest.raises(Exception):  # noqa: B017
            joblib.load(path)
