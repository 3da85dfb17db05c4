"""What all displays have in common, with each other and with scikit-learn's."""

import importlib
import inspect
import pickle
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from sklearn_ae import Autoencoder, AutoencoderOutlierDetector, SparseAutoencoder
from sklearn_ae import inspection as displays

NAMES = [name for name in displays.__all__ if name.endswith("Display")]

pytestmark = pytest.mark.usefixtures("close_figures")

SMALL = Autoencoder(2, max_epochs=1, validation=None, random_state=0)
SPARSE = SparseAutoencoder(5, max_epochs=1, random_state=0)
DETECTOR = AutoencoderOutlierDetector(SMALL, cv=2, random_state=0)

STILL = {"cv": 2, "clock": float}

# Display, estimator, whether it takes X, other arguments of from_estimator.
CASES = {
    "loss_curve": ("LossCurveDisplay", SMALL, False, {}),
    "reconstruction": ("ReconstructionDisplay", SMALL, True, {"n_items": 3}),
    "scatter": ("LatentSpaceDisplay", SMALL, True, {}),
    "scatter_of_classes": ("LatentSpaceDisplay", SMALL, True, {"y": [0, 1] * 20}),
    "grid": ("LatentSpaceDisplay", SMALL, True, {"kind": "grid", "n_grid": 2}),
    "encoder": ("WeightsDisplay", SMALL, False, {}),
    "decoder": ("WeightsDisplay", SMALL, False, {"kind": "decoder"}),
    "activating": ("WeightsDisplay", SMALL, False, {"kind": "activating"}),
    "activation": ("ActivationDisplay", SPARSE, False, {}),
    "activation_of_rows": ("ActivationDisplay", SPARSE, True, {}),
    "errors": ("ReconstructionErrorDisplay", SMALL, True, {}),
    "errors_of_detector": ("ReconstructionErrorDisplay", DETECTOR, True, {}),
    "heatmap": ("ReconstructionErrorDisplay", DETECTOR, True, {"kind": "heatmap"}),
    "importance": (
        "FeatureImportanceDisplay",
        SMALL,
        True,
        {"n_repeats": 1, "random_state": 0},
    ),
    "components": (
        "ComponentsDisplay",
        SMALL,
        True,
        {"n_components": [1, 2], "cv": 2},
    ),
    # A clock that stands still, as times never agree.
    "comparison": ("ComparisonDisplay", SMALL, True, {"compare_kw": STILL}),
}
# Displays that fit clones.
FITTING = ("components", "comparison")


@pytest.fixture(scope="module")
def X(digits):
    return digits[0][:40]


@pytest.fixture(scope="module")
def fitted(X):
    """Name of a case -> the fitted estimator of that case."""
    by_id = {id(model): clone(model).fit(X) for model in (SMALL, SPARSE, DETECTOR)}
    return {name: by_id[id(model)] for name, (_, model, _, _) in CASES.items()}


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture
def draw(case, fitted, X):
    """Calls from_estimator, with other data or other arguments if given."""
    name, _, takes_X, params = CASES[case]
    from_estimator = getattr(displays, name).from_estimator

    def call(X=X, estimator=fitted[case], **others):
        return from_estimator(estimator, *[X] * takes_X, **params | others)

    return call


def artists(ax):
    return sorted(type(artist).__name__ for artist in ax.get_children())


def arrays_of(value):
    """All numbers in what a constructor stored, in order."""
    if isinstance(value, dict):
        return [array for key in value for array in arrays_of(value[key])]
    return [] if value is None else [np.asarray(value)]


def stored(display):
    names = inspect.signature(type(display)).parameters
    return [array for name in names for array in arrays_of(getattr(display, name))]


def assert_same(display, other, **tolerances):
    assert len(stored(display)) == len(stored(other)) > 0
    for array, other_array in zip(stored(display), stored(other), strict=True):
        if array.dtype.kind in "US":
            np.testing.assert_array_equal(array, other_array)
        else:
            np.testing.assert_allclose(array, other_array, **tolerances)


def test_all_displays_are_here():
    assert {name for name, *_ in CASES.values()} == set(NAMES)


def test_axes_are_new_or_those_given(case, draw):
    display = draw()
    assert type(display).__name__ == CASES[case][0]
    assert plt.get_fignums() == [display.figure_.number]
    assert display.ax_.figure is display.figure_
    _, axes = plt.subplots(1, 2)
    again = draw(ax=axes[1])
    assert again.ax_ is axes[1]
    assert again.figure_ is axes[1].figure
    assert len(plt.get_fignums()) == 2
    assert not axes[0].has_data()
    assert artists(again.ax_) == artists(display.ax_)
    again.figure_.canvas.draw()


def test_plot_draws_the_same_again(case, draw):
    display = draw()
    first, n_axes = display.ax_, len(display.figure_.axes)
    params = inspect.signature(type(display).plot).parameters
    own = {k: v for k, v in CASES[case][3].items() if k in params}
    assert display.plot(**own) is display
    assert display.ax_ is not first
    assert len(display.figure_.axes) == n_axes
    assert artists(display.ax_) == artists(first)
    # What it stores is all it needs.
    parts = inspect.signature(type(display)).parameters
    copied = type(display)(**{name: getattr(display, name) for name in parts})
    assert artists(copied.plot(**own).ax_) == artists(first)


def test_estimators_have_to_be_fitted(case, draw):
    if case in FITTING:
        draw(estimator=clone(CASES[case][1]))
        return
    with pytest.raises(NotFittedError):
        draw(estimator=clone(CASES[case][1]))


def test_estimators_and_generators_stay_as_they_are(
    case, draw, fitted, X, untouched_generators
):
    X_before = X.copy()
    before = pickle.dumps(fitted[case])
    first = draw()
    assert pickle.dumps(fitted[case]) == before
    np.testing.assert_array_equal(X, X_before)
    assert_same(first, draw(), rtol=0)


def test_estimators_without_a_seed_leave_generators_alone(X, untouched_generators):
    autoencoder = Autoencoder(2, max_epochs=1, validation=None)
    wide = np.tile(X, (20, 10))  # where PCA is randomised by default
    displays.ComponentsDisplay.from_estimator(autoencoder, wide, n_components=[1], cv=2)
    displays.WeightsDisplay.from_estimator(autoencoder.fit(X), kind="activating")


def test_missing_matplotlib_is_explained(case, draw, monkeypatch):
    name, estimator, *_ = CASES[case]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    # Even before anything is computed.
    with pytest.raises(ImportError, match=rf"{name} needs .*`pip install.*\[plot\]'`"):
        draw(estimator=clone(estimator))


def test_package_does_not_need_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    modules = [name for name in sys.modules if name.startswith("sklearn_ae.inspection")]
    for name in modules:
        monkeypatch.delitem(sys.modules, name)
    assert inspect.isclass(
        __import__("sklearn_ae.inspection").inspection.WeightsDisplay
    )


@pytest.mark.parametrize(
    "case", [name for name in CASES if CASES[name][2]], indirect=True
)
def test_other_kinds_of_tables(case, draw, X, fitted):
    expected = draw()
    tolerances = {"rtol": 1e-3, "atol": 1e-4}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(draw(X=X.astype(np.float32)), expected, **tolerances)
        assert_same(draw(X=X.tolist()), expected, **tolerances)
        assert_same(draw(X=sparse.csr_array(X)), expected, **tolerances)


def make_frame(library, X):
    module = importlib.import_module(library)
    columns = {f"pixel {i}": column for i, column in enumerate(X.T)}
    return module.DataFrame(columns)


@pytest.mark.parametrize(
    ("case", "library"),
    [(name, "pandas") for name in CASES]
    + [(name, "polars") for name in ("reconstruction", "grid", "heatmap")],
    indirect=["case"],
)
def test_data_frames_give_no_warnings(case, X, library):
    frame = make_frame(library, X)
    name, model, takes_X, params = CASES[case]
    model = clone(model).fit(frame)
    seen = getattr(model, "feature_names_in_", None)
    # scikit-learn 1.6 does not see the names of a newer polars.
    if library == "pandas" or seen is not None:
        assert list(seen) == list(frame.columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = getattr(displays, name).from_estimator(
            model, *[frame] * takes_X, **params
        )
    if name == "ReconstructionErrorDisplay":
        assert display.feature_names is seen


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("LatentSpaceDisplay", ("scatter", "grid")),
        ("WeightsDisplay", ("encoder", "decoder", "activating")),
        ("ReconstructionErrorDisplay", ("histogram", "heatmap")),
    ],
)
def test_unknown_kinds_are_refused(X, name, options):
    model = clone(SMALL).fit(X)
    takes_X = (
        "X" in inspect.signature(getattr(displays, name).from_estimator).parameters
    )
    with pytest.raises(ValueError, match="kind='pie' must be one of") as error:
        getattr(displays, name).from_estimator(model, *[X] * takes_X, kind="pie")
    assert all(repr(option) in str(error.value) for option in options)


def test_unknown_scales_are_refused():
    with pytest.raises(ValueError, match=r"yscale='cubic' must be one of.*'linear'"):
        displays.LossCurveDisplay(history={"train_loss": [1]}).plot(yscale="cubic")


@pytest.mark.parametrize("name", ["LossCurveDisplay", "WeightsDisplay"])
def test_other_estimators_are_refused(X, name):
    missing = {"LossCurveDisplay": "history_", "WeightsDisplay": "module_"}[name]
    for model in (PCA(2), clone(DETECTOR)):
        with pytest.raises(ValueError, match=f"has no {missing}"):
            getattr(displays, name).from_estimator(model.fit(X))


def test_histories_without_a_loss_are_refused(X):
    untrained = Autoencoder(2, max_epochs=0).fit(X)
    with pytest.raises(ValueError, match=r"history has the columns .*'train_loss'"):
        displays.LossCurveDisplay.from_estimator(untrained)


# -- signatures and docstrings ---------------------------------------------------------


@pytest.fixture(params=NAMES)
def display_class(request):
    return getattr(displays, request.param)


def parameters(function):
    own = inspect.signature(function).parameters.items()
    return {name: parameter for name, parameter in own if name != "self"}


def test_constructor_only_stores(display_class):
    given = {name: object() for name in parameters(display_class)}
    assert vars(display_class(**given)) == given
    kinds = {parameter.kind for parameter in parameters(display_class).values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_shared_parameters_have_equal_defaults(display_class):
    computing = parameters(display_class.from_estimator)
    drawing = parameters(display_class.plot)
    shared = computing.keys() & drawing.keys()
    assert "ax" in shared
    for name in shared:
        assert computing[name].default == drawing[name].default, name
    # Whatever can be drawn differently can be so at once.
    assert drawing.keys() <= computing.keys()


def test_optional_parameters_are_keywords(display_class):
    positional = [
        name
        for name, parameter in parameters(display_class.from_estimator).items()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert positional[0] in {"estimator", "estimators"}
    assert positional[1:] in ([], ["X"], ["X", "y"])
    drawing = parameters(display_class.plot)
    positional = [
        name
        for name, parameter in drawing.items()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert positional == ["ax"]


def test_parameters_are_documented_with_their_defaults(display_class):
    for function, doc in (
        (display_class, ClassDoc(display_class)),
        (display_class.from_estimator, FunctionDoc(display_class.from_estimator)),
        (display_class.plot, FunctionDoc(display_class.plot)),
    ):
        documented = {p.name: p.type for p in doc["Parameters"]}
        assert list(documented) == list(parameters(function))
        for name, parameter in parameters(function).items():
            if parameter.default is not inspect.Parameter.empty:
                default = str(parameter.default).replace("'", "")
                assert f"default={default}" in documented[name].replace('"', ""), name


def test_attributes_are_documented(draw):
    display = draw()
    documented = {a.name for a in ClassDoc(type(display))["Attributes"]}
    assert documented == {name for name in vars(display) if name.endswith("_")}


def test_texts_of_shared_parameters_agree(display_class):
    computing = FunctionDoc(display_class.from_estimator)["Parameters"]
    texts = {p.name: (p.type, p.desc) for p in computing}
    for parameter in FunctionDoc(display_class.plot)["Parameters"]:
        assert texts[parameter.name] == (parameter.type, parameter.desc)
