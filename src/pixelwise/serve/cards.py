"""What a page or a client needs to know of a model that is served."""

from __future__ import annotations

from typing import Any

from pixelwise.inference.predictor import Predictor
from pixelwise.io.pictures.depth import Learnt
from pixelwise.serve.summary import hexadecimal


def describe(predictor: Predictor) -> dict[str, Any]:
    """Describe a model in plain JSON types.

    Returns:
        ``kind`` (``semantic`` gives every pixel a class, ``objects`` finds objects); ``classes`` by the index that
        labels hold, with colours as ``#rrggbb``; ``ignore_index``, the label of pixels without data; ``channels`` and
        ``numbers`` of the pictures that it takes; ``object_rule``; ``architecture``, ``encoder`` and ``training``, null
        where that is not known.
    """
    card, space = predictor.card, predictor.label_space
    training = card.training
    return {
        "kind": "objects" if predictor.finds_objects else "semantic",
        "architecture": card.name or None,
        "encoder": card.options.get("encoder"),
        "classes": [
            {
                "index": index,
                "name": name,
                "color": hexadecimal(color),
                "background": index == space.background,
            }
            for index, (name, color) in enumerate(zip(space.names, space.colors, strict=True))
        ],
        "ignore_index": space.ignore_index,
        "channels": predictor.preprocessing.channels,
        "numbers": str(Learnt.of(predictor.preprocessing)),
        "object_rule": {"score": predictor.rule.score, "min_area": predictor.rule.min_area},
        "training": None
        if training is None
        else {"pictures": training.pictures, "steps": training.steps, "scores": dict(training.scores)},
    }
