"""Image pooling in tiles: all of them take the mean of the picture from the same windows of it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelwise.inference import Predictor
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.inference.runtimes.views import parse_views
from pixelwise.inference.shared_pooling import LARGEST_WINDOW, WINDOWS_ALONG, WINDOWS_SHARE, spread_windows
from pixelwise.io.masks import read_mask
from pixelwise.models import SegmentationModel, build_model
from pixelwise.nn.image_mean import ImageMean


@pytest.mark.parametrize("size", [(5400, 10800), (2700, 5400), (600, 4000), (90, 70), (1, 3000), (33, 1)])
@pytest.mark.parametrize("period", [16, 32])
def test_windows_lie_on_the_picture_and_on_its_cells(size: tuple[int, int], period: int) -> None:
    windows = spread_windows(size, period)
    assert len(windows) == WINDOWS_ALONG**2
    for window in windows:
        for part, length in zip(window, size, strict=True):
            assert 0 <= part.start < part.stop <= length
            assert part.start % period == 0
    pixels = sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in windows)
    if min(size) > 8 * LARGEST_WINDOW:
        assert pixels == pytest.approx(min(WINDOWS_SHARE * size[0] * size[1], 16 * LARGEST_WINDOW**2), rel=0.2)
        middles = {(rows.start + rows.stop) / 2 / size[0] for rows, _ in windows}
        assert sorted(middles) == pytest.approx([1 / 8, 3 / 8, 5 / 8, 7 / 8], abs=0.01)


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    torch.manual_seed(0)
    model = build_model("deeplabv3plus", classes=3, encoder="resnet18", atrous_rates=(1, 2), decoder_channels=32)
    assert isinstance(model, SegmentationModel)
    model.train()
    with torch.no_grad():
        for _ in range(4):
            model(torch.randn(2, 3, 96, 96))
    return model.eval()


@pytest.fixture(scope="module")
def strip() -> np.ndarray:
    coarse = torch.randn(1, 3, 3, 60, generator=torch.Generator().manual_seed(0))
    slope = torch.linspace(-2, 2, 1536)
    fine = torch.nn.functional.interpolate(coarse, (64, 1536), mode="bicubic")[0] + slope
    return (128 + 40 * fine).clamp(0, 255).to(torch.uint8).numpy()  # (3, 64, 1536)


def test_a_piece_sees_the_mean_of_the_picture(model: SegmentationModel, strip: np.ndarray) -> None:
    runtime = TorchRuntime(model, device="cpu", precision="float32")
    with torch.inference_mode():
        whole = runtime.coarse(strip).logits
        alone = runtime.coarse(strip[:, :, :1024]).logits
        with runtime.averaging_over([strip]):
            piece = runtime.coarse(strip[:, :, :1024]).logits
        after = runtime.coarse(strip[:, :, :1024]).logits
    away = 1024 // 4 - 120  # cells that do not see the cut but through the mean
    close = {"rtol": 1e-4, "atol": 1e-4 * float(whole.abs().max())}
    torch.testing.assert_close(piece[..., :away], whole[..., :away], **close)
    assert (alone[..., :away] - whole[..., :away]).abs().max() > 10 * close["atol"]
    torch.testing.assert_close(after, alone)


def given(part: ImageMean) -> torch.Tensor:
    """What a part gives whatever it is shown; it is shown nothing that has a mean."""
    mean: torch.Tensor = part(torch.full((1, 1, 2, 2), torch.nan))
    return mean


def test_windows_count_by_their_pixels(model: SegmentationModel, strip: np.ndarray) -> None:
    runtime = TorchRuntime(model, device="cpu", precision="float32")
    (part,) = (part for part in runtime.model.modules() if isinstance(part, ImageMean))
    kept = []
    for windows in ([strip[:, :, :512]], [strip[:, :, 512:768]], [strip[:, :, :512], strip[:, :, 512:768]]):
        with runtime.averaging_over(windows):
            kept.append(given(part))
    torch.testing.assert_close(kept[2], (2 * kept[0] + kept[1]) / 3)
    with pytest.raises(RuntimeError, match="stopped"), runtime.averaging_over([strip]):
        raise RuntimeError("stopped")
    assert given(part).isnan().all()


def test_tiles_share_what_windows_of_the_picture_say(
    model: SegmentationModel, strip: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Labels of a picture, of a raster and counts alike; pictures that are computed whole need nothing."""
    reported: list[list[np.ndarray]] = []
    plain = TorchRuntime.averaging_over

    def averaging_over(self: TorchRuntime, images: Iterable[np.ndarray]) -> AbstractContextManager[None]:
        reported.append(list(images))
        return plain(self, reported[-1])

    monkeypatch.setattr(TorchRuntime, "averaging_over", averaging_over)
    picture = np.tile(strip, (1, 4, 1)).transpose(1, 2, 0)  # (256, 1536, 3)
    predictor = Predictor(model, device="cpu", precision="float32", tile=256)
    labels = predictor(picture).labels
    predictor.raster(picture, tmp_path / "labels.tif")
    counts = predictor.confusion(picture, labels)
    assert [len(windows) for windows in reported] == [16, 16, 16]
    for windows in reported:
        for image, (rows, columns) in zip(windows, spread_windows((256, 1536), 16), strict=True):
            np.testing.assert_array_equal(image, picture[rows, columns].transpose(2, 0, 1))
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.tif"), labels)
    assert np.diag(counts).sum() == counts.sum() == labels.size
    Predictor(model, device="cpu", precision="float32")(picture)
    assert len(reported) == 3


def test_every_model_of_an_ensemble_is_told(model: SegmentationModel, strip: np.ndarray) -> None:
    members = [TorchRuntime(model, device="cpu", precision="float32") for _ in range(2)]
    means = [part for member in members for part in member.model.modules() if isinstance(part, ImageMean)]
    with AveragingRuntime(members, parse_views(("hflip",))).averaging_over(iter([strip])):
        assert all(given(part).isfinite().all() for part in means)
    assert all(given(part).isnan().all() for part in means)
