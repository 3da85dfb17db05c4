"""Published figures, reproduced with the public estimators of this package.

    python -m benchmarks.papers [--mnist PATH] [--only 1 9] [--again]
                                [--write-docs] [--only-docs]

Results are stored in a folder, one file for each paper: what has been measured is not
measured again, and a run that was interrupted goes on where it stopped, with the same
result. Everything runs on one thread, in about three hours.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from benchmarks._data import add_mnist_argument
from benchmarks._report import fill, one_thread
from benchmarks.papers import all_papers
from benchmarks.papers._page import PAGE, block
from benchmarks.papers._paper import Paper, read_json, result_of

RESULTS = Path(__file__).parents[1] / "results" / "papers"


def report(paper: Paper, result: dict) -> None:
    """Print what was published and what was measured."""
    print(f"\n{paper.title}. {paper.citation}\n{paper.protocol}")
    for figure in paper.figures:
        value = result["values"][figure.name]
        print(
            f"  {figure.number:2d}  {figure.name}: {value:.{figure.digits}f} "
            f"(published: {figure.published}) {figure.verdict(value)}"
        )
    print(f"  {result['seconds']:.0f} CPU seconds; {result['machine']}", flush=True)


def chosen(papers: list[Paper], numbers: list[int] | None) -> list[Paper]:
    """The papers that have one of the numbers, or all of them."""
    if not numbers:
        return papers
    known = {figure.number for paper in papers for figure in paper.figures}
    if missing := set(numbers) - known:
        raise SystemExit(f"--only {min(missing)}: the numbers are {sorted(known)}.")
    return [
        paper
        for paper in papers
        if any(figure.number in numbers for figure in paper.figures)
    ]


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument(
        "--only", nargs="+", type=int, metavar="N", help="numbers of figures to measure"
    )
    parser.add_argument("--again", action="store_true", help="ignore stored results")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help=f"folder (default {RESULTS})"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one epoch on few rows, to see whether all scripts run; stores nothing",
    )
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    parser.add_argument(
        "--only-docs",
        action="store_true",
        help="fill in the page with the stored results, and measure nothing",
    )
    args = parser.parse_args(arguments)
    if args.quick and (args.write_docs or args.only_docs):
        parser.error("--quick gives no figures for the page")
    return args


def measure(papers: list[Paper], args: argparse.Namespace) -> None:
    setting = {"mnist_path": args.mnist, "is_quick": args.quick}
    for paper in papers:
        print(f"\n== {paper.name}", flush=True)
        with one_thread():
            report(paper, result_of(paper, args.results, args.again, **setting))


def stored(papers: list[Paper], folder: Path) -> dict[str, dict]:
    """The results that are in the folder, by the names of the papers."""
    files = {paper.name: folder / f"{paper.name}.json" for paper in papers}
    return {name: read_json(file) for name, file in files.items() if file.exists()}


def main(arguments=None):
    args = parse(arguments)
    papers = all_papers()
    if args.quick:
        # One epoch is too little for anything.
        warnings.simplefilter("ignore", ConvergenceWarning)
        with tempfile.TemporaryDirectory() as folder:
            args.results = Path(folder)
            measure(chosen(papers, args.only), args)
        return
    if not args.only_docs:
        measure(chosen(papers, args.only), args)
    if args.write_docs or args.only_docs:
        fill(PAGE, block(papers, stored(papers, args.results)), "published")


if __name__ == "__main__":
    main()
