"""BatchedGridSearchCV beside GridSearchCV: the same search, the same scores.

    python -m benchmarks.grid_search [--repeats N] [--jobs N] [--write-docs]

Searches on the digits / 16, with three folds and the best setting fitted on all rows:

- ``sparse``: `SparseAutoencoder(100)`, 5 values of `rho` times 6 of `lambd`;
- ``denoising``: `DenoisingAutoencoder(16)`, 10 values of `corruption_level`;
- ``pipeline``: `StandardScaler`, `SparseAutoencoder(100, max_epochs=30)`,
  `LogisticRegression`; 3 values of `rho` times 4 of `lambd`.

Each fit of a search is a process of its own, which has imported everything and fitted
one autoencoder before the clock (wall time) starts. ``GridSearchCV`` has its workers
still to start, as in any first call. Both have the same number of jobs and of threads
of torch: none is set. Repeats alternate; figures are medians, ratios are medians of the
ratios within a repeat. The largest difference of two mean scores is shown, too.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._report import BENCHMARKS_PAGE, fill, machine, markdown_table
from sklearn_ae import DenoisingAutoencoder, SparseAutoencoder
from sklearn_ae.model_selection import BatchedGridSearchCV

SEARCHES = {"GridSearchCV": GridSearchCV, "BatchedGridSearchCV": BatchedGridSearchCV}
RHO = [0.01, 0.02, 0.05, 0.1, 0.2]
LAMBD = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]


def cases():
    """{name: (estimator, grid)}"""
    sparse = SparseAutoencoder(100, random_state=0)
    pipeline = make_pipeline(
        StandardScaler(with_std=False),
        SparseAutoencoder(100, max_epochs=30, random_state=0),
        LogisticRegression(max_iter=1000),
    )
    return {
        "sparse": (sparse, {"rho": RHO, "lambd": LAMBD}),
        "denoising": (
            DenoisingAutoencoder(16, random_state=0),
            {"corruption_level": np.linspace(0.05, 0.5, 10).tolist()},
        ),
        "pipeline": (
            pipeline,
            {
                "sparseautoencoder__rho": RHO[1:4],
                "sparseautoencoder__lambd": LAMBD[1:5],
            },
        ),
    }


def run(case, search, n_jobs):
    """Fit one search and print seconds, scores and the best setting as JSON."""
    estimator, grid = cases()[case]
    X, y = load_digits(return_X_y=True)
    SparseAutoencoder(2, max_epochs=1).fit(X)
    fitted = SEARCHES[search](estimator, grid, cv=3, n_jobs=n_jobs)
    start = time.perf_counter()
    fitted.fit(X / 16, y)
    seconds = time.perf_counter() - start
    scores = fitted.cv_results_["mean_test_score"].tolist()
    best = fitted.best_params_
    print(json.dumps({"seconds": seconds, "scores": scores, "best": best}))


def measure(case, search, n_jobs):
    command = [sys.executable, "-m", "benchmarks.grid_search", "--run", case, search]
    done = subprocess.run(
        [*command, "--jobs", str(n_jobs)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def compare(case, n_jobs, repeats):
    """A row of the table."""
    runs = {name: [] for name in SEARCHES}
    for _ in range(repeats):
        for name in SEARCHES:
            runs[name].append(measure(case, name, n_jobs))
            print(case, name, f"{runs[name][-1]['seconds']:.1f} s", flush=True)
    theirs, ours = runs.values()
    seconds = [np.array([one["seconds"] for one in each]) for each in (theirs, ours)]
    scores = [np.array(each[0]["scores"]) for each in (theirs, ours)]
    agree = "yes" if theirs[0]["best"] == ours[0]["best"] else "no"
    return [
        case,
        3 * len(scores[0]),
        *(f"{np.median(each):.1f}" for each in seconds),
        f"{np.median(seconds[0] / seconds[1]):.1f}",
        f"{np.abs(scores[0] - scores[1]).max():.0e}",
        agree,
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument("--jobs", type=int, default=2, help="n_jobs, default 2")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases with TEXT")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run(*args.run, args.jobs)
        return
    rows = [
        compare(case, args.jobs, args.repeats) for case in cases() if args.only in case
    ]
    header = ["search", "fits", *(f"{name}: s" for name in SEARCHES), "ratio"]
    header += ["largest difference of scores", "same best setting"]
    source = f"`python -m benchmarks.grid_search --jobs {args.jobs}`"
    note = (
        f"Wall time of `fit` with `n_jobs={args.jobs}`, medians of {args.repeats} "
        f"runs. Measured by {source} on {machine('all used')}."
    )
    block = f"{markdown_table(header, rows)}\n\n{note}"
    print("", block, sep="\n")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "grid_search")


if __name__ == "__main__":
    main()
