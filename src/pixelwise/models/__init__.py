"""The networks: one file per family, one table of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelwise.lazy import names_from

if TYPE_CHECKING:
    from pixelwise.models.base import Coarse as Coarse
    from pixelwise.models.base import SegmentationModel as SegmentationModel
    from pixelwise.models.build import MODELS as MODELS
    from pixelwise.models.build import Model as Model
    from pixelwise.models.build import build_model as build_model
    from pixelwise.models.files import load_model as load_model
    from pixelwise.models.files import save_model as save_model
    from pixelwise.models.mask_rcnn import DetectionModel as DetectionModel

# Imported on first use: the description of a model is read without torch.
_HOMES = {
    "MODELS": "pixelwise.models.build",
    "Coarse": "pixelwise.models.base",
    "DetectionModel": "pixelwise.models.mask_rcnn",
    "Model": "pixelwise.models.build",
    "SegmentationModel": "pixelwise.models.base",
    "build_model": "pixelwise.models.build",
    "load_model": "pixelwise.models.files",
    "save_model": "pixelwise.models.files",
}
__all__ = sorted(_HOMES)

__getattr__ = names_from(__name__, _HOMES)
