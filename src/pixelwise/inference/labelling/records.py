"""Objects as files list them, with their masks run-length encoded one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pixelwise.instances import Instances
from pixelwise.io.rasters.opening import RasterSource
from pixelwise.io.shapes.outlines import mask_of
from pixelwise.io.shapes.polygons import label_bands
from pixelwise.io.shapes.records import ObjectRecord, describe
from pixelwise.io.shapes.rings import trace
from pixelwise.types import LabelSpace


def object_records(instances: Instances) -> Iterator[ObjectRecord]:
    """Give the numbers and the encoded mask of each object; memory is that of one of them."""
    # Imported here, so that importing the predictor does not wait for torch.
    from pixelwise.ops.rle import encode_rle

    for number, record in enumerate(describe(instances)):
        if instances.masks is None:
            yield record
        else:
            yield replace(record, counts=encode_rle(instances.masks[number])["counts"])


def region_records(labels: RasterSource, label_space: LabelSpace, *, min_area: int = 0) -> Iterator[ObjectRecord]:
    """Give the connected parts of every class but the background, read by bands, in the order in which they end.

    They have no scores, and lines of background between touching objects are not filled. Memory follows the outlines of
    parts that are not complete, and the box of the largest one. Parts of fewer pixels than ``min_area`` are left out.

    Raises:
        DataError: the labels are no class indices of the label space.
    """
    background = label_space.background
    number = 0
    for region in trace(label_bands(labels, label_space, False), labels.size[1]):
        mask = mask_of(region, labels.size)
        if mask.area < min_area:
            continue
        number += 1
        index = region.label - (background is not None and background < region.label)
        (record,) = object_records(Instances.of_masks(labels.size, [mask], np.array([index])))
        yield replace(record, id=number)
