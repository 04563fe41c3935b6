"""Encoders: a picture in, a pyramid of feature maps out, with the channels and stride of each declared."""

from pixelwise.encoders.timm_encoder import TimmEncoder
from pixelwise.encoders.weights import load_encoder_weights

__all__ = ["TimmEncoder", "load_encoder_weights"]
