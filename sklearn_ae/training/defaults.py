"""Settings that look at the size of the data where the user gives none."""

# Standard errors by which training must beat PCA on the rows held out.
START_MARGIN = 2.0


def hidden_layer_sizes(n_features: int) -> tuple[int, ...]:
    return (max(64, min(512, 2 * n_features)),)


def batch_size(n_rows: int) -> int:
    return 64 if n_rows < 5000 else 128


def max_epochs(n_rows: int) -> int:
    return int(min(300, max(10, 150_000 // max(1, n_rows))))


def validation_size(n_rows: int, fraction: float) -> int:
    return max(1, round(n_rows * fraction))
