"""The recipes of docs/user_guide/codes_at_scale.rst give the codes of `transform`."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import numpy as np
import polars as pl
import pytest
from loads import loads_by_process, noted
from recipes import run_recipe
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import Autoencoder, AutoencoderOutlierDetector

run = partial(run_recipe, "codes_at_scale")


def encoder(**params):
    return Autoencoder(3, hidden_layer_sizes=8, max_epochs=2, random_state=0, **params)


@pytest.fixture(scope="module")
def frame():
    return load_digits(as_frame=True).data.astype("float32")[:200]


@pytest.fixture(scope="module")
def fitted(frame):
    model = encoder().set_output(transform="pandas").fit(frame)
    return pickle.dumps(model)


@pytest.fixture
def start(fitted, frame, tmp_path):
    """What the page defines before the recipes."""
    path = tmp_path / "model.pkl"
    path.write_bytes(fitted)
    model = pickle.loads(fitted)
    return {
        "Autoencoder": lambda *args, **params: encoder(),
        "X": frame.to_numpy(),
        "features": list(frame.columns),
        "frame": frame,
        "model": model,
        "names": model.get_feature_names_out().tolist(),
        "path": path,
    }


def assert_same(codes, expected):
    """Equal up to rounding in single precision; names and types are the same."""
    np.testing.assert_array_equal(codes.columns, expected.columns)
    assert set(codes.dtypes) == set(expected.dtypes)
    assert_close(codes.to_numpy(), expected.to_numpy())


def assert_close(codes, expected):
    assert codes.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(codes, expected, rtol=0, atol=1e-5 * abs(expected).max())


# -- Dask ------------------------------------------------------------------------------


@pytest.fixture
def dask_cluster(dask_client):
    with dask_client.as_current():
        yield dask_client


@pytest.mark.usefixtures("dask_cluster")
def test_dask_data_frame(start, tmp_path):
    expected = start["model"].transform(start["frame"])
    notes = tmp_path / "loads.txt"
    names = run("map_partitions", **start | {"model": noted(start["model"], notes)})
    codes = names["codes"].compute()
    assert_same(codes, expected)
    np.testing.assert_array_equal(codes.index, expected.index)
    # Four partitions, but each worker has loaded it once.
    assert set(loads_by_process(notes).values()) == {1}


@pytest.mark.usefixtures("dask_cluster")
def test_dask_partitions_without_rows(start):
    import dask

    names = run("map_partitions", **start)
    table = names["table"].map_partitions(lambda part: part[part.index < 60])
    codes = table.map_partitions(
        names["encode"], dask.delayed(names["model"]), meta=names["meta"]
    )
    expected = names["model"].transform(start["frame"])[:60]
    assert_same(codes.compute(), expected)


@pytest.mark.usefixtures("dask_cluster")
def test_dask_array(start):
    names = run("map_blocks", **start)
    expected = names["plain"].transform(start["X"])
    codes = names["codes"]
    assert codes.shape == expected.shape
    assert codes.dtype == expected.dtype
    assert_close(codes.compute(), expected)
    assert_close(codes.compute(scheduler="threads", num_workers=4), expected)
    none = names["table"][names["table"][:, 0] > 1e6]
    none = none.map_blocks(
        names["encode"], names["plain"], meta=names["empty"], chunks=(none.chunks[0], 3)
    )
    assert none.compute().shape == (0, 3)


@pytest.mark.parametrize(
    "make",
    [
        encoder,
        lambda: make_pipeline(StandardScaler(), encoder()),
        lambda: AutoencoderOutlierDetector(encoder(), cv=2, random_state=0),
    ],
    ids=["autoencoder", "pipeline", "detector"],
)
def test_dask_tells_models_apart(make, frame):
    """Models with the same parameters differ in what they have learned."""
    import dask
    from dask.base import tokenize

    first, second = (make().fit(part) for part in (frame[:100], frame[100:]))
    again = pickle.loads(pickle.dumps(first))
    with dask.config.set({"tokenize.ensure-deterministic": True}):
        token = tokenize(first)
        assert token != tokenize(second)
        assert token == tokenize(first)
        assert tokenize(again) == tokenize(pickle.loads(pickle.dumps(again)))
        assert tokenize(make()) == tokenize(make())


# -- Ray -------------------------------------------------------------------------------


def test_ray(local_ray, start, tmp_path):
    expected = start["model"].transform(start["frame"])
    start["frame"].to_parquet(tmp_path / "table.parquet")
    local_ray.data.DataContext.get_current().enable_progress_bars = False
    in_memory, file = "from_pandas(frame)", f"read_parquet({str(tmp_path)!r})"
    names = run("map_batches(\n", {in_memory: file}, **start)
    codes = names["codes"].to_pandas()
    assert {dtype.numpy_dtype for dtype in codes.dtypes} == {np.dtype("float32")}
    assert_same(codes.astype("float32"), expected)


# -- Spark -----------------------------------------------------------------------------


def test_spark_map_in_pandas(spark, start, tmp_path):
    frame = start["frame"]
    notes = tmp_path / "loads.txt"
    model = noted(start["model"], notes)
    names = run("mapInPandas", spark=spark, **start | {"model": model})
    assert_same(names["codes"].toPandas(), start["model"].transform(frame))
    # Spark keeps the Python processes of its workers: as many loads in all.
    parts = names["table"].repartition(4).filter("pixel_0_2 > 14")
    codes = parts.mapInPandas(names["encode"], names["codes"].schema).toPandas()
    assert len(codes) == (frame["pixel_0_2"] > 14).sum()
    assert set(loads_by_process(notes).values()) == {1}


def test_spark_pandas_udf(spark, start):
    names = run("pandas_udf", spark=spark, **start)
    assert_same(names["codes"].toPandas(), start["model"].transform(start["frame"]))


# -- without an engine -----------------------------------------------------------------


def test_polars(start):
    expected = start["model"].transform(start["frame"])
    names = run("streamable", **start)
    for engine in ("in-memory", "streaming"):
        codes = names["codes"].collect(engine=engine)
        assert_same(codes.to_pandas(), expected)
    none = names["table"].filter(pl.col("pixel_0_2") > 1e6)
    none = none.map_batches(names["encode"], schema=names["schema"]).collect()
    assert none.shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("make", "methods"),
    [
        (encoder, ["transform", "reconstruct", "score_samples", "hidden_activations"]),
        (
            lambda: AutoencoderOutlierDetector(encoder(), cv=2, random_state=0),
            ["score_samples", "decision_function"],
        ),
    ],
    ids=["autoencoder", "detector"],
)
def test_threads_share_a_model(make, methods, dtype, frame):
    """A loaded model, which makes what it needs at the first call."""
    X = frame.to_numpy(dtype)
    saved = pickle.dumps(make().fit(X))
    expected = [np.hstack(getattr(pickle.loads(saved), name)(X)) for name in methods]
    barrier = Barrier(4)

    def work(model, shift):
        barrier.wait(timeout=60)
        order = np.roll(np.arange(len(methods)), shift)
        found = {i: np.hstack(getattr(model, methods[i])(X)) for i in order}
        return [found[i] for i in range(len(methods))]

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            model = pickle.loads(saved)
            for found in pool.map(work, [model] * 4, range(4)):
                for ours, theirs in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(ours, theirs)
