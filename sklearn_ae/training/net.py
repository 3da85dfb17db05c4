"""The skorch net: module and objective, trained without per-row or per-batch waste."""

import dis
from contextlib import nullcontext
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import skorch
import torch
from scipy import sparse
from skorch.callbacks import Callback, Checkpoint, EarlyStopping
from skorch.helper import predefined_split
from torch import Tensor

from sklearn_ae.data.batches import (
    Affine,
    ArrayDataset,
    TensorBatches,
    rows_per_block,
    unpack_batch,
)
from sklearn_ae.training.stopping import BestWeights
from sklearn_ae.training.corruption import Corruption
from sklearn_ae.training.progress import ProgressBar
from sklearn_ae.training.schedules import Schedule
from sklearn_ae.training.seeding import isolated_global_generator, spawn_generators
from sklearn_ae.training.threads import suitable_threads

# Validation keeps no gradients, so that larger batches pay.
VALIDATION_BATCH_SIZE = 1024

BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class StopTraining(Exception):
    """Ends the training loop early; whoever called it goes on."""


class AutoencoderNet(skorch.NeuralNet):
    """A `skorch.NeuralNet` for modules with ``encode`` and ``decode``.

    It lives in network coordinates: what it is given as arrays is standardised by
    `standardize`, and its module sees standardised batches. Beyond skorch's own
    parameters it takes these:

    Parameters
    ----------
    standardize, standardize_target : Affine
        From the units of the data to network coordinates, for input and target.

    schedule : str
        One of `sklearn_ae.training.schedules.SCHEDULES`.

    patience : int
        Epochs without an improvement after which training stops.

    tol : float
        Relative improvement of the validation loss that counts as one.

    guards_start : bool
        Keep the untrained weights unless training beats them for certain.

    corruption : Corruption or None
        What is done to the inputs, but not to the targets, of every batch.

    is_foreign : bool
        Whether the module may draw from torch's global generators.

    seed : int
        Rules the weights, the order of the rows and the noise.
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
        schedule: str = "constant",
        patience: int = 10,
        tol: float = 1e-4,
        guards_start: bool = False,
        corruption: Corruption | None = None,
        is_foreign: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        self.standardize = standardize
        self.standardize_target = standardize_target
        self.schedule = schedule
        self.patience = patience
        self.tol = tol
        self.guards_start = guards_start
        self.corruption = corruption
        self.is_foreign = is_foreign
        self.seed = seed
        kwargs.setdefault("train_split", None)
        kwargs.setdefault("verbose", 0)
        super().__init__(module, criterion, **kwargs)

    # -- what skorch asks for ------------------------------------------------------

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        callbacks = [("best_weights", BestWeights())]
        if self.verbose:
            callbacks.append(("progress", ProgressBar()))
        return callbacks

    def initialize(self) -> "AutoencoderNet":
        self.generators_ = spawn_generators(self.seed, torch.device(self.device))
        self.noise_ = self.generators_["noise"]
        super().initialize()
        self.validation_iterator_ = None
        self.n_epochs_ = self.max_epochs
        self.stepped_: bool = False
        self.schedule_ = Schedule("constant", self.optimizer_, self.max_epochs, 1)
        return self

    def _isolation(self) -> Any:
        if not self.is_foreign:
            return nullcontext()
        seed = torch.randint(2**62, (), generator=self.generators_["foreign"])
        return isolated_global_generator(int(seed), torch.device(self.device))

    def make_module(self) -> Any:
        """A module as the net's own, with weights that nobody has set."""
        params = self.get_params_for("module")
        # By position: foreign modules may call their two widths what they like.
        return self.module(
            params.pop("n_features"), params.pop("n_components"), **params
        )

    def initialize_module(self) -> "AutoencoderNet":
        with self._isolation():
            module = self.make_module()
        if hasattr(module, "reset_parameters_from"):
            module.reset_parameters_from(self.generators_["weights"])
        for part in module.modules():
            if hasattr(part, "generator"):
                part.generator = self.generators_["noise"]
        self.module_ = module
        return self

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """As skorch's, but weights decay and biases do not.

        Least of all do variances, which live as their logarithms beside the biases.
        """
        (groups,), kwargs = super().get_params_for_optimizer(prefix, named_parameters)
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
        # Of wide rows no more than fit into a block.
        rows = min(VALIDATION_BATCH_SIZE, rows_per_block(dataset.X.shape[1]))
        return TensorBatches(dataset, rows)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        super().notify(method_name, **cb_kwargs)
        # Only now, so that every callback hears of the last epoch.
        if method_name == "on_epoch_end" and self.stop_:
            raise StopTraining

    def listen(self, callbacks: Any, verbose: int) -> None:
        """Change who hears of the training from now on."""
        if callbacks is not self.callbacks or verbose != self.verbose:
            self.callbacks, self.verbose = callbacks, verbose
            self.initialize_callbacks()

    # -- one step ------------------------------------------------------------------

    def evaluation_noise(self) -> torch.Generator:
        """The same noise for every pass over the rows held out, lest losses jump."""
        generator = torch.Generator(torch.device(self.device))
        return generator.manual_seed(self.seed)

    def corrupted(self, x: Tensor) -> Tensor:
        return x if self.corruption is None else self.corruption(x, self.noise_)

    def _forward(self, batch: Any) -> dict[str, Any]:
        x, target, weight = unpack_batch(batch)
        terms, reconstruction = self.criterion_(
            self.module_, self.corrupted(x), target, weight, self.noise_
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
            steps.append(self.train_step_single(batch, **fit_params))
            if self.listening_:
                self.notify(
                    "on_grad_computed",
                    named_parameters=list(self.get_all_learnable_params()),
                    batch=batch,
                    training=True,
                )
            return steps[-1]["loss"]

        self.optimizer_.step(closure)
        self.schedule_.after_step()
        # LBFGS evaluates several times; as in skorch, the first counts.
        return steps[0]

    # -- one epoch -----------------------------------------------------------------

    def _any_batch_listener(self) -> bool:
        """Whether any callback does something for a batch, or reads its row."""
        return any(
            getattr(type(callback), event) is not getattr(Callback, event)
            # Its file names may hold the figures of the last batch.
            or isinstance(callback, Checkpoint)
            for _, callback in self.callbacks_
            for event in BATCH_EVENTS
        )

    def run_single_epoch(
        self,
        iterator: Any,
        training: bool,
        prefix: str,
        step_fn: Any,
        **fit_params: Any,
    ) -> None:
        if iterator is None:
            return
        self.record(prefix, self._run(iterator, training, prefix, step_fn), training)

    def record(self, prefix: str, means: dict[str, float], training: bool) -> None:
        """Write the losses of a pass into the history; an error if they overflowed."""
        for name, value in means.items():
            self.history.record(f"{prefix}_{name}", value)
        loss = self.history[-1][f"{prefix}_loss"]
        is_best = loss < self.lowest_losses_[prefix]
        self.lowest_losses_[prefix] = loss if is_best else self.lowest_losses_[prefix]
        self.history.record(f"{prefix}_loss_best", is_best)
        if training:
            rate = self.optimizer_.param_groups[0]["lr"]
            self.history.record("learning_rate", float(rate))
            self._check_finite(self.history[-1]["train_loss"], rate)

    def evaluate(self, iterator: TensorBatches) -> dict[str, float]:
        """The objective and its terms over `iterator`, in units of the data."""
        return self._run(iterator, False, "valid", self.validation_step, quiet=True)

    def _run(
        self,
        iterator: Any,
        training: bool,
        prefix: str,
        step_fn: Any,
        quiet: bool = False,
    ) -> dict[str, float]:
        # At most once an epoch, since the switch walks through all modules.
        if self.module_.training != training:
            self._set_training(training)
        self.stepped_ = self.stepped_ or training
        self.noise_ = self.generators_["noise"] if training else self.evaluation_noise()
        self.listening_ = self._any_batch_listener() and not quiet
        sizes: list[int] = []
        values: list[Tensor] = []
        for batch in iterator:
            if self.listening_:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            sizes.append(len(batch[1]))
            values.extend(term.detach() for term in step["terms"].values())
            if self.listening_:
                loss = step["loss"].item() * self.criterion_.unit
                self.history.record_batch(f"{prefix}_loss", loss)
                self.history.record_batch(f"{prefix}_batch_size", sizes[-1])
                self.notify("on_batch_end", batch=batch, training=training, **step)
        # The one place where the losses are waited for.
        table = torch.stack(values).view(len(sizes), -1).double().cpu().numpy()
        means = np.array(sizes) @ table * (self.criterion_.unit / sum(sizes))
        named = dict(zip(step["terms"], means.tolist(), strict=True))
        return {"loss": float(means.sum()), **named}

    def row_losses(self, iterator: TensorBatches) -> np.ndarray:
        """The weighted loss of each row, without penalties, in units of the data."""
        self._set_training(False)
        self.noise_ = self.evaluation_noise()
        losses = []
        with torch.no_grad():
            for batch in iterator:
                x, target, weight = unpack_batch(batch)
                rows = self.criterion_.row_losses(
                    self.module_, self.corrupted(x), target, self.noise_
                )
                losses.append(rows if weight is None else rows * weight)
        return torch.cat(losses).double().cpu().numpy() * self.criterion_.unit

    def _check_finite(self, loss: float, rate: float) -> None:
        if np.isfinite(loss):
            return
        raise ValueError(
            f"The training loss became {loss} in epoch {len(self.history)} at "
            f"learning_rate={rate:.3g}. Lower learning_rate, or scale the data (for "
            "instance with StandardScaler)."
        )

    def check_end(self, train: ArrayDataset) -> None:
        """For the last step, after which no training loss is computed."""
        if not self.stepped_:
            return
        rows = np.arange(min(len(train), VALIDATION_BATCH_SIZE))
        x, target, _ = train.gather(rows)
        self.noise_ = self.evaluation_noise()
        loss = self.validation_step((x, target))["loss"].item()
        self._check_finite(loss, self.optimizer_.param_groups[0]["lr"])

    # -- all epochs ----------------------------------------------------------------

    def train(
        self, train: ArrayDataset, valid: ArrayDataset | None, n_epochs: int
    ) -> "AutoencoderNet":
        """Train for at most `n_epochs`; the best weights stay, also when interrupted.

        A `KeyboardInterrupt` comes out of here, unlike out of skorch's `fit`:
        otherwise a grid search would go on with its next candidate.
        """
        self.prepare(train, valid, n_epochs)
        n_batches = len(self.get_iterator(train, training=True))
        self.schedule_ = Schedule(self.schedule, self.optimizer_, n_epochs, n_batches)
        try:
            with self._isolation(), suitable_threads(self.module_, self.batch_size):
                self.notify("on_train_begin", X=train, y=None)
                self.fit_loop(train, epochs=n_epochs)
        except StopTraining:
            pass
        except KeyboardInterrupt as interrupt:
            if not _raised_by_early_stopping(interrupt):
                raise
        finally:
            self.wind_up(train)
        if valid is None:
            self.check_end(train)
        return self

    def prepare(
        self, train: ArrayDataset, valid: ArrayDataset | None, n_epochs: int
    ) -> None:
        """Before a training: what the net and its callbacks are to know of it."""
        self.train_split = None if valid is None else predefined_split(valid)
        self.validation_iterator_ = None if valid is None else self.get_iterator(valid)
        self.n_epochs_ = n_epochs

    def wind_up(self, train: ArrayDataset) -> None:
        """After a training, or where it broke off: the best weights, and order."""
        # Not the epoch that was broken off.
        del self.history[self.n_epochs_done_ :]
        self.notify("on_train_end", X=train, y=None)
        self._note_outcome()
        self._set_training(False)
        # The net outlives the data.
        self.train_split = self.validation_iterator_ = None

    def _note_outcome(self) -> None:
        """Set `moved_`, whether the weights changed, and `best_loss_`, theirs."""
        best = dict(self.callbacks_)["best_weights"]
        self.moved_ = self.stepped_ and not best.kept_first_
        self.best_loss_ = float(best.best_loss_)
        # Without rows held out it is the last training loss.
        if np.isinf(self.best_loss_) and self.history:
            self.best_loss_ = self.history[-1].get("train_loss", np.inf)

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kw: Any) -> None:
        self.lowest_losses_ = {"train": np.inf, "valid": np.inf}
        self.n_epochs_done_ = len(self.history)
        self.stepped_ = self.stop_ = False

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.n_epochs_done_ = len(self.history)
        row = self.history[-1]
        self.schedule_.after_epoch(row.get("valid_loss", row["train_loss"]))


def _raised_by_early_stopping(interrupt: BaseException) -> bool:
    """Whether skorch's EarlyStopping asked for the end, which is how it does it."""
    traceback = interrupt.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    code = traceback.tb_frame.f_code
    # A user's interrupt may strike in that very function, but at no raise statement.
    return (
        code is EarlyStopping.on_epoch_end.__code__
        and dis.opname[code.co_code[traceback.tb_lasti]] == "RAISE_VARARGS"
    )
