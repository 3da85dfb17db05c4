"""Timing and reporting shared by the benchmarks."""

import os
import platform
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from sklearn_ae import __version__

README = Path(__file__).parents[1] / "README.md"
_DOCS = Path(__file__).parents[1] / "docs"
# The pages with the tables of the variants, and with time and memory.
VARIANTS_PAGE = _DOCS / "variants.md"
BENCHMARKS_PAGE = _DOCS / "benchmarks.md"


@contextmanager
def one_thread():
    """Limit BLAS, OpenMP and torch to one thread, so that CPU times are comparable."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def cpu_seconds(call, *args):
    """The CPU time that ``call(*args)`` takes."""
    start = time.process_time()
    call(*args)
    return time.process_time() - start


def machine(threads="one thread used"):
    """One line: processor, system, versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1] for line in lines if line.startswith("model name")]
        model = names[0].strip() if names else model
    packages = ("numpy", "scikit-learn", "torch", "skorch")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    versions += f", sklearn-ae {__version__}"
    return (
        f"{model}, {os.cpu_count()} cores ({threads}), {platform.system()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def markdown_table(header, rows, rules=None):
    """A Markdown table; first column left-aligned, the others right-aligned.

    `rules` are the cells below the header, "---:" for columns aligned to the right.
    """
    rules = rules or ["---"] + ["---:"] * (len(header) - 1)
    lines = [header, rules, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def fill(path, block, name="table"):
    """Replace the text between the markers `name` in a file."""
    text = path.read_text(encoding="utf-8")
    first, last = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    start, end = text.index(first) + len(first), text.index(last)
    path.write_text(f"{text[:start]}\n{block}\n{text[end:]}", encoding="utf-8")
