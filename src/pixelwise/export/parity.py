"""Checking that an exported file gives the labels of the model that it was written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from pixelwise.errors import ModelError
from pixelwise.export.pictures import CheckedSize, CheckPictures, checked_sizes
from pixelwise.inference.predictor import Predictor
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.coarse import CoarseRuntime
from pixelwise.inference.runtimes.exported.engines import Engine, EngineName, Session
from pixelwise.inference.runtimes.exported.file import IMAGE, ExportedFile
from pixelwise.inference.runtimes.exported.pixels import LABELS
from pixelwise.models import SegmentationModel
from pixelwise.words import counted

LEAST_EQUAL = 0.999
"""The least share of pixels that have the label that torch gives them."""

TIE = 1e-3
"""The largest difference of the best two logits, in parts of the range of all logits, that counts as a tie."""


@dataclass(frozen=True)
class ParityRow:
    """How a file compares with its model on one picture.

    Args:
        what: what is special about the size.
        size: height and width.
        through: what labelled: the file's own labels (``"graph"``), or pixelwise from its coarse logits
            (``"runtime"``).
        classes: the classes that torch finds.
        differing: pixels with another label.
        beyond_ties: those of them that are no ties.
    """

    what: str
    size: tuple[int, int]
    through: str
    classes: int
    differing: int
    beyond_ties: int

    @property
    def equal(self) -> float:
        """The share of pixels with the same label."""
        return 1 - self.differing / (self.size[0] * self.size[1])

    @property
    def holds(self) -> bool:
        """Whether enough pixels are equal and all others are ties."""
        return self.equal >= LEAST_EQUAL and not self.beyond_ties

    def cells(self) -> tuple[str, ...]:
        """The row as words, below :attr:`Parity.columns`."""
        through = "the file" if self.through == "graph" else "pixelwise"
        size = f"{self.size[0]}x{self.size[1]}"
        return size, self.what, through, str(self.classes), f"{self.equal:.3%}", str(self.beyond_ties)


@dataclass(frozen=True)
class Parity:
    """How a file compares with its model.

    Args:
        source: where the pictures come from.
        rows: a row for each picture and way of labelling.
        classes: the classes that torch finds on all pictures together.
    """

    columns: ClassVar = ("size", "", "labels by", "classes", "equal", "beyond ties")
    source: str
    rows: tuple[ParityRow, ...]
    classes: int

    @property
    def void(self) -> bool:
        """Whether the comparison shows nothing, because torch finds less than two classes."""
        return self.classes < 2

    @property
    def shows_nothing_because(self) -> str:
        """Why a comparison that is void shows nothing, and what would help."""
        return "the model finds less than two classes on the pictures; export again with pictures of several"

    @property
    def verdict(self) -> str:
        """``"equal"``, ``"differs"``, or ``"void"`` if it shows nothing."""
        if not all(row.holds for row in self.rows):
            return "differs"
        return "void" if self.void else "equal"

    def to_dict(self) -> dict[str, Any]:
        """Describe the comparison in plain JSON types."""
        rows = [{**asdict(row), "size": list(row.size)} for row in self.rows]
        return {"parity": self.verdict, "pictures": self.source, "classes": self.classes, "rows": rows}

    def check(self, file: Path) -> None:
        """Refuse a file that differs.

        Raises:
            ModelError: it differs; the message says where.
        """
        for row in self.rows:
            if not row.holds:
                raise ModelError(
                    f"{file}: was not written, because it does not give the model's labels: at {row.size[0]}x"
                    f"{row.size[1]} ({row.what}, {row.through}) {counted(row.differing, 'pixel', 'differs')}, "
                    f"{row.beyond_ties} of them not at ties; keep to the model file, and report this"
                )


def compare(models: Sequence[SegmentationModel], file: Path, library: EngineName, pictures: CheckPictures) -> Parity:
    """Compare the labels of an exported file, run by a library, with those of its model, or of several averaged.

    Pictures are labelled by torch in float64, by the graph alone, and by pixelwise from the graph's coarse logits. A
    picture with tiles is labelled by tiles in both.

    Raises:
        ModelError: the file cannot be opened or run.
    """
    graph = ExportedFile.read(file, Engine(library)).open([IMAGE], [LABELS])
    # In float64, because rounding in float32 decides labels of its own, above all where maps are unpooled.
    model_predictor, file_predictor = _predictor(models, "torch", "float64"), _predictor([file], library, "float32")
    rows, found = [], set[int]()
    for number, checked in enumerate(checked_sizes(model_predictor.card.geometry)):
        image = pictures.make(number, checked.size)
        picture = np.ascontiguousarray(image.transpose(1, 2, 0))  # (H, W, C)
        whole = _Expected.of(model_predictor, picture, None)
        found |= set(np.unique(whole.labels).tolist())
        rows.append(whole.compare(checked, "graph", _run_graph(graph, picture, file)))
        asked = whole if checked.tile is None else _Expected.of(model_predictor, picture, checked.tile)
        file_predictor.tile = checked.tile
        rows.append(asked.compare(checked, "runtime", file_predictor(picture).labels))
    return Parity(pictures.source, tuple(rows), len(found))


def _predictor(models: Sequence[SegmentationModel | Path], runtime: str, precision: str) -> Predictor:
    # More memory than any of these pictures takes, so that the only tiles are those that are asked for.
    return Predictor(models, device="cpu", runtime=runtime, precision=precision, memory=2.0**20)


def _span(member: object, picture: NDArray[np.uint8]) -> float:
    """The range of a network's logits on a picture (H, W, C)."""
    assert isinstance(member, CoarseRuntime)
    logits = member.coarse(picture.transpose(2, 0, 1)).logits
    return float(logits.max() - logits.min())


def _run_graph(graph: Session, picture: NDArray[np.uint8], file: Path) -> NDArray[np.integer[Any]]:
    """Label a picture (H, W, C) with the graph alone: (H, W)."""
    try:
        labels: NDArray[np.integer[Any]] = graph({IMAGE: picture[None]})[0][0]
    except ModelError as error:
        size = f"{picture.shape[0]}x{picture.shape[1]}"
        raise ModelError(f"{file}: was not written, because its graph fails at {size} ({error})") from error
    return labels


@dataclass(frozen=True, eq=False)
class _Expected:
    """The labels of a picture by torch, and where they are ties.

    Args:
        labels: (H, W).
        ties: (H, W), whether the best two logits are nearly equal.
    """

    labels: NDArray[np.integer[Any]]
    ties: NDArray[np.bool_]

    @classmethod
    def of(cls, predictor: Predictor, picture: NDArray[np.uint8], tile: int | None) -> _Expected:
        """Label a picture (H, W, C) by tiles with a side, or whole."""
        predictor.tile = tile
        runtime = predictor.runtime
        members = runtime.members if isinstance(runtime, AveragingRuntime) else (runtime,)
        prediction = predictor(picture, probabilities=True)
        assert prediction.probabilities is not None
        with torch.inference_mode():
            span = max(_span(member, picture) for member in members)
        if len(prediction.probabilities) < 2:
            return cls(prediction.labels, np.zeros(prediction.labels.shape, np.bool_))
        second, first = np.partition(prediction.probabilities, -2, axis=0)[-2:]  # (H, W) each
        # The quotient of two probabilities is the exponential of the difference of their logits.
        return cls(prediction.labels, second >= first * np.exp(-TIE * span))

    def compare(self, checked: CheckedSize, through: str, labels: NDArray[np.integer[Any]]) -> ParityRow:
        """Count where other labels (H, W) differ."""
        if labels.shape != self.labels.shape:
            beyond = self.labels.size
            return ParityRow(checked.what, checked.size, through, 0, beyond, beyond)
        differing = labels != self.labels
        beyond = differing & ~self.ties
        classes = len(np.unique(self.labels))
        return ParityRow(checked.what, checked.size, through, classes, int(differing.sum()), int(beyond.sum()))
