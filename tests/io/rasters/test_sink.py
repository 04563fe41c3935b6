from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.io.masks import read_mask
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.opening import open_source
from pixelwise.io.rasters.sink import LabelFileSink, open_sink
from pixelwise.types import LabelSpace

ALL = slice(None)
SPACE = LabelSpace(("sea", "land", "Übergang"), colors=((0, 0, 200), (30, 160, 30), (240, 240, 240)), background=0)
MANY = LabelSpace(tuple(f"class {index}" for index in range(700)), ignore_index=65535)
SUFFIXES = ("tif", "zarr", "png")


def noise(height: int = 150, width: int = 201, space: LabelSpace = SPACE) -> np.ndarray:
    labels = np.random.default_rng(5).integers(0, len(space), (height, width)).astype(space.dtype)
    labels[: height // 3, : width // 4] = space.ignore_index
    return labels


def windows(labels: np.ndarray, side: int) -> list[tuple[int, int, np.ndarray]]:
    return [
        (row, column, labels[row : row + side, column : column + side])
        for row in range(0, labels.shape[0], side)
        for column in range(0, labels.shape[1], side)
    ]


def write(path: Path, labels: np.ndarray, *, side: int = 64, shuffled: bool = False, **options: Any) -> None:
    parts = windows(labels, side)
    if shuffled:
        np.random.default_rng(0).shuffle(order := list(range(len(parts))))
        parts = [parts[place] for place in order]
    with open_sink(path, **{"size": labels.shape, "label_space": SPACE, "tile": 64, **options}) as sink:
        for row, column, window in parts:
            sink.write(row, column, window)


def write_all(sink: LabelFileSink, labels: np.ndarray) -> None:
    for row, column, window in windows(labels, 20):
        sink.write(row, column, window)


def content(path: Path) -> dict[str, bytes]:
    """All bytes of a file or a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


@contextmanager
def file_limit(count: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, which is how a disk behaves that is full."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("side", [64, 37, 300])
@pytest.mark.parametrize("space", [SPACE, MANY], ids=["uint8", "uint16"])
def test_labels_come_back(tmp_path: Path, suffix: str, side: int, space: LabelSpace) -> None:
    labels = noise(space=space)
    write(tmp_path / f"a.{suffix}", labels, side=side, label_space=space)
    with open_source(tmp_path / f"a.{suffix}", indices=True) as source:
        np.testing.assert_array_equal(source.read(ALL, ALL)[0], labels)
        if suffix != "png":
            np.testing.assert_array_equal(source.valid(ALL, ALL), labels != space.ignore_index)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_labels_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    labels = noise()
    write(tmp_path / f"a.{suffix}", labels)
    write(tmp_path / f"b.{suffix}", labels, side=41, shuffled=True)
    assert content(tmp_path / f"a.{suffix}") == content(tmp_path / f"b.{suffix}")


@pytest.mark.parametrize("size", [(1, 150), (150, 1), (1, 1), (64, 64), (65, 129)])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_odd_sizes(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    labels = noise(*size)
    write(tmp_path / f"a.{suffix}", labels, side=50)
    with open_source(tmp_path / f"a.{suffix}", indices=True) as source:
        np.testing.assert_array_equal(source.read(ALL, ALL)[0], labels)


def test_the_tiff_is_tiled_compressed_coloured_and_named(tmp_path: Path) -> None:
    labels = noise(200, 300)
    write(tmp_path / "a.tif", labels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        page = tiff.pages.first
        assert tiff.is_bigtiff
        assert (page.tilelength, page.tilewidth, page.compression.name) == (64, 64, "ADOBE_DEFLATE")
        assert json.loads(page.description)["pixelwise"]["names"] == ["sea", "land", "Übergang"]
        assert page.tags[42113].value == "255"
        assert [page.shape for page in tiff.pages] == [(200, 300), (100, 150), (50, 75), (25, 38)]
        for level, overview in enumerate(tiff.pages):
            assert bool(overview.is_reduced) == (level > 0)
            np.testing.assert_array_equal(overview.asarray(), labels[:: 2**level, :: 2**level])
    with open_source(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(ALL, ALL).transpose(1, 2, 0), SPACE.colorize(labels))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), labels)


def test_gdal_reads_the_tiff(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    labels = noise(200, 300)
    transform = (2.0, 0.0, 1000.0, 0.0, -2.0, 9000.0)
    write(tmp_path / "a.tif", labels, georeference=Georeference.from_transform(transform, epsg=32633))
    with rasterio.open(tmp_path / "a.tif") as read:
        np.testing.assert_array_equal(read.read(1), labels)
        assert (read.crs.to_epsg(), tuple(read.transform)[:6]) == (32633, transform)
        assert (read.nodata, read.overviews(1)) == (255, [2, 4, 8])
        assert read.colormap(1)[2][:3] == (240, 240, 240)
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as half:
        np.testing.assert_array_equal(half.read(1), labels[::2, ::2])


@pytest.mark.parametrize("suffix", ["tif", "zarr"])
def test_the_place_on_the_earth_is_kept(tmp_path: Path, suffix: str) -> None:
    georeference = Georeference.from_transform((0.4, 0.3, 100.0, 0.3, -0.4, 200.0), epsg=3857)
    write(tmp_path / f"a.{suffix}", noise(), georeference=georeference)
    with open_source(tmp_path / f"a.{suffix}") as source:
        assert source.georeference == georeference


def test_the_zarr_group_is_a_pyramid(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    labels = noise(200, 300)
    write(tmp_path / "a.zarr", labels)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert LabelSpace.from_dict(group.attrs["label_space"]) == SPACE
    (scales,) = group.attrs["ome"]["multiscales"]
    assert [dataset["path"] for dataset in scales["datasets"]] == ["0", "1", "2", "3"]
    for level in range(4):
        np.testing.assert_array_equal(group[str(level)][...], labels[:: 2**level, :: 2**level])


def test_the_png_is_that_of_a_prediction(tmp_path: Path) -> None:
    labels = noise()
    write(tmp_path / "a.png", labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image.convert("RGB")), SPACE.colorize(labels))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_leaves_what_was_there_before(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write(path, noise())
    before = content(path)
    with pytest.raises(RuntimeError), open_sink(path, size=(150, 201), label_space=SPACE) as sink:  # noqa: PT012
        sink.write(0, 0, noise()[:50])
        raise RuntimeError("boom")
    assert content(path) == before
    assert list(tmp_path.iterdir()) == [path]
    write(path, 2 - np.minimum(noise(), 2))
    assert content(path) != before


def test_missing_and_repeated_windows(tmp_path: Path) -> None:
    labels = noise()
    with (
        pytest.raises(PixelwiseError, match=r"a\.tif: 201 pixels were never written"),
        open_sink(tmp_path / "a.tif", size=labels.shape, label_space=SPACE) as sink,
    ):
        sink.write(0, 0, labels[:149])
    sink = open_sink(tmp_path / "a.tif", size=labels.shape, label_space=SPACE)
    sink.write(0, 0, labels)
    sink.write(1, 0, labels[1:3])
    with pytest.raises(PixelwiseError, match="402 pixels were written twice"):
        sink.finish()
    sink.abort()
    assert list(tmp_path.iterdir()) == []
    with open_sink(tmp_path / "a.tif", size=labels.shape, label_space=SPACE) as sink:
        sink.write(0, 0, np.zeros_like(labels))
        sink.write(0, 0, labels)  # the same window again replaces it
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), labels)


@pytest.mark.parametrize(
    ("row", "column", "labels", "match"),
    [
        (100, 0, noise(), r"150x201 at row 100, column 0 leaves the raster of 150x201"),
        (-1, 0, noise()[:2], "leaves the raster"),
        (0, 0, noise().astype(np.float32), "whole numbers, got float32"),
        (0, 0, noise()[None], "whole numbers"),
        (0, 0, noise().astype(np.int64) + 300, "do not fit 0 to 255"),
        (0, 0, noise()[:, :0], r"got uint8 \(150, 0\)"),
    ],
)
def test_windows_that_make_no_sense(tmp_path: Path, row: int, column: int, labels: np.ndarray, match: str) -> None:
    with (
        pytest.raises(SettingError, match=match),
        open_sink(tmp_path / "a.tif", size=(150, 201), label_space=SPACE) as sink,
    ):
        sink.write(row, column, labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("a.jpg", {}, r"\.tif, \.tiff, \.zarr, \.png"),
        ("a.tif", {"tile": 100}, "multiple of 16"),
        ("a.tif", {"size": (0, 4)}, "empty"),
        ("a.png", {"size": (9000, 9000)}, r"name a \.tif"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path: Path, name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingError, match=match):
        open_sink(tmp_path / name, **{"size": (9, 9), "label_space": SPACE, **options})
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(PixelwiseError, match="folder does not exist"):
        open_sink(tmp_path / "absent" / "a.tif", size=(9, 9), label_space=SPACE)
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(PixelwiseError, match="it is a folder"):
        open_sink(tmp_path / "folder.tif", size=(9, 9), label_space=SPACE)
    (tmp_path / "file.zarr").write_text("a file")
    with pytest.raises(PixelwiseError, match="a file of that name"):
        write(tmp_path / "file.zarr", noise())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.zarr", "folder.tif"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_shows_before_the_work(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with file_limit(20_000), pytest.raises(PixelwiseError, match=rf"cannot write .*a\.{suffix} \("):
        open_sink(path, size=(150, 201), label_space=SPACE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_is_full_at_the_end(tmp_path: Path, suffix: str) -> None:
    """Noise of 16 bits does not shrink, and file and overviews need more than the raw labels."""
    path = tmp_path / f"a.{suffix}"
    labels = np.random.default_rng(0).integers(0, 65536, (128, 128)).astype(np.uint16)
    with (
        file_limit(labels.nbytes),
        pytest.raises(PixelwiseError, match=rf"cannot write .*a\.{suffix} \("),
        open_sink(path, size=labels.shape, label_space=MANY, tile=128) as sink,
    ):
        sink.write(0, 0, labels)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    labels = noise()
    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(PixelwiseError, match=r"cannot write .*a\.tif .*the disk is full"),
        open_sink(tmp_path / "a.tif", size=labels.shape, label_space=SPACE) as sink,
    ):
        write_all(sink, labels)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys, numpy as np
from pathlib import Path
sys.path.insert(0, {tests!r})
from {module} import SPACE, noise, open_sink, windows
labels = noise()
sink = open_sink({path!r}, size=labels.shape, label_space=SPACE, tile=64, job="one")
if {at_the_end}:
    from pixelwise.io import atomic
    atomic.to_disk = lambda path: os.kill(os.getpid(), signal.SIGKILL)
for number, window in enumerate(windows(labels, 20)):
    if number == 50:
        os.kill(os.getpid(), signal.SIGKILL) if not {at_the_end} else None
    sink.write(*window)
sink.finish()
"""


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_killed_job_goes_on_to_the_same_bytes(tmp_path: Path, at_the_end: bool) -> None:
    labels, path = noise(), tmp_path / "a.tif"
    program = KILLED.format(
        tests=str(Path(__file__).parent), module=Path(__file__).stem, path=str(path), at_the_end=at_the_end
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not path.exists()
    with open_sink(path, size=labels.shape, label_space=SPACE, tile=64, job="one", resume=True) as sink:
        done = sink.done
        assert len(done) == (48 if not at_the_end else 88)
        for row, column, window in windows(labels, 20):
            if (row, column, *window.shape) not in done:
                sink.write(row, column, window)
    write(tmp_path / "b.tif", labels)
    assert path.read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tif", "b.tif"]


def begin(path: Path, labels: np.ndarray, **options: Any) -> LabelFileSink:
    sink = open_sink(path, **{"size": labels.shape, "label_space": SPACE, "job": "one", **options})
    sink.write(0, 0, labels[:100])
    return sink


def test_an_interrupted_block_can_be_resumed(tmp_path: Path) -> None:
    labels, path = noise(), tmp_path / "a.tif"
    with pytest.raises(KeyboardInterrupt), begin(path, labels):
        raise KeyboardInterrupt
    with open_sink(path, size=labels.shape, label_space=SPACE, job="one", resume=True) as sink:
        assert sink.done == {(0, 0, 100, 201)}
        sink.write(100, 0, labels[100:])
    np.testing.assert_array_equal(read_mask(path), labels)
    assert list(tmp_path.iterdir()) == [path]


def test_with_resume_a_failure_keeps_the_windows(tmp_path: Path) -> None:
    labels, path = noise(), tmp_path / "a.tif"
    with pytest.raises(PixelwiseError, match="never written"), begin(path, labels, resume=True):
        pass
    with open_sink(path, size=labels.shape, label_space=SPACE, job="one", resume=True) as sink:
        assert sink.done == {(0, 0, 100, 201)}
        sink.write(100, 0, labels[100:])
    assert path.exists()


def test_without_resume_a_job_starts_anew(tmp_path: Path) -> None:
    labels, path = noise(), tmp_path / "a.tif"
    begin(path, labels).suspend()
    with begin(path, labels[::-1]) as sink:
        assert sink.done == frozenset()
        sink.write(100, 0, labels[::-1][100:])
    np.testing.assert_array_equal(read_mask(path), labels[::-1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"job": "two"}, "job was one, is two"),
        ({"size": (150, 200)}, r"size was \[150, 201\], is \[150, 200\]"),
        ({"label_space": MANY}, "dtype was uint8, is uint16"),
    ],
)
def test_another_job_is_not_resumed(tmp_path: Path, options: dict[str, Any], match: str) -> None:
    path = tmp_path / "a.tif"
    begin(path, noise()).suspend()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(PixelwiseError, match=match):
        open_sink(path, **{"size": (150, 201), "label_space": SPACE, "job": "one", "resume": True, **options})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_journal_line_that_was_cut_short_never_happened(tmp_path: Path) -> None:
    labels, path = noise(), tmp_path / "a.tif"
    begin(path, labels).suspend()
    journal = tmp_path / ".a.tif.journal"
    with open(journal, "ab") as file:
        file.write(b"[100, 0, 50")
    with open_sink(path, size=labels.shape, label_space=SPACE, job="one", resume=True) as sink:
        assert sink.done == {(0, 0, 100, 201)}
        sink.write(100, 0, labels[100:])
    np.testing.assert_array_equal(read_mask(path), labels)


def lines_of_a_stopped_job(path: Path) -> list[bytes]:
    """The journal of a job that wrote two windows of 50x201 of the three that the raster has."""
    sink = open_sink(path, size=(150, 201), label_space=SPACE, job="one")
    for row in (0, 50):
        sink.write(row, 0, noise()[row : row + 50])
        sink._scratch.flush()
    sink.suspend()
    return path.with_name(f".{path.name}.journal").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [b"rubbish\n"],
        lambda lines: [lines[0], lines[1].replace(b"[0, 0", b"[100, 0"), lines[2]],
        lambda lines: [lines[0], lines[1], lines[2].replace(b"[50, 0", b"[100, 0")],
        lambda lines: [lines[0], lines[1], lines[2].replace(b"[50, 0, 50, 201]", b"[" * 100_000)],
        lambda lines: [lines[0], lines[1], lines[2].replace(b"[50, 0, 50, 201]", b"[[50, 0, 50, 201]]")],
        lambda lines: [lines[0], lines[2], lines[1]],
        lambda lines: [*lines, lines[2]],
        lambda lines: [lines[0], lines[1], lines[2][:-3] + b"\n"],
        lambda lines: [line.partition(b" ")[2] for line in lines],
    ],
    ids=["rubbish", "first", "other window", "deep", "nested", "swapped", "repeated", "cut", "no checksums"],
)
def test_a_damaged_journal_is_named(tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]]) -> None:
    path = tmp_path / "a.tif"
    lines = lines_of_a_stopped_job(path)
    assert len(lines) == 3
    (tmp_path / ".a.tif.journal").write_bytes(b"".join(damage(lines)))
    with pytest.raises(PixelwiseError, match=r"\.a\.tif\.journal.*start anew"):
        open_sink(path, size=(150, 201), label_space=SPACE, job="one", resume=True)
    write(path, noise(), job="one")  # anew
    np.testing.assert_array_equal(read_mask(path), noise())


@pytest.mark.parametrize("kept", [2, 3])
def test_lines_that_never_reached_the_disk_are_computed_again(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.tif"
    lines = lines_of_a_stopped_job(path)
    (tmp_path / ".a.tif.journal").write_bytes(b"".join(lines[:kept]))
    sink = open_sink(path, size=(150, 201), label_space=SPACE, job="one", resume=True)
    assert sink.done == {(50 * number, 0, 50, 201) for number in range(kept - 1)}
    sink.write(50, 0, noise()[50:100])
    sink.suspend()
    with open_sink(path, size=(150, 201), label_space=SPACE, job="one", resume=True) as sink:
        assert sink.done == {(0, 0, 50, 201), (50, 0, 50, 201)}, "lines are sealed after those that were found"
        sink.write(100, 0, noise()[100:])
    np.testing.assert_array_equal(read_mask(path), noise())


def test_a_journal_is_whole_after_a_disk_was_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, labels = tmp_path / "a.tif", noise()
    sink = begin(path, labels, resume=True)
    sink._scratch.flush()
    fsync, calls = os.fsync, []

    def full_at_the_journal(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full_at_the_journal)
    sink.write(100, 0, labels[100:])
    with pytest.raises(PixelwiseError, match="disk is full"):
        sink._scratch.flush()
    sink.suspend()
    with open_sink(path, size=labels.shape, label_space=SPACE, job="one", resume=True) as sink:
        assert sink.done == {(0, 0, 100, 201), (100, 0, 50, 201)}
    np.testing.assert_array_equal(read_mask(path), labels)


def test_without_the_pixels_a_journal_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    begin(path, noise()).suspend()
    (tmp_path / ".a.tif.part").unlink()
    sink = open_sink(path, size=(150, 201), label_space=SPACE, job="one", resume=True)
    assert sink.done == frozenset()
    sink.abort()
    assert list(tmp_path.iterdir()) == []
