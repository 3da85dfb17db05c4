"""Code in the pages that readers see."""

import doctest
import re
import textwrap


def directive_blocks(path, directive):
    """What stands under each ``.. directive`` of a page, less its options."""
    blocks = re.findall(
        rf"^\.\. {re.escape(directive)}\n(?:   :.*\n)*\n((?:   .*\n|\n)+)",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    return [textwrap.dedent(block).strip() for block in blocks]


def markdown_blocks(path):
    """The Python code of a page in Markdown."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def doctest_names(path, start):
    """The names that the first doctest example beginning with `start` defines."""
    text = path.read_text(encoding="utf-8")
    examples = [e.source for e in doctest.DocTestParser().get_examples(text)]
    imports = [e for e in examples if re.match("import |from ", e)]
    names = {}
    exec("".join([*imports, next(e for e in examples if e.startswith(start))]), names)
    return names
