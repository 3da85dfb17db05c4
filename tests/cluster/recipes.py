"""The recipes of the user guide, as they stand on its pages."""

from pathlib import Path

from pages import directive_blocks

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide"


def recipe(page, marked, replace=None):
    """The only block of a page that contains what it is marked by.

    `replace` has the parts that are others here, such as addresses.
    """
    blocks = directive_blocks(GUIDE / f"{page}.rst", "code-block:: python")
    (block,) = (block for block in blocks if marked in block)
    for old, new in (replace or {}).items():
        assert old in block
        block = block.replace(old, new)
    return block


def run_recipe(page, marked, replace=None, **names):
    """The names that a recipe defines, as in a notebook that defines some already."""
    names = {"__name__": "__main__", **names}  # so that workers get its functions
    exec(recipe(page, marked, replace), names)
    return names
