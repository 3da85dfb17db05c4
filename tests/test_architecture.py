"""The layers of the package, read from its source files.

Imports run one way only, from a later entry of `LAYERS` to an earlier one:

- modules of one layer do not import each other;
- in `objectives` and `networks` files share only private helpers (``_name.py``) of
  their own package; in the other packages files may import each other, but not in a
  circle;
- a package's ``__init__`` gathers what its files define, and they do not import it;
- nothing imports the names that ``sklearn_ae/__init__.py`` gathers, save its version;
  `inspection` may, for it stands beside the layers and takes only public things.

A new module or package must be put in `LAYERS`.
"""

import ast
import importlib
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = "sklearn_ae"
PACKAGE = Path(__file__).parents[1] / ROOT

LAYERS = (
    {"objectives", "networks"},
    {"_doc_link", "_docstrings", "_sklearn_compat"},
    {"training"},
    {"_validation"},
    {"_net_holder", "_reconstruction", "_unseen_errors"},
    {"_base"},
    {
        "_autoencoder",
        "_sparse",
        "_denoising",
        "_contractive",
        "_variational",
        "_convolutional",
    },
    {"_base_supervised"},
    {"_stacked", "_supervised", "_outlier"},
    {"model_selection"},
)
RANKS = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
# Packages whose files stand alone, and what those may import besides the standard
# library: tensors, but neither estimators nor nets.
MATHS = {"objectives", "networks"}
MATHS_IMPORTS = {"numpy", "torch", ROOT}
# The four dependencies, and what these in turn depend on.
IMPORTS = {"numpy", "torch", "skorch", "sklearn", "joblib", "scipy", "threadpoolctl"}
IMPORTS |= {"tqdm", ROOT}
PLOT_IMPORTS = IMPORTS | {"matplotlib"}
SKLEARN_COMPAT = f"{ROOT}._sklearn_compat"
# A user's own module can only be seeded globally; this file does it and undoes it.
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
# Says what it does if verbose, by print, as the searches of scikit-learn do.
REPORTING = f"{ROOT}.model_selection._backend"
THREADS = {"torch.set_num_threads", "torch.set_num_interop_threads"}


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
        if target == f"{ROOT}.{source_unit}":
            return "a file imports the package that gathers it"
        helper = target.rpartition(".")[2].startswith("_")
        gathers = module == f"{ROOT}.{source_unit}"
        if source_unit in MATHS and not (helper or gathers):
            return "files of one layer import each other"
        return None
    if RANKS[source_unit] == RANKS[target_unit]:
        return "modules of one layer import each other"
    if RANKS[source_unit] < RANKS[target_unit]:
        return "the arrow points back"
    return None


def outside_problem(module, name):
    """Why `module` may not import `name` from outside; None if it may."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    if unit(module) in MATHS:
        return None if top in MATHS_IMPORTS else "maths knows tensors only"
    if top not in (PLOT_IMPORTS if unit(module) == "inspection" else IMPORTS):
        return "not a dependency"
    if top == "sklearn" and module != SKLEARN_COMPAT and is_private(name):
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
            if prints and module != REPORTING:
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
    assert f"{ROOT}._autoencoder" in sources
    assert find_problems(sources) == []


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
        "objectives",
        "objectives.losses",
        "objectives.penalties",
        "objectives._shared",
        "networks",
        "networks.dense",
        "networks.variational",
        "training",
        "training.net",
        "training.batches",
        "training.seeding",
        "_sklearn_compat",
        "_base",
        "_autoencoder",
        "_sparse",
        "_stacked",
        "_outlier",
        "model_selection",
        "model_selection.search",
        "inspection",
        "inspection.curves",
    ],
    "",
)


def problems_of(**snippets):
    """Problems of the skeleton with sources put in, ``a__b`` standing for ``a.b``."""
    named = {name.replace("__", "."): source for name, source in snippets.items()}
    assert named.keys() <= SKELETON.keys()
    return find_problems(
        {f"{ROOT}.{name}".strip("."): text for name, text in (SKELETON | named).items()}
    )


@pytest.mark.parametrize(
    ("module", "snippet"),
    [
        # arrows that point back
        ("training__net", "from sklearn_ae._base import BaseAutoencoder"),
        ("training__net", "from .._base import BaseAutoencoder"),
        ("training__net", "from .. import _base"),
        ("training__net", "import sklearn_ae._base"),
        ("_base", "from sklearn_ae._autoencoder import Autoencoder"),
        ("_base", "from sklearn_ae import Autoencoder"),
        ("_base", "def f():\n    from sklearn_ae._autoencoder import Autoencoder"),
        ("_sparse", "from ._outlier import AutoencoderOutlierDetector"),
        ("_outlier", "from .model_selection import BatchedGridSearchCV"),
        ("objectives__losses", "from sklearn_ae.training import net"),
        ("networks__dense", "from ..training.net import AutoencoderNet"),
        ("_base", "from .inspection import LossCurveDisplay"),
        # one layer
        ("_sparse", "from sklearn_ae._autoencoder import Autoencoder"),
        ("_stacked", "from sklearn_ae import _outlier"),
        ("networks__dense", "from sklearn_ae.objectives import losses"),
        ("networks__variational", "from .dense import DenseNetwork"),
        ("objectives__losses", "from . import penalties"),
        ("objectives__losses", "from sklearn_ae.objectives import squared_error"),
        ("training__net", "from sklearn_ae.training import AutoencoderNet"),
        # inspection
        ("inspection__curves", "from sklearn_ae._base import BaseAutoencoder"),
        # from outside
        ("objectives__losses", "import sklearn"),
        ("networks__dense", "from skorch.utils import to_tensor"),
        ("networks__dense", "from sklearn_ae._sklearn_compat import Interval"),
        ("_base", "import pandas as pd"),
        ("_base", "import matplotlib.pyplot as plt"),
        ("_base", "from sklearn.utils._param_validation import Interval"),
        ("_base", "from sklearn.base import _fit_context"),
        ("_base", "import sklearn\nsklearn.utils._tags.Tags"),
        # uses
        ("_base", "import torch\ntorch.manual_seed(0)"),
        ("_base", "import numpy as np\nnp.random.seed(0)"),
        ("training__net", "from torch import manual_seed as seed\nseed(0)"),
        ("training__net", "import torch\ntorch.set_num_threads(1)"),
        ("training__seeding", "import torch\ntorch.set_num_threads(1)"),
        ("_base", "if verbose:\n    print(1)"),
    ],
)
def test_checker_finds(module, snippet):
    assert len(problems_of(**{module: snippet})) == 1


def test_checker_finds_circles():
    problems = problems_of(
        training__net="from . import batches", training__batches="from . import net"
    )
    assert len(problems) == 1
    assert "circular" in problems[0]


def test_checker_finds_modules_without_a_layer():
    assert find_problems({ROOT: "", f"{ROOT}._utils": ""}) == [
        f"{ROOT}._utils has no layer: put it in LAYERS"
    ]


@pytest.mark.parametrize(
    ("module", "snippet"),
    [
        ("", "from sklearn_ae._autoencoder import Autoencoder"),
        ("objectives", "from .losses import squared_error"),
        ("objectives__losses", "import math\nfrom ._shared import mean"),
        ("training__net", "from sklearn_ae.training.batches import TensorBatches"),
        ("training__net", "from sklearn_ae.objectives import losses"),
        ("training__net", "import torch\ntorch.Generator().manual_seed(0)"),
        ("training__seeding", "import torch\ntorch.manual_seed(0)"),
        ("_sklearn_compat", "from sklearn.base import _fit_context"),
        ("_base", "from sklearn_ae._sklearn_compat import Interval"),
        ("_base", "from sklearn_ae import __version__"),
        ("_base", "import sklearn\nsklearn.__version__"),
        ("_base", "import torch\nself._sklearn.utils._x"),
        ("_sparse", "from ._base import BaseAutoencoder"),
        ("model_selection__search", "from sklearn_ae._stacked import Stacked"),
        ("inspection__curves", "import matplotlib\nfrom sklearn_ae import Autoencoder"),
    ],
)
def test_checker_accepts(module, snippet):
    assert problems_of(**{module: snippet}) == []
