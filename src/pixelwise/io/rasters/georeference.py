"""Where a raster lies on the Earth: the geo tags of its TIFF file, kept unchanged, and what they mean.

The tags are those of the GeoTIFF standard (OGC 19-008r4). Keeping them raw lets any projection survive from the picture
to its labels without a library of projections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixelwise.errors import SettingError

if TYPE_CHECKING:
    import tifffile

Transform = tuple[float, float, float, float, float, float]
"""``(a, b, c, d, e, f)``: x = a * column + b * row + c and y = d * column + e * row + f, pixel (0, 0) being the square
from (0, 0) to (1, 1)."""

_SCALE, _TIEPOINTS, _MATRIX, _KEYS, _DOUBLES, _TEXTS = 33550, 33922, 34264, 34735, 34736, 34737
_TAG_TYPES = {_SCALE: 12, _TIEPOINTS: 12, _MATRIX: 12, _KEYS: 3, _DOUBLES: 12, _TEXTS: 2}  # number -> TIFF type
_MODEL_TYPE, _RASTER_TYPE, _GEOGRAPHIC, _PROJECTED = 1024, 1025, 2048, 3072  # GeoKeys
_PIXEL_IS_POINT = 2
_USER_DEFINED = 32767


@dataclass(frozen=True)
class Georeference:
    """The geo tags of a raster.

    Args:
        tags: number of the TIFF tag -> its value: a tuple of numbers, or text for GeoAsciiParams (34737).
    """

    tags: Mapping[int, tuple[float, ...] | str]

    @property
    def transform(self) -> Transform | None:
        """From pixels to map coordinates; None where the tags hold control points alone."""
        if _MATRIX in self.tags:
            m = self._numbers(_MATRIX)
            found = (m[0], m[1], m[3], m[4], m[5], m[7])
        elif _SCALE in self.tags and len(self.tags.get(_TIEPOINTS, ())) == 6:
            step_x, step_y = self._numbers(_SCALE)[:2]
            column, row, _, x, y, _ = self._numbers(_TIEPOINTS)
            found = (step_x, 0.0, x - column * step_x, 0.0, -step_y, y + row * step_y)
        else:
            return None
        a, b, c, d, e, f = found
        if self._key(_RASTER_TYPE) == _PIXEL_IS_POINT:  # the numbers are for the middles of pixels
            c, f = c - (a + b) / 2, f - (d + e) / 2
        return a, b, c, d, e, f

    @property
    def epsg(self) -> int | None:
        """The EPSG code of the coordinate system; None where the tags describe it in another way."""
        code = self._key(_PROJECTED) or self._key(_GEOGRAPHIC)
        return code if code and code != _USER_DEFINED else None

    @property
    def has_system(self) -> bool:
        """Whether the tags describe a coordinate system in any way."""
        keys = self._numbers(_KEYS) if _KEYS in self.tags else ()
        return any(key in (_MODEL_TYPE, _GEOGRAPHIC, _PROJECTED) for key in keys[4::4])

    @property
    def control_points(self) -> int:
        """The number of control points, where only these say where the raster lies."""
        return 0 if self.transform is not None else len(self.tags.get(_TIEPOINTS, ())) // 6

    def _numbers(self, tag: int) -> tuple[float, ...]:
        numbers = self.tags[tag]
        assert not isinstance(numbers, str)
        return numbers

    def _key(self, wanted: int) -> int | None:
        keys = self._numbers(_KEYS) if _KEYS in self.tags else ()
        for start in range(4, len(keys) - 3, 4):  # after a header of four, each key is (number, place, count, value)
            if keys[start] == wanted and keys[start + 1] == 0:
                return int(keys[start + 3])
        return None

    def to_tiff(self) -> list[tuple[int, int, int, Any, bool]]:
        """Give the tags as tifffile writes them: (number, type, count, value, for the first page only)."""
        return [
            (tag, _TAG_TYPES[tag], 0 if isinstance(value, str) else len(value), value, True)
            for tag, value in sorted(self.tags.items())
        ]

    def to_dict(self) -> dict[str, Any]:
        """Describe the georeference in plain JSON types, with transform and EPSG code for readers who know no tags."""
        tags = {str(tag): value if isinstance(value, str) else list(value) for tag, value in sorted(self.tags.items())}
        return {"transform": self.transform, "epsg": self.epsg, "geotiff_tags": tags}

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Georeference:
        """Build a georeference from what :meth:`to_dict` wrote."""
        tags = described["geotiff_tags"].items()
        return cls({int(tag): value if isinstance(value, str) else tuple(value) for tag, value in tags})

    @classmethod
    def from_tiff(cls, page: tifffile.TiffPage) -> Georeference | None:
        """Read the geo tags of a page of a TIFF file; None where it has none."""
        tags: dict[int, tuple[float, ...] | str] = {}
        for tag in _TAG_TYPES:
            value = page.tags.valueof(tag)
            if isinstance(value, str):
                tags[tag] = value
            elif value is not None:
                tags[tag] = tuple(value) if isinstance(value, Sequence) else (value,)
        return cls(tags) if tags else None

    @classmethod
    def from_transform(cls, transform: Transform, *, epsg: int | None = None, geographic: bool = False) -> Georeference:
        """Make the tags of a transform and an EPSG code.

        Args:
            transform: from pixels to map coordinates.
            epsg: code of the coordinate system.
            geographic: whether the system counts in degrees of longitude and latitude rather than in a projection.

        Raises:
            SettingError: the transform folds the plane, or the code does not fit 16 bits.
        """
        a, b, c, d, e, f = (float(number) for number in transform)
        if a * e == b * d:
            raise SettingError(f"the transform {transform} maps the raster to a line or a point")
        tags: dict[int, tuple[float, ...] | str] = {}
        if b == d == 0 and a > 0 > e:
            tags |= {_SCALE: (a, -e, 0.0), _TIEPOINTS: (0.0, 0.0, 0.0, c, f, 0.0)}
        else:
            tags[_MATRIX] = (a, b, 0.0, c, d, e, 0.0, f, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        keys: list[tuple[int, int]] = [(_RASTER_TYPE, 1)]
        if epsg is not None:
            if not 1 <= epsg < _USER_DEFINED:
                raise SettingError(f"epsg is {epsg}; GeoTIFF holds codes from 1 to {_USER_DEFINED - 1}")
            keys = [(_MODEL_TYPE, 2 if geographic else 1), *keys, (_GEOGRAPHIC if geographic else _PROJECTED, epsg)]
        tags[_KEYS] = (1, 1, 0, len(keys), *(n for key, value in keys for n in (key, 0, 1, value)))
        return cls(tags)
