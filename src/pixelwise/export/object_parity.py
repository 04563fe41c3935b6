"""Checking that an exported file finds the objects of the model that it was written from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pixelwise.errors import ModelError
from pixelwise.export.object_finding import Find, GraphFinder, Picture, TorchFinder, find_as_given, find_by_task
from pixelwise.export.object_matching import count_ties, match_objects
from pixelwise.export.pictures import CheckPictures, checked_object_sizes
from pixelwise.inference.runtimes.base import ObjectRuntime
from pixelwise.inference.runtimes.exported.engines import Engine, EngineName
from pixelwise.inference.runtimes.exported.file import ExportedFile
from pixelwise.inference.runtimes.exported.objects import ExportedObjectRuntime
from pixelwise.instances import Instances, Size
from pixelwise.models import DetectionModel
from pixelwise.words import counted

if TYPE_CHECKING:
    import onnx

MOST_TIES = 0.1
"""The largest share of the objects of a picture that ties may decide about; a single one always may."""

MOST_UNSTEADY = 2
"""How many times more objects the file may leave without a partner than torch does when it is compared with itself."""

CLEAR_GAP = 1e-3
"""The least distance of two scores between which the threshold is set, so that no rounding decides."""


@dataclass(frozen=True)
class ObjectRow:
    """How a file compares with its model on one picture.

    Args:
        what: what is special about the picture or about the threshold of scores.
        size: height and width.
        through: what found the objects: the file itself (``"graph"``), or pixelwise with it (``"runtime"``).
        objects: the objects that torch finds.
        found: the objects that the file finds.
        unmatched: the objects of either that the other lacks.
        ties: those of them about which rounding, or the order of equal scores, decides.
        same_as_variant: whether torch finds exactly the file's objects with other rounding or another order of equal
            scores.
        unsteady: the objects without a partner when torch is compared with itself in that way; counted where the file
            leaves some without.
        box_error: the largest distance of the edges of matching boxes, in pixels.
        mask_iou: the least IoU of matching masks.
    """

    what: str
    size: Size
    through: str
    objects: int
    found: int
    unmatched: int
    ties: int
    same_as_variant: bool
    unsteady: int
    box_error: float
    mask_iou: float

    @property
    def steady(self) -> bool:
        """Whether all objects match but ties, which are few unless a variant of torch has the very same."""
        few = self.ties <= max(1, int(MOST_TIES * self.objects))
        return self.unmatched == self.ties and (few or self.same_as_variant)

    @property
    def holds(self) -> bool:
        """Whether the row is steady, or torch differs from itself about as much as the file does from torch."""
        return self.steady or self.unmatched <= MOST_UNSTEADY * self.unsteady

    def cells(self) -> tuple[str, ...]:
        """The row as words, below :attr:`ObjectParity.columns`."""
        through = "the file" if self.through == "graph" else "pixelwise"
        counts = (str(self.objects), str(self.unmatched), str(self.ties))
        size = f"{self.size[0]}x{self.size[1]}"
        return size, self.what, through, *counts, f"{self.box_error:.5f}", f"{self.mask_iou:.4f}"


@dataclass(frozen=True)
class ObjectParity:
    """How a file that finds objects compares with its model.

    Args:
        source: where the pictures come from.
        rows: a row for each picture, threshold and way of finding objects.
    """

    columns: ClassVar = ("size", "", "by", "objects", "unmatched", "ties", "box error", "mask IoU")
    source: str
    rows: tuple[ObjectRow, ...]

    @property
    def void(self) -> bool:
        """Whether the comparison shows nothing: torch finds no objects, or on every picture others than itself."""
        return not any(row.objects and row.steady for row in self.rows)

    @property
    def shows_nothing_because(self) -> str:
        """Why a comparison that is void shows nothing, and what would help."""
        if any(row.objects for row in self.rows):
            return (
                "rounding decides what the model finds on the pictures; export again with pictures as it was trained on"
            )
        return "the model finds no object on the pictures; export again with pictures of some"

    @property
    def verdict(self) -> str:
        """``"equal"``, ``"differs"``, or ``"void"`` if it shows nothing."""
        if not all(row.holds for row in self.rows):
            return "differs"
        return "void" if self.void else "equal"

    def to_dict(self) -> dict[str, Any]:
        """Describe the comparison in plain JSON types."""
        rows = [{**asdict(row), "size": list(row.size)} for row in self.rows]
        return {"parity": self.verdict, "pictures": self.source, "rows": rows}

    def check(self, file: Path) -> None:
        """Refuse a file that differs.

        Raises:
            ModelError: it differs; the message says where.
        """
        for row in self.rows:
            if not row.holds:
                raise ModelError(
                    f"{file}: was not written, because it does not find the model's objects: at {row.size[0]}x"
                    f"{row.size[1]} ({row.what}, {row.through}) {row.unmatched} of "
                    f"{counted(max(row.objects, row.found), 'object')} do not match, {row.ties} of them at ties; keep "
                    "to the model file, and report this"
                )


def compare_objects(
    model: DetectionModel, written: onnx.ModelProto, file: Path, library: EngineName, pictures: CheckPictures
) -> ObjectParity:
    """Compare the objects that an exported file finds, run by a library, with those of its model.

    Objects are found by torch in float64, by the graph alone, and by pixelwise with the file; by tiles in both where
    the size says so. On a picture with many objects the graph is run again with thresholds of the score that leave
    one of them and none.

    Raises:
        ModelError: the file cannot be opened or run.
    """
    exported = ExportedFile.read(file, Engine(library))
    torch, found = TorchFinder(model), ExportedObjectRuntime(exported)
    graph = GraphFinder(exported, written)
    rows, seen = [], []
    for number, checked in enumerate(checked_object_sizes(model.geometry)):
        image = pictures.make(number, checked.size)
        whole = find_as_given(torch.runtime, image)
        seen.append((image, whole))
        rows.append(_compare(torch, whole, checked.what, "graph", image, find_as_given, graph.find(image)))

        def tiled(runtime: ObjectRuntime, picture: Picture, tile: int | None = checked.tile) -> Instances:
            return find_by_task(runtime, picture, tile)

        by_tiles = tiled(torch.runtime, image)
        rows.append(_compare(torch, by_tiles, checked.what, "runtime", image, tiled, tiled(found, image)))
    image, whole = max(seen, key=lambda pair: (_best_gap(pair[1]) >= CLEAR_GAP, len(pair[1])))
    for what, score in _thresholds(whole):
        torch.set_threshold(score)
        graph.set_threshold(score)
        few = find_as_given(torch.runtime, image)
        rows.append(_compare(torch, few, what, "graph", image, find_as_given, graph.find(image)))
    return ObjectParity(pictures.source, tuple(rows))


def _compare(
    torch: TorchFinder, expected: Instances, what: str, through: str, image: Picture, find: Find, found: Instances
) -> ObjectRow:
    """Compare objects that were found in an image with those that torch finds there."""
    matched = match_objects(expected, found)
    ties, same_as_variant, unsteady = 0, False, 0
    if matched.unmatched:
        variants = list(torch.variants(image, find))
        same_as_variant = any(not match_objects(variant, found).unmatched for variant in variants)
        ties = matched.unmatched if same_as_variant else count_ties(matched, expected, found, variants)
        unsteady = max(match_objects(expected, variant).unmatched for variant in variants)
    counts = (len(expected), len(found), matched.unmatched, ties, same_as_variant, unsteady)
    size = (image.shape[1], image.shape[2])
    return ObjectRow(what, size, through, *counts, matched.box_error, matched.mask_iou)


def _best_gap(objects: Instances) -> float:
    """How far the best score lies above the second; 0 where there are not two."""
    return 0.0 if objects.scores is None or len(objects) < 2 else float(objects.scores[0] - objects.scores[1])


def _thresholds(objects: Instances) -> list[tuple[str, float]]:
    """Choose thresholds of the score that leave one object, or as few as clearly are the best, and none."""
    scores = np.zeros(0) if objects.scores is None else objects.scores.astype(np.float64)
    clear = np.flatnonzero(scores[:-1] - scores[1:] >= CLEAR_GAP)[:1].tolist()
    few = [
        ("the best one" if last == 0 else f"the best {last + 1}", float(scores[last : last + 2].mean()))
        for last in clear
    ]
    return [*few, ("none", 2.0)]
