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
