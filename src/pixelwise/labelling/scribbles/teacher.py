"""Learning the classes of pixels from strokes, and labelling whole pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.labelling.scribbles.pixels import PictureFeatures, Reduction

MOST_SAMPLES = 2_000
"""Pixels of a picture that a class is learnt from."""

MOST_TAUGHT = 8_000
"""Pixels of all pictures together that the trees learn from."""

LEAST_TAUGHT = 200
"""Pixels of a class that are among them, if it has so many."""

TREES = 40

TRIED = 0.6
"""The share of the features that a tree tries at a split: many, because those of the encoder outnumber the others."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The features of pixels that strokes of one picture lie on.

    Args:
        features: as :meth:`.PictureFeatures.at` gives them.
        classes: (pixels,) the class of each.
    """

    features: list[NDArray[np.float32]]
    classes: NDArray[np.uint8]


def sample(features: PictureFeatures, strokes: NDArray[np.uint8], void: int) -> Samples:
    """Take the pixels of a picture that strokes lie on: at most :data:`MOST_SAMPLES` of a class, always the same.

    Args:
        features: of the picture.
        strokes: (H, W) the class that a stroke gives a pixel.
        void: the value of the other pixels.
    """
    rng = np.random.default_rng(0)
    kept: list[NDArray[np.intp]] = []
    for value in np.unique(strokes[strokes != void]):
        places = np.flatnonzero(strokes == value)
        kept.append(rng.choice(places, MOST_SAMPLES, replace=False) if len(places) > MOST_SAMPLES else places)
    places = np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.intp)
    rows, columns = np.divmod(places, strokes.shape[1])
    return Samples(features.at(rows, columns), strokes.ravel()[places])


class Teacher:
    """A forest of random trees on the features of pixels.

    Args:
        samples: of all pictures with strokes; they hold at least two classes together.
        threads: how many compute.
    """

    def __init__(self, samples: Iterable[Samples], *, threads: int = 1) -> None:
        from sklearn.ensemble import ExtraTreesClassifier

        given = [one for one in samples if len(one.classes)]
        classes = np.concatenate([one.classes for one in given])
        kept = _some(classes)
        parts = [np.concatenate(part)[kept] for part in zip(*(one.features for one in given), strict=True)]
        self._reduction = Reduction.of(parts[1:])
        self._forest: Any = ExtraTreesClassifier(TREES, max_features=TRIED, n_jobs=threads, random_state=0)
        self._forest.fit(np.concatenate([parts[0], *self._reduction.apply(parts[1:])], axis=1), classes[kept])

    def label(self, features: PictureFeatures) -> NDArray[np.uint8]:
        """Label every pixel of a picture: uint8 (H, W), the most probable class."""
        everywhere = self._reduction.everywhere(features)
        height, width, count = everywhere.shape
        shares = self._forest.predict_proba(everywhere.reshape(-1, count)).reshape(height, width, -1)
        if (height, width) != features.size:
            rows, columns = features.size
            resized = [cv2.resize(one, (columns, rows)) for one in np.moveaxis(shares.astype(np.float32), 2, 0)]
            shares = np.stack(resized, axis=2)
        return np.asarray(self._forest.classes_[shares.argmax(2)], np.uint8)


def _some(classes: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Draw samples, always the same; classes keep their shares, which say something of the pictures."""
    rng, count = np.random.default_rng(0), len(classes)
    places = [np.flatnonzero(classes == value) for value in np.unique(classes)]
    wanted = [min(len(one), max(LEAST_TAUGHT, len(one) * MOST_TAUGHT // count)) for one in places]
    return np.sort(np.concatenate([rng.choice(one, n, replace=False) for one, n in zip(places, wanted, strict=True)]))
