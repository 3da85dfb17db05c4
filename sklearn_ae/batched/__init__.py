"""Several networks trained as one.

There are two ways in. `run_together` runs functions that fit estimators, and trains at
once what they have to train; `train_together` trains the networks of a single fit.
"""

from sklearn_ae.batched.fits import Fit, is_before_training, run_together
from sklearn_ae.batched.groups import train_together

__all__ = ["Fit", "is_before_training", "run_together", "train_together"]
