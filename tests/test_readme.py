"""The README's code runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_python_blocks_run():
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["codes"].shape == (1797, 8)
    assert names["images"].shape == (1797, 64)
    assert names["search"].best_params_ == {"n_components": 8}
    assert np.isfinite(names["search"].best_score_)
    assert names["sparse_search"].best_score_ > 0.85
