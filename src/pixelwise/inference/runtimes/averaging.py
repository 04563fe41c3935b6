"""The runtime that averages: several models, and several views of the picture (test-time augmentation)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import reduce
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from pixelwise.card import ModelCard
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.inference.runtimes.base import ObjectRuntime, Runtime
from pixelwise.inference.runtimes.coarse import CoarseRuntime
from pixelwise.inference.runtimes.tail import AnyCoarse, on_window
from pixelwise.inference.runtimes.views import View, one_view_error
from pixelwise.io.pictures.depth import Learnt
from pixelwise.tiling import PixelCost, Window


class AveragingRuntime(Runtime, Generic[AnyCoarse]):
    """Averages the softmax of every model on every view, with equal weights.

    Views and models are computed one after the other, so that the memory is that of a single model plus the sum of the
    probabilities of a window, K float32 numbers per pixel.

    Args:
        members: the models. Their classes, channels and ranges of values agree; everything else may differ.
        views: the views of the picture that each model computes.

    Raises:
        ModelError: the models do not agree.
    """

    def __init__(self, members: Sequence[CoarseRuntime[AnyCoarse]], views: Sequence[View]) -> None:
        first = members[0]
        for number, member in enumerate(members[1:], 2):
            check_agreement(first.card, member.card, number)
        self.library, self.precision, self.note = first.library, first.precision, first.note
        self.members: tuple[CoarseRuntime[AnyCoarse], ...] = tuple(members)
        self.views = tuple(views)
        self.aligned = all(view.plain for view in views)
        # Each network adds its own border to its input, so that one tile serves them all.
        unbordered = [_count_border_as_padding(member.card.geometry) for member in members]
        self.border = max(member.card.geometry.margin for member in members)
        zoom, least = max(view.zoom for view in views), min(view.zoom for view in views)
        self.card = replace(
            first.card,
            geometry=reduce(Geometry.join, unbordered),
            fast_halo=math.ceil(max(member.card.fast_halo for member in members) / min(1.0, least)),
        )
        # Members compute all of their input, because each view maps it back differently.
        computing = max(member.cost.bytes for member in members) * max(1.0, zoom) ** 2
        self.cost = PixelCost.even(computing + len(self.card.label_space) * self._itemsize)

    @property
    def _itemsize(self) -> int:
        return max(member.itemsize for member in self.members)

    @property
    def fingerprint(self) -> str:
        """The fingerprints of all models, and the views."""
        views = " ".join(
            f"{'t' * view.transposed}{'d' * view.down}{'a' * view.along}{view.zoom:g}" for view in self.views
        )
        return f"{' + '.join(member.fingerprint for member in self.members)}, views {views}"

    def labels(self, image: NDArray[np.uint8], window: Window) -> NDArray[np.integer[Any]]:
        """Label a window of an image (C, H, W), whose pixels may need the rest of it: class indices (h, w)."""
        return self._labels(self._mean(image, window))

    def probabilities(
        self, image: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the mean softmax as float32 (K, h, w)."""
        mean = self._mean(image, window)
        return self._labels(mean), self.members[0].tail.in_main_memory(mean).astype(np.float32, copy=False)

    @contextmanager
    def averaging_over(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[None]:
        """Inside the context, the networks' averages over the picture come from these windows of it, (C, h, w) each."""
        images = list(images)
        with ExitStack() as entered:
            for member in self.members:
                entered.enter_context(member.averaging_over(images))
            yield

    def _mean(self, image: NDArray[np.uint8], window: Window) -> Any:
        """Average the softmax over models and views: a total (K, h, w) of the first member's tail."""
        rows, columns = window
        size = (image.shape[1], image.shape[2])
        shape = (len(self.card.label_space), rows.stop - rows.start, columns.stop - columns.start)
        tail = self.members[0].tail
        mean = tail.zeros(shape, self._itemsize)
        for member in self.members:
            for view in self.views:
                coarse = view.read_back(member.coarse(view.show(image)), size)
                tail.add_softmax(mean, on_window(coarse, window), 1 / (len(self.members) * len(self.views)))
        return mean

    def _labels(self, mean: Any) -> NDArray[np.integer[Any]]:
        return self.members[0].tail.greatest(mean).astype(self.card.label_space.dtype)  # (h, w)


def with_views(runtime: Runtime | ObjectRuntime, views: Sequence[View]) -> Runtime | ObjectRuntime:
    """Give a runtime that computes other views of the picture with the networks of ``runtime``.

    Raises:
        SettingError: views of a network that finds objects.
    """
    plain = all(view.plain for view in views)
    if isinstance(runtime, ObjectRuntime):
        if not plain:
            raise one_view_error()
        return runtime
    members = runtime.members if isinstance(runtime, AveragingRuntime) else (runtime,)
    if plain and len(members) == 1:
        return members[0]
    return AveragingRuntime([member for member in members if isinstance(member, CoarseRuntime)], views)


def _count_border_as_padding(geometry: Geometry) -> Geometry:
    """Describe a network with unpadded convolutions together with the mirrored border that its model adds."""
    margin = geometry.margin
    return Geometry.identity().pad(margin, margin).then(geometry).same_size() if margin else geometry


def check_agreement(first: ModelCard, other: ModelCard, number: int) -> None:
    """Make sure that what two models give can be averaged; ``number`` is that of the other one.

    Raises:
        ModelError: they have other classes, or take other pictures.
    """
    ours, theirs = first.label_space, other.label_space
    if ours.names != theirs.names or ours.ignore_index != theirs.ignore_index:
        raise ModelError(
            f"model {number} of the ensemble knows {', '.join(theirs.names)} (ignored: {theirs.ignore_index}), but "
            f"model 1 knows {', '.join(ours.names)} (ignored: {ours.ignore_index}); average models of the same classes"
        )
    ones, others = first.preprocessing, other.preprocessing
    for what, left, right in (
        ("channels", ones.channels, others.channels),
        ("numbers", str(Learnt.of(ones)), str(Learnt.of(others))),
    ):
        if left != right:
            raise ModelError(
                f"model {number} of the ensemble takes pictures with {what} {right}, but model 1 with {left}; average "
                "models that take the same pictures"
            )
