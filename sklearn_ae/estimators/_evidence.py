"""What unseen rows say about a candidate and PCA."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.data.tables import square_distances
from sklearn_ae.training.conditioning import Candidate
from sklearn_ae.training.loop import Training, TrainingResult
from sklearn_ae.training.net import AutoencoderNet

# A row counts with its loss in PCA of all rows if PCA of others has so many times the
# mean loss on it.
_POOR = 15.0

# A row counts half as its mirror image if its squared distance from the mean is so many
# times that of the mean row.
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
    about the mean, while a network has seen one side only. Of 120 tables with two to
    nine outlying rows, 16 had networks that were up to three times worse than PCA on
    other rows. With these two rules it was one, 1.25 times worse.

    Parameters
    ----------
    folds : sequence of Fold
    pca_of_all_rows : callable
        Returns that net, where it is needed.

    Attributes
    ----------
    losses : ndarray
        The losses of PCA.
    """

    def __init__(
        self, folds: Sequence[Fold], pca_of_all_rows: Callable[[], AutoencoderNet]
    ) -> None:
        self._folds = folds
        self.losses = losses_by_row([fold.reference for fold in folds], folds)
        self._to_beat = self.losses
        is_poor = self.losses > _POOR * self.losses.mean()
        if is_poor.any():
            seen = losses_by_row([pca_of_all_rows()] * len(folds), folds)
            self._to_beat = np.where(
                is_poor, np.minimum(seen, self.losses), self.losses
            )
        distances = _by_row([_square_distances(fold) for fold in folds], folds)
        self._is_far_out = distances > _FAR_OUT * distances.mean()

    def gains(self, trial: Trial) -> np.ndarray:
        """The gains of a candidate over PCA, by row."""
        losses = trial.losses
        if self._is_far_out.any():
            nets = [one.net for one in trial.trainings]
            mirrored = [
                fold._replace(unseen=fold.unseen.mirrored()) for fold in self._folds
            ]
            both = (losses + losses_by_row(nets, mirrored)) / 2
            losses = np.where(self._is_far_out, both, losses)
        return self._to_beat - losses


def losses_by_row(nets: Sequence[AutoencoderNet], folds: Sequence[Fold]) -> np.ndarray:
    """The losses of the unseen rows, each by the net of its fold."""
    pairs = zip(nets, folds, strict=True)
    return _by_row([net.row_losses(fold.unseen) for net, fold in pairs], folds)


def _square_distances(fold: Fold) -> np.ndarray:
    unseen = fold.unseen
    return square_distances(unseen.X, unseen.rows, unseen.standardize.mean)


def _by_row(values: Sequence[np.ndarray], folds: Sequence[Fold]) -> np.ndarray:
    """Values of the unseen rows of all folds, one for each row.

    A row that is unseen in several folds counts once, with its mean: as evidence it is
    one row.
    """
    every = np.concatenate(values)
    rows = np.concatenate([fold.unseen.rows for fold in folds])
    _, row, counts = np.unique(rows, return_inverse=True, return_counts=True)
    if len(counts) == len(every):
        return every
    return np.bincount(row, every) / counts
