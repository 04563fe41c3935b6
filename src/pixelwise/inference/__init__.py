"""From a picture to its labels: what a trained model is used by."""

from pixelwise.inference.prediction import Prediction
from pixelwise.inference.predictor import Predictor

__all__ = ["Prediction", "Predictor"]
