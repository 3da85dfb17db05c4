"""Fitted estimators as plain values: how a net is made, and what it has learned."""
