"""Autoencoders as scikit-learn estimators."""

from sklearn_ae._autoencoder import Autoencoder

__version__ = "0.1.0.dev0"

__all__ = ["Autoencoder", "__version__"]
