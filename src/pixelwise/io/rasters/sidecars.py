"""Georeferences in files beside a picture, or in control points, which are not read.

The labels of such a picture are correct, but the user would not learn why they have no place on the map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from pixelwise.errors import DataError
from pixelwise.io.pictures.formats import PICTURE_MAGIC, TIFF_MAGIC
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.pictures.tiff_pictures import one_picture
from pixelwise.io.rasters.georeference import Georeference, Transform
from pixelwise.io.rasters.opening import open_source
from pixelwise.words import counted

_MOST_NAMED_FILES = 3  # names that a line lists
_MOST_READ_CHARACTERS = 2**20  # characters of a file beside a picture
_SAME_PLACE_PIXELS = 1e-3  # of a pixel


class UnreadPlaces:
    """Collects georeferences that are not read, to report them once for many pictures."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, Path]] = {}
        self._beside: dict[Path, list[Path]] = {}
        self._by_points: list[Path] = []

    def look(self, picture: Path) -> None:
        """Look at the files beside a picture, and at its control points; files that cannot be read are ignored."""
        with suppress(DataError, OSError):
            if picture.is_dir():
                return
            files = list(self._files_beside(picture))
            own = _georeference(picture, whole=bool(files))
            if own is not None and own.control_points:
                self._by_points.append(picture)
            unread = [file for file in files if _tells_more(file, own)]
            if unread:
                self._beside[picture] = unread

    def lines(self) -> list[str]:
        """Report what was found, in one line per kind."""
        lines = []
        if self._beside:
            files = [file for unread in self._beside.values() for file in unread]
            lines.append(
                f"{counted(len(self._beside), 'picture', 'has')} a place on the Earth in files beside that are not "
                f"read ({_names(files)}); to have it in the results, write it into the picture, for instance by "
                "gdal_translate"
            )
        if self._by_points:
            lines.append(
                f"{counted(len(self._by_points), 'picture', 'has')} ground control points alone "
                f"({_names(self._by_points)}), which are not read: labels keep them, polygons are in pixels; to have "
                "polygons on the map, warp the picture first, for instance by gdalwarp"
            )
        return lines

    def _files_beside(self, picture: Path) -> Iterator[Path]:
        """Give the files beside a picture that may say where it lies, as GDAL and ArcGIS name them."""
        folder = picture.parent
        if folder not in self._folders:
            self._folders[folder] = {path.name.lower(): path for path in folder.iterdir()}
        stem, name, suffix = picture.stem.lower(), picture.name.lower(), picture.suffix.lower().lstrip(".")
        endings = [f"{suffix[:1]}{suffix[-1:]}w", f"{suffix}w", "wld", "prj", "aux.xml"]
        for wanted in dict.fromkeys([*(f"{stem}.{ending}" for ending in endings), f"{name}.aux.xml"]):
            if wanted in self._folders[folder]:
                yield self._folders[folder][wanted]


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths[:_MOST_NAMED_FILES]) + (
        ", ..." if len(paths) > _MOST_NAMED_FILES else ""
    )


def _georeference(picture: Path, *, whole: bool) -> Georeference | None:
    """Give the georeference that is read from a picture; with ``whole``, also what GDAL finds beside it."""
    with open(picture, "rb") as file:
        start = file.read(8)
    if start.startswith(TIFF_MAGIC) and not whole:
        import tifffile  # here, because pictures that are no TIFF do without it

        with naming_the_file(picture), tifffile.TiffFile(picture) as tiff:
            return Georeference.from_tiff(one_picture(picture, tiff).page)
    if start.startswith(PICTURE_MAGIC) and not start.startswith(TIFF_MAGIC):
        return None
    with open_source(picture) as source:
        return source.georeference


def _tells_more(file: Path, own: Georeference | None) -> bool:
    """Whether a file beside a picture says something about its place that was not read from the picture itself."""
    content = file.read_text(encoding="utf-8", errors="replace")[:_MOST_READ_CHARACTERS]
    has_system = own is not None and own.has_system
    if file.suffix.lower() == ".prj":
        return not has_system
    if not file.name.lower().endswith(".aux.xml"):
        transform = _world(content)
        return transform is not None and not _agree(own, transform)
    given = re.search(r"<GeoTransform>([^<]*)</GeoTransform>", content)
    if given is not None and not _agree(own, _gdal(given[1])):
        return True
    placed = own is not None and (own.transform is not None or own.control_points > 0)
    return ("<SRS" in content and not has_system) or ("<GCPList" in content and not placed)


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        return []
    return numbers if len(numbers) == 6 else []


def _world(text: str) -> Transform | None:
    """Read a world file: six numbers, one per line, of which the last two are the middle of the first pixel."""
    numbers = _numbers(text)
    if not numbers:
        return None
    a, d, b, e, c, f = numbers
    return a, b, c - (a + b) / 2, d, e, f - (d + e) / 2


def _gdal(text: str) -> Transform | None:
    numbers = _numbers(text)
    if not numbers:
        return None
    c, a, b, f, d, e = numbers
    return a, b, c, d, e, f


def _agree(own: Georeference | None, transform: Transform | None) -> bool:
    if own is None or own.transform is None or transform is None:
        return False
    step = max(map(abs, (transform[0], transform[1], transform[3], transform[4])))
    return bool(np.allclose(own.transform, transform, rtol=0, atol=_SAME_PLACE_PIXELS * step))
