"""Labels as polygons: GeoJSON (RFC 7946) in map coordinates, or in pixels."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.atomic import atomic_text
from pixelwise.io.rasters.georeference import Georeference, Transform
from pixelwise.io.rasters.opening import Openable, RasterSource, open_source
from pixelwise.io.shapes.outlines import outline
from pixelwise.io.shapes.rings import NO_REGION, Region, trace_regions
from pixelwise.types import LabelSpace
from pixelwise.words import agreeing, counted

_TRACED_BAND_PIXELS = 2**18
_LONGITUDE_LATITUDE = 4326


def write_polygons(
    path: str | os.PathLike[str],
    labels: Openable,
    label_space: LabelSpace,
    *,
    georeference: Georeference | None = None,
    background: bool = False,
    keep: Container[tuple[int, int]] | None = None,
) -> int:
    """Write every region of a class as a polygon with its holes, exactly along the edges of its pixels.

    A region is a set of pixels of a class that are connected by their sides. Ignored pixels belong to no region. Each
    region is a Feature with the properties ``class``, ``name``, ``color`` and ``pixels``; features come in the order in
    which the regions end. Coordinates are those of the map where a georeference is known, else x and y in pixels from
    the upper left corner of the picture, y downwards. Outer rings run counterclockwise in the plane of the coordinates,
    holes clockwise. A projected system is named in the member ``crs`` (GeoJSON of 2008, which GDAL and QGIS read),
    because RFC 7946 itself only has longitude and latitude.

    The labels are read by bands. Memory grows with the corners of the regions that cross the current row, about 50
    bytes each, and not with the number of pixels.

    Args:
        path: the file to write.
        labels: what :func:`pixelwise.io.rasters.opening.open_source` opens: a file of labels, an array (H, W), or a
            source.
        label_space: names and colours of the classes.
        georeference: where the labels lie on the Earth; by default what their source says.
        background: whether the class that means "nothing" is written too.
        keep: row and column of the first pixel, row by row, of the regions that are written; None writes all.

    Returns:
        How many polygons were written.

    Raises:
        DataError: the labels cannot be read, or are no single channel of class indices.
        PixelwiseError: the file cannot be written.
    """
    owned = isinstance(labels, str | os.PathLike)
    source = open_source(labels, indices=True)
    try:
        if source.channels != 1 or source.dtype.kind not in "ui":
            raise DataError(
                f"{source.name}: polygons are made of one channel of class indices, this raster has {source.channels} "
                f"of {source.dtype}"
            )
        georeference = georeference or source.georeference
        transform = georeference.transform if georeference is not None else None
        with atomic_text(path) as file:
            file.write('{"type": "FeatureCollection",\n')
            file.write(_system(georeference) if transform is not None else "")
            file.write('"features": [')
            count = 0
            for region in trace_regions(label_bands(source, label_space, background), source.size[1]):
                if keep is None or _first_pixel(region) in keep:
                    file.write(",\n" if count else "\n")
                    json.dump(_feature(region, label_space, transform), file, ensure_ascii=False)
                    count += 1
            file.write("\n]}\n")
        return count
    finally:
        if owned:
            source.close()


def write_object_polygons(
    path: str | os.PathLike[str],
    instances: Instances,
    label_space: LabelSpace,
    *,
    georeference: Georeference | None = None,
) -> int:
    """Write every object as a polygon with its holes, exactly along the edges of its pixels.

    Coordinates and rings are those of :func:`write_polygons`. An object of several parts is a MultiPolygon, with the
    largest part first. An object of which only the box is known is written as its box. An object without pixels has no
    feature. Properties are ``id``, from 1 in the order of the objects, ``class``, ``name``, ``color``, ``score`` (null
    where none is known) and ``area`` in pixels.

    Args:
        path: the file to write.
        instances: the objects.
        label_space: classes of the objects, without background.
        georeference: where the picture lies on the Earth.

    Returns:
        How many objects were written.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    transform = georeference.transform if georeference is not None else None
    areas = instances.areas
    count = 0
    with atomic_text(path) as file:
        file.write('{"type": "FeatureCollection",\n')
        file.write(_system(georeference) if transform is not None else "")
        file.write('"features": [')
        for number, label in enumerate(instances.labels.tolist()):
            rings = _box_rings(instances, number) if instances.masks is None else _mask_rings(instances.masks[number])
            if not rings:
                continue
            polygons = [[_ring(ring, transform) for ring in polygon] for polygon in rings]
            score = None if instances.scores is None else round(float(instances.scores[number]), 6)
            feature = {
                "type": "Feature",
                "properties": {
                    "id": number + 1,
                    **_class(label, label_space),
                    "score": score,
                    "area": float(areas[number]),
                },
                "geometry": {"type": "Polygon", "coordinates": polygons[0]}
                if len(polygons) == 1
                else {"type": "MultiPolygon", "coordinates": polygons},
            }
            file.write(",\n" if count else "\n")
            json.dump(feature, file, ensure_ascii=False)
            count += 1
        file.write("\n]}\n")
    return count


def _first_pixel(region: Region) -> tuple[int, int]:
    """Row and column of the region's first pixel, at the topmost corner of its shell, leftmost of these."""
    column, row = min(region.shell.tolist(), key=lambda corner: (corner[1], corner[0]))
    return int(row), int(column)


def _mask_rings(mask: BoxMask) -> list[tuple[NDArray[Any], ...]]:
    """The rings of each part of an object, shell first."""
    return [(part.shell, *part.holes) for part in outline(mask)] if mask.pixels.any() else []


def _box_rings(instances: Instances, number: int) -> list[tuple[NDArray[Any], ...]]:
    left, top, right, bottom = instances.boxes[number].tolist()
    ring = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return [(ring,)] if right > left and bottom > top else []


def _class(label: int, label_space: LabelSpace) -> dict[str, Any]:
    red, green, blue = label_space.colors[label]
    return {"class": label, "name": label_space.names[label], "color": f"#{red:02x}{green:02x}{blue:02x}"}


def _system(georeference: Georeference | None) -> str:
    code = georeference.epsg if georeference is not None else None
    if code is None or code == _LONGITUDE_LATITUDE:
        return ""
    named = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{code}"}}
    return f'"crs": {json.dumps(named)},\n'


def label_bands(
    source: RasterSource, label_space: LabelSpace, background: bool, *, pixels: int = _TRACED_BAND_PIXELS
) -> Iterator[NDArray[np.int32]]:
    """Read labels from the top downwards; ignored pixels, and background that is not wanted, belong to no region.

    Args:
        source: the labels, one channel.
        label_space: what they mean.
        background: whether the background is wanted.
        pixels: how many are read at a time, in whole rows.

    Raises:
        DataError: they hold a value that is no class.
    """
    left_out = [label_space.ignore_index]
    if label_space.background is not None and not background:
        left_out.append(label_space.background)
    height, width = source.size
    rows = max(1, pixels // width)
    for top in range(0, height, rows):
        band = source.read(slice(top, min(top + rows, height)), slice(None))[0].astype(np.int32)  # (rows, W)
        valid = source.valid(slice(top, min(top + rows, height)), slice(None))
        band[np.isin(band, left_out)] = NO_REGION
        if valid is not None:
            band[~valid] = NO_REGION
        if band.max() >= len(label_space):
            raise DataError(
                f"{source.name}: holds label {band.max()}, but there {agreeing(len(label_space), 'is')} "
                f"{counted(len(label_space), 'class')} and the ignore value {label_space.ignore_index}; give the label "
                "space that the labels were made with"
            )
        yield band


def _feature(region: Region, label_space: LabelSpace, transform: Transform | None) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {**_class(region.label, label_space), "pixels": region.pixels},
        "geometry": {
            "type": "Polygon",
            "coordinates": [_ring(ring, transform) for ring in (region.shell, *region.holes)],
        },
    }


def _ring(points: NDArray[Any], transform: Transform | None) -> list[list[float]]:
    """Close a ring and convert it to map coordinates; in pixels, shells already run counterclockwise."""
    closed = np.concatenate([points, points[:1]])
    if transform is None:
        pixels: list[list[float]] = closed.tolist()
        return pixels
    a, b, c, d, e, f = transform
    x, y = closed[:, 0], closed[:, 1]
    mapped = np.column_stack([a * x + b * y + c, d * x + e * y + f])
    turned: list[list[float]] = (mapped[::-1] if a * e < b * d else mapped).tolist()
    return turned
