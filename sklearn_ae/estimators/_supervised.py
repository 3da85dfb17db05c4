"""Classifier and regressor on an autoencoder."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from sklearn_ae._sklearn_compat import StrOptions, fit_context
from sklearn_ae._units import Affine
from sklearn_ae.data.moments import mean_and_scale
from sklearn_ae.estimators._base_supervised import BaseSupervised, Labelled
from sklearn_ae.objectives.losses import CrossEntropy, Loss, SquaredError


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderClassifier(ClassifierMixin, BaseSupervised):
    """Classifier on an autoencoder: pretrain, train the head, fine-tune.

    The three steps of a deep classifier [1]_ [2]_:

    1. The autoencoder is fitted to all rows, those without a label (``y == -1``)
       included. Its encoder ``h`` is kept.
    2. With ``u(x) = (h(x) - m) / s``, where ``m`` is the mean of the codes of the
       labelled rows and ``s^2`` the mean of their variances, `LogisticRegression`
       finds the head, ``W`` and ``b``.
    3. Encoder and head together, as one network, descend

       ``J = mean_i -log p(y_i | x_i) + l2_penalty/2 sum W^2``

       over the labelled rows, with ``p(. | x) = softmax(W u(x) + b)``.

    Pretraining pays where few of many rows have a label [3]_.

    Parameters
    ----------
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in steps 2 and 3, by class. "balanced" gives all
        classes the same sum of weights. None are weights of one.

    {shared_parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    {shared_attributes}

    See Also
    --------
    AutoencoderRegressor : The same for numbers instead of classes.
    sklearn.semi_supervised.SelfTrainingClassifier : Labels for rows without one, by
        a classifier's own predictions.
    sklearn.neural_network.MLPClassifier : A network without pretraining.

    Notes
    -----
    `transform` gives the codes of the fine-tuned encoder; those of the pretrained
    one are ``autoencoder_.transform(X)``.

    Since -1 and 1 are the usual labels of two classes, they are two classes where no
    other label occurs. Otherwise -1 is no class. A string is never a missing label.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2006). "Reducing the dimensionality of data
       with neural networks". Science 313. :doi:`10.1126/science.1127647`
    .. [2] Bengio, Lamblin, Popovici and Larochelle (2006). "Greedy layer-wise
       training of deep networks". Advances in Neural Information Processing
       Systems 19. :doi:`10.7551/mitpress/7503.003.0024`
    .. [3] Erhan, Bengio, Courville, Manzagol, Vincent and Bengio (2010). "Why does
       unsupervised pre-training help deep learning?" Journal of Machine Learning
       Research 11. https://www.jmlr.org/papers/v11/erhan10a.html

    Examples
    --------
    Of 1,347 digits 50 have a label:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import AutoencoderClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> y_few = y_train.copy()
    >>> y_few[50:] = -1
    >>> classifier = AutoencoderClassifier(
    ...     early_stopping=False, max_epochs=50, random_state=0
    ... )
    >>> accuracy = classifier.fit(X_train, y_few).score(X_test, y_test)
    >>> linear = LogisticRegression().fit(X_train[:50], y_train[:50])
    >>> bool(accuracy > linear.score(X_test, y_test))
    True

    An autoencoder that is fitted already is used as it is:

    >>> from sklearn_ae import Autoencoder
    >>> autoencoder = Autoencoder(8, max_epochs=10, random_state=0).fit(X_train)
    >>> frozen = AutoencoderClassifier(autoencoder, freeze=True).fit(X_train, y_train)
    >>> bool((frozen.transform(X_test) == autoencoder.transform(X_test)).all())
    True
    """

    class_weight: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _loss: ClassVar[Loss] = CrossEntropy()
    _y_checks: ClassVar[dict] = {}

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Pretrain, train the head, and fine-tune.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Sparse matrices are made dense a few batches at a time.

        y : array-like of shape (n_samples,)
            Classes of the rows. Rows with ``y == -1`` have none and take part in
            pretraining only; where all others are 1, -1 is a class itself.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, in all three steps; None means equal
            weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not what they have to be, or if a loss
            becomes infinite or NaN. The estimator is then as it was before.

        KeyboardInterrupt
            If the fit is interrupted. In fine-tuning the estimator is fitted then,
            with the best weights so far; before, it is as it was.
        """
        return self._fit(X, y, sample_weight)

    def _labelled(self, X, y, weight, rows) -> Labelled:
        has_label = _has_label(y)
        rows = rows[has_label[rows]]
        if len(rows) == 0:
            raise ValueError(
                "y has no labelled rows: all of them are -1, which stands for rows "
                "without a label"
                + ("." if weight is None else ", or have a sample_weight of zero.")
            )
        labels = y[rows]
        if labels.dtype == object and not any(isinstance(v, str) for v in labels):
            labels = np.array(labels.tolist())
        check_classification_targets(labels)
        encoder = LabelEncoder()
        codes = encoder.fit_transform(labels)
        self.classes_ = encoder.classes_
        if len(self.classes_) < 2:
            unlabelled = (
                ""
                if has_label.all()
                else " Rows with y == -1 count as unlabelled; a class needs another "
                "label."
            )
            raise ValueError(
                f"The labelled rows have 1 class only, {self.classes_[0]!r}; a "
                f"classifier needs at least 2 classes.{unlabelled}"
            )
        target = sparse.csr_array(
            (np.ones(len(rows), np.float32), (rows, codes)),
            shape=(len(y), len(self.classes_)),
        )
        strata = np.full(len(y), -1)
        strata[rows] = codes
        return Labelled(
            X, target, self._weight(weight, rows, codes, len(y)), rows, strata
        )

    def _weight(self, weight, rows, codes, n_rows):
        """Weights of rows times weights of classes."""
        if self.class_weight is None:
            return weight
        weight = np.ones(n_rows) if weight is None else weight.copy()
        if self.class_weight == "balanced":
            totals = np.bincount(codes, weights=weight[rows])
            of_class = totals.sum() / (len(totals) * totals)
        else:
            of_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_[codes]
            )
        if not (np.all(np.isfinite(of_class)) and of_class.min() >= 0 < of_class.max()):
            raise ValueError(
                f"class_weight={self.class_weight!r} must hold numbers of at least 0, "
                "not all of them zero."
            )
        weight[rows] *= of_class[codes]
        return weight

    def _target_affine(self, labelled: Labelled) -> Affine:
        return Affine(np.zeros(len(self.classes_)), 1.0)

    @property
    def _n_outputs(self):
        return len(self.classes_)

    def _fit_head(self, codes, labelled: Labelled, rows, weight):
        C = 1 / self.head_penalty if self.head_penalty > 0 else np.inf
        head = LogisticRegression(C=C, max_iter=1000)
        head.fit(codes, labelled.strata[rows], sample_weight=weight)
        coef, intercept = head.coef_, head.intercept_
        if len(self.classes_) == 2:
            # Two logits whose difference is the one of scikit-learn.
            sides = np.array([-0.5, 0.5])
            return sides[:, None] * coef, sides * intercept
        return coef, intercept

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to predict for.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The most probable classes.
        """
        logits = self._outputs(X)
        return self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to predict for.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`, in the precision of `X`.
        """
        logits = self._outputs(X)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits

    def decision_function(self, X):
        """Compute the logits of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to predict for.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            ``W u(x) + b``; for two classes the logit of ``classes_[1]`` minus the
            other. In the precision of `X`.
        """
        logits = self._outputs(X)
        if len(self.classes_) == 2:
            return logits[:, 1] - logits[:, 0]
        return logits


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderRegressor(RegressorMixin, BaseSupervised):
    """Regressor on an autoencoder: pretrain, train the head, fine-tune.

    The three steps of a deep network [1]_ [2]_:

    1. The autoencoder is fitted to all rows. Its encoder ``h`` is kept. To pretrain
       on further rows, pass an autoencoder that is fitted to them.
    2. With ``u(x) = (h(x) - m) / s``, where ``m`` is the mean of the codes and
       ``s^2`` the mean of their variances, `Ridge` finds the head, ``W`` and ``b``.
    3. Encoder and head together, as one network, descend

       ``J = mean_i 1/2 ||y_i - W u(x_i) - b||^2 + l2_penalty/2 sum W^2``.

    Parameters
    ----------
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    AutoencoderClassifier : The same for classes, which takes rows without a label.
    sklearn.neural_network.MLPRegressor : A network without pretraining.

    Notes
    -----
    `transform` gives the codes of the fine-tuned encoder; those of the pretrained
    one are ``autoencoder_.transform(X)``.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2006). "Reducing the dimensionality of data
       with neural networks". Science 313. :doi:`10.1126/science.1127647`
    .. [2] Bengio, Lamblin, Popovici and Larochelle (2006). "Greedy layer-wise
       training of deep networks". Advances in Neural Information Processing
       Systems 19. :doi:`10.7551/mitpress/7503.003.0024`

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import AutoencoderRegressor
    >>> X, y = make_friedman1(400, noise=1.0, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> regressor = AutoencoderRegressor(random_state=0).fit(X_train, y_train)
    >>> linear = Ridge().fit(X_train, y_train)
    >>> bool(regressor.score(X_test, y_test) > linear.score(X_test, y_test) + 0.1)
    True
    """

    _loss: ClassVar[Loss] = SquaredError()
    _y_checks: ClassVar[dict] = {"multi_output": True, "y_numeric": True}

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Pretrain, train the head, and fine-tune.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Sparse matrices are made dense a few batches at a time.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            What is to be predicted.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, in all three steps; None means equal
            weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not what they have to be, or if a loss
            becomes infinite or NaN. The estimator is then as it was before.

        KeyboardInterrupt
            If the fit is interrupted. In fine-tuning the estimator is fitted then,
            with the best weights so far; before, it is as it was.
        """
        return self._fit(X, y, sample_weight)

    def _labelled(self, X, y, weight, rows) -> Labelled:
        self._one_column = y.ndim == 1
        target = y.reshape(len(y), -1).astype(np.float64, copy=False)
        self._n_outputs = target.shape[1]
        return Labelled(X, target, weight, rows, None)

    def _target_affine(self, labelled: Labelled) -> Affine:
        return Affine(*mean_and_scale(labelled.target, labelled.rows, labelled.weight))

    def _fit_head(self, codes, labelled: Labelled, rows, weight):
        mean, scale = self._recipe.standardize_target
        target = (labelled.target[rows] - mean) / scale
        head = Ridge(alpha=self.head_penalty).fit(codes, target, sample_weight=weight)
        return np.atleast_2d(head.coef_), np.atleast_1d(head.intercept_)

    def predict(self, X):
        """Predict the target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to predict for.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            The predictions, in the precision of `X`.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if self._one_column else outputs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _has_label(y: np.ndarray) -> np.ndarray:
    """Where `y` is not -1; everywhere where -1 can only be a class."""
    if y.dtype.kind not in "ifO":
        return np.ones(len(y), dtype=bool)
    has_label = np.asarray(y != -1, dtype=bool)
    # The usual labels of two classes.
    others = y[has_label]
    if 0 < len(others) < len(y) and all(label == 1 for label in others):
        return np.ones(len(y), dtype=bool)
    return has_label
