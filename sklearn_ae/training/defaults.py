"""Settings that look at the size of the data where the user gives none.

Found on scikit-learn's bundled tables, made-up ones and MNIST; see
``benchmarks/reconstruction_table.py`` for what they reach.
"""

# One wide layer: at the same cost better than several narrow ones, whatever the number
# of features.
HIDDEN_LAYER_SIZES = (256,)


def batch_size(n_rows: int) -> int:
    if n_rows < 5_000:
        return 64
    return 128 if n_rows < 50_000 else 256


def max_epochs(n_rows: int) -> int:
    """About 100,000 rows in all, at least 10 times each and at most 300 times."""
    return min(300, max(10, 100_000 // max(1, n_rows)))


def validation_size(n_rows: int, fraction: float) -> int:
    """At least 30 rows, unless that were more than a third of them."""
    wanted = max(1, round(fraction * n_rows), min(30, n_rows // 3))
    return min(wanted, n_rows - 1)


def compares_fairly(n_rows: int, n_features: int) -> bool:
    """Whether PCA of the rows not held out is nearly as good as PCA of all."""
    return n_rows >= max(200, 4 * n_features)
