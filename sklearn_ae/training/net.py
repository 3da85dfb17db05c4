"""The skorch net: a network and its objective, trained without work for every row."""

from collections.abc import Callable
from functools import partial, reduce
from operator import add, call
from typing import Any

import numpy as np
import skorch
import torch
from scipy import sparse
from sklearn.utils import check_array
from skorch.callbacks import Callback
from skorch.exceptions import SkorchException
from torch import Tensor

from sklearn_ae._ambient import default_modes
from sklearn_ae._units import Affine, Units
from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch
from sklearn_ae.data.inference import module_outputs
from sklearn_ae.data.shards import (
    ShardBatch,
    by_row_of_all_ranks,
    rows_in,
    total_of_batches,
)
from sklearn_ae.data.tables import TABLE_CHECKS, as_array, rows_per_block
from sklearn_ae.networks._layered import SeededDropout
from sklearn_ae.networks.completing import CompletingNetwork, Gaps
from sklearn_ae.networks.contract import offers
from sklearn_ae.networks.standardized import Standardized
from sklearn_ae.objectives._part import Part
from sklearn_ae.objectives.corruptions import corrupt_standardized, masking
from sklearn_ae.training.eager_optimizers import LBFGS
from sklearn_ae.training.interrupts import CallbackStop
from sklearn_ae.training.progress import audible, progress_callbacks
from sklearn_ae.training.seeding import (
    isolated_global_generator,
    seed_of_rank,
    spawn_generators,
)

# Validation keeps no gradients, so that larger batches pay off.
VALIDATION_BATCH_SIZE = 1024


class AutoencoderNet(skorch.NeuralNet):
    """A `skorch.NeuralNet` for networks with ``encode`` and ``decode``.

    It works in units of the network: arrays that it is given are standardised, and its
    module sees standardised batches. All of skorch's methods and callbacks work.
    `predict` returns outputs in units of the network, `reconstruct` in units of the
    data. Beyond skorch's own parameters it takes these:

    Parameters
    ----------
    standardize, standardize_target : Affine
        From units of the data to units of the network, for input and target.

    corruption : callable or None
        Applied to the inputs, but not to the targets, of every batch, in units of the
        data.

    input_noise : float
        Standard deviation of Gaussian noise that is added to the inputs in training, in
        units of the network. Unlike a corruption, it is not part of the objective.

    gaps : Gaps or None
        How missing entries, which are NaN, are dealt with; None if there are none.

    seed : int
        Determines the weights, the order of the rows and the noise.

    Attributes
    ----------
    units_ : Units
        Conversion from the units of the module to those of the data.
    """

    callbacks: Any
    verbose: int

    def __init__(
        self,
        module: Any,
        criterion: Any,
        *,
        standardize: Affine,
        standardize_target: Affine,
        corruption: Callable[..., Tensor] | None = None,
        input_noise: float = 0.0,
        gaps: Gaps | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        self.standardize = standardize
        self.standardize_target = standardize_target
        self.corruption = corruption
        self.input_noise = input_noise
        self.gaps = gaps
        self.seed = seed
        kwargs.setdefault("train_split", None)
        kwargs["verbose"] = audible(kwargs.get("verbose", 0), kwargs.get("callbacks"))
        super().__init__(module, criterion, **kwargs)

    # -- what skorch asks for ------------------------------------------------------

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return progress_callbacks(self.verbose, self.callbacks)

    def initialize(self) -> "AutoencoderNet":
        device = torch.device(self.device)
        self.generators_ = spawn_generators(self.seed, device)
        self.noise_ = self.generators_["noise"]
        # In a list, since skorch trains every module that it holds by name.
        self._kept: list[Standardized] = []
        with isolated_global_generator(self.generators_["global"], device):
            super().initialize()
        parts = [self.criterion_.loss, *self.criterion_.penalties.values()]
        if self.corruption is not None:
            parts.append(self.corruption)
        self.needs_isolation_ = not (
            offers(self.module_).uses_own_generator
            and all(isinstance(p, Part) and p.uses_own_generator for p in parts)
        )
        return self

    def initialize_module(self) -> "AutoencoderNet":
        params = self.get_params_for("module")
        # By position, since user-defined networks may name their two widths freely.
        widths = params.pop("n_features"), params.pop("n_components")
        module = self.module
        if self.gaps is not None:
            module = partial(
                CompletingNetwork,
                rank=self.gaps.rank,
                has_indicator=self.gaps.has_indicator,
                network=module,
                network_params=params,
            )
        try:
            self.module_ = module(*widths, **({} if self.gaps else params))
        except Exception as error:
            # Of a wrapper, the network inside it, which is the user's.
            network = params.get("network", self.module)
            own = params.get("network_params", params)
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            raise ValueError(
                f"network={network!r} cannot be made with n_features={widths[0]}, "
                f"n_components={widths[1]} and {own}: {kind}{error}"
            ) from error
        if not any(parameter.requires_grad for parameter in self.module_.parameters()):
            raise ValueError(f"network={self.module!r} has no parameters to train.")
        reset = offers(self.module_).reset_parameters_from
        if reset is not None:
            reset(self.generators_["weights"])
        for part in self.module_.modules():
            if isinstance(part, SeededDropout):
                part.generator = self.generators_["noise"]
        return self

    def initialize_criterion(self) -> "AutoencoderNet":
        offered = offers(self.module_)
        sides = self.standardize, self.standardize_target
        code_scale = self.standardize.scale if offered.has_linear_code else 1.0
        scales = {}
        if offered.weight_scales is not None:
            scales = offered.weight_scales(*sides, code_scale)
        self.units_ = Units(*sides, code_scale, scales)
        params = self.get_params_for("criterion")
        self.criterion_ = self.criterion(units=self.units_, **params)
        return self

    def in_data_units(self) -> Standardized:
        """The module in units of the data, made anew if the module is another one."""
        kept = self._kept
        if not kept or kept[0].network is not self.module_:
            with default_modes():
                standardized = Standardized(self.module_, self.units_).to(self.device)
            kept[:] = [standardized.eval()]
        return kept[0]

    def reconstruct(self, X: Any) -> np.ndarray:
        """Outputs of the network as it is now, in units of the data.

        Callbacks may call it at any time. Dropout, corruptions and noise are off, and
        neither the weights nor any random generator change. For a classifier the
        outputs are the scores of the classes, for a regressor the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows in units of the data.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_outputs)
            In the precision of `X`.
        """
        finite = True if self.gaps is None else "allow-nan"
        rows = check_array(as_array(X), **TABLE_CHECKS, ensure_all_finite=finite)
        if rows.shape[1] != len(self.standardize.mean):
            raise ValueError(
                f"X has {rows.shape[1]} features, but the net was trained on "
                f"{len(self.standardize.mean)}."
            )
        was_training = self.module_.training
        self.module_.eval()
        try:
            outputs = [
                output
                for _, _, output in module_outputs(
                    self.in_data_units(), call, rows, self.device
                )
            ]
        finally:
            self.module_.train(was_training)
        return np.concatenate(outputs).astype(rows.dtype, copy=False)

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """As skorch's, but weights decay and biases do not.

        Nor do variances, which live as their logarithms beside the biases.
        """
        (groups,), kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        for group in groups:
            # What torch's schedulers look for when they go on after earlier epochs.
            group["initial_lr"] = group.get("lr", kwargs["lr"])
        if not kwargs.get("weight_decay"):
            return (groups,), kwargs
        split = []
        for group in groups:
            for decays in (True, False):
                params = [p for p in group["params"] if (p.ndim > 1) == decays]
                own = {} if decays else {"weight_decay": 0.0}
                split.append({**group, **own, "params": params})
        return ([group for group in split if group["params"]],), kwargs

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        if isinstance(X, ArrayDataset):
            return X
        X = X.tocsr() if sparse.issparse(X) else np.asarray(X)
        return ArrayDataset(
            X,
            np.arange(X.shape[0]),
            standardize=self.standardize,
            standardize_target=self.standardize_target,
            target=y,
            device=self.device,
        )

    def get_iterator(self, dataset: ArrayDataset, training: bool = False) -> Any:
        if training:
            return TensorBatches(dataset, self.batch_size, self.generators_["order"])
        # No more wide rows than fit into a block.
        rows = min(VALIDATION_BATCH_SIZE, rows_per_block(dataset.X.shape[1]))
        return TensorBatches(dataset, rows)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as error:
            raise CallbackStop from error
        except (KeyError, SkorchException) as error:
            if "valid_" not in str(error) or "valid_loss" in self.history[-1]:
                raise
            raise ValueError(
                "A callback looks for a loss on held-out rows, but this training has "
                "none, since validation is None or a number of folds, or in "
                "partial_fit. Set validation to a share such as 0.1, or let the "
                f"callback monitor 'train_loss': {error}"
            ) from error

    def set_params(self, **kwargs: Any) -> "AutoencoderNet":
        """As skorch's, but no part of an initialised net can be replaced."""
        fixed = [
            name
            for name in kwargs
            if name.partition("__")[0] in ("module", "criterion") or name == "optimizer"
        ]
        if self.initialized_ and fixed:
            raise ValueError(
                f"{fixed[0]}={kwargs[fixed[0]]!r} cannot be set: the net belongs to a "
                "fitted estimator. Set parameters of the estimator, and fit it again."
            )
        return super().set_params(**kwargs)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kw: Any) -> None:
        self.set_mode(False)

    def set_listeners(self, callbacks: Any, verbose: int) -> None:
        """Change which callbacks are called from now on."""
        verbose = audible(verbose, callbacks)
        if callbacks is not self.callbacks or verbose != self.verbose:
            self.callbacks, self.verbose = callbacks, verbose
            self.initialize_callbacks()

    def set_learning_rate(self, rate: float) -> None:
        """Change the learning rate of the optimizer, which keeps its state."""
        self.lr = rate
        for group in self.optimizer_.param_groups:
            group["lr"] = group["initial_lr"] = rate

    # -- one step ------------------------------------------------------------------

    def corrupted(self, x: Tensor) -> Tensor:
        """The batch after corruption, if there is any."""
        if self.corruption is None:
            return x
        return corrupt_standardized(self.corruption, x, self.noise_, self.standardize)

    def prepared(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The corrupted input, and the part of the target that counts."""
        corrupted = self.corrupted(x)
        if self.gaps is not None and self.gaps.predicts_hidden:
            target = target.masked_fill(corrupted.isnan().logical_not_(), np.nan)
        return corrupted, target

    @property
    def hidden_share(self) -> float:
        """Share of the inputs that is hidden in training; not part of the objective."""
        return 0.0 if self.gaps is None else self.gaps.hidden_share

    def noisy(self, x: Tensor) -> Tensor:
        """The batch with noise and hidden entries for training, if there are any."""
        if self.input_noise != 0:
            noise = torch.empty_like(x).normal_(generator=self.noise_)
            x = x.add(noise, alpha=self.input_noise)
        if self.hidden_share != 0:
            x = masking(x, self.noise_, level=self.hidden_share, value=np.nan)
        return x

    def _forward(self, batch: Any) -> dict[str, Any]:
        x, target, weight = unpack_batch(batch)
        x, target = self.prepared(x, target)
        if self.module_.training:
            x = self.noisy(x)
        spread = batch if isinstance(batch, ShardBatch) else None
        terms, reconstruction = self.criterion_(
            self.module_, x, target, weight, self.noise_, spread
        )
        loss = reduce(add, terms.values())
        return {"loss": loss, "y_pred": reconstruction, "terms": terms}

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        step = self._forward(batch)
        step["loss"].backward()
        return step

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        with torch.no_grad():
            return self._forward(batch)

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        steps: list[dict[str, Any]] = []

        def closure() -> Tensor:
            self.optimizer_.zero_grad()
            step, loss = self._joint_step(batch, **fit_params)
            steps.append(step)
            if self.callbacks_:
                self.notify(
                    "on_grad_computed",
                    named_parameters=list(self.get_all_learnable_params()),
                    batch=batch,
                    training=True,
                )
            return loss

        self.optimizer_.step(closure)
        # LBFGS evaluates several times; as in skorch, the first counts.
        return steps[0]

    def _joint_step(
        self, batch: Any, **fit_params: Any
    ) -> tuple[dict[str, Any], Tensor]:
        """The step on the rows of this rank, and the loss of all rows.

        The gradients are those of all rows.
        """
        if not isinstance(batch, ShardBatch):
            step = self.train_step_single(batch, **fit_params)
            return step, step["loss"]
        step, failure = {"loss": torch.zeros((), device=self.device)}, None
        learned = []
        if batch.n_rows == 0:
            learned = [(one, one.clone()) for one in self._float_buffers()]
        try:
            step = self.train_step_single(batch, **fit_params)
        except BaseException as error:
            failure = error
        # Of rows that only stand for none, layers must not learn.
        for buffer, before in learned:
            buffer.copy_(before)
        parameters = [p for p in self.module_.parameters() if p.requires_grad]
        loss = batch.ranks.sum_gradients(
            parameters, step["loss"].detach(), batch.share, failure
        )
        return step, loss

    # -- one pass over the data ----------------------------------------------------

    def set_mode(self, training: bool) -> None:
        """Switch dropout, running means and the source of noise."""
        # Only on a change, since the switch walks through all modules.
        if self.module_.training != training:
            self.module_.train(training)
            self.criterion_.train(training)
        self.set_noise(training)

    def set_noise(self, training: bool) -> None:
        """Switch the source of noise."""
        self.noise_ = self.generators_["noise"]
        if not training:
            # The same in every pass over held-out rows, so that losses compare.
            seed = seed_of_rank(self.seed)
            self.noise_ = torch.Generator(self.noise_.device).manual_seed(seed)

    def run_single_epoch(
        self,
        iterator: Any,
        training: bool,
        prefix: str | None,
        step_fn: Any,
        **fit_params: Any,
    ) -> dict[str, float] | None:
        """The objective and its terms over all batches, in units of the data.

        With a prefix, they go into the history, and callbacks are told of every batch.
        """
        if iterator is None:
            return None
        self.set_mode(training)
        is_heard = bool(self.callbacks_) and prefix is not None
        sizes: list[int] = []
        values: list[Tensor] = []
        for batch in iterator:
            if is_heard:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            sizes.append(rows_in(batch))
            values.extend(term.detach() for term in step["terms"].values())
            if is_heard:
                loss = step["loss"].item() * self.criterion_.unit
                self.history.record_batch(f"{prefix}_loss", loss)
                self.history.record_batch(f"{prefix}_batch_size", sizes[-1])
                self.notify("on_batch_end", batch=batch, training=training, **step)
        # The only synchronisation with the device.
        table = torch.stack(values).view(len(sizes), -1).double().cpu().numpy()
        sums = total_of_batches(batch, np.append(np.array(sizes) @ table, sum(sizes)))
        means = sums[:-1] * (self.criterion_.unit / sums[-1])
        if training and isinstance(batch, ShardBatch):
            # What layers have learned of the rows of a rank, such as means.
            batch.ranks.average_(self._float_buffers(), sum(sizes) / sums[-1])
        named = dict(zip(step["terms"], means.tolist(), strict=True))
        losses = {"loss": float(means.sum()), **named}
        if prefix is not None:
            self.record(prefix, losses)
        return losses

    def _float_buffers(self) -> list[Tensor]:
        return [one for one in self.module_.buffers() if one.is_floating_point()]

    def evaluate(self, dataset: ArrayDataset) -> dict[str, float]:
        """The objective and its terms, without dropout, in units of the data."""
        batches = self.get_iterator(dataset)
        losses = self.run_single_epoch(batches, False, None, self.validation_step)
        assert losses is not None
        return losses

    def row_losses(self, dataset: ArrayDataset) -> np.ndarray:
        """The weighted loss of each row, without penalties, in units of the data."""
        self.set_mode(False)
        losses = []
        with torch.no_grad():
            for batch in self.get_iterator(dataset):
                x, target, weight = unpack_batch(batch)
                if self.corruption is not None:
                    x = self.corrupted(x)
                rows = self.criterion_.row_losses(self.module_, x, target, self.noise_)
                rows = rows if weight is None else rows * weight
                losses.append(rows[: rows_in(batch)])
        own = torch.cat(losses).double().cpu().numpy() * self.criterion_.unit
        return by_row_of_all_ranks(dataset.X, dataset.rows, own)

    def record(self, prefix: str, means: dict[str, float]) -> None:
        """Write the losses of a pass into the history; an error if they overflowed."""
        for name, value in means.items():
            self.history.record(f"{prefix}_{name}", value)
        column, mark = f"{prefix}_loss", f"{prefix}_loss_best"
        # The latest of the best losses is the lowest of all.
        before = (row[column] for row in reversed(self.history) if row.get(mark))
        self.history.record(mark, means["loss"] < next(before, np.inf))
        if prefix == "train":
            rate = float(self.optimizer_.param_groups[0]["lr"])
            self.history.record("learning_rate", rate)
            if not np.isfinite(means["loss"]):
                raise self.diverged(means["loss"])

    def diverged(self, loss: float) -> ValueError:
        """The error for a training loss that is infinite or NaN."""
        rate = self.optimizer_.param_groups[0]["lr"]
        settings, remedy = f"learning_rate={rate:.3g}", "Lower learning_rate"
        if isinstance(self.optimizer_, LBFGS):
            settings, remedy = "optimizer='lbfgs'", "Lower penalties, if there are any"
        return ValueError(
            f"The training loss became {loss} in epoch {len(self.history)} at "
            f"{settings}. {remedy}, or scale the data (for instance with "
            "StandardScaler)."
        )
