"""Links to scikit-learn's site, whose addresses follow from the names.

`sphinx.ext.intersphinx` would have to fetch an inventory for them.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SITE = "https://scikit-learn.org/stable"
# Labels in docstrings that estimators inherit.
LABELS = {
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "df_output_transform": "modules/df_output_transform.html",
    "metadata_routing": "metadata_routing.html",
    "r2_score": "modules/model_evaluation.html#r2-score",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py": (
        "auto_examples/miscellaneous/plot_set_output.html"
    ),
}


def page_of(name: str) -> str:
    """Where an object is documented: methods on the page of their class."""
    parts = name.split(".")
    classes = [i for i, part in enumerate(parts) if part[0].isupper()]
    if classes and classes[0] < len(parts) - 1:
        owner = ".".join(parts[: classes[0] + 1])
        return f"modules/generated/{owner}.html#{name}"
    return f"modules/generated/{name}.html"


def resolve(app: Sphinx, env: Any, node: Any, content: nodes.Node) -> Any:
    target = node.get("reftarget", "")
    if node.get("reftype") == "ref" and target in LABELS:
        page = LABELS[target]
    elif node.get("reftype") == "term":
        page = f"glossary.html#term-{target}"
    elif node.get("refdomain") == "py" and target.startswith("sklearn."):
        page = page_of(target)
    else:
        return None
    return nodes.reference("", "", content, refuri=f"{SITE}/{page}", internal=False)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
