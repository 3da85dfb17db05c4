"""The link from the HTML representation of an estimator to its documentation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import ClassVar


@cache
def documentation_url() -> str:
    """The address in the metadata of the package, its only place, if there is one."""
    try:
        urls = metadata("sklearn-ae").get_all("Project-URL", [])
    except PackageNotFoundError:  # a checkout that is not installed
        return ""
    return dict(url.split(", ", 1) for url in urls).get("Documentation", "")


class DocLinkMixin:
    """Links an estimator to its page in the API reference.

    It comes before scikit-learn's `BaseEstimator`, which uses `_doc_link_module` and
    `_doc_link_template`.
    """

    _doc_link_module = "sklearn_ae"
    # Where the class is public.
    _doc_link_package: ClassVar[str] = "sklearn_ae"

    @property
    def _doc_link_template(self) -> str:
        url = documentation_url()
        page = f"generated/{self._doc_link_package}.{{estimator_name}}.html"
        return url + page if url else ""
