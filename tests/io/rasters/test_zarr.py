from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from pixelwise.errors import DataError
from pixelwise.io.rasters import stamps
from pixelwise.io.rasters.opening import open_source

ALL = slice(None)
WINDOWS = ((slice(0, 1), slice(0, 1)), (slice(5, 60), slice(31, 34)), (ALL, ALL), (slice(69, 70), slice(40, 50)))


def noise(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 60000, (70, 50, channels), np.uint16)


def assert_windows(path: Path, stored: np.ndarray) -> None:
    with open_source(path) as source:
        assert (source.size, source.channels) == (stored.shape[:2], stored.shape[2])
        for rows, columns in WINDOWS:
            np.testing.assert_array_equal(source.read(rows, columns), stored[rows, columns].transpose(2, 0, 1))


def write(path: Path, array: np.ndarray, *, version: int = 3, **options: Any) -> Any:
    chunks = tuple(min(16, length) for length in array.shape)
    made = zarr.create_array(path, shape=array.shape, dtype=array.dtype, chunks=chunks, zarr_format=version, **options)
    made[...] = array
    return made


@pytest.mark.parametrize("version", [2, 3])
def test_axes_are_told_by_the_shape(tmp_path: Path, version: int) -> None:
    stored = noise()
    write(tmp_path / "plane", stored[..., 0], version=version)
    write(tmp_path / "last", stored, version=version)
    write(tmp_path / "first", stored.transpose(2, 0, 1), version=version)
    assert_windows(tmp_path / "plane", stored[..., :1])
    assert_windows(tmp_path / "last", stored)
    assert_windows(tmp_path / "first", stored)


def test_axes_are_told_by_their_names(tmp_path: Path) -> None:
    stored = noise(60)  # more channels than columns: the shape alone would mislead
    write(tmp_path / "a", stored.transpose(1, 2, 0), dimension_names=("x", "band", "y"))
    assert_windows(tmp_path / "a", stored)
    write(tmp_path / "b", stored[None, ..., None, 0], version=2).attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x", "c"]
    assert_windows(tmp_path / "b", stored[..., :1])


def test_the_finest_array_of_a_multiscale_group(tmp_path: Path) -> None:
    stored = noise()
    for name, place in (("new", "ome"), ("old", None)):
        group = zarr.open_group(tmp_path / name, mode="w", zarr_format=3 if place else 2)
        axes = [{"name": axis, "type": "space"} for axis in ("c", "z", "y", "x")]
        for level in (1, 0):
            data = stored[:: 2**level, :: 2**level].transpose(2, 0, 1)[:, None]
            group.create_array(str(level), shape=data.shape, dtype=data.dtype, chunks=(1, 1, 16, 16))[...] = data
        scales = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}, {"path": "1"}]}]}
        group.attrs.update({place: scales} if place else scales)
        assert_windows(tmp_path / name, stored)


def test_the_only_array_of_a_group(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "g", mode="w")
    with pytest.raises(DataError, match=r"g: the group holds 0 arrays \(none\)"):
        open_source(tmp_path / "g")
    stored = noise()
    group.create_array("picture", shape=stored.shape, dtype=stored.dtype, chunks=(16, 16, 3))[...] = stored
    assert_windows(tmp_path / "g", stored)
    group.create_array("other", shape=(4, 4), dtype=np.uint8)
    with pytest.raises(DataError, match=r"2 arrays \(other, picture\)"):
        open_source(tmp_path / "g")
    assert_windows(tmp_path / "g" / "picture", stored)


def test_axes_that_cannot_be_told(tmp_path: Path) -> None:
    write(tmp_path / "cube", np.zeros((9, 9, 9), np.uint8))
    write(tmp_path / "film", np.zeros((2, 9, 9), np.uint8), dimension_names=("t", "y", "x"))
    write(tmp_path / "line", np.zeros(9, np.uint8))
    for name in ("cube", "film", "line"):
        with pytest.raises(DataError, match=rf"{name}: cannot tell rows.*dimension_names"):
            open_source(tmp_path / name)


def test_damaged_stores_name_themselves(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "zarr.json").write_text("{")
    with pytest.raises(DataError, match=r"a: .*damaged"):
        open_source(tmp_path / "a")
    write(tmp_path / "b", noise())
    (tmp_path / "b" / "c" / "1" / "1" / "0").write_bytes(b"rubbish")
    with open_source(tmp_path / "b") as source, pytest.raises(DataError, match=r"b: .*damaged"):
        source.read(ALL, ALL)


def test_an_array_that_is_resized_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "_REST_PER_LOOK", 0)  # many files are looked at again at once, on a busy machine too
    array = write(tmp_path / "a", noise())
    with open_source(tmp_path / "a") as source:
        source.read(ALL, ALL)
        array.resize((40, 50, 3))
        later = (tmp_path / "a" / "zarr.json").stat().st_mtime + 1  # the clock of files may not have moved yet
        os.utime(tmp_path / "a" / "zarr.json", (later, later))
        with pytest.raises(DataError, match="changed after it was opened"):
            source.read(ALL, ALL)


def test_no_data_and_windows_past_the_edge(tmp_path: Path) -> None:
    stored = noise(1)
    stored[10:12, 3:5] = 7
    array = write(tmp_path / "a", stored[..., 0])
    array.attrs["nodata"] = 7
    with open_source(tmp_path / "a") as source:
        np.testing.assert_array_equal(source.valid(ALL, ALL), stored[..., 0] != 7)
        with pytest.raises(DataError, match="leaves the picture"):
            source.read(slice(0, 71), ALL)
