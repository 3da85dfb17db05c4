"""Fitted estimators as plain values: how a net is made, and what it has learned."""

from sklearn_ae.persistence.trusted_types import TRUSTED_TYPES

__all__ = ["TRUSTED_TYPES"]
