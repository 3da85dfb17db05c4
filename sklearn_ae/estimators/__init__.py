"""The scikit-learn shell: parameters, validation, fitting; one estimator a file."""
