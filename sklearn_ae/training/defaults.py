"""Settings that look at the size of the data where the user gives none."""


def default_hidden_layer_sizes(n_features: int, n_components: int) -> tuple[int, ...]:
    return (max(64, min(512, 2 * n_features)),)


def default_batch_size(n_rows: int) -> int:
    return 64 if n_rows < 5000 else 128


def default_max_epochs(n_rows: int, n_features: int) -> int:
    return int(min(300, max(10, 150_000 // max(1, n_rows))))


def default_validation_size(n_rows: int, fraction: float) -> int:
    return max(1, round(n_rows * fraction))
