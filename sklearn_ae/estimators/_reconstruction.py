"""Methods of fitted autoencoders: reconstructions, errors, scores."""

from collections.abc import Iterator
from operator import call

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.autograd.functional import jvp

from sklearn_ae._failures import OUT_OF_MEMORY
from sklearn_ae.data.inference import module_outputs
from sklearn_ae.data.tables import dense_rows, mean_and_squares
from sklearn_ae.estimators._trained_net import TrainedNetMixin
from sklearn_ae.estimators._validation import (
    check_range,
    check_table,
    root_mean_square,
    rows_with_weight,
    validate_target,
    validate_weight,
    warn_of_other_units,
    warn_of_target_as_y,
)


def sum_of_observed(squares: np.ndarray) -> np.ndarray:
    """Of each row, without missing entries, which are NaN."""
    return np.where(np.isnan(squares), 0.0, squares).sum(axis=1)


def mean_of_observed(squares: np.ndarray) -> np.ndarray:
    """Of each row, without missing entries, which are NaN; 0 if all are."""
    n_observed = np.maximum(1, (~np.isnan(squares)).sum(axis=1))
    return sum_of_observed(squares) / n_observed


def _decode(module, z):
    return module.decode(z)


class ReconstructionMixin(TrainedNetMixin):
    """Methods of estimators whose fitted `module_` reconstructs its input.

    In addition to the attributes for `TrainedNetMixin`, it needs the number of outputs,
    `_n_outputs`, the root mean square of the targets of `fit`, `_target_rms`, and the
    moments of the codes in units of the network, `_code_moments`.
    """

    @property
    def components_(self) -> np.ndarray:
        """The transposed Jacobian of the decoder at the mean of the training codes."""
        check_is_fitted(self)
        _, mean, *_ = self._code_moments
        mean = torch.from_numpy(mean * self.net_.units_.code_scale)

        def decode_along(module, directions):
            # Every row has the same code, and a direction of its own.
            codes = mean.to(directions).repeat(len(directions), 1)
            # Strict, or else a step without a second derivative would count as 0.
            _, change = jvp(module.decode, codes, directions, strict=True)
            return change

        try:
            return self._infer(
                np.eye(self.n_components_),
                decode_along,
                self._n_outputs,
                width=self._n_outputs,
                doubles=True,
            )
        except OUT_OF_MEMORY:
            raise
        except RuntimeError as error:
            # An AttributeError, so that notebooks show the estimator without it.
            raise AttributeError(
                f"{type(self).__name__} has no components_, since torch cannot "
                f"differentiate the decoder twice: {error}"
            ) from error

    def inverse_transform(self, X) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_outputs)
            The reconstructions, in the precision of the codes. `n_outputs` is the
            number of columns of `X_target` in `fit`, or else `n_features`. It is an
            array whatever `set_output` says, as in scikit-learn.
        """
        check_is_fitted(self)
        X = check_table(X, "X", accept_sparse=False)
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} decodes codes "
                f"of n_components_={self.n_components_} columns."
            )
        return self._infer(X, _decode, self._n_outputs)

    def reconstruct(self, X) -> np.ndarray:
        """Encode and decode `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to reconstruct.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_outputs)
            The same as ``inverse_transform(transform(X))``, as an array.
        """
        X = self._validate_inference_data(X)
        return self._infer(X, call, self._n_outputs)

    def reconstruction_error(self, X, per_feature=False) -> np.ndarray:
        """Compute the squared difference between `X` and its reconstruction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to reconstruct.

        per_feature : bool, default=False
            Return the error of each entry of `X` instead of their mean.

        Returns
        -------
        error : ndarray of shape (n_samples,) or (n_samples, n_features)
            ``mean_j (x_ij - xhat_ij)^2`` of each row or, with `per_feature`,
            ``(x_ij - xhat_ij)^2`` of each entry, in squared units of `X`. Computed in
            double precision. With gaps, the mean is over the observed entries of the
            row, and 0 if there are none; the error of a missing entry is NaN.
        """
        X = self._validate_inference_data(X)
        shape = X.shape if per_feature else X.shape[:1]
        error = np.empty(shape)
        for where, squares in self._square_errors(X, X):
            error[where] = squares if per_feature else mean_of_observed(squares)
        return error

    def score_samples(self, X) -> np.ndarray:
        """Compute minus the reconstruction error: the higher, the more usual a row is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``-reconstruction_error(X)``.
        """
        return -self.reconstruction_error(X)

    def score(self, X, y=None, *, X_target=None, sample_weight=None) -> float:
        """Compute the share of the variance of `X` that its reconstruction explains.

        It is comparable to ``PCA(...).fit(X).explained_variance_ratio_.sum()``. Model
        selection therefore needs neither `y` nor `scoring`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to reconstruct.

        y : Ignored
            Not used, present for API consistency by convention.

        X_target : {array-like, sparse matrix} of shape (n_samples, n_outputs), \
default=None
            What the reconstructions are compared with, one row per row of `X`, for
            instance the clean version of a corrupted row. None means `X` itself.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None means equal weights.

        Returns
        -------
        score : float
            ``1 - sum_i w_i ||t_i - xhat_i||^2 / sum_i w_i ||t_i - mean(t)||^2``, where
            ``t`` is the target and ``w`` the weights, which are 1 by default. It is 1
            for exact reconstructions and 0 for the mean, and there is no lower bound.
            Sums and means are over observed entries, if the target has gaps.
            For constant targets it is 1 if the reconstruction is exact, else 0.
            Computed in double precision.
        """
        X = self._validate_inference_data(X)
        warn_of_target_as_y(self, X, y, X_target, stacklevel=2)
        target = X
        if X_target is not None:
            target = validate_target(X_target, X, estimator=self)
        if X.shape[0] == 0:  # which ranks may pass to other methods
            raise ValueError("X has no rows, and there is no score without any.")
        weight = validate_weight(sample_weight, X)
        weight, rows = rows_with_weight(weight, X, min_rows=1)
        if X_target is None:
            check_range(X, rows, "X", getattr(self, "feature_names_in_", None))
        else:
            check_range(target, rows, "X_target")
        weight = np.ones(X.shape[0]) if weight is None else weight / weight[rows].mean()
        errors = self._square_errors(X, target)
        error = sum(
            float(weight[where] @ sum_of_observed(squares)) for where, squares in errors
        )
        mean, total = mean_and_squares(target, rows, weight)
        if X_target is not None:
            scale = float(np.sqrt(total / (len(rows) * target.shape[1])))
            rms, name = root_mean_square(mean, scale), "the target of fit"
            warn_of_other_units(rms, self._target_rms, name, stacklevel=2)
        if total == 0:
            return 1.0 if error == 0 else 0.0
        return 1.0 - error / total

    def _check_comparable(self, target) -> None:
        if self._n_outputs != target.shape[1]:
            raise ValueError(
                f"The outputs have {self._n_outputs} columns and the rows that they "
                f"are compared with have {target.shape[1]}. Pass an X_target of "
                f"{self._n_outputs} columns to score, or compare reconstruct(X) with "
                "the targets."
            )

    def _square_errors(self, X, target) -> Iterator[tuple[slice, np.ndarray]]:
        """Squared errors of blocks of rows, in double precision."""
        self._check_comparable(target)
        outputs = module_outputs(self.module_, call, X, self.device_, doubles=True)
        for where, block, reconstruction in outputs:
            wanted = block if target is X else dense_rows(target, where)
            # Squares of more than 1e308 are infinite.
            with np.errstate(over="ignore"):
                squares = np.square(wanted - reconstruction, dtype=np.float64)
            yield where, squares
