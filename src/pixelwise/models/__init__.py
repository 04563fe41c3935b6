"""The networks: one file per family, one table of names."""

from pixelwise.models.base import Coarse, SegmentationModel
from pixelwise.models.build import MODELS, Model, build_model
from pixelwise.models.files import load_model, save_model
from pixelwise.models.mask_rcnn import DetectionModel

__all__ = [
    "MODELS",
    "Coarse",
    "DetectionModel",
    "Model",
    "SegmentationModel",
    "build_model",
    "load_model",
    "save_model",
]
