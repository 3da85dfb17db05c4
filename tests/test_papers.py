"""The reproduced papers: verdicts, stored results, the page, the scripts."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.papers import _paper, all_papers
from benchmarks.papers.__main__ import chosen, parse
from benchmarks.papers._page import PAGE, block, section
from benchmarks.papers._paper import (
    Figure,
    Meter,
    Paper,
    Setting,
    error_rate,
    read_json,
    result_of,
    validation_rows,
    write_json,
)
from benchmarks.papers.contractive import jacobian_norm
from sklearn_ae import Autoencoder, ContractiveAutoencoder

PAPERS = all_papers()


def paper_of(run):
    return Paper(
        name="example",
        title="An example",
        citation="Nobody (2000).",
        protocol="Two numbers.",
        figures=(
            Figure(1, "first", "3.00", "<= 3.00", "< 2.65"),
            Figure(2, "second", "87.7"),
        ),
        run=run,
        ours="The same.",
    )


# -- verdicts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2.64, "beyond"), (2.65, "reached"), (3.0, "reached"), (3.01, "not reached")],
)
def test_verdict_of_an_error(value, expected):
    assert Figure(1, "SSE", "3.00", "<= 3.00", "< 2.65").verdict(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(98.4, "beyond"), (97.6, "reached"), (97.5, "not reached")],
)
def test_verdict_of_an_accuracy(value, expected):
    assert Figure(7, "share", "97.6", ">= 97.6", "> 98.35").verdict(value) == expected


def test_figures_without_bounds_are_not_judged():
    assert Figure(7, "before", "87.7").verdict(10.0) == ""


def test_a_bound_that_is_missed_is_always_said():
    assert Figure(6, "error", "1.14", beyond="<= 1.14").verdict(1.2) == "not reached"


# -- results ---------------------------------------------------------------------------


def test_interrupted_run_goes_on(tmp_path):
    calls = []

    def run(setting):
        first = setting.once("first", lambda: calls.append("first") or 2.5)
        calls.append("second")
        if calls.count("second") == 1:
            raise KeyboardInterrupt
        return {"first": first, "second": 88.0}

    paper = paper_of(run)
    with pytest.raises(KeyboardInterrupt):
        result_of(paper, tmp_path)
    result = result_of(paper, tmp_path)
    assert calls == ["first", "second", "second"]
    assert result["values"] == {"first": 2.5, "second": 88.0}
    # What has been measured is not measured again, and leaves nothing else behind.
    assert result_of(paper, tmp_path) == result
    assert len(calls) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["example.json"]
    result_of(paper, tmp_path, again=True)
    assert calls[3:] == ["first", "second"]


def test_fit_goes_on_from_its_checkpoint(tmp_path):
    X = np.random.RandomState(0).standard_normal((40, 5))
    setting = Setting(tmp_path)

    def fit():
        return Autoencoder(
            2, max_epochs=3, checkpoint=setting.checkpoint("fit"), random_state=0
        ).fit(X)

    codes = fit().transform(X)
    (saved,) = tmp_path.iterdir()
    written = saved.stat().st_mtime_ns
    np.testing.assert_array_equal(fit().transform(X), codes)
    assert saved.stat().st_mtime_ns == written


def test_seconds_of_interrupted_runs_are_added_up(tmp_path):
    path = tmp_path / "seconds.json"
    write_json(path, 5.0)
    with Meter(path) as meter:
        sum(range(200_000))
    assert 5.0 < meter.seconds < 6.0
    assert read_json(path) == pytest.approx(meter.seconds, abs=0.5)


def test_quick_setting(tmp_path):
    quick, full = Setting(tmp_path, is_quick=True, n_quick=3), Setting(tmp_path)
    table = np.zeros((10, 2))
    assert (quick.epochs(28), full.epochs(28)) == (1, 28)
    assert (len(quick.rows(table)), len(full.rows(table))) == (3, 10)


def test_validation_rows_are_the_last_sixth():
    kept, unseen = validation_rows(60_000)
    assert (kept, unseen) == (slice(50_000), slice(50_000, 60_000))


def test_error_rate_is_in_per_cent():
    class Ones:
        def predict(self, X):
            return np.ones(len(X))

    assert error_rate(Ones(), np.zeros((8, 1)), np.r_[np.ones(6), 0, 0]) == 25.0


# -- the page --------------------------------------------------------------------------


def test_page_shows_what_was_measured_and_what_was_not():
    paper = paper_of(None)
    figures = (Figure(3, "third", "1.0", "<= 1"),)
    other = replace(paper, name="other", figures=figures, notes="So.")
    result = {
        "values": {"first": 2.9, "second": 88.0},
        "seconds": 1234.0,
        "machine": "a machine",
    }
    text = block([paper, other], {"example": result})
    assert (
        r"| 1 | An example: first | 3.00 | \<= 3.00; \< 2.65 | 2.90 | reached | 1,234 |"
        in text
    )
    assert "| 2 | An example: second | 87.7 |  | 88.00 |  |  |" in text
    assert "| 3 | An example: third | 1.0 | \\<= 1 |  | not run |  |" in text
    assert "Of 2 figures with a bound: 1 reached, 1 not run." in text
    assert "21 minutes of one core" in text
    assert "on a machine." in text
    assert "## 1 and 2. An example" in text
    assert text.endswith("\n\nSo.")


def test_page_has_a_section_for_every_paper():
    page = PAGE.read_text(encoding="utf-8")
    written = page.partition("<!-- published:start -->")[2]
    written = written.partition("<!-- published:end -->")[0]
    assert [section(paper) in written for paper in PAPERS] == [True] * len(PAPERS)


def test_numbers_choose_papers():
    assert chosen(PAPERS, None) == PAPERS
    numbers = [figure.number for figure in PAPERS[0].figures]
    assert chosen(PAPERS, numbers[:1]) == PAPERS[:1]
    with pytest.raises(SystemExit, match="99"):
        chosen(PAPERS, [1, 99])
    with pytest.raises(SystemExit):
        parse(["--quick", "--write-docs"])


def test_norms_of_jacobians_are_those_of_the_contractive_autoencoder():
    X = np.random.RandomState(0).uniform(size=(30, 6))
    model = ContractiveAutoencoder(4, max_epochs=5, random_state=0).fit(X)
    np.testing.assert_allclose(jacobian_norm(model, X), model.jacobian_norm(X), 1e-4)


# -- the scripts -----------------------------------------------------------------------


@pytest.fixture
def random_pixels(monkeypatch):
    """A table in the place of MNIST."""
    rng = np.random.RandomState(0)
    X = rng.uniform(size=(2, 130, 784)).astype(np.float32)
    y = np.arange(130) % 10
    monkeypatch.setattr(_paper, "_mnist", lambda path: (X[0], y, X[1, :24], y[:24]))


@pytest.mark.filterwarnings("ignore:The reconstructions are little more than the mean")
@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_script_measures_all_of_its_figures(paper, random_pixels, tmp_path):
    values = paper.run(Setting(tmp_path, is_quick=True))
    assert {figure.name for figure in paper.figures} <= values.keys()
    assert all(np.isfinite(float(value)) for value in values.values())
    for figure in paper.figures:
        assert figure.verdict(0.0) in {"beyond", "reached", "not reached", ""}
