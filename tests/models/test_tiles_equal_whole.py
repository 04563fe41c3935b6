"""Tiles that carry what the network reads equal the whole picture, for every network of finite reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pixelwise import MODELS, build_model
from pixelwise.inference.tiles import inside, show
from pixelwise.io.images import read_image
from pixelwise.models import SegmentationModel
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail.reference import upsample_window
from pixelwise.tiling import Tile, TilePlan

TILES = (64, 96, 250)
SEMANTIC = sorted(name for name, entry in MODELS.items() if not entry.objects)


def small(name: str) -> SegmentationModel:
    """A narrow form of a model whose logits differ from place to place, as those of a trained one do."""
    torch.manual_seed(0)
    entry = MODELS[name]
    model = (
        build_model(name, classes=4, encoder="resnet18")
        if entry.encoder
        else build_model(name, classes=4, width=0.0625)
    )
    for part in model.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d) and not part.weight.any():
            nn.init.normal_(part.weight, std=0.1)  # score layers that start at zero
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return model.eval()


@pytest.fixture(scope="module")
def street() -> np.ndarray:
    """A real picture of odd size, (3, H, W)."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "clothing" / "images"
    pictures = sorted(folder.glob("*.jpg"))
    if not pictures:
        pytest.skip("the real pictures are not beside the checkout")
    return read_image(pictures[0])[:, :781, :549]


def logits_of(model: SegmentationModel, image: np.ndarray, tile: Tile, plan: TilePlan) -> Tensor:
    """Full-size logits (K, h, w) of what a tile writes, from the tile that it is fed."""
    tile_input = torch.from_numpy(show(lambda r, c: image[:, r, c], tile, plan).copy())[None]
    mean, std = (torch.tensor(v)[:, None, None] for v in (model.preprocessing.mean, model.preprocessing.std))
    normalised = ((tile_input / 255 - mean) / std).to(next(model.parameters()).dtype)
    rows, columns = inside(tile, model.geometry.margin)
    with torch.no_grad():
        if model.border == "mirror":
            coarse = model.score(normalised, (rows.stop, columns.stop))
        else:
            coarse = model.coarse(normalised)
    cells = (coarse.logits.shape[2], coarse.logits.shape[3])
    grid = resolve_grid(cells, (rows.stop, columns.stop), coarse.scale, coarse.offset)
    return upsample_window(coarse.logits, *grid, rows, columns)[0]


def pick(plan: TilePlan) -> list[Tile]:
    """A tile in the middle and the last one, whose borders are all the kinds there are."""
    tiles = list(plan)
    return [tiles[len(tiles) // 2], tiles[-1]]


def plan_of(model: SegmentationModel, image: np.ndarray, tile: int) -> TilePlan:
    return TilePlan((image.shape[1], image.shape[2]), (tile, tile), model.geometry, None, True, 0.0, "")


@pytest.mark.parametrize("name", SEMANTIC)
def test_tiles_equal_the_whole_on_a_real_picture(name: str, street: np.ndarray) -> None:
    model = small(name)
    if model.geometry.whole:
        pytest.skip("sees the whole picture")
    if name.startswith("segnet"):  # in float32 rounding decides which of two equal values pooling keeps
        model = model.double()
    (all_of_it,) = plan_of(model, street, 10_000)
    whole = logits_of(model, street, all_of_it, plan_of(model, street, 10_000))
    assert len(whole.argmax(0).unique()) > 1, "labels must differ within the picture"
    shares = []
    for tile in TILES:
        plan = plan_of(model, street, tile)
        for piece in pick(plan):
            expected = whole[:, piece.write[0], piece.write[1]]
            found = logits_of(model, street, piece, plan)
            assert (found - expected).abs().max() <= 1e-4 * whole.abs().max()
            best = expected.topk(2, 0).values
            clear = best[0] - best[1] > 2e-4 * whole.abs().max()
            assert (found.argmax(0) == expected.argmax(0))[clear].all()
            pixels = (piece.read[0].stop - piece.read[0].start) * (piece.read[1].stop - piece.read[1].start)
            shares.append(pixels / (street.shape[1] * street.shape[2]))
    assert min(shares) < 1, "some tile must show less than the picture"
