"""Fitted estimators as plain values, and fits that go on after a crash."""

from sklearn_ae.persistence.trusted_types import TRUSTED_TYPES
from sklearn_ae.training.recording import Checkpoint

__all__ = ["TRUSTED_TYPES", "Checkpoint"]
