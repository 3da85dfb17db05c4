"""Pure tensor maths: losses and penalties that know nothing of estimators."""
