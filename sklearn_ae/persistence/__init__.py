"""Fitted estimators as plain values, and fits that go on after a crash."""

from sklearn_ae.training.recording import Checkpoint

__all__ = ["Checkpoint"]
