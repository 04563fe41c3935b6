"""Choosing the pictures of a set that are drawn: the worst, median and best, and those that cost each class most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixelwise.scoring.evaluation import Evaluation

MOST_OF_CLASSES = 120
"""The most pictures that are drawn for classes, three for each of them or fewer."""

_EACH_CLASS = 3


@dataclass(frozen=True)
class Chosen:
    """A picture to draw.

    Args:
        place: its number in the set.
        group: heading that it stands under.
        focus: the class whose errors are drawn, by its number in the table of classes; None: all errors.
    """

    place: int
    group: str = ""
    focus: int | None = None


def choose_examples(evaluation: Evaluation, *, each: int = 2) -> list[Chosen]:
    """Choose the worst, the median and the best pictures, and then those with the most errors in each class.

    With more than 40 classes, fewer than three pictures are drawn for each, and with more than 120 only those with the
    lowest scores have one.

    Args:
        evaluation: the scores of the set.
        each: how many worst, median and best pictures there are; none of these is chosen twice.
    """
    chosen = [
        Chosen(place, group) for group, places in choose_ends_and_middle(evaluation.ranking, each) for place in places
    ]
    numbers = {row.cells[0]: (number, row.cells[1]) for number, row in enumerate(evaluation.classes.rows)}
    classes = [name for name, places in evaluation.class_ranking.items() if places]
    of_each = max(1, min(_EACH_CLASS, MOST_OF_CLASSES // max(1, len(classes))))
    lowest = sorted(classes, key=lambda name: numbers[name][1])[: MOST_OF_CLASSES // of_each]
    for name in classes:
        if name in lowest:
            places = evaluation.class_ranking[name][:of_each]
            chosen += [Chosen(place, f"{name}: most errors", numbers[name][0]) for place in places]
    return chosen


def choose_ends_and_middle(ranking: Sequence[int], each: int) -> list[tuple[str, Sequence[int]]]:
    """Take pictures from both ends and the middle of a ranking, none twice, with the headings of their groups."""
    if len(ranking) <= 3 * each:
        return [("All pictures, from the worst to the best", ranking)]
    middle = (len(ranking) - each) // 2
    return [("Worst", ranking[:each]), ("Median", ranking[middle : middle + each]), ("Best", ranking[-each:][::-1])]
