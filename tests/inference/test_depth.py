"""Pictures of other numbers than a network learned from are refused by name, or scaled by a range that is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import ClassVar

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise import Predictor, Preprocessing
from pixelwise.cli.inputs import message_of
from pixelwise.data.fingerprint import fingerprint
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.errors import NumbersError, SettingError
from pixelwise.inference.labelling.jobs import Job, Options
from pixelwise.inference.labelling.label import label_one
from pixelwise.inference.labelling.outputs import FolderSink
from pixelwise.inference.pictures import decode_picture
from pixelwise.io.images import read_image
from pixelwise.io.pictures.depth import Learnt, parse_range
from pixelwise.listener import Silent
from pixelwise.models import SegmentationModel
from pixelwise.types import LabelSpace

SCENE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
STORED = {
    "uint8": SCENE,
    "uint16": (SCENE.astype(np.uint16) * 16),
    "int16": (SCENE.astype(np.int16) * 16 - 1000),
    "float32": (SCENE / 255).astype(np.float32),
}
"""The same scene as each kind of sensor stores it."""
RANGES = {"uint8": (0.0, 255.0), "uint16": (0.0, 4080.0), "int16": (-1000.0, 3080.0), "float32": (0.0, 1.0)}
"""Stored numbers that are black and white in it."""

ModelOf = Callable[..., SegmentationModel]


def learnt_from(kind: str) -> Preprocessing:
    """What the card of a network says that learned from such pictures."""
    return Preprocessing(value_range=None if kind == "uint8" else RANGES[kind], dtype=kind)


def save(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.tif"
    tifffile.imwrite(path, STORED[kind], photometric="rgb")
    return path


@pytest.mark.parametrize("given", STORED)
@pytest.mark.parametrize("learnt", STORED)
def test_the_same_scene_has_the_same_labels_or_is_refused(
    wide_of: ModelOf, tmp_path: Path, learnt: str, given: str
) -> None:
    model = wide_of(preprocessing=learnt_from(learnt))
    expected = Predictor(wide_of(), device="cpu", precision="float32")(SCENE).labels
    path = save(tmp_path, given)
    predictor = Predictor(model, device="cpu", precision="float32")
    if learnt == given:
        np.testing.assert_array_equal(predictor(path).labels, expected)
        np.testing.assert_array_equal(predictor(STORED[given]).labels, expected)
        predictor.raster(path, tmp_path / "out.png")
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), expected)
    else:
        says = (
            f"{re.escape(str(path))}: .* {given} numbers, but the network learned from .*{learnt}.*value_range LOW,HIGH"
        )
        with pytest.raises(NumbersError, match=says):
            predictor(path)
        with pytest.raises(NumbersError, match=says):
            predictor.raster(path, tmp_path / "out.png")
        with pytest.raises(NumbersError, match="the picture: "):
            predictor(STORED[given])
    told = Predictor(model, device="cpu", precision="float32", value_range=RANGES[given])
    np.testing.assert_array_equal(told(path).labels, expected)
    told.raster(path, tmp_path / "told.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "told.png")), expected)


def test_floats_of_any_width_and_few_bits_correspond() -> None:
    assert Learnt("float32", (0, 1)).range_for(np.dtype(">f8"), name="a") == (0, 1)
    assert Learnt("uint8").range_for(np.dtype(np.bool_), name="a") is None
    assert Learnt("uint16", (0, 4095)).range_for(np.dtype(">u2"), name="a") == (0, 4095)
    with pytest.raises(NumbersError, match="int16 numbers, but the network learned from uint16 from 0 to 4095"):
        Learnt("uint16", (0, 4095)).range_for(np.dtype(np.int16), name="a")


def test_networks_that_do_not_say_what_they_learned_from_took_8_bits_or_deeper_ones() -> None:
    assert Learnt(None).range_for(np.dtype(np.uint8), name="a") is None
    with pytest.raises(NumbersError, match=r"learned from 8 bits \(uint8\)"):
        Learnt(None).range_for(np.dtype(np.uint16), name="a")
    assert Learnt(None, (0, 4095)).range_for(np.dtype(np.int16), name="a") == (0, 4095)
    with pytest.raises(NumbersError, match="numbers deeper than 8 bits from 0 to 4095"):
        Learnt(None, (0, 4095)).range_for(np.dtype(np.uint8), name="a")


def test_numbers_far_outside_of_the_range_are_refused(wide_of: ModelOf, tmp_path: Path) -> None:
    model = wide_of(preprocessing=learnt_from("uint16"))
    predictor = Predictor(model, device="cpu", precision="float32")
    tifffile.imwrite(tmp_path / "full.tif", SCENE.astype(np.uint16) * 257, photometric="rgb")
    says = "full.tif: the picture holds numbers from 0 to 65535, .* uint16 from 0 to 4080, and most of them lie far"
    for read in (predictor, lambda path: predictor.raster(path, tmp_path / "out.png")):
        with pytest.raises(NumbersError, match=says):
            read(tmp_path / "full.tif")
    bright = np.clip(STORED["uint16"].astype(np.int64) * 2, 0, 65535).astype(np.uint16)  # clipped, as before
    assert predictor(bright).labels.shape == (24, 32)


def test_numbers_that_take_up_little_of_the_range_are_said(wide_of: ModelOf, tmp_path: Path) -> None:
    class Heard(Silent):
        lines: ClassVar[list[str]] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    model = wide_of(preprocessing=learnt_from("uint16"))
    predictor = Predictor(model, device="cpu", precision="float32")
    tifffile.imwrite(tmp_path / "dark.tif", SCENE.astype(np.uint16), photometric="rgb")
    extra = [(42113, "s", 0, "9999", True)]  # GDAL's no-data makes it a raster
    tifffile.imwrite(tmp_path / "raster.tif", SCENE.astype(np.uint16), photometric="rgb", extratags=extra)
    tifffile.imwrite(tmp_path / "plain.tif", np.full((24, 32, 3), 7, np.uint16), photometric="rgb")
    save(tmp_path, "uint16")
    for name in ("dark", "raster", "plain", "uint16"):
        job, sink = Job(tmp_path / f"{name}.tif", PurePath(name)), FolderSink(tmp_path / f"out-{name}")
        label_one(predictor, job, Options(("labels",)), sink, listener=Heard())
    said = [line for line in Heard.lines if "a twelfth" in line]
    assert [line.split(": ")[0] for line in said] == [str(tmp_path / "dark.tif"), str(tmp_path / "raster.tif")]
    assert "(uint16 from 0 to 4080); if they are stored otherwise, give value_range LOW,HIGH" in said[0]


def test_the_type_is_saved_with_the_model(wide_of: ModelOf, tmp_path: Path) -> None:
    described = learnt_from("int16").to_dict()
    assert described["dtype"] == "int16"
    assert Preprocessing.from_dict(described) == learnt_from("int16")
    del described["dtype"]  # as earlier files have it
    assert Preprocessing.from_dict(described) == Preprocessing(value_range=RANGES["int16"])
    with pytest.raises(SettingError, match="dtype is 'int12'"):
        Preprocessing(dtype="int12")


def test_a_range_by_hand_holds_for_8_bits_too() -> None:
    image = np.array([[0, 50, 100, 200]], np.uint8)
    decoded = decode_picture(image, Preprocessing((0.5,), (0.2,)).with_range((50, 150)))
    np.testing.assert_array_equal(decoded.image, [[[0, 0, 128, 255]]])


def pairs_of(folder: Path, kinds: list[str]) -> DataSource:
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(folder / "mask.png")
    pairs = tuple(Pair(kind, save(folder, kind), folder / "mask.png") for kind in kinds)
    return DataSource(folder, "folder", LabelSpace(("a", "b")), {"train": pairs})


@pytest.mark.parametrize("kind", STORED)
def test_the_type_is_measured(tmp_path: Path, kind: str) -> None:
    traits = fingerprint(pairs_of(tmp_path, [kind]))
    assert traits.dtype == kind
    assert (traits.value_range is None) == (kind == "uint8")


def test_pictures_of_several_types_are_not_learnt_from(tmp_path: Path) -> None:
    source = pairs_of(tmp_path, ["uint8", "uint16"])
    with pytest.raises(NumbersError, match=r"different types: uint16 \(.*uint16.tif\), uint8 \(.*uint8.tif\)"):
        fingerprint(source)
    assert fingerprint(source, any_type=True).images == 2


def test_the_command_line_names_its_option() -> None:
    with pytest.raises(NumbersError) as raised:
        Learnt("uint16", (0, 4095)).range_for(np.dtype(np.uint8), name="a.png")
    assert message_of(raised.value).endswith(
        "; give --value-range LOW,HIGH, the stored numbers that are to become black and white"
    )
    assert parse_range("-1000,3000.5") == (-1000.0, 3000.5)
    assert parse_range(None) is None
    for text in ("5", "1,2,3", "a,b", "4,4", "9,1", "0,inf", "nan,1"):
        with pytest.raises(SettingError, match="0,4095"):
            parse_range(text)


def test_reading_alone_takes_the_whole_range(tmp_path: Path) -> None:
    image = read_image(save(tmp_path, "int16"))
    np.testing.assert_array_equal(image, np.rint((STORED["int16"].transpose(2, 0, 1) + 32768.0) / 257).astype(np.uint8))
