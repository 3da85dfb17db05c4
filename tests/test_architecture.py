"""The layers of the package, read from its source files.

Imports run one way only, from a later entry of `LAYERS` to an earlier one:

- packages of one layer do not import each other;
- files of one package may import each other, but not in a circle; estimators have an
  order, `ESTIMATORS`, and variants do not import each other;
- a package's ``__init__`` gathers what its files define, and they do not import it;
- nothing imports the names that ``sklearn_ae/__init__.py`` gathers, except for its
  version; `inspection` may, as it is outside the layers and uses public names only.

A new package must be put in `LAYERS`, a new variant in `ESTIMATORS`.
"""

import ast
import importlib
import re
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = "sklearn_ae"
PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / ROOT

LAYERS = (
    {"_ambient", "_doc_link", "_draws", "_failures", "_sklearn_compat", "_units"},
    {"networks", "data"},
    {"objectives"},
    {"training"},
    {"persistence"},
    {"batched"},
    {"estimators"},
    {"model_selection", "callbacks", "onnx"},
)
RANKS = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}
# Files that are not named here are helpers of all of them, and `_base` is one.
ESTIMATORS = (
    {
        "_autoencoder",
        "_contractive",
        "_convolutional",
        "_denoising",
        "_sparse",
        "_variational",
    },
    {"_base_supervised", "_corrections"},
    {"_imputer", "_outlier", "_stacked", "_supervised"},
)
ESTIMATOR_RANKS = {
    name: rank for rank, files in enumerate(ESTIMATORS, 1) for name in files
}
# What the mathematics may import besides the standard library, by dotted beginnings:
# tensors, and of scikit-learn what gives objects parameters.
MATHS = {
    "objectives": ("numpy", "torch", "sklearn.base.BaseEstimator"),
    "networks": ("numpy", "torch"),
}
# Packages that import what an extra brings.
EXTRAS = {
    "data": ["arrow"],
    "estimators": ["dask"],
    "inspection": ["frames", "plot"],
    "onnx": ["onnx"],
}
# Names of distributions that differ from what is imported.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
SKLEARN_COMPAT = f"{ROOT}._sklearn_compat"
# User-defined modules can only be seeded globally; this file does it and undoes it.
SEEDING = f"{ROOT}.training.seeding"
GLOBAL_STATE = {
    "numpy.random.seed",
    "numpy.random.set_state",
    "random.seed",
    "torch.manual_seed",
    "torch.random.manual_seed",
    "torch.random.seed",
    "torch.random.set_rng_state",
    "torch.seed",
    "torch.set_rng_state",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
}
# With `verbose` the searches print their progress, as scikit-learn's do.
REPORTING = {
    f"{ROOT}.batched",
    f"{ROOT}.model_selection",
    f"{ROOT}.persistence.checkpoint",
}
THREADS = {"torch.set_num_threads", "torch.set_num_interop_threads"}


def declared(*extras):
    """{name of a distribution: its lower bound, if any} that an installation brings."""
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    form = r"([\w-]+)(?:\[[\w,]+\])?(?:>=([\d.]+))?"
    found = (re.fullmatch(form, line) for line in requirements)
    return {match[1]: match[2] for match in found}


def distribution(name):
    """The distribution that a dotted name is imported from."""
    top = name.partition(".")[0]
    return DISTRIBUTIONS.get(top, top)


def read_sources():
    """{dotted module name: source}, ``sklearn_ae.objectives`` for its ``__init__``."""
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = (
            path.read_text(encoding="utf-8")
        )
    return sources


def is_package(module, modules):
    return any(other.startswith(f"{module}.") for other in modules)


def imported_names(module, tree, modules):
    """Every dotted name that `module` imports, wherever in the file.

    ``from a import b`` gives ``a.b``. Relative imports are resolved.
    """
    package = module if is_package(module, modules) else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = package.split(".")
                base = parents[: len(parents) - node.level + 1]
                origin = ".".join([*base, *filter(None, [origin])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def target_module(name, modules):
    """The module of the package that importing `name` leads to."""
    while name not in modules and "." in name:
        name = name.rpartition(".")[0]
    return name


def unit(module):
    """The part of the package that a module belongs to; empty for the root."""
    return module.removeprefix(ROOT).lstrip(".").partition(".")[0]


def is_private(name):
    return any(part[:1] == "_" and part[:2] != "__" for part in name.split("."))


def arrow_problem(module, name, modules):
    """Why `module` may not import `name` (both of the package); None if it may."""
    target = target_module(name, modules)
    source_unit, target_unit = unit(module), unit(target)
    if source_unit == "" or name == f"{ROOT}.__version__":
        return None
    if source_unit == "inspection":
        if target_unit != "inspection" and is_private(name):
            return "inspection takes only public names"
        return None
    if target_unit == "":
        return "the root package gathers the others and is imported by none"
    if target_unit == "inspection":
        return "inspection stands beside the layers"
    if source_unit == target_unit:
        return inner_problem(module, target)
    if RANKS[source_unit] == RANKS[target_unit]:
        return "packages of one layer import each other"
    if RANKS[source_unit] < RANKS[target_unit]:
        return "the arrow points back"
    return None


def inner_problem(module, target):
    """Why one file of a package may not import another one of it."""
    package, _, file = module.rpartition(".")
    if target == package and package != ROOT:
        return "a file imports the package that gathers it"
    if package == f"{ROOT}.estimators":
        ours = ESTIMATOR_RANKS.get(file, 0)
        theirs = ESTIMATOR_RANKS.get(target.rpartition(".")[2], 0)
        if ours == theirs > 0:
            return "estimators of one kind import each other"
        if ours < theirs:
            return "the arrow points back"
    return None


def outside_problem(module, name):
    """Why `module` may not import `name` from outside; None if it may."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return None
    if unit(module) in MATHS:
        allowed = tuple(f"{start}." for start in MATHS[unit(module)])
        return None if f"{name}.".startswith(allowed) else "maths knows tensors only"
    if distribution(name) not in declared(*EXTRAS.get(unit(module), [])):
        return "not a dependency"
    if name.startswith("sklearn.") and module != SKLEARN_COMPAT and is_private(name):
        return f"private in scikit-learn: goes through {SKLEARN_COMPAT}"
    return None


def dotted(node, aliases):
    """``np.random.seed`` as ``numpy.random.seed``; empty for anything not dotted."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, aliases)
        return f"{owner}.{node.attr}" if owner else ""
    return aliases.get(node.id, "") if isinstance(node, ast.Name) else ""


def import_aliases(tree):
    """{name in the file: what it stands for}, for absolute imports."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return aliases


def use_problems(module, tree):
    """Uses, rather than imports, that the package does without."""
    aliases = import_aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            prints = isinstance(node.func, ast.Name) and node.func.id == "print"
            if prints and not module.startswith(tuple(REPORTING)):
                yield f"{module}:{node.lineno} prints"
            name = dotted(node.func, aliases)
            if name in GLOBAL_STATE and module != SEEDING:
                yield f"{module}:{node.lineno} seeds a global generator: {name}"
            if name in THREADS:
                yield f"{module}:{node.lineno} sets the process's threads: {name}"
        elif isinstance(node, ast.Attribute) and module != SKLEARN_COMPAT:
            name = dotted(node, aliases)
            if name.startswith("sklearn.") and is_private(node.attr):
                yield f"{module}:{node.lineno} uses {name}: private in scikit-learn"


def find_problems(sources):
    """All that is wrong with the modules in `sources`, one line each."""
    problems, graph = [], {}
    for module, source in sources.items():
        if unit(module) not in {"", "inspection", *RANKS}:
            problems.append(f"{module} has no layer: put it in LAYERS")
            continue
        tree = ast.parse(source)
        graph[module] = set()
        for name in imported_names(module, tree, sources):
            if name == ROOT or name.startswith(f"{ROOT}."):
                target = target_module(name, sources)
                if unit(target) not in {"", "inspection", *RANKS}:
                    continue  # reported where it is defined
                problem = arrow_problem(module, name, sources)
                if unit(module) == unit(target) != "":
                    graph[module].add(target)
            else:
                problem = outside_problem(module, name)
            if problem:
                problems.append(f"{module} imports {name}: {problem}")
        problems.extend(use_problems(module, tree))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        problems.append(f"circular imports: {' <- '.join(error.args[1])}")
    return problems


def test_package_keeps_to_its_layers():
    sources = read_sources()
    assert {f"{ROOT}.estimators.{name}" for name in ESTIMATOR_RANKS} <= sources.keys()
    assert find_problems(sources) == []


def test_dependencies_are_those_that_are_imported():
    sources = read_sources()
    imported = {
        distribution(name)
        for module, source in sources.items()
        for name in imported_names(module, ast.parse(source), sources)
        if name.partition(".")[0] not in {ROOT, *sys.stdlib_module_names}
    }
    # Torch imports onnxscript, to export.
    extras = declared("arrow", "dask", "frames", "onnx", "plot")
    assert imported | {"onnxscript"} == extras.keys()


def test_lowest_versions_are_those_that_are_tested():
    text = (PROJECT / "constraints-lowest.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", text, re.MULTILINE))
    bounds = declared("plot")
    del bounds["torch"]  # older wheels for Linux bring CUDA along
    for name, bound in bounds.items():
        assert f"{pinned[name]}.".startswith(f"{bound}."), name


def test_public_names_exist():
    checked = 0
    for name in read_sources():
        module = importlib.import_module(name)
        names = getattr(module, "__all__", None)
        if names is None:
            continue
        checked += 1
        assert all(type(public) is str for public in names), name
        assert len(set(names)) == len(names), f"{name}.__all__ repeats a name"
        missing = [public for public in names if not hasattr(module, public)]
        assert not missing, f"{name}.__all__ has {missing}"
    assert checked, "no module has an __all__"
    assert "Autoencoder" in importlib.import_module(ROOT).__all__


SKELETON = dict.fromkeys(
    [
        "",
        "_sklearn_compat",
        "objectives",
        "objectives.losses",
        "objectives.penalties",
        "networks",
        "networks.dense",
        "data",
        "data.batches",
        "training",
        "training.net",
        "training.seeding",
        "training.stopping",
        "persistence",
        "persistence.state",
        "batched",
        "batched.stack",
        "estimators",
        "estimators._validation",
        "estimators._base",
        "estimators._autoencoder",
        "estimators._sparse",
        "estimators._base_supervised",
        "estimators._outlier",
        "estimators._stacked",
        "model_selection",
        "model_selection._search",
        "onnx",
        "onnx._graph",
        "inspection",
        "inspection.curves",
    ],
    "",
)
BASE = "estimators._base"


def problems_of(module, source):
    """Problems of the skeleton with a source for one of its files."""
    assert module in SKELETON
    sources = SKELETON | {module: source}
    return find_problems(
        {f"{ROOT}.{name}".strip("."): text for name, text in sources.items()}
    )


@pytest.mark.parametrize(
    ("module", "snippet"),
    [
        # arrows that point back
        ("training.net", "from sklearn_ae.estimators._base import BaseAutoencoder"),
        ("training.net", "from ..estimators._base import BaseAutoencoder"),
        ("training.net", "from .. import estimators"),
        ("training.net", "import sklearn_ae.batched"),
        ("training.net", "def f():\n    from sklearn_ae.persistence import state"),
        ("persistence.state", "from sklearn_ae.batched import stack"),
        ("batched.stack", "from sklearn_ae.estimators import _base"),
        ("onnx._graph", "from sklearn_ae.model_selection import _search"),
        ("objectives.losses", "from sklearn_ae.training import net"),
        ("networks.dense", "from ..training.net import AutoencoderNet"),
        ("_sklearn_compat", "from .data import batches"),
        (BASE, "from sklearn_ae import Autoencoder"),
        (BASE, "from sklearn_ae.model_selection import BatchedGridSearchCV"),
        (BASE, "from ..inspection import LossCurveDisplay"),
        # estimators
        (BASE, "from ._autoencoder import Autoencoder"),
        (BASE, "from sklearn_ae.estimators import _base_supervised"),
        ("estimators._sparse", "from ._autoencoder import Autoencoder"),
        ("estimators._sparse", "from ._outlier import AutoencoderOutlierDetector"),
        ("estimators._base_supervised", "from ._stacked import StackedAutoencoder"),
        ("estimators._stacked", "from sklearn_ae.estimators import _outlier"),
        # one layer
        ("networks.dense", "from sklearn_ae.objectives import losses"),
        ("data.batches", "from sklearn_ae.networks import dense"),
        ("objectives.losses", "from sklearn_ae.objectives import squared_error"),
        ("training.net", "from sklearn_ae.training import AutoencoderNet"),
        # inspection
        (
            "inspection.curves",
            "from sklearn_ae.estimators._base import BaseAutoencoder",
        ),
        # from outside
        ("objectives.losses", "import sklearn"),
        ("objectives.losses", "from sklearn.base import clone"),
        ("networks.dense", "from sklearn.base import BaseEstimator"),
        ("networks.dense", "from skorch.utils import to_tensor"),
        (BASE, "import pandas as pd"),
        (BASE, "import skl2onnx"),
        (BASE, "import matplotlib.pyplot as plt"),
        (BASE, "from sklearn.utils._param_validation import Interval"),
        (BASE, "from sklearn.base import _fit_context"),
        (BASE, "import sklearn\nsklearn.utils._tags.Tags"),
        # uses
        (BASE, "import torch\ntorch.manual_seed(0)"),
        (BASE, "import numpy as np\nnp.random.seed(0)"),
        ("training.net", "from torch import manual_seed as seed\nseed(0)"),
        ("training.net", "import torch\ntorch.set_num_threads(1)"),
        ("training.seeding", "import torch\ntorch.set_num_threads(1)"),
        (BASE, "if verbose:\n    print(1)"),
    ],
)
def test_checker_finds(module, snippet):
    assert len(problems_of(module, snippet)) == 1


def test_checker_finds_circles():
    sources = {
        f"{ROOT}": "",
        f"{ROOT}.training.net": "from . import stopping",
        f"{ROOT}.training.stopping": "from . import net",
        f"{ROOT}.training": "",
    }
    problems = find_problems(sources)
    assert len(problems) == 1
    assert "circular" in problems[0]


def test_checker_finds_modules_without_a_layer():
    assert find_problems({ROOT: "", f"{ROOT}._utils": ""}) == [
        f"{ROOT}._utils has no layer: put it in LAYERS"
    ]


@pytest.mark.parametrize(
    ("module", "snippet"),
    [
        ("", "from sklearn_ae.estimators._autoencoder import Autoencoder"),
        ("objectives", "from .losses import squared_error"),
        ("objectives.losses", "import math\nfrom .penalties import mean"),
        ("objectives.losses", "from sklearn.base import BaseEstimator"),
        ("networks.dense", "from sklearn_ae._sklearn_compat import Interval"),
        ("training.net", "from sklearn_ae.training.stopping import BestWeights"),
        ("training.net", "from sklearn_ae.objectives import losses"),
        ("training.net", "import torch\ntorch.Generator().manual_seed(0)"),
        ("training.seeding", "import torch\ntorch.manual_seed(0)"),
        ("_sklearn_compat", "from sklearn.base import _fit_context"),
        (BASE, "from ._validation import check"),
        (BASE, "from sklearn_ae import __version__"),
        (BASE, "import sklearn\nsklearn.__version__"),
        (BASE, "import torch\nself._sklearn.utils._x"),
        ("estimators._sparse", "from ._base import BaseAutoencoder"),
        ("estimators._base_supervised", "from ._autoencoder import Autoencoder"),
        ("estimators._outlier", "from ._base_supervised import stratified"),
        ("model_selection._search", "from sklearn_ae.estimators import _stacked"),
        ("model_selection._search", "print(1)"),
        ("onnx._graph", "import onnx\nfrom sklearn_ae.estimators import _outlier"),
        ("inspection.curves", "import matplotlib\nfrom sklearn_ae import Autoencoder"),
    ],
)
def test_checker_accepts(module, snippet):
    assert problems_of(module, snippet) == []
