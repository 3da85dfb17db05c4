"""Published figures, reproduced with the public estimators of this package.

    python -m benchmarks.papers [--mnist PATH] [--only 1 9] [--write-docs]

Each module is one publication: its object `PAPER` says what was published, and its
function `run` measures the same here.
"""

import importlib
import pkgutil

from benchmarks.papers._paper import Paper


def all_papers() -> list[Paper]:
    """The papers of all modules of this package, by the numbers of their figures."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    modules = [
        importlib.import_module(f"{__name__}.{name}")
        for name in names
        if not name.startswith("_")
    ]
    papers = [module.PAPER for module in modules]
    return sorted(papers, key=lambda paper: paper.figures[0].number)
