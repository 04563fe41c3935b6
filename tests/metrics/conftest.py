"""Scenes of random objects, and predictions that are these objects made worse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pixelwise.instances import BoxMask, Instances

SIZE = (60, 80)
CLASSES = 3

Scenes = tuple[list[Instances], list[Instances]]


def random_mask(rng: np.random.Generator, size: tuple[int, int], largest: int = 24) -> BoxMask:
    """An ellipse with a hole now and then, or a single pixel."""
    middle = rng.uniform(0, size)
    radii = rng.uniform(0.7, largest / 2, 2)
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance = ((rows - middle[0]) / radii[0]) ** 2 + ((columns - middle[1]) / radii[1]) ** 2
    mask = distance <= 1
    if rng.random() < 0.3:
        mask &= distance > 0.2
    if not mask.any():
        mask[int(middle[0]), int(middle[1])] = True
    return BoxMask.of(mask)


def disturbed(rng: np.random.Generator, mask: BoxMask) -> BoxMask:
    """Shift a mask by up to 3 pixels and add or lose one."""
    moved = mask.moved(*rng.integers(-3, 4, 2).tolist(), mask.size).full()
    moved[tuple(rng.integers(0, mask.size))] ^= True
    return BoxMask.of(moved)


def make_scenes(seed: int, *, count: int = 6, objects: int = 9, crowds: bool = True) -> Scenes:
    """Objects that overlap; predictions that are shifted, doubled, missing, made up, or of another class."""
    rng = np.random.default_rng(seed)
    truths, predictions = [], []
    for number in range(count):
        here = 0 if number == count - 1 else int(rng.integers(1, objects + 1))
        masks = [random_mask(rng, SIZE) for _ in range(here)]
        labels = rng.integers(0, CLASSES, here)
        crowd = rng.random(here) < 0.25 if crowds else None
        truths.append(Instances.of_masks(SIZE, masks, labels, crowd=crowd))
        kept = np.flatnonzero(rng.random(here) < 0.85)
        kept = np.concatenate([kept, rng.choice(kept, len(kept) // 3)]) if len(kept) else kept
        found = [disturbed(rng, masks[k]) for k in kept]
        found += [random_mask(rng, SIZE, 12) for _ in range(int(rng.integers(0, 4)))]
        guessed = rng.integers(0, CLASSES, len(found))
        guessed[: len(kept)] = np.where(rng.random(len(kept)) < 0.9, labels[kept], guessed[: len(kept)])
        keep = [k for k, mask in enumerate(found) if mask.area]
        scores = rng.choice(np.linspace(0.05, 1, 20), len(keep)).astype(np.float32)  # some are equal
        predictions.append(Instances.of_masks(SIZE, [found[k] for k in keep], guessed[keep], scores=scores))
    return truths, predictions


@pytest.fixture
def scenes() -> Callable[..., Scenes]:
    return make_scenes
