"""Mean activations of a sparse autoencoder against their target rho.

    python -m benchmarks.sparsity [--write-docs]

Digits / 16, the training half of a split by seed 0, 100 units. As `lambd` grows, the
mean activation of every unit over the training set should approach `rho` for any batch
size. The table shows the root mean square over the units of ``r_j / rho - 1`` and the
held-out error, both as medians over the seeds.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks._report import (
    VARIANTS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import SparseAutoencoder

LAMBDAS = (0.1, 1.0, 10.0, 100.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    halves = train_test_split(load_digits().data / 16, test_size=0.5, random_state=0)
    header = ["rho", "batch size"]
    header += [f"lambd {lambd:g}: deviation" for lambd in LAMBDAS]
    header += [f"lambd {lambd:g}: error" for lambd in LAMBDAS]
    rows = []
    with one_thread():
        for rho in (0.02, 0.05, 0.2):
            for batch_size in (32, 500):
                figures = [
                    measure(halves, rho=rho, batch_size=batch_size, lambd=lambd)
                    for lambd in LAMBDAS
                ]
                row = [f"{deviation:.3f}" for deviation, _ in figures]
                row += [f"{error:.4f}" for _, error in figures]
                rows.append([rho, batch_size, *row])
    block = "\n".join(
        [
            markdown_table(header, rows),
            "",
            "Deviation: root mean square over 100 units of `mean_activation_ / rho - "
            "1`; error: mean squared error per pixel of held-out digits. Medians over "
            "3 seeds.",
            "",
            f"Measured by `python -m benchmarks.sparsity` on {machine()}.",
        ]
    )
    print(block)
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "sparsity")


def measure(halves, seeds=range(3), **params):
    figures = []
    for seed in seeds:
        sparse = SparseAutoencoder(100, random_state=seed, **params).fit(halves[0])
        ratio = sparse.mean_activation_ / params["rho"]
        error = sparse.reconstruction_error(halves[1]).mean()
        figures.append((np.sqrt(np.mean((ratio - 1) ** 2)), error))
    return np.median(figures, axis=0)


if __name__ == "__main__":
    main()
