"""Describing in words how much of the picture a model sees."""

from __future__ import annotations

from pixelwise.inspection.summary import Inspection


def describe_field(inspection: Inspection) -> str:
    """Say how much of the picture a label depends on, and what the figures of the table mean."""
    least, most = inspection.least_field, inspection.receptive_field
    if least is None or most is None:
        return f"{'an object' if inspection.regions is not None else 'a label'} depends on the whole picture"
    if least == most:
        return f"a label depends on {most} pixels along an axis"
    return (
        f"a label depends on {least} to {most} pixels along an axis, by its place in a block of "
        f"{inspection.geometry.period}; the table tells the most, of labels as of each stage"
    )


def describe_unpadded(inspection: Inspection) -> str | None:
    """Say what the network gives for the picture without mirrored borders; None if it has no mirrored borders."""
    if not inspection.mirrored:
        return None
    height, width = inspection.picture
    geometry, unpadded = inspection.geometry, inspection.unpadded
    if unpadded is not None:
        rows, columns = unpadded.output
        return (
            f"{height}x{width} -> {rows}x{columns}, scores of the middle, for {unpadded.multiply_adds / 1e9:.1f} G "
            "multiply-adds: the network as its paper runs it (model.valid)"
        )
    least, step = geometry.legal_sizes
    below = {max(least, least + (side - least) // step * step) for side in inspection.picture}
    near = sorted(below | {side + step for side in below})
    gives = ", ".join(f"{side} -> {geometry.output_size(side)}" for side in near)
    return f"{height}x{width} leaves pixels over without mirrored borders; sides near it that do not: {gives}"
