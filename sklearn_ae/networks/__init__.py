"""Torch modules with ``encode(x)`` and ``decode(z)``, and the contract they meet."""

from sklearn_ae.networks._layered import ACTIVATIONS, SeededDropout
from sklearn_ae.networks.contract import Network

__all__ = ["ACTIVATIONS", "Network", "SeededDropout"]
