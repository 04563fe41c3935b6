"""Objects as files list them, with their masks run-length encoded one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pixelwise.instances import Instances
from pixelwise.io.shapes.records import ObjectRecord, describe


def object_records(instances: Instances) -> Iterator[ObjectRecord]:
    """Give the numbers and the encoded mask of each object; memory is that of one of them."""
    # Imported here, so that importing the predictor does not wait for torch.
    from pixelwise.ops.rle import encode_rle

    for number, record in enumerate(describe(instances)):
        if instances.masks is None:
            yield record
        else:
            yield replace(record, counts=encode_rle(instances.masks[number])["counts"])
