"""Finding the objects that are compared when a file is exported: by torch, in several ways, and by the file's graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.inference.object_task import ObjectTask
from pixelwise.inference.resizing import read_resized
from pixelwise.inference.runtimes.base import ObjectRuntime
from pixelwise.inference.runtimes.exported.file import IMAGE, ExportedFile, batch
from pixelwise.inference.runtimes.exported.objects import BOXES, CLASSES, LEAST_SCORE, MASKS, SCORES
from pixelwise.inference.runtimes.torch_objects import TorchObjectRuntime
from pixelwise.instances import Instances, ObjectRule, Size
from pixelwise.models import DetectionModel
from pixelwise.ops.object_arrays import paste

SHAKEN_BY = 1e-3
"""The standard deviation of the noise that shows which objects depend on rounding, in steps of the 8-bit picture."""

if TYPE_CHECKING:
    import onnx

Picture = NDArray[Any]
"""An image (C, H, W) on the scale 0 .. 255."""

Find = Callable[[TorchObjectRuntime, Picture], Instances]


class TorchFinder:
    """The objects by torch: in float64, and as equal scores and rounding let them be where something differs."""

    def __init__(self, model: DetectionModel) -> None:
        self.runtime = TorchObjectRuntime(model, device="cpu", precision="float64")
        self._coarser = TorchObjectRuntime(model, device="cpu", precision="float32")

    def set_threshold(self, score: float) -> None:
        """Change the least score of an object."""
        for runtime in (self.runtime, self._coarser):
            runtime.model.network.heads.score = score

    def variants(self, image: Picture, find: Find) -> Iterator[Instances]:
        """Find objects as torch does with equal proposals in two orders, in float32, and with noise in the picture."""
        for sign in (-1, 1):
            with _ordered(self.runtime, sign):
                yield find(self.runtime, image)
        yield find(self._coarser, image)
        with _ordered(self.runtime, -1):
            yield find(self.runtime, _shaken(image))


@contextmanager
def _ordered(runtime: TorchObjectRuntime, sign: int) -> Iterator[None]:
    """Order the anchors of equal scores: the first ones first (-1), as exported graphs do, or the last ones (1).

    Parts of a picture that are equal, such as its padding, have equal scores, among which torch takes any.
    """

    def tilt(_: Any, __: Any, result: tuple[list[Tensor], list[Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
        tilted = []
        for scores in result[0]:  # (1, A, h, w)
            laid = scores.permute(0, 2, 3, 1)  # as anchors are numbered
            step = sign * torch.finfo(scores.dtype).eps * scores.abs().max()
            ramp = torch.arange(laid.numel(), dtype=scores.dtype).view(laid.shape) * step
            tilted.append((laid + ramp).permute(0, 3, 1, 2))
        return tilted, result[1]

    hook = runtime.model.network.rpn.head.register_forward_hook(tilt)
    try:
        yield
    finally:
        hook.remove()


class GraphFinder:
    """A file's own graph, whose threshold of the score can be changed.

    Args:
        exported: the file.
        graph: the graph that it was written from.
    """

    def __init__(self, exported: ExportedFile, graph: onnx.ModelProto) -> None:
        self._exported, self._graph = exported, graph
        outputs = [name for name in (BOXES, CLASSES, SCORES, MASKS) if name in exported.graph.outputs]
        self._run = exported.open([IMAGE], outputs)

    def set_threshold(self, score: float) -> None:
        """Change the least score of an object, in a copy of the graph that the file was written from.

        A file of OpenVINO does not keep the names of constants.
        """
        import onnx

        changed = onnx.ModelProto()
        changed.CopyFrom(self._graph)
        (tensor,) = (one for one in changed.graph.initializer if one.name == LEAST_SCORE)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([score], np.float32), tensor.name))
        self._run = self._exported.engine.open(changed.SerializeToString())

    def find(self, image: Picture) -> Instances:
        """Find the objects of an image (C, H, W) as the graph gives them."""
        boxes, labels, scores, *masks = self._exported.run(self._run, {IMAGE: batch(image)})
        return _laid(boxes, labels, scores, masks[0] if masks else None, (image.shape[1], image.shape[2]))


def find_as_given(runtime: TorchObjectRuntime, image: Picture) -> Instances:
    """Find the objects of a whole image (C, H, W), all that the network gives."""
    size = (image.shape[1], image.shape[2])
    resize = runtime.card.preprocessing.resize
    if resize is not None:
        image = read_resized(lambda rows, columns: image[:, rows, columns], size, resize.size_of(size), len(image))
    found = runtime.detections(image, size)
    masks = None if found.masks is None else found.masks.numpy()
    return _laid(found.boxes.numpy(), found.labels.numpy(), found.scores.numpy(), masks, size)


def find_by_task(runtime: ObjectRuntime, image: Picture, tile: int | None) -> Instances:
    """Find the objects of an image (C, H, W) as a predictor does, by tiles with a side or whole."""
    task = ObjectTask(runtime, rule=ObjectRule(score=0, min_area=0))
    # More memory than any of these pictures takes, so that the only tiles are those that are asked for.
    plan = task.plan((image.shape[1], image.shape[2]), mode="auto", tile=tile, memory=2**50)
    found = task.predict(image, plan, probabilities=False, progress=None).instances
    assert found is not None
    return found


def _laid(
    boxes: NDArray[Any], labels: NDArray[np.int64], scores: NDArray[Any], masks: NDArray[Any] | None, size: Size
) -> Instances:
    """Lay what a network gives on a picture, and drop none: also objects without a pixel are compared."""
    boxes, scores = boxes.astype(np.float32), scores.astype(np.float32)
    return Instances(size, labels, boxes, None if masks is None else tuple(paste(masks, boxes, size)), scores)


def _shaken(image: Picture) -> Picture:
    """Add noise to an image (C, H, W) that is far too small to be seen."""
    noise = np.random.default_rng(0).normal(0, SHAKEN_BY, image.shape)
    return (image + noise).astype(np.float32)
