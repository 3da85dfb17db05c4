"""Several networks trained as one.

`run_together` is the way in: it runs functions that fit estimators, and trains at once
what they have to train.
"""

from sklearn_ae.batched.fits import Fit, is_before_training, run_together

__all__ = ["Fit", "is_before_training", "run_together"]
