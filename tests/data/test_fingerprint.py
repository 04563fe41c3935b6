from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelwise.data.fingerprint import fingerprint
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError
from pixelwise.instances import BoxMask, Instances
from pixelwise.types import LabelSpace


def source(*pairs: Pair) -> DataSource:
    return DataSource(Path(), "folder", LabelSpace(("a", "b", "c")), {"train": pairs})


@pytest.fixture
def pair(write: Any) -> Any:
    def pair(name: str, image: np.ndarray, mask: np.ndarray) -> Pair:
        return Pair(name, write(f"images/{name}.png", image), write(f"masks/{name}.png", mask))

    return pair


def test_sizes_classes_and_pixels(pair: Any, image: Any, mask: Any) -> None:
    ignored = np.full((10, 4), 255, np.uint8)
    ignored[0, 0] = 1
    calls: list[tuple[int, int]] = []
    traits = fingerprint(
        source(pair("x", image, mask), pair("y", image, mask), pair("z", np.zeros((10, 4), np.uint8), ignored)),
        progress=lambda done, total: calls.append((done, total)),
    )
    assert traits.images == 3
    assert traits.median_size == (6, 8)
    assert (traits.channels, traits.bits, traits.value_range) == (3, 8, None)
    assert traits.class_pixels.tolist() == [36, 2 * int((mask == 1).sum()) + 1, 2 * int((mask == 2).sum())]
    assert (traits.ignored_pixels, traits.pixels) == (39, 136)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_deep_pictures_give_a_range_without_outliers(pair: Any) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(1000, 3000, (100, 100), np.uint16) for _ in range(3)]
    pictures[0][0, :3] = 65535
    traits = fingerprint(source(*(pair(str(k), p, np.zeros((100, 100), np.uint8)) for k, p in enumerate(pictures))))
    assert (traits.channels, traits.bits) == (1, 16)
    assert traits.value_range is not None
    np.testing.assert_allclose(traits.value_range, (1002, 2998), atol=3)


def test_other_numbers_of_channels_do_not_mix(write: Any, pair: Any, image: Any, mask: Any) -> None:
    import tifffile

    path = write("images/x.png", image).with_suffix(".tif")
    tifffile.imwrite(path, np.zeros((6, 8, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    five = Pair("five", path, write("masks/five.png", mask))
    assert fingerprint(source(five)).channels == 5
    with pytest.raises(DataError, match=r"different numbers of channels: 3 .*5"):
        fingerprint(source(five, pair("y", image, mask)))


@pytest.mark.data
def test_camvid(pictures: Path) -> None:
    data = open_data(pictures / "camvid")
    traits = fingerprint(replace(data, splits={"train": data.split("val")}))
    assert (traits.images, traits.median_size, traits.channels, traits.bits) == (101, (360, 480), 3, 8)
    assert int(traits.class_pixels.sum()) + traits.ignored_pixels == 101 * 360 * 480
    assert (traits.class_pixels > 0).all()


def test_up_and_down_are_alike_only_where_many_pictures_say_so(pair: Any) -> None:
    rng = np.random.default_rng(0)

    def upright(count: int, first: int) -> bool:
        """Squares of class 1 whose rows begin anywhere from ``first`` on."""
        pairs = []
        for number in range(count):
            mask = np.zeros((20, 20), np.uint8)
            top, left = rng.integers(first, 15), rng.integers(0, 15)
            mask[top : top + 5, left : left + 5] = 1
            pairs.append(pair(f"{count}-{first}-{number}", np.zeros((20, 20), np.uint8), mask))
        return fingerprint(source(*pairs)).upright

    assert upright(60, 8)
    assert not upright(60, 0)
    assert upright(12, 0)


def test_objects_have_an_up_and_a_down_too(write: Any) -> None:
    @dataclass
    class Known:
        objects: Instances

        def read(self) -> Instances:
            return self.objects

    image = write("a.png", np.zeros((20, 20, 3), np.uint8))
    space = LabelSpace(("cell",))
    for rows, expected in (((0, 10), False), ((10, 10), True)):
        pairs = []
        for number in range(40):
            top = rows[number % 2] + number % 7
            mask = BoxMask(np.ones((3, 3), np.bool_), top, 4, (20, 20))
            pairs.append(Pair(str(number), image, None, Known(Instances.of_masks((20, 20), [mask], [0]))))
        data = DataSource(Path(), "objects", space, {"train": tuple(pairs)})
        traits = fingerprint(data)
        assert traits.upright is expected
        assert traits.class_pixels.tolist() == [9 * 40]
