"""The displays of errors: what they draw, against other ways to get it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_ae import Autoencoder, AutoencoderOutlierDetector
from sklearn_ae.inspection import ComponentsDisplay, ReconstructionErrorDisplay

pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.fixture(scope="module")
def wine():
    data = load_wine()
    return scale(data.data), data.target


@pytest.fixture(scope="module")
def detector(wine):
    autoencoder = Autoencoder(3, max_epochs=2)
    detector = AutoencoderOutlierDetector(
        autoencoder, contamination=0.05, cv=2, random_state=0
    )
    return detector.fit(wine[0])


@pytest.fixture(scope="module")
def pca(wine):
    return PCA(3).fit(wine[0])


def steps(bars):
    values, edges, _ = bars.get_data()
    return values, edges


def assert_counts(bars, errors):
    """All errors lie between the edges, and are counted there."""
    values, edges = steps(bars)
    assert (np.diff(edges) > 0).all()
    assert values.sum() == len(errors)
    np.testing.assert_array_equal(values, np.histogram(errors, edges)[0])


# -- ReconstructionErrorDisplay: histogram ---------------------------------------------


def test_histogram_of_errors(wine, pca):
    X, _ = wine
    display = ReconstructionErrorDisplay.from_estimator(pca, X, bins=7)
    squares = (X - pca.inverse_transform(pca.transform(X))) ** 2
    np.testing.assert_allclose(display.feature_errors, squares)
    np.testing.assert_allclose(display.errors_, squares.mean(axis=1))
    assert list(display.bars_) == ["all"]
    assert_counts(display.bars_["all"], display.errors_)
    # Bins of equal width on the logarithmic axis.
    _, edges = steps(display.bars_["all"])
    assert display.ax_.get_xscale() == "log"
    low, high = np.log10([display.errors_.min(), display.errors_.max()])
    np.testing.assert_allclose(np.log10(edges), np.linspace(low, high, 8))
    assert display.line_ is None
    assert len(display.ax_.patches) == 2  # an outline and what fills it


def test_no_row_is_lost_to_rounding():
    # 10 to the power of the logarithm falls short of some of these.
    rng = np.random.RandomState(0)
    for _ in range(20):
        errors = rng.lognormal(size=(5, 1))
        display = ReconstructionErrorDisplay(feature_errors=errors).plot()
        assert_counts(display.bars_["all"], display.errors_)
        plt.close(display.figure_)


def test_threshold_of_a_detector(wine, detector):
    X, _ = wine
    display = ReconstructionErrorDisplay.from_estimator(detector, X)
    np.testing.assert_allclose(display.errors_, -detector.score_samples(X))
    np.testing.assert_array_equal(display.line_.get_xdata(), [-detector.offset_] * 2)
    beyond = (detector.predict(X) == -1).mean()
    assert 0 < beyond < 1
    assert display.line_.get_label().endswith(f"{beyond:.1%} beyond")
    moved = ReconstructionErrorDisplay.from_estimator(detector, X, threshold=3.0)
    np.testing.assert_array_equal(moved.line_.get_xdata(), [3.0, 3.0])


def test_rows_at_the_threshold_are_not_beyond(wine, detector):
    X, _ = wine
    detector = clone(detector).set_params(contamination=0.1).fit(X)
    # The threshold is the score of a training row, to the bit.
    assert np.isin(detector.offset_, detector.training_scores_)
    display = ReconstructionErrorDisplay.from_estimator(detector, X)
    np.testing.assert_array_equal(
        display.errors_ > display.threshold, detector.predict(X) == -1
    )


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        list,
        lambda y: np.array(["low", "mid", "high"])[y],
        lambda y: pd.Series(np.array(["low", "mid", "high"])[y], dtype="category"),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: y == 1,
    ],
)
def test_histogram_by_group(wine, pca, convert):
    X, y = wine
    groups = convert(y)
    labels = np.asarray(groups)
    display = ReconstructionErrorDisplay.from_estimator(pca, X, groups)
    assert list(display.bars_) == [str(label) for label in np.unique(labels)]
    edges = {steps(bars)[1].tobytes() for bars in display.bars_.values()}
    assert len(edges) == 1
    for label in np.unique(labels):
        assert_counts(display.bars_[str(label)], display.errors_[labels == label])
    assert len(display.ax_.patches) == 2 * len(display.bars_)


@pytest.mark.parametrize("threshold", [1e-9, 1e9, 0.0, -1.0])
def test_threshold_outside_the_errors(wine, pca, threshold):
    display = ReconstructionErrorDisplay.from_estimator(
        pca, wine[0], threshold=threshold
    )
    assert_counts(display.bars_["all"], display.errors_)
    low, high = display.ax_.get_xlim()
    assert low <= threshold <= high
    assert display.ax_.get_xscale() == ("log" if threshold > 0 else "linear")
    share = "0.0%" if threshold == 1e9 else "100.0%"
    assert display.line_.get_label().endswith(f"{share} beyond")


def test_errors_of_exact_reconstructions(wine):
    X, _ = wine
    everything = PCA().fit(X)
    display = ReconstructionErrorDisplay.from_estimator(everything, X)
    assert display.errors_.max() < 1e-25
    assert_counts(display.bars_["all"], display.errors_)
    some_zeros = ReconstructionErrorDisplay(feature_errors=[[0.0], [0.0], [1e-30]])
    display = some_zeros.plot()
    assert display.ax_.get_xscale() == "linear"
    assert_counts(display.bars_["all"], display.errors_)
    heatmap = ReconstructionErrorDisplay(feature_errors=np.zeros((3, 2)))
    heatmap.plot(kind="heatmap").figure_.canvas.draw()


@pytest.mark.parametrize(
    "errors",
    [
        [[2.0]],
        [[2.0], [2.0], [2.0]],
        [[0.0], [0.0]],
        [[0.3], [np.nextafter(0.3, 1)]],
        [[0.0, 0.3], [0.0, np.nextafter(0.3, 1)]],
    ],
)
@pytest.mark.parametrize("bins", [20, "auto", [0, 0.5, 5]])
def test_errors_that_are_all_equal(errors, bins):
    display = ReconstructionErrorDisplay(feature_errors=errors).plot(bins=bins)
    assert_counts(display.bars_["all"], display.errors_)
    display.figure_.canvas.draw()


def test_given_bins_are_taken(wine, pca):
    bins = [0.0, 0.2, 0.5, 100.0]
    display = ReconstructionErrorDisplay.from_estimator(pca, wine[0], bins=bins)
    values, edges = steps(display.bars_["all"])
    np.testing.assert_array_equal(edges, bins)
    assert display.ax_.get_xscale() == "linear"  # since there is a 0
    whole = ReconstructionErrorDisplay.from_estimator(pca, wine[0], bins=np.int64(4))
    values, _ = steps(whole.bars_["all"])
    assert len(values) == 4
    assert whole.ax_.get_xscale() == "log"


def test_colour_of_bars():
    display = ReconstructionErrorDisplay(feature_errors=[[1.0], [2.0]])
    display.plot(hist_kw={"color": "red", "lw": 4})
    filled, outline = sorted(display.ax_.patches, key=lambda patch: patch.get_zorder())
    assert outline is display.bars_["all"]
    assert outline.get_linewidth() == 4
    assert outline.get_edgecolor() == (1, 0, 0, 1)
    assert filled.get_facecolor()[:3] == (1, 0, 0)


# -- ReconstructionErrorDisplay: heat map ----------------------------------------------


def test_heatmap_of_the_worst_rows(wine, detector):
    X, _ = wine
    names = load_wine().feature_names
    display = ReconstructionErrorDisplay.from_estimator(
        detector, X, kind="heatmap", n_rows=5, feature_names=names
    )
    worst = np.argsort(detector.score_samples(X))[:5]
    np.testing.assert_array_equal(display.rows_, worst)
    errors = detector.feature_errors(X)[worst]
    # Below a hundredth of the largest there is one colour.
    expected = np.clip(errors, errors.max() / 100, None)
    np.testing.assert_array_equal(display.image_.get_array(), expected)
    np.testing.assert_allclose(
        display.image_.get_clim(), [errors.max() / 100, errors.max()]
    )
    rows = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert rows == [str(row) for row in worst]
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == names
    assert display.bars_ == {}
    assert list(display.ax_.images) == [display.image_]


def test_feature_names_of_a_data_frame(wine):
    frame = pd.DataFrame(wine[0], columns=load_wine().feature_names)
    for estimator in (PCA(3), make_pipeline(StandardScaler(), PCA(3))):
        display = ReconstructionErrorDisplay.from_estimator(
            estimator.fit(frame), frame, kind="heatmap"
        )
        labels = [label.get_text() for label in display.ax_.get_xticklabels()]
        assert labels == list(frame.columns)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (60, 100)])
def test_heatmap_of_few_and_many(shape):
    errors = np.random.RandomState(0).uniform(size=shape)
    display = ReconstructionErrorDisplay(
        feature_errors=errors, feature_names=[f"feature {i}" for i in range(shape[1])]
    ).plot(kind="heatmap", n_rows=60)
    assert display.image_.get_array().shape == shape
    named = display.ax_.get_xlabel() == ""
    assert named == (shape[1] <= 40)
    display.figure_.canvas.draw()


def test_long_names_of_features_are_not_cut():
    names = [f"the name of the feature no. {i}" for i in range(40)]
    display = ReconstructionErrorDisplay(
        feature_errors=np.ones((2, 40)), feature_names=names
    ).plot(kind="heatmap")
    display.figure_.canvas.draw()
    for label in display.ax_.get_xticklabels():
        assert label.get_window_extent().y0 > 0
    assert display.ax_.get_window_extent().height > 20


def test_reconstruction_error_refuses(wine, pca, detector):
    X, y = wine
    draw = ReconstructionErrorDisplay.from_estimator
    with pytest.raises(ValueError, match="has no inverse_transform"):
        draw(KMeans(2).fit(X), X)
    with pytest.raises(ValueError, match="has no transform"):
        draw(make_pipeline(StandardScaler(), detector), X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        draw(pca, X, y[:3])
    with pytest.raises(ValueError, match="feature_names has 2 names, but there are 13"):
        draw(pca, X, kind="heatmap", feature_names=["a", "b"])
    with pytest.raises(ValueError, match="n_rows=0 must be"):
        draw(pca, X, kind="heatmap", n_rows=0)
    for threshold in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"threshold={threshold}.* must be finite"):
            draw(pca, X, threshold=threshold)
    with pytest.raises(ValueError, match="feature_errors must be finite"):
        ReconstructionErrorDisplay(feature_errors=[[np.nan]]).plot()
    wider = Autoencoder(2, init="random", max_epochs=1, random_state=0)
    wider.fit(X, X_target=np.hstack([X, X]))
    with pytest.raises(ValueError, match=r"\(178, 13\).*\(178, 26\)"):
        draw(wider, X)


# -- ComponentsDisplay -----------------------------------------------------------------


def test_errors_by_number_of_components(wine):
    X, _ = wine
    autoencoder = Autoencoder(max_epochs=1, validation=None, random_state=0)
    cv = KFold(3, shuffle=True, random_state=0)
    display = ComponentsDisplay.from_estimator(
        autoencoder, X, n_components=[5, 1], cv=cv
    )
    np.testing.assert_array_equal(display.n_components, [1, 5])
    for name, estimator in {"PCA": PCA(), "Autoencoder": autoencoder}.items():
        expected = np.empty((2, 3))
        for i, n_components in enumerate([1, 5]):
            for j, (train, test) in enumerate(cv.split(X)):
                model = clone(estimator).set_params(n_components=n_components)
                model.fit(X[train])
                made = model.inverse_transform(model.transform(X[test]))
                expected[i, j] = np.mean((X[test] - made) ** 2)
        np.testing.assert_allclose(display.errors[name], expected, rtol=1e-6)
        line, band = display.lines_[name], display.bands_[name]
        np.testing.assert_array_equal(line.get_xdata(), [1, 5])
        mean, deviation = expected.mean(axis=1), expected.std(axis=1)
        np.testing.assert_allclose(line.get_ydata(), mean, rtol=1e-6)
        vertices = band.get_paths()[0].vertices
        for x, middle, width in zip([1, 5], mean, deviation, strict=True):
            heights = vertices[vertices[:, 0] == x, 1]
            np.testing.assert_allclose(
                [heights.min(), heights.max()], [middle - width, middle + width]
            )
    assert list(display.lines_) == ["PCA", "Autoencoder"]
    assert len(display.ax_.lines) == len(display.ax_.collections) == 2
    assert not hasattr(autoencoder, "n_components_")


@pytest.mark.parametrize(
    "cv",
    [ShuffleSplit(3), ((train, test) for train, test in KFold(3).split(range(178)))],
)
def test_all_see_the_same_splits(wine, cv):
    X, _ = wine
    pipeline = make_pipeline("passthrough", PCA(random_state=0))
    display = ComponentsDisplay.from_estimator(
        pipeline, X, n_components=[2], param_name="pca__n_components", cv=cv
    )
    # Of two PCAs the one in the pipeline has its name.
    assert list(display.errors) == ["PCA", "Pipeline"]
    np.testing.assert_allclose(display.errors["Pipeline"], display.errors["PCA"])


def test_default_numbers_of_components(wine):
    X, _ = wine
    display = ComponentsDisplay.from_estimator(PCA(), X, cv=2)
    assert list(display.errors) == ["PCA"]
    assert display.n_components.min() == 1
    assert display.n_components.max() == 12
    # No more than the rows allow.
    few = ComponentsDisplay.from_estimator(PCA(), X[:10].tolist(), cv=2)
    assert few.n_components.max() == 4
    one_feature = ComponentsDisplay.from_estimator(PCA(), X[:, :1], cv=2)
    np.testing.assert_array_equal(one_feature.n_components, [1])


def test_components_of_a_pipeline(wine):
    """By default those of its last step vary, also in pipelines of pipelines."""
    X, _ = wine
    pipeline = make_pipeline(
        StandardScaler(),
        Autoencoder(max_epochs=1, validation=None, init="random", random_state=0),
    )
    displays = [
        ComponentsDisplay.from_estimator(
            one, X, n_components=[1, 2], param_name=name, cv=2
        )
        for one, name in [
            (pipeline, "autoencoder__n_components"),
            (pipeline, None),
            (make_pipeline(pipeline), None),
        ]
    ]
    errors = [next(reversed(display.errors.values())) for display in displays]
    assert list(displays[0].lines_) == ["PCA", "Autoencoder"]
    assert errors[0].shape == (2, 2)
    np.testing.assert_allclose(errors[1], errors[0])
    np.testing.assert_allclose(errors[2], errors[0])


def test_bands_have_the_colour_of_their_curve():
    display = ComponentsDisplay(n_components=[1, 2], errors={"a": [[1, 2], [1, 1]]})
    display.plot(line_kw={"c": "red"})
    np.testing.assert_array_equal(display.bands_["a"].get_facecolor(), [[1, 0, 0, 0.2]])


def test_components_refuses(wine):
    X, _ = wine
    with pytest.raises(ValueError, match="has no inverse_transform"):
        ComponentsDisplay.from_estimator(KMeans(), X)
    with pytest.raises(ValueError, match="n_components=14"):
        ComponentsDisplay.from_estimator(
            Autoencoder(max_epochs=1), X, n_components=[14], cv=2
        )
