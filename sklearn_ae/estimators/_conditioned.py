"""Fits that choose start and regularisation by the losses of unseen rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sklearn_ae.batched import train_together
from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.data.codes import code_moments
from sklearn_ae.estimators._evidence import Evidence, Fold, Trial, losses_by_row
from sklearn_ae.training.conditioning import (
    Candidate,
    residual_scale,
    restore_code_scale,
    start_candidate,
)
from sklearn_ae.training.loop import (
    EpochObserver,
    Training,
    TrainingResult,
    is_certain_gain,
    is_likely_gain,
    overflow_of_unseen,
    train,
)
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.pca_start import residual_variance
from sklearn_ae.training.settings import TrainingSettings

# Residuals are measured on so many rows.
_MEASURED_ROWS = 2**14

# Networks have nothing to learn where PCA leaves a smaller share of the variance of its
# rows: less than the floor of `residual_scale`, and more than rounding errors in single
# precision.
_EXACT = 1e-10


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
    net : AutoencoderNet
        A new net, which becomes PCA.
    rounds : list of lists of Candidate
        Those of a later round are tried unless the gain over PCA is certain already.
    settings : TrainingSettings
    rows : ndarray of int
        All rows.
    splits : list of (ndarray of int, ArrayDataset or None)
        Rows to train on and unseen rows, one pair for each fold.
    n_components : int
        Width of the code.
    learning_rate, weight_decay : float
    make_net : callable
        ``make_net(listens, settings)`` returns a new net, with callbacks if it listens;
        `settings` are None for the usual ones.
    dataset : callable
        ``dataset(rows)`` returns some rows as a dataset.
    start_as_pca : callable
        ``start_as_pca(net, dataset)`` makes the network of a net PCA of a dataset, and
        returns the standard deviations of the codes.
    has_mirror_images : bool
        Whether targets are numbers, of which there are mirror images.
    has_listeners : bool
        Whether there are callbacks or a progress bar.
    observer : callable
        ``observer(net)`` returns what is told of the epochs of the last training.
    """

    def __init__(
        self,
        net: AutoencoderNet,
        rounds: list[list[Candidate]],
        settings: TrainingSettings,
        rows: np.ndarray,
        splits: list[tuple[np.ndarray, ArrayDataset | None]],
        *,
        n_components: int,
        learning_rate: float,
        weight_decay: float,
        make_net: Callable[[bool, TrainingSettings | None], AutoencoderNet],
        dataset: Callable[[np.ndarray], ArrayDataset],
        start_as_pca: Callable[[AutoencoderNet, ArrayDataset], np.ndarray],
        has_mirror_images: bool,
        has_listeners: bool,
        observer: Callable[[AutoencoderNet], EpochObserver | None],
    ) -> None:
        self._net, self._n_components = net, n_components
        self.rounds, self.settings, self.rows = rounds, settings, rows
        self.splits = splits
        self.candidates = [one for candidates in rounds for one in candidates]
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._make_net, self._dataset = make_net, dataset
        self._start_as_pca, self._has_listeners = start_as_pca, has_listeners
        self._has_mirror_images = has_mirror_images
        self._observer = observer

    def run(self) -> Conditioned:
        """Train; an interrupt by the user is part of the result."""
        # The folds of a `TimeSeriesSplit` have different sizes.
        train_rows, unseen = max(self.splits, key=lambda split: len(split[0]))
        unknown = np.full(1 + len(self.candidates), np.nan)
        # Fewer rows than axes have no PCA.
        has_few_rows = len(train_rows) < max(self._n_components, 2)
        if has_few_rows or self.settings.max_epochs == 0:
            return self._pca(unknown)
        train_set = self._dataset(train_rows)
        self._deviations = self._start_as_pca(self._net, train_set)
        some = train_set.thinned(_MEASURED_ROWS)
        residual = residual_variance(self._net.module_, some)
        self._scale = residual_scale(residual)
        if self._deviations[0] == 0:
            return self._pca(unknown)
        is_exact = residual < _EXACT and self._net.corruption is None
        if unseen is not None:
            return self._by_unseen_rows([] if is_exact else self.rounds)
        return self._pca(unknown) if is_exact else self._without_unseen_rows()

    def _by_unseen_rows(self, rounds: list[list[Candidate]]) -> Conditioned:
        folds = [self._fold(*split) for split in self.splits]
        # Equal rows, for instance the first ones of a time series, have no axes.
        folds = [fold for fold in folds if fold.deviations[0] > 0]
        sees_all = len(folds[0].train) == len(self.rows)
        means = np.full(1 + len(self.candidates), np.nan)
        best: Trial | None = None
        best_gains, is_better, interrupt = np.zeros(1), False, None
        errors: list[Exception] = []
        try:
            evidence = Evidence(
                folds,
                None if sees_all else self._pca_of_all_rows,
                has_mirror_images=self._has_mirror_images,
            )
            means[0] = evidence.losses.mean()
            if not np.isfinite(means[0]):
                raise overflow_of_unseen(means[0])
            for candidates in rounds:
                trials = self._trials(candidates, folds, errors)
                for trial in trials:
                    means[1 + self.candidates.index(trial.candidate)] = trial.mean_loss
                if not trials:
                    continue
                row_gains = [evidence.gains(trial) for trial in trials]
                i = int(np.argmax([gains.mean() for gains in row_gains]))
                is_gain = self._is_gain(row_gains[i])
                # A likely gain counts more than a larger one that a few rows explain.
                order = is_better, best_gains.mean()
                if best is None or (is_gain, row_gains[i].mean()) > order:
                    best, best_gains, is_better = trials[i], row_gains[i], is_gain
                if is_certain_gain(float(best_gains.mean()), best_gains):
                    break
        except KeyboardInterrupt as error:
            interrupt = error
        if best is None and errors and interrupt is None:
            raise errors[0]
        if best is None or (interrupt is not None and not is_better):
            return self._pca(means, interrupt)
        if interrupt is not None:
            return self._interrupted(best, folds, means, interrupt)
        return self._last(best, folds, means, is_better)

    def _interrupted(
        self,
        best: Trial,
        folds: list[Fold],
        means: np.ndarray,
        interrupt: BaseException,
    ) -> Conditioned:
        """The best so far, with the weights of the training that fits all rows best."""
        training = self._best_training(best, folds, self._dataset(self.rows))
        result = best.results[0]._replace(interrupt=interrupt)
        position = 1 + self.candidates.index(best.candidate)
        return self._finished(training, best.candidate, result, means, position)

    def _best_training(
        self, best: Trial, folds: list[Fold], rows: ArrayDataset
    ) -> Training:
        """Of the trainings of a candidate on the folds, that of the lowest loss."""
        losses = [one.net.evaluate(rows)["loss"] for one in best.trainings]
        i = int(np.argmin(losses))
        self._deviations = folds[i].deviations
        return best.trainings[i]

    def _pca_of_all_rows(self) -> AutoencoderNet:
        net = self._make_net(False, None)
        self._start_as_pca(net, self._dataset(self.rows))
        return net

    def _is_gain(self, row_gains: np.ndarray) -> bool:
        if self.settings.n_folds > 0:
            return is_likely_gain(row_gains)
        # The rows have chosen the epoch as well.
        return is_certain_gain(float(row_gains.mean()), row_gains)

    def _fold(self, train_rows: np.ndarray, unseen: ArrayDataset | None) -> Fold:
        train_set = self._dataset(train_rows)
        reference, deviations = self._net, self._deviations
        if self.settings.n_folds > 0:
            reference = self._make_net(False, None)
            deviations = self._start_as_pca(reference, train_set)
        return Fold(train_set, unseen, reference, deviations)

    def _trials(
        self,
        candidates: list[Candidate],
        folds: list[Fold],
        errors: list[Exception],
    ) -> list[Trial]:
        """Train candidates on all folds; those that fail add to the errors."""
        trainings = [
            self._training(candidate, fold, listens=False)
            for candidate in candidates
            for fold in folds
        ]
        outcomes = train_together(trainings)
        trials = []
        for i, candidate in enumerate(candidates):
            own = slice(i * len(folds), (i + 1) * len(folds))
            results = []
            for outcome in outcomes[own]:
                if isinstance(outcome, Exception):
                    errors.append(outcome)
                    continue
                results.append(outcome)
            if len(results) < len(folds):
                continue
            losses = losses_by_row([one.net for one in trainings[own]], folds)
            if np.isfinite(losses).all():
                trials.append(Trial(candidate, trainings[own], results, losses))
            else:
                errors.append(overflow_of_unseen(losses[~np.isfinite(losses)][0]))
        return trials

    def _last(
        self,
        best: Trial,
        folds: list[Fold],
        means: np.ndarray,
        is_better: bool,
    ) -> Conditioned:
        """The last training: on all rows, and the one that callbacks hear of."""
        has_folds = self.settings.n_folds > 0
        training, result = best.trainings[0], best.results[0]
        position = 1 + self.candidates.index(best.candidate)
        if self._has_listeners or (is_better and has_folds):
            fold = folds[0]
            if has_folds:
                every_row = self._dataset(self.rows)
                self._deviations = self._start_as_pca(self._net, every_row)
                fold = Fold(every_row, None, self._net, self._deviations)
            training = self._training(best.candidate, fold, listens=True)
            result = train(training)
        if not is_better:
            self._net.history = training.net.history
            return self._pca(means, result.interrupt)
        if training is not best.trainings[0]:
            history = training.net.history
            rows = training.train if training.valid is None else training.valid
            before, after = (
                net.evaluate(rows)["loss"] for net in (self._net, training.net)
            )
            if before - after < 0.5 * (means[0] - means[position]):
                # Ended early, or stuck where the networks of the folds were not.
                training = self._best_training(best, folds, rows)
                training.net.history = history
            if training.valid is not None:
                means[position] = training.net.evaluate(rows)["loss"]
        return self._finished(training, best.candidate, result, means, position)

    def _without_unseen_rows(self) -> Conditioned:
        """Train the first candidate, and keep it if its training loss is lower."""
        train_set = self._dataset(self.rows)
        before = self._net.evaluate(train_set)["loss"]
        fold = Fold(train_set, None, self._net, self._deviations)
        training = self._training(self.candidates[0], fold, listens=True)
        net = training.net
        result = train(training)
        losses = np.full(1 + len(self.candidates), np.nan)
        if net.evaluate(train_set)["loss"] >= before:
            self._net.history = net.history
            return self._pca(losses, result.interrupt)
        return self._finished(training, self.candidates[0], result, losses, 1)

    def _training(self, candidate: Candidate, fold: Fold, *, listens: bool) -> Training:
        """A candidate at its start, with callbacks if it listens."""
        settings = self.settings
        if candidate.is_lbfgs:
            settings = settings.of_few_iterations(len(self.rows))
        net = self._make_net(listens, settings)
        if candidate.start == "pca":
            net.module_.load_state_dict(fold.reference.module_.state_dict())
        if not candidate.is_lbfgs:
            start_candidate(
                net,
                candidate,
                fold.deviations,
                self._scale,
                self._learning_rate,
                self._weight_decay,
            )
        valid = None if self.settings.n_folds > 0 else fold.unseen
        return Training(
            net,
            fold.train,
            valid,
            settings,
            keeps_best=valid is not None,
            observer=self._observer(net) if listens else None,
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
        if chosen.is_lbfgs:
            # A net with the optimizer of the estimator, for trainings that go on.
            self._net.module_.load_state_dict(net.module_.state_dict())
            self._net.history = net.history
            net = self._net
        else:
            moments = code_moments(net.module_, training.train)
            deviations = self._deviations
            restore_code_scale(net.module_, chosen, deviations, moments.covariance)
        loss = losses[best] if np.isfinite(losses[best]) else result.best_loss
        result = result._replace(has_changed=True, best_loss=float(loss))
        return Conditioned(net, result, losses, best)

    def _pca(
        self, losses: np.ndarray, interrupt: BaseException | None = None
    ) -> Conditioned:
        """PCA of all rows."""
        every_row = self._dataset(self.rows)
        self._start_as_pca(self._net, every_row)
        loss = losses[0]
        if not np.isfinite(loss):
            loss = self._net.evaluate(every_row)["loss"]
        result = TrainingResult(False, float(loss), interrupt)
        return Conditioned(self._net, result, losses, 0)
