"""The link from the HTML representation of an estimator to its documentation."""

DOCUMENTATION_URL = "https://sklearn-ae.readthedocs.io/en/stable/"


class DocLinkMixin:
    """Links an estimator to its page in the API reference.

    It comes before scikit-learn's `BaseEstimator`, which uses the two attributes.
    """

    _doc_link_module = "sklearn_ae"
    _doc_link_template = (
        DOCUMENTATION_URL + "generated/sklearn_ae.{estimator_name}.html"
    )
