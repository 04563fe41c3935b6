"""Inspecting a network's structure, cost and receptive fields without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelwise.lazy import names_from

if TYPE_CHECKING:
    from pixelwise.inspection.descriptions import describe_field as describe_field
    from pixelwise.inspection.descriptions import describe_unpadded as describe_unpadded
    from pixelwise.inspection.grouping import group_rows as group_rows
    from pixelwise.inspection.listed import Listed as Listed
    from pixelwise.inspection.listed import list_models as list_models
    from pixelwise.inspection.picture import draw_field as draw_field
    from pixelwise.inspection.picture import sample_image as sample_image
    from pixelwise.inspection.summary import Inspection as Inspection
    from pixelwise.inspection.summary import inspect_model as inspect_model
    from pixelwise.inspection.table import StageRow as StageRow
    from pixelwise.inspection.table import stage_rows as stage_rows

# Imported on first use, because the list of models needs no torch.
_HOMES = {
    "Inspection": "pixelwise.inspection.summary",
    "Listed": "pixelwise.inspection.listed",
    "StageRow": "pixelwise.inspection.table",
    "describe_field": "pixelwise.inspection.descriptions",
    "describe_unpadded": "pixelwise.inspection.descriptions",
    "draw_field": "pixelwise.inspection.picture",
    "group_rows": "pixelwise.inspection.grouping",
    "inspect_model": "pixelwise.inspection.summary",
    "list_models": "pixelwise.inspection.listed",
    "sample_image": "pixelwise.inspection.picture",
    "stage_rows": "pixelwise.inspection.table",
}
__all__ = sorted(_HOMES)

__getattr__ = names_from(__name__, _HOMES)
