"""What "auto" stands for: the choices that depend on the size of a table."""

# Tables with more columns take one wide layer, one candidate, and another recipe.
MANY_COLUMNS = 100
# From so many rows on, a second start is tried only if the gain of the first one is
# not certain, L-BFGS is no candidate, and wide tables need no noise.
MANY_ROWS = 5_000

# Iterations of "lbfgs", which stops earlier if it converges.
LBFGS_ITERATIONS = 400
# The same where it is a candidate: it then has to stop before it fits the noise.
FEW_LBFGS_ITERATIONS = 20


def hidden_layer_sizes(n_rows: float, n_features: int) -> tuple[int, ...]:
    """Widths of the hidden layers of a network that is compared with PCA."""
    if n_features > MANY_COLUMNS:
        return (256,)
    is_large = n_rows >= MANY_ROWS or (n_features > 32 and n_rows >= 500)
    return (128, 128) if is_large else (64, 64)


def batch_size(n_rows: int, n_columns: int | None) -> int:
    """Rows in a step; the number of columns is given where candidates are compared."""
    steps = [(5_000, 64), (50_000, 128)]
    if n_columns is not None:
        # Steps of a wide network cost arithmetic rather than overhead.
        most = 50_000 if n_columns > MANY_COLUMNS else 1_000
        steps = [(250, 32), (500, 64), (most, 128)]
    return next((size for limit, size in steps if n_rows < limit), 256)


def max_epochs(n_rows: int, n_columns: int | None, is_penalised: bool = False) -> int:
    """Passes over the rows."""
    if n_columns is None:
        # About 100,000 rows in all.
        n_epochs = 100_000 // max(1, n_rows)
        if is_penalised:
            # Penalised codes take long to leave the mean of the data.
            n_epochs = max(n_epochs, int(3_000 / max(1, n_rows) ** 0.5))
        return min(300, max(10, n_epochs))
    if n_rows < 100:
        return 150
    in_all = 120_000 if n_columns > MANY_COLUMNS else 200_000
    return min(100, max(10, in_all // n_rows))


def rate_of_penalised(batch_size: int) -> float:
    """Factor of the learning rate of networks with penalised codes.

    They train on smaller data, which need larger weights. Of 1, 2 and 4, the largest
    gives the lowest objectives in batches of 64 rows and more. Smaller batches take
    more steps; with the same rate, strong penalties then end in the mean of the data.
    """
    return min(4.0, max(1.0, batch_size / 16))


def linear_rate(n_columns: int) -> float:
    """Factor of the learning rate of the encoder's linear path.

    A step changes a code by the sum over its weights, of which wide tables with
    correlated columns, such as images, have many that move together.
    """
    return 0.2 if n_columns > MANY_COLUMNS else 1.0


def n_folds(n_rows: int, n_features: int) -> int:
    """Folds of the cross-validation of candidates; 0 is a hold-out."""
    if n_rows >= 500 or n_features > MANY_COLUMNS:
        return 0
    return 5 if n_rows < 300 else 3


def input_noises(n_rows: int, n_features: int) -> list[float]:
    """Noise on the inputs that is worth a try, in units of PCA's residual.

    Small tables need more noise, or less. The larger the table, the less is gained by
    a choice, and the more it costs.
    """
    if n_features > MANY_COLUMNS:
        return [1.0] if n_rows < MANY_ROWS else [0.0]
    if n_rows >= 1_500:
        return [0.4]
    return [0.3, 1.0] if n_features <= 32 or n_rows < 500 else [0.6]
