"""Reading JSON that others wrote: which files there are, and what they hold, with errors that name file and key."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.images import IMAGE_SUFFIXES
from pixelwise.words import counted

_SHOWN = 60  # characters of a value in an error


def json_files(folder: Path) -> list[Path]:
    """List the JSON files in a folder, sorted; none where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json" and not path.name.startswith("."))


def beside_its_picture(path: Path) -> Path | None:
    """Find the picture of the same name in the folder of a JSON file, if there is one."""
    return next((path.with_suffix(suffix) for suffix in _suffixes() if path.with_suffix(suffix).is_file()), None)


def _suffixes() -> list[str]:
    return [form for suffix in sorted(IMAGE_SUFFIXES) for form in (suffix, suffix.upper())]


def read_json(path: Path, *marks: str) -> Any:
    """Read a JSON file that holds all of ``marks`` in quotes; None where it lacks one, which is found out quickly.

    Raises:
        DataError: the file cannot be read, or has the marks but is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not all(f'"{mark}"' in text for mark in marks):
            return None
        return json.loads(text)
    except UnicodeDecodeError as error:
        if not marks:
            raise DataError(f"{path}: not a UTF-8 text file ({error.reason}); save it as UTF-8") from error
        return None
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: the JSON is damaged ({error}); export or download it again") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror})") from error


def as_dict(value: Any, where: str) -> dict[str, Any]:
    """Check that a value is an object of JSON.

    Raises:
        DataError: it is not; the message begins with ``where``.
    """
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected keys and values, found {shown(value)}")
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """Check that a value is a list, as :func:`as_dict`."""
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list, found {shown(value)}")
    return value


def as_numbers(value: Any, where: str, *, count: int | None = None) -> list[float]:
    """Check that a value is a list of finite numbers, ``count`` of them where that is given, as :func:`as_dict`."""
    numbers = as_list(value, where)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise DataError(f"{where}: expected finite numbers, found {shown(number)}")
    if count is not None and len(numbers) != count:
        raise DataError(f"{where}: expected {counted(count, 'number')}, found {len(numbers)}")
    return numbers


def as_points(xs: Any, ys: Any, where: str) -> NDArray[np.float64]:
    """Join lists of x and of y to points (n, 2), as :func:`as_dict`."""
    across, down = as_numbers(xs, f"{where}: x"), as_numbers(ys, f"{where}: y")
    if len(across) != len(down):
        raise DataError(
            f"{where}: {counted(len(across), 'value')} of x but {len(down)} of y; each point has one of both"
        )
    return np.array([across, down], np.float64).T.reshape(-1, 2)


def shown(value: Any) -> str:
    """Show a value in an error, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
