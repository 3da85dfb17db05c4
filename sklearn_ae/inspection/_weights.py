"""What the units of an encoder look for, or what those of a decoder add."""

import math

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.inspection._style import make_axes
from sklearn_ae.inspection._tiles import as_images, find_image_shape, show, tile

KINDS = ("encoder", "decoder", "activating")
STEPS = 30


class WeightsDisplay:
    """Weights of single units as images.

    It is recommended to use :meth:`from_estimator` to create a `WeightsDisplay`. All
    parameters are stored as attributes.

    Parameters
    ----------
    weights : array-like of shape (n_units, n_features)
        One row for each unit, flattened channels first.

    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(channels, height, width)``; None stands for squares of
        one channel.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images.

    figure_ : matplotlib Figure
        Figure containing the images.

    image_ : matplotlib AxesImage
        All images as one picture, each divided by its largest absolute weight: 0 is
        mid-grey, -1 black and 1 white. Of a unit whose weights are all 0 nothing but
        mid-grey is seen.

    See Also
    --------
    ActivationDisplay : How active the units are.

    Notes
    -----
    The input of norm r around `mean_` that activates a unit most is the limit of
    ``d <- g / ||g||`` with ``g`` the gradient of the unit's code at
    ``mean_ + r d``, and ``r`` the norm of `scale_`, which is about that of a centred
    row. Where the code is a monotone function of ``w @ x`` it is ``w / ||w||`` [1]_.

    References
    ----------
    .. [1] Erhan, Bengio, Courville and Vincent (2009). "Visualizing Higher-Layer
       Features of a Deep Network". Technical report 1341, Université de Montréal.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.inspection import WeightsDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> sparse = SparseAutoencoder(25, max_epochs=10, random_state=0).fit(X / 16)
    >>> display = WeightsDisplay.from_estimator(sparse, kind="decoder")
    >>> display.weights.shape
    (25, 64)
    >>> plt.show()
    """

    def __init__(self, *, weights, image_shape=None):
        self.weights = weights
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        kind="encoder",
        units=None,
        image_shape=None,
        ax=None,
        im_kw=None,
    ):
        """Draw the weights of a fitted autoencoder.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `module_` and `inverse_transform`.

        kind : {"encoder", "decoder", "activating"}, default="encoder"
            ``"encoder"``: weights of the encoder's first layer, those of its filters
            if it is a convolution. ``"decoder"``: what the reconstruction gains when a
            unit of the code goes from 0 to 1 and the others are 0, which for a decoder
            of one linear layer are its weights. ``"activating"``: the input of given
            norm that activates each unit of the code most.

        units : array-like of int, default=None
            Which units to draw. None draws all.

        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(channels, height, width)``. None takes that of
            `estimator` or squares of one channel.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        im_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow`.

        Returns
        -------
        display : WeightsDisplay
            The display with its images.

        Raises
        ------
        ValueError
            If `kind` is unknown, or the encoder begins with neither a linear layer nor
            a convolution.
        """
        check_is_fitted(estimator, "module_")
        if kind == "encoder":
            weights, filter_shape = _first_layer(estimator.module_, kind)
        elif kind == "decoder":
            zero = np.zeros((1, estimator.n_components_))
            ones = np.eye(estimator.n_components_)
            weights = estimator.inverse_transform(ones)
            weights = weights - estimator.inverse_transform(zero)
            filter_shape = None
        elif kind == "activating":
            weights, filter_shape = _activating_inputs(estimator), None
        else:
            raise ValueError(f"kind={kind!r} must be one of {KINDS}.")
        if filter_shape is None:
            image_shape = find_image_shape(weights.shape[1], image_shape, estimator)
        else:
            image_shape = filter_shape
        if units is not None:
            weights = weights[np.asarray(units)]
        return cls(weights=weights, image_shape=image_shape).plot(ax, im_kw=im_kw)

    def plot(self, ax=None, *, im_kw=None):
        """Draw the weights, as many rows of images as columns.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        im_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow`.

        Returns
        -------
        display : WeightsDisplay
            The display with its images.
        """
        weights = np.asarray(self.weights, dtype=float)
        shape = find_image_shape(weights.shape[1], self.image_shape)
        most = np.abs(weights).max(axis=1, keepdims=True)
        weights = weights / np.where(most > 0, most, 1.0)
        if shape[0] == 3:
            weights = (weights + 1) / 2  # colours are seen in [0, 1]
        # As square a picture as can be.
        height, width = shape[1] + 1, shape[2] + 1
        n_columns = math.ceil(math.sqrt(len(weights) * height / width))
        n_columns = min(n_columns, len(weights))
        n_rows = -(-len(weights) // n_columns)
        side = min(6.0, max(1.5, 0.6 * n_columns))
        figsize = side, side * n_rows * height / (n_columns * width)
        self.ax_ = make_axes(ax, "WeightsDisplay", figsize)
        self.figure_ = self.ax_.figure
        style = {"cmap": "gray", "vmin": -1, "vmax": 1} | (im_kw or {})
        self.image_ = show(
            self.ax_, tile(as_images(weights, shape), n_columns), **style
        )
        self.ax_.set(xticks=[], yticks=[])
        self.ax_.spines[:].set_visible(False)
        return self


def _first_layer(module, kind):
    """Weights of the first layer as rows, and the shape of filters or None."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d):
            weight = layer.weight.detach().cpu().numpy()
            return weight.reshape(len(weight), -1), weight.shape[1:]
        weight = getattr(layer, "weight", None)
        if isinstance(weight, torch.Tensor) and weight.ndim == 2:
            return weight.detach().cpu().numpy(), None
    raise ValueError(
        f"kind={kind!r} needs an encoder whose first layer is linear or a Conv2d, but "
        f"{type(module).__name__} has neither; take kind='activating'."
    )


def _activating_inputs(estimator):
    """Unit vectors from the mean that activate each unit of the code most."""
    module, device = estimator.module_, estimator.device_
    mean = torch.as_tensor(estimator.mean_, device=device, dtype=torch.float32)
    radius = float(np.linalg.norm(np.broadcast_to(estimator.scale_, mean.shape)))
    n_units = estimator.n_components_
    directions = torch.zeros(n_units, len(mean), device=device)
    best = torch.full((n_units,), -torch.inf, device=device)
    found = directions
    with torch.enable_grad():
        for _ in range(STEPS):
            x = (mean + radius * directions).requires_grad_()
            codes = module.encode(x).diagonal()
            better = (codes.detach() > best)[:, None]
            found = torch.where(better, directions, found)
            best = torch.maximum(best, codes.detach())
            (gradient,) = torch.autograd.grad(codes.sum(), x)
            directions = torch.nn.functional.normalize(gradient, dim=1)
    return found.cpu().numpy()
