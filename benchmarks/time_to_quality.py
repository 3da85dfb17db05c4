"""Held-out error against the CPU seconds of training: Autoencoder beside its peers.

    python -m benchmarks.time_to_quality [--mnist PATH] [--runs FILE] [--write-docs]

On all data sets it takes about an hour; ``--runs`` goes on where it broke off.

Digits / 16 (code of 8), breast cancer (standardised, code of 7), 10,000 and 60,000 rows
of MNIST (pixels in [0, 1], code of 32), all as float32. The two small tables are split
in halves by each seed; MNIST has its standard test set. Errors are means of squared
errors over held-out entries. Seconds are CPU time of one thread (`time.process_time`)
for the whole of ``fit``: making the network, the PCA start, rows held out and their
evaluation count. The evaluation on the held-out rows does not.

Every point of a curve is a fit of its own with its own number of epochs, since what a
schedule has reached half way says nothing about a fit of half the length. The last
point of a peer is at its usual number of epochs.

- ``Autoencoder``: defaults. `max_epochs` is the default ("auto"), its double and
  fourfold, its halves down to 1, and 0, which is the PCA start.
- ``MLPRegressor``: fitted to (X, X), hidden layers (128, code, 128), else defaults
  (relu, Adam, batches of 200, at most 200 epochs, stops by its `tol`).
- ``skorch``: `NeuralNet` with its own optimizer (SGD at 0.01), loader (batches of 128
  in the order of the rows), hold-out (a fifth) and 10 epochs. Given are what it has no
  default for, network and loss (`torch.nn.MSELoss`), and `verbose=0`. The network has
  the widths and the activation of the Autoencoder's, features-256-code-256-features
  with SiLU, and torch's random weights.
- ``Adam loop``: the same network in a loop by hand: fused Adam at torch's default rate
  of 0.001, batches of 128, all rows, 200 epochs on the small tables and 50 on MNIST.
- ``PyOD``: its `AutoEncoder` with hidden_neuron_list=[64, code], else defaults (batches
  of 32, 10 epochs, dropout 0.2, batch norm), but for its standardisation: the data are
  scaled already, and it divides pixels that are constant in training by 1e-8. Its
  ``fit`` also scores the training rows.
- ``encdr``: its `ENCDR` with defaults (hidden layers 64 and 32, standardised, 100
  epochs of batches of 32, a fifth held out), without its progress bar.
- ``pythae``: its `AE` with defaults (hidden layers of 512, 100 epochs of batches of 64,
  Adam at 0.0001). Its decoder ends in a sigmoid, so that data outside [0, 1] are scaled
  to it, and scaled back for the errors. Its pipeline also writes the model to a
  (temporary) folder.

The last three are left out where they are not installed: see the extra ``bench``.
encdr asks for Python 3.12 or later, but runs on 3.11, too, if installed with pip's
option ``--ignore-requires-python``.

The table has, for every peer, the error of its last point, and the CPU seconds of the
cheapest Autoencoder fit of the curve whose held-out error is no more than 0.1 % above
it. That fit is chosen by looking at the held-out rows: it says how long the error
takes, not that one knows when to stop. Both are compared within a seed; figures are
medians over the seeds.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks._data import (
    N_MNIST,
    Table,
    add_mnist_argument,
    bundled_tables,
    digits_table,
    load_labelled_mnist,
)
from benchmarks._peers import METHODS, installed, silence
from benchmarks._report import (
    BENCHMARKS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae.training import defaults

PICTURE = BENCHMARKS_PAGE.parent / "images" / "time_to_quality.png"
OURS = "Autoencoder"


def data_sets(mnist_path):
    """The tables, from few rows to many."""
    tables = [digits_table()]
    tables += [table for table in bundled_tables() if "breast" in table.name]
    arrays = load_labelled_mnist(mnist_path)
    if arrays is not None:
        train, _, test, _ = arrays
        few = train[:N_MNIST]
        tables.append(Table("MNIST 10k", 32, lambda seed: (few, test)))
        tables.append(Table("MNIST 60k", 32, lambda seed: (train, test)))
    return tables


def warm_up_table():
    X = np.random.default_rng(0).random((200, 10))
    return Table("warm-up", 2, lambda seed: (X, X))


def n_rows(table):
    return len(table.split(0)[0])


def measure(method, table, epochs, seed):
    """CPU seconds of one fit, and its error on the rows held out."""
    train, test = (part.astype(np.float32) for part in table.split(seed))
    with silence():
        start = time.process_time()
        reconstruct = method.fit(train, table.n_components, epochs, seed)
        seconds = time.process_time() - start
        return seconds, float(np.mean((reconstruct(test) - test) ** 2, dtype=float))


class Runs:
    """The single runs: {(data, method, epochs, seed): (seconds, error)}, in a file."""

    def __init__(self, path=None):
        self.path = None if path is None else Path(path)
        self.found = {}
        if self.path is not None and self.path.exists():
            for line in self.path.read_text().splitlines():
                *key, seconds, error = json.loads(line)
                self.found[tuple(key)] = seconds, error

    def get(self, table, name, epochs, seed):
        key = table.name, name, epochs, seed
        if key not in self.found:
            self.found[key] = measure(METHODS[name], table, epochs, seed)
            print(*key, *(f"{figure:.4g}" for figure in self.found[key]), flush=True)
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps([*key, *self.found[key]]) + "\n")
        return self.found[key]


def curves(table, names, seeds, runs):
    """{method: (its numbers of epochs, array of shape (seeds, epochs, 2))}."""
    result = {}
    for name in names:
        epochs = METHODS[name].epochs(n_rows(table))
        figures = [[runs.get(table, name, n, seed) for n in epochs] for seed in seeds]
        result[name] = epochs, np.array(figures)
    return result


# -- the table and the picture ---------------------------------------------------------


def usual_index(name, epochs, table):
    """Where among `epochs` the usual number of a method is."""
    if name != OURS:
        return len(epochs) - 1
    return epochs.index(defaults.max_epochs(n_rows(table)))


def cheapest(fits, error):
    """Index and seconds of the cheapest fit that is as good; both inf if none is."""
    good = np.flatnonzero(fits[:, 1] <= 1.001 * error)  # rounding aside
    if not len(good):
        return np.inf, np.inf
    best = good[np.argmin(fits[good, 0])]
    return best, fits[best, 0]


def compare(peer, ours):
    """Medians over the seeds: index, seconds of our fit that is as good, and ratio."""
    found = np.array(
        [cheapest(fits, last[1]) for fits, last in zip(ours, peer[:, -1], strict=True)]
    )
    ratio = np.median(peer[:, -1, 0] / found[:, 1])
    return *np.median(found, axis=0), ratio


def short(number):
    """Two digits, or all that stand before the point."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def rows_of(table, results):
    """The Markdown rows of one data set, and the ratios {peer: ratio}."""
    our_epochs, ours = results[OURS]
    rows, ratios = [], {}
    for name, (epochs, figures) in results.items():
        usual = figures[:, usual_index(name, epochs, table)]
        seconds, error = np.median(usual, axis=0)
        row = [table.name, name, f"{error:.4f}", short(seconds)]
        if name == OURS:
            row += ["", "", ""]
        else:
            index, at, ratios[name] = compare(figures, ours)
            if np.isfinite(at):
                epoch = f"{our_epochs[round(index)]}"
                row += [epoch, short(at), short(ratios[name])]
            else:
                row += ["", "not reached", ""]
        rows.append(row)
    return rows, ratios


def worse_than(table, results):
    """The peers that end with a lower error than the usual fit of Autoencoder."""
    last = {
        name: np.median(figures[:, usual_index(name, epochs, table), 1])
        for name, (epochs, figures) in results.items()
    }
    return [name for name in results if last[name] < last[OURS] / 1.001]


def summary(tables, all_results, ratios):
    """Two sentences on the target, of which PCA is no peer."""
    ratios = [ratio for (_, name), ratio in ratios.items() if name != "PCA"]
    n_fifths = sum(ratio >= 5 for ratio in ratios)
    n_missed = sum(ratio == 0 for ratio in ratios)
    lower = [
        f"{name} on {table.name}"
        for table, results in zip(tables, all_results, strict=True)
        for name in worse_than(table, results)
    ]
    return (
        f"Of the {len(ratios)} errors that peers end with (PCA not counted), "
        f"`Autoencoder` reaches {n_fifths} in a fifth of the peer's time or less, "
        f"{len(ratios) - n_fifths - n_missed} later than that, and {n_missed} with "
        "none of these fits. A lower error than that of `Autoencoder` with its usual "
        f"number of epochs is that of: {', '.join(lower) or 'none'}."
    )


def left_out(tables, all_results):
    """A sentence on what the table lacks."""
    missing = [name for name, method in METHODS.items() if not method.is_installed]
    skipped = [
        f"{name} on {table.name}"
        for table, results in zip(tables, all_results, strict=True)
        for name in METHODS
        if name not in results and name not in missing
    ]
    text = f" Not installed, and left out: {', '.join(missing)}." if missing else ""
    if skipped:
        text += f" Not measured, for the time it takes: {', '.join(skipped)}."
    return text


def report(tables, all_results, seeds):
    """The Markdown text."""
    header = ["data", "method", "error", "CPU s", "Autoencoder: epochs to that error"]
    header += ["Autoencoder: CPU s to that error", "speed-up"]
    rows, ratios = [], {}
    for table, results in zip(tables, all_results, strict=True):
        more, found = rows_of(table, results)
        rows += more
        ratios |= {(table.name, name): ratio for name, ratio in found.items()}
    counts = ", ".join(f"{table.name}: {seeds(table)}" for table in tables)
    return "\n".join(
        [
            "![Held-out error against the CPU seconds of training, one panel a data "
            "set, one line a method](images/time_to_quality.png)",
            "",
            markdown_table(header, rows),
            "",
            "Mean squared error on held-out rows and CPU seconds of `fit` with the "
            "usual number of epochs of each method; then the cheapest fit of "
            "`Autoencoder` (defaults but for `max_epochs`; 0 is its start, PCA) that "
            "does as well on the same rows, and how many times faster that is. "
            f"{summary(tables, all_results, ratios)}{left_out(tables, all_results)}",
            "",
            f"Medians over the seeds ({counts}). What every method was given is said "
            "at the top of `benchmarks/time_to_quality.py`. Measured by `python -m "
            f"benchmarks.time_to_quality` on {machine()}"
            f"{''.join(f', {peer}' for peer in installed(all_results[0]))}.",
        ]
    )


def panel(table, results):
    """What the picture shows of one data set."""
    lines = {}
    for name, (epochs, figures) in results.items():
        seconds, errors = np.median(figures, axis=0).T
        lines[name] = seconds, errors, usual_index(name, epochs, table)
    title = f"{table.name}: {n_rows(table):,} rows, code of {table.n_components}"
    return title, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    parser.add_argument(
        "--mnist-seeds", type=int, default=1, help="how many for MNIST (default 1)"
    )
    parser.add_argument("--only", metavar="TEXT", help="data sets whose name has TEXT")
    parser.add_argument(
        "--skip",
        metavar="PAIR",
        action="append",
        default=[],
        help="a method on a data set, as in 'pythae on MNIST 60k'; may be repeated",
    )
    parser.add_argument(
        "--runs", metavar="FILE", help="keep the single runs here, and repeat none"
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="fill in the page, draw the picture"
    )
    args = parser.parse_args()

    def seeds(table):
        return args.mnist_seeds if "MNIST" in table.name else args.seeds

    def chosen(table):
        return [n for n in names if f"{n} on {table.name}" not in args.skip]

    tables = [t for t in data_sets(args.mnist) if not args.only or args.only in t.name]
    names = [name for name, method in METHODS.items() if method.is_installed]
    runs = Runs(args.runs)
    with one_thread():
        for name in names:  # the first fit pays for imports
            measure(METHODS[name], warm_up_table(), 1, 0)
        results = [curves(t, chosen(t), range(seeds(t)), runs) for t in tables]
    block = report(tables, results, seeds)
    print(f"\n{block}")
    if args.write_docs:
        from benchmarks._time_to_quality_picture import draw

        draw(dict(map(panel, tables, results)), PICTURE)
        fill(BENCHMARKS_PAGE, block, "time_to_quality")


if __name__ == "__main__":
    main()
