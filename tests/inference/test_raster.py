"""Rasters from file to file: the same labels as in memory, faults named, and stopped jobs that go on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError, PixelwiseError
from pixelwise.inference import Predictor
from pixelwise.inference.labelling.labelled import LabelledOnDisk
from pixelwise.io.images import DecodedPicture
from pixelwise.io.masks import read_mask
from pixelwise.io.rasters.scratch import Scratch
from pixelwise.models import SegmentationModel
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace


def draw(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture
def predictor(wide: SegmentationModel) -> Predictor:
    return Predictor(wide, device="cpu", precision="float32", tile=32, mode="exact")


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    """A compressed, tiled TIFF of 24 windows."""
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, draw(101, 170), tile=(16, 16), compression="zlib", photometric="rgb")
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stop_after(tiles: int) -> Callable[[int, int], None]:
    def progress(done: int, of: int) -> None:
        if done == tiles:
            raise RuntimeError("stopped")

    return progress


def test_a_raster_has_the_labels_of_the_picture(predictor: Predictor, tiff: Path, tmp_path: Path) -> None:
    result = predictor.raster(tiff, tmp_path / "out.tif")
    assert (result.exact, result.seam_error, result.computed) == (True, None, len(result.plan))
    whole = Predictor(predictor.runtime.model, device="cpu", precision="float32")(draw(101, 170))
    labels = read_mask(tmp_path / "out.tif")
    assert set(np.unique(labels)) == {0, 1, 2}
    assert (labels == whole.labels).mean() > 0.9999
    assert left(tmp_path) == ["in.tif", "out.tif"]


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (5, 7), (31, 33)])
def test_small_and_thin_rasters(predictor: Predictor, size: tuple[int, int], tmp_path: Path) -> None:
    picture = draw(*size)
    np.save(tmp_path / "in.npy", picture)
    predictor.raster(tmp_path / "in.npy", tmp_path / "out.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "out.png"), predictor(picture).labels)


def test_a_truncated_tiff_is_refused_before_the_work(predictor: Predictor, tiff: Path, tmp_path: Path) -> None:
    tiff.write_bytes(tiff.read_bytes()[:-3000])
    with pytest.raises(DataError, match=r"in\.tif"):
        predictor.raster(tiff, tmp_path / "out.tif")
    assert left(tmp_path) == ["in.tif"]


def test_damage_found_on_the_way_leaves_nothing(predictor: Predictor, tiff: Path, tmp_path: Path) -> None:
    with tifffile.TiffFile(tiff) as opened:
        page = opened.pages.first
        offset, count = page.dataoffsets[-1], page.databytecounts[-1]
    content = bytearray(tiff.read_bytes())
    content[offset : offset + count] = bytes(count)
    tiff.write_bytes(content)
    reported: list[int] = []
    with pytest.raises(DataError, match=r"in\.tif: .*damaged"):
        predictor.raster(tiff, tmp_path / "out.tif", progress=lambda done, of: reported.append(done))
    assert reported, "the first tiles are whole"
    assert left(tmp_path) == ["in.tif"]


def test_a_source_that_changes_under_the_work_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    source = tmp_path / "in.npy"
    np.save(source, draw(101, 170))

    def grow(done: int, of: int) -> None:
        with open(source, "ab") as file:
            file.write(b"more")

    with pytest.raises(DataError, match=r"in\.npy: the file changed"):
        predictor.raster(source, tmp_path / "out.tif", progress=grow)
    assert left(tmp_path) == ["in.npy"]


@pytest.mark.parametrize("when", ["reserving", "writing"])
def test_a_full_disk_stops_the_work(
    predictor: Predictor, tiff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    written = []

    def full(*_: object) -> None:
        written.append(1)
        if when == "reserving" or len(written) > 40:
            raise OSError(errno.ENOSPC, "No space left on device")

    if when == "reserving":
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        monkeypatch.setattr(Scratch, "_write_at", full)
    with pytest.raises(PixelwiseError, match=r"out\.tif .*disk is full"):
        predictor.raster(tiff, tmp_path / "out.tif")
    assert written
    assert left(tmp_path) == ["in.tif"]


def test_sixteen_bits_and_four_channels(wide_of: Callable[..., SegmentationModel], tmp_path: Path) -> None:
    preprocessing = Preprocessing((0.5,) * 4, (0.25,) * 4, value_range=(100.0, 4195.0))
    predictor = Predictor(wide_of(preprocessing=preprocessing), device="cpu", tile=32)
    stored = np.random.default_rng(0).integers(0, 5000, (60, 75, 4), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", stored, photometric="minisblack", planarconfig="contig", tile=(32, 32))
    predictor.raster(tmp_path / "in.tif", tmp_path / "out.tif")
    scaled = np.clip(np.rint((stored.astype(float) - 100) / 4095 * 255), 0, 255).astype(np.uint8)
    expected = predictor(DecodedPicture(scaled.transpose(2, 0, 1))).labels
    assert (read_mask(tmp_path / "out.tif") == expected).mean() > 0.99  # halves are rounded in float32
    assert len(np.unique(expected)) == 3


@pytest.mark.parametrize("ignore", [255, 60_000])
def test_areas_without_data_become_the_ignore_value(
    wide_of: Callable[..., SegmentationModel], ignore: int, tmp_path: Path
) -> None:
    predictor = Predictor(wide_of(classes=LabelSpace(("a", "b", "c"), ignore_index=ignore)), device="cpu", tile=32)
    picture = draw(60, 75)
    picture[picture == 9] = 10
    picture[20:45, 30:70] = 9
    tifffile.imwrite(tmp_path / "in.tif", picture, photometric="rgb", extratags=[(42113, "s", 2, "9", True)])
    predictor.raster(tmp_path / "in.tif", tmp_path / "out.tif")
    labels = read_mask(tmp_path / "out.tif")
    expected = predictor(picture).labels.copy()
    assert expected.dtype == labels.dtype
    expected[20:45, 30:70] = ignore
    np.testing.assert_array_equal(labels, expected)


def test_a_stopped_job_goes_on_to_the_same_bytes(predictor: Predictor, tiff: Path, tmp_path: Path) -> None:
    predictor.raster(tiff, tmp_path / "unbroken.tif")
    with pytest.raises(RuntimeError, match="stopped"):
        predictor.raster(tiff, tmp_path / "out.tif", resume=True, progress=stop_after(9))
    assert not (tmp_path / "out.tif").exists()
    reported: list[int] = []
    result = predictor.raster(tiff, tmp_path / "out.tif", resume=True, progress=lambda done, of: reported.append(done))
    assert 0 < result.computed < len(result.plan)
    assert reported[0] == len(result.plan) - result.computed
    assert reported[-1] == len(result.plan)
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "unbroken.tif").read_bytes()
    assert left(tmp_path) == ["in.tif", "out.tif", "unbroken.tif"]


def test_a_stopped_job_does_not_go_on_with_another_picture_or_model(
    predictor: Predictor, wide_of: Callable[..., SegmentationModel], tiff: Path, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        predictor.raster(tiff, tmp_path / "out.tif", resume=True, progress=stop_after(9))
    other = Predictor(wide_of(1), device="cpu", precision="float32", tile=32, mode="exact")
    with pytest.raises(PixelwiseError, match="was another one"):
        other.raster(tiff, tmp_path / "out.tif", resume=True)
    tifffile.imwrite(tiff, draw(101, 170, seed=1), photometric="rgb")
    with pytest.raises(PixelwiseError, match="was another one"):
        predictor.raster(tiff, tmp_path / "out.tif", resume=True)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A Zarr array of 24 windows in version 3, each in a chunk of its own."""
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "in.zarr"
    zarr.create_array(path, shape=(101, 170, 3), chunks=(32, 32, 3), dtype="u1", zarr_format=3)[...] = draw(101, 170)
    return path


def rewrite_last_chunk(store: Path) -> None:
    """Store other pixels in the last chunk, of the same length on the disk."""
    import zarr

    array = zarr.open_array(store, mode="r+")
    array[96:, 160:] = draw(5, 10, seed=1)


def test_a_stopped_job_does_not_go_on_where_chunks_were_rewritten(
    predictor: Predictor, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        predictor.raster(store, tmp_path / "out.tif", resume=True, progress=stop_after(9))
    rewrite_last_chunk(store)
    with pytest.raises(PixelwiseError, match="was another one"):
        predictor.raster(store, tmp_path / "out.tif", resume=True)
    predictor.raster(store, tmp_path / "out.tif")
    predictor.raster(store, tmp_path / "again.tif")
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "again.tif").read_bytes()


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("when", [1, -1])
def test_chunks_that_are_rewritten_under_the_work_stop_it(
    predictor: Predictor, store: Path, tmp_path: Path, resume: bool, when: int
) -> None:
    def rewrite(done: int, of: int) -> None:
        if done == when % (of + 1):
            rewrite_last_chunk(store)

    with pytest.raises(DataError, match=r"in\.zarr: the file changed after it was opened"):
        predictor.raster(store, tmp_path / "out.tif", resume=resume, progress=rewrite)
    assert left(tmp_path) == ["in.zarr"], "windows of two pictures are worth nothing, even to a job that resumes"


def test_a_picture_that_is_decoded_whole_must_stay_as_well(predictor: Predictor, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    Image.fromarray(draw(60, 70)).save(source)

    def replace(done: int, of: int) -> None:
        Image.fromarray(draw(60, 70, seed=1)).save(source)

    with pytest.raises(DataError, match=r"in\.png: the file changed"):
        predictor.raster(source, tmp_path / "out.tif", progress=replace)
    assert left(tmp_path) == ["in.png"]


def test_an_overlay_shows_the_picture_that_was_labelled(predictor: Predictor, tiff: Path, tmp_path: Path) -> None:
    result = predictor.raster(tiff, tmp_path / "out.tif")
    labelled = LabelledOnDisk(
        tiff,
        tmp_path / "out.tif",
        result,
        label_space=predictor.label_space,
        preprocessing=predictor.preprocessing,
        rule=predictor.rule,
    )
    assert labelled.overlay(numbers=False).shape == (101, 170, 3)
    tifffile.imwrite(tiff, draw(101, 170, seed=1), photometric="rgb")
    with pytest.raises(DataError, match=r"in\.tif: the file changed"):
        labelled.overlay(numbers=False)


KILLED = """
import os, signal, sys
from pixelwise.inference import Predictor
def progress(done, of):
    if done == 19:
        os.kill(os.getpid(), signal.SIGKILL)
Predictor(sys.argv[1], device="cpu", tile=32).raster(sys.argv[2], sys.argv[3], progress=progress)
"""


def test_a_killed_process_goes_on_to_the_same_bytes(untrained_run: Path, tiff: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    killed = subprocess.run([sys.executable, "-c", KILLED, untrained_run, tiff, out], check=False)
    assert killed.returncode == -signal.SIGKILL
    predictor = Predictor(untrained_run, device="cpu", tile=32)
    result = predictor.raster(tiff, out, resume=True)
    assert 0 < result.computed < len(result.plan)
    predictor.raster(tiff, tmp_path / "unbroken.tif")
    assert out.read_bytes() == (tmp_path / "unbroken.tif").read_bytes()
