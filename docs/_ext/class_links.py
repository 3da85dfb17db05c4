"""Names of classes in the Markdown pages become links to the API reference.

The pages are read on code hosting sites, too, where a role would be shown as it is.
"""

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import sklearn_ae
from sklearn_ae import model_selection

TARGETS = {
    name: f"{module.__name__}.{name}"
    for module in (sklearn_ae, model_selection)
    for name in module.__all__
    if isinstance(getattr(module, name), type)
}


def link_classes(app: Sphinx, doctree: nodes.document) -> None:
    if not str(app.env.doc2path(app.env.docname)).endswith(".md"):
        return
    for literal in list(doctree.findall(nodes.literal)):
        name = literal.astext().partition("(")[0]
        if name in TARGETS and not isinstance(literal.parent, nodes.reference):
            link = pending_xref(
                "",
                literal.deepcopy(),
                refdomain="py",
                reftype="class",
                reftarget=TARGETS[name],
                refexplicit=True,
                refwarn=True,
            )
            literal.replace_self(link)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", link_classes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
