"""What classifier and regressor share: pretrain, train the head, fine-tune."""

import copy
from abc import ABCMeta, abstractmethod
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._denoising import DenoisingAutoencoder
from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae.estimators._net_holder import NetHolder
from sklearn_ae.estimators._reconstruction import EncodingMixin
from sklearn_ae._sklearn_compat import Interval
from sklearn_ae.estimators._validation import (
    SHARED_CONSTRAINTS,
    TABLE,
    check_training_parameters,
    check_weight,
)
from sklearn_ae.networks._wrapper import around
from sklearn_ae.networks.headed import HeadedNetwork
from sklearn_ae.training import defaults
from sklearn_ae.data.batches import Affine
from sklearn_ae.training.devices import resolve_device
from sklearn_ae.data.inference import module_outputs
from sklearn_ae.data.moments import mean_and_scale
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.objectives.objective import PredictionObjective

_TRAINING = (
    "l2_penalty",
    "optimizer",
    "optimizer_params",
    "learning_rate",
    "learning_rate_schedule",
    "batch_size",
    "max_epochs",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "tol",
    "device",
    "callbacks",
    "random_state",
    "verbose",
)


@dataclass(frozen=True)
class Labelled:
    """The rows that have a label.

    Parameters
    ----------
    X, target : ndarray or CSR
        All rows; those of `target` that have no label are never looked at.
    given_weight : ndarray of shape (n,) or None
        As given, times the weights of the classes.
    rows : ndarray of int
        The rows with a label and a positive weight.
    strata : ndarray of int of shape (n,) or None
        What a split is to keep in proportion.
    """

    X: Any
    target: Any
    given_weight: np.ndarray | None
    rows: np.ndarray
    strata: np.ndarray | None

    @property
    def weight(self) -> np.ndarray | None:
        """The weights with mean one over `rows`."""
        given = self.given_weight
        if given is None:
            return None
        return given * (len(self.rows) / given[self.rows].sum())


@dataclass(kw_only=True, eq=False, repr=False)
class BaseSupervised(
    NetHolder, EncodingMixin, DocLinkMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of classifier and regressor: the three steps."""

    autoencoder: Any = field(default=None, kw_only=False)
    pretrain: bool = True
    freeze: bool = False
    head_penalty: float = 1.0
    l2_penalty: float = 0.0
    optimizer: str | type = "adamw"
    optimizer_params: dict[str, Any] | None = None
    learning_rate: float | str = 1e-3
    learning_rate_schedule: str = "one_cycle"
    batch_size: int | str = "auto"
    max_epochs: int | str = "auto"
    early_stopping: bool = True
    validation_fraction: float = 0.1
    n_iter_no_change: int | str = "auto"
    tol: float = 1e-4
    device: str = "cpu"
    callbacks: list | None = None
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        "autoencoder": [BaseAutoencoder, FrozenEstimator, None],
        "pretrain": ["boolean"],
        "freeze": ["boolean"],
        "head_penalty": [Interval(Real, 0, None, closed="left")],
        **{name: SHARED_CONSTRAINTS[name] for name in _TRAINING},
    }

    # -- what classifier and regressor say -----------------------------------------

    # One of `HEAD_LOSSES`.
    _loss: ClassVar[str]
    # What `validate_data` is told about `y`.
    _y_checks: ClassVar[dict]

    @abstractmethod
    def _labelled(self, X, y, weight, rows) -> Labelled:
        """Check `y`, and set what is known of its classes."""

    @abstractmethod
    def _target_affine(self, labelled: Labelled) -> Affine:
        """From the units of the targets to those of the network."""

    @abstractmethod
    def _fit_head(self, codes, labelled: Labelled, rows, weight):
        """Coefficients and intercepts, in the units of the network."""

    # -- fitting -------------------------------------------------------------------

    def _fit(self, X, y, sample_weight):
        with self._unchanged_on_error():
            table, y = validate_data(self, X, y, **TABLE, **self._y_checks)
            check_training_parameters(self)
            weight, rows = check_weight(sample_weight, table, min_rows=2)
            labelled = self._labelled(table, y, weight, rows)
            settings = self._training_settings(len(labelled.rows))
            self.autoencoder_ = self._pretrained(X, sample_weight, settings["seed"])
            net = self._begin(labelled, settings)
            interrupt = self._fine_tune(net, labelled)
            self._hold(net)
            # What the optimizer remembers is of no use any more.
            net.initialize_optimizer()
        if interrupt is not None:
            raise interrupt
        return self

    def _pretrained(self, X, sample_weight, seed: int) -> BaseAutoencoder:
        """Step 1: an autoencoder that is fitted, and nobody else's."""
        prototype = self.autoencoder
        if isinstance(prototype, FrozenEstimator):
            prototype = prototype.estimator
            if not (isinstance(prototype, BaseAutoencoder) and _is_fitted(prototype)):
                raise ValueError(
                    f"autoencoder={self.autoencoder!r} must hold an autoencoder "
                    "that is fitted."
                )
        if _is_fitted(prototype):
            autoencoder = copy.deepcopy(prototype)
            autoencoder._validate_inference_data(X)
            return autoencoder
        if prototype is None:
            prototype = self._default_autoencoder()
        autoencoder = clone(prototype)
        params = autoencoder.get_params(deep=False)
        if params["random_state"] is None:
            seed = np.random.SeedSequence(seed).generate_state(1)[0]
            autoencoder.set_params(random_state=int(seed))
        if not self.pretrain:
            untrained = {"max_epochs", "pretrain_epochs"} & params.keys()
            autoencoder.set_params(**dict.fromkeys(untrained, 0))
        return autoencoder.fit(X, sample_weight=sample_weight)

    def _default_autoencoder(self) -> BaseAutoencoder:
        return DenoisingAutoencoder(
            256,
            corruption="masking",
            code_activation="silu",
            init="random",
            device=self.device,
            verbose=self.verbose,
        )

    def _begin(self, labelled: Labelled, settings: dict[str, Any]) -> AutoencoderNet:
        """A net that starts with the encoder of the autoencoder."""
        self.device_ = resolve_device(self.device)
        self.n_components_ = self.autoencoder_.n_components_
        self._code_scale = self.autoencoder_.module_.code_scale
        recipe = self.autoencoder_._recipe
        params = around(recipe.module, recipe.module_params)
        self._recipe = replace(
            recipe,
            module=HeadedNetwork,
            module_params=params | {"n_outputs": labelled.target.shape[1]},
            standardize_target=self._target_affine(labelled),
            objective=PredictionObjective,
            loss=self._loss,
            penalties={"l2": ("l2", float(self.l2_penalty), {})},
            objective_params={},
            corruption=None,
            **settings,
        )
        net = self._make_net()
        net.module_.start_from(self.autoencoder_.net_.module_.state_dict())
        return net

    def _fine_tune(
        self, net: AutoencoderNet, labelled: Labelled
    ) -> KeyboardInterrupt | None:
        """Steps 2 and 3: the head on the codes, then both together."""
        rows = labelled.rows
        n_epochs = 0 if self.freeze else self._n_epochs(len(rows))
        held_out = self._held_out(labelled) if n_epochs > 0 else np.empty(0, int)
        kept = np.setdiff1d(rows, held_out)
        codes = self._codes(labelled)
        self._train_head(net, codes, labelled, kept)
        train = self._dataset(labelled, kept)
        valid = self._dataset(labelled, held_out) if len(held_out) else None
        interrupt = self._train(net, train, valid, n_epochs)
        if not net.moved_:
            # What was held out need not be any longer.
            self._train_head(net, codes, labelled, rows)
        return interrupt

    def _codes(self, labelled: Labelled) -> np.ndarray:
        """The pretrained codes of the labelled rows, in the units of the network."""
        autoencoder = self.autoencoder_
        blocks = module_outputs(
            autoencoder.module_,
            lambda module, x: module.encode(x),
            labelled.X[labelled.rows],
            autoencoder.device_,
        )
        codes = np.concatenate([codes for _, _, codes in blocks])
        return codes.astype(np.float64) / self._code_scale

    def _train_head(
        self,
        net: AutoencoderNet,
        codes: np.ndarray,
        labelled: Labelled,
        rows: np.ndarray,
    ) -> None:
        codes = codes[np.searchsorted(labelled.rows, rows)]
        weight = None if labelled.given_weight is None else labelled.given_weight[rows]
        # One scale for all codes: some of a wide code may hardly vary, and divided by
        # their own deviations they would be noise as large as the others.
        unit = None if weight is None else weight * (len(rows) / weight.sum())
        mean, scale = mean_and_scale(codes, np.arange(len(rows)), unit)
        head = self._fit_head((codes - mean) / scale, labelled, rows, weight)
        scales = np.full(len(mean), scale)
        net.module_.set_head(
            *(torch.from_numpy(part) for part in (*head, mean, scales))
        )

    def _held_out(self, labelled: Labelled) -> np.ndarray:
        """The labelled rows that early stopping looks at."""
        rows = labelled.rows
        if not self.early_stopping:
            return np.empty(0, int)
        n_valid = defaults.validation_size(len(rows), self.validation_fraction)
        rng = np.random.RandomState(self._recipe.seed)
        if labelled.strata is None:
            return rng.permutation(rows)[:n_valid]
        return rows[_stratified(labelled.strata[rows], n_valid, rng)]

    # -- predicting ----------------------------------------------------------------

    def _outputs(self, X) -> np.ndarray:
        X = self._validate_inference_data(X)
        return self._infer(X, lambda module, x: module(x), self._n_outputs)

    # -- conventions ---------------------------------------------------------------

    def __sklearn_clone__(self):
        """An unfitted copy, whose autoencoder is fitted where this one's is."""
        cloned = super().__sklearn_clone__()
        if _is_fitted(self.autoencoder):
            cloned.autoencoder = copy.deepcopy(self.autoencoder)
        return cloned

    def set_params(self, **params):
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Estimator parameters; ``autoencoder__<name>`` reaches those of an
            autoencoder that is not fitted.

        Returns
        -------
        self : object
            The estimator itself.

        Raises
        ------
        ValueError
            For a parameter of an autoencoder that is fitted, and would not follow.
        """
        prototype = params.get("autoencoder", self.autoencoder)
        if _is_fitted(prototype):
            current = prototype.get_params()
            for key, value in params.items():
                name = key.removeprefix("autoencoder__")
                if name == key or name not in current:
                    continue
                if value is not current[name] and value != current[name]:
                    raise ValueError(
                        f"{key}={value!r} cannot be set: the autoencoder is fitted "
                        f"already, with {name}={current[name]!r}, and is used as it "
                        "is. Pass an unfitted one, for instance sklearn.base.clone "
                        "of it."
                    )
        return super().set_params(**params)


def _is_fitted(autoencoder: Any) -> bool:
    if not isinstance(autoencoder, BaseAutoencoder):
        return False
    try:
        check_is_fitted(autoencoder)
    except NotFittedError:
        return False
    return True


def _stratified(
    strata: np.ndarray, n_chosen: int, rng: np.random.RandomState
) -> np.ndarray:
    """At most `n_chosen` positions, of each stratum its share but never all of it."""
    place = np.empty(len(strata))
    strata_names, counts = np.unique(strata, return_counts=True)
    for stratum, count in zip(strata_names, counts, strict=True):
        where = rng.permutation(np.flatnonzero(strata == stratum))
        place[where] = (np.arange(count) + rng.uniform()) / count
        place[where[-1]] = np.inf
    order = np.argsort(place, kind="stable")
    return order[: min(n_chosen, len(strata) - len(counts))]
