"""Fits that choose start and regularisation by the losses of unseen rows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sklearn_ae.batched import train_together
from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.data.codes import code_moments
from sklearn_ae.training.conditioning import (
    Candidate,
    residual_scale,
    restore_code_scale,
    start_candidate,
)
from sklearn_ae.training.loop import Training, TrainingResult, is_certain_gain, train
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.pca_start import residual_variance
from sklearn_ae.training.settings import TrainingSettings

# Residuals are measured on so many rows.
_MEASURED_ROWS = 2**14


class Conditioned(NamedTuple):
    """A trained net, or one that stays PCA.

    Parameters
    ----------
    net : AutoencoderNet
    result : TrainingResult
    losses : ndarray of shape (n_candidates + 1,)
        Mean losses of unseen rows, of PCA and of the candidates; NaN where unknown.
    best : int
        Position in `losses` of what was chosen.
    """

    net: AutoencoderNet
    result: TrainingResult
    losses: np.ndarray
    best: int


class ConditionedFit:
    """Compares candidates with PCA on unseen rows, and trains the best one.

    Parameters
    ----------
    candidates : list of Candidate
    settings : TrainingSettings
    rows : ndarray of int
        All rows.
    learning_rate, weight_decay : float
    make_net : callable
        ``make_net(listens)`` returns a new net, with callbacks if it listens.
    dataset : callable
        ``dataset(rows)`` returns some rows as a dataset.
    start_as_pca : callable
        ``start_as_pca(net, dataset)`` makes the network of a net PCA of a dataset, and
        returns the standard deviations of the codes.
    has_listeners : bool
        Whether there are callbacks or a progress bar.
    """

    def __init__(
        self,
        candidates: list[Candidate],
        settings: TrainingSettings,
        rows: np.ndarray,
        *,
        learning_rate: float,
        weight_decay: float,
        make_net: Callable[[bool], AutoencoderNet],
        dataset: Callable[[np.ndarray], ArrayDataset],
        start_as_pca: Callable[[AutoencoderNet, ArrayDataset], np.ndarray],
        has_listeners: bool,
    ) -> None:
        self.candidates, self.settings, self.rows = candidates, settings, rows
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._make_net, self._dataset = make_net, dataset
        self._start_as_pca, self._has_listeners = start_as_pca, has_listeners

    def run(self) -> Conditioned:
        """Train; an interrupt by the user is part of the result."""
        splits = self.settings.splits(self.rows)
        train_rows, unseen = splits[0]
        self._net = self._make_net(True)
        train_set = self._dataset(train_rows)
        self._deviations = self._start_as_pca(self._net, train_set)
        some = train_set.thinned(_MEASURED_ROWS)
        self._scale = residual_scale(residual_variance(self._net.module_, some))
        has_few_rows = len(train_rows) < max(len(self._deviations), 2)
        if has_few_rows or self._deviations[0] == 0 or self.settings.max_epochs == 0:
            return self._pca(np.full(1 + len(self.candidates), np.nan))
        if len(unseen) == 0:
            return self._without_unseen_rows()
        return self._by_unseen_rows(splits)

    def _by_unseen_rows(
        self, splits: list[tuple[np.ndarray, np.ndarray]]
    ) -> Conditioned:
        trainings, pca = [], []
        for train_rows, unseen in splits:
            train_set, unseen_set = self._dataset(train_rows), self._dataset(unseen)
            reference, deviations = self._net, self._deviations
            if self.settings.n_folds > 0:
                reference = self._make_net(False)
                deviations = self._start_as_pca(reference, train_set)
            pca.append(reference.row_losses(unseen_set))
            for candidate in self.candidates:
                net = self._started(candidate, False, reference, deviations)
                trainings.append(self._training(net, train_set, unseen_set))
        interrupt: BaseException | None = None
        try:
            outcomes = train_together(trainings)
        except KeyboardInterrupt as error:
            outcomes, interrupt = [], error
        for outcome in outcomes:
            if isinstance(outcome, TrainingResult) and outcome.interrupt is not None:
                interrupt = outcome.interrupt
        pca_losses = np.concatenate(pca)
        means = np.full(1 + len(self.candidates), np.nan)
        means[0] = pca_losses.mean()
        if interrupt is not None:
            kept = self._pca(means)
            return kept._replace(result=kept.result._replace(interrupt=interrupt))
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        best, gains = 0, np.empty(0)
        for i in range(len(self.candidates)):
            own = slice(i, None, len(self.candidates))
            if any(isinstance(outcome, Exception) for outcome in outcomes[own]):
                continue
            losses = np.concatenate(
                [
                    training.net.row_losses(self._dataset(unseen))
                    for training, (_, unseen) in zip(
                        trainings[own], splits, strict=True
                    )
                ]
            )
            mean = losses.mean()
            if np.isfinite(mean) and (best == 0 or mean < means[best]):
                best, gains = i + 1, pca_losses - losses
            means[i + 1] = mean
        if best == 0:
            raise errors[0]
        chosen = self.candidates[best - 1]
        is_better = is_certain_gain(float(gains.mean()), gains)
        training, outcome = trainings[best - 1], outcomes[best - 1]
        assert isinstance(outcome, TrainingResult)
        # The last training is on all rows, and the one that callbacks hear of.
        if self._has_listeners or (is_better and self.settings.n_folds > 0):
            if self.settings.n_folds > 0:
                every_row = self._dataset(self.rows)
                self._deviations = self._start_as_pca(self._net, every_row)
                datasets = every_row, None
            else:
                datasets = training.train, training.valid
            net = self._started(chosen, True, self._net, self._deviations)
            training = self._training(net, *datasets)
            outcome = train(training)
        if not is_better:
            self._net.history = training.net.history
            kept = self._pca(means)
            return kept._replace(
                result=kept.result._replace(interrupt=outcome.interrupt)
            )
        return self._finished(training, chosen, outcome, means, best)

    def _without_unseen_rows(self) -> Conditioned:
        """Train the first candidate, and keep it if its training loss is lower."""
        train_set = self._dataset(self.rows)
        before = self._net.evaluate(train_set)["loss"]
        chosen = self.candidates[0]
        net = self._started(chosen, True, self._net, self._deviations)
        training = self._training(net, train_set, None)
        result = train(training)
        losses = np.full(1 + len(self.candidates), np.nan)
        if net.evaluate(train_set)["loss"] >= before:
            kept = self._pca(losses)
            return kept._replace(
                result=kept.result._replace(interrupt=result.interrupt)
            )
        return self._finished(training, chosen, result, losses, 1)

    def _started(
        self,
        candidate: Candidate,
        listens: bool,
        reference: AutoencoderNet,
        deviations: np.ndarray,
    ) -> AutoencoderNet:
        """A net at the start of a candidate; `reference` is PCA."""
        net = self._make_net(listens)
        if candidate.start == "pca":
            net.module_.load_state_dict(reference.module_.state_dict())
        start_candidate(
            net,
            candidate,
            deviations,
            self._scale,
            self._learning_rate,
            self._weight_decay,
        )
        return net

    def _training(
        self, net: AutoencoderNet, train_set: ArrayDataset, unseen: Any
    ) -> Training:
        has_folds = self.settings.n_folds > 0
        return Training(
            net,
            train_set,
            None if has_folds else unseen,
            self.settings,
            keeps_best=not has_folds and unseen is not None,
        )

    def _finished(
        self,
        training: Training,
        chosen: Candidate,
        result: TrainingResult,
        losses: np.ndarray,
        best: int,
    ) -> Conditioned:
        net = training.net
        net.input_noise = 0.0
        moments = code_moments(net.module_, training.train)
        restore_code_scale(net.module_, chosen, self._deviations, moments.covariance)
        loss = losses[best] if np.isfinite(losses[best]) else result.best_loss
        result = result._replace(has_changed=True, best_loss=float(loss))
        return Conditioned(net, result, losses, best)

    def _pca(self, losses: np.ndarray) -> Conditioned:
        """PCA of all rows."""
        every_row = self._dataset(self.rows)
        self._start_as_pca(self._net, every_row)
        loss = losses[0]
        if not np.isfinite(loss):
            loss = self._net.evaluate(every_row)["loss"]
        result = TrainingResult(False, float(loss), None)
        return Conditioned(self._net, result, losses, 0)
