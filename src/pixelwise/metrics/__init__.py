"""Scores of predictions against masks and objects, each with one stated definition."""

from pixelwise.metrics.confusion import ConfusionMatrix
from pixelwise.metrics.objects import ObjectScores, score_objects
from pixelwise.metrics.scores import Scores

__all__ = ["ConfusionMatrix", "ObjectScores", "Scores", "score_objects"]
