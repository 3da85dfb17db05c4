"""Engines on this machine, one start each: `scripts/cluster.sh` runs these tests.

All of them listen on the loopback address, have two workers of one thread each, and
show no dashboard. Each is started by the first test that asks for it.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# Engines meet deprecations in their own code; those in ours are errors, as elsewhere.
WARNINGS = [
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::FutureWarning",
    "error:::sklearn_ae",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(120))
            item.add_marker(pytest.mark.filterwarnings(*WARNINGS))


@pytest.fixture(scope="session", autouse=True)
def environment_of_workers():
    """What engines read of the environment when they start."""
    with pytest.MonkeyPatch.context() as patch:
        # Workers import the package, and functions of these tests by name.
        for path in (HERE, HERE.parent, ROOT):
            patch.setenv("PYTHONPATH", str(path), prepend=os.pathsep)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.delenv("OMP_NUM_THREADS", raising=False)  # engines set it for workers
        yield


@pytest.fixture(scope="session")
def dask_client():
    """A client of a Dask cluster of two worker processes."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any free port, and without bokeh no page
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def local_ray():
    """The module `ray`, connected to a Ray of two processors."""
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        _node_ip_address="127.0.0.1",
    )
    yield ray
    ray.shutdown()


@pytest.fixture(scope="session")
def spark():
    """A Spark session of two threads, with two Python workers."""
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java: install openjdk-17-jre-headless")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.default.parallelism", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
