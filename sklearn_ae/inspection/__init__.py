"""What fitted autoencoders have learned. The displays need the extra ``plot``."""

from sklearn_ae.inspection._activation import ActivationDisplay
from sklearn_ae.inspection._compare import compare
from sklearn_ae.inspection._comparison import ComparisonDisplay
from sklearn_ae.inspection._components import ComponentsDisplay
from sklearn_ae.inspection._feature_importance import FeatureImportanceDisplay
from sklearn_ae.inspection._features import errors_by_feature, feature_importance
from sklearn_ae.inspection._latent_space import LatentSpaceDisplay
from sklearn_ae.inspection._loss_curve import LossCurveDisplay
from sklearn_ae.inspection._reconstruction import ReconstructionDisplay
from sklearn_ae.inspection._reconstruction_error import ReconstructionErrorDisplay
from sklearn_ae.inspection._weights import WeightsDisplay

__all__ = [
    "ActivationDisplay",
    "ComparisonDisplay",
    "ComponentsDisplay",
    "FeatureImportanceDisplay",
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "ReconstructionErrorDisplay",
    "WeightsDisplay",
    "compare",
    "errors_by_feature",
    "feature_importance",
]
