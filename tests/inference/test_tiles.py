"""What tiles claim: exact ones equal the whole, the seam error is what it says, and the claim can be seen to fail."""

from __future__ import annotations

import copy
import platform
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.inference import Predictor
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.inference.tiles import inside, release_free_memory, show
from pixelwise.models import SegmentationModel
from pixelwise.models.base import Edge
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import PixelCost, Tile, TilePlan, choose_tiles
from pixelwise.types import LabelSpace


def draw(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plan_of(model: SegmentationModel, size: tuple[int, int], tile: int, halo: int | None) -> TilePlan:
    return TilePlan(size, (tile, tile), model.geometry, halo, halo is None, 0.0, "")


class Twin(nn.Module):
    """Average pools and positive weights alone: whatever a pixel can reach changes its logits."""

    def forward(self, images: Tensor) -> Tensor:
        fine = F.avg_pool2d(images, 2)
        deep = F.avg_pool2d(F.avg_pool2d(fine, 3, stride=1, padding=1), 2)
        deep = F.avg_pool2d(deep, 3, stride=1, padding=1)
        return fine + F.interpolate(deep, scale_factor=2, mode="nearest")


@pytest.fixture
def twin() -> SegmentationModel:
    inert = Preprocessing(mean=(0.0,) * 3, std=(1 / 255,) * 3)
    return SegmentationModel(Twin(), label_space=LabelSpace(("r", "g", "b")), preprocessing=inert, stride=2).eval()


def logits(model: SegmentationModel, image: np.ndarray, tile: Tile, plan: TilePlan) -> Tensor:
    """Full-size logits (K, h, w) of what a tile writes, in float64."""
    tile_input = torch.from_numpy(show(lambda r, c: image[:, r, c], tile, plan).copy())[None].double()
    with torch.no_grad():
        rows, columns = inside(tile, 0)
        return model(tile_input)[0, :, rows, columns]


def test_an_unaligned_origin_or_a_halo_one_period_short_spoils_tiles(twin: SegmentationModel) -> None:
    image = draw(61, 53).transpose(2, 0, 1)
    geometry = twin.geometry
    assert (geometry.period, geometry.context) == (4, 10)
    whole = logits(twin, image, next(iter(plan_of(twin, (61, 53), 100, None))), plan_of(twin, (61, 53), 100, None))
    plan = plan_of(twin, (61, 53), 16, None)

    def worst(change) -> float:
        tiles = [change(tile) for tile in plan]
        return max(
            float((logits(twin, image, tile, plan) - whole[:, tile.write[0], tile.write[1]]).abs().max())
            for tile in tiles
        )

    def shift(tile: Tile) -> Tile:
        return Tile(tuple(slice(max(0, read.start - 1), read.stop) for read in tile.read), tile.write)

    def shorten(tile: Tile) -> Tile:
        starts = [min(read.start + 4, w.start) if w.start else 0 for read, w in zip(*tile, strict=True)]
        return Tile(tuple(slice(s, read.stop) for s, read in zip(starts, tile.read, strict=True)), tile.write)

    assert worst(lambda tile: tile) < 1e-9 * float(whole.abs().max())
    assert worst(shift) > 1
    assert worst(shorten) > 0.1


def test_exact_tiles_have_no_seam_error_and_equal_the_whole(wide: SegmentationModel) -> None:
    picture = draw(97, 83)
    whole = Predictor(wide, device="cpu", precision="float64")(picture)
    assert set(np.unique(whole.labels)) == {0, 1, 2}
    for tile in (16, 40, 64):
        tiled = Predictor(wide, device="cpu", precision="float64", mode="exact", tile=tile)(picture)
        np.testing.assert_array_equal(tiled.labels, whole.labels)
        assert tiled.exact
        assert tiled.seam_error is None


@pytest.mark.parametrize("edge", ["zeros", "mirror"])
@pytest.mark.parametrize("size", [(33, 62), (34, 61), (35, 63), (32, 65)])
def test_tiles_at_the_edge_go_on_as_the_whole_does(twin: SegmentationModel, size: tuple[int, int], edge: Edge) -> None:
    """At any number of pixels that a picture lacks of the period, for tiles down to a single row or column."""
    twin.change_card(edge=edge)
    image = draw(*size).transpose(2, 0, 1)
    whole_plan = plan_of(twin, size, 100, None)
    whole = logits(twin, image, next(iter(whole_plan)), whole_plan)
    for side in (4, 16, 31, 60, 64):
        plan = plan_of(twin, size, side, None)
        for tile in plan:
            found = logits(twin, image, tile, plan)
            torch.testing.assert_close(found, whole[:, tile.write[0], tile.write[1]], rtol=1e-12, atol=1e-9)


def test_every_runtime_continues_pictures_as_the_model_was_trained(wide: SegmentationModel) -> None:
    picture = draw(61, 58)
    beyond = np.pad(picture, ((0, 3), (0, 2), (0, 0)), mode="reflect")
    labels = {}
    for edge in ("zeros", "mirror"):
        model = copy.deepcopy(wide)
        model.change_card(edge=edge)
        labels[edge] = Predictor(model, device="cpu", precision="float64")(picture).labels
        for tile in (16, 40):
            tiled = Predictor(model, device="cpu", precision="float64", mode="exact", tile=tile)(picture)
            np.testing.assert_array_equal(tiled.labels, labels[edge])
    expected = Predictor(wide, device="cpu", precision="float64")(beyond).labels
    np.testing.assert_array_equal(labels["mirror"], expected[:61, :58])
    assert (labels["zeros"] != labels["mirror"]).any()


@pytest.mark.parametrize("mode", ["auto", "exact", "fast"])
def test_the_same_memory_gives_the_same_tiles_and_labels(wide: SegmentationModel, mode: str) -> None:
    picture = draw(200, 170)
    memory = TorchRuntime(wide, device="cpu", precision="float32").cost.bytes * 110**2 / 2**20
    first, second = (Predictor(wide, device="cpu", precision="float32", mode=mode, memory=memory) for _ in range(2))
    assert not first.plan((200, 170)).whole
    assert first.plan((200, 170)) == second.plan((200, 170))
    np.testing.assert_array_equal(first(picture).labels, second(picture).labels)
    assert first(picture).exact == (mode != "fast" or first.plan((200, 170)).halo == wide.geometry.context)


def test_less_memory_means_smaller_tiles(wide: SegmentationModel) -> None:
    per_pixel = TorchRuntime(wide, device="cpu", precision="float32").cost.bytes
    sides = [
        choose_tiles((1000, 1000), wide.geometry, cost=PixelCost.even(per_pixel), memory=int(per_pixel * side**2)).tile[
            0
        ]
        for side in (200, 400, 800)
    ]
    assert sides == sorted(sides)
    assert all(tile + 2 * 24 <= side for tile, side in zip(sides, (200, 400, 800), strict=True))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap is another one without glibc")
def test_free_blocks_inside_the_heap_are_given_back() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    blocks = [np.ones(8192) for _ in range(1600)]  # 64 KiB each, too small to be mapped one by one
    last = np.ones(8192)  # keeps the end of the heap
    full = resident()
    blocks.clear()
    release_free_memory()
    assert full - resident() > 60 << 20
    assert last[0] == 1
