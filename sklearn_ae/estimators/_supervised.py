"""Classifier and regressor on the codes of an autoencoder."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklearn_ae._sklearn_compat import StrOptions, fit_context
from sklearn_ae._units import Affine
from sklearn_ae.data.tables import mean_and_scale
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._base_supervised import BaseSupervised, Labelled
from sklearn_ae.estimators._denoising import DenoisingAutoencoder
from sklearn_ae.estimators._labels import (
    check_no_gaps,
    has_label,
    is_labelled,
    plain_labels,
    weight_of_classes,
)
from sklearn_ae.estimators._validation import check_range
from sklearn_ae.objectives.losses import CrossEntropy, Loss, SquaredError

# Width of the code by default.
_CODES = 256


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderClassifier(ClassifierMixin, BaseSupervised):
    r"""Classifier on an autoencoder: pretrain, train the head, fine-tune.

    `fit` has three steps [1]_ [2]_:

    1. The autoencoder is fitted to all rows, including those without a label
       (``y == -1``). Its encoder :math:`h` is used in the next steps.
    2. `LogisticRegression` finds the head, :math:`W` and :math:`b`, for the
       standardised codes :math:`u(x) = (h(x) - m) / s`, where :math:`m` is the mean of
       the codes of the labelled rows and :math:`s^2` the mean of their variances.
    3. Encoder and head are trained together, as one network, to minimise

       .. math::

          J = \frac1n \sum_i -\log p(y_i \mid x_i) + \frac{\alpha}{2} \sum W^2

       over the labelled rows, with :math:`p(\cdot \mid x) = \mathrm{softmax}(W u(x) +
       b)`; :math:`\alpha` is `l2_penalty`.

    Pretraining helps if only few of many rows have a label [3]_.

    Parameters
    ----------
    autoencoder : autoencoder, FrozenEstimator or None, default=None
        The autoencoder to start from. An unfitted one is cloned and fitted to all rows
        of `X`. A fitted one, with or without a `FrozenEstimator`, is copied and used
        as is: `fit` does not change it, `sklearn.base.clone` keeps its weights, and
        its parameters cannot be set. None is a `DenoisingAutoencoder` with
        ``corruption="masking"``. The classifier's has a code of 256 units, ``"silu"``
        as `code_activation` and ``init="random"``. The regressor's has all principal
        components, but at most 256, and ``max_epochs=0``: it is PCA, and fine-tuning
        starts from a linear model.

    pretrain : bool, default=True
        Whether to train the autoencoder. False starts from its initial weights. Has no
        effect if the autoencoder is already fitted, nor on the default of the
        regressor.

    freeze : bool, default=False
        Keep the pretrained encoder and skip fine-tuning.

    head_penalty : float, default=1.0
        Weight of ``1/2 sum W^2`` of the head, relative to the sum of the losses of the
        rows, when the head is trained alone on the standardised codes ``u``. It is
        ``1 / C`` of `LogisticRegression` and ``alpha`` of `Ridge`.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices of encoder and head, without
        biases, in fine-tuning. The weights are those for standardised inputs and
        codes.

    optimizer : str or type, default="adamw"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs",
        or a subclass of `torch.optim.Optimizer`. "adamw" is Adam with a weight decay of
        0.3, which is not part of the objective and does not act on biases; where
        candidates are compared (see `validation`), it is 0.1 and acts on biases, too.
        The others have no weight decay by default.

        "adam" and "adamw" have ``betas=(0.9, 0.99)`` and ``eps=1e-5``, where torch has
        ``(0.9, 0.999)`` and ``1e-8``: in networks that start as PCA some gradients are
        rounding errors, which so small an ``eps`` turns into full steps, and the
        shorter memory suits fits of a few thousand steps. For torch's values pass them
        as `optimizer_params`, or a class such as `torch.optim.Adam`.

        "lbfgs" is L-BFGS with a line search, for tables of up to some ten thousand
        rows. An epoch is one iteration on all training rows; it stops when ten of them
        gain next to nothing. `learning_rate` and `learning_rate_schedule` are ignored.
        The objective must not contain random numbers such as a corruption or dropout.

    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"weight_decay": 0.1}``.

    learning_rate : "auto" or float, default=0.001
        Largest learning rate of the schedule. "auto" is a rate that suits the
        optimizer for a network that is trained from scratch.

    learning_rate_schedule : str, default="one_cycle"
        How the learning rate changes during fine-tuning. "one_cycle" raises it in the
        first tenth of the steps and then lowers it to zero, "cosine" lowers it along a
        cosine, "reduce_on_plateau" divides it by 10 after 5 epochs without an
        improvement, and "constant" keeps it.

    batch_size : "auto" or int, default="auto"
        Largest number of rows in a step. "auto" is 64 for less than 5,000 labelled
        rows, 128 for less than 50,000, and 256 for more.

    max_epochs : "auto" or int, default="auto"
        Number of passes over the labelled rows in fine-tuning. "auto" is 100,000
        divided by their number, but at least 10 and at most 300. 0 is the same as
        ``freeze=True``.

    validation : "auto", float, splitter, list of pairs or None, default="auto"
        Which of the labelled rows are held out in fine-tuning. A float is their share,
        in (0, 1); "auto" is 0.1. The weights with the lowest loss on these rows are
        kept. If no epoch improves on the start, in the regressor by more than chance,
        the encoder is not changed and the head is trained again on all labelled rows.
        Small tables hold out 30 rows, but at most a third. None trains on all rows,
        which is advisable if there are few labels.

        Of a splitter, such as ``TimeSeriesSplit()`` or ``GroupKFold()`` with `groups`
        in `fit`, or of a list of pairs of arrays with indices of training and of
        held-out rows, the last split is used. Validation data can also be passed to
        `fit`, as `X_val` and `y_val`; this parameter must then be "auto". Pretraining
        holds out rows by the `validation` of the autoencoder.

    n_iter_no_change : int or None, default=None
        Number of epochs without an improvement after which training stops: of the loss
        on the held-out rows or, without any, of the training loss. None trains to the
        end of the schedule.

    tol : float, default=0.0001
        Smallest relative decrease of the lowest loss that counts as an improvement.

    device : str, default="cpu"
        Where to fine-tune and to predict: "cpu", "cuda", "cuda:1", "mps", or "auto"
        for a GPU if there is one. Pretraining uses the `device` of the autoencoder.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called with the skorch net during fine-tuning.

    random_state : int, RandomState instance or None, default=None
        Controls the validation split, shuffling and, if the `random_state` of the
        autoencoder is None, pretraining. Pass an int for reproducible results.
        Global generators do not change.

    verbose : int, default=0
        1 shows a progress bar with the losses, 2 or more prints them as a table, one
        line per epoch. A `PrintLog` or a `ProgressBar` in `callbacks` replaces both; a
        `PrintLog` prints even at 0.

    checkpoint : path, Checkpoint or None, default=None
        File in which `fit` saves its state once a minute. After a crash or an
        interrupt, the same `fit` on the same data goes on from there and ends with
        exactly the same result; the file is then removed. A file of other data,
        parameters or versions is an error. It works on a step of a pipeline; inside
        another estimator of this package with a `checkpoint` it is ignored. See
        `sklearn_ae.persistence.Checkpoint` for other intervals, and for searches.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in steps 2 and 3, by class. "balanced" gives all
        classes the same total weight. None means weights of one.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    autoencoder_ : autoencoder
        The pretrained autoencoder, as it was before fine-tuning.

    n_components_ : int
        Width of the code.

    module_ : torch.nn.Module
        The fine-tuned network in the units of the data, with the encoder as its method
        ``encode`` and the head as ``decode``.

    net_ : skorch.NeuralNet
        The skorch net that trained the network, in standardised units.

    history_ : dict of str to ndarray of shape (n_iter_,)
        One entry per epoch of fine-tuning: "epoch", "learning_rate", "train_loss",
        "valid_loss", and the terms of the losses, such as "train_prediction" and
        "train_l2". The history of pretraining is ``autoencoder_.history_``.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the held-out rows after each epoch; None without held-out rows.

    n_iter_ : int
        Number of epochs of fine-tuning.

    best_loss_ : float
        Loss of the weights that were kept, on the held-out rows. Without held-out
        rows, the last training loss; without fine-tuning, that of the head.

    device_ : str
        Device of the network.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, if all of them are strings.

    See Also
    --------
    AutoencoderRegressor : The same for regression.
    sklearn.semi_supervised.SelfTrainingClassifier : Labels rows by the predictions of
        a classifier.
    sklearn.neural_network.MLPClassifier : A network without pretraining.

    Notes
    -----
    `transform` returns the codes of the fine-tuned encoder. Those of the pretrained
    encoder are ``autoencoder_.transform(X)``.

    If the only labels are -1 and 1, which are usual labels of two classes, both are
    classes. Otherwise -1 means a missing label. Strings are always classes; an array of
    dtype object can hold strings and -1. `score` leaves out rows without a label,
    whereas ``scoring="accuracy"`` and `SelfTrainingClassifier` count them as errors.

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
    Only 50 of 1,347 digits have a label:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import AutoencoderClassifier, DenoisingAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> y_few = y_train.copy()
    >>> y_few[50:] = -1
    >>> denoiser = DenoisingAutoencoder(
    ...     128,
    ...     corruption="masking",
    ...     code_activation="silu",
    ...     init="random",
    ...     max_epochs=10,
    ... )
    >>> classifier = AutoencoderClassifier(
    ...     denoiser, validation=None, max_epochs=20, random_state=0
    ... )
    >>> classifier = classifier.fit(X_train, y_few)
    >>> print(f"{classifier.score(X_test, y_test):.1f}")
    0.9
    >>> linear = LogisticRegression().fit(X_train[:50], y_train[:50])
    >>> print(f"{linear.score(X_test, y_test):.1f}")
    0.8

    A fitted autoencoder is used as is:

    >>> from sklearn_ae import Autoencoder
    >>> autoencoder = Autoencoder(8, max_epochs=5, random_state=0).fit(X_train)
    >>> frozen = AutoencoderClassifier(autoencoder, freeze=True).fit(X_train, y_train)
    >>> np.array_equal(frozen.transform(X_test), autoencoder.transform(X_test))
    True
    """

    class_weight: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _loss: ClassVar[Loss] = CrossEntropy()
    _needs_certain_gain: ClassVar[bool] = False
    _y_checks: ClassVar[dict] = {}

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        groups=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Pretrain, train the head, and fine-tune.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Sparse matrices are made dense a few batches at a time.

        y : array-like of shape (n_samples,)
            Classes of the rows. Rows with ``y == -1`` are unlabelled and are used in
            pretraining only, unless all other labels are 1: then -1 is a class.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, in all three steps; None means equal
            weights.

        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a splitter such as `GroupKFold` in `validation` or
            in the `validation` of the autoencoder.

        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation data for fine-tuning and, unless the autoencoder has its own
            `validation`, for pretraining. The network is trained on all rows of `X`.

        y_val : array-like of shape (n_val,), default=None
            Classes of the rows of `X_val`; given if and only if `X_val` is.

        sample_weight_val : array-like of shape (n_val,), default=None
            Non-negative weights of the rows of `X_val`; None means equal weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if a loss becomes infinite or
            NaN. The estimator is left unchanged.

        KeyboardInterrupt
            If the fit is interrupted. During fine-tuning, the estimator is then fitted,
            with the best weights so far; before that, it is left unchanged.
        """
        check_no_gaps(y)
        return self._fit(
            X,
            y,
            sample_weight,
            groups=groups,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )

    def _labelled(self, X, y, weight, rows) -> Labelled:
        labelled = has_label(y)
        rows = rows[labelled[rows]]
        if len(rows) == 0:
            raise ValueError(
                "y has no labelled rows: all of them are -1, which means that the "
                "label is missing"
                + ("." if weight is None else ", or have a sample_weight of zero.")
            )
        labels = plain_labels(y[rows])
        check_classification_targets(labels)
        encoder = LabelEncoder()
        codes = encoder.fit_transform(labels)
        self.classes_ = encoder.classes_
        if len(self.classes_) < 2:
            unlabelled = (
                ""
                if labelled.all()
                else " Rows with y == -1 count as unlabelled; a class needs another "
                "label."
            )
            raise ValueError(
                "The labelled rows have 1 class only, "
                f"{self.classes_.tolist()[0]!r}; a classifier needs at least 2 "
                f"classes.{unlabelled}"
            )
        own = None if weight is None else weight[rows]
        of_class = weight_of_classes(self.class_weight, self.classes_, codes, own)
        return self._encoded(X, codes, weight, rows, of_class)

    def _labelled_like(self, labelled: Labelled, X, y, weight, rows) -> Labelled:
        check_no_gaps(y, "y_val")
        y = column_or_1d(y)
        if not any(label == -1 for label in self.classes_):
            rows = rows[is_labelled(y)[rows]]
        if len(rows) == 0:
            raise ValueError("y_val has no labelled rows: all of them are -1.")
        labels = plain_labels(y[rows])
        classes = self.classes_.tolist()
        for label in np.unique(labels).tolist():
            if label not in classes:
                raise ValueError(
                    f"y_val has the class {label!r}, but the classes of y are "
                    f"{classes}."
                )
        codes = np.searchsorted(self.classes_, labels)
        return self._encoded(X, codes, weight, rows, labelled.class_weight)

    def _encoded(self, X, codes, weight, rows, of_class) -> Labelled:
        """Rows whose classes are known by their positions among all classes."""
        n_rows = X.shape[0]
        target = sparse.csr_array(
            (np.ones(len(rows), np.float32), (rows, codes)),
            shape=(n_rows, len(self.classes_)),
        )
        strata = np.full(n_rows, -1)
        strata[rows] = codes
        if of_class is not None:
            weight = np.ones(n_rows) if weight is None else weight.copy()
            weight[rows] *= of_class[codes]
        return Labelled(X, target, weight, rows, strata, of_class)

    def _default_autoencoder(self, labelled: Labelled) -> BaseAutoencoder:
        return DenoisingAutoencoder(
            _CODES,
            corruption="masking",
            code_activation="silu",
            init="random",
            device=self.device,
            verbose=self.verbose,
        )

    def _target_affine(self, labelled: Labelled) -> Affine:
        return Affine(np.zeros(len(self.classes_)), 1.0)

    @property
    def _n_outputs(self):
        return len(self.classes_)

    def _arrays_in_files(self):
        shape, width = np.shape(self.classes_), self._recipe.module_params["n_outputs"]
        if shape != (width,):
            raise ValueError(f"classes_ has shape {shape}, not ({width},)")
        return super()._arrays_in_files()

    def _fit_head(self, codes, labelled: Labelled, rows, weight):
        C = 1 / self.head_penalty if self.head_penalty > 0 else np.inf
        head = LogisticRegression(C=C, max_iter=1000)
        head.fit(codes, labelled.strata[rows], sample_weight=weight)
        coef, intercept = head.coef_, head.intercept_
        if len(self.classes_) == 2:
            # Two logits whose difference is the logit of scikit-learn.
            sides = np.array([-0.5, 0.5])
            return sides[:, None] * coef, sides * intercept
        return coef, intercept

    def predict(self, X) -> np.ndarray:
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

    def predict_proba(self, X) -> np.ndarray:
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

    def decision_function(self, X) -> np.ndarray:
        """Compute the logits of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to predict for.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            ``W u(x) + b``, in the precision of `X`. For two classes, the logit of
            ``classes_[1]`` minus that of ``classes_[0]``.
        """
        logits = self._outputs(X)
        if len(self.classes_) == 2:
            return logits[:, 1] - logits[:, 0]
        return logits

    def score(self, X, y, sample_weight=None) -> float:
        """Compute the accuracy on the rows that have a label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to predict for.

        y : array-like of shape (n_samples,)
            True classes. Rows with ``y == -1`` are left out unless -1 is a class.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Share of the labelled rows whose class is predicted.
        """
        predicted, labels = self.predict(X), np.asarray(y)
        check_consistent_length(predicted, labels, sample_weight)
        rows = np.arange(len(labels))
        if labels.ndim == 1 and not any(label == -1 for label in self.classes_):
            has_label = labels != -1
            rows = np.flatnonzero(np.broadcast_to(has_label, len(labels)))
        if len(rows) == 0:
            raise ValueError("y has no labelled rows: all of them are -1.")
        weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        labels = labels[rows]
        if labels.dtype == object:
            # Classes and -1 in one array; scikit-learn takes no objects but strings.
            labels = np.array(labels.tolist())
        return accuracy_score(labels, predicted[rows], sample_weight=weight)


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderRegressor(RegressorMixin, BaseSupervised):
    r"""Regressor on an autoencoder: pretrain, train the head, fine-tune.

    `fit` has three steps [1]_ [2]_:

    1. The autoencoder is fitted to all rows. Its encoder :math:`h` is used in the next
       steps. By default it is PCA, without pretraining: every row has a target, and
       codes that are trained for reconstruction may keep less of what predicts it. To
       pretrain on further rows, pass an autoencoder that is fitted to them.
    2. `Ridge` finds the head, :math:`W` and :math:`b`, for the standardised codes
       :math:`u(x) = (h(x) - m) / s`, where :math:`m` is the mean of the codes and
       :math:`s^2` the mean of their variances.
    3. Encoder and head are trained together, as one network, to minimise

       .. math::

          J = \frac1n \sum_i \frac12 \lVert y_i - W u(x_i) - b \rVert^2
              + \frac{\alpha}{2} \sum W^2

       where :math:`\alpha` is `l2_penalty`.

    Parameters
    ----------
    autoencoder : autoencoder, FrozenEstimator or None, default=None
        The autoencoder to start from. An unfitted one is cloned and fitted to all rows
        of `X`. A fitted one, with or without a `FrozenEstimator`, is copied and used
        as is: `fit` does not change it, `sklearn.base.clone` keeps its weights, and
        its parameters cannot be set. None is a `DenoisingAutoencoder` with
        ``corruption="masking"``. The classifier's has a code of 256 units, ``"silu"``
        as `code_activation` and ``init="random"``. The regressor's has all principal
        components, but at most 256, and ``max_epochs=0``: it is PCA, and fine-tuning
        starts from a linear model.

    pretrain : bool, default=True
        Whether to train the autoencoder. False starts from its initial weights. Has no
        effect if the autoencoder is already fitted, nor on the default of the
        regressor.

    freeze : bool, default=False
        Keep the pretrained encoder and skip fine-tuning.

    head_penalty : float, default=1.0
        Weight of ``1/2 sum W^2`` of the head, relative to the sum of the losses of the
        rows, when the head is trained alone on the standardised codes ``u``. It is
        ``1 / C`` of `LogisticRegression` and ``alpha`` of `Ridge`.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices of encoder and head, without
        biases, in fine-tuning. The weights are those for standardised inputs and
        codes.

    optimizer : str or type, default="adamw"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs",
        or a subclass of `torch.optim.Optimizer`. "adamw" is Adam with a weight decay of
        0.3, which is not part of the objective and does not act on biases; where
        candidates are compared (see `validation`), it is 0.1 and acts on biases, too.
        The others have no weight decay by default.

        "adam" and "adamw" have ``betas=(0.9, 0.99)`` and ``eps=1e-5``, where torch has
        ``(0.9, 0.999)`` and ``1e-8``: in networks that start as PCA some gradients are
        rounding errors, which so small an ``eps`` turns into full steps, and the
        shorter memory suits fits of a few thousand steps. For torch's values pass them
        as `optimizer_params`, or a class such as `torch.optim.Adam`.

        "lbfgs" is L-BFGS with a line search, for tables of up to some ten thousand
        rows. An epoch is one iteration on all training rows; it stops when ten of them
        gain next to nothing. `learning_rate` and `learning_rate_schedule` are ignored.
        The objective must not contain random numbers such as a corruption or dropout.

    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"weight_decay": 0.1}``.

    learning_rate : "auto" or float, default=0.001
        Largest learning rate of the schedule. "auto" is a rate that suits the
        optimizer for a network that is trained from scratch.

    learning_rate_schedule : str, default="one_cycle"
        How the learning rate changes during fine-tuning. "one_cycle" raises it in the
        first tenth of the steps and then lowers it to zero, "cosine" lowers it along a
        cosine, "reduce_on_plateau" divides it by 10 after 5 epochs without an
        improvement, and "constant" keeps it.

    batch_size : "auto" or int, default="auto"
        Largest number of rows in a step. "auto" is 64 for less than 5,000 labelled
        rows, 128 for less than 50,000, and 256 for more.

    max_epochs : "auto" or int, default="auto"
        Number of passes over the labelled rows in fine-tuning. "auto" is 100,000
        divided by their number, but at least 10 and at most 300. 0 is the same as
        ``freeze=True``.

    validation : "auto", float, splitter, list of pairs or None, default="auto"
        Which of the labelled rows are held out in fine-tuning. A float is their share,
        in (0, 1); "auto" is 0.1. The weights with the lowest loss on these rows are
        kept. If no epoch improves on the start, in the regressor by more than chance,
        the encoder is not changed and the head is trained again on all labelled rows.
        Small tables hold out 30 rows, but at most a third. None trains on all rows,
        which is advisable if there are few labels.

        Of a splitter, such as ``TimeSeriesSplit()`` or ``GroupKFold()`` with `groups`
        in `fit`, or of a list of pairs of arrays with indices of training and of
        held-out rows, the last split is used. Validation data can also be passed to
        `fit`, as `X_val` and `y_val`; this parameter must then be "auto". Pretraining
        holds out rows by the `validation` of the autoencoder.

    n_iter_no_change : int or None, default=None
        Number of epochs without an improvement after which training stops: of the loss
        on the held-out rows or, without any, of the training loss. None trains to the
        end of the schedule.

    tol : float, default=0.0001
        Smallest relative decrease of the lowest loss that counts as an improvement.

    device : str, default="cpu"
        Where to fine-tune and to predict: "cpu", "cuda", "cuda:1", "mps", or "auto"
        for a GPU if there is one. Pretraining uses the `device` of the autoencoder.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called with the skorch net during fine-tuning.

    random_state : int, RandomState instance or None, default=None
        Controls the validation split, shuffling and, if the `random_state` of the
        autoencoder is None, pretraining. Pass an int for reproducible results.
        Global generators do not change.

    verbose : int, default=0
        1 shows a progress bar with the losses, 2 or more prints them as a table, one
        line per epoch. A `PrintLog` or a `ProgressBar` in `callbacks` replaces both; a
        `PrintLog` prints even at 0.

    checkpoint : path, Checkpoint or None, default=None
        File in which `fit` saves its state once a minute. After a crash or an
        interrupt, the same `fit` on the same data goes on from there and ends with
        exactly the same result; the file is then removed. A file of other data,
        parameters or versions is an error. It works on a step of a pipeline; inside
        another estimator of this package with a `checkpoint` it is ignored. See
        `sklearn_ae.persistence.Checkpoint` for other intervals, and for searches.

    Attributes
    ----------
    autoencoder_ : autoencoder
        The pretrained autoencoder, as it was before fine-tuning.

    n_components_ : int
        Width of the code.

    module_ : torch.nn.Module
        The fine-tuned network in the units of the data, with the encoder as its method
        ``encode`` and the head as ``decode``.

    net_ : skorch.NeuralNet
        The skorch net that trained the network, in standardised units.

    history_ : dict of str to ndarray of shape (n_iter_,)
        One entry per epoch of fine-tuning: "epoch", "learning_rate", "train_loss",
        "valid_loss", and the terms of the losses, such as "train_prediction" and
        "train_l2". The history of pretraining is ``autoencoder_.history_``.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the held-out rows after each epoch; None without held-out rows.

    n_iter_ : int
        Number of epochs of fine-tuning.

    best_loss_ : float
        Loss of the weights that were kept, on the held-out rows. Without held-out
        rows, the last training loss; without fine-tuning, that of the head.

    device_ : str
        Device of the network.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, if all of them are strings.

    See Also
    --------
    AutoencoderClassifier : The same for classes, also with unlabelled rows.
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
    >>> from sklearn_ae import Autoencoder, AutoencoderRegressor
    >>> X, y = make_friedman1(400, noise=1.0, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> wide = Autoencoder(64, code_activation="silu", init="random", max_epochs=10)
    >>> regressor = AutoencoderRegressor(
    ...     wide, validation=None, max_epochs=60, random_state=0
    ... ).fit(X_train, y_train)
    >>> linear = Ridge().fit(X_train, y_train)
    >>> print(f"{linear.score(X_test, y_test):.2f}")
    0.67
    >>> print(f"{regressor.score(X_test, y_test):.2f}")
    0.8...
    """

    _loss: ClassVar[Loss] = SquaredError()
    # By default the start is a linear model, which may well be the best one.
    _needs_certain_gain: ClassVar[bool] = True
    _y_checks: ClassVar[dict] = {"multi_output": True, "y_numeric": True}

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        groups=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Pretrain, train the head, and fine-tune.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Sparse matrices are made dense a few batches at a time.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Target values.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, in all three steps; None means equal
            weights.

        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a splitter such as `GroupKFold` in `validation` or
            in the `validation` of the autoencoder.

        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation data for fine-tuning and, unless the autoencoder has its own
            `validation`, for pretraining. The network is trained on all rows of `X`.

        y_val : array-like of shape (n_val,) or (n_val, n_targets), default=None
            Target values of the rows of `X_val`; given if and only if `X_val` is.

        sample_weight_val : array-like of shape (n_val,), default=None
            Non-negative weights of the rows of `X_val`; None means equal weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if a loss becomes infinite or
            NaN. The estimator is left unchanged.

        KeyboardInterrupt
            If the fit is interrupted. During fine-tuning, the estimator is then fitted,
            with the best weights so far; before that, it is left unchanged.
        """
        return self._fit(
            X,
            y,
            sample_weight,
            groups=groups,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )

    def _labelled(self, X, y, weight, rows) -> Labelled:
        self._one_column = y.ndim == 1
        target = y.reshape(len(y), -1).astype(np.float64, copy=False)
        self._n_outputs = target.shape[1]
        check_range(target, rows, "y")
        return Labelled(X, target, weight, rows, None)

    def _labelled_like(self, labelled: Labelled, X, y, weight, rows) -> Labelled:
        target = check_array(y, ensure_2d=False, dtype="numeric", input_name="y_val")
        target = target.reshape(len(target), -1).astype(np.float64, copy=False)
        if target.shape[1] != self._n_outputs:
            raise ValueError(
                f"y_val has {target.shape[1]} columns, but y has {self._n_outputs}."
            )
        check_range(target, rows, "y_val")
        return Labelled(X, target, weight, rows, None)

    def _default_autoencoder(self, labelled: Labelled) -> BaseAutoencoder:
        # Not trained: the start keeps all that a linear model can use. On some tables
        # a code that was pretrained on the same rows gives worse predictions than PCA.
        return DenoisingAutoencoder(
            min(_CODES, len(labelled.rows), self.n_features_in_),
            corruption="masking",
            max_epochs=0,
            device=self.device,
            verbose=self.verbose,
        )

    def _target_affine(self, labelled: Labelled) -> Affine:
        return Affine(*mean_and_scale(labelled.target, labelled.rows, labelled.weight))

    def _fit_head(self, codes, labelled: Labelled, rows, weight):
        mean, scale = self._recipe.standardize_target
        target = (labelled.target[rows] - mean) / scale
        head = Ridge(alpha=self.head_penalty).fit(codes, target, sample_weight=weight)
        return np.atleast_2d(head.coef_), np.atleast_1d(head.intercept_)

    def predict(self, X) -> np.ndarray:
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
