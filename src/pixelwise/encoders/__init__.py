"""Encoders, which turn a picture into a pyramid of feature maps with declared channels and strides."""

from pixelwise.encoders.encoder import PAPER_TRUNKS, Encoder, build_encoder, fitting
from pixelwise.encoders.timm_encoder import TimmEncoder
from pixelwise.encoders.weights import load_encoder_weights

__all__ = ["PAPER_TRUNKS", "Encoder", "TimmEncoder", "build_encoder", "fitting", "load_encoder_weights"]
