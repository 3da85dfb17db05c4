"""The code of the user guide runs, and its tables say what the code says."""

import doctest
import re
from pathlib import Path

import pytest

from sklearn_ae.training.settings import OPTIMIZERS

GUIDE = Path(__file__).parents[1] / "docs" / "user_guide"
PAGES = sorted(GUIDE.glob("*.rst"))


def test_every_page_is_in_the_contents():
    contents = (GUIDE / "index.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^   (\w+)$", contents, re.M)
    assert sorted([*listed, "index"]) == [page.stem for page in PAGES]


def pages_with(code):
    pages = [page for page in PAGES if code in page.read_text(encoding="utf-8")]
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.stem)


# Its code starts several processes, as tests/cluster/test_launchers.py does.
OF_SEVERAL_PROCESSES = ["beyond_one_machine"]


def test_every_page_has_code():
    text = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
    assert [
        n for n, t in text.items() if ">>> " not in t and ".. plot::" not in t
    ] == OF_SEVERAL_PROCESSES


@pytest.mark.slow
@pages_with(">>> ")
def test_code_of_page(page, request):
    flags = request.config.getini("doctest_optionflags")
    failed, attempted = doctest.testfile(
        str(page),
        module_relative=False,
        encoding="utf-8",
        optionflags=sum(doctest.OPTIONFLAGS_BY_NAME[flag] for flag in flags),
    )
    assert attempted > 0
    assert failed == 0


def test_optimizers_of_the_training_page():
    text = (GUIDE / "training.rst").read_text(encoding="utf-8")
    rows = re.findall(r'^   \* - ``"(\w+)"``\n     - .*\n     - ([\d.]+)$', text, re.M)
    assert {name: float(rate) for name, rate in rows} == {
        name: rate for name, (_, _, rate) in OPTIMIZERS.items()
    }


def table_rows(text):
    """{first cell: the other cells} of the rows of Markdown tables."""
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines()]
    return {first: cells for first, *cells in lines if cells}


def test_figures_of_the_page_on_pca():
    """They are those of the benchmark that fills the table."""
    page = " ".join((GUIDE / "when_pca_is_enough.rst").read_text("utf-8").split())
    report = (GUIDE.parent / "benchmarks.md").read_text("utf-8")
    report = report.partition("<!-- defaults:start -->")[2]
    rows = table_rows(report.partition("\n\n")[0])
    (n_kept, ratio, n_pca, *_) = rows["kept apart"]
    assert f"Of {n_kept} real tables" in page
    assert (
        f"{n_pca} ended as PCA, and the geometric mean of the ratios is {ratio}."
        in page
    )
    (n_made_up, _, n_pca, *_) = rows["made up"]
    assert f"Of {n_made_up} made-up tables {n_pca} did" in page
    worst = [rows[group][3] for group in ("bundled", "kept apart", "made up")]
    assert max(map(float, worst)) == 1
    assert "No ratio is above 1.000." in page
    kinds = report.partition("| made up | 30 |")[2].partition("\n\n")[0]
    cells = [cells for cells in table_rows(kinds).values() if "(" in cells[0]]
    of_thirty = [cell[0].split()[0] for cell in cells]
    n_kinds, n_flat = len(of_thirty), of_thirty.count("1.000")
    assert f"with 30 rows, {n_flat} of {n_kinds}." in page
    gaussian = [cell.split()[0] for cell in table_rows(kinds)["Gaussian factors"]]
    assert set(gaussian) == {"1.000"}
