"""Pickles of versions whose modules had other names: a clear error in place of one."""

import sys
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

# Where version 0.1 had its estimators; a pickle asks for one of these first.
ESTIMATORS_OF_0_1 = {
    "_autoencoder": {"Autoencoder"},
    "_contractive": {"ContractiveAutoencoder"},
    "_convolutional": {"ConvolutionalAutoencoder", "ConvolutionalNetwork"},
    "_denoising": {"DenoisingAutoencoder"},
    "_outlier": {"AutoencoderOutlierDetector"},
    "_sparse": {"SparseAutoencoder"},
    "_stacked": {"StackedAutoencoder"},
    "_supervised": {"AutoencoderClassifier", "AutoencoderRegressor"},
    "_variational": {"VariationalAutoencoder"},
}


class _EarlierModule(ModuleType):
    """Raises an error that says what to do when an estimator is looked up in it."""

    def __getattr__(self, name: str) -> Any:
        _, _, module = self.__name__.rpartition(".")
        # pickle and skops look for functions in all modules that are imported.
        if name not in ESTIMATORS_OF_0_1[module]:
            raise AttributeError(name)
        raise UnpicklingError(
            f"This {name} was saved by sklearn_ae 0.1, whose files this version cannot "
            "load. Load it with sklearn_ae 0.1, or fit it again with this version."
        )


def refuse_earlier_pickles(package: str) -> None:
    """Let pickles of version 0.1 end in an `UnpicklingError`."""
    for name in ESTIMATORS_OF_0_1:
        name = f"{package}.{name}"
        sys.modules.setdefault(name, _EarlierModule(name))
