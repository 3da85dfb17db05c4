"""Torch modules, each with ``encode(x)``, ``decode(z)`` and ``forward(x)``."""
