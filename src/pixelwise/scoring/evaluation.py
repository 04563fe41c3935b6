"""What scoring a model on a set of pictures comes to, whatever was scored."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from pixelwise.metrics.objects import ObjectScores
from pixelwise.metrics.scores import Scores
from pixelwise.scoring.tables import Figure, ScoreTable


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a set of pictures.

    Args:
        headline: the figure that models are compared by.
        figures: all others, the most telling first.
        classes: a row for each class.
        pictures: a row for each picture, in the order given; the first column is ``id``.
        measure: the column of ``pictures`` that ranks them, and what people call it.
        ranking: rows of ``pictures`` from the worst to the best; those without anything to score have no place.
        rule: how all of it is counted, in a sentence.
        pixels: the scores of the classes of pixels, where these were scored.
        objects: the scores of objects, where these were scored.
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

    def ranked(self) -> list[str]:
        """Ids of the pictures from the worst to the best."""
        ids = self.pictures.column("id")
        return [str(ids[place]) for place in self.ranking]

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores of the set in plain JSON types; those of pixels and of objects have keys of their own."""
        return (self.pixels.to_dict() if self.pixels else {}) | (self.objects.to_dict() if self.objects else {})

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row for each picture; see :meth:`pixelwise.scoring.tables.ScoreTable.write_csv`."""
        self.pictures.write_csv(path)
