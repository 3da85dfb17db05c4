"""Fitted estimators and pipelines as ONNX graphs (extra ``onnx``)."""

from sklearn_ae.onnx._convert import to_onnx

__all__ = ["to_onnx"]
