"""False alarms: usual rows that AutoencoderOutlierDetector flags by default.

    python -m benchmarks.false_alarms [--seeds 5] [--write-docs]

All rows are usual: training and test rows are of the same kind, with
``contamination="auto"``. Made-up tables have 400 training rows and 2,000 test rows of
12 columns: four factors and noise, both from the distribution named. The bundled tables
are split in halves. Tables are standardised, but for pixels, which are divided by 16.
"""

import argparse

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from benchmarks._report import VARIANTS_PAGE, fill, machine, markdown_table, one_thread
from sklearn_ae import AutoencoderOutlierDetector

N_TRAIN, N_TEST, N_FEATURES, N_FACTORS = 400, 2_000, 12, 4
DRAWS = {
    "Gaussian": lambda rng, size: rng.standard_normal(size),
    "Laplace": lambda rng, size: rng.laplace(size=size),
    "Student's t, 3 degrees of freedom": lambda rng, size: rng.standard_t(3, size),
    "log-normal": lambda rng, size: rng.standard_normal(size),
}
BUNDLED = {
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}
DETECTORS = {
    "default": lambda seed: AutoencoderOutlierDetector(random_state=seed),
    "PCA(0.9)": lambda seed: AutoencoderOutlierDetector(PCA(0.9), random_state=seed),
    'criterion="error"': lambda seed: AutoencoderOutlierDetector(
        criterion="error", random_state=seed
    ),
}


def made_up(name, seed):
    rng, draw = np.random.default_rng(seed), DRAWS[name]
    n = N_TRAIN + N_TEST
    weights = rng.standard_normal((N_FACTORS, N_FEATURES))
    X = draw(rng, (n, N_FACTORS)) @ weights + 0.5 * draw(rng, (n, N_FEATURES))
    X = np.exp(X / 3) if name == "log-normal" else X
    return X[:N_TRAIN], X[N_TRAIN:]


def bundled(name, seed):
    X = BUNDLED[name]().data
    X = np.random.default_rng(seed).permutation(X)
    return X[: len(X) // 2], X[len(X) // 2 :]


def flagged(make, name, seed):
    """The share of the test rows that are flagged."""
    train, test = (made_up if name in DRAWS else bundled)(name, seed)
    if name == "digits":
        train, test = train / 16, test / 16
    else:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return np.mean(make(seed).fit(train).predict(test) == -1)


def report(seeds):
    rows = []
    for name in [*DRAWS, *BUNDLED]:
        shares = [
            np.mean([flagged(make, name, seed) for seed in seeds])
            for make in DETECTORS.values()
        ]
        n_train = N_TRAIN if name in DRAWS else len(BUNDLED[name]().data) // 2
        rows.append([name, n_train, *(f"{share:.1%}" for share in shares)])
        print(*rows[-1], flush=True)
    header = ["all rows are usual", "training rows", *DETECTORS]
    return "\n".join(
        [
            markdown_table(header, rows),
            "",
            f"Flagged share of unseen rows, means over {len(seeds)} seeds.",
            "",
            f"Measured by `python -m benchmarks.false_alarms` on {machine()}.",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    with one_thread():
        block = report(range(args.seeds))
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "false_alarms")


if __name__ == "__main__":
    main()
