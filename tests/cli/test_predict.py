"""``pixelwise predict`` from the command line to the files it leaves."""

from __future__ import annotations

import inspect
import json
import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from verbs import files, run

from pixelwise.cli.predict import predict
from pixelwise.inference import Predictor
from pixelwise.inference.crf import refine_by_crf
from pixelwise.inference.labelling.facts import PictureFacts
from pixelwise.inference.labelling.finished import RECORD_FILE, Finished
from pixelwise.inference.labelling.jobs import STREAMED_PIXELS, is_raster
from pixelwise.inference.predictor import DEFAULT_MEMORY_MIB
from pixelwise.inference.raster import label_raster
from pixelwise.io.images import DecodedPicture, read_image
from pixelwise.io.masks import mask_palette, read_mask
from pixelwise.io.rasters.opening import Watch, open_source


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name, size in (("a.png", (40, 50)), ("sub/b.png", (33, 17))):
        # Smooth, so that JPEG keeps the overlay close to what was painted.
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(root / name)
    return root


def test_labels_and_overlays_keep_sub_folders(untrained_run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos, "--out", out) == 0
    assert files(out) == ["a.png", "a_overlay.jpg", "sub/b.png", "sub/b_overlay.jpg"]
    predictor = Predictor(untrained_run)
    expected = predictor(photos / "sub/b.png")
    np.testing.assert_array_equal(read_mask(out / "sub/b.png"), expected.labels)
    assert mask_palette(out / "a.png")[:3] == predictor.label_space.colors
    overlay = read_image(out / "sub/b_overlay.jpg").transpose(1, 2, 0).astype(int)
    assert abs(overlay - expected.overlay()).mean() < 12


def test_probabilities_are_half_floats_that_agree_with_the_labels(
    untrained_run: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("predict", untrained_run, f"{photos}/*.png", "--out", out, "--save", "probabilities,labels") == 0
    assert files(out) == ["a.png", "a_probabilities.npy"]
    probabilities = np.load(out / "a_probabilities.npy")
    assert probabilities.dtype == np.float16
    assert probabilities.shape == (3, 40, 50)
    np.testing.assert_allclose(probabilities.astype(np.float32).sum(0), 1, atol=2e-3)
    chosen = np.take_along_axis(probabilities, read_mask(out / "a.png")[None].astype(int), 0)[0]
    np.testing.assert_array_equal(chosen, probabilities.max(0))


def test_crf_sharpens_what_is_written(untrained_run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos / "a.png", "--out", out, "--crf", "--save", "labels,probabilities") == 0
    prediction = refine_by_crf(Predictor(untrained_run)(photos / "a.png", probabilities=True))
    np.testing.assert_array_equal(read_mask(out / "a.png"), prediction.labels)
    assert prediction.probabilities is not None
    np.testing.assert_allclose(np.load(out / "a_probabilities.npy"), prediction.probabilities, atol=2e-3)


def test_a_broken_picture_is_named_and_the_others_are_done(
    untrained_run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.png").write_text("no picture")
    (photos / "cut.png").write_bytes((photos / "a.png").read_bytes()[:300])
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos, "--out", out, "--save", "labels") == 2
    assert files(out) == ["a.png", "sub/b.png"]
    message = capsys.readouterr().err
    assert "2 of 4" in message
    assert "broken.png" in message
    assert "cut.png" in message


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("{model}", "{photos}/absent.png", "--out", "{out}"), "no such file"),
        (("{model}", "{photos}/*.tif", "--out", "{out}"), "matches no pictures"),
        (("{model}", "{photos}", "--out", "{out}", "--save", "label"), "labels"),
        (("{model}", "{photos}", "--out", "{out}", "--save", ","), "names nothing"),
        (("{model}", "{photos}", "--out", "{photos}"), "would overwrite a picture"),
        (("{model}", "{photos}", "--out", "{photos}/a.png"), "a file is in the way"),
        (("{tmp}/absent", "{photos}", "--out", "{out}"), "no such model"),
        (("{model},{tmp}/absent", "{photos}", "--out", "{out}"), "no such model"),
        ((",", "{photos}", "--out", "{out}"), "no model"),
        (("{model}", "{photos}", "--out", "{out}", "--mode", "quick"), "no mode 'quick'"),
        (("{model}", "{photos}", "--out", "{out}", "--tta", "hflop"), "no view 'hflop'"),
        (("{model}", "{photos}", "--out", "{out}", "--runtime", "abacus"), "no runtime 'abacus'"),
        (("{model}", "{photos}", "--out", "{out}", "--memory", "0"), "must be positive"),
        (("{tmp}/pickled.pt", "{photos}", "--out", "{out}"), "pickle"),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(
    arguments: tuple[str, ...],
    complaint: str,
    untrained_run: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pickled.pt").write_bytes(pickle.dumps({"weights": [1.0]}))
    places = {"model": untrained_run, "photos": photos, "tmp": tmp_path, "out": tmp_path / "out"}
    before = files(tmp_path)
    assert run("predict", *(argument.format(**places) for argument in arguments)) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert files(tmp_path) == before


# Pixels of half a degree; the upper left corner lies at 10 degrees east and 50 degrees north (WGS 84).
GEO_TAGS = [
    (33550, "d", 3, (0.5, 0.5, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 10.0, 50.0, 0.0), True),
    (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326), True),
]


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    """A GeoTIFF of 70x90 pixels."""
    coarse = Image.fromarray(np.random.default_rng(1).integers(0, 256, (5, 6, 3), dtype=np.uint8))
    picture = np.asarray(coarse.resize((90, 70), Image.Resampling.BICUBIC))
    (tmp_path / "maps").mkdir()
    tifffile.imwrite(tmp_path / "maps/map.tif", picture, photometric="rgb", tile=(16, 16), extratags=GEO_TAGS)
    return tmp_path / "maps/map.tif"


def test_a_map_keeps_its_place_on_the_earth(
    untrained_run: Path, map_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    kinds = "labels,overlay,geojson"
    assert run("predict", untrained_run, map_file.parent, "--out", out, "--save", kinds, "--tile", 32) == 0
    assert files(out) == ["map.geojson", "map.tif", "map_overlay.jpg"]
    predictor = Predictor(untrained_run, tile=32)
    np.testing.assert_array_equal(read_mask(out / "map.tif"), predictor(map_file).labels)
    with open_source(out / "map.tif", indices=True) as labels:
        assert labels.georeference is not None
        assert labels.georeference.transform == (0.5, 0.0, 10.0, 0.0, -0.5, 50.0)
    assert mask_palette(out / "map.tif")[:3] == predictor.label_space.colors
    assert read_image(out / "map_overlay.jpg").shape == (3, 70, 90)
    polygons = json.loads((out / "map.geojson").read_text())["features"]
    assert sum(polygon["properties"]["pixels"] for polygon in polygons) == 70 * 90
    corners = [corner for polygon in polygons for ring in polygon["geometry"]["coordinates"] for corner in ring]
    assert np.min(corners, axis=0).tolist() == [10.0, 15.0]
    assert np.max(corners, axis=0).tolist() == [55.0, 50.0]
    printed = capsys.readouterr().out
    assert "70x90 pixels (height x width) in 9 tiles of 32x32, fast" in printed
    assert "times the arithmetic of the whole" in printed
    assert "seam error" in printed


def test_zarr_and_npy_are_rasters(untrained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zarr

    picture = np.random.default_rng(2).integers(0, 256, (40, 52, 3), dtype=np.uint8)
    root = tmp_path / "rasters"
    (root / "sub").mkdir(parents=True)
    stored = zarr.create_array(root / "sub/slide.zarr", shape=picture.shape, chunks=(16, 16, 3), dtype="u1")
    stored[:] = picture
    np.save(root / "array.npy", picture)
    out = tmp_path / "out"
    given = (root, root / "array.npy")
    assert run("predict", untrained_run, *given, "--out", out, "--save", "labels", "--memory", 512) == 0
    assert files(out) == ["array.tif", "sub/slide.tif"]
    expected = Predictor(untrained_run)(picture).labels
    for name in ("array.tif", "sub/slide.tif"):
        np.testing.assert_array_equal(read_mask(out / name), expected)
    # There is nothing to tell of rasters that fit.
    printed = capsys.readouterr().out
    assert printed.startswith("2 of 2 pictures in ")
    assert run("predict", untrained_run, root / "array.npy", "--out", out, "--save", "labels", "--memory", 512) == 0
    assert capsys.readouterr().out.startswith("1 of 1 picture in ")


def test_an_ordinary_picture_in_tiles_says_so(
    untrained_run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ("--save", "labels,geojson", "--tile", 32, "--mode", "exact")
    assert run("predict", untrained_run, photos / "a.png", "--out", out, *arguments) == 0
    assert files(out) == ["a.geojson", "a.png"]
    printed = capsys.readouterr().out
    assert "40x50 pixels (height x width) in 4 tiles of 32x32, exact: tiles carry all" in printed
    assert "exact, as if computed whole" in printed


def test_views_and_several_models_are_averaged(untrained_run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(untrained_run, tmp_path / "second, copy")
    for models, tta, given in (
        (f"{untrained_run},{untrained_run}", "", [untrained_run] * 2),
        (tmp_path / "second, copy", "hflip, 0.5", untrained_run),
    ):
        arguments = ("--save", "labels,probabilities", "--tta", tta)
        assert run("predict", models, photos / "a.png", "--out", out, *arguments) == 0
        predictor = Predictor(given, tta=[word for word in tta.split(", ") if word])
        expected = predictor(photos / "a.png", probabilities=True)
        np.testing.assert_array_equal(read_mask(out / "a.png"), expected.labels)
        np.testing.assert_allclose(np.load(out / "a_probabilities.npy"), expected.probabilities, atol=2e-3)


@pytest.mark.parametrize(
    ("option", "complaint"),
    [("probabilities", "probabilities cannot be written"), ("crf", "the CRF needs")],
)
def test_what_needs_the_whole_picture_is_refused_for_rasters(
    option: str,
    complaint: str,
    untrained_run: Path,
    map_file: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = ("--crf", "--save", "labels") if option == "crf" else ("--save", "probabilities")
    assert run("predict", untrained_run, map_file, photos / "a.png", "--out", out, *arguments) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert complaint in message
    assert "map.tif" in message
    assert files(out) == (["a.png"] if option == "crf" else ["a_probabilities.npy"])


def test_a_stopped_raster_is_resumed(
    untrained_run: Path, map_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def stopping(*arguments: object, **options: object) -> object:
        def stop(done: int, of: int) -> None:
            if done == 5:
                raise KeyboardInterrupt

        return label_raster(*arguments, **{**options, "progress": stop})  # type: ignore[arg-type]

    def counting(*arguments: object, **options: object) -> object:
        result = label_raster(*arguments, **options)  # type: ignore[arg-type]
        computed.append(result.computed)
        return result

    command = ("predict", untrained_run, map_file, "--save", "labels", "--tile", "32")
    assert run(*command, "--out", tmp_path / "unbroken") == 0
    out = tmp_path / "out"
    monkeypatch.setattr("pixelwise.inference.label_task.label_raster", stopping)
    assert run(*command, "--out", out) == 130
    assert not (out / "map.tif").exists()
    monkeypatch.setattr("pixelwise.inference.label_task.label_raster", counting)
    assert run(*command, "--out", out, "--resume") == 0
    assert 0 < computed[0] < 9
    assert files(out) == ["map.tif"]
    assert (out / "map.tif").read_bytes() == (tmp_path / "unbroken/map.tif").read_bytes()


def test_a_stopped_job_over_many_pictures_skips_what_is_finished(
    untrained_run: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    computed: list[tuple[int, int]] = []
    call = Predictor.__call__

    def stopping(self: Predictor, picture: DecodedPicture, **options: object) -> object:
        if len(computed) == 1 and not resumed:
            raise KeyboardInterrupt
        computed.append(picture.size)
        return call(self, picture, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "__call__", stopping)
    out = tmp_path / "out"
    command = ("predict", untrained_run, photos, "--out", out, "--save", "labels")
    resumed = False
    assert run(*command) == 130
    assert files(out) == [RECORD_FILE, "a.png"]
    resumed = True
    assert run(*command, "--resume") == 0
    assert computed == [(40, 50), (33, 17)]
    assert files(out) == ["a.png", "sub/b.png"], "the record goes with the end of the job"
    assert "2 of 2 pictures" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["settings", "picture", "result", "not resumed", "cut record", "damaged record"])
def test_what_has_changed_is_not_skipped(change: str, tmp_path: Path) -> None:
    picture, result = tmp_path / "a.png", tmp_path / "result.png"
    for file in (picture, result):
        file.write_bytes(b"1")
    first = Finished(tmp_path, {"mode": "auto"}, resume=False)
    first.add(str(Watch(picture)), [result])
    assert Finished(tmp_path, {"mode": "auto"}, resume=True).holds(str(Watch(picture)))
    if change == "picture":
        picture.write_bytes(b"12")
    elif change == "result":
        result.unlink()
    elif change == "cut record":
        record = tmp_path / RECORD_FILE
        record.write_bytes(record.read_bytes()[:-9])
    elif change == "damaged record":
        record = tmp_path / RECORD_FILE
        record.write_bytes(record.read_bytes().replace(b'"files": [', b'"files": [['))
    settings = {"mode": "exact" if change == "settings" else "auto"}
    again = Finished(tmp_path, settings, resume=change != "not resumed")
    assert not again.holds(str(Watch(picture)))
    result.touch()
    again.add(str(Watch(picture)), [result])
    assert Finished(tmp_path, settings, resume=True).holds(str(Watch(picture))), "the record goes on"


@pytest.mark.parametrize("kind", ["zarr", "png"])
def test_a_picture_that_changes_after_it_was_finished_is_labelled_again(
    kind: str, untrained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the change comes between reading the picture and writing its labels."""
    import zarr

    (tmp_path / "in").mkdir()
    picture = tmp_path / "in" / f"a.{kind}"
    rng = np.random.default_rng(0)

    def draw(size: tuple[int, int]) -> np.ndarray:
        return rng.integers(0, 256, (*size, 3), dtype=np.uint8)

    if kind == "zarr":
        array = zarr.create_array(picture, shape=(40, 52, 3), chunks=(16, 16, 3), dtype="u1")
        array[...] = draw((40, 52))
    else:
        Image.fromarray(draw((40, 52))).save(picture)
    Image.fromarray(draw((20, 20))).save(tmp_path / "in" / "b.png")
    out = tmp_path / "out"
    add = Finished.add

    def stopping(self: Finished, source: str, files: Iterable[str | Path], facts: PictureFacts | None) -> None:
        if kind == "png":
            Image.fromarray(draw((40, 52))).save(picture)
        add(self, source, files, facts)
        raise KeyboardInterrupt

    command = ("predict", untrained_run, tmp_path / "in", "--out", out, "--save", "labels")
    monkeypatch.setattr(Finished, "add", stopping)
    assert run(*command) == 130
    monkeypatch.setattr(Finished, "add", add)
    if kind == "zarr":
        array[32:, 48:] = draw((8, 4))
    assert run(*command, "--resume") == 0
    changed = array[...] if kind == "zarr" else read_image(picture).transpose(1, 2, 0)
    labels = read_mask(out / ("a.tif" if kind == "zarr" else "a.png"))
    np.testing.assert_array_equal(labels, Predictor(untrained_run)(changed).labels)


def test_labels_never_take_the_place_of_a_map(
    untrained_run: Path, map_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = map_file.read_bytes()
    assert run("predict", untrained_run, map_file, "--out", map_file.parent, "--save", "overlay") == 2
    assert "would overwrite a picture" in capsys.readouterr().err
    assert map_file.read_bytes() == before


def test_what_is_a_raster(photos: Path, map_file: Path, tmp_path: Path) -> None:
    assert is_raster(map_file)
    assert not is_raster(photos / "a.png")
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((20, 30, 3), np.uint8), photometric="rgb")
    assert not is_raster(tmp_path / "plain.tif")
    side = int(STREAMED_PIXELS**0.5)
    assert not is_raster(_blank(tmp_path / "large.tif", side, side))
    assert is_raster(_blank(tmp_path / "larger.tif", side, side + 1))


def _blank(path: Path, height: int, width: int) -> Path:
    """Write a large TIFF whose pixels take no room on the disk."""
    tifffile.memmap(path, shape=(height, width), dtype=np.uint8)
    return path


def test_places_that_are_not_read_are_said_once(
    untrained_run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "sub/b"):
        (photos / f"{name}.pgw").write_text("1\n0\n0\n-1\n5\n9\n")
    assert run("predict", untrained_run, photos, "--out", tmp_path / "out", "--save", "labels") == 0
    printed = capsys.readouterr().out
    assert printed.count("2 pictures have a place on the Earth in files beside that are not read (a.pgw, b.pgw)") == 1


def test_the_command_and_the_predictor_allow_the_same_memory() -> None:
    assert inspect.signature(predict).parameters["memory"].default == DEFAULT_MEMORY_MIB
