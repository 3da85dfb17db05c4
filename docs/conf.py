"""How Sphinx builds the site. `scripts/docs.sh` runs it; nothing is fetched."""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from sklearn_ae import __version__

project = "sklearn_ae"
author = "sklearn_ae developers"
copyright = author
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
    # Of this project, in _ext.
    "api_pages",
    "class_links",
    "scikit_learn_links",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
default_role = "literal"

# -- API pages -------------------------------------------------------------------------

autosummary_generate = ["api.rst"]
autodoc_default_options = {"members": True, "member-order": "groupwise"}
numpydoc_show_class_members = False  # they are below, in full
add_module_names = False
toc_object_entries_show_parents = "hide"
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

# -- pages -----------------------------------------------------------------------------

myst_heading_anchors = 3
plot_formats = [("png", 144)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False
plot_rcparams = {"figure.dpi": 100}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"[\\/]plot_",
    # Folders by their numbers, files by `FIRST` and their names.
    "within_subsection_order": "gallery_order.ExampleOrder",
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_ae",),
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "parallel": 2,
    "thumbnail_size": (
        560,
        392,
    ),  # cards are 280 wide; screens of phones have twice that
}

# -- HTML ------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_ae"
# The one file of the package that draws formulas, scripts and fonts in one.
mathjax_package = Path(find_spec("sphinx-mathjax-offline").origin).parent
mathjax_path = "tex-svg-full.js"
html_static_path = ["_static", str(mathjax_package / "static/mathjax" / mathjax_path)]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_copy_source = False
html_use_index = html_domain_indices = False  # the API page is one
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # the theme complains in the console without
html_theme_options = {
    "logo": {
        "text": "sklearn_ae",
        "alt_text": "sklearn_ae, to the front page",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
# Without pages below them these need no list of such.
SINGLE_PAGES = (
    "index",
    "install",
    "benchmarks",
    "variants",
    "extending",
    "changelog",
    "maths",
    "versioning",
)
html_sidebars = {page: [] for page in SINGLE_PAGES}
