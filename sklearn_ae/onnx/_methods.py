"""What methods of fitted estimators compute, as torch modules."""

import copy
from collections.abc import Callable, Sequence
from operator import call
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._outlier import AutoencoderOutlierDetector
from sklearn_ae.estimators._supervised import (
    AutoencoderClassifier,
    AutoencoderRegressor,
)
from sklearn_ae.estimators._unseen_errors import MedianReconstructor
from sklearn_ae.estimators._variational import VariationalAutoencoder
from sklearn_ae.objectives.penalties import gaussian_kl

# Their subclasses are exported as well.
ROOTS = (
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    BaseAutoencoder,
)


class Method(NamedTuple):
    """What one method computes.

    Parameters
    ----------
    apply : callable
        Takes the network in the units of the data, and rows.
    in_doubles : bool
        Whether it computes in double precision, whatever the rows are in.
    """

    apply: Callable[[Any, Tensor], Tensor]
    in_doubles: bool = False


class Methods(nn.Module):
    """Several methods of one estimator, applied to the same rows.

    Parameters
    ----------
    estimator : object
        Fitted.
    names : sequence of str
        Names of its methods. The method ``predict`` of a classifier gives the position
        of the class in ``classes_``.
    dtype : torch.dtype
        Of the rows, float32 or float64.
    """

    def __init__(self, estimator: Any, names: Sequence[str], dtype: torch.dtype):
        super().__init__()
        module, offered = methods_of(estimator)
        for name in names:
            if name not in offered:
                raise ValueError(
                    f"output={name!r} of {type(estimator).__name__} cannot be "
                    f"exported; choose from {sorted(offered)}."
                )
        self.methods = [offered[name] for name in names]
        self.dtypes = [torch.float64 if m.in_doubles else dtype for m in self.methods]
        # Copies, which the methods of one precision share.
        self.single = self.double_ = None
        if torch.float32 in self.dtypes:
            self.single = copy.deepcopy(module).cpu()
        if torch.float64 in self.dtypes:
            self.double_ = copy.deepcopy(module).cpu().double()
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            method.apply(
                self.double_ if dtype == torch.float64 else self.single, x.to(dtype)
            )
            for method, dtype in zip(self.methods, self.dtypes, strict=True)
        )


def methods_of(estimator: Any) -> tuple[Any, dict[str, Method]]:
    """The network of an estimator in the units of the data, and what can be exported.

    Raises a ValueError if nothing can.
    """
    if isinstance(estimator, AutoencoderOutlierDetector):
        return _reconstructor(estimator.autoencoder_), _detector_methods(estimator)
    methods = {"transform": Method(_encode)}
    if isinstance(estimator, AutoencoderClassifier):
        is_binary = len(estimator.classes_) == 2
        methods |= {
            "predict": Method(lambda module, x: module(x).argmax(1)),
            "predict_proba": Method(lambda module, x: module(x).softmax(1)),
            "decision_function": Method(_difference if is_binary else call),
        }
    elif isinstance(estimator, AutoencoderRegressor):
        methods["predict"] = Method(_first if estimator._one_column else call)
    else:
        score = Method(lambda module, x: -_mean_error(module, x), in_doubles=True)
        if isinstance(estimator, VariationalAutoencoder):
            score = Method(_evidence_lower_bound(estimator), in_doubles=True)
        methods |= {
            "inverse_transform": Method(lambda module, z: module.decode(z)),
            "reconstruct": Method(call),
            "reconstruction_error": Method(_mean_error, in_doubles=True),
            "score_samples": score,
        }
    return estimator.module_, methods


def _encode(module: Any, x: Tensor) -> Tensor:
    return module.encode(x)


def _first(module: Any, x: Tensor) -> Tensor:
    return module(x)[:, 0]


def _difference(module: Any, x: Tensor) -> Tensor:
    logits = module(x)
    return logits[:, 1] - logits[:, 0]


def _row_means(x: Tensor) -> Tensor:
    # Not `mean`: onnx cannot convert ReduceMean to operator set 17.
    return x.sum(1) / x.shape[1]


def _mean_error(module: Any, x: Tensor) -> Tensor:
    return _row_means((x - module(x)).square())


def _evidence_lower_bound(estimator: VariationalAutoencoder) -> Callable:
    """As `objectives.likelihood` has it, with all draws at once."""
    draws = estimator._balanced_draws().cpu()
    loss = estimator.net_.criterion_.negative_log_likelihood

    def bound(module: Any, x: Tensor) -> Tensor:
        network = module.network
        target = (x - module.output_mean) / module.output_scale
        mean, log_variance = network.posterior(module.standardize(x))
        codes = mean + draws.unsqueeze(1) * (log_variance / 2).exp()
        output = network.decode(codes.flatten(0, 1))
        losses = loss(network, output, target.repeat(len(draws), 1))
        losses = losses.unflatten(0, (len(draws), -1))
        return -losses.sum(0) / len(draws) - gaussian_kl(mean, log_variance)

    return bound


class _Constant(nn.Module):
    """Reconstructs every row by the same one."""

    def __init__(self, row: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("row", torch.from_numpy(np.array(row)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x) + self.row


def _reconstructor(autoencoder: Any) -> Any:
    """The network of the autoencoder of a detector."""
    if isinstance(autoencoder, FrozenEstimator):
        autoencoder = autoencoder.estimator
    if isinstance(autoencoder, MedianReconstructor):
        return _Constant(autoencoder.median_)
    if isinstance(autoencoder, BaseAutoencoder):
        return autoencoder.module_
    raise ValueError(
        f"AutoencoderOutlierDetector with autoencoder={autoencoder!r} cannot be "
        "exported, only with an autoencoder of sklearn_ae. Steps such as "
        "StandardScaler can stand before the detector in a pipeline."
    )


def _detector_methods(detector: AutoencoderOutlierDetector) -> dict[str, Method]:
    constant = torch.from_numpy(np.array(detector._constant, dtype=np.float64))
    scale = torch.from_numpy(np.square(detector.feature_scale_, dtype=np.float64))
    varies, offset = constant.isnan(), float(detector.offset_)

    def errors(module: Any, x: Tensor) -> Tensor:
        output = torch.where(varies, module(x), constant)
        return (x - output).square() / scale

    def score(module: Any, x: Tensor) -> Tensor:
        return -_row_means(errors(module, x))

    def predict(module: Any, x: Tensor) -> Tensor:
        return torch.where(score(module, x) - offset < 0, -1, 1)

    return {
        "feature_errors": Method(errors, in_doubles=True),
        "score_samples": Method(score, in_doubles=True),
        "decision_function": Method(
            lambda module, x: score(module, x) - offset, in_doubles=True
        ),
        "predict": Method(predict, in_doubles=True),
    }
