"""Target error and time of a default ``Autoencoder(k)``.

    python -m benchmarks.targets [--mnist PATH]

Digits / 16 (split into halves, ``random_state=0``) with 8 components, and the first
10,000 rows of MNIST with 32. All settings are defaults; three seeds, one thread.
"""

import argparse

import numpy as np
from sklearn.decomposition import PCA

from benchmarks._data import add_mnist_argument, digits_table, mnist_table
from benchmarks._report import cpu_seconds, machine, markdown_table, one_thread
from sklearn_ae import Autoencoder

# (largest error, most CPU seconds)
TARGETS = {"digits / 16": (0.0135, 1.5), "MNIST 10k": (0.0100, 5.0)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    args = parser.parse_args()

    rows = []
    with one_thread():
        X = np.random.default_rng(0).normal(size=(99, 9))
        Autoencoder(2, random_state=0).fit(X)  # the first fit includes late imports
        for table in [digits_table(), *mnist_table(args.mnist)]:
            train, test = table.split(0)
            for Estimator in (PCA, Autoencoder):
                for seed in range(3):
                    estimator = Estimator(table.n_components, random_state=seed)
                    seconds = cpu_seconds(estimator.fit, train)
                    codes = estimator.transform(test)
                    residual = test - estimator.inverse_transform(codes)
                    error = np.mean(residual**2, dtype=float)
                    row = [table.name, Estimator.__name__, seed]
                    row += [f"{error:.5f}", f"{seconds:.2f}"]
                    limits = TARGETS[table.name]
                    met = error <= limits[0] and seconds <= limits[1]
                    verdict = "yes" if met else "no"
                    row += ["<= {} in {} s".format(*limits), verdict]
                    rows.append(row if Estimator is Autoencoder else [*row[:5], "", ""])
    header = ["data", "estimator", "seed", "held-out error", "CPU s", "target", "met"]
    print(machine(), markdown_table(header, rows), sep="\n\n")


if __name__ == "__main__":
    main()
