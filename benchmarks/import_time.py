"""Import time of ``sklearn_ae`` compared with its dependencies.

    python -m benchmarks.import_time [--repeats N] [--write-docs]

Each measurement is a new process. After one warm-up run of each, these alternate:

- ``import sklearn, torch, skorch``; skorch imports most of scikit-learn;
- ``import sklearn_ae``;
- both in one process, timed separately. This is the least noisy measurement of the
  package itself, with and without the further modules that it imports.

Figures are medians of CPU time, which other processes affect less than wall time.
"""

import argparse
import os
import subprocess
import sys

import numpy as np

from benchmarks._report import BENCHMARKS_PAGE, fill, machine, markdown_table

DEPENDENCIES = "import sklearn, torch, skorch"
# Modules that the package imports and these three do not.
FURTHER = "import sklearn.linear_model, sklearn.pipeline, skorch.helper, tqdm.auto"
PACKAGE = "import sklearn_ae"


def seconds(*statements):
    """CPU time of each of the statements, run in turn in a new process."""
    lines = ["import time", "times = [time.process_time()]"]
    for statement in statements:
        lines += [statement, "times.append(time.process_time())"]
    lines.append("print(*times)")
    command = [sys.executable, "-c", "\n".join(lines)]
    # Bytecode is cached, as for an installed package.
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
        ["package after dependencies", own + further, (own + further) / apart[:, 0]],
        ["of this, the package's own files", own, own / apart[:, 0]],
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
