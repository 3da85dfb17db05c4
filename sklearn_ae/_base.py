"""The scikit-learn shell that all autoencoders share."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_ae._sklearn_compat import (
    Interval,
    RealNotInt,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from sklearn_ae.networks.dense import ACTIVATIONS, DenseNetwork
from sklearn_ae.networks.standardized import Standardized
from sklearn_ae.objectives.losses import LOSSES
from sklearn_ae.training.batches import Affine, ArrayDataset, dense_rows
from sklearn_ae.training.codes import code_moments, principal_rotation
from sklearn_ae.training.defaults import (
    default_batch_size,
    default_hidden_layer_sizes,
    default_max_epochs,
    default_validation_size,
)
from sklearn_ae.training.moments import PrincipalAxes, mean_and_scale, principal_axes
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.objective import Objective
from sklearn_ae.training.optimizers import OPTIMIZERS, resolve_optimizer
from sklearn_ae.training.schedules import SCHEDULES
from sklearn_ae.training.start import start_as_pca
from sklearn_ae.training.state import dump_state, load_state

# Rows that pass through the network at a time outside of training.
INFERENCE_ROWS = 4096

AUTO = StrOptions({"auto"})


@dataclass
class TrainingData:
    """Validated input of a fit: rows of weight zero are left out of `rows`."""

    X: Any
    target: Any
    weight: np.ndarray | None
    rows: np.ndarray


@dataclass(kw_only=True, eq=False, repr=False)
class BaseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of all autoencoders: parameters, training, and the way through the net.

    A variant adds its docstring, its parameters with their constraints, and
    overrides the hooks under "what a variant may change".
    """

    n_components: int | float = field(default=2, kw_only=False)
    hidden_layer_sizes: Any = "auto"
    activation: str = "silu"
    code_activation: str = "identity"
    output_activation: str = "auto"
    network: Any = None
    loss: str = "mse"
    dropout: float = 0.0
    l1_penalty: float = 0.0
    l2_penalty: float = 0.0
    optimizer: Any = "adamw"
    optimizer_params: dict | None = None
    learning_rate: float | str = "auto"
    learning_rate_schedule: str = "one_cycle"
    batch_size: int | str = "auto"
    max_epochs: int | str = "auto"
    early_stopping: bool = True
    validation_fraction: float = 0.1
    n_iter_no_change: int | str = "auto"
    tol: float = 1e-4
    warm_start: bool = False
    device: str = "cpu"
    callbacks: Any = None
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
        ],
        "hidden_layer_sizes": [
            AUTO,
            Interval(Integral, 1, None, closed="left"),
            tuple,
            list,
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "code_activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions({"auto", *ACTIVATIONS})],
        "network": [type, None],
        "loss": [StrOptions(set(LOSSES))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "l1_penalty": [Interval(Real, 0, None, closed="left")],
        "l2_penalty": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "optimizer_params": [dict, None],
        "learning_rate": [AUTO, Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [AUTO, Interval(Integral, 1, None, closed="left")],
        "max_epochs": [AUTO, Interval(Integral, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [AUTO, Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "device": [str],
        "callbacks": [list, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # -- what a variant may change -------------------------------------------------

    def _starts_as_pca(self) -> bool:
        """Whether a new dense network starts as PCA."""
        return False

    def _network_params(self) -> dict[str, Any]:
        """Further parameters of the dense network."""
        return {}

    def _penalties(self) -> dict[str, float]:
        """Coefficients of the penalties, in units of the data."""
        return {"l1": self.l1_penalty, "l2": self.l2_penalty}

    def _check_combination(self, data: TrainingData) -> None:
        """Raise a ValueError where parameters contradict each other or the data."""

    # -- fitting -------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_target=None, sample_weight=None):
        """Fit the autoencoder to `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Sparse matrices are made dense one batch at a time.

        y : Ignored
            Not used, present for API consistency by convention.

        X_target : {array-like, sparse matrix} of shape (n_samples, n_outputs), \
                default=None
            What the output is to be, row by row, for instance the clean version of
            a corrupted `X`. None means `X` itself.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None means equal weights.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        with self._unchanged_on_error():
            continuing = self.warm_start and hasattr(self, "net_")
            data = self._validate_training_data(
                X, X_target, sample_weight, reset=not continuing
            )
            net = self._continue(data) if continuing else self._begin(data)
            train, valid = self._split(data)
            n_epochs = self.max_epochs
            if n_epochs == "auto":
                n_epochs = default_max_epochs(len(train), data.X.shape[1])
            patience = self.n_iter_no_change
            net.patience = n_epochs if patience == "auto" else patience
            interrupt = None
            try:
                net.train(train, valid, n_epochs)
            except KeyboardInterrupt as error:
                interrupt = error
            self._finish(net, self._dataset(data, data.rows), rotate=True)
        if interrupt is not None:
            raise interrupt
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, X_target=None, sample_weight=None):
        """Pass once over `X`, at a constant learning rate.

        The first call sets the mean, the scale, the number of components and, with
        ``init="pca"``, the starting point. No row is held out, and the codes keep
        their axes from call to call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A part of the training data.

        y : Ignored
            Not used, present for API consistency by convention.

        X_target : {array-like, sparse matrix} of shape (n_samples, n_outputs), \
                default=None
            What the output is to be, row by row; None means `X` itself.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None means equal weights.

        Returns
        -------
        self : object
            The estimator.
        """
        with self._unchanged_on_error():
            first = not hasattr(self, "net_")
            data = self._validate_training_data(X, X_target, sample_weight, reset=first)
            net = self._begin(data) if first else self.net_
            net.schedule = "constant"
            dataset = self._dataset(data, data.rows)
            interrupt = None
            try:
                net.train(dataset, None, 1)
            except KeyboardInterrupt as error:
                interrupt = error
            self._finish(net, dataset, rotate=False)
        if interrupt is not None:
            raise interrupt
        return self

    @contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Give the estimator back as it was where the block fails."""
        before = dict(vars(self))
        state = dump_state(self.net_) if hasattr(self, "net_") else None
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if state is not None:
                load_state(self.net_, state)
            raise

    def _validate_training_data(
        self, X, X_target, sample_weight, *, reset: bool
    ) -> TrainingData:
        kinds = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}
        X = validate_data(self, X, reset=reset, ensure_min_samples=1 + reset, **kinds)
        target = None
        if X_target is not None:
            target = check_array(X_target, input_name="X_target", **kinds)
            if target.shape[0] != X.shape[0]:
                raise ValueError(
                    f"X_target has {target.shape[0]} rows, but X has {X.shape[0]}; "
                    "they must be paired row by row."
                )
        weight, rows = None, np.arange(X.shape[0])
        if sample_weight is not None:
            weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            rows = np.flatnonzero(weight)
            if len(rows) == 0:
                raise ValueError(
                    "All entries of sample_weight are zero; at least one weight must "
                    "be positive."
                )
            weight = weight * (len(rows) / weight.sum())
        n_outputs = (X if target is None else target).shape[1]
        if not reset and n_outputs != self._n_outputs:
            raise ValueError(
                f"The target has {n_outputs} columns, but the network that is to be "
                f"trained on has {self._n_outputs} outputs."
            )
        data = TrainingData(X, target, weight, rows)
        if self.loss == "bce":
            _check_unit_interval(X if target is None else target)
        self._check_shared_combination(data)
        self._check_combination(data)
        return data

    def _check_shared_combination(self, data: TrainingData) -> None:
        n_features = data.X.shape[1]
        if self.n_components > n_features:
            raise ValueError(
                f"n_components={self.n_components!r} must be at most "
                f"n_features={n_features}."
            )
        if self.loss == "bce" and self._output_activation() != "sigmoid":
            raise ValueError(
                f"output_activation={self.output_activation!r} does not keep the "
                "output in [0, 1], which loss='bce' needs; use 'sigmoid' or 'auto'."
            )
        if self.hidden_layer_sizes != "auto":
            for size in np.atleast_1d(self.hidden_layer_sizes):
                if not isinstance(size, Integral | np.integer) or size < 1:
                    raise ValueError(
                        f"hidden_layer_sizes={self.hidden_layer_sizes!r} must hold "
                        "integers of at least 1."
                    )
        if self.network is not None and not issubclass(self.network, torch.nn.Module):
            raise ValueError(
                f"network={self.network!r} must be a subclass of torch.nn.Module that "
                "takes (n_features, n_components) and has encode and decode."
            )

    def _output_activation(self) -> str:
        if self.output_activation != "auto":
            return self.output_activation
        return "sigmoid" if self.loss == "bce" else "identity"

    def _centres(self) -> bool:
        """Whether the mean of the data may be taken off before the network."""
        return LOSSES[self.loss][1] is not None and (
            self._output_activation() == "identity" or self.network is not None
        )

    def _begin(self, data: TrainingData) -> AutoencoderNet:
        """Look at the data, and build a net that is ready to train on them."""
        X, rows, weight = data.X, data.rows, data.weight
        data_mean, data_scale = mean_and_scale(X, rows, weight)
        axes = None
        if self._starts_as_pca() or self.n_components < 1:
            axes = principal_axes(X, rows, weight, data_mean, self.n_components)
        n_components = int(self.n_components) if axes is None else len(axes.components)
        self.n_components_ = n_components
        self._feature_mean = data_mean
        self._n_outputs = (X if data.target is None else data.target).shape[1]
        self._standardize = self._affine(data_mean, data_scale)
        self._standardize_target = self._standardize
        if data.target is not None:
            moments = mean_and_scale(data.target, rows, weight)
            self._standardize_target = self._affine(*moments)
        self.mean_, self.scale_ = self._standardize
        self.device_ = _resolve_device(self.device)
        self._net_config = self._make_net_config(data, n_components)
        net = self._make_net()
        if self._starts_as_pca():
            dataset = self._dataset(data, rows)
            start_as_pca(net.module_, axes, data_mean, dataset)
        return net

    def _affine(self, mean: np.ndarray, scale: float) -> Affine:
        if not self._centres():
            return Affine(np.zeros_like(mean), 1.0)
        # Penalties weigh the weights of the network in the units of the data.
        return Affine(mean, 1.0 if any(self._penalties().values()) else scale)

    def _continue(self, data: TrainingData) -> AutoencoderNet:
        """The net of the fit before, with a new optimizer."""
        net = self.net_
        config = self._make_net_config(data, self._net_config["n_components"])
        if self.n_components >= 1:
            config["n_components"] = int(self.n_components)
        for name in ("module", "module_params", "n_components"):
            if config[name] != self._net_config[name]:
                raise ValueError(
                    "warm_start=True continues with the network of the fit before, "
                    f"but its {name} changed from {self._net_config[name]!r} to "
                    f"{config[name]!r}. Set warm_start=False for a new network."
                )
        state = dump_state(net)
        self._net_config = config
        net = self._make_net()
        state["optimizer"] = dump_state(net)["optimizer"]
        load_state(net, state)
        return net

    def _make_net_config(self, data: TrainingData, n_components: int) -> dict[str, Any]:
        """All that the net is made of, in plain values that can be pickled."""
        n_rows, n_features = len(data.rows), data.X.shape[1]
        n_outputs = n_features if data.target is None else data.target.shape[1]
        module: Any = self.network
        module_params = {"n_features": n_features, "n_components": n_components}
        if module is None:
            module = DenseNetwork
            sizes = self.hidden_layer_sizes
            if sizes == "auto":
                sizes = default_hidden_layer_sizes(n_features, n_components)
            module_params |= {
                "n_outputs": n_outputs,
                "hidden_layer_sizes": tuple(int(s) for s in np.atleast_1d(sizes)),
                "activation": self.activation,
                "code_activation": self.code_activation,
                "output_activation": self._output_activation(),
                "dropout": float(self.dropout),
                **self._network_params(),
            }
        batch_size = self.batch_size
        learning_rate = None if self.learning_rate == "auto" else self.learning_rate
        random_state = self.random_state
        if random_state is None:
            # Not numpy's global generator, which is to stay as it is.
            random_state = np.random.RandomState()
        return {
            "module": module,
            "module_params": module_params,
            "n_components": n_components,
            "loss": self.loss,
            "penalties": self._penalties(),
            "optimizer": self.optimizer,
            "optimizer_params": self.optimizer_params,
            "learning_rate": learning_rate,
            "batch_size": (
                default_batch_size(n_rows) if batch_size == "auto" else batch_size
            ),
            "schedule": self.learning_rate_schedule,
            "tol": self.tol,
            "seed": int(check_random_state(random_state).randint(2**31 - 1)),
        }

    def _make_net(self) -> AutoencoderNet:
        config = self._net_config
        optimizer, optimizer_params, learning_rate = resolve_optimizer(
            config["optimizer"], config["optimizer_params"], config["learning_rate"]
        )
        net = AutoencoderNet(
            config["module"],
            Objective,
            criterion__loss=config["loss"],
            criterion__penalties=config["penalties"],
            criterion__scale=self._standardize_target.scale,
            optimizer=optimizer,
            lr=learning_rate,
            batch_size=config["batch_size"],
            standardize=self._standardize,
            schedule=config["schedule"],
            tol=config["tol"],
            seed=config["seed"],
            callbacks=self.callbacks,
            device=self.device_,
            verbose=self.verbose,
            **{f"module__{k}": v for k, v in config["module_params"].items()},
            **{f"optimizer__{k}": v for k, v in optimizer_params.items()},
        )
        return net.initialize()

    def _dataset(self, data: TrainingData, rows: np.ndarray) -> ArrayDataset:
        return ArrayDataset(
            data.X,
            rows,
            standardize=self._standardize,
            standardize_target=self._standardize_target,
            target=data.target,
            weight=data.weight,
            device=self.device_,
        )

    def _split(self, data: TrainingData) -> tuple[ArrayDataset, ArrayDataset | None]:
        rows = data.rows
        n_valid = 0
        if self.early_stopping:
            n_valid = default_validation_size(len(rows), self.validation_fraction)
        if n_valid == 0:
            return self._dataset(data, rows), None
        generator = np.random.RandomState(self._net_config["seed"])
        order = generator.permutation(rows)
        held_out, kept = np.sort(order[:n_valid]), np.sort(order[n_valid:])
        return self._dataset(data, kept), self._dataset(data, held_out)

    def _finish(self, net: AutoencoderNet, dataset: ArrayDataset, rotate: bool) -> None:
        """Order the codes and set the fitted attributes."""
        network = net.module_
        moments = code_moments(network, dataset)
        variances = np.diag(moments.covariance)
        linear_code = getattr(network, "linear_code", False)
        # An L1 penalty singles out the axes as they are.
        if rotate and linear_code and self.l1_penalty == 0:
            rotation, variances = principal_rotation(moments)
            network.transform_code(torch.from_numpy(rotation).float().to(self.device_))
            # The moments that the optimizer remembers belong to the old axes.
            net.initialize_optimizer()
        self._code_scale = self._standardize.scale if linear_code else 1.0
        self.explained_variance_ = variances * self._code_scale**2
        self._set_net(net)
        self.history_ = _columns(net.history)
        self.n_iter_ = len(net.history)
        self.loss_curve_ = self.history_.get("train_loss", np.empty(0))
        self.validation_loss_curve_ = self.history_.get("valid_loss")
        self.best_loss_ = net.best_loss_

    def _set_net(self, net: AutoencoderNet) -> None:
        self.net_ = net
        mean, scale = self._standardize
        target_mean, target_scale = self._standardize_target
        self.module_ = Standardized(
            net.module_,
            input_mean=torch.from_numpy(mean),
            output_mean=torch.from_numpy(target_mean),
            input_scale=scale,
            output_scale=target_scale,
            code_scale=self._code_scale,
        ).to(self.device_)
        self.module_.eval()

    # -- through the net -----------------------------------------------------------

    def transform(self, X):
        """Encode `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to encode.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            The codes, in the precision of `X`.
        """
        X = self._validate_inference_data(X)
        return self._infer(X, lambda module: module.encode, self.n_components_)

    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_outputs)
            The reconstructions, in the precision of the codes; `n_outputs` is
            `n_features` unless `fit` was given an `X_target` of another width.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} decodes codes "
                f"of n_components_={self.n_components_} columns."
            )
        return self._infer(X, lambda module: module.decode, self._n_outputs)

    def reconstruct(self, X):
        """Encode and decode `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to reconstruct.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_outputs)
            The same as ``inverse_transform(transform(X))``.
        """
        X = self._validate_inference_data(X)
        return self._infer(X, lambda module: module, self._n_outputs)

    def reconstruction_error(self, X, per_feature=False):
        """Squared difference between `X` and its reconstruction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to reconstruct.

        per_feature : bool, default=False
            Return the error of each entry of `X` instead of their mean.

        Returns
        -------
        error : ndarray of shape (n_samples,) or (n_samples, n_features)
            ``mean_j (x_ij - xhat_ij)^2`` of each row, or its summands, in squared
            units of `X`.
        """
        X = self._validate_inference_data(X)
        shape = X.shape if per_feature else X.shape[:1]
        error = np.empty(shape, dtype=X.dtype)
        for where, block, reconstruction in self._reconstructions(X):
            squares = np.square(block - reconstruction)
            error[where] = squares if per_feature else squares.mean(axis=1)
        return error

    def score_samples(self, X):
        """Minus the reconstruction error of each row: the higher, the more usual.

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

    def score(self, X, y=None):
        """Share of the variance of `X` that its reconstruction explains.

        Comparable with ``PCA(...).fit(X).explained_variance_ratio_.sum()``, so that
        model selection works with neither `y` nor `scoring`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to reconstruct.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            ``1 - sum_i ||x_i - xhat_i||^2 / sum_i ||x_i - mean(x)||^2``; 1 is
            perfect, 0 no better than the mean, and there is no lower bound. For
            constant data 1 if the reconstruction is exact, else 0.
        """
        X = self._validate_inference_data(X)
        error = total = 0.0
        shifted_sum = np.zeros(X.shape[1])
        for _, block, reconstruction in self._reconstructions(X):
            error += float(np.square(block - reconstruction, dtype=np.float64).sum())
            # Shifted by a typical row, lest a large mean should cost precision.
            shifted = block.astype(np.float64) - self._feature_mean
            total += float(np.square(shifted).sum())
            shifted_sum += shifted.sum(axis=0)
        total -= float(np.square(shifted_sum).sum()) / X.shape[0]
        if total <= 0:
            return 1.0 if error == 0 else 0.0
        return 1.0 - error / total

    def _validate_inference_data(self, X):
        check_is_fitted(self)
        dtypes = [np.float64, np.float32]
        return validate_data(self, X, reset=False, accept_sparse="csr", dtype=dtypes)

    def _reconstructions(self, X) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        if self._n_outputs != X.shape[1]:
            raise ValueError(
                f"The outputs have {self._n_outputs} columns and X has {X.shape[1]}: "
                "they cannot be compared. Compare reconstruct(X) with the targets."
            )
        for where, block, output in self._outputs(X, lambda module: module):
            yield where, block, output

    def _infer(self, X, part, n_columns: int) -> np.ndarray:
        result = np.empty((X.shape[0], n_columns), dtype=X.dtype)
        for where, _, output in self._outputs(X, part):
            result[where] = output
        return result

    def _outputs(self, X, part) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """What ``part(module)`` makes of `X`, a block of rows at a time.

        In the precision of `X`: what does not depend on the size of the blocks to
        1e-16 may well do so to 1e-7, and double precision promises more than that.
        """
        module = self.module_
        if X.dtype == np.float64 and torch.device(self.device_).type != "mps":
            module = copy.deepcopy(module).double()
        apply = part(module)
        parameter = next(module.parameters(), None)
        dtype = torch.float32 if parameter is None else parameter.dtype
        for start in range(0, X.shape[0], INFERENCE_ROWS):
            where = slice(start, start + INFERENCE_ROWS)
            block = dense_rows(X, where)
            # Torch cannot wrap read-only memory without a warning.
            rows = block if block.flags.writeable else block.copy()
            with torch.inference_mode():
                output = apply(torch.from_numpy(rows).to(self.device_, dtype))
            yield where, block, output.cpu().numpy()

    # -- conventions ---------------------------------------------------------------

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__().copy()
        net = state.pop("net_", None)
        state.pop("module_", None)
        if net is not None:
            state["_net_state"] = dump_state(net)
            state["_sklearn_ae_version"] = _package_version()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = state.copy()
        net_state = state.pop("_net_state", None)
        version = state.pop("_sklearn_ae_version", None)
        super().__setstate__(state)
        if net_state is None:
            return
        if version != _package_version():
            warnings.warn(
                f"This {type(self).__name__} was saved by sklearn_ae {version} and is "
                f"loaded by {_package_version()}: results may differ.",
                UserWarning,
                stacklevel=2,
            )
        if not _is_available(self.device_):
            self.device_ = "cpu"
        net = self._make_net()
        load_state(net, net_state)
        self._set_net(net)


def _package_version() -> str:
    # Late, since the package imports this module first.
    from sklearn_ae import __version__

    return __version__


def _is_available(device: str) -> bool:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def _resolve_device(device: str) -> str:
    if device == "auto":
        for kind in ("cuda", "mps"):
            if _is_available(kind):
                return kind
        return "cpu"
    if not _is_available(device):
        raise ValueError(
            f"device={device!r} is not available to torch on this machine; use 'cpu' "
            "or 'auto'."
        )
    return device


def _check_unit_interval(X) -> None:
    values = X if isinstance(X, np.ndarray) else X.data
    low, high = values.min(initial=0), values.max(initial=0)
    if low < 0 or high > 1:
        raise ValueError(
            f"loss='bce' needs values in [0, 1], but they span [{low:.4g}, {high:.4g}]. "
            "Scale them, for instance with MinMaxScaler, or choose loss='mse'."
        )


def _columns(history) -> dict[str, np.ndarray]:
    """The history as a table: one array a column, one entry an epoch."""
    names = [name for row in history for name in row if name != "batches"]
    return {
        name: np.array([row.get(name, np.nan) for row in history])
        for name in dict.fromkeys(names)
    }
