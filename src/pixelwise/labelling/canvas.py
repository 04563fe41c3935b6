"""The labels of one picture, and the changes that can be taken back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.labelling.actions import Accept, Action, Change, Done, Fill, Polygon, Redo, Stroke, Undo
from pixelwise.labelling.raster import Box, connected_region, paint_polygon, paint_stroke, points_box, stroke_box


def packed(labels: NDArray[Any]) -> bytes:
    """Compress the rows of labels (H, W), quickly."""
    return zlib.compress(np.ascontiguousarray(labels).tobytes(), 1)


@dataclass
class _Step:
    """A change that is taken back at once: its actions, and what their boxes held before."""

    actions: list[Change]
    before: list[tuple[Box, bytes]] = field(default_factory=list)

    @property
    def stroke(self) -> str | None:
        """The name of the stroke that it is, which further parts may join."""
        last = self.actions[-1]
        return last.stroke if isinstance(last, Stroke) else None


class Canvas:
    """Labels that actions change; the same actions always give the same labels.

    Args:
        start: (H, W) the labels before the first action; they are copied.
        void: the label of pixels that are not labelled.
        proposal: gives a proposal that was accepted, (H, W), by its name.
    """

    def __init__(
        self,
        start: NDArray[np.uint8],
        void: int,
        proposal: Callable[[str], NDArray[np.uint8]] | None = None,
    ) -> None:
        self.labels = start.copy()
        self._proposal = proposal
        self.void = void
        self.done = False
        self._steps: list[_Step] = []
        self._undone: list[_Step] = []

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    @property
    def undoable(self) -> int:
        """How many changes can be taken back."""
        return len(self._steps)

    @property
    def redoable(self) -> int:
        """How many changes that were taken back can be made again."""
        return len(self._undone)

    def apply(self, action: Action) -> Box | None:
        """Change the labels.

        Returns:
            The part that may have changed; None where nothing did.
        """
        match action:
            case Done(done=done):
                self.done = done
                return None
            case Undo():
                return self._undo()
            case Redo():
                return self._redo()
        self._undone.clear()
        joins = isinstance(action, Stroke) and self._steps and self._steps[-1].stroke == action.stroke
        if not joins:
            self._steps.append(_Step([]))
        step = self._steps[-1]
        step.actions.append(action)
        return self._paint(step, action)

    def _paint(self, step: _Step, action: Change) -> Box | None:
        match action:
            case Stroke():
                box = stroke_box(action.points, action.width, self.size)
            case Polygon():
                box = points_box(action.points, self.size)
            case Accept():
                return self._accept(step, action)
            case Fill():
                return self._fill(step, action, self._value(action))
        if box is None:
            return None
        step.before.append((box, packed(self.labels[box.slices])))
        self._draw(self.labels, action)
        return box

    def _value(self, action: Stroke | Polygon | Fill) -> int:
        return self.void if action.value is None else action.value

    def _draw(self, labels: NDArray[np.uint8], action: Stroke | Polygon) -> None:
        if isinstance(action, Stroke):
            paint_stroke(labels, action.points, action.width, self._value(action))
        else:
            paint_polygon(labels, action.points, self._value(action))

    def by_hand(self) -> NDArray[np.uint8]:
        """Paint the strokes and polygons alone, without fills and accepted proposals: (H, W), void elsewhere."""
        labels = np.full(self.size, self.void, np.uint8)
        for step in self._steps:
            for action in step.actions:
                if isinstance(action, Stroke | Polygon):
                    self._draw(labels, action)
        return labels

    def _accept(self, step: _Step, action: Accept) -> Box:
        proposed = self._proposed(action.map)
        box = Box(0, 0, *self.size)
        step.before.append((box, packed(self.labels)))
        free = self.labels == self.void
        self.labels[free] = proposed[free]
        return box

    def _fill(self, step: _Step, action: Fill, value: int) -> Box | None:
        if action.y >= self.size[0] or action.x >= self.size[1]:
            return None
        values = self.labels
        if action.map is not None:
            if values[action.y, action.x] != self.void:
                return None
            free = values == self.void
            values = np.where(free, self._proposed(action.map).astype(np.int16), -1)
        box, inside = connected_region(values, action.x, action.y)
        step.before.append((box, packed(self.labels[box.slices])))
        self.labels[box.slices][inside] = value
        return box

    def _proposed(self, name: str) -> NDArray[np.uint8]:
        assert self._proposal is not None
        return self._proposal(name)

    def _undo(self) -> Box | None:
        if not self._steps:
            return None
        step = self._steps.pop()
        self._undone.append(step)
        for box, held in reversed(step.before):
            part = self.labels[box.slices]
            part[...] = np.frombuffer(zlib.decompress(held), part.dtype).reshape(part.shape)
        return _around(box for box, _ in step.before)

    def _redo(self) -> Box | None:
        if not self._undone:
            return None
        step = self._undone.pop()
        self._steps.append(step)
        step.before.clear()
        for action in step.actions:
            self._paint(step, action)
        return _around(box for box, _ in step.before)


def _around(boxes: Iterable[Box]) -> Box | None:
    whole: Box | None = None
    for box in boxes:
        whole = box if whole is None else whole.joined(box)
    return whole
