"""Zarr arrays, versions 2 and 3, by windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.segments import SegmentCache, covering, paste
from pixelwise.io.rasters.source import Raster
from pixelwise.io.rasters.stamps import Unchanged
from pixelwise.words import counted

_STORE_FILES = ("zarr.json", ".zarray", ".zgroup")
_METADATA_FILES = (*_STORE_FILES, ".zattrs", ".zmetadata")
_CHANNEL_NAMES = ("c", "channel", "channels", "band", "bands", "s")


def open_zarr(path: Path) -> Raster:
    """Open a Zarr array, the finest array of a multiscale group (OME-NGFF), or the only array of a group.

    The axes are named by the array (``dimension_names``, ``_ARRAY_DIMENSIONS``) or by the group's multiscales. Without
    names, two axes are (y, x), and of three axes the shortest holds the channels; it must be the first or the last.
    Other axes, such as time, must be of length 1. At most 64 MiB of decoded chunks are kept.

    Raises:
        DataError: the folder is no Zarr store, is damaged, or the meaning of its axes is not clear.
    """
    with naming_the_file(path):
        opened, attributes, names = _open(path)
        if opened.dtype.kind not in "buif" or not np.prod(opened.shape):
            raise DataError(f"{path}: an array of {opened.dtype} {opened.shape} is no raster of numbers")
        axes = _axes(path, opened, names)
        height, width = (opened.shape[axes.index(axis)] for axis in "yx")
        channels = opened.shape[axes.index("c")] if "c" in axes else 1
        dtype = np.dtype(np.uint8) if opened.dtype == np.bool_ else np.dtype(opened.dtype).newbyteorder("=")
        georeference = attributes.get("georeference")
        nodata = attributes.get("nodata")
        return Raster(
            str(path),
            (height, width),
            channels,
            dtype,
            ZarrPixels(opened, axes, dtype, Unchanged(path, _files(path, opened))),
            bits=1 if opened.dtype == np.bool_ else 0,
            georeference=Georeference.from_dict(georeference) if georeference else None,
            nodata=None if nodata is None else float(nodata),
        )


def files_of(path: Path) -> tuple[Path, ...]:
    """Name the files and folders that hold the raster of a store.

    These are the folder of the array that is read, and the metadata files of the groups above it. Another array of the
    store, such as its labels, may be written meanwhile.

    Raises:
        DataError: as :func:`open_zarr`.
    """
    with naming_the_file(path):
        return _files(path, _open(path)[0])


def _files(path: Path, array: Any) -> tuple[Path, ...]:
    folder = path / array.path
    groups = [group for group in folder.parents if group == path or path in group.parents]
    return (folder, *(group / name for group in groups for name in _METADATA_FILES))


def _open(path: Path) -> tuple[Any, dict[str, Any], list[str]]:
    """Open the array of the picture; give it, the attributes of the store, and the names of its axes if stated."""
    if not any((path / name).is_file() for name in _STORE_FILES):
        raise DataError(f"{path}: this is a folder, but no Zarr array or group; give a file, or the folder of an array")
    import zarr

    opened = zarr.open(path, mode="r")
    attributes: dict[str, Any] = dict(opened.attrs)
    if isinstance(opened, zarr.Group):
        array, names = _array_of(path, opened, attributes)
        return array, attributes, names
    return opened, attributes, []


def _array_of(path: Path, group: Any, attributes: dict[str, Any]) -> tuple[Any, list[str]]:
    """Find the array of a group that holds the picture, and the names of its axes where the group states them."""
    multiscales = attributes.get("ome", attributes).get("multiscales")
    if multiscales:
        axes = [axis if isinstance(axis, str) else axis["name"] for axis in multiscales[0].get("axes", [])]
        return group[multiscales[0]["datasets"][0]["path"]], axes
    arrays = dict(group.arrays())
    if len(arrays) != 1:
        raise DataError(
            f"{path}: the group holds {counted(len(arrays), 'array')} ({', '.join(sorted(arrays)) or 'none'}); give "
            "the folder of the one that is meant"
        )
    return next(iter(arrays.values())), []


def _axes(path: Path, array: Any, names: list[str]) -> str:
    """Give one letter per axis: y, x, c, or 1 for an axis of length 1 that has no meaning here."""
    shape = array.shape
    named = names or getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if named:
        letters = ["c" if str(name).lower() in _CHANNEL_NAMES else str(name).lower() for name in named]
    elif len(shape) == 2:
        letters = ["y", "x"]
    elif len(shape) == 3 and shape[2] < min(shape[:2]):
        letters = ["y", "x", "c"]
    elif len(shape) == 3 and shape[0] < min(shape[1:]):
        letters = ["c", "y", "x"]
    else:
        letters = []
    axes = "".join(
        name if name in ("y", "x", "c") else "1" if n == 1 else "?" for name, n in zip(letters, shape, strict=False)
    )
    if len(axes) != len(shape) or "?" in axes or any(axes.count(axis) != 1 for axis in "yx") or axes.count("c") > 1:
        raise DataError(
            f"{path}: cannot tell rows, columns and channels of an array of shape {shape} with axes "
            f"{list(named) if named else 'without names'}; name them y, x and c in its dimension_names"
        )
    return axes


@dataclass
class ZarrPixels:
    """The chunks of an array whose axes are known."""

    array: Any
    axes: str
    dtype: np.dtype[Any]
    unchanged: Unchanged
    _cache: SegmentCache = field(default_factory=SegmentCache)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Read a window (C, h, w)."""
        self.unchanged.check()
        row_axis, column_axis = (self.axes.index(axis) for axis in "yx")
        tall, wide = self.array.chunks[row_axis], self.array.chunks[column_axis]
        channels = self.array.shape[self.axes.index("c")] if "c" in self.axes else 1
        out = np.empty((channels, height, width), self.dtype)
        for i in covering(top, height, tall):
            for j in covering(left, width, wide):
                piece = self._piece(slice(i * tall, (i + 1) * tall), slice(j * wide, (j + 1) * wide))
                paste(out, piece, row=i * tall - top, column=j * wide - left)
        return out

    def _piece(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Decode the chunks of all channels at a place to (C, h, w)."""

        def load() -> NDArray[Any]:
            place = {"y": rows, "x": columns, "c": slice(None)}
            chosen = tuple(place.get(axis, 0) for axis in self.axes)
            kept = [axis for axis in self.axes if axis in place]
            piece = np.asarray(self.array[chosen]).astype(self.dtype, copy=False)
            if "c" not in kept:
                return piece.transpose([kept.index(axis) for axis in "yx"])[None]  # (1, h, w)
            return piece.transpose([kept.index(axis) for axis in "cyx"])  # (C, h, w)

        return self._cache.get((rows.start, columns.start), load)

    def close(self) -> None:
        """Drop the decoded chunks; the store keeps no file open."""
        self._cache.clear()
