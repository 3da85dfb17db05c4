"""Weights of the units of an encoder or decoder, as images."""

import math
from typing import Self

import numpy as np
import torch

from sklearn_ae.inspection._checks import check_has, check_option, fitted_part
from sklearn_ae.inspection._style import check_matplotlib, make_axes
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
        One row per unit, flattened channels first.

    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(channels, height, width)``. None means square images
        with one channel.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images.

    figure_ : matplotlib Figure
        Figure containing the images.

    image_ : matplotlib AxesImage
        All images as one picture, each divided by its largest absolute weight: 0 is
        mid-grey, -1 black and 1 white. Units whose weights are all 0 are mid-grey.

    See Also
    --------
    ActivationDisplay : Mean activations of the units.

    Notes
    -----
    The input at distance r from `mean_` that activates a unit most is found by
    iterating ``d <- g / ||g||``, where ``g`` is the gradient of the unit's code at
    ``mean_ + r d`` [1]_. The best of all directions ``d`` is used. If the gradient
    vanishes, the iteration continues in a random direction. The distance is
    ``r = scale_ * sqrt(n_features)``, of the order of the norm of a centred row. If the
    code is an increasing function of ``w @ x``, the result is ``w / ||w||`` for any r.

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
    ) -> Self:
        """Draw the weights of a fitted autoencoder.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `module_` and, for ``kind="decoder"``,
            `inverse_transform`. A pipeline stands for its last step with `module_`,
            whose weights belong to the rows that this step sees; a search stands for
            its best estimator.

        kind : {"encoder", "decoder", "activating"}, default="encoder"
            ``"encoder"``: the weights of the first layer of the encoder, or its filters
            if it is a convolution. The linear path that ``init="pca"`` adds beside
            hidden layers is not included. ``"decoder"``: the change of the
            reconstruction when a unit of the code goes from 0 to 1 while the others are
            0; for a decoder with a single linear layer these are its weights.
            ``"activating"``: the input of given norm that activates each unit of the
            code most, divided by that norm; 0 for units that no input activates.

        units : array-like of int, default=None
            Units to draw, of the first layer or of the code. None draws all.

        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(channels, height, width)``. None uses the
            `image_shape` of `estimator` or, if it has none that fits, square images
            with one channel. Ignored for filters, which have their own shape.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

        Returns
        -------
        display : WeightsDisplay
            The display with its images.

        Raises
        ------
        ValueError
            If `kind` is unknown, `units` is not a valid selection, `estimator` has no
            `module_`, or, for ``kind="encoder"``, the first layer of its encoder is
            neither linear nor a convolution.
        """
        check_matplotlib(cls.__name__)
        check_option("kind", kind, KINDS)
        estimator = fitted_part(estimator, "module_")
        filter_shape = None
        if kind == "encoder":
            weights, filter_shape = _first_layer(estimator)
        elif kind == "decoder":
            check_has(estimator, "inverse_transform")
            ones = np.eye(estimator.n_components_)
            weights = estimator.inverse_transform(ones)
            weights = weights - estimator.inverse_transform(0 * ones[:1])
        else:
            weights = _activating_inputs(estimator)
        if filter_shape is None:
            image_shape = find_image_shape(weights.shape[1], image_shape, [estimator])
        else:
            image_shape = filter_shape
        if units is not None:
            weights = weights[_positions(units, len(weights))]
        return cls(weights=weights, image_shape=image_shape).plot(ax, im_kw=im_kw)

    def plot(self, ax=None, *, im_kw=None) -> Self:
        """Draw the weights as a grid of images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

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
            weights = (weights + 1) / 2  # colours must be in [0, 1]
        # The picture is as square as possible.
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


def _positions(units, n_units):
    """The indices of the chosen units, at least one."""
    try:
        positions = np.ravel(np.arange(n_units)[np.asarray(units)])
    except IndexError:
        positions = []
    if len(positions) == 0:
        raise ValueError(
            f"units={units!r} must be one or more of the {n_units} units, "
            f"0 to {n_units - 1}."
        )
    return positions


def _first_layer(estimator):
    """Weights of the first layer as rows, and the shape of its filters or None."""
    module, called = estimator.module_, []
    # The layer that is called first need not be the first child of the module.
    hooks = [
        layer.register_forward_pre_hook(lambda layer, _: called.append(layer))
        for layer in module.modules()
        if getattr(layer, "weight", None) is not None and layer.weight.ndim > 1
    ]
    try:
        with torch.no_grad():
            x = torch.zeros(
                1,
                estimator.n_features_in_,
                dtype=torch.float32,
                device=estimator.device_,
            )
            module.encode(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not called or not isinstance(called[0], torch.nn.Linear | torch.nn.Conv2d):
        raise ValueError(
            "kind='encoder' needs an encoder whose first layer is Linear or Conv2d, "
            f"unlike that of {estimator!r}; use kind='activating'."
        )
    weight = called[0].weight.detach().cpu().numpy().copy()
    filter_shape = None if weight.ndim == 2 else weight.shape[1:]
    return weight.reshape(len(weight), -1), filter_shape


def _activating_inputs(estimator):
    """Directions from the mean, of norm 1, that activate each unit most."""
    module, device = estimator.module_, estimator.device_
    mean = module.input_mean.to(torch.float32)
    radius = module.input_scale.item() * math.sqrt(len(mean))
    shape = estimator.n_components_, len(mean)
    generator = torch.Generator().manual_seed(0)
    as_rows = {"dtype": torch.float32, "device": device}
    directions = found = torch.zeros(shape, **as_rows)
    best = torch.full((len(directions), 1), -torch.inf, **as_rows)
    responds = torch.zeros_like(best, dtype=torch.bool)
    for step in range(STEPS + 1):
        with torch.enable_grad():
            x = (mean + radius * directions).requires_grad_()
            codes = module.encode(x).diagonal()[:, None]
            (gradient,) = torch.autograd.grad(codes.sum(), x)
        codes = codes.detach()
        if step > 0:  # in the first step the directions are 0, the mean itself
            found = torch.where(codes > best, directions, found)
            best = torch.maximum(best, codes)
        slope = gradient.abs().amax(dim=1, keepdim=True)
        responds |= slope > 0
        anywhere = torch.randn(shape, dtype=torch.float32, generator=generator)
        anywhere = anywhere.to(device)
        # Dividing by the slope first avoids underflow of squares of small gradients.
        ascent = torch.where(slope > 0, gradient / slope, anywhere)
        directions = torch.nn.functional.normalize(ascent, dim=1)
    return torch.where(responds, found, 0.0).cpu().numpy()
