"""Keeping what prediction costs in the user's cache folder: counting it takes longer than labelling a picture."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import pixelwise
from pixelwise.card import ModelCard
from pixelwise.io.file_cache import FileCache, stamp

Figures = Mapping[str, float]


def keep_cost(card: ModelCard, computing: torch.dtype, count: Callable[[], Figures]) -> dict[str, float]:
    """Give the cost of a model of the table, which is counted once for each form of it and each version of the code.

    Args:
        card: the card of the model. Without a name, nothing is known of its operators, and nothing is kept.
        computing: the type that it computes in.
        count: counts the cost, name -> number; the numbers depend on nothing but the card, the type and the code.
    """
    if not card.name:
        return dict(count())
    described = card.to_dict()
    shaping = {part: described[part] for part in ("name", "options", "preprocessing", "geometry", "edge")}
    shaping |= {"classes": len(card.label_space), "type": str(computing), "code": _code()}
    key = "cost " + hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()
    with FileCache() as cache:
        kept = cache.find([key]).get(key)
        if kept is not None:
            figures: dict[str, float] = json.loads(kept)
            return figures
        figures = dict(count())
        cache.keep({key: json.dumps(figures).encode()})
    return figures


@functools.cache
def _code() -> str:
    """Identify the code that costs follow from: the version of torch, and all files of pixelwise."""
    assert pixelwise.__file__ is not None
    files = [stamp(file) for file in sorted(Path(pixelwise.__file__).parent.rglob("*.py"))]
    return hashlib.sha256(json.dumps([torch.__version__, files]).encode()).hexdigest()
