"""Where the documentation is, for the link in the notebook's view of an estimator."""

DOCUMENTATION_URL = "https://sklearn-ae.readthedocs.io/en/stable/"


class DocLinkMixin:
    """Leads the link to the page of the class in the API reference.

    Stands to the left of scikit-learn's `BaseEstimator`, which reads the two names.
    """

    _doc_link_module = "sklearn_ae"
    _doc_link_template = (
        DOCUMENTATION_URL + "generated/{estimator_module}.{estimator_name}.html"
    )
