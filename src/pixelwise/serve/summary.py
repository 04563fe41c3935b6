"""The result for a picture in numbers: the area of every class, and the objects."""

from __future__ import annotations

from typing import Any

from pixelwise.inference.labelling.facts import count_labels
from pixelwise.inference.labelling.label import Outcome
from pixelwise.io.shapes.records import ObjectRecord
from pixelwise.types import Color, LabelSpace, object_space


def summarise(outcome: Outcome) -> dict[str, Any]:
    """Sum up a labelled picture in plain JSON types.

    Returns:
        ``size`` in pixels; ``classes`` with ``pixels`` and ``share``, the part of the pixels that hold data;
        ``no_data``, the pixels that hold none; ``objects`` that count by the model's rule, in the order of tables, with
        ``box`` as left, top, right and bottom edge, and ``area`` in pixels; ``exact`` and ``seam_error`` as
        :class:`~pixelwise.inference.prediction.Prediction` has them.
    """
    labelled = outcome.labelled
    space, size = labelled.label_space, labelled.size
    counts = count_labels(labelled)
    known = int(counts[: len(space)].sum())
    classes = [
        {
            "index": index,
            "name": space.names[index],
            "color": hexadecimal(space.colors[index]),
            "pixels": int(counts[index]),
            "share": int(counts[index]) / known if known else 0.0,
        }
        for index in range(len(space))
    ]
    return {
        "size": {"height": size[0], "width": size[1]},
        "classes": classes,
        "no_data": size[0] * size[1] - known,
        "objects": list_objects(outcome),
        "exact": outcome.exact,
        "seam_error": outcome.seam_error,
    }


def list_objects(outcome: Outcome) -> list[dict[str, Any]]:
    """List the objects that count, with the numbers that tables give them."""
    labelled = outcome.labelled
    if labelled.label_space.background is not None and len(labelled.label_space) == 1:
        return []
    space = object_space(labelled.label_space)
    return [
        _object(record, space)
        for record in labelled.records()
        if record.score is None or record.score >= labelled.rule.score
    ]


def _object(record: ObjectRecord, space: LabelSpace) -> dict[str, Any]:
    return {
        "id": record.id,
        "class": space.names[record.label],
        "color": hexadecimal(space.colors[record.label]),
        "score": record.score,
        "box": list(record.box),
        "area": record.area,
    }


def hexadecimal(color: Color) -> str:
    """Write a colour as style sheets do: ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)
