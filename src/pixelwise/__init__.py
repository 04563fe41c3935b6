"""pixelwise gives every pixel of an image its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelwise.lazy import names_from

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pixelwise.data.source import open_data as open_data
    from pixelwise.inference.prediction import Prediction as Prediction
    from pixelwise.inference.predictor import Predictor as Predictor
    from pixelwise.instances import Instances as Instances
    from pixelwise.metrics.confusion import ConfusionMatrix as ConfusionMatrix
    from pixelwise.models import MODELS as MODELS
    from pixelwise.models import build_model as build_model
    from pixelwise.models import load_model as load_model
    from pixelwise.models import save_model as save_model
    from pixelwise.preprocessing import Preprocessing as Preprocessing
    from pixelwise.runs.evaluate import evaluate as evaluate
    from pixelwise.runs.train import train as train
    from pixelwise.types import LabelSpace as LabelSpace
    from pixelwise.types import Sample as Sample

# Imported on first use, so that types, geometry and tiling load in milliseconds and without torch.
_HOMES = {
    "MODELS": "pixelwise.models",
    "ConfusionMatrix": "pixelwise.metrics.confusion",
    "Instances": "pixelwise.instances",
    "LabelSpace": "pixelwise.types",
    "Prediction": "pixelwise.inference.prediction",
    "Predictor": "pixelwise.inference.predictor",
    "Preprocessing": "pixelwise.preprocessing",
    "Sample": "pixelwise.types",
    "build_model": "pixelwise.models",
    "evaluate": "pixelwise.runs.evaluate",
    "load_model": "pixelwise.models",
    "open_data": "pixelwise.data.source",
    "save_model": "pixelwise.models",
    "train": "pixelwise.runs.train",
}
__all__ = sorted(_HOMES)


__getattr__ = names_from(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
