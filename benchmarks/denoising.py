"""Denoising of images: DenoisingAutoencoder compared with PCA.

    python -m benchmarks.denoising [--mnist PATH] [--write-docs]

Held-out images are corrupted. The table shows their mean squared error per pixel: of
the corrupted images, after the PCA projection, after the plain autoencoder, and after
the denoising autoencoder. PCA is fitted on clean images and gets the number of
components with the lowest test error, which is an advantage. Medians over the seeds.
"""

import argparse

import numpy as np
import torch
from sklearn.decomposition import PCA

from benchmarks._data import add_mnist_argument, digits_table, mnist_table
from benchmarks._report import (
    VARIANTS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder, DenoisingAutoencoder
from sklearn_ae.objectives.corruptions import gaussian, masking, salt_and_pepper

KINDS = {
    ("gaussian", 0.3): lambda x, g: gaussian(x, g, level=0.3),
    ("masking", 0.3): lambda x, g: masking(x, g, level=0.3),
    ("salt_and_pepper", 0.2): lambda x, g: salt_and_pepper(
        x, g, level=0.2, low=0.0, high=1.0
    ),
}


def measure(table, corruption, level, seed):
    train, test = table.split(seed)
    corrupt = KINDS[corruption, level]
    noisy = corrupt(torch.from_numpy(test), torch.Generator().manual_seed(seed)).numpy()

    def error(cleaned):
        return np.mean((cleaned - test) ** 2, dtype=float)

    def project(n):
        pca = PCA(n, random_state=seed).fit(train)
        return pca.inverse_transform(pca.transform(noisy))

    pca_error = min(error(project(n)) for n in (4, 8, 16, 24, 32, 48))
    plain = Autoencoder(32, random_state=seed).fit(train)
    denoiser = DenoisingAutoencoder(
        32, corruption=corruption, corruption_level=level, random_state=seed
    )
    seconds = cpu_seconds(denoiser.fit, train)
    return (
        error(noisy),
        pca_error,
        error(plain.reconstruct(noisy)),
        error(denoiser.reconstruct(noisy)),
        seconds,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    header = [
        "data",
        "corruption",
        "level",
        "corrupted",
        "PCA, best",
        "Autoencoder(32)",
    ]
    header += ["DenoisingAutoencoder(32)", "denoising / PCA", "fit: s"]
    rows = []
    with one_thread():
        for table in [digits_table(), *mnist_table(args.mnist)]:
            for corruption, level in KINDS:
                figures = np.median(
                    [measure(table, corruption, level, s) for s in range(args.seeds)],
                    axis=0,
                )
                row = [table.name, corruption, level]
                row += [f"{figure:.4f}" for figure in figures[:4]]
                row += [f"{figures[3] / figures[1]:.2f}", f"{figures[4]:.2g}"]
                rows.append(row)
                print(*row, flush=True)
    block = "\n".join(
        [
            markdown_table(header, rows),
            "",
            "Mean squared error per pixel of held-out images: corrupted, after the "
            "projection onto the best number of principal components, and after the "
            f"autoencoders with a code of 32. Medians over {args.seeds} seeds.",
            "",
            f"Measured by `python -m benchmarks.denoising` on {machine()}.",
        ]
    )
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "denoising")


if __name__ == "__main__":
    main()
