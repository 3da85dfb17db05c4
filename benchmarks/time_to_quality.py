"""Held-out error against CPU seconds of training: Autoencoder compared with its peers.

    python -m benchmarks.time_to_quality [--mnist PATH] [--runs FILE] [--write-docs]

All data sets together take one to three hours. With ``--runs`` an interrupted benchmark
continues where it stopped.

The data are digits / 16 (code of 8), breast cancer (standardised, code of 7), and
10,000 and 60,000 rows of MNIST (pixels in [0, 1], code of 32), all as float32. Each
seed splits the two small tables into halves; MNIST has its standard test set. Errors
are mean squared errors over held-out entries. Seconds are CPU time of one thread
(`time.process_time`) for the whole ``fit``, including the construction of the network,
the PCA start, and the evaluation of the validation rows that a method holds out itself.
The evaluation on the test rows does not count.

Every point of a curve is a separate fit with its own number of epochs, since an
intermediate state of a schedule does not represent a shorter fit. The last point of a
peer is at its usual number of epochs.

- ``Autoencoder``: defaults, and the same with other values of `max_epochs`: two and
  four times the number that "auto" stands for, successive halves of it down to 1, and
  0, which is the PCA start. On small tables "auto" may also try L-BFGS, unlike a
  number.
- ``MLPRegressor``: fitted to (X, X), hidden layers (128, code, 128), otherwise defaults
  (relu, Adam, batches of 200, at most 200 epochs, stops by its `tol`).
- ``skorch``: `NeuralNet` with its default optimizer (SGD at 0.01), loader (batches of
  128 without shuffling), validation split (a fifth) and 10 epochs. We set the network
  and the loss (`torch.nn.MSELoss`), which have no defaults, and `verbose=0`. The
  network is features-256-code-256-features with SiLU and torch's random weights.
- ``Adam loop``: the same network in a hand-written loop: fused Adam at torch's default
  learning rate of 0.001, batches of 128, all rows, 200 epochs on the small tables and
  50 on MNIST.
- ``PyOD``: its `AutoEncoder` with hidden_neuron_list=[64, code], otherwise defaults
  (batches of 32, 10 epochs, dropout 0.2, batch norm), except that its standardisation
  is off: the data are already scaled, and it would divide pixels that are constant in
  training by 1e-8. Its ``fit`` also scores the training rows.
- ``encdr``: its `ENCDR` with defaults (hidden layers 64 and 32, standardised, 100
  epochs with batches of 32, a fifth held out), without its progress bar.
- ``pythae``: its `AE` with defaults (hidden layers of 512, 100 epochs with batches of
  64, Adam at 0.0001). Its decoder ends in a sigmoid, so data outside [0, 1] are scaled
  to this range, and scaled back to compute the errors. Its pipeline also writes the
  model to a (temporary) folder.

The last three are skipped if they are not installed; see the extra ``bench``. encdr
requires Python 3.12 or later, but also runs on 3.11 if it is installed with pip's
option ``--ignore-requires-python``.

For every peer, the table shows the error of its last point and the CPU seconds of the
cheapest Autoencoder fit whose held-out error is at most 0.1 % higher. This fit is
selected on the held-out rows: it tells how long it takes to reach the error, not that
the time to stop is known in advance. Both are compared within a seed; figures are
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


def shape(table):
    return table.split(0)[0].shape


def measure(method, table, epochs, seed):
    """CPU seconds of one fit, and its error on the held-out rows."""
    train, test = (part.astype(np.float32) for part in table.split(seed))
    with silence():
        start = time.process_time()
        reconstruct = method.fit(train, table.n_components, epochs, seed)
        seconds = time.process_time() - start
        return seconds, float(np.mean((reconstruct(test) - test) ** 2, dtype=float))


class Runs:
    """Results of single runs, {(data, method, epochs, seed): (seconds, error)}.

    They are also kept in the file `path`, if one is given.
    """

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
    """{method: (numbers of epochs, array of shape (seeds, epochs, 2))}."""
    result = {}
    for name in names:
        epochs = METHODS[name].epochs(*shape(table))
        figures = [[runs.get(table, name, n, seed) for n in epochs] for seed in seeds]
        result[name] = epochs, np.array(figures)
    return result


# -- table and figure ------------------------------------------------------------------


def usual_index(name, epochs):
    """Index of the usual number of epochs of a method in `epochs`."""
    return epochs.index("auto") if name == OURS else len(epochs) - 1


def cheapest(fits, error):
    """Index and seconds of the cheapest fit with this error; both inf if none has."""
    good = np.flatnonzero(fits[:, 1] <= 1.001 * error)  # up to rounding
    if not len(good):
        return np.inf, np.inf
    best = good[np.argmin(fits[good, 0])]
    return best, fits[best, 0]


def compare(peer, ours):
    """Medians over the seeds: index and seconds of our equally good fit, and ratio."""
    found = np.array(
        [cheapest(fits, last[1]) for fits, last in zip(ours, peer[:, -1], strict=True)]
    )
    ratio = np.median(peer[:, -1, 0] / found[:, 1])
    return *np.median(found, axis=0), ratio


def short(number):
    """Two significant digits, or all digits before the decimal point."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def rows_of(table, results):
    """The table rows of one data set, and {peer: (ratio, whether PCA does as well)}."""
    our_epochs, ours = results[OURS]
    rows, ratios = [], {}
    for name, (epochs, figures) in results.items():
        usual = figures[:, usual_index(name, epochs)]
        seconds, error = np.median(usual, axis=0)
        row = [table.name, name, f"{error:.4f}", short(seconds)]
        if name == OURS:
            row += ["", "", ""]
        else:
            index, at, ratio = compare(figures, ours)
            ratios[name] = ratio, index == 0
            if np.isfinite(at):
                epoch = f"{our_epochs[round(index)]}"
                row += [epoch, short(at), short(ratio)]
            else:
                row += ["", "not reached", ""]
        rows.append(row)
    return rows, ratios


def worse_than(table, results):
    """The peers whose final error is lower than that of the default Autoencoder."""
    last = {
        name: np.median(figures[:, usual_index(name, epochs), 1])
        for name, (epochs, figures) in results.items()
    }
    return [name for name in results if last[name] < last[OURS] / 1.001]


def summary(tables, all_results, ratios):
    """Two sentences that compare the peers, without PCA."""
    ratios = [found for (_, name), found in ratios.items() if name != "PCA"]
    n_fifths = sum(ratio >= 5 for ratio, _ in ratios)
    n_pca = sum(ratio >= 5 and is_pca for ratio, is_pca in ratios)
    n_missed = sum(ratio == 0 for ratio, _ in ratios)
    lower = [
        f"{name} on {table.name}"
        for table, results in zip(tables, all_results, strict=True)
        for name in worse_than(table, results)
    ]
    return (
        f"Of the {len(ratios)} final errors of the peers (without PCA), "
        f"`Autoencoder` reaches {n_fifths} in at most a fifth of the peer's time "
        f"({n_pca} of them as PCA, before its first epoch), "
        f"{len(ratios) - n_fifths - n_missed} in a larger part of it, and {n_missed} "
        "in none of these fits. Its number of epochs is chosen on the rows that "
        "measure the error, which favours it a little. Peers with a lower error than "
        "`Autoencoder` with its default number of epochs: "
        f"{', '.join(lower) or 'none'}."
    )


def left_out(tables, all_results):
    """A sentence on the methods that are missing from the table."""
    missing = [name for name, method in METHODS.items() if not method.is_installed]
    skipped = [
        f"{name} on {table.name}"
        for table, results in zip(tables, all_results, strict=True)
        for name in METHODS
        if name not in results and name not in missing
    ]
    text = f" Not installed: {', '.join(missing)}." if missing else ""
    if skipped:
        text += f" Not measured, to save time: {', '.join(skipped)}."
    return text


def report(tables, all_results, seeds):
    """The report in Markdown."""
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
            "![Held-out error against CPU seconds of training, one panel per data set, "
            "one line per method](images/time_to_quality.png)",
            "",
            markdown_table(header, rows),
            "",
            "Mean squared error on held-out rows and CPU seconds of `fit` with the "
            "usual number of epochs of each method; then the cheapest fit of "
            "`Autoencoder` (defaults except `max_epochs`; 0 is its PCA start) that "
            "is as good on the same rows, and how many times faster it is. "
            f"{summary(tables, all_results, ratios)}{left_out(tables, all_results)}",
            "",
            f"Medians over the seeds ({counts}). The settings of every method are "
            "listed in `benchmarks/time_to_quality.py`. Measured by `python -m "
            f"benchmarks.time_to_quality` on {machine()}"
            f"{''.join(f', {peer}' for peer in installed(all_results[0]))}.",
        ]
    )


def panel(table, results):
    """Title and curves of one data set in the figure."""
    lines = {}
    for name, (epochs, figures) in results.items():
        seconds, errors = np.median(figures, axis=0).T
        lines[name] = seconds, errors, usual_index(name, epochs)
    title = f"{table.name}: {shape(table)[0]:,} rows, code of {table.n_components}"
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
        "--runs", metavar="FILE", help="file of single runs, which are not repeated"
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="fill in the page, draw the figure"
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
        for name in names:  # the first fit includes late imports
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
