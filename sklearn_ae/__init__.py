"""Autoencoders as scikit-learn estimators."""

from sklearn_ae.estimators._autoencoder import Autoencoder
from sklearn_ae.estimators._contractive import ContractiveAutoencoder
from sklearn_ae.estimators._convolutional import (
    ConvolutionalAutoencoder,
    ConvolutionalNetwork,
)
from sklearn_ae.estimators._denoising import DenoisingAutoencoder
from sklearn_ae.estimators._imputer import AutoencoderImputer
from sklearn_ae.estimators._outlier import AutoencoderOutlierDetector
from sklearn_ae.estimators._sparse import SparseAutoencoder
from sklearn_ae.estimators._stacked import StackedAutoencoder
from sklearn_ae.estimators._supervised import (
    AutoencoderClassifier,
    AutoencoderRegressor,
)
from sklearn_ae.estimators._variational import VariationalAutoencoder
from sklearn_ae.persistence.earlier_versions import refuse_earlier_pickles

__version__ = "0.2.0.dev0"

refuse_earlier_pickles(__name__)

__all__ = [
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
    "AutoencoderRegressor",
    "ContractiveAutoencoder",
    "ConvolutionalAutoencoder",
    "ConvolutionalNetwork",
    "DenoisingAutoencoder",
    "SparseAutoencoder",
    "StackedAutoencoder",
    "VariationalAutoencoder",
    "__version__",
]
