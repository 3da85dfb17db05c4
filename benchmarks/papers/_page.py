"""The page of published figures: docs/published_results.md."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks._report import markdown_table
from benchmarks.papers._paper import Figure, Paper

PAGE = Path(__file__).parents[2] / "docs" / "published_results.md"

HEADER = ("", "figure", "published", "to reach", "ours", "", "CPU: s")


def row(paper: Paper, figure: Figure, result: Any) -> list[str]:
    """The cells of a figure; `result` is None if it was not measured."""
    bounds = [bound for bound in (figure.reach, figure.beyond) if bound is not None]
    known = [str(figure.number), f"{paper.title}: {figure.name}", figure.published]
    known.append("; ".join(bounds).replace("<", r"\<"))
    if result is None:
        return [*known, "", "not run", ""]
    value = result["values"][figure.name]
    # The time is that of the whole run, which is stated once.
    is_first = figure is paper.figures[0]
    seconds = f"{result['seconds']:,.0f}" if is_first else ""
    return [*known, f"{value:.{figure.digits}f}", figure.verdict(value), seconds]


def table(papers: Iterable[Paper], results: dict[str, Any]) -> str:
    """The table of all figures; `results` are by the names of the papers."""
    rows = [
        row(paper, figure, results.get(paper.name))
        for paper in papers
        for figure in paper.figures
    ]
    rules = ("---:", *["---"] * 3, "---:", "---", "---:")
    return markdown_table(HEADER, rows, rules)


def summary(papers: Iterable[Paper], results: dict[str, Any]) -> str:
    """How many figures are reached, in a sentence."""
    verdicts = Counter(
        figure.verdict(results[paper.name]["values"][figure.name])
        if paper.name in results
        else "not run"
        for paper in papers
        for figure in paper.figures
        if figure.is_judged
    )
    counts = ", ".join(
        f"{verdicts[one]} {one}"
        for one in ("beyond", "reached", "not reached", "not run")
        if verdicts[one]
    )
    return f"Of {verdicts.total()} figures with a bound: {counts}."


def section(paper: Paper) -> str:
    """The heading of a paper, and its texts."""
    numbers = sorted({figure.number for figure in paper.figures})
    heading = f"## {' and '.join(map(str, numbers))}. {paper.title}"
    texts = [heading, f"*Published.* {paper.protocol} {paper.citation}"]
    texts.append(f"*Here.* {paper.ours} See `benchmarks/papers/{paper.name}.py`.")
    return "\n\n".join([*texts, paper.notes] if paper.notes else texts)


def block(papers: list[Paper], results: dict[str, Any]) -> str:
    """All that the command writes into the page."""
    parts = [table(papers, results), summary(papers, results)]
    if results:
        seconds = sum(result["seconds"] for result in results.values())
        machines = sorted({result["machine"] for result in results.values()})
        parts.append(
            f"All runs together took {seconds / 60:,.0f} minutes of one core. Measured "
            f"by `python -m benchmarks.papers` on {'; '.join(machines)}."
        )
    return "\n\n".join([*parts, *map(section, papers)])
