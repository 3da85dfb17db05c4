"""The denoising autoencoder: corrupt the input, reconstruct the clean one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import ClassVar

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.data.moments import blocks
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._parameters import (
    AnyNetwork,
    CodeActivation,
    HiddenLayers,
    Start,
    TiedWeights,
)
from sklearn_ae.estimators._parts import Parts
from sklearn_ae.estimators._validation import TrainingData
from sklearn_ae.objectives.corruptions import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepper,
)


@dataclass(kw_only=True, eq=False, repr=False)
class DenoisingAutoencoder(
    BaseAutoencoder, HiddenLayers, AnyNetwork, Start, TiedWeights, CodeActivation
):
    """Denoising autoencoder: corrupt the input, reconstruct the clean one.

    Minimises [1]_

    ``J = E mean_i 1/2 ||x_i - g(h(c(x_i)))||^2``

    where ``c`` corrupts a row at random, anew in every epoch. `reconstruct` then cleans
    rows that are corrupted in the same way, and `transform` gives codes that do not
    mind the corruption.

    What is to be undone can also be given row by row, as ``fit(X_corrupted,
    X_target=X_clean)``. Nothing is added to `X` then, and the width of the target may
    differ from that of `X`, as from grey images to coloured ones.

    Parameters
    ----------
    n_components : int or float, default=0.95
        Width of the code, which with ``init="random"`` may exceed that of the input. A
        share of the variance in (0, 1) takes as many components as PCA needs to explain
        more than it.

    corruption : {"gaussian", "masking", "salt_and_pepper"} or callable, \
default="gaussian"
        What is done to the input in training, in the units of `X`:

        - "gaussian" adds normal noise with a standard deviation of `corruption_level`;
        - "masking" sets a random share `corruption_level` of the entries to zero;
        - "salt_and_pepper" sets that share to the smallest or the largest value in `X`;
        - a callable is called as ``corruption(X_batch, generator)`` with a tensor of
          shape (n_rows, n_features) and a `torch.Generator` to draw from, and returns
          another tensor of that shape. `corruption_level` is then not used.

    corruption_level : float, default=0.3
        A standard deviation of at least 0 for "gaussian", else a share in [0, 1].

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    Autoencoder : The same without corruption.
    ContractiveAutoencoder : Robust codes, by a penalty on their Jacobian.

    References
    ----------
    .. [1] Vincent, Larochelle, Lajoie, Bengio and Manzagol (2010). "Stacked denoising
       autoencoders". Journal of Machine Learning Research 11.
       https://www.jmlr.org/papers/v11/vincent10a.html

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import DenoisingAutoencoder
    >>> X = load_digits().data / 16
    >>> X_train, X_test = train_test_split(X, test_size=0.5, random_state=0)
    >>> noisy = X_test + 0.3 * np.random.default_rng(0).normal(size=X_test.shape)
    >>> denoiser = DenoisingAutoencoder(32, corruption_level=0.3, random_state=0)
    >>> cleaned = denoiser.fit(X_train).reconstruct(noisy)
    >>> before, after = ((noisy - X_test) ** 2).mean(), ((cleaned - X_test) ** 2).mean()
    >>> bool(after < before / 3)
    True

    Inpainting, where the lower half of each image is missing:

    >>> def cover(images, generator):
    ...     covered = images.clone()
    ...     covered[:, 32:] = 0
    ...     return covered
    >>> painter = DenoisingAutoencoder(32, corruption=cover, random_state=0)
    >>> painter.fit(X_train).reconstruct(X_test * (np.arange(64) < 32)).shape
    (899, 64)
    """

    n_components: int | float = field(default=0.95, kw_only=False)
    init: str = "pca"
    corruption: str | Callable = "gaussian"
    corruption_level: float = 0.3

    _parameter_constraints: ClassVar[dict] = {
        "corruption": [
            StrOptions({"gaussian", "masking", "salt_and_pepper"}),
            callable,
        ],
        "corruption_level": [Interval(Real, 0, None, closed="left")],
    }

    def _check(self, data: TrainingData) -> None:
        # A callable need not be comparable.
        is_share = isinstance(self.corruption, str) and self.corruption != "gaussian"
        if is_share and self.corruption_level > 1:
            raise ValueError(
                f"corruption_level={self.corruption_level!r} is the share of entries "
                f"that corruption={self.corruption!r} replaces, and must be at most 1."
            )

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        parts = super()._parts(data, n_components)
        return replace(parts, corruption=self._resolved_corruption(data))

    def _resolved_corruption(self, data: TrainingData) -> Callable | None:
        level = float(self.corruption_level)
        if data.target is not None:
            return None
        if callable(self.corruption):
            return self.corruption
        if level == 0:
            return None
        if self.corruption == "gaussian":
            return GaussianNoise(level)
        if self.corruption == "masking":
            return MaskingNoise(level)
        ranges = [(X.min(), X.max()) for X, _ in blocks(data.X, data.rows)]
        lows, highs = zip(*ranges, strict=True)
        return SaltAndPepper(level, float(min(lows)), float(max(highs)))
