"""Writing finished labels from disk to the file that was asked for: TIFF, Zarr, PNG or GeoJSON.

Each writer streams tile by tile or band by band and writes the same bytes for the same labels. The file gets its name
only when it is complete.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.io.ahead import read_ahead
from pixelwise.io.atomic import atomic_folder, atomic_path
from pixelwise.io.masks import write_labels
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.scratch import Scratch
from pixelwise.io.tiff import GDAL_NODATA_TAG
from pixelwise.types import LabelSpace

_REDUCED_IMAGE = 1  # NewSubfileType of overviews
_COMPRESSION_LEVEL = 6


def write_tiff(
    path: Path, scratch: Scratch, label_space: LabelSpace, *, tile: int, georeference: Georeference | None
) -> None:
    """Write a BigTIFF in deflated tiles, with the palette of the classes and overviews down to one tile.

    Class names stand as JSON in the ImageDescription of the first page, the ignore index in GDAL's no-data tag.
    Overviews are further pages, as GDAL and tifffile expect them; each pixel is the upper left one of 2x2 pixels of the
    level before. Where indices pass 255 there is no palette: the file is 16-bit grey. Memory: a few tiles and one row.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    import tifffile  # here, because pictures that are no TIFF do without it

    described = {key: label_space.to_dict()[key] for key in ("names", "colors", "ignore_index", "background")}
    with (
        atomic_path(path, beside_name=_beside(path)) as beside,
        tifffile.TiffWriter(beside, bigtiff=True) as tiff,
    ):
        for level in range(scratch.levels(tile)):
            extra: list[tuple[int, int, int, Any, bool]] = [
                (GDAL_NODATA_TAG, 2, 0, str(label_space.ignore_index), True)
            ]
            if georeference is not None and level == 0:
                extra += georeference.to_tiff()
            with closing(_encoded_tiles(scratch, level, tile)) as tiles:
                tiff.write(
                    tiles,
                    shape=scratch.level_size(level),
                    dtype=scratch.dtype,
                    tile=(tile, tile),
                    photometric="palette" if scratch.dtype == np.uint8 else "minisblack",
                    colormap=_colormap(label_space) if scratch.dtype == np.uint8 else None,
                    compression="adobe_deflate",
                    subfiletype=_REDUCED_IMAGE if level else 0,
                    description=json.dumps({"pixelwise": described}) if level == 0 else None,
                    extratags=extra,
                    metadata=None,
                    software=False,
                )


def _encoded_tiles(scratch: Scratch, level: int, tile: int) -> Generator[bytes, None, None]:
    """Give the deflated tiles of a level, row by row; tiles that reach beyond the raster are filled up with 0."""
    pieces = (window for _, _, window in _tiles(scratch, level, tile))
    with closing(read_ahead(lambda piece: _encode(piece, tile), pieces, threads=2)) as encoded:
        for future in encoded:
            yield future.result()


def _encode(piece: NDArray[Any], tile: int) -> bytes:
    full = piece
    if piece.shape != (tile, tile):
        full = np.zeros((tile, tile), piece.dtype)
        full[: piece.shape[0], : piece.shape[1]] = piece
    return zlib.compress(full.astype(piece.dtype.newbyteorder("<"), copy=False).tobytes(), _COMPRESSION_LEVEL)


def _tiles(scratch: Scratch, level: int, tile: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Give row, column and labels of the tiles of a level, row by row."""
    height, width = scratch.level_size(level)
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            window = (row, column, min(tile, height - row), min(tile, width - column))
            yield row, column, scratch.read(*window, level=level)


def _colormap(label_space: LabelSpace) -> NDArray[np.uint16]:
    """The colours of the classes as TIFF stores them, (3, 256) numbers of 16 bits; unused entries are black."""
    colors = np.zeros((3, 256), np.uint16)
    colors[:, : len(label_space)] = np.transpose(label_space.colors) * 257
    return colors


def write_zarr(
    path: Path, scratch: Scratch, label_space: LabelSpace, *, tile: int, georeference: Georeference | None
) -> None:
    """Write a Zarr group (version 3): a pyramid of arrays 0, 1, ..., named as the multiscales of OME-NGFF 0.5.

    The attributes of the group hold ``label_space``, ``nodata`` (the ignore index) and, where known, ``georeference``.
    Memory: a tile and one row.

    Raises:
        PixelwiseError: the folder cannot be written.
    """
    import zarr

    with atomic_folder(path, beside_name=_beside(path)) as beside:
        group = zarr.open_group(beside, mode="w", zarr_format=3)
        datasets = []
        for level in range(scratch.levels(tile)):
            array = group.create_array(
                str(level),
                shape=scratch.level_size(level),
                dtype=scratch.dtype,
                chunks=(tile, tile),
                fill_value=label_space.ignore_index,
                dimension_names=("y", "x"),
            )
            for row, column, labels in _tiles(scratch, level, tile):
                array[row : row + labels.shape[0], column : column + labels.shape[1]] = labels
            scale = {"type": "scale", "scale": [float(1 << level)] * 2}
            datasets.append({"path": str(level), "coordinateTransformations": [scale]})
        axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
        attributes: dict[str, Any] = {
            "ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]},
            "label_space": label_space.to_dict(),
            "nodata": label_space.ignore_index,
        }
        if georeference is not None:
            attributes["georeference"] = georeference.to_dict()
        group.attrs.update(attributes)


def write_png(path: Path, scratch: Scratch, label_space: LabelSpace) -> None:
    """Write an index PNG with the palette of the classes. Memory: all labels, twice.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    write_labels(path, scratch.read(0, 0, *scratch.size), label_space)


def _beside(path: Path) -> str:
    return f".{path.stem}.whole{path.suffix}"
