"""What unseen rows say about a candidate and PCA."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.data.tables import square_distances
from sklearn_ae.training.conditioning import Candidate
from sklearn_ae.training.loop import Training, TrainingResult
from sklearn_ae.training.net import AutoencoderNet

# A row counts with its loss in PCA of all rows where PCA of others has more than so
# many times the mean loss.
_POOR = 15.0

# A row counts half as its mirror image where its squared distance from the mean is more
# than so many times the mean one.
_FAR_OUT = 30.0


class Fold(NamedTuple):
    """Rows to train on, unseen rows, and PCA of the former."""

    train: ArrayDataset
    unseen: ArrayDataset | None
    reference: AutoencoderNet
    deviations: np.ndarray


class Trial(NamedTuple):
    """A candidate, its training on each fold, and the losses of all unseen rows."""

    candidate: Candidate
    trainings: list[Training]
    results: list[TrainingResult]
    losses: np.ndarray

    @property
    def mean_loss(self) -> float:
        return float(self.losses.mean())


class Evidence:
    """The losses of PCA on the unseen rows, and the gains of candidates over it.

    Few rows far out can make a network look better than it is, in two ways. PCA that
    has not seen such a row costs much there, but PCA of all rows may have an axis for
    it, and then for further rows of its kind; a network that does a little better on
    the unseen one need not. And PCA has the same loss on a row and on its mirror image
    about the mean, while a network has seen one side only. On made-up tables with a few
    outlying rows, the two rules below prevent three in four of the networks that are
    worse than PCA on other rows. Both compare a row with the mean of all, and do
    nothing on fewer rows than their thresholds.

    Parameters
    ----------
    folds : sequence of Fold
    pca_of_all_rows : callable or None
        Returns that net. None if PCA of each fold is that of all rows.
    has_mirror_images : bool
        Whether targets are numbers, of which there are mirror images.

    Attributes
    ----------
    losses : ndarray
        The losses of PCA.
    """

    def __init__(
        self,
        folds: Sequence[Fold],
        pca_of_all_rows: Callable[[], AutoencoderNet] | None,
        *,
        has_mirror_images: bool,
    ) -> None:
        self._folds, self._pca_of_all_rows = folds, pca_of_all_rows
        self._has_mirror_images = has_mirror_images
        self._pca = [fold.reference for fold in folds]
        self.losses = losses_by_row(self._pca, folds)

    def gains(self, trial: Trial) -> np.ndarray:
        """The gains of a candidate over PCA, by row."""
        nets = [training.net for training in trial.trainings]
        return self._to_beat - self._of_both_sides(nets, trial.losses)

    @cached_property
    def _to_beat(self) -> np.ndarray:
        losses = self._of_both_sides(self._pca, self.losses)
        if self._pca_of_all_rows is None:
            return losses
        unweighted = self._unweighted_losses()
        is_poor = unweighted > _POOR * unweighted.mean()
        if not is_poor.any():
            return losses
        seen = losses_by_row([self._pca_of_all_rows()] * len(self._folds), self._folds)
        return np.where(is_poor, np.minimum(seen, losses), losses)

    def _unweighted_losses(self) -> np.ndarray:
        """The losses of PCA, which are not larger for heavy rows."""
        if self._folds[0].unseen.weight is None:
            return self.losses
        alike = [
            fold._replace(unseen=replace(fold.unseen, weight=None))
            for fold in self._folds
        ]
        return losses_by_row(self._pca, alike)

    @cached_property
    def _is_far_out(self) -> np.ndarray:
        distances = [
            square_distances(unseen.X, unseen.rows, unseen.standardize.mean)
            for _, unseen, _, _ in self._folds
        ]
        by_row = _by_row(distances, self._folds)
        is_far_out = by_row > _FAR_OUT * by_row.mean()
        return is_far_out & self._has_mirror_images

    def _of_both_sides(
        self, nets: Sequence[AutoencoderNet], losses: np.ndarray
    ) -> np.ndarray:
        """Losses by row; a row far out has the mean with that of its mirror image."""
        if not self._is_far_out.any():
            return losses
        far_out = _rows(self._folds)[self._is_far_out]
        mirrored = []
        for net, fold in zip(nets, self._folds, strict=True):
            rows = np.intersect1d(fold.unseen.rows, far_out)
            if len(rows) > 0:
                unseen = replace(fold.unseen, rows=rows, is_mirrored=True)
                mirrored.append((net, fold._replace(unseen=unseen)))
        losses = losses.copy()
        losses[self._is_far_out] += losses_by_row(*zip(*mirrored, strict=True))
        losses[self._is_far_out] /= 2
        return losses


def losses_by_row(nets: Sequence[AutoencoderNet], folds: Sequence[Fold]) -> np.ndarray:
    """The losses of the unseen rows, each by the net of its fold."""
    pairs = zip(nets, folds, strict=True)
    return _by_row([net.row_losses(fold.unseen) for net, fold in pairs], folds)


def _rows(folds: Sequence[Fold]) -> np.ndarray:
    return np.unique(np.concatenate([fold.unseen.rows for fold in folds]))


def _by_row(values: Sequence[np.ndarray], folds: Sequence[Fold]) -> np.ndarray:
    """Values of the unseen rows of all folds, one for each row, in their order.

    A row that is unseen in several folds counts once, with its mean: as evidence it is
    one row.
    """
    rows = np.concatenate([fold.unseen.rows for fold in folds])
    _, row, counts = np.unique(rows, return_inverse=True, return_counts=True)
    return np.bincount(row, np.concatenate(values)) / counts
