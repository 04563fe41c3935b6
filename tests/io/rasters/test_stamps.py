from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pixelwise.errors import DataError
from pixelwise.io.rasters.opening import Watch, open_source
from pixelwise.io.rasters.stamps import SourceChanged, Stamp, Unchanged

ALL = slice(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five files, one of which has a time far in the future, as files from elsewhere may."""
    root = tmp_path / "store"
    (root / "c" / "0").mkdir(parents=True)
    for number, name in enumerate(("zarr.json", "c/0/0", "c/0/1", "c/0/2", "c/1")):
        (root / name).write_bytes(b"%d" % number * 9)
        os.utime(root / name, ns=(10**18 + number, 10**18 + number))
    os.utime(root / "zarr.json", ns=(4 * 10**18, 4 * 10**18))
    return root


def rewrite(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


def make_old(folder: Path) -> None:
    """Date files back, because clocks of file systems tick no faster than every few milliseconds."""
    for path in folder.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))


def swap(one: Path, other: Path) -> None:
    kept = one.with_name("kept")
    one.rename(kept)
    other.rename(one)
    kept.rename(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: rewrite(root / "c/0/1"),
        lambda root: (root / "c/0/1").unlink(),
        lambda root: (root / "c/2").write_bytes(b""),
        lambda root: swap(root / "c/0/0", root / "c/0/2"),
        lambda root: (root / "c/0/1").write_bytes(b"shorter"),
        lambda root: (root / "c/0").rename(root / "c/9"),
        lambda root: os.utime(root / "c/0/0", ns=(1, 1)),
    ],
    ids=["rewritten", "removed", "added", "swapped", "shorter", "moved", "older"],
)
def test_every_change_below_a_folder_shows(folder: Path, change: Callable[[Path], object]) -> None:
    before = Stamp.of([folder])
    assert (before.files, before.bytes, before.newest) == (5, 45, 4 * 10**18)
    assert Stamp.of([folder]) == before
    change(folder)
    assert Stamp.of([folder]) != before


def test_the_same_files_elsewhere_have_the_same_stamp(folder: Path) -> None:
    before = Stamp.of([folder])
    folder.rename(folder.with_name("moved"))
    assert Stamp.of([folder.with_name("moved")]) == before
    assert Stamp.of([folder]) == Stamp.of([]), "what is not there counts as nothing"


def test_links_are_followed_but_not_in_circles(folder: Path) -> None:
    other = folder.with_name("other")
    other.mkdir()
    (other / "chunk").write_bytes(b"far")
    (folder / "link").symlink_to(other)
    before = Stamp.of([folder])
    assert before.files == 6
    (other / "back").symlink_to(folder)
    assert Stamp.of([folder]) == before
    rewrite(other / "chunk")
    assert Stamp.of([folder]) != before


def test_one_file_is_looked_at_every_time_and_many_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("pixelwise.io.rasters.stamps.time.monotonic", lambda: now.__setitem__(0, now[0] + 1) or now[0])
    one, many = Unchanged(folder / "c/1"), Unchanged(folder)
    rewrite(folder / "c/1")
    with pytest.raises(SourceChanged, match=r"c/1: the file changed after it was opened \(9 bytes, written 2001.*now"):
        one.check()
    with pytest.raises(SourceChanged):
        one.check()
    many.check()
    now[0] += 100
    with pytest.raises(SourceChanged, match=r"store: .*5 files, 45 bytes"):
        many.check()


def test_a_zarr_array_is_watched_and_not_what_else_the_store_holds(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    for version in (2, 3):
        path = tmp_path / f"{version}.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=version)
        for level in ("0", "1"):
            group.create_array(level, shape=(20, 30), chunks=(10, 10), dtype="u1")[...] = 7
        scales = {"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "0"}, {"path": "1"}]}]}
        group.attrs.update(scales if version == 2 else {"ome": scales})
        make_old(path)
        watch = Watch(path)
        group["1"][...] = 8
        (path / "labels").mkdir()
        watch.check()
        assert str(Watch(str(path))) == str(watch)
        group["0"][10:, 20:] = 8
        assert str(Watch(path)) != str(watch)
        with pytest.raises(SourceChanged, match=rf"{version}\.zarr: the file changed"):
            watch.check()
        make_old(path)
        watch = Watch(path)
        group.attrs["nodata"] = 8
        with pytest.raises(SourceChanged):
            watch.check()


def test_the_parts_of_a_mosaic_are_watched(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    place = rasterio.Affine(1, 0, 0, 0, -1, 8)
    whole = {"driver": "GTiff", "transform": place, "width": 8, "height": 8, "count": 1, "dtype": "uint8"}
    for name in ("a", "b"):
        with rasterio.open(tmp_path / f"{name}.tif", "w", **whole) as part:
            part.write(np.full((1, 8, 8), 9, np.uint8))
    sources = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">{name}.tif</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="8" ySize="8"/><DstRect xOff="{8 * place}" yOff="0" xSize="8" ySize="8"/>'
        "</SimpleSource>"
        for place, name in enumerate("ab")
    )
    mosaic = tmp_path / "mosaic.vrt"
    mosaic.write_text(
        '<VRTDataset rasterXSize="16" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1">'
        f"{sources}</VRTRasterBand></VRTDataset>"
    )
    watch = Watch(mosaic)
    with open_source(mosaic) as source:
        assert source.size == (8, 16)
        rewrite(tmp_path / "b.tif")
        with pytest.raises(SourceChanged):
            watch.check()
    os.utime(tmp_path / "a.tif", ns=(1, 1))
    assert "3 files" in str(Watch(mosaic))


def test_what_is_no_file_has_nothing_to_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for source in (np.zeros((4, 4), np.uint8), open_source(np.zeros((4, 4), np.uint8)), tmp_path / "absent"):
        watch = Watch(source)
        (tmp_path / "new").write_text("")
        watch.check()
        assert "(" not in str(watch)
        (tmp_path / "new").unlink()


def test_a_file_that_is_gone_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 4), np.uint8))
    watch = Watch(path)
    path.unlink()
    with pytest.raises(DataError, match=r"a\.npy: .*nothing now"):
        watch.check()
