"""A trained model that proposes labels, and says how much it doubts a picture."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.inference.predictor import Predictor
from pixelwise.labelling.pictures import VOID
from pixelwise.labelling.project import Project
from pixelwise.types import LabelSpace
from pixelwise.words import listed


class ModelProposals:
    """Labels of a model as those of a project: classes are found by their names, others are left without a label.

    Args:
        predictor: the model.
        space: the classes of the project.

    Raises:
        SettingError: model and project have no class in common.
    """

    def __init__(self, predictor: Predictor, space: LabelSpace) -> None:
        names = predictor.label_space.names
        known = {name: index for index, name in enumerate(space.names)}
        if known.keys().isdisjoint(names):
            raise SettingError(
                f"it has the classes {listed(names)}, and {listed(space.names)} are labelled; give one with a class of "
                "the same name, or none",
                argument="model",
            )
        self._predictor = predictor
        self._classes = np.full(max(predictor.label_space.ignore_index, len(names)) + 1, VOID, np.uint8)
        for index, name in enumerate(names):
            self._classes[index] = known.get(name, VOID)
        self.unknown = tuple(name for name in names if name not in known)
        """The classes of the model that are not labelled."""

    def propose(self, project: Project, picture: str) -> NDArray[np.uint8]:
        """Label a picture, by its id: uint8 (H, W).

        Raises:
            PixelwiseError: the picture does not suit the model.
        """
        labels: NDArray[np.uint8] = self._classes[self._predictor(project.pictures[picture].path).labels]
        return labels

    def doubt(self, project: Project, picture: str) -> float | None:
        """How sure the model is of the average pixel, as what is missing to 1; None for networks that find objects.

        Raises:
            PixelwiseError: the picture does not suit the model.
        """
        if self._predictor.finds_objects:
            return None
        prediction = self._predictor(project.pictures[picture].path, confidence=True)
        assert prediction.confidence is not None
        return 1 - float(np.nanmean(prediction.confidence))


class Doubts:
    """A thread that looks at all pictures without masks and strokes, and notes how much a model doubts each.

    Args:
        project: what is labelled.
        model: the model.
    """

    def __init__(self, project: Project, model: ModelProposals) -> None:
        self._project, self._model = project, model
        self._ended = threading.Event()
        self.waiting = 0
        """Pictures that are not looked at yet."""
        self._thread = threading.Thread(target=self._run, name="pixelwise-doubts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the picture at hand."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        states = self._project.status.values()
        wanted = [one for one in states if one.picture.mask is None and not one.changes and not one.trouble]
        for number, status in enumerate(wanted):
            self.waiting = len(wanted) - number
            if self._ended.is_set():
                break
            try:
                status.doubt = self._model.doubt(self._project, status.picture.id)
            except PixelwiseError:
                continue  # it is said where the picture is opened
        self.waiting = 0
