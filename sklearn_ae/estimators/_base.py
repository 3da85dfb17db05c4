"""The scikit-learn shell that all autoencoders share."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator

from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae.estimators._net_holder import NetHolder
from sklearn_ae.estimators._reconstruction import ReconstructionMixin
from sklearn_ae._sklearn_compat import fit_context
from sklearn_ae.estimators._validation import (
    SHARED_CONSTRAINTS,
    TrainingData,
    check_parameters,
    check_start,
    validate_training_data,
)
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives.losses import LOSSES
from sklearn_ae.training import defaults
from sklearn_ae.data.batches import Affine, ArrayDataset
from sklearn_ae.data.codes import code_moments, principal_rotation
from sklearn_ae.training.devices import resolve_device
from sklearn_ae.data.inference import checked_codes
from sklearn_ae.data.moments import (
    PrincipalAxes,
    mean_and_scale,
    principal_axes,
)
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.objectives.objective import Objective, Penalties
from sklearn_ae.persistence.recipe import Recipe
from sklearn_ae.training.pca_start import start_as_pca
from sklearn_ae.persistence.state import dump_state, load_state


@dataclass(kw_only=True, eq=False, repr=False)
class BaseAutoencoder(NetHolder, ReconstructionMixin, DocLinkMixin, BaseEstimator):
    """Base of all autoencoders: parameters, training and persistence.

    A variant adds its docstring, its parameters with their constraints, and
    overrides the hooks under "what a variant may change".
    """

    n_components: int | float = field(default=2, kw_only=False)
    hidden_layer_sizes: str | int | tuple[int, ...] = "auto"
    activation: str = "silu"
    code_activation: str = "identity"
    output_activation: str = "auto"
    network: Any = None
    init: str = "random"
    tied_weights: bool = False
    loss: str = "mse"
    dropout: float = 0.0
    l1_penalty: float = 0.0
    l2_penalty: float = 0.0
    optimizer: str | type = "adamw"
    optimizer_params: dict[str, Any] | None = None
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
    callbacks: list | None = None
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = SHARED_CONSTRAINTS

    # -- what a variant may change -------------------------------------------------

    # Whether the code may be wider than the input.
    _allows_overcomplete: ClassVar[bool] = False

    def _resolved_network(self) -> Any:
        """What `network` may be: None, a class, or a specification."""
        return self.network

    def _resolved_code_activation(self) -> str:
        """The activation of the code under its name in `ACTIVATIONS`."""
        return self.code_activation

    def _loss_name(self) -> str:
        """The loss under its name in `LOSSES`."""
        return self.loss

    def _penalties(self, n_components: int) -> Penalties:
        """The penalties by the names of their columns, in units of the data."""
        return {
            "l1": ("l1", float(self.l1_penalty), {}),
            "l2": ("l2", float(self.l2_penalty), {}),
        }

    def _objective(self) -> tuple[type, dict[str, Any]]:
        """The class of the objective, and its arguments beyond loss and penalties."""
        return Objective, {}

    def _corruption(self, data: TrainingData) -> tuple[Any, dict[str, Any]] | None:
        """What is done to the inputs in training, and its parameters."""
        return None

    def _pretrain(
        self, net: AutoencoderNet, data: TrainingData, rows: np.ndarray
    ) -> None:
        """Prepare a new net for the training on the given rows."""

    def _orders_codes(self) -> bool:
        """Whether the codes may be rotated; an L1 penalty singles out their axes."""
        return self.l1_penalty == 0

    def _check_combination(self, data: TrainingData) -> None:
        """Raise a ValueError where own parameters contradict others or the data."""

    def _check_codes(self, codes: np.ndarray) -> None:
        """Raise a ValueError where the codes of a user's network do not serve."""

    def _describe_codes(self, mean: np.ndarray, variances: np.ndarray) -> None:
        """Set further attributes from mean and variance of the codes."""

    # -- fitting -------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_target=None, sample_weight=None):
        """Fit the autoencoder to `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Sparse matrices are made dense a few batches at a time.

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

        Raises
        ------
        ValueError
            If a parameter or the data are not what they have to be, or if the loss
            becomes infinite or NaN. The estimator is then as it was before.

        KeyboardInterrupt
            If the fit is interrupted. The estimator is fitted then, with the best
            weights so far.
        """
        with self._unchanged_on_error():
            continuing = self.warm_start and hasattr(self, "net_")
            data = self._validate(X, X_target, sample_weight, reset=not continuing)
            net = self._continue(data) if continuing else self._begin(data)
            train, valid = self._split(data)
            if not continuing:
                self._pretrain(net, data, train.rows)
            starts_as_pca = self._starts_as_pca() and not continuing
            # On few rows PCA is kept unless training beats it where it has seen the
            # rows held out; on many that would be asked too much.
            fair = (
                starts_as_pca
                and valid is not None
                and defaults.compares_fairly(len(data.rows), data.n_features)
            )
            if starts_as_pca:
                self._start_as_pca(net, data, train.rows if fair else data.rows)
            net.guards_start = starts_as_pca
            interrupt = self._train(net, train, valid, self._n_epochs(len(data.rows)))
            if fair and not net.moved_:
                self._start_as_pca(net, data, data.rows)
            rotate = net.moved_ or not (continuing or starts_as_pca)
            self._finish(net, self._dataset(data, data.rows), rotate=rotate)
            # What the optimizer remembers belongs to other weights and other axes.
            net.initialize_optimizer()
        if interrupt is not None:
            raise interrupt
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, X_target=None, sample_weight=None):
        """Pass once over `X`, at a constant learning rate.

        The first call sets the mean, the scale, the number of components, what the
        optimizer does and, where the network starts as PCA, the starting point. No
        row is held out, and the codes keep their axes from call to call.

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
            data = self._validate(X, X_target, sample_weight, reset=first)
            net = self._begin(data) if first else self.net_
            if first:
                self._pretrain(net, data, data.rows)
            if first and self._starts_as_pca():
                self._start_as_pca(net, data, data.rows)
            net.listen(self.callbacks, self.verbose)
            net.schedule = "constant"
            dataset = self._dataset(data, data.rows)
            interrupt = self._interrupt_of(net.train, dataset, None, 1)
            self._finish(net, dataset, rotate=False)
        if interrupt is not None:
            raise interrupt
        return self

    def _validate(self, X, X_target, sample_weight, *, reset: bool) -> TrainingData:
        data = validate_training_data(self, X, X_target, sample_weight, reset=reset)
        check_parameters(self, data)
        self._check_combination(data)
        check_start(self)
        if reset:
            self._n_outputs = data.n_outputs
        elif data.n_outputs != self._n_outputs:
            raise ValueError(
                f"The target has {data.n_outputs} columns, but the network that is "
                f"to be trained on has {self._n_outputs} outputs."
            )
        return data

    def _begin(self, data: TrainingData) -> AutoencoderNet:
        """Look at the data, and make a net that is ready to train on them."""
        table = data.X, data.rows, data.weight
        mean, scale = mean_and_scale(*table)
        n_components, n_rows = self.n_components, len(data.rows)
        if self._starts_as_pca() and n_components > min(n_rows, data.n_features):
            raise ValueError(
                f"n_components={n_components!r} must be at most min(n_samples, "
                f"n_features)={min(n_rows, data.n_features)} with init='pca'; set "
                "init='random' for a wider code."
            )
        if n_components < 1:
            n_components = len(principal_axes(*table, mean, n_components).components)
        self.n_components_ = int(n_components)
        standardize = standardize_target = self._affine(mean, scale)
        if data.target is not None:
            standardize_target = self._affine(
                *mean_and_scale(data.target, data.rows, data.weight)
            )
        self.mean_, self.scale_ = standardize
        self.device_ = resolve_device(self.device)
        self._feature_mean = mean
        self._recipe = self._make_recipe(
            data, self.n_components_, standardize, standardize_target
        )
        if not isinstance(self.network, type):
            return self._make_net()
        try:
            net = self._make_net()
            some = data.rows[:100]
            x, _, _ = self._dataset(data, some).gather(np.arange(len(some)))
            codes = checked_codes(net.module_, x, self.n_components_, data.n_outputs)
            self._check_codes(codes)
        except (AttributeError, TypeError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"network={self.network!r} does not serve as a network of "
                f"n_features={data.n_features} and n_components={self.n_components_}: "
                f"{error}"
            ) from error
        return net

    def _starts_as_pca(self) -> bool:
        return self.init == "pca" and not isinstance(self.network, type)

    def _start_as_pca(
        self, net: AutoencoderNet, data: TrainingData, rows: np.ndarray
    ) -> None:
        """Start `net` as PCA of the given rows."""
        axes = self._principal_axes(data, rows)
        start_as_pca(net.module_, axes, self._feature_mean, self._dataset(data, rows))

    def _principal_axes(self, data: TrainingData, rows: np.ndarray) -> PrincipalAxes:
        mean = self._feature_mean
        return principal_axes(data.X, rows, data.weight, mean, self.n_components_)

    def _affine(self, mean: np.ndarray, scale: float) -> Affine:
        """The standardisation that leaves the minimiser of the objective in place."""
        output_activation = self._resolved_output_activation()
        if LOSSES[self._loss_name()].degree is None or output_activation != "identity":
            return Affine(np.zeros_like(mean), 1.0)
        # Penalties weigh weights and codes in the units of the data.
        penalized = _is_penalized(self._penalties(self.n_components_))
        return Affine(mean, 1.0 if penalized else scale)

    def _resolved_output_activation(self) -> str:
        if isinstance(self.network, type):
            return "identity"
        if self.output_activation != "auto":
            return self.output_activation
        return "sigmoid" if self._loss_name() == "bce" else "identity"

    def _continue(self, data: TrainingData) -> AutoencoderNet:
        """The net of the fit before, with a new optimizer."""
        before = self._recipe
        n_components = self.n_components_
        if self.n_components >= 1:
            n_components = int(self.n_components)
        recipe = self._make_recipe(
            data, n_components, before.standardize, before.standardize_target
        )
        for name in ("module", "module_params"):
            old, new = getattr(before, name), getattr(recipe, name)
            if old != new:
                raise ValueError(
                    "warm_start=True continues with the network of the fit before, "
                    f"but its {name} changed from {old!r} to {new!r}. Set "
                    "warm_start=False for a new network."
                )
        if before.standardize.scale != 1.0 and _is_penalized(recipe.penalties):
            raise ValueError(
                "warm_start=True keeps the scale of the fit before, "
                f"scale_={before.standardize.scale:.3g}, in whose units a penalty that "
                "was 0 then cannot be weighed. Set warm_start=False."
            )
        state = dump_state(self.net_)
        self._recipe = recipe
        net = self._make_net()
        fresh = dump_state(net)
        state["optimizer"] = fresh["optimizer"]
        if recipe.penalties != before.penalties:
            # What the objective remembers belongs to other penalties.
            state["objective"] = fresh["objective"]
        load_state(net, state)
        return net

    def _make_recipe(
        self,
        data: TrainingData,
        n_components: int,
        standardize: Affine,
        standardize_target: Affine,
    ) -> Recipe:
        module, module_params = self._module_and_params(data, n_components)
        objective, objective_params = self._objective()
        corruption = self._corruption(data)
        return Recipe(
            module=module,
            module_params=module_params,
            standardize=standardize,
            standardize_target=standardize_target,
            objective=objective,
            loss=self._loss_name(),
            penalties=self._penalties(n_components),
            objective_params=objective_params,
            corruption=corruption,
            # What a user wrote may draw from torch's global generators.
            is_foreign=isinstance(self.network, type)
            or (corruption is not None and callable(corruption[0])),
            **self._training_settings(len(data.rows)),
        )

    def _module_and_params(
        self, data: TrainingData, n_components: int
    ) -> tuple[type, dict[str, Any]]:
        params = {"n_features": data.n_features, "n_components": n_components}
        network = self._resolved_network()
        if isinstance(network, type):
            return network, params
        params |= {
            "n_outputs": data.n_outputs,
            "activation": self.activation,
            "code_activation": self._resolved_code_activation(),
            "output_activation": self._resolved_output_activation(),
            "dropout": float(self.dropout),
            "linear_path": self._starts_as_pca(),
        }
        if network is not None:
            module, own = network.module_and_params(data.n_features, data.n_outputs)
            return module, params | own
        sizes = self.hidden_layer_sizes
        if sizes == "auto":
            sizes = defaults.HIDDEN_LAYER_SIZES
        return DenseNetwork, params | {
            "hidden_layer_sizes": tuple(int(size) for size in np.atleast_1d(sizes)),
            "tied_weights": self.tied_weights,
        }

    def _split(self, data: TrainingData) -> tuple[ArrayDataset, ArrayDataset | None]:
        if not self.early_stopping:
            return self._dataset(data, data.rows), None
        n_valid = defaults.validation_size(len(data.rows), self.validation_fraction)
        order = np.random.RandomState(self._recipe.seed).permutation(data.rows)
        held_out, kept = np.sort(order[:n_valid]), np.sort(order[n_valid:])
        return self._dataset(data, kept), self._dataset(data, held_out)

    def _finish(self, net: AutoencoderNet, dataset: ArrayDataset, rotate: bool) -> None:
        """Order the codes and set the fitted attributes."""
        network = net.module_
        moments = code_moments(network, dataset)
        variances = np.diag(moments.covariance)
        linear_code = getattr(network, "linear_code", False)
        if rotate and linear_code and self._orders_codes():
            rotation, variances = principal_rotation(moments)
            network.transform_code(torch.from_numpy(rotation).float().to(self.device_))
        self._code_scale = self.scale_ if linear_code else 1.0
        self.explained_variance_ = variances * self._code_scale**2
        self._describe_codes(moments.mean * self._code_scale, self.explained_variance_)
        self._hold(net)


def _is_penalized(penalties: Penalties) -> bool:
    return any(coefficient > 0 for _, coefficient, _ in penalties.values())
