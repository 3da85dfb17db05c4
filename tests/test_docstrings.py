"""The public docstrings: complete, in numpydoc's order, and true."""

import inspect

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import sklearn_ae

ESTIMATORS = [
    getattr(sklearn_ae, name)
    for name in sklearn_ae.__all__
    if inspect.isclass(getattr(sklearn_ae, name))
]

FITTED = [cls for cls in ESTIMATORS if hasattr(cls, "fit")]

# numpydoc's checks that scikit-learn does not follow either.
IGNORED = {
    "ES01",  # no extended summary where the summary says it all
    "RT02",  # returned values have names
    "SA01",  # methods without "See Also"
    "EX01",  # and without examples: the class has both
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parameters_are_documented(estimator):
    doc = ClassDoc(estimator)
    documented = [parameter.name for parameter in doc["Parameters"]]
    assert sorted(documented) == sorted(inspect.signature(estimator).parameters)


def make_small(estimator):
    if "n_components" in inspect.signature(estimator).parameters:
        return estimator(1, max_epochs=1)
    return estimator(sklearn_ae.Autoencoder(1, max_epochs=1))


@pytest.mark.parametrize("estimator", FITTED)
def test_attributes_are_documented(estimator):
    doc = ClassDoc(estimator)
    X = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [1.0, 2.0]]
    fitted = make_small(estimator).fit(X, [0, 1, 0, 1])
    attributes = {attribute.name for attribute in doc["Attributes"]}
    public = {name for name in vars(fitted) if name.endswith("_") and name[0] != "_"}
    # Names of features are there only where the input has them.
    assert attributes - {"feature_names_in_"} == public


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_defaults_are_documented_as_they_are(estimator):
    documented = {p.name: p.type for p in ClassDoc(estimator)["Parameters"]}
    for name, parameter in inspect.signature(estimator).parameters.items():
        default = str(parameter.default).replace("'", "")
        assert f"default={default}" in documented[name].replace('"', ""), name


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_numpydoc_finds_nothing(estimator):
    path = f"sklearn_ae.{estimator.__name__}"
    own = [
        name
        for name, method in inspect.getmembers(estimator, callable)
        if not name.startswith("_") and method.__module__.startswith("sklearn_ae")
    ]
    assert own
    found = []
    for name in [path, *(f"{path}.{name}" for name in own)]:
        errors = validate(name)["errors"]
        found += [(name, *error) for error in errors if error[0] not in IGNORED]
    assert not found
