"""The result of scoring a model on a set of pictures, whether pixels or objects were scored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pixelwise.metrics.intervals import Intervals
from pixelwise.metrics.objects import ObjectScores
from pixelwise.metrics.pixel_details import PixelDetails
from pixelwise.metrics.scores import Scores
from pixelwise.scoring.tables import Figure, ScoreTable


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a set of pictures.

    Args:
        headline: the figure that models are compared by.
        figures: all other figures, the most important first.
        classes: one row per class.
        pictures: one row per picture, in the order given; the first column is ``id``.
        measure: the column of ``pictures`` that ranks them, and its name for people.
        ranking: rows of ``pictures`` from the worst to the best, without those that have nothing to score.
        rule: the definition of the scores, in a sentence.
        pixels: the scores of the classes of pixels, where these were scored.
        objects: the scores of objects, where these were scored.
        details: the scores of pixels that need more than confusion counts, where these were computed.
        intervals: the intervals of the figures over pictures.
        class_ranking: class -> rows of ``pictures`` from the one with the most errors in the class to the one with the
            fewest, without those that have none.
    """

    headline: Figure
    figures: tuple[Figure, ...]
    classes: ScoreTable
    pictures: ScoreTable
    measure: tuple[str, str]
    ranking: tuple[int, ...]
    rule: str
    pixels: Scores | None = None
    objects: ObjectScores | None = None
    details: PixelDetails | None = None
    intervals: Intervals | None = None
    class_ranking: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def ranked(self) -> list[str]:
        """Ids of the pictures from the worst to the best."""
        ids = self.pictures.column("id")
        return [str(ids[place]) for place in self.ranking]

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores of the set in plain JSON types; those of pixels and of objects have keys of their own."""
        parts = (self.pixels, self.objects, self.details, self.intervals)
        return {name: value for part in parts if part is not None for name, value in part.to_dict().items()}

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row per picture; see :meth:`pixelwise.scoring.tables.ScoreTable.write_csv`."""
        self.pictures.write_csv(path)
