"""Proposing labels for a picture from the strokes of all pictures."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.io.images import read_image
from pixelwise.labelling.pictures import VOID
from pixelwise.labelling.project import Project
from pixelwise.labelling.scribbles.encoder import encoder_available
from pixelwise.labelling.scribbles.pixels import PictureFeatures, compute_features
from pixelwise.labelling.scribbles.teacher import Samples, Teacher, sample
from pixelwise.words import counted

REMEMBERED = 2
"""Pictures whose features stay in memory."""

SPARE = 1.0
"""Seconds that a proposal spends on other pictures whose strokes were not looked at since the server began."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """Labels for all pixels of a picture.

    Args:
        labels: uint8 (H, W), classes; None where fewer than two classes have strokes.
        remark: from what was learnt, in words.
    """

    labels: NDArray[np.uint8] | None
    remark: str


class Proposer:
    """Learns from strokes and proposes; one proposal at a time.

    Args:
        project: what is labelled.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._encoded = encoder_available()
        self._features: OrderedDict[str, PictureFeatures] = OrderedDict()
        self._samples: dict[str, tuple[int, Samples]] = {}
        self._lock = threading.Lock()

    @property
    def lacks(self) -> str:
        """Why nothing can be proposed; empty where it can."""
        if importlib.util.find_spec("sklearn") is None:
            return "proposals need the package scikit-learn; install it with pip install 'pixelwise[label]'"
        return ""

    @property
    def remark(self) -> str:
        """What proposals could have in addition; empty where they have all."""
        if self._encoded:
            return ""
        return "proposals use colours and edges alone; pip install 'pixelwise[imagenet]' brings features of an encoder"

    def propose(self, picture: str) -> Proposal:
        """Propose labels for a picture, by its id.

        Raises:
            DataError: the picture cannot be read.
        """
        with self._lock:
            self._look_at(picture)
            self._look_at_others(picture)
            samples = [one for _, one in self._samples.values() if len(one.classes)]
            classes = {int(value) for one in samples for value in np.unique(one.classes)}
            if len(classes) < 2:
                return Proposal(None, "paint strokes of two classes at least")
            labels = Teacher(samples, threads=os.cpu_count() or 1).label(self._features_of(picture))
        return Proposal(labels, f"learnt from {counted(len(samples), 'picture')}")

    def _look_at(self, picture: str) -> None:
        """Take samples of the strokes of a picture, unless that was done since the last change."""
        with self._project.opened(picture) as desk:
            changes = len(desk.journal.entries)
            if picture in self._samples and self._samples[picture][0] == changes:
                return
            strokes = desk.canvas.by_hand()
        self._samples[picture] = changes, sample(self._features_of(picture), strokes, VOID)

    def _look_at_others(self, picture: str) -> None:
        until = time.monotonic() + SPARE
        for other, status in self._project.status.items():
            if other in self._samples or other == picture or not status.changes or status.trouble:
                continue
            if time.monotonic() > until:
                return
            self._look_at(other)

    def _features_of(self, picture: str) -> PictureFeatures:
        if picture not in self._features:
            image = read_image(self._project.pictures[picture].path, channels=3).transpose(1, 2, 0)  # (H, W, 3)
            self._features[picture] = compute_features(np.ascontiguousarray(image), encoded=self._encoded)
        self._features.move_to_end(picture)
        while len(self._features) > REMEMBERED:
            self._features.popitem(last=False)
        return self._features[picture]
