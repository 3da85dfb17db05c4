"""The README's code runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from pages import directive_blocks, markdown_blocks

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_python_blocks_run():
    blocks = markdown_blocks(README)
    assert len(blocks) == 5
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["codes"].shape == (1797, 8)
    assert names["images"].shape == (1797, 64)
    assert names["search"].best_params_ == {"n_components": 8}
    assert np.isfinite(names["search"].best_score_)
    assert names["sparse_search"].best_score_ > 0.85
    assert {*names["display"].images_} >= {"X", "PCA", "Autoencoder"}


def test_front_page_of_the_site_has_the_same_lines():
    front_page = README.parent / "docs" / "index.rst"
    (block,) = directive_blocks(front_page, "code-block:: python")
    assert block == markdown_blocks(README)[0].strip()


def test_links_lead_to_files():
    targets = re.findall(r"\]\(([^)#:]+)[)#]", README.read_text())
    assert len(targets) > 15
    assert [target for target in targets if not (README.parent / target).exists()] == []
