"""The undercomplete autoencoder, shallow or deep."""

from dataclasses import dataclass

from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._parameters import (
    AnyNetwork,
    CodeActivation,
    HiddenLayers,
    Start,
    TiedWeights,
)


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(
    BaseAutoencoder, HiddenLayers, AnyNetwork, Start, TiedWeights, CodeActivation
):
    """Undercomplete autoencoder, shallow or deep: the counterpart of PCA.

    Finds an encoder ``h`` and a decoder ``g`` that minimise

    ``J = mean_i 1/2 ||x_i - g(h(x_i))||^2 + l1_penalty sum |W| + l2_penalty/2 sum W^2``

    through a code of `n_components` columns [1]_. With ``init="pca"`` both are a
    linear map plus a network of hidden layers; the linear maps start as PCA's
    projection and the hidden layers as zero. Before its first step the model *is*
    PCA, and training departs from there. The weights kept are the best on rows held
    out, and if they beat PCA there by no more than chance would, the fitted model is
    PCA: on small tables, and where the data lie flat. More than chance are two
    standard errors of the difference, or a p-value below 0.005 in a one-sided
    signed-rank test over the rows.

    Codes come as PCA's: uncorrelated over the training rows, sorted by variance, and
    with a fixed sign. The rotation that does it is folded into the weights and
    leaves reconstructions as they are.

    Parameters
    ----------
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    sklearn.decomposition.PCA : The linear counterpart, and the start.
    sklearn.decomposition.KernelPCA : Nonlinear projections by a kernel.

    Notes
    -----
    Scale features of different units first, for instance with `StandardScaler`, as
    for PCA: errors of all features count the same.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2006). "Reducing the dimensionality of data
       with neural networks". Science 313. :doi:`10.1126/science.1127647`
    .. [2] Baldi and Hornik (1989). "Neural networks and principal component
       analysis: learning from examples without local minima". Neural Networks 2.
       :doi:`10.1016/0893-6080(89)90014-2`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import Autoencoder
    >>> X = load_digits().data / 16
    >>> X_train, X_test = train_test_split(X, test_size=0.5, random_state=0)
    >>> autoencoder = Autoencoder(n_components=8, random_state=0).fit(X_train)
    >>> autoencoder.transform(X_test).shape
    (899, 8)
    >>> pca = PCA(n_components=8).fit(X_train)
    >>> error = ((X_test - pca.inverse_transform(pca.transform(X_test))) ** 2).mean()
    >>> bool(autoencoder.reconstruction_error(X_test).mean() < 0.6 * error)
    True
    """

    init: str = "pca"
