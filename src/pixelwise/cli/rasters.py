"""Labelling files that are too large for memory, or that lie on the Earth: by windows, from file to file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.errors import DataError
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.cli.progress import Counter
    from pixelwise.inference import Predictor
    from pixelwise.io.shapes.records import ObjectRecord
    from pixelwise.tiling import TilePlan

STREAMED_PIXELS = 2**26
"""Pictures of more pixels are computed from file to file."""

NOT_STREAMED = ("probabilities",)
"""What is not written for rasters: K numbers a pixel would take more room than anything else here."""


def is_raster(path: Path) -> bool:
    """Whether a file is labelled by windows: Zarr, .npy, TIFF with a place on the Earth or no-data areas, large ones.

    Raises:
        DataError: the file cannot be read.
    """
    from pixelwise.io.formats import TIFF_MAGIC
    from pixelwise.io.header import explained
    from pixelwise.io.images import image_info
    from pixelwise.io.rasters.opening import open_source
    from pixelwise.io.rasters.rows import NPY_MAGIC

    if path.is_dir():
        return True
    with explained(path), open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(NPY_MAGIC):
        return True
    if start.startswith(TIFF_MAGIC):
        with open_source(path) as source:
            placed = source.georeference is not None or source.nodata is not None
            return placed or source.size[0] * source.size[1] > STREAMED_PIXELS
    height, width = image_info(path).size
    return height * width > STREAMED_PIXELS


@contextmanager
def label_raster_file(
    predictor: Predictor, picture: Path, name: Path, kinds: Sequence[str], *, resume: bool, counter: Counter
) -> Iterator[tuple[tuple[int, int], Iterator[ObjectRecord]]]:
    """Label a raster, and make what else is asked for from its labels.

    Args:
        predictor: the model.
        picture: the raster.
        name: path of the results without suffix; NAME.tif holds the labels and is always written.
        kinds: what is asked for besides: ``"overlay"``, reduced to 4,096 pixels, and ``"geojson"``; files of objects
            are left to the caller.
        resume: whether to go on with a stopped job.
        counter: shows tiles done, and says how a raster is computed that does not plainly fit.

    Yields:
        Height and width, and the objects one by one, which are read from the labels where the network finds none.

    Raises:
        DataError: the raster cannot be read, or something is asked for that is not written for rasters.
        PixelwiseError: a result cannot be written.
    """
    from PIL import Image

    from pixelwise.inference.drawing.preview import paint_preview
    from pixelwise.inference.labelling.records import object_records, region_records
    from pixelwise.io.atomic import atomic_path
    from pixelwise.io.rasters.opening import Watch, open_source
    from pixelwise.io.shapes.polygons import write_object_polygons, write_polygons
    from pixelwise.types import object_space

    refused = [kind for kind in kinds if kind in NOT_STREAMED]
    if refused:
        raise DataError(
            f"{picture}: {', '.join(refused)} cannot be written for a raster, only labels, overlay, geojson, coco and "
            "table; leave it out of --save, or cut the raster into pictures without a georeference"
        )
    watch = Watch(picture)
    with open_source(picture) as source:
        plan = predictor.plan(source.size)
    if not plan.plain:
        counter.say(f"{picture}: {describe_plan(plan)}")
    labels = name.with_name(name.name + ".tif")
    with counter.tiles(picture.name, len(plan)) as progress:
        result = predictor.raster(picture, labels, resume=resume, progress=progress)
    if not plan.whole:
        counter.say(f"{picture}: {describe_seams(result.exact, result.seam_error, objects=predictor.finds_objects)}")
    if "overlay" in kinds:
        with open_source(picture) as source, open_source(labels, indices=True) as indices:
            painted = paint_preview(source, indices, predictor.label_space, predictor.preprocessing)
        watch.check()  # the labels are those of the picture that is shown
        with atomic_path(name.with_name(name.name + "_overlay.jpg")) as beside:
            Image.fromarray(painted).save(beside, "JPEG", quality=90)
    found = result.instances
    polygons = name.with_name(name.name + ".geojson")
    with open_source(labels, indices=True) as indices:
        if "geojson" in kinds and found is not None:
            space = object_space(predictor.label_space)
            write_object_polygons(polygons, predictor.rule.shown(found), space, georeference=indices.georeference)
        elif "geojson" in kinds:
            write_polygons(polygons, labels, predictor.label_space)
        if found is None:
            records = region_records(indices, predictor.label_space, min_area=predictor.rule.min_area)
        else:
            records = object_records(found)
        yield indices.size, records


def describe_plan(plan: TilePlan) -> str:
    """Say in a line how a picture is computed, what it costs and why."""
    height, width = plan.size
    size = f"{height}x{width} pixels (height x width)"
    if plan.whole:
        return f"{size} at once, exact: {plan.reason}"
    kind = "exact" if plan.exact else "fast"
    tiles = f"{counted(len(plan), 'tile')} of {plan.tile[0]}x{plan.tile[1]}"
    return f"{size} in {tiles}, {kind}: {plan.reason}; {plan.cost:.2f} times the arithmetic of the whole at once"


def describe_seams(exact: bool, error: float | None, *, objects: bool = False) -> str:
    """Say in a line whether the result is that of the whole picture, and if not, how far off the seams are."""
    if exact:
        return "exact, as if computed whole"
    if objects and error is None:
        return "not exact; no object lies whole in several tiles that could be compared"
    if objects:
        return (
            f"not exact; seam error {error:.1e}: the share of objects whole in several tiles that these see differently"
        )
    if error is None:
        return "not exact; the seams were not measured, because a stopped job had computed all tiles"
    return f"not exact; seam error {error:.1e}: the share of pixels at 16 seams that twice the halo changes"
