"""What methods of fitted estimators compute, as torch modules."""

import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._gaps import takes_gaps
from sklearn_ae.estimators._nearest_rows import FARTHEST, Measure, SquareErrors
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


class Pass:
    """Rows and what a network makes of them, each computed once.

    Parameters
    ----------
    module : torch.nn.Module
        The network in the units of the data.
    x : tensor
        Rows in the precision of the module, or codes.
    """

    def __init__(self, module: Any, x: Tensor) -> None:
        self.module, self.x = module, x

    @cached_property
    def code(self) -> Tensor:
        return self.module.encode(self.x)

    @cached_property
    def output(self) -> Tensor:
        return self.module.decode(self.code)

    @cached_property
    def squares(self) -> Tensor:
        return (self.x - self.output).square()


class Method(NamedTuple):
    """What one method computes, and whether always in double precision."""

    apply: Callable[[Pass], Tensor]
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
        for name in names:
            check_method(estimator, name)
        module, offered = methods_of(estimator)
        self.methods = [offered[name] for name in names]
        self.dtypes = [torch.float64 if m.in_doubles else dtype for m in self.methods]
        # Copies, one for each precision in use.
        self.copies = nn.ModuleDict()
        for dtype in dict.fromkeys(self.dtypes):
            own = copy.deepcopy(module).cpu()
            # In single precision, too, the means are doubles.
            self.copies[_name(dtype)] = own.double() if dtype == torch.float64 else own
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        passes = {
            dtype: Pass(self.copies[_name(dtype)], x.to(dtype))
            for dtype in dict.fromkeys(self.dtypes)
        }
        return tuple(
            method.apply(passes[dtype])
            for method, dtype in zip(self.methods, self.dtypes, strict=True)
        )


def _name(dtype: torch.dtype) -> str:
    """The key of a precision; those of a `ModuleDict` are strings."""
    return str(dtype).removeprefix("torch.")


def methods_of(estimator: Any) -> tuple[Any, dict[str, Method]]:
    """The network of an estimator in the units of the data, and what can be exported.

    Raises a ValueError if nothing can.
    """
    if isinstance(estimator, AutoencoderOutlierDetector):
        return _reconstructor(estimator.autoencoder_), _detector_methods(estimator)
    methods = {"transform": Method(lambda run: run.code)}
    if isinstance(estimator, AutoencoderClassifier):
        is_binary = len(estimator.classes_) == 2
        methods |= {
            "predict": Method(lambda run: run.output.argmax(1)),
            "predict_proba": Method(lambda run: run.output.softmax(1)),
            "decision_function": Method(
                lambda run: (
                    run.output[:, 1] - run.output[:, 0] if is_binary else run.output
                )
            ),
        }
    elif isinstance(estimator, AutoencoderRegressor):
        column = 0 if estimator._one_column else slice(None)
        methods["predict"] = Method(lambda run: run.output[:, column])
    else:
        mean = means_of_observed if takes_gaps(estimator) else row_means
        score = Method(lambda run: -mean(run.squares), in_doubles=True)
        if isinstance(estimator, VariationalAutoencoder):
            score = Method(_evidence_lower_bound(estimator), in_doubles=True)
        methods |= {
            "inverse_transform": Method(lambda run: run.module.decode(run.x)),
            "reconstruct": Method(lambda run: run.output),
            "reconstruction_error": Method(
                lambda run: mean(run.squares), in_doubles=True
            ),
            "score_samples": score,
        }
    return estimator.module_, methods


def check_method(estimator: Any, name: str) -> None:
    """Raise a ValueError if a method of an estimator cannot be exported."""
    _, offered = methods_of(estimator)
    if name not in offered:
        raise ValueError(
            f"output={name!r} of {type(estimator).__name__} cannot be exported; choose "
            f"from {sorted(offered)}."
        )


def row_means(x: Tensor) -> Tensor:
    """The mean of each row."""
    # Not `mean`: onnx cannot convert ReduceMean to operator set 17.
    return x.sum(1) / x.shape[1]


def means_of_observed(x: Tensor) -> Tensor:
    """The mean of each row without its NaN, 0 if there is nothing else."""
    missing = x.isnan()
    n_observed = missing.logical_not().to(x.dtype).sum(1)
    return x.masked_fill(missing, 0.0).sum(1) / n_observed.clamp_min(1.0)


def _evidence_lower_bound(
    estimator: VariationalAutoencoder,
) -> Callable[[Pass], Tensor]:
    """As `objectives.likelihood` has it, with all draws at once."""
    draws = estimator._balanced_draws().cpu()
    loss = estimator.net_.criterion_.negative_log_likelihood

    def bound(run: Pass) -> Tensor:
        module, network = run.module, run.module.network
        target = (run.x - module.output_mean) / module.output_scale
        mean, log_variance = network.posterior(module.standardize(run.x))
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

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, z: Tensor) -> Tensor:
        return torch.zeros_like(z) + self.row


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


def _measure_by_feature(measure: Measure) -> Callable[[Tensor, Tensor], Tensor]:
    """Shares of the features, from reconstructions and errors."""
    scale = torch.from_numpy(measure.square_scale.astype(np.float64))
    if isinstance(measure, SquareErrors):
        return lambda output, error: error.square() / scale
    usual = torch.from_numpy(measure.usual.astype(np.float64))
    center = torch.from_numpy(measure.center.astype(np.float64))
    level, unit = float(measure.level), float(measure.unit)
    weight = torch.from_numpy(measure.weight.astype(np.float64))
    wanted, n_searched = measure.wanted, measure.n_searched

    def by_feature(output: Tensor, error: Tensor) -> Tensor:
        rows = torch.cat([(output - center) / level, error / scale.sqrt()], dim=1)
        rows = rows.clamp(-FARTHEST, FARTHEST)
        distances = rows.square().sum(1, keepdim=True) - 2 * rows @ usual.T
        distances = distances + usual.square().sum(1)
        nearest = distances.topk(n_searched, dim=1, largest=False).indices
        weights = weight[nearest]
        parts = (wanted - weights.cumsum(1) + weights).clamp(min=0).minimum(weights)
        parts = parts / parts.sum(1, keepdim=True)
        squares = (rows.unsqueeze(1) - usual[nearest]).square()
        squares = (parts.unsqueeze(2) * squares).sum(1)
        by_output, by_error = squares.chunk(2, dim=1)
        return (by_output + by_error) / unit

    return by_feature


def _detector_methods(detector: AutoencoderOutlierDetector) -> dict[str, Method]:
    constant = torch.from_numpy(np.array(detector._constant, dtype=np.float64))
    varies, offset = constant.isnan(), float(detector.offset_)
    measure = _measure_by_feature(detector._measure())

    def errors(run: Pass) -> Tensor:
        output = torch.where(varies, run.output, constant)
        return measure(output, run.x - output)

    def score(run: Pass) -> Tensor:
        return -row_means(errors(run))

    def decision(run: Pass) -> Tensor:
        return score(run) - offset

    def predict(run: Pass) -> Tensor:
        return torch.where(decision(run) < 0, -1, 1)

    methods = (errors, score, decision, predict)
    names = ("feature_errors", "score_samples", "decision_function", "predict")
    return {
        name: Method(method, in_doubles=True)
        for name, method in zip(names, methods, strict=True)
    }
