"""Exported files that compute in 8-bit integers, with a measured loss."""

from pixelwise.quantising.quantise import LayerCounts, Quantised, quantise_model

__all__ = ["LayerCounts", "Quantised", "quantise_model"]
