"""
A variational autoencoder draws digits
======================================

:class:`~sklearn_ae.VariationalAutoencoder` is a density: it draws new images, and tells
how likely an image is. It starts as probabilistic PCA, the density behind
:meth:`sklearn.decomposition.PCA.score_samples`, and training improves on it.
"""

# %%
# The data: images of 8 x 8 pixels in [0, 1], half of them held out.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_ae import VariationalAutoencoder

X = load_digits().data / 16
X_train, X_test = train_test_split(X, test_size=0.5, random_state=0)

# %%
# Log-likelihoods of held-out images, in nats, higher is better. For a variational
# autoencoder there is a bound from below; more importance samples bring it nearer.
vae = VariationalAutoencoder(8, random_state=0).fit(X_train)
pca = PCA(8).fit(X_train)
print(f"PCA {pca.score(X_test):.1f}")
print(f"VAE, evidence lower bound {vae.score_samples(X_test).mean():.1f}")
tight = vae.score_samples(X_test, n_importance_samples=100).mean()
print(f"VAE, 100 importance samples {tight:.1f}")
assert tight > pca.score(X_test)

# %%
# Draws of both densities: for PCA ``mean + components * sqrt(variance) * normal``.
# Beside them the most and the least likely of the held-out images.
import matplotlib.pyplot as plt

codes = np.sqrt(pca.explained_variance_) * np.random.default_rng(0).normal(size=(49, 8))
order = np.argsort(vae.score_samples(X_test))
pictures = {
    f"PCA(8), draws\n{pca.score(X_test):.1f} nats": pca.inverse_transform(codes),
    f"VariationalAutoencoder(8), draws\n{tight:.1f} nats": vae.sample(49, 0),
    "Held-out images,\nmost likely": X_test[order[::-1][:49]],
    "Held-out images,\nleast likely": X_test[order[:49]],
}


def tiles(images):
    padded = np.pad(images.reshape(7, 7, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return padded.transpose(0, 2, 1, 3).reshape(70, 70)


fig, axes = plt.subplots(1, 4, figsize=(14, 4.2), layout="constrained")
for ax, (title, images) in zip(axes, pictures.items(), strict=True):
    ax.imshow(tiles(images), cmap="gray_r", vmin=0, vmax=1)
    ax.set_title(title)
    ax.set_axis_off()
plt.show()
