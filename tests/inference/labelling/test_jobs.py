"""Files, folders and patterns on the command line, and the names of their results."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pixelwise.errors import DataError, SettingError
from pixelwise.inference.labelling.jobs import Collected, by_pages, collect, unused_lines


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("a.jpg", "b.PNG", "notes.txt", "sub/c.tif", "sub/deep/d.png", ".hidden/e.png", "twin.jpg", "twin.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def names(found: Collected) -> list[str]:
    return [job.name.as_posix() for job in found.jobs]


def test_a_folder_gives_its_pictures_with_their_sub_folders(photos: Path, tmp_path: Path) -> None:
    jobs = collect([str(photos)], tmp_path / "out").jobs
    assert [job.name.as_posix() for job in jobs] == ["a", "b", "sub/c", "sub/deep/d", "twin_jpg", "twin_png"]
    assert [job.picture.name for job in jobs] == ["a.jpg", "b.PNG", "c.tif", "d.png", "twin.jpg", "twin.png"]


def test_a_zarr_store_is_one_picture(photos: Path, tmp_path: Path) -> None:
    store = photos / "sub/slide.zarr"
    (store / "0").mkdir(parents=True)
    for name in ("zarr.json", "0/zarr.json", "0/piece.png"):
        (store / name).write_bytes(b"")
    (photos / "array.npy").write_bytes(b"")
    assert names(collect([str(photos / "sub")], tmp_path / "out")) == ["c", "deep/d", "slide"]
    assert names(collect([str(store)], tmp_path / "out")) == ["slide"]
    assert names(collect([f"{photos}/**/*.zarr", f"{photos}/*.npy"], tmp_path / "out")) == ["sub/slide", "array"]


def test_patterns_keep_the_folders_below_their_fixed_part(photos: Path, tmp_path: Path) -> None:
    assert names(collect([f"{photos}/**/*.png"], tmp_path / "out")) == ["sub/deep/d", "twin"]
    assert names(collect([f"{photos}/sub/*.tif"], tmp_path / "out")) == ["c"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").write_bytes(b"")
    assert names(collect([str(tmp_path / "a[1].png")], tmp_path / "out")) == ["a[1]"]


def test_a_picture_named_twice_is_labelled_once(photos: Path, tmp_path: Path) -> None:
    found = collect([str(photos / "a.jpg"), str(photos), f"{photos}/*.jpg"], tmp_path / "out")
    assert len(found.jobs) == 6


def test_several_folders_keep_their_names(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes(b"")
    assert names(collect([str(photos / "sub"), str(other)], tmp_path / "out")) == ["sub/c", "sub/deep/d", "other/a"]


def test_results_of_an_earlier_run_are_not_taken_for_pictures(photos: Path) -> None:
    out = photos / "results"
    out.mkdir()
    (out / "a.png").write_bytes(b"")
    assert "results/a" not in names(collect([str(photos)], out))


def test_what_matches_nothing_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, complaint in (
        (tmp_path / "absent.png", "no such file"),
        (tmp_path / "empty", "holds no pictures"),
        (photos / "*.webp", "matches no pictures"),
    ):
        with pytest.raises(DataError, match=complaint):
            collect([str(given)], tmp_path / "out")


def test_two_pictures_never_share_a_result(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(SettingError, match="would both be written as a_jpg"):
        collect([str(photos / "a.jpg"), str(tmp_path / "a.jpg")], tmp_path / "out")


def test_every_file_that_is_not_labelled_is_said(photos: Path, tmp_path: Path) -> None:
    for name in ("array.npy", "raw.heic", ".hidden/f.npy"):
        (photos / name).write_bytes(b"")
    (photos / "lost.png").symlink_to(tmp_path / "gone.png")
    found = collect([str(photos), str(photos / "array.npy")], tmp_path / "out")
    assert "array" in names(found)
    assert unused_lines(found.unused) == [
        f"1 link leads to a file that is not there, as {photos}/lost.png",
        f"2 files are no picture by name (.txt, .heic), as {photos}/notes.txt",
    ]
    found = collect([str(photos)], tmp_path / "out")
    assert f"1 .npy file is not labelled, as {photos}/array.npy; name them" in unused_lines(found.unused)[1]


def test_folders_that_are_links_are_searched_once(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "e.png").write_bytes(b"")
    (photos / "link").symlink_to(tmp_path / "other")
    (photos / "sub" / "loop").symlink_to(photos)
    assert names(collect([str(photos)], tmp_path / "out"))[2:5] == ["link/e", "sub/c", "sub/deep/d"]


def test_pages_never_take_the_name_of_another_picture(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), level) for level in (0, 90)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a-page001.png")
    jobs = collect([str(tmp_path)], tmp_path / "out").jobs
    assert [str(job.name) for job in by_pages(jobs)] == ["a-page001", "a_gif-page001", "a_gif-page002"]
    frames[0].save(tmp_path / "a_gif-page002.png")
    with pytest.raises(SettingError, match=r"a_gif-page002.png and a page of .*a.gif would both be written as a_gif"):
        by_pages(collect([str(tmp_path)], tmp_path / "out").jobs)
