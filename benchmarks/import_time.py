"""``import sklearn_ae`` beside the import of what it depends on.

    python -m benchmarks.import_time [--repeats N] [--write-docs]

Processes of their own that alternate, after one of each that fills the caches:

- ``import sklearn, torch, skorch``, by which skorch brings most of scikit-learn;
- ``import sklearn_ae``;
- the one after the other, timed apart: what is the package's own, least noisy of all,
  with and without what it takes of scikit-learn besides.

Figures are medians of CPU time, which other processes disturb less than the clock.
"""

import argparse
import os
import subprocess
import sys

import numpy as np

from benchmarks._report import BENCHMARKS_PAGE, fill, machine, markdown_table

DEPENDENCIES = "import sklearn, torch, skorch"
# What the package imports of them that these three do not import themselves.
FURTHER = "import sklearn.linear_model, sklearn.pipeline, skorch.helper, tqdm.auto"
PACKAGE = "import sklearn_ae"


def seconds(*statements):
    """CPU time of each of the statements, one after the other in a new process."""
    lines = ["import time", "times = [time.process_time()]"]
    for statement in statements:
        lines += [statement, "times.append(time.process_time())"]
    lines.append("print(*times)")
    command = [sys.executable, "-c", "\n".join(lines)]
    # As where the package is installed, with its bytecode.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=env
    )
    return np.diff([float(value) for value in done.stdout.split()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11, help="default 11")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()

    cases = {
        "dependencies": (DEPENDENCIES,),
        "package": (PACKAGE,),
        "apart": (DEPENDENCIES, FURTHER, PACKAGE),
    }
    for statements in cases.values():
        seconds(*statements)
    times = {name: [] for name in cases}
    for _ in range(args.repeats):
        for name, statements in cases.items():
            times[name].append(seconds(*statements))
    apart = np.array(times["apart"])
    base, whole = (np.ravel(times[name]) for name in ("dependencies", "package"))
    own, further = apart[:, 2], apart[:, 1]
    rows = [
        [f"`{DEPENDENCIES}`", base, base / base],
        [f"`{PACKAGE}`", whole, whole / base],
        ["the package after these", own + further, (own + further) / apart[:, 0]],
        ["of it, the package's own files", own, own / apart[:, 0]],
    ]
    rows = [
        [name, f"{1e3 * np.median(times):.0f}", f"{np.median(ratio):.3f}"]
        for name, times, ratio in rows
    ]
    table = markdown_table(["import", "CPU ms", "ratio to the first"], rows)
    command = "Measured by `python -m benchmarks.import_time` on"
    block = f"{table}\n\n{command} {machine()}."
    print(block)
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "import")


if __name__ == "__main__":
    main()
