"""What numpydoc and autodoc leave to be mended on the API pages."""

import inspect
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

ENTRY = re.compile(r"\s*\*{0,2}\w+ : ")
TRAILING_UNDERSCORE = re.compile(r"(?<=\w)_(?!\w)")


def escape(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """In types such as "ndarray of shape (n_iter_,)", which would be a link."""
    for index, line in enumerate(lines):
        entry = ENTRY.match(line)
        if entry and "``" not in line and ":" not in line[entry.end() :]:
            head, kind = line[: entry.end()], line[entry.end() :]
            lines[index] = head + TRAILING_UNDERSCORE.sub(r"\\_", kind)


def strip_types(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, *given: str | None
) -> tuple[str, str | None] | None:
    """From the signatures of classes, whose docstrings say more."""
    if what != "class" or given[0] is None:
        return None
    signature = inspect.signature(obj)
    return stringify_signature(signature, show_annotation=False), given[1]


def setup(app: Sphinx) -> dict[str, Any]:
    # Before numpydoc, which listens with the priority 500.
    app.connect("autodoc-process-docstring", escape, priority=400)
    app.connect("autodoc-process-signature", strip_types)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
