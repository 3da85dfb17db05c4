"""The order of the examples within a section of the gallery."""

from pathlib import Path

# What a reader of the section should see first; the others follow by their names.
FIRST = (
    "plot_digits_pca_vs_autoencoder.py",
    "plot_sparse_codes.py",
    "plot_denoising_digits.py",
    "plot_outlier_detection.py",
    "plot_semi_supervised_digits.py",
)


class ExampleOrder:
    """A sort key, as sphinx-gallery makes and calls it."""

    def __init__(self, src_dir: str) -> None:
        pass

    def __call__(self, filename: str) -> tuple[int, str]:
        name = Path(filename).name
        return (FIRST.index(name) if name in FIRST else len(FIRST), name)
