"""The public docstrings: complete, in numpydoc's order, and true."""

import importlib.util
import inspect
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import sklearn_ae
from sklearn_ae import callbacks, inspection, model_selection, networks, objectives
from sklearn_ae.objectives import corruptions, losses, penalties


def public_classes(module):
    members = map(vars(module).get, module.__all__)
    return [member for member in members if inspect.isclass(member)]


ESTIMATORS = public_classes(sklearn_ae)
FITTED = [cls for cls in ESTIMATORS if hasattr(cls, "fit")]
# Public classes and their public paths.
PATHS = {
    cls: f"{module.__name__}.{cls.__name__}"
    for module in (
        sklearn_ae,
        callbacks,
        model_selection,
        inspection,
        networks,
        objectives,
    )
    for cls in public_classes(module)
}
# The constructor of a network is up to its subclass.
CLASSES = [cls for cls in PATHS if cls is not networks.Network]

FUNCTIONS = [
    f"{module.__name__}.{name}"
    for module in (losses, penalties, corruptions, inspection)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__.startswith(module.__name__)
    and name[0] != "_"
    and name != "corrupt_standardized"  # the net calls it
]

# numpydoc's checks that scikit-learn does not follow either.
IGNORED = {
    "ES01",  # no extended summary where the summary says it all
    "RT02",  # returned values have names
    "SA01",  # methods without "See Also"
    "EX01",  # and without examples: the class has both, the guide those of functions
}
# Of single classes, and why.
EXCUSED = {
    # Its constructor takes what the subclass says.
    ("sklearn_ae.networks.Network", "PR01"),
}


def load_script():
    path = Path(__file__).parents[1] / "scripts" / "docstrings.py"
    spec = importlib.util.spec_from_file_location("docstrings", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_shared_entries_are_up_to_date():
    stale = load_script().stale_docstrings()
    assert stale == [], "run python scripts/docstrings.py"


def test_lines_of_public_classes_are_not_continued():
    # In raw docstrings, which those with formulas are, the backslash would stay.
    script = load_script()
    for cls in script.public_classes():
        assert not [x for x in script.docstring_lines(cls) if x.endswith("\\")], cls


def test_shared_entries_come_from_the_nearest_base():
    script = load_script()
    parameters = script.documented_entries(
        sklearn_ae.AutoencoderClassifier, "Parameters"
    )
    assert list(parameters) == list(
        inspect.signature(sklearn_ae.AutoencoderClassifier).parameters
    )
    assert "labelled" in "".join(parameters["batch_size"])
    (first, *_) = parameters["learning_rate"]
    assert first.endswith("default=0.001")
    attributes = script.documented_entries(
        sklearn_ae.AutoencoderClassifier, "Attributes"
    )
    assert next(iter(attributes)) == "classes_"


def test_own_words_differ_from_shared_ones():
    script = load_script()
    classes = {cls.__name__: cls for cls in script.public_classes()}
    for name, own_words in script.OWN_WORDS.items():
        cls = classes[name]
        for title in ("Parameters", "Attributes"):
            own = script.entries(script.docstring_lines(cls), title)
            shared = script.shared_entries(cls, title)
            for entry in own_words & own.keys():
                assert own[entry][1:] != shared[entry][1:]
            own_words = own_words - own.keys()
        assert not own_words


@pytest.mark.parametrize("cls", CLASSES)
def test_parameters_are_documented(cls):
    doc = ClassDoc(cls)
    documented = [parameter.name for parameter in doc["Parameters"]]
    assert sorted(documented) == sorted(inspect.signature(cls).parameters)


def make_small(estimator):
    if "n_components" in inspect.signature(estimator).parameters:
        few = {"max_epochs", "pretrain_epochs"} & estimator().get_params().keys()
        return estimator(1, **dict.fromkeys(few, 1))
    return estimator(sklearn_ae.Autoencoder(1, max_epochs=1))


@pytest.mark.parametrize("estimator", FITTED)
def test_attributes_are_documented(estimator):
    doc = ClassDoc(estimator)
    X = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [1.0, 2.0]]
    fitted = make_small(estimator).fit(X, [0, 1, 0, 1])
    attributes = {attribute.name for attribute in doc["Attributes"]}
    names = set(vars(fitted)) | {
        name
        for name, member in inspect.getmembers(estimator)
        if isinstance(member, property)
    }
    public = {name for name in names if name.endswith("_") and name[0] != "_"}
    # Names of features are there only where the input has them.
    assert attributes - {"feature_names_in_"} == public


@pytest.mark.parametrize("cls", CLASSES)
def test_defaults_are_documented_as_they_are(cls):
    documented = {p.name: p.type for p in ClassDoc(cls)["Parameters"]}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.default is parameter.empty:
            assert "default" not in documented[name], name
            continue
        default = str(parameter.default).replace("'", "")
        assert f"default={default}" in documented[name].replace('"', ""), name


@pytest.mark.parametrize(("cls", "path"), PATHS.items(), ids=PATHS.values())
def test_numpydoc_finds_nothing(cls, path):
    own = [
        name
        for name, method in inspect.getmembers(cls, callable)
        if not name.startswith("_")
        and (getattr(method, "__module__", None) or "").startswith("sklearn_ae")
    ]
    found = {
        (name, *error)
        for name in [path, *(f"{path}.{name}" for name in own)]
        for error in validate(name)["errors"]
        if error[0] not in IGNORED
    }
    excused = {error for error in found if error[:2] in EXCUSED}
    assert len(excused) == sum(name == path for name, _ in EXCUSED)
    assert not found - excused


@pytest.mark.parametrize("path", FUNCTIONS)
def test_numpydoc_finds_nothing_in_building_blocks(path):
    found = {error for error in validate(path)["errors"] if error[0] not in IGNORED}
    assert not found
