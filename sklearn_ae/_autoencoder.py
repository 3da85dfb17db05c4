"""The undercomplete autoencoder, shallow or deep."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn_ae._base import BaseAutoencoder, TrainingData
from sklearn_ae._docstrings import document
from sklearn_ae._sklearn_compat import StrOptions


@document
@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(BaseAutoencoder):
    """X"""

    init: str = "pca"
    tied_weights: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "init": [StrOptions({"pca", "random"})],
        "tied_weights": ["boolean"],
    }

    def _starts_as_pca(self) -> bool:
        return self.init == "pca" and self.network is None

    def _network_params(self) -> dict[str, Any]:
        return {
            "linear_path": self._starts_as_pca(),
            "tied_weights": self.tied_weights,
        }

    def _check_combination(self, data: TrainingData) -> None:
        n_rows, n_features = len(data.rows), data.X.shape[1]
        if self._starts_as_pca():
            if self.n_components > min(n_rows, n_features):
                raise ValueError(
                    f"n_components={self.n_components!r} must be at most "
                    f"min(n_samples, n_features)={min(n_rows, n_features)} with "
                    "init='pca'; init='random' allows up to n_features."
                )
            if self.code_activation != "identity":
                raise ValueError(
                    f"code_activation={self.code_activation!r} cannot start as PCA; "
                    "set init='random' or code_activation='identity'."
                )
        if self.tied_weights and self.network is not None:
            raise ValueError(
                "tied_weights=True belongs to the dense network; leave "
                f"network={self.network!r} out or set tied_weights=False."
            )
        if (
            self.tied_weights
            and data.target is not None
            and data.target.shape[1] != n_features
        ):
            raise ValueError(
                f"tied_weights=True needs as many outputs as inputs ({n_features}), "
                f"but X_target has {data.target.shape[1]} columns."
            )
