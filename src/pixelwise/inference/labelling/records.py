"""Converting objects to the form that files list, with run-length encoded masks, one object at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pixelwise.instances import Instances
from pixelwise.io.shapes.records import ObjectRecord, describe


def object_records(instances: Instances) -> Iterator[ObjectRecord]:
    """Give the numbers and the encoded mask of each object, with one encoded object in memory at a time."""
    # Imported here, so that importing the predictor does not wait for torch.
    from pixelwise.ops.rle import encode_rle

    for number, record in enumerate(describe(instances)):
        if instances.masks is None:
            yield record
        else:
            yield replace(record, counts=encode_rle(instances.masks[number])["counts"])
