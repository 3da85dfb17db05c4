"""What the displays draw: data of their artists, against other ways to get them."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    ConvolutionalAutoencoder,
    ConvolutionalNetwork,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.inspection import (
    ActivationDisplay,
    LatentSpaceDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    WeightsDisplay,
)

pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.fixture(scope="module")
def X(digits):
    return digits[0][:150]


@pytest.fixture(scope="module")
def dense(X):
    return Autoencoder(3, hidden_layer_sizes=16, max_epochs=2, random_state=0).fit(X)


@pytest.fixture(scope="module")
def sparse(X):
    return SparseAutoencoder(12, rho=0.1, max_epochs=3, random_state=0).fit(X)


@pytest.fixture(scope="module")
def classifier(X):
    autoencoder = Autoencoder(4, hidden_layer_sizes=8, max_epochs=1, random_state=0)
    classifier = AutoencoderClassifier(autoencoder, max_epochs=3, random_state=0)
    return classifier.fit(X, X[:, 20] > 0.5)


@pytest.fixture(scope="module")
def colored():
    """Ten coloured images of 4 by 6 pixels, channels first, and a network of them."""
    X = np.random.RandomState(0).uniform(size=(10, 3 * 4 * 6))
    autoencoder = ConvolutionalAutoencoder(
        2, image_shape=(3, 4, 6), channels=(4,), max_epochs=1, random_state=0
    )
    return X, autoencoder.fit(X)


def array_of(image):
    return np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), np.nan)


def assert_laid_out(picture, images, n_columns, gap=np.nan):
    """Images of shape (n, height, width, ...) lie row by row, one pixel apart."""
    height, width = images.shape[1:3]
    rest = np.ones(picture.shape[:2], dtype=bool)
    for i, image in enumerate(images):
        top = (i // n_columns) * (height + 1)
        left = (i % n_columns) * (width + 1)
        where = slice(top, top + height), slice(left, left + width)
        assert rest[where].all()
        rest[where] = False
        np.testing.assert_allclose(picture[where], image, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(picture[rest], np.full_like(picture[rest], gap))
    n_rows = int(np.ceil(len(images) / n_columns))
    expected = n_rows * (height + 1) - 1, n_columns * (width + 1) - 1
    assert picture.shape[:2] == expected


# -- LossCurveDisplay ------------------------------------------------------------------


def test_loss_curves_are_the_history(sparse):
    display = LossCurveDisplay.from_estimator(sparse)
    drawn = {name for name in sparse.history_ if name.startswith(("train_", "valid_"))}
    assert len(drawn) > 4
    assert display.lines_.keys() == drawn
    assert len(display.ax_.lines) == len(drawn)
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(line.get_ydata(), sparse.history_[name])
    assert display.ax_.get_yscale() == "log"


def test_loss_curves_without_terms(sparse):
    display = LossCurveDisplay.from_estimator(sparse, terms=False, name="sparse")
    assert list(display.lines_) == ["train_loss", "valid_loss"]
    np.testing.assert_array_equal(
        display.lines_["train_loss"].get_ydata(), sparse.loss_curve_
    )
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["sparse, training loss", "sparse, validation loss"]


def test_loss_curve_of_one_epoch_without_validation(X):
    autoencoder = Autoencoder(2, max_epochs=1, validation=None, random_state=0)
    display = LossCurveDisplay.from_estimator(autoencoder.fit(X))
    assert list(display.lines_) == ["train_loss"]
    assert display.lines_["train_loss"].get_marker() == "."  # a line would not show


def test_loss_curves_of_a_stack(X):
    stacked = StackedAutoencoder(
        2, hidden_layer_sizes=(8,), max_epochs=4, pretrain_epochs=3, random_state=0
    ).fit(X)
    stage = stacked.history_["stage"]
    display = LossCurveDisplay.from_estimator(stacked, terms=False)
    line = display.lines_["train_loss"]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, len(stage) + 1))
    fine_tuning = line.get_ydata()[stage == 2]
    np.testing.assert_array_equal(fine_tuning, stacked.loss_curve_)
    boundaries = [
        other.get_xdata()[0]
        for other in display.ax_.lines
        if other not in display.lines_.values()
    ]
    first, second = (stage == 0).sum(), (stage == 1).sum()
    assert boundaries == [first + 0.5, first + second + 0.5]


def test_loss_scale_serves_all_that_is_on_the_axes():
    positive = {"train_loss": [2.0, 1.0]}
    negative = {"train_loss": [2.0, -1.0]}
    assert LossCurveDisplay(history=positive).plot().ax_.get_yscale() == "log"
    ax = LossCurveDisplay(history=negative).plot().ax_
    assert ax.get_yscale() == "linear"
    assert LossCurveDisplay(history=positive).plot(ax).ax_.get_yscale() == "linear"
    display = LossCurveDisplay(history=positive).plot(yscale="linear")
    assert display.ax_.get_yscale() == "linear"


def test_loss_curves_of_a_variational_autoencoder(X):
    variational = VariationalAutoencoder(2, max_epochs=2, random_state=0).fit(X)
    display = LossCurveDisplay.from_estimator(variational)
    assert (variational.loss_curve_ < 0).any()
    assert display.ax_.get_yscale() == "linear"


def test_loss_curves_of_a_classifier(classifier):
    display = LossCurveDisplay.from_estimator(classifier, terms=False)
    np.testing.assert_array_equal(
        display.lines_["valid_loss"].get_ydata(), classifier.validation_loss_curve_
    )


def test_colors_repeat_only_when_all_are_used():
    ax, colors = None, []
    for i in range(14):
        history = {"train_loss": [2.0, 1.0], "valid_loss": [3.0, 2.0]}
        display = LossCurveDisplay(history=history, name=str(i)).plot(ax)
        ax = display.ax_
        (color,) = {line.get_color() for line in display.lines_.values()}
        colors.append(color)
    assert len(set(colors[:7])) == 7
    assert colors[7:] == colors[:7]
    assert len(ax.lines) == 28


def test_curves_take_short_names_of_options():
    history = {"train_loss": [2.0, 1.0]}
    display = LossCurveDisplay(history=history).plot(line_kw={"c": "red", "ls": ":"})
    line = display.lines_["train_loss"]
    assert (line.get_color(), line.get_linestyle()) == ("red", ":")


def tick_labels(axis):
    axis.figure.canvas.draw()
    low, high = sorted(axis.get_view_interval())
    labels = axis.get_ticklabels(which="both")
    places = axis.get_majorticklocs().tolist() + axis.get_minorticklocs().tolist()
    shown = zip(labels, places, strict=True)
    texts = [label.get_text() for label, place in shown if low <= place <= high]
    return [text for text in texts if text]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((1.7, 1.5), ["1.5", "1.55", "1.6", "1.65", "1.7"]),
        ((1.9, 0.75), ["0.8", "1", "1.2", "1.4", "1.6", "1.8"]),
        ((30, 0.3), ["0.5", "1", "2", "5", "10", "20"]),
        ((5000, 2), ["10", "100", "1000"]),
    ],
)
def test_losses_are_labelled_with_few_plain_numbers(ends, expected):
    history = {"train_loss": np.geomspace(*ends, 20)}
    ax = LossCurveDisplay(history=history).plot().ax_
    labels = tick_labels(ax.yaxis)
    assert set(expected) <= set(labels)
    assert len(labels) <= 9
    # A second curve changes the range.
    LossCurveDisplay(history={"train_loss": [1e3, 1e2]}).plot(ax)
    assert {"10", "100", "1000"} <= set(tick_labels(ax.yaxis))


def test_legend_leaves_many_curves_free(sparse):
    display = LossCurveDisplay.from_estimator(sparse)
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.x0 >= display.ax_.get_window_extent().x1
    assert legend.x1 <= display.figure_.bbox.x1


# -- pipelines and searches ------------------------------------------------------------


def test_parts_of_pipelines_and_searches_are_found(X):
    y = X[:, 20] > 0.5
    steps = StandardScaler(), SparseAutoencoder(6, max_epochs=2, random_state=0)
    pipeline = make_pipeline(*steps, LogisticRegression()).fit(X, y)
    sparse = pipeline[1]
    search = GridSearchCV(pipeline, {"sparseautoencoder__n_components": [6]}, cv=2)
    for estimator in (pipeline, pipeline[:-1], search.fit(X, y)):
        curves = LossCurveDisplay.from_estimator(estimator, terms=False)
        line = curves.lines_["train_loss"]
        np.testing.assert_array_equal(line.get_ydata(), sparse.loss_curve_)
        weights = WeightsDisplay.from_estimator(estimator, kind="decoder").weights
        expected = WeightsDisplay.from_estimator(sparse, kind="decoder").weights
        np.testing.assert_array_equal(weights, expected)
        activations = ActivationDisplay.from_estimator(estimator)
        expected = sparse.mean_activation_
        np.testing.assert_array_equal(activations.mean_activation, expected)
        assert activations.rho == 0.05
    codes = pipeline[:-1].transform(X)
    activations = ActivationDisplay.from_estimator(pipeline[:-1], X)
    np.testing.assert_allclose(activations.mean_activation, codes.mean(axis=0))
    assert activations.rho == 0.05
    # The codes that leave this pipeline are not those that rho is about.
    scaled = make_pipeline(sparse, StandardScaler()).fit(X)
    assert ActivationDisplay.from_estimator(scaled, X).rho is None


def test_pipelines_that_do_not_serve_are_refused_in_a_line(X):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    pipeline.fit(X, X[:, 20] > 0.5)
    with pytest.raises(ValueError, match=r"\(StandardScaler, Logi.*\) has history_"):
        LossCurveDisplay.from_estimator(pipeline)
    with pytest.raises(ValueError, match=r"^Pipeline has no .*pass estimator\[:-1\]"):
        LatentSpaceDisplay.from_estimator(pipeline, X)


# -- ReconstructionDisplay -------------------------------------------------------------


def test_reconstructions_of_several_estimators(X, dense):
    estimators = {
        "PCA": PCA(3).fit(X),
        "scaled": make_pipeline(StandardScaler(), PCA(3)).fit(X),
        "dense": dense,
    }
    X_new = X[20:50]
    display = ReconstructionDisplay.from_estimator(estimators, X_new, n_items=4)
    keys = ["X", "PCA", "PCA - X", "scaled", "scaled - X", "dense", "dense - X"]
    assert list(display.images_) == keys
    assert len(display.ax_.images) == len(keys)

    originals = display.images_["X"]
    assert_laid_out(array_of(originals), X_new[:4].reshape(4, 8, 8), 4)
    assert originals.get_clim() == (X_new[:4].min(), X_new[:4].max())
    most = 0.0
    for name, estimator in estimators.items():
        made = estimator.inverse_transform(estimator.transform(X_new))
        np.testing.assert_allclose(
            display.errors_[name], ((made - X_new) ** 2).mean(), rtol=1e-6
        )
        images, difference = display.images_[name], display.images_[f"{name} - X"]
        assert_laid_out(array_of(images), made[:4].reshape(4, 8, 8), 4)
        assert images.get_clim() == originals.get_clim()
        residual = made - X_new  # positive where the reconstruction is higher
        assert_laid_out(array_of(difference), residual[:4].reshape(4, 8, 8), 4)
        most = max(most, np.abs(residual[:4]).max())
    for name in estimators:
        clim = display.images_[f"{name} - X"].get_clim()
        np.testing.assert_allclose(clim, [-most, most])

    # One under the other, the right way up: (left, right, bottom, top).
    for row, image in enumerate(display.images_.values()):
        assert tuple(image.get_extent()) == (0, 35, 9 * row + 8, 9 * row)
    bottom, top = display.ax_.get_ylim()
    assert bottom > top
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[0] == "original"
    assert labels[1] == f"PCA\nMSE {display.errors_['PCA']:.3g}"


def test_reconstructions_of_damaged_rows(X, dense):
    X_bad = np.clip(X + 0.2, 0, 1)
    display = ReconstructionDisplay.from_estimator(
        dense, X_bad, X_target=X, difference=False, n_items=2
    )
    assert list(display.images_) == ["X", "X_target", "Autoencoder"]
    assert_laid_out(array_of(display.images_["X"]), X_bad[:2].reshape(2, 8, 8), 2)
    assert_laid_out(array_of(display.images_["X_target"]), X[:2].reshape(2, 8, 8), 2)
    error = np.mean((dense.reconstruct(X_bad) - X) ** 2)
    np.testing.assert_allclose(display.errors_["Autoencoder"], error)
    with_difference = display.plot(n_items=2)
    residual = dense.reconstruct(X_bad)[:2] - X[:2]
    difference = array_of(with_difference.images_["Autoencoder - X"])
    assert_laid_out(difference, residual.reshape(2, 8, 8), 2)


def test_names_of_estimators(X, dense):
    pca = PCA(2).fit(X)
    from_classes = ReconstructionDisplay.from_estimator([pca, dense], X)
    assert list(from_classes.errors_) == ["PCA", "Autoencoder"]
    named = ReconstructionDisplay.from_estimator(
        (pca, PCA(4).fit(X)), X, names=["two", "four"]
    )
    assert named.errors_["four"] < named.errors_["two"]
    search = GridSearchCV(PCA(), {"n_components": [2, 3]}, cv=2).fit(X)
    searched = ReconstructionDisplay.from_estimator(search, X)
    assert list(searched.errors_) == ["GridSearchCV"]


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (None, r"names=\['PCA', 'PCA'\]"),
        (["a", "a"], r"names=\['a', 'a'\].*all different"),
        (["a"], r"names=\['a'\].*each of the 2 estimators"),
        (["a", "X"], "'X' cannot name an estimator"),
        (["a", "a - X"], "'a - X' cannot name an estimator"),
    ],
)
def test_names_that_do_not_serve(X, names, match):
    estimators = [PCA(2).fit(X), PCA(4).fit(X)]
    with pytest.raises(ValueError, match=match):
        ReconstructionDisplay.from_estimator(estimators, X, names=names)


def test_coloured_reconstructions(colored):
    X, autoencoder = colored
    # The shape is that of the second estimator: the first has none.
    estimators = [PCA(2).fit(X), autoencoder]
    display = ReconstructionDisplay.from_estimator(estimators, X, n_items=3)
    originals = array_of(display.images_["X"])
    assert originals.shape == (4, 3 * 7 - 1, 3)
    images = X[:3].reshape(3, 3, 4, 6)
    for channel in range(3):
        assert_laid_out(originals[..., channel], images[:, channel], 3, gap=1.0)
    residual = (autoencoder.reconstruct(X) - X)[:3].reshape(3, 3, 4, 6)
    difference = array_of(display.images_["ConvolutionalAutoencoder - X"])
    assert_laid_out(difference, residual.mean(axis=1), 3)


def test_coloured_originals_beyond_the_unit_interval_are_scaled(colored):
    X = 100 * colored[0] - 50
    display = ReconstructionDisplay(
        X=X, reconstructions={"X / 2": X / 2}, image_shape=(3, 4, 6)
    ).plot(n_items=2)
    low, high = X[:2].min(), X[:2].max()
    for name, rows in {"X": X, "X / 2": X / 2}.items():
        scaled = (rows[:2] - low) / (high - low)
        images = np.moveaxis(scaled.reshape(2, 3, 4, 6), 1, -1)
        assert_laid_out(array_of(display.images_[name]), images, 2, gap=1.0)


def test_colours_from_grey(colored):
    X = colored[0]
    grey = X.reshape(10, 3, 24).mean(axis=1)
    colorizer = Autoencoder(2, init="random", max_epochs=1, random_state=0)
    colorizer.fit(grey, X_target=X)
    display = ReconstructionDisplay.from_estimator(
        colorizer, grey, X_target=X, image_shape=(4, 6), n_items=2
    )
    assert array_of(display.images_["X"]).shape == (4, 13)
    assert array_of(display.images_["X_target"]).shape == (4, 13, 3)
    assert array_of(display.images_["Autoencoder - X"]).shape == (4, 13)
    with pytest.raises(ValueError, match=r"shape \(10, 72\).*has \(10, 24\)"):
        ReconstructionDisplay.from_estimator(colorizer, grey, image_shape=(4, 6))


@pytest.mark.parametrize(("n_items", "n_drawn"), [(1, 1), (150, 150), (1000, 150)])
def test_number_of_items(X, n_items, n_drawn):
    display = ReconstructionDisplay(X=X, reconstructions={"half": X / 2})
    display.plot(n_items=n_items)
    assert array_of(display.images_["half"]).shape == (8, 9 * n_drawn - 1)
    np.testing.assert_allclose(display.errors_["half"], np.mean(X**2) / 4)
    display.figure_.canvas.draw()


def test_perfect_reconstructions_show_no_difference(X):
    display = ReconstructionDisplay(X=X, reconstructions={"same": X}).plot()
    image = display.images_["same - X"]
    middle = image.cmap(0.5)
    np.testing.assert_allclose(image.cmap(image.norm(0.0)), middle)


def test_flat_images_become_bands(X):
    display = ReconstructionDisplay(
        X=X, reconstructions={"half": X / 2}, image_shape=(1, 64)
    ).plot()
    assert display.ax_.get_aspect() == "auto"
    assert display.figure_.get_size_inches()[1] >= 3 * 0.4
    assert display.plot(n_items=5).figure_.get_size_inches()[0] < 10


@pytest.mark.parametrize("n_items", [1, 10, 30])
@pytest.mark.parametrize(
    "name", ["NMF", "ConvolutionalAutoencoder, 8 components, deep"]
)
def test_labels_of_reconstructions_have_room(X, n_items, name):
    display = ReconstructionDisplay(X=X, reconstructions={name: X / 2})
    display.plot(n_items=n_items).figure_.canvas.draw()
    extents = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    assert min(extent.x0 for extent in extents) >= 0
    for above, below in itertools.pairwise(extents):
        assert above.y0 > below.y1


def test_reconstructions_need_both_ways(X, classifier):
    y = X[:, 20] > 0.5
    pipeline = make_pipeline(PCA(2), LogisticRegression()).fit(X, y)
    for estimator in (KMeans(2).fit(X), pipeline, classifier):
        with pytest.raises(ValueError, match=r"has no .*inverse_transform"):
            ReconstructionDisplay.from_estimator(estimator, X)
    with pytest.raises(ValueError, match=r"shape \(150, 64\).*has \(1, 64\)"):
        ReconstructionDisplay(X=X, reconstructions={"X/2": X}, X_target=X[:1]).plot()
    with pytest.raises(ValueError, match="n_items=0 must be"):
        ReconstructionDisplay(X=X, reconstructions={}).plot(n_items=0)


@pytest.mark.parametrize(
    "image_shape", [(8, 9), (2, 4, 8), (1, 1, 8, 8), (-8, -8), 64, (8.0, 8.0), "8x8"]
)
def test_image_shapes_that_do_not_fit(X, image_shape):
    with pytest.raises(ValueError, match="does not fit 64 features"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(X), X, image_shape=image_shape)


def test_images_have_to_be_flat(X, dense):
    with pytest.raises(ValueError, match=r"\(150, 8, 8\), .*X\.reshape\(len\(X\)"):
        ReconstructionDisplay.from_estimator(dense, X.reshape(-1, 8, 8))


def test_image_shape_is_asked_for_where_images_are_no_squares(X):
    with pytest.raises(ValueError, match="image_shape=None needs square images"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(X[:, :50]), X[:, :50])


def test_image_shape_of_another_space_is_not_taken(X):
    convolutional = ConvolutionalAutoencoder(
        2, image_shape=(1, 4, 4), channels=(2,), max_epochs=1, random_state=0
    )
    pipeline = make_pipeline(PCA(16), convolutional).fit(X)
    display = ReconstructionDisplay.from_estimator(pipeline, X, n_items=1)
    assert display.image_shape == (1, 8, 8)


# -- LatentSpaceDisplay ----------------------------------------------------------------


def offsets(points):
    return np.asarray(points.get_offsets())


def test_scatter_of_codes(X, dense):
    codes = dense.transform(X)
    display = LatentSpaceDisplay.from_estimator(dense, X, components=(2, 0))
    assert list(display.points_) == ["all"]
    assert list(display.ax_.collections) == [display.points_["all"]]
    np.testing.assert_array_equal(offsets(display.points_["all"]), codes[:, [2, 0]])
    assert display.ax_.get_xlabel() == "code 2"
    assert display.ax_.get_ylabel() == "code 0"
    assert display.image_ is None


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        list,
        lambda y: np.array(["low", "mid", "high"])[y],
        lambda y: np.array(["low", "mid", "high"], dtype=object)[y],
        lambda y: pd.Series(np.array(["low", "mid", "high"])[y]),
        lambda y: pd.Series(np.array(["low", "mid", "high"])[y], dtype="category"),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: y > 0,
        lambda y: y.astype(float),
        lambda y: y[:, np.newaxis][:, 0],
        lambda y: np.array(["$", "_", "é"])[y],
        lambda y: np.array(["", "\\", "a b"])[y],
    ],
)
def test_scatter_by_class(X, dense, convert):
    y = convert(np.arange(len(X)) % 3)
    codes = dense.transform(X)[:, :2]
    display = LatentSpaceDisplay.from_estimator(dense, X, y)
    labels = np.asarray(y)
    assert display.points_.keys() == {str(label) for label in np.unique(labels)}
    for label in np.unique(labels):
        points = display.points_[str(label)]
        np.testing.assert_array_equal(offsets(points), codes[labels == label])
    display.figure_.canvas.draw()


def test_classes_are_told_apart():
    codes = np.random.RandomState(0).standard_normal((120, 2))
    y = np.arange(120) % 12
    display = LatentSpaceDisplay(codes=codes, y=y).plot()
    # Digits are drawn as such, larger than the marks of 10 and 11.
    sizes = {name: points.get_sizes()[0] for name, points in display.points_.items()}
    assert sizes["10"] == sizes["11"] < sizes["0"] == sizes["9"]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == [str(label) for label in range(12)]

    names = np.array([f"class {label}" for label in range(12)])[y]
    display = LatentSpaceDisplay(codes=codes, y=names).plot()
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.points_.values()
    }
    assert len(looks) == 12
    assert len({color for color, _ in looks}) == 10
    only_digits = LatentSpaceDisplay(codes=codes, y=y % 10).plot()
    assert only_digits.ax_.get_legend() is None


def test_scatter_of_numbers(X, dense):
    for y in (X.mean(axis=1), np.arange(len(X))):
        display = LatentSpaceDisplay.from_estimator(dense, X, y)
        points = display.points_["all"]
        np.testing.assert_array_equal(points.get_array(), y)
        np.testing.assert_array_equal(offsets(points), dense.transform(X)[:, :2])
        assert len(display.figure_.axes) == 2  # a colour bar


def test_scatter_of_many_names(X, dense):
    y = np.array([f"name {i % 50:02d}" for i in range(len(X))])
    display = LatentSpaceDisplay.from_estimator(dense, X, y)
    assert len(display.points_) == 50
    assert display.ax_.get_legend()._ncols == 3
    assert len(display.figure_.axes) == 1


@pytest.mark.parametrize("y", [None, [0, 1, 1]])
@pytest.mark.parametrize("options", [{"color": "red"}, {"c": "red"}, {"lw": 1}])
def test_scatter_takes_all_names_of_options(y, options):
    display = LatentSpaceDisplay(codes=np.eye(3)[:, :2], y=y)
    for points in display.plot(scatter_kw=options).points_.values():
        if "lw" in options:
            assert points.get_linewidths() == [1]
        else:
            np.testing.assert_array_equal(points.get_facecolor(), [[1, 0, 0, 1]])


@pytest.mark.parametrize("components", [(2, 0), (0, 1)])
def test_grid_of_decoded_codes(X, components):
    autoencoder = Autoencoder(3, max_epochs=1, random_state=0).fit(X)
    codes = autoencoder.transform(X)
    display = LatentSpaceDisplay.from_estimator(
        autoencoder, X, kind="grid", components=components, n_grid=4
    )
    low, high = np.percentile(codes, [2, 98], axis=0)
    images = []
    first, second = components
    for row in range(4):  # the topmost has the highest second code
        for column in range(4):
            code = np.median(codes, axis=0)
            code[first] = low[first] + column / 3 * (high - low)[first]
            code[second] = high[second] - row / 3 * (high - low)[second]
            i = 4 * row + column
            np.testing.assert_allclose(display.codes[i], code[[first, second]])
            images.append(autoencoder.inverse_transform([code])[0].reshape(8, 8))
    picture = array_of(display.image_)
    np.testing.assert_allclose(
        display.images, np.reshape(images, (16, 64)), rtol=1e-4, atol=1e-5
    )
    assert_laid_out(picture, display.images.reshape(16, 8, 8), 4)
    # Each point lies in the middle of its image.
    left, right, bottom, top = display.image_.get_extent()
    step = (high - low) / 3
    np.testing.assert_allclose([left, bottom], (low - step / 2)[[first, second]])
    np.testing.assert_allclose([right, top], (high + step / 2)[[first, second]])
    assert display.points_ == {}


def test_grid_of_one_point_is_at_the_medians(X):
    variational = VariationalAutoencoder(3, max_epochs=1, random_state=0).fit(X)
    medians = np.median(variational.transform(X), axis=0)
    display = LatentSpaceDisplay.from_estimator(variational, X, kind="grid", n_grid=1)
    np.testing.assert_allclose(display.codes, [medians[:2]])
    np.testing.assert_allclose(
        array_of(display.image_),
        variational.inverse_transform([medians]).reshape(8, 8),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("n_rows", [1, 20])
def test_grid_across_constant_codes(n_rows):
    constant = FunctionTransformer(
        lambda X: np.full((len(X), 2), [3.0, 1000.1], dtype=np.float32),
        lambda Z: np.repeat(Z, 2, axis=1),
    )
    display = LatentSpaceDisplay.from_estimator(
        constant, np.ones((n_rows, 4)), kind="grid", n_grid=3
    )
    np.testing.assert_allclose(display.codes[:3, 0], [2.5, 3, 3.5])
    np.testing.assert_allclose(display.codes[::3, 1], [1000.6, 1000.1, 999.6])
    assert array_of(display.image_).shape == (8, 8)


def test_grid_of_coloured_images(colored):
    X, autoencoder = colored
    display = LatentSpaceDisplay.from_estimator(autoencoder, X, kind="grid", n_grid=2)
    images = np.moveaxis(display.images.reshape(4, 3, 4, 6), 1, -1)
    assert_laid_out(array_of(display.image_), np.clip(images, 0, 1), 2, gap=1.0)


@pytest.mark.parametrize("components", [(0, 3), (-1, 0), (1, 1), (0,), (0, 1, 2), 1])
def test_components_that_are_not_there(X, dense, components):
    with pytest.raises(ValueError, match=r"components=.* different columns .* have 3"):
        LatentSpaceDisplay.from_estimator(dense, X, components=components)


def test_latent_space_refuses(X, dense, classifier):
    LatentSpaceDisplay.from_estimator(classifier, X, X[:, 20] > 0.5)
    with pytest.raises(ValueError, match="has no inverse_transform"):
        LatentSpaceDisplay.from_estimator(classifier, X, kind="grid")
    with pytest.raises(ValueError, match="has no transform"):
        LatentSpaceDisplay.from_estimator(LogisticRegression(), X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LatentSpaceDisplay.from_estimator(dense, X, [0, 1])
    with pytest.raises(ValueError, match="n_grid=0 must be"):
        LatentSpaceDisplay.from_estimator(dense, X, kind="grid", n_grid=0)
    with pytest.raises(ValueError, match="do not form a grid"):
        LatentSpaceDisplay(codes=np.eye(2), images=np.ones((2, 4))).plot()


# -- WeightsDisplay --------------------------------------------------------------------


def first_weight(estimator):
    return estimator.module_.network.encoder[0].weight.detach().numpy()


def assert_weights_drawn(display, n_columns):
    """Each unit is divided by its largest weight."""
    weights = np.asarray(display.weights, dtype=float)
    scaled = weights / np.abs(weights).max(axis=1, keepdims=True)
    images = scaled.reshape(len(weights), *display.image_shape[1:])
    assert_laid_out(array_of(display.image_), images, n_columns)
    assert display.image_.get_clim() == (-1, 1)
    assert list(display.ax_.images) == [display.image_]


def test_weights_of_the_encoder(sparse):
    display = WeightsDisplay.from_estimator(sparse)
    np.testing.assert_array_equal(display.weights, first_weight(sparse))
    assert_weights_drawn(display, 4)


def test_weights_beside_a_linear_path(dense):
    assert dense.module_.network.encoder_path is not None
    display = WeightsDisplay.from_estimator(dense)
    np.testing.assert_array_equal(display.weights, first_weight(dense))
    assert len(display.weights) == 16


@pytest.mark.parametrize(
    "wrapped", [VariationalAutoencoder, DenoisingAutoencoder, ConvolutionalAutoencoder]
)
def test_weights_of_filters(colored, wrapped):
    X, autoencoder = colored
    if wrapped is not ConvolutionalAutoencoder:
        network = ConvolutionalNetwork(image_shape=(3, 4, 6), channels=(4,))
        autoencoder = wrapped(2, network=network, max_epochs=1, random_state=0).fit(X)
    (filters,) = (
        layer.weight.detach().numpy()
        for layer in autoencoder.module_.modules()
        if isinstance(layer, torch.nn.Conv2d)
    )
    display = WeightsDisplay.from_estimator(autoencoder)
    np.testing.assert_array_equal(display.weights, filters.reshape(4, 27))
    most = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    images = np.moveaxis((filters / most + 1) / 2, 1, -1)
    assert_laid_out(array_of(display.image_), images, 2, gap=1.0)
    # What is not filters has the shape of the images.
    decoded = WeightsDisplay.from_estimator(autoencoder, kind="decoder")
    assert decoded.image_shape == (3, 4, 6)


def test_weights_of_tied_layers(X):
    tied = SparseAutoencoder(
        6, sparsity="l1", tied_weights=True, max_epochs=1, random_state=0
    ).fit(X)
    encoder = WeightsDisplay.from_estimator(tied)
    np.testing.assert_array_equal(encoder.weights, first_weight(tied))
    decoder = WeightsDisplay.from_estimator(tied, kind="decoder")
    # Weights are tied in units of the network; reconstructions are in units of X.
    scaled = encoder.weights * tied.scale_
    np.testing.assert_allclose(decoder.weights, scaled, atol=1e-6)


@pytest.mark.parametrize("model", [SparseAutoencoder, Autoencoder])
def test_weights_of_a_linear_decoder(X, model):
    autoencoder = model(
        5, hidden_layer_sizes=(), init="random", max_epochs=1, random_state=0
    ).fit(X)
    module = autoencoder.module_
    columns = module.network.decoder[0].weight.detach().numpy().T
    columns = columns * (module.output_scale / module.code_scale).item()
    display = WeightsDisplay.from_estimator(autoencoder, kind="decoder")
    np.testing.assert_allclose(display.weights, columns, atol=1e-6)
    assert_weights_drawn(display, 3)


def test_weights_of_a_deep_decoder(dense):
    display = WeightsDisplay.from_estimator(dense, kind="decoder")
    nothing = dense.inverse_transform([[0, 0, 0]])[0]
    for unit in range(3):
        gain = dense.inverse_transform(np.eye(3)[[unit]])[0] - nothing
        np.testing.assert_allclose(display.weights[unit], gain, atol=1e-6)


def test_activating_inputs_of_one_layer(sparse):
    display = WeightsDisplay.from_estimator(sparse, kind="activating")
    weights = first_weight(sparse)
    expected = weights / np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    np.testing.assert_allclose(display.weights, expected, atol=1e-5)


def codes_in(estimator, directions):
    radius = estimator.module_.input_scale.item() * np.sqrt(directions.shape[-1])
    return estimator.transform(estimator.mean_ + radius * directions)


@pytest.mark.parametrize("activation", ["identity", "sigmoid"])
def test_activating_inputs_of_a_deep_network(X, activation):
    autoencoder = Autoencoder(
        6,
        hidden_layer_sizes=(32, 16),
        activation="sigmoid",
        code_activation=activation,
        init="random",
        max_epochs=20,
        random_state=0,
    ).fit(X)
    display = WeightsDisplay.from_estimator(autoencoder, kind="activating")
    np.testing.assert_allclose(np.linalg.norm(display.weights, axis=1), 1, rtol=1e-5)
    found = codes_in(autoencoder, display.weights).diagonal()

    random = np.random.RandomState(0).standard_normal((1000, 64))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    assert (found > codes_in(autoencoder, random).max(axis=0)).all()

    # The slope at the mean, by differences.
    step = 1e-3 * autoencoder.module_.input_scale.item()
    around = np.vstack([np.eye(64), -np.eye(64)]) * step + autoencoder.mean_
    codes = autoencoder.transform(around)
    slopes = (codes[:64] - codes[64:]).T
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    first = codes_in(autoencoder, slopes).diagonal()
    assert (found >= first - 1e-4 * np.abs(first)).all()


def test_activating_inputs_of_units_without_a_slope_at_the_mean(X):
    topk = SparseAutoencoder(
        20, sparsity="topk", k=3, max_epochs=3, random_state=0
    ).fit(X)
    with torch.no_grad():
        layer = topk.module_.network.network.encoder[0]
        layer.weight[0], layer.bias[0] = 0.0, -1.0
    silent = topk.transform(topk.mean_[np.newaxis])[0] == 0
    assert silent.sum() > 5
    display = WeightsDisplay.from_estimator(topk, kind="activating")
    codes = codes_in(topk, display.weights).diagonal()
    assert (codes[1:] > 0).all()
    # Nothing activates the first.
    np.testing.assert_array_equal(display.weights[0], np.zeros(64))
    np.testing.assert_array_equal(array_of(display.image_)[:8, :8], np.zeros((8, 8)))


def test_weights_of_chosen_units(sparse):
    weights = first_weight(sparse)
    for units in ([3, 1, -1], np.arange(12) % 2 == 0, 5):
        display = WeightsDisplay.from_estimator(sparse, units=units)
        np.testing.assert_array_equal(display.weights, np.atleast_2d(weights[units]))
    for units in ([12], [], [0.5], 12):
        with pytest.raises(ValueError, match="one or more of the 12 units"):
            WeightsDisplay.from_estimator(sparse, units=units)


@pytest.mark.parametrize(
    ("n_units", "shape"), [(1, (8, 8)), (1, (1, 1)), (1000, (2, 2)), (3, (1, 64))]
)
def test_weights_of_few_and_many_units(n_units, shape):
    weights = np.random.RandomState(0).standard_normal((n_units, shape[0] * shape[1]))
    display = WeightsDisplay(weights=weights, image_shape=(1, *shape)).plot()
    n_columns = (array_of(display.image_).shape[1] + 1) // (shape[1] + 1)
    assert_weights_drawn(display, n_columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a layout without room
        display.figure_.canvas.draw()


class DecoderFirst(torch.nn.Module):
    """A network whose decoder is defined before its encoder."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.decoder = torch.nn.Linear(n_components, n_features)
        self.norm = torch.nn.BatchNorm1d(n_features)
        self.encoder = torch.nn.Linear(n_features, n_components)

    def encode(self, x):
        return self.encoder(self.norm(x))

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


class NoLayer(DecoderFirst):
    def encode(self, x):
        return x @ self.encoder.weight.T


def test_weights_of_own_networks(X):
    own = Autoencoder(2, network=DecoderFirst, max_epochs=1, random_state=0).fit(X)
    display = WeightsDisplay.from_estimator(own)
    encoder = own.module_.network.encoder
    np.testing.assert_array_equal(display.weights, encoder.weight.detach().numpy())
    assert not encoder._forward_pre_hooks
    own.set_params(network=NoLayer).fit(X)
    with pytest.raises(ValueError, match="use kind='activating'"):
        WeightsDisplay.from_estimator(own)
    WeightsDisplay.from_estimator(own, kind="activating")


def test_weights_of_a_classifier(classifier):
    display = WeightsDisplay.from_estimator(classifier)
    layer = classifier.module_.network.network.encoder[0]
    np.testing.assert_array_equal(display.weights, layer.weight.detach().numpy())
    display = WeightsDisplay.from_estimator(classifier, kind="activating")
    assert display.weights.shape == (4, 64)
    with pytest.raises(ValueError, match="has no inverse_transform"):
        WeightsDisplay.from_estimator(classifier, kind="decoder")


# -- ActivationDisplay -----------------------------------------------------------------


def heights(bars):
    return [bar.get_height() for bar in bars]


def test_activations_of_the_training_rows(sparse):
    display = ActivationDisplay.from_estimator(sparse)
    np.testing.assert_array_equal(display.mean_activation, sparse.mean_activation_)
    # A fifth around rho is always there.
    shown = np.append(sparse.mean_activation_, [0.08, 0.12])
    edges = np.histogram_bin_edges(shown, 30)
    counts, _ = np.histogram(sparse.mean_activation_, edges)
    assert list(display.bars_) == ["live"]
    np.testing.assert_array_equal(heights(display.bars_["live"]), counts)
    np.testing.assert_allclose(
        [bar.get_x() for bar in display.bars_["live"]], edges[:-1]
    )
    assert len(display.ax_.patches) == 30
    assert display.line_.get_xdata() == [0.1, 0.1]


def test_activations_of_other_rows(X, dense, classifier):
    for estimator in (dense, classifier):
        display = ActivationDisplay.from_estimator(estimator, X, bins=5)
        means = estimator.transform(X).mean(axis=0)
        np.testing.assert_allclose(display.mean_activation, means, rtol=1e-5)
        counts, _ = np.histogram(means, 5)
        np.testing.assert_array_equal(heights(display.bars_["live"]), counts)
        assert display.line_ is None
        assert display.rho is None


def test_rho_is_that_of_kl_only(X):
    topk = SparseAutoencoder(8, sparsity="topk", max_epochs=1, random_state=0).fit(X)
    assert ActivationDisplay.from_estimator(topk).line_ is None


def test_dead_units_are_apart():
    # The deviations of the columns are 1, 2, 0 and 0.0001.
    codes = np.array([[1, 2, 5, 0], [-1, -2, 5, 2e-4]])
    encoder = FunctionTransformer(lambda X: codes[: len(X)])
    display = ActivationDisplay.from_estimator(encoder, [[0], [0]], bins=[-1, 1, 3, 6])
    np.testing.assert_array_equal(display.dead_units, [False, False, True, True])
    assert heights(display.bars_["live"]) == [2, 0, 0]
    assert heights(display.bars_["dead"]) == [1, 0, 1]
    assert [bar.get_y() for bar in display.bars_["dead"]] == [2, 0, 0]
    # What does not vary among one row may still live.
    one_row = ActivationDisplay.from_estimator(encoder, [[0]])
    assert list(one_row.bars_) == ["live"]


def test_activations_that_differ_by_rounding_only():
    mean = np.array([0.3, np.nextafter(0.3, 1), 0.3])
    display = ActivationDisplay(mean_activation=mean).plot()
    assert sum(heights(display.bars_["live"])) == 3
    single = ActivationDisplay(mean_activation=[0.2], dead_units=[True]).plot()
    assert sum(heights(single.bars_["dead"])) == 1


def test_activations_take_short_names_of_options():
    display = ActivationDisplay(mean_activation=[0.2, 0.4])
    bar = display.plot(bar_kw={"ec": "red"}).bars_["live"][0]
    assert bar.get_edgecolor() == (1, 0, 0, 1)


def test_activations_need_rows_of_others_than_sparse(dense):
    with pytest.raises(ValueError, match=r"X=None .* Autoencoder has none; pass X"):
        ActivationDisplay.from_estimator(dense)
