"""The pictures that a TIFF file holds: one, a stack of several, or one with smaller copies of it.

Files that hold several pictures are refused: with a guess, a thumbnail before the picture would be labelled in its
place, and the planes of a stack would be taken for colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, PagesError
from pixelwise.words import counted

if TYPE_CHECKING:
    import tifffile

_CHANNEL_AXES = "CS"  # axes that tifffile names so are channels and samples, whatever they measure
_AXIS_MEANINGS = {"Z": "depth", "T": "time", "I": "pages", "Q": "not named", "R": "tiles", "A": "angle", "P": "phase"}
_PLAIN_SERIES = ("generic", "uniform")  # kinds of files that say nothing of their pages but what stands in each
_SLIDE_EXTRAS = frozenset(
    {"thumbnail", "label", "macro", "map", "overview"}
)  # what slide scanners keep beside the slide
_MOST_NAMED_PICTURES = 4
_MOST_PAGES = 2**20  # a file of more is no picture, and looking at each of them would take minutes
_PAGES_SEARCHED_FOR_MASK = 16  # pages after the first among which a mask band is looked for


@dataclass(frozen=True, eq=False)
class TiffPicture:
    """A picture, or a stack of them, in an open TIFF file.

    Args:
        pages: its pages; None stands for one that the file does not have.
        axes: one letter per axis as tifffile names them: X, Y, S samples, C channels, Z depth, T time, I pages, Q
            unknown.
        shape: the length of each axis.
        read: decodes it.
        read_plane: decodes a part of it: an index for each axis to be taken apart, and all of the others.
    """

    pages: tuple[tifffile.TiffPage | tifffile.TiffFrame | None, ...]
    axes: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
    read_plane: Callable[[tuple[int | slice, ...]], NDArray[Any]]

    @property
    def page(self) -> tifffile.TiffPage:
        """The page that describes all of them."""
        keyframe = next(page for page in self.pages if page is not None).keyframe
        assert keyframe is not None
        return keyframe

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[self.axes.index("Y")], self.shape[self.axes.index("X")]

    @property
    def leads(self) -> bool:
        """Whether it is a single page and the first of the file: other decoders see only that one."""
        return len(self.pages) == 1 and self.page.index == 0

    @property
    def planes(self) -> dict[str, int]:
        """Axes, with their lengths, that are neither those of a picture nor channels."""
        return {a: n for a, n in zip(self.axes, self.shape, strict=True) if n != 1 and a not in "YX" + _CHANNEL_AXES}

    def apart(self) -> list[TiffPicture]:
        """Give its planes, each of rows, columns and channels; itself if it is one."""
        if not self.planes:
            return [self]
        kept = [axis for axis in self.axes if axis not in self.planes]
        shape = tuple(n for axis, n in zip(self.axes, self.shape, strict=True) if axis in kept)
        planes = []
        for place in np.ndindex(*self.planes.values()):
            number = dict(zip(self.planes, place, strict=True))
            index = tuple(number.get(axis, slice(None)) for axis in self.axes)

            def read(index: tuple[int | slice, ...] = index) -> NDArray[Any]:
                return self.read_plane(index)

            planes.append(TiffPicture(self.pages, "".join(kept), shape, read, self.read_plane))
        return planes

    def describe(self) -> str:
        """Say where it lies, how large it is and what its axes are."""
        numbers = [page.index + 1 for page in self.pages if page is not None]
        where = f"page {numbers[0]}" if len(numbers) == 1 else f"pages {numbers[0]} to {numbers[-1]}"
        return f"{where} with {self.describe_axes()}"

    def describe_axes(self) -> str:
        """Say what each axis is and how long."""
        meant = {axis: f" ({_AXIS_MEANINGS[axis]})" for axis in self.planes if axis in _AXIS_MEANINGS}
        return ", ".join(f"{axis}={n}{meant.get(axis, '')}" for axis, n in zip(self.axes, self.shape, strict=True))


def pictures_of(tiff: tifffile.TiffFile) -> list[TiffPicture]:
    """Find the pictures of a file, in its order.

    Reduced copies (sub-directories, and pages with NewSubfileType 1), masks, and additional pictures of slide scanners,
    such as the label of the slide, do not count as pictures. Consecutive pages of one size, type and purpose are a
    stack, whose axes are those that ImageJ, OME or tifffile noted in the file.
    """
    _check_chain(tiff)
    series = tiff.series
    if not series:
        return []
    if series[0].kind in _PLAIN_SERIES:
        return _by_pages(tiff)
    own = [one for one in series if not _is_passed_over(one)]
    return [_of_series(one) for one in own or series[:1]]


def _check_chain(tiff: tifffile.TiffFile) -> None:
    """Make sure that the chain of pages ends: tifffile would follow one that leads back to itself for ever.

    Raises:
        DataError: it leads back, or is longer than :data:`_MOST_PAGES`.
    """
    file, form = tiff.filehandle, tiff.tiff
    order: Literal["little", "big"] = "little" if form.byteorder == "<" else "big"
    seen: set[int] = set()
    place = tiff.pages.first.offset
    while place and not form.is_ndpi:  # which have offsets of a form of their own
        if place in seen or len(seen) == _MOST_PAGES:
            what = "pages that lead back to one before" if place in seen else f"more than {_MOST_PAGES} pages"
            raise DataError(f"{file.path}: the file is damaged, it has {what}; restore it, or save the picture again")
        seen.add(place)
        file.seek(place)
        tags = int.from_bytes(file.read(form.tagnosize), order)
        file.seek(place + form.tagnosize + tags * form.tagsize)
        place = int.from_bytes(file.read(form.offsetsize), order)


def mask_page(tiff: tifffile.TiffFile, picture: tifffile.TiffPage) -> tifffile.TiffPage | None:
    """Find the page that says which pixels of a picture hold data (NewSubfileType 4, TIFF 6.0 page 36)."""
    for number in range(1, min(len(tiff.pages), _PAGES_SEARCHED_FOR_MASK)):
        page = _page(tiff, number)
        same_size = (page.imagelength, page.imagewidth) == (picture.imagelength, picture.imagewidth)
        if page.is_mask and not page.is_reduced and same_size:
            return page
    return None


def one_picture(path: Path, tiff: tifffile.TiffFile) -> TiffPicture:
    """Give the picture of a file that holds exactly one.

    Raises:
        DataError: it holds several, a stack of planes that are no channels, or none.
    """
    found = pictures_of(tiff)
    if not found:
        raise DataError(
            f"{path}: holds no picture of its own, only what is marked as a smaller copy or a mask of one; save the "
            "picture as a file of its own"
        )
    if len(found) > 1:
        listed = "; ".join(one.describe() for one in found[:_MOST_NAMED_PICTURES]) + (
            "; ..." if len(found) > _MOST_NAMED_PICTURES else ""
        )
        raise PagesError(
            f"{path}: holds {counted(len(found), 'picture')}, and nothing says which one is meant: {listed}. Save that "
            "one as a file of its own; smaller copies of a picture are passed over where they are marked as such "
            "(NewSubfileType 1, or a sub-directory)"
        )
    (picture,) = found
    if picture.planes or "Y" not in picture.axes or "X" not in picture.axes:
        raise PagesError(
            f"{path}: is no single picture, its axes are {picture.axes} with {picture.describe_axes()}; a picture has "
            "rows (Y), columns (X) and channels (C or S). Save each plane as a file of its own, or name the axis C "
            "where planes are channels (tifffile: metadata={'axes': 'CYX'})"
        )
    _refuse_larger_copy(path, tiff, picture)
    return picture


def _refuse_larger_copy(path: Path, tiff: tifffile.TiffFile, picture: TiffPicture) -> None:
    """Refuse a file in which what is marked as a smaller copy is larger than the picture."""
    height, width = picture.size
    for number in range(min(len(tiff.pages), _PAGES_SEARCHED_FOR_MASK)):
        page = _page(tiff, number)
        if page.is_reduced and page.imagelength * page.imagewidth > height * width:
            raise PagesError(
                f"{path}: page {number + 1} of {page.imagelength}x{page.imagewidth} pixels is marked as a smaller "
                f"copy, but is larger than the picture of {height}x{width}; save the one that is meant as a file of "
                "its own"
            )


def planes_of(path: Path, tiff: tifffile.TiffFile) -> list[TiffPicture]:
    """Take the pictures of a file apart into planes of rows, columns and channels, in the order of their axes.

    Raises:
        DataError: a picture has no rows or columns.
    """
    found: list[TiffPicture] = []
    for picture in pictures_of(tiff):
        if "Y" not in picture.axes or "X" not in picture.axes:
            raise DataError(f"{path}: its axes {picture.axes} lack rows (Y) or columns (X), so it is no picture")
        found += picture.apart()
    return found


def _is_passed_over(series: tifffile.TiffPageSeries) -> bool:
    page = series.keyframe
    return page.is_reduced or page.is_mask or page.is_subifd or series.name.lower() in _SLIDE_EXTRAS


def _of_series(series: tifffile.TiffPageSeries) -> TiffPicture:
    def read_plane(index: tuple[int | slice, ...]) -> NDArray[Any]:
        import zarr

        with series.aszarr(level=0) as store:  # which decodes the pages that the plane needs, and no others
            array = zarr.open(store, mode="r")
            assert isinstance(array, zarr.Array)
            return np.asarray(array[index])

    return TiffPicture(
        tuple(series.pages), series.axes, tuple(series.shape), lambda: np.asarray(series.asarray()), read_plane
    )


def _by_pages(tiff: tifffile.TiffFile) -> list[TiffPicture]:
    """Tell pictures by what their own pages say."""
    pages = [_page(tiff, number) for number in range(len(tiff.pages))]
    own = [page for page in pages if not (page.is_reduced or page.is_mask)]
    if not own and len(pages) == 1 and not pages[0].subifds:
        own = pages  # it is marked as a copy of a picture that the file does not have
    stacks: dict[int, list[tifffile.TiffPage]] = {}
    for page in own:
        stacks.setdefault(page.hash, []).append(page)
    return [_of_pages(stack) for stack in stacks.values()]


def _page(tiff: tifffile.TiffFile, number: int) -> tifffile.TiffPage:
    from tifffile import TiffPage

    page = tiff.pages.get(number)  # indexing gives a page with its tags; iterating gives frames without any
    assert isinstance(page, TiffPage)
    return page


def _of_pages(pages: Sequence[tifffile.TiffPage]) -> TiffPicture:
    first = pages[0]

    def read_plane(index: tuple[int | slice, ...]) -> NDArray[Any]:
        number, *rest = index if len(pages) > 1 else (0, *index)
        assert isinstance(number, int)
        return np.asarray(pages[number].asarray())[tuple(rest)]

    if len(pages) == 1:
        read = first.asarray
        return TiffPicture((first,), first.axes, tuple(first.shape), lambda: np.asarray(read()), read_plane)
    return TiffPicture(
        tuple(pages),
        "I" + first.axes,
        (len(pages), *first.shape),
        lambda: np.stack([page.asarray() for page in pages]),
        read_plane,
    )
