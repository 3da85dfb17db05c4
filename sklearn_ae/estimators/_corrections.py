"""Networks that correct the guesses of a Gaussian at missing entries."""

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from sklearn_ae.batched.fits import run_together
from sklearn_ae.data.gaps import LARGEST_RANK, Gaussian, completed
from sklearn_ae.estimators._denoising import DenoisingAutoencoder
from sklearn_ae.networks.correcting import CorrectingNetwork
from sklearn_ae.objectives.corruptions import MaskingNoise
from sklearn_ae.training.loop import is_certain_gain

# Share of the observed entries that is hidden, for training and to judge the networks.
HIDDEN_SHARE = 0.2

# Chosen on tables and draws that are in no benchmark. More units gain little, half the
# steps lose about 2 %. Telling the network which entries were missing makes it worse.
N_UNITS, LEARNING_RATE, BATCH_SIZE, N_STEPS = 128, 5e-3, 128, 1_500

# Every row of a fold is judged with so many drawings of hidden entries.
_N_DRAWINGS = 4

# Fewer rows teach a network nothing that a Gaussian does not know.
_FEWEST_ROWS = 20


@dataclass(kw_only=True, eq=False, repr=False)
class HiddenEntriesAutoencoder(DenoisingAutoencoder):
    """Predicts entries that it does not see, and nothing else.

    Its inputs are completed by a Gaussian, and it starts as the identity: with the
    guesses of the Gaussian.
    """

    _most_factors: ClassVar[int] = LARGEST_RANK
    _predicts_hidden: ClassVar[bool] = True


def fit_corrections(
    X: np.ndarray, n_networks: int, device: str, random_state: np.random.RandomState
) -> list[HiddenEntriesAutoencoder]:
    """Networks, each trained without another fold of the rows; none for tiny tables.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Standardised, with NaN for missing entries.
    n_networks : int
        How many, one for each fold; there are no more than rows.
    device : str
    random_state : RandomState

    Returns
    -------
    networks : list of HiddenEntriesAutoencoder
    """
    n_rows, n_features = X.shape
    if n_networks == 0 or n_features < 2 or n_rows < _FEWEST_ROWS:
        return []
    steps_per_epoch = -(-n_rows // BATCH_SIZE)
    networks = [
        HiddenEntriesAutoencoder(
            n_components=n_features + N_UNITS,
            network=CorrectingNetwork,
            corruption=MaskingNoise(HIDDEN_SHARE, value=np.nan),
            missing_values=np.nan,
            optimizer_params={"weight_decay": 0.1},
            learning_rate=LEARNING_RATE,
            batch_size=BATCH_SIZE,
            max_epochs=max(10, -(-N_STEPS // steps_per_epoch)),
            validation=[split],
            device=device,
            random_state=random_state.randint(np.iinfo(np.int32).max),
        )
        for split in _folds(n_rows, n_networks, random_state)
    ]
    with warnings.catch_warnings():
        # Networks that learn nothing are found out by `share_of_corrections`.
        warnings.simplefilter("ignore", ConvergenceWarning)
        run_together([partial(network.fit, X) for network in networks], n_jobs=1)
    return networks


def _folds(
    n_rows: int, n_folds: int, random_state: np.random.RandomState
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and unseen ones, which are no more than a quarter."""
    n_splits = min(max(n_folds, 4), n_rows)
    folds = KFold(n_splits, shuffle=True, random_state=random_state)
    return list(folds.split(np.empty(n_rows)))[:n_folds]


def predicted(networks: list[Any], X: np.ndarray) -> np.ndarray:
    """The mean of what networks predict for rows with gaps."""
    return np.mean([network.reconstruct(X) for network in networks], axis=0)


def share_of_corrections(
    networks: list[HiddenEntriesAutoencoder],
    X: np.ndarray,
    gaussian: Gaussian,
    random_state: np.random.RandomState,
) -> float:
    """How much of the corrections to believe, by entries hidden in unseen rows.

    With the guess g of the Gaussian and the prediction q of a network, it is the share
    s in [0, 1] for which ``g + s (q - g)`` has the least squared error; 0 unless that
    is a certain gain over g.
    """
    products = squares = 0.0
    rows = []
    for network in networks:
        ((_, unseen),) = network.validation
        for _ in range(_N_DRAWINGS):
            known = ~np.isnan(X[unseen])
            hidden = known & (random_state.uniform(size=known.shape) < HIDDEN_SHARE)
            shown = np.where(hidden, np.nan, X[unseen])
            guess = completed(shown, np.arange(len(shown)), gaussian)
            missed = np.where(hidden, X[unseen] - guess, 0.0)
            correction = np.where(hidden, network.reconstruct(shown) - guess, 0.0)
            products += float((missed * correction).sum())
            squares += float(np.square(correction).sum())
            rows.append((unseen, missed, correction))
    share = float(np.clip(products / squares, 0.0, 1.0)) if squares > 0 else 0.0
    gains = np.zeros(len(X))
    for unseen, missed, correction in rows:
        after = missed - share * correction
        gains[unseen] += (np.square(missed) - np.square(after)).sum(axis=1)
    gains = gains[np.unique(np.concatenate([unseen for unseen, _, _ in rows]))]
    return share if is_certain_gain(float(gains.mean()), gains) else 0.0
