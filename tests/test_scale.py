"""Memory beyond the data, threads, and what importing the package imports."""

import json
import math
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from sklearn_ae.data import tables
from sklearn_ae.data.tables import dense_rows, number_of_axes, principal_axes
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.training.hardware import WORK_PER_THREAD, suitable_threads

linux_only = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc"
)


def run(program, *args, **variables):
    """Run a program in a new process and read what it prints as JSON."""
    command = [sys.executable, "-c", program, *map(str, args)]
    # glibc then returns large freed blocks to the system at once.
    env = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"} | variables
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env)
    assert done.returncode == 0
    return json.loads(done.stdout)


# -- memory ----------------------------------------------------------------------------

PRELUDE = """
import json, sys
import numpy as np
from scipy import sparse
from sklearn_ae import Autoencoder


def megabytes(key):
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(f"{key}:"))
    return int(line.split()[1]) / 1024


def estimator():
    return Autoencoder(
        2, hidden_layer_sizes=(8,), batch_size=1024, max_epochs=1, random_state=0
    )


def use(X):
    estimator().fit(X).transform(X)


# What is imported late or set up once does not count.
use(np.random.default_rng(0).random((100, 5)))
"""

EXTRA_MEMORY = """
shape = 40_000, 500  # 80 MB in single precision


def dense(dtype="float32", order="C", shape=shape):
    X = np.empty(shape, dtype, order=order)
    X[...] = np.sin(np.arange(shape[1]))
    X[:, 0] = np.cos(np.arange(shape[0]))
    return X


def csr():
    data = np.arange(shape[0], dtype=np.float32)
    return sparse.csr_array((data, data.astype(int) % 500, np.arange(len(data) + 1)))


tables = {
    "float32": dense,
    "float64": lambda: dense("float64"),
    "Fortran order": lambda: dense(order="F"),
    "some columns": lambda: dense(shape=(shape[0], 510))[:, 5:505],
    "CSR": csr,
}
extra = {}
for name, make in tables.items():
    X = make()
    assert X.shape == shape
    before = megabytes("VmRSS")
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")  # reset the peak
    use(X)
    extra[name] = megabytes("VmHWM") - before
    del X
print(json.dumps(extra))
"""


@pytest.mark.slow
@linux_only
def test_tables_are_not_copied():
    """A copy of the smallest dense table, or a dense CSR table, takes 80 MB."""
    extra = run(PRELUDE + EXTRA_MEMORY)
    assert len(extra) == 5
    assert max(extra.values()) < 60, extra


BEYOND_LIMIT = """
import resource

X = np.load(sys.argv[1], mmap_mode="r")
limit = int(megabytes("VmData")) + 120
hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
resource.setrlimit(resource.RLIMIT_DATA, (limit * 2**20, hard))
try:
    np.ones(X.shape, X.dtype)
except MemoryError:
    pass
else:
    raise AssertionError("there is memory for a copy")
use(X)
print(json.dumps(X.nbytes / 2**20))
"""


@pytest.mark.slow
@linux_only
def test_a_memory_map_larger_than_the_memory_that_is_left(tmp_path):
    path = tmp_path / "table.npy"
    # The file is sparse: what is not written takes no space on the disk.
    X = np.lib.format.open_memmap(path, "w+", np.float32, shape=(100_000, 512))
    X[::1000] = np.random.default_rng(0).random((100, 512))
    X.flush()
    assert run(PRELUDE + BEYOND_LIMIT, path) > 190


def peak_bytes(call, *args):
    """Peak memory that NumPy allocates during a call."""
    tracemalloc.start()
    try:
        call(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("layout", ["C", "F", "some columns", "every other row"])
def test_rows_are_gathered_without_a_copy_of_the_table(layout):
    X = np.ones((40_000, 100), np.float32, order="F" if layout == "F" else "C")
    if layout == "some columns":
        X = X[:, 5:]
    elif layout == "every other row":
        X = X[::2]
    rows = np.array([7, 3, 19_999])
    assert peak_bytes(dense_rows, X, rows) < X.nbytes / 100
    gathered = dense_rows(X, rows)
    assert gathered.flags.c_contiguous
    assert gathered.shape == (3, X.shape[1])


@pytest.mark.parametrize(
    ("shape", "n_components"),
    [
        ((50_000, 40), 3),
        ((50_000, 40), 20),
        ((50_000, 40), 0.9),
        ((200, 10_000), 3),
        ((200, 10_000), 0.9),
    ],
)
@pytest.mark.parametrize("limit", [0, 2048])
def test_axes_are_found_without_a_copy_of_the_table(
    shape, n_components, limit, monkeypatch
):
    monkeypatch.setattr(tables, "COVARIANCE_LIMIT", limit)
    monkeypatch.setattr(tables, "rows_per_block", lambda n: max(1, 50_000 // n))
    X = np.random.default_rng(0).standard_normal(shape) ** 3
    args = X, np.arange(len(X)), None, X.mean(axis=0), n_components
    find = principal_axes if n_components >= 1 else number_of_axes
    find(*args)  # what is imported late is left out
    assert peak_bytes(find, *args) < X.nbytes / 2


# -- import ----------------------------------------------------------------------------


IMPORTS = """
import json, pickle, sys, warnings
import skorch, skorch.helper, sklearn, torch, tqdm.auto

before = set(sys.modules)
import sklearn_ae

found = set(sys.modules) - before
# Older versions of scikit-learn have compiled modules under names of their own.
files = {name: getattr(sys.modules[name], "__file__", None) or "" for name in found}
found = [name for name in found if "/sklearn/" not in files[name]]

import numpy as np
import registry
from sklearn_ae.model_selection import BatchedGridSearchCV, BatchedHalvingGridSearchCV

warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((40, 6))
imported = {}


def note(name):
    imported[name] = [m for m in ("torch._dynamo", "sympy") if m in sys.modules]


for name, estimator in registry.instances().items():
    # An optimizer of torch's, and gradients for which torch itself imports SymPy.
    if name not in {
        "torch_optimizer", "contractive_projections", "contractive_convolutional"
    }:
        params = estimator.get_params(deep=False)
        fewer = {"max_epochs", "pretrain_epochs"} & params.keys()
        estimator.set_params(**{key: min(1, params[key]) for key in fewer})
        pickle.loads(pickle.dumps(estimator.fit(X, X[:, 0] > 0))).fit(X, X[:, 0] > 0)
        note(name)
BatchedGridSearchCV(registry.instances()["plain"], {"tol": [0, 1]}, cv=2).fit(X)
note("search")

# That is for the user to decide, and holds for the whole process.
import sklearn.model_selection

enabled = "HalvingGridSearchCV" in vars(sklearn.model_selection)
from sklearn.experimental import enable_halving_search_cv

derives = issubclass(
    BatchedHalvingGridSearchCV, sklearn.model_selection.HalvingGridSearchCV
)
print(json.dumps([found, imported, enabled, derives]))
"""


def test_what_is_imported_when():
    """In one process, since it takes seconds to import torch."""
    tests = str(Path(__file__).parent)
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    found, imported, halving_enabled, halving_derives = run(IMPORTS, PYTHONPATH=path)
    # The package brings nothing but the dependencies,
    found = {name.partition(".")[0] for name in found}
    assert "sklearn_ae" in found
    others = found - {"sklearn_ae", "sklearn", "scipy", *sys.stdlib_module_names}
    assert others <= {"skorch", "threadpoolctl", "joblib"}
    assert not others & {"matplotlib", "pandas"}
    # fits do not import torch's compiler, which takes longer than most fits,
    assert len(imported) > 50
    assert imported == {name: [] for name in imported}
    # and scikit-learn's experimental searches are not enabled, but known once they are.
    assert not halving_enabled
    assert halving_derives


# -- threads ---------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def torch_has_set_up_this_thread():
    """Torch limits its threads to the number of cores when it is first asked."""
    torch.get_num_threads()


def dense(*hidden):
    return DenseNetwork(64, 8, hidden_layer_sizes=hidden)


def test_one_thread_for_a_small_net():
    with threadpool_limits(4, user_api="openmp"):
        with suitable_threads(dense(128), 64):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 4


def batch_size_for(module, n_threads):
    """The batch size whose steps are worth that many threads."""
    n_parameters = sum(parameter.numel() for parameter in module.parameters())
    return math.ceil(n_threads * WORK_PER_THREAD / n_parameters)


def test_a_thread_for_every_share_of_the_work():
    module = dense(128)
    with threadpool_limits(4, user_api="openmp"):
        for shares, expected in [(1, 1), (1.9, 1), (2, 2), (3.5, 3), (100, 4)]:
            with suitable_threads(module, batch_size_for(module, shares)):
                assert torch.get_num_threads() == expected


def test_convolutions_take_all_there_are():
    module = torch.nn.Conv2d(1, 4, kernel_size=3)
    with threadpool_limits(4, user_api="openmp"), suitable_threads(module, 1):
        assert torch.get_num_threads() == 4


@pytest.mark.parametrize("limit", [1, 2])
def test_never_more_threads_than_outside(limit):
    module = dense(128)
    with threadpool_limits(limit, user_api="openmp"):
        with suitable_threads(module, batch_size_for(module, 100)):
            assert torch.get_num_threads() == limit
        assert torch.get_num_threads() == limit


def test_threads_come_back_after_an_error():
    with threadpool_limits(4, user_api="openmp"):
        with pytest.raises(ZeroDivisionError), suitable_threads(dense(128), 64):
            raise ZeroDivisionError
        assert torch.get_num_threads() == 4


def test_other_threads_keep_theirs():
    before, inside, seen = threading.Event(), threading.Event(), []

    def other():
        torch.get_num_threads()
        with threadpool_limits(3, user_api="openmp"):
            seen.append(torch.get_num_threads())
            before.set()
            inside.wait()
            seen.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    with threadpool_limits(4, user_api="openmp"):
        thread.start()
        before.wait()
        with suitable_threads(dense(128), 64):
            inside.set()
            thread.join()
            assert torch.get_num_threads() == 1
    assert seen == [3, 3]
