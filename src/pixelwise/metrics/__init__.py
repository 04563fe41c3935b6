"""Scores of predictions against masks and objects, each with one stated definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelwise.lazy import names_from

if TYPE_CHECKING:
    from pixelwise.metrics.confusion import ConfusionMatrix as ConfusionMatrix
    from pixelwise.metrics.objects import ObjectScores as ObjectScores
    from pixelwise.metrics.objects import score_objects as score_objects
    from pixelwise.metrics.scores import Scores as Scores

# Imported on first use: only the first needs torch.
_HOMES = {
    "ConfusionMatrix": "pixelwise.metrics.confusion",
    "ObjectScores": "pixelwise.metrics.objects",
    "Scores": "pixelwise.metrics.scores",
    "score_objects": "pixelwise.metrics.objects",
}
__all__ = sorted(_HOMES)

__getattr__ = names_from(__name__, _HOMES)
