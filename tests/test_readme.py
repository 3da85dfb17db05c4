"""The code of the README runs, and its links are valid."""

import re
from pathlib import Path

import pytest
from pages import directive_blocks, markdown_blocks
from sklearn.datasets import load_digits

README = Path(__file__).parents[1] / "README.md"


def test_first_lines_give_the_printed_result(capsys):
    exec(markdown_blocks(README)[0], {})
    found = results(capsys.readouterr().out)
    # The errors of different processors differ a little.
    assert found == pytest.approx(results(README.read_text()), rel=0.1)
    assert found["Autoencoder"] < 0.6 * found["PCA"]


def results(text):
    lines = re.findall(r"^ *(PCA|Autoencoder) (0\.\d+)$", text, re.MULTILINE)
    return {name: float(error) for name, error in lines}


def test_other_python_blocks_run(monkeypatch):
    # An eighth of the rows: quicker, and enough for the claims below.
    X, y = load_digits(return_X_y=True)
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda **_: (X[::8], y[::8]))
    blocks = markdown_blocks(README)
    assert len(blocks) == 6
    names = {}
    # Fewer epochs and folds: quicker, and as good a test of the code.
    quicker = {
        "Autoencoder(8, ": "Autoencoder(8, max_epochs=5, ",
        "search = GridSearchCV(Autoencoder(": (
            "search = GridSearchCV(Autoencoder(validation=2, max_epochs=5, "
        ),
    }
    for original, replacement in quicker.items():
        assert sum(original in block for block in blocks[1:]) == 1
        blocks[1:] = [block.replace(original, replacement) for block in blocks[1:]]
    for block in blocks[1:]:
        exec(block, names)
    assert names["codes"].shape == (225, 8)
    assert names["images"].shape == (225, 64)
    assert {*names["search"].best_params_} == {"hidden_layer_sizes"}
    # PCA explains 0.607 on these folds; a network is kept only if it is better.
    assert 0.58 < names["search"].best_score_ < 1
    assert names["sparse_search"].best_score_ > 0.75
    assert {*names["display"].images_} >= {"X", "PCA", "Autoencoder"}


def test_front_page_of_the_site_has_the_same_lines():
    front_page = README.parent / "docs" / "index.rst"
    (block,) = directive_blocks(front_page, "code-block:: python")
    assert block == markdown_blocks(README)[0].strip()
    (result,) = directive_blocks(front_page, "code-block:: text")
    assert results(result) == results(README.read_text())


def test_links_lead_to_files():
    targets = re.findall(r"\]\(([^)#:]+)[)#]", README.read_text(encoding="utf-8"))
    assert len(targets) > 15
    assert [target for target in targets if not (README.parent / target).exists()] == []
