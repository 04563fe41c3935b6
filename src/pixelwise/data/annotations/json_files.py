"""Reading JSON files of other tools, with errors that name the file and the key."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, quoted
from pixelwise.io.listing import check_regular, is_listed
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.words import counted


def json_files(folder: Path) -> list[Path]:
    """List the JSON files in a folder, sorted; there are none if the folder does not exist."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".json" and not path.name.startswith(".") and is_listed(path)
    )


def beside_its_picture(path: Path) -> Path | None:
    """Find the picture of the same name in the folder of a JSON file, if there is one."""
    return next((path.with_suffix(suffix) for suffix in _suffixes() if path.with_suffix(suffix).is_file()), None)


def _suffixes() -> list[str]:
    return [form for suffix in sorted(IMAGE_SUFFIXES) for form in (suffix, suffix.upper())]


def read_json(path: Path, *marks: str) -> Any:
    """Read a JSON file that holds all of ``marks`` in quotes; None if it lacks one, which is checked before parsing.

    Raises:
        DataError: the file cannot be read, is a pipe or a device, is empty, has the marks but is damaged, or has one
            and ends too early.
    """
    check_regular(path)
    try:
        text = _decoded(path.read_bytes())
        present = [f'"{mark}"' in text for mark in marks]
        if not text.strip() or (any(present) and text.rstrip()[-1] not in "}]"):  # the other marks may have been lost
            raise DataError(f"{path}: the JSON is damaged (it ends too early); export or download it again")
        if not all(present):
            return None
        return json.loads(text)
    except UnicodeDecodeError as error:
        content = path.read_bytes()
        if not all(f'"{mark}"'.encode() in content for mark in marks):
            return None
        likely = [name for name in _LEGACY_ENCODINGS if _decodes(content, name)]
        guess = f", perhaps {' or '.join(likely)}" if likely else ""
        raise DataError(
            f"{path}: the JSON is not in UTF-8 ({error.reason}{guess}), so its names cannot be read; save it as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: the JSON is damaged ({error}); export or download it again") from error
    except ValueError as error:
        raise DataError(f"{path}: the JSON holds {_TOO_LONG}; export or download it again") from error
    except RecursionError as error:
        raise DataError(f"{path}: the JSON is nested too deep; export or download it again") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror})") from error


_TOO_LONG = "a whole number of more than 4,300 digits"
"""What the parser of Python refuses besides text that is no JSON."""

_MOST_PARSED_BYTES = 2**24


def unreadable_json(paths: Iterable[Path]) -> dict[Path, str]:
    """Say of JSON files that no layout reads which of them nobody can read, and why.

    Args:
        paths: files, of which only JSON files are read, and none of more than 16 MiB, because an answer is wanted soon.
    """
    found = {}
    for path in paths:
        try:
            if path.suffix.lower() == ".json" and path.stat().st_size <= _MOST_PARSED_BYTES:
                read_json(path)
        except OSError as error:
            found[path] = f"{path}: the file cannot be read ({error.strerror})"
        except DataError as error:
            found[path] = str(error)
    return found


_LEGACY_ENCODINGS = ("GB18030", "Shift_JIS", "EUC-KR", "Big5")
"""Encodings of old programs on Windows; the bytes of a file do not show for sure which one it has."""


def _decoded(content: bytes) -> str:
    """Decode text in the encoding of Unicode that its first bytes show, with a mark or without one."""
    return content.decode(json.detect_encoding(content))


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def as_dict(value: Any, where: str) -> dict[str, Any]:
    """Check that a value is a JSON object.

    Raises:
        DataError: it is not; the message begins with ``where``.
    """
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected keys and values, found {quoted(value)}")
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """Check that a value is a list; errors are those of :func:`as_dict`."""
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list, found {quoted(value)}")
    return value


def as_numbers(value: Any, where: str, *, count: int | None = None) -> list[float]:
    """Check that a value is a list of finite numbers, ``count`` of them if it is given.

    Errors are those of :func:`as_dict`.
    """
    numbers = as_list(value, where)
    if not _all_finite(numbers):
        wrong = next(number for number in numbers if not _all_finite([number]))
        raise DataError(f"{where}: expected finite numbers, found {quoted(wrong)}")
    if count is not None and len(numbers) != count:
        raise DataError(f"{where}: expected {counted(count, 'number')}, found {len(numbers)}")
    return list(map(float, numbers))


def _all_finite(values: list[Any]) -> bool:
    """Whether all values are numbers that are finite as floats, too; whole numbers in JSON have no limit."""
    try:
        return set(map(type, values)) <= {int, float} and all(map(math.isfinite, values))
    except OverflowError:
        return False


def as_size(height: Any, width: Any, where: str) -> tuple[int, int]:
    """Check that a picture's height and width are whole numbers of at least 1; errors are those of :func:`as_dict`.

    Some tools write them as ``480.0``, which is read as 480.
    """
    sides = as_numbers([height, width], where)
    for side in sides:
        if not 1 <= side < 2**31 or side != int(side):
            raise DataError(f"{where}: expected pixels, found {quoted(side)}")
    return int(sides[0]), int(sides[1])


def as_points(xs: Any, ys: Any, where: str) -> NDArray[np.float64]:
    """Join lists of x and of y to points (n, 2); errors are those of :func:`as_dict`."""
    across, down = as_numbers(xs, f"{where}: x"), as_numbers(ys, f"{where}: y")
    if len(across) != len(down):
        raise DataError(
            f"{where}: {counted(len(across), 'value')} of x but {len(down)} of y; each point has one of both"
        )
    return np.array([across, down], np.float64).T.reshape(-1, 2)
