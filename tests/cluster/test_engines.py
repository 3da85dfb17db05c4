"""The engines start, and their workers have the package of this checkout."""

import sklearn_ae

HERE = sklearn_ae.__file__


def where(_=None):
    import sklearn_ae

    return sklearn_ae.__file__


def test_dask(dask_client):
    assert len(dask_client.scheduler_info()["workers"]) == 2
    assert set(dask_client.run(where).values()) == {HERE}


def test_ray(local_ray):
    assert local_ray.get(local_ray.remote(where).remote()) == HERE


def test_spark(spark):
    assert (
        spark.sparkContext.parallelize(range(2), 2).map(where).collect() == [HERE] * 2
    )
