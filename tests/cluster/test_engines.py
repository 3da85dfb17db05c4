"""The engines start; their workers have this package, and a thread each."""

import torch

import sklearn_ae

HERE = sklearn_ae.__file__


def facts(_=None):
    """Where the package comes from, and the threads of a worker."""
    return sklearn_ae.__file__, torch.get_num_threads()


def test_dask(dask_client):
    assert list(dask_client.run(facts).values()) == [(HERE, 1)] * 2


def test_ray(local_ray):
    assert local_ray.get(local_ray.remote(facts).remote()) == (HERE, 1)


def test_spark(spark):
    rows = spark.sparkContext.parallelize(range(2), 2)
    assert rows.map(facts).collect() == [(HERE, 1)] * 2
