"""The networks: one file a family, one table of names."""

from pixelwise.models.base import Coarse, SegmentationModel
from pixelwise.models.build import MODELS, build_model
from pixelwise.models.files import load_model, save_model

__all__ = ["MODELS", "Coarse", "SegmentationModel", "build_model", "load_model", "save_model"]
