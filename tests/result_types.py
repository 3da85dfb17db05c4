"""What a type checker knows of results; mypy reads this file, which is not run.

The methods that `set_output` wraps are typed as those of scikit-learn's stubs: arrays,
their usual results.
"""

from typing import Any, assert_type

import numpy as np

from sklearn_ae import (
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.inspection import LossCurveDisplay
from sklearn_ae.model_selection import BatchedGridSearchCV

X = np.zeros((4, 3))

autoencoder = SparseAutoencoder(2, max_epochs=1)
assert_type(autoencoder.max_epochs, int | str)
assert_type(autoencoder.fit(X), SparseAutoencoder)
assert_type(autoencoder.partial_fit(X), SparseAutoencoder)
assert_type(autoencoder.set_params(rho=0.1), SparseAutoencoder)
assert_type(autoencoder.get_params(), dict[str, Any])
assert_type(autoencoder.transform(X), np.ndarray)
assert_type(autoencoder.reconstruct(X), np.ndarray)
assert_type(autoencoder.hidden_activations(X), list[np.ndarray])
assert_type(autoencoder.score(X), float)
assert_type(autoencoder.best_loss_, float)
assert_type(VariationalAutoencoder(2).sample(5), np.ndarray)

classifier = AutoencoderClassifier(autoencoder)
assert_type(classifier.fit(X, [0, 1, 0, 1]), AutoencoderClassifier)
assert_type(classifier.predict_proba(X), np.ndarray)

detector = AutoencoderOutlierDetector(autoencoder)
assert_type(detector.fit(X).set_threshold(0.1), AutoencoderOutlierDetector)
assert_type(detector.predict(X), np.ndarray)

search = BatchedGridSearchCV(autoencoder, {"rho": [0.05, 0.1]})
assert_type(search.fit(X), BatchedGridSearchCV)
assert_type(LossCurveDisplay.from_estimator(autoencoder), LossCurveDisplay)
