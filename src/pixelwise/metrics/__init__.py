"""Scores of predictions against masks, each with one stated definition."""

from pixelwise.metrics.confusion import ConfusionMatrix
from pixelwise.metrics.scores import Scores

__all__ = ["ConfusionMatrix", "Scores"]
