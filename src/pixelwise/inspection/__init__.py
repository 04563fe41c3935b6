"""Inspecting a network's structure, cost and receptive fields without running it."""

from pixelwise.inspection.descriptions import describe_field, describe_unpadded
from pixelwise.inspection.grouping import group_rows
from pixelwise.inspection.listing import Listed, list_models
from pixelwise.inspection.picture import draw_field, sample_image
from pixelwise.inspection.summary import Inspection, inspect_model
from pixelwise.inspection.table import StageRow, stage_rows

__all__ = [
    "Inspection",
    "Listed",
    "StageRow",
    "describe_field",
    "describe_unpadded",
    "draw_field",
    "group_rows",
    "inspect_model",
    "list_models",
    "sample_image",
    "stage_rows",
]
