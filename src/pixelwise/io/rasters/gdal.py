"""Rasters read by rasterio (GDAL), where it is installed: formats and compressions that no other reader here knows."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.source import Raster
from pixelwise.io.rasters.stamps import Unchanged
from pixelwise.io.text_name import TextName
from pixelwise.words import counted

_CACHE_MIB = 64
_STRUCTURE_DOMAIN = "IMAGE_STRUCTURE"
_BLACK_AND_WHITE = {0: (0, 0, 0), 1: (255, 255, 255)}


class NotKnown(DataError):
    """GDAL has no driver for the file."""


def open_with_gdal(path: Path, *, indices: bool = False) -> Raster:
    """Open any raster that GDAL can open; its cache is limited to 64 MiB.

    Args:
        path: the file.
        indices: whether a palette is left alone rather than looked up.

    Raises:
        DataError: GDAL cannot read the file.
        ImportError: rasterio is not installed.
    """
    import rasterio
    from rasterio.enums import ColorInterp, MaskFlags
    from rasterio.errors import RasterioIOError

    with naming_the_file(path), _quiet(), ExitStack() as opened:
        name = opened.enter_context(closing(TextName(path)))
        try:
            dataset = opened.enter_context(rasterio.open(name.path))
        except RasterioIOError as error:
            if "not recognized" in str(error):
                raise NotKnown(f"{path}: GDAL knows no such format; convert the file, or remove it") from error
            raise
        if len(dataset.subdatasets) > 1:
            raise DataError(
                f"{path}: holds {counted(len(dataset.subdatasets), 'picture')} ({', '.join(dataset.subdatasets[:3])}, "
                "...), and nothing says which is meant; save that one as a file of its own (gdal_translate does)"
            )
        dtypes = set(dataset.dtypes)
        if len(dtypes) != 1 or np.dtype(dataset.dtypes[0]).kind not in "uif":
            raise DataError(f"{path}: its bands are of {', '.join(sorted(dtypes))}; save all as one type of numbers")
        dtype = np.dtype(dataset.dtypes[0])
        unchanged = Unchanged(path, _files(dataset))
        bits = int(dataset.tags(1, ns=_STRUCTURE_DOMAIN).get("NBITS", 0))
        white = slice(0, 1) if dataset.tags(ns=_STRUCTURE_DOMAIN).get("MINISWHITE") == "YES" else None
        palette = None if indices or white is not None else _palette(dataset)
        alpha = dataset.count > 1 and dataset.colorinterp[-1] == ColorInterp.alpha
        masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0] and not alpha
        raster = Raster(
            str(path),
            (dataset.height, dataset.width),
            dataset.count,
            dtype,
            GdalPixels(dataset, unchanged, name, mask=False),
            bits=bits,
            alpha=alpha,
            georeference=_georeference(dataset),
            nodata=dataset.nodata,
            palette=palette,
            white_is_zero=white if not indices or bits == 1 else None,
            mask=GdalPixels(dataset, unchanged, name, mask=True) if masked else None,
        )
        opened.pop_all()  # it is the raster's to close
        return raster


def _palette(dataset: Any) -> NDArray[np.uint8] | None:
    """Give the palette of a dataset, (256, 3) RGB, or None where its numbers are grey values."""
    from rasterio.enums import ColorInterp

    if dataset.colorinterp[0] != ColorInterp.palette or dataset.dtypes[0] != "uint8":
        return None
    colors = dataset.colormap(1)
    if all(color[:3] == _BLACK_AND_WHITE.get(index) for index, color in colors.items()):
        return None  # GDAL's own for pictures of 1 bit
    return np.array([colors.get(index, (0, 0, 0, 255))[:3] for index in range(256)], np.uint8)


@dataclass
class GdalPixels:
    """The bands of an open dataset, or its mask."""

    dataset: Any
    unchanged: Unchanged
    name: TextName
    mask: bool

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Read a window (C, h, w)."""
        import rasterio
        from rasterio.windows import Window

        self.unchanged.check()
        window = Window(left, top, width, height)
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_MIB):
            if self.mask:
                return np.asarray(self.dataset.dataset_mask(window=window))[None]
            return np.asarray(self.dataset.read(window=window))

    def close(self) -> None:
        """Close the dataset."""
        self.dataset.close()
        self.name.close()


def files_of(path: Path) -> tuple[Path, ...]:
    """Name the files that a raster of GDAL consists of: a mosaic (VRT) has many.

    Raises:
        DataError: as :func:`open_with_gdal`.
    """
    import rasterio
    from rasterio.errors import RasterioIOError

    with naming_the_file(path), _quiet():
        try:
            with TextName(path) as name, rasterio.open(name) as dataset:
                return _files(dataset)
        except RasterioIOError:
            return (path,)  # opening it to read says what is wrong


def _files(dataset: Any) -> tuple[Path, ...]:
    return tuple(sorted(Path(file).resolve() for file in dataset.files if Path(file).exists()))


def _georeference(dataset: Any) -> Georeference | None:
    """Give the position and projection as geo tags, by letting GDAL write them to a TIFF of one pixel in memory."""
    import tifffile  # here, because pictures that are no TIFF do without it

    points, system = dataset.gcps
    place = {"crs": dataset.crs, "transform": dataset.transform}
    if dataset.transform.is_identity and points:
        place = {"crs": system, "gcps": points}
    elif dataset.transform.is_identity and dataset.crs is None:
        return None
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        with memory.open(driver="GTiff", width=1, height=1, count=1, dtype="uint8", **place):
            pass
        memory.seek(0)
        with tifffile.TiffFile(memory) as tiff:
            return Georeference.from_tiff(tiff.pages.first)


def _quiet() -> Any:
    """Silence the warning about rasters without a georeference: most pictures have none."""
    import warnings

    from rasterio.errors import NotGeoreferencedWarning

    quiet = warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning)
    return quiet
