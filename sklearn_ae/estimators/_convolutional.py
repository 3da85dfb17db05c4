"""Convolutional networks for any autoencoder, and the plain autoencoder with one."""

from dataclasses import dataclass, replace
from math import isqrt, prod
from numbers import Integral
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae._sklearn_compat import Interval
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._parameters import CodeActivation, Start
from sklearn_ae.estimators._parts import Parts
from sklearn_ae.estimators._validation import TrainingData, is_positive_integer
from sklearn_ae.networks.convolutional import Convolutions

_CONSTRAINTS: dict[str, list] = {
    "image_shape": [tuple, list, None],
    "channels": [tuple, list],
    "kernel_size": [Interval(Integral, 1, None, closed="left")],
}


@dataclass(kw_only=True, eq=False, repr=False)
class ConvolutionalNetwork(DocLinkMixin, BaseEstimator):
    """A convolutional network, as a value of the parameter `network`.

    The encoder consists of convolutions that halve height and width, and of a linear
    map from the last of them to the code. The decoder mirrors it. Activations and
    `dropout` are those of the autoencoder it is given to; with ``init="pca"`` linear
    maps beside the convolutions start as PCA.

    Parameters
    ----------
    image_shape : tuple of int or None, default=None
        Channels, height and width of the images, of which each row of `X` is one,
        flattened in this order. None is a square grey image where the number of
        features is a square, else one row of grey pixels.

    channels : tuple of int, default=(16, 32)
        Channels of the encoder's convolutions, at least one.

    kernel_size : int, default=3
        Side of the kernels in pixels, odd.

    See Also
    --------
    ConvolutionalAutoencoder : The plain autoencoder with this network.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import ConvolutionalNetwork, DenoisingAutoencoder
    >>> X = load_digits().data[:200] / 16
    >>> network = ConvolutionalNetwork(image_shape=(1, 8, 8), channels=(8, 16))
    >>> denoiser = DenoisingAutoencoder(16, network=network, max_epochs=5)
    >>> denoiser.set_params(network__channels=(4, 8)).fit(X).reconstruct(X).shape
    (200, 64)
    """

    image_shape: tuple[int, int, int] | None = None
    channels: tuple[int, ...] = (16, 32)
    kernel_size: int = 3

    _parameter_constraints: ClassVar[dict] = _CONSTRAINTS

    def module_and_params(
        self, n_features: int, n_outputs: int
    ) -> tuple[type, dict[str, Any]]:
        """Give the class of the network and its arguments.

        Parameters
        ----------
        n_features : int
            Width of the input.

        n_outputs : int
            Width of the output.

        Returns
        -------
        module : type
            A subclass of `torch.nn.Module`.

        params : dict
            Its arguments beyond the widths and what an autoencoder adds.

        Raises
        ------
        ValueError
            If `image_shape` does not match the widths, or a parameter is invalid.
        """
        self._validate_params()
        channels = tuple(self.channels)
        if not channels or not all(is_positive_integer(n) for n in channels):
            raise ValueError(
                f"channels={self.channels!r} must hold at least one integer, and "
                "integers of at least 1."
            )
        if self.kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size={self.kernel_size!r} must be odd, so that each pixel is "
                "the centre of a kernel."
            )
        shape = self._resolved_shape(n_features)
        if n_outputs % prod(shape[1:]) != 0:
            raise ValueError(
                f"X_target has {n_outputs} columns, which is no multiple of height "
                f"times width of image_shape={shape!r}, {prod(shape[1:])}."
            )
        return Convolutions, {
            "image_shape": shape,
            "channels": tuple(int(n) for n in channels),
            "kernel_size": int(self.kernel_size),
        }

    def _resolved_shape(self, n_features: int) -> tuple[int, int, int]:
        if self.image_shape is None:
            side = isqrt(n_features)
            is_square = side**2 == n_features
            return (1, side, side) if is_square else (1, 1, n_features)
        shape = tuple(self.image_shape)
        if len(shape) != 3 or not all(is_positive_integer(n) for n in shape):
            raise ValueError(
                f"image_shape={self.image_shape!r} must be three integers of at least "
                "1: channels, height and width."
            )
        if prod(shape) != n_features:
            raise ValueError(
                f"image_shape={self.image_shape!r} has {prod(shape)} pixels "
                f"({' x '.join(map(str, shape))}), but X has {n_features} features."
            )
        return tuple(int(n) for n in shape)


@dataclass(kw_only=True, eq=False, repr=False)
class ConvolutionalAutoencoder(BaseAutoencoder, Start, CodeActivation):
    """Autoencoder of images: convolutions in place of dense layers.

    Finds an encoder ``h`` and a decoder ``g`` that minimise

    ``J = mean_i 1/2 ||x_i - g(h(x_i))||^2 + l1_penalty sum |W| + l2_penalty/2 sum W^2``

    where ``h`` consists of convolutions that halve height and width and of a linear map
    to the code, and ``g`` mirrors it [1]_. Images come and go as flat rows, so that the
    estimator sits in a pipeline. As in `Autoencoder`, linear maps beside the
    convolutions start as PCA, and the fitted model is PCA unless training beats it.

    Parameters
    ----------
    image_shape : tuple of int or None, default=None
        Channels, height and width of the images, of which each row of `X` is one,
        flattened in this order. Any height and width will do. None is a square grey
        image where the number of features is a square, else one row of grey pixels.

    channels : tuple of int, default=(16, 32)
        Channels of the encoder's convolutions, at least one.

    kernel_size : int, default=3
        Side of the kernels in pixels, odd.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    ConvolutionalNetwork : The same network in any other autoencoder, as its `network`.
    Autoencoder : Dense layers instead.

    References
    ----------
    .. [1] Masci, Meier, Ciresan and Schmidhuber (2011). "Stacked convolutional
       auto-encoders for hierarchical feature extraction". ICANN.
       :doi:`10.1007/978-3-642-21735-7_7`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import ConvolutionalAutoencoder
    >>> X = load_digits().data / 16
    >>> autoencoder = ConvolutionalAutoencoder(
    ...     8, image_shape=(1, 8, 8), max_epochs=10, random_state=0
    ... )
    >>> autoencoder.fit_transform(X).shape
    (1797, 8)
    >>> autoencoder.reconstruct(X).shape
    (1797, 64)
    """

    init: str = "pca"
    image_shape: tuple[int, int, int] | None = None
    channels: tuple[int, ...] = (16, 32)
    kernel_size: int = 3

    _parameter_constraints: ClassVar[dict] = _CONSTRAINTS

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        network = ConvolutionalNetwork(
            image_shape=self.image_shape,
            channels=self.channels,
            kernel_size=self.kernel_size,
        )
        return replace(super()._parts(data, n_components), network=network)
