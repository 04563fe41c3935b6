"""Code that all pages share: the templates and their filters, the style, and the versions of packages."""

from __future__ import annotations

import base64
import importlib.metadata
import io
import math
import platform
from importlib import resources

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelwise.scoring.tables import ColumnKind, describe_interval
from pixelwise.types import Color
from pixelwise.words import counted

_LISTED_PACKAGES = ("pixelwise", "torch", "timm", "pytorch-lightning", "numpy", "opencv-python-headless")


def environment() -> jinja2.Environment:
    """Give the templates, with the filters that they use."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("pixelwise.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters |= {
        "cell": _cell,
        "compact": _compact,
        "counted": counted,
        "css": _css,
        "figure": _figure,
        "heading": _heading,
        "interval": describe_interval,
        "percent": _percent,
        "jpeg": _jpeg_uri,
        "picture": _data_uri,
        "sort_key": _sort_key,
        "width": _width,
    }
    return made


def style() -> str:
    """Give the style sheet that is put into a page."""
    return read_text("page.css")


def read_text(name: str) -> str:
    """Give a style sheet or a script that is put into a page."""
    return resources.files("pixelwise.report").joinpath("templates", name).read_text(encoding="utf-8")


def versions() -> dict[str, str]:
    """Give the versions of the packages that the figures were computed with."""
    found = {"Python": platform.python_version()}
    for package in _LISTED_PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed, or an optional package
            continue
    return found


def _cell(value: str | float, kind: ColumnKind) -> str:
    """Format a cell of a table; a ratio that is not defined is a dash."""
    if isinstance(value, str):
        return value
    if kind == "count":
        return f"{value:,}"
    if math.isnan(value):
        return "-"
    return _percent(value) if kind == "share" else f"{value:.3f}"


def _compact(count: int) -> str:
    """Format a count with at most four characters."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:.3g}{letter}" if count < 999.5 * size else f"{count / size:.0f}{letter}"
    return str(count)


def _heading(name: str) -> str:
    """Write a name with a capital letter, unless it is a term such as mIoU that is written otherwise."""
    return name if name[1:2].isupper() else name[:1].upper() + name[1:]


def _sort_key(value: str | float) -> str:
    """Give what a column is sorted by in the page; undefined ratios, which come last, are empty."""
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.9g}"


def _figure(value: float) -> str:
    return _cell(value, "count" if isinstance(value, int) else "ratio")


def _width(value: float) -> str:
    return f"{0 if math.isnan(value) else 100 * value:.2f}%"


def _css(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _percent(value: float) -> str:
    """Format a share as a percentage with as few characters as possible."""
    if 0 < value < 0.001:
        return "<0.1%"
    return f"{100 * value:.1f}%"


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    jpeg = io.BytesIO()
    # Not with `optimize`: Pillow then reserves only one byte per pixel, and saving fails for noisy pictures.
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=85, subsampling=0)
    return _jpeg_uri(jpeg.getvalue())


def _jpeg_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
