"""The seam error is what it says: the share of pixels where tiles meet that twice the halo changes."""

from __future__ import annotations

import numpy as np

from pixelwise.inference import seams as module
from pixelwise.inference.raster import label_raster
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.inference.seams import Seams
from pixelwise.io.rasters.opening import open_source
from pixelwise.models import SegmentationModel
from pixelwise.tiling import TilePlan, Window


def draw(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plan_of(model: SegmentationModel, size: tuple[int, int], tile: int, halo: int | None) -> TilePlan:
    return TilePlan(size, (tile, tile), model.geometry, halo, halo is None, 0.0, "")


def cut(runtime: TorchRuntime, image: np.ndarray, window: Window, halo: int) -> np.ndarray:
    """Label a window with a halo, cut by hand from the picture."""
    starts = [max(0, side.start - halo) // 4 * 4 for side in window]
    stops = [-(-(side.stop + halo) // 4) * 4 for side in window]
    part = image[:, starts[0] : stops[0], starts[1] : stops[1]]
    inner = tuple(slice(side.start - s, side.stop - s) for side, s in zip(window, starts, strict=True))
    return runtime.labels(part, inner)


def test_it_is_the_share_that_twice_the_halo_changes_around_corners(wide: SegmentationModel) -> None:
    image = draw(90, 75).transpose(2, 0, 1)
    runtime = TorchRuntime(wide, device="cpu", precision="float32")
    plan = plan_of(wide, (90, 75), 48, 4)  # four tiles, which meet at (48, 48)
    seams = Seams(plan, lambda r, c: image[:, r, c], runtime)
    labels = np.zeros((90, 75), np.uint8)
    for tile in plan:
        labels[tile.write] = cut(runtime, image, tile.write, 4)
        seams.look(tile, labels[tile.write])
    around = np.s_[0:90, 0:75]  # 48 pixels on each side, within the picture
    differing = (labels[around] != cut(runtime, image, around, 8)).sum()
    assert differing > 50, "the halo is too short for this network"
    assert seams.finish() == differing / (90 * 75)


def test_only_what_lies_around_corners_is_looked_at(wide: SegmentationModel, monkeypatch) -> None:
    monkeypatch.setattr(module, "SEAM_SIDE", 5)
    image = draw(160, 200).transpose(2, 0, 1)
    runtime = TorchRuntime(wide, device="cpu", precision="float32")
    # Of many tiles, as many places as a sixteenth of what they are shown pays for: four at least, if there are.
    for tile, places in ((40, 4), (20, 5), (80, 2)):
        plan = plan_of(wide, (160, 200), tile, 4)
        seams = Seams(plan, lambda r, c: image[:, r, c], runtime)
        for one in plan:
            seams.look(one, np.zeros([side.stop - side.start for side in one.write], np.uint8))
        assert seams.finish() is not None
        assert seams.pixels == places * 100


def test_a_single_row_of_tiles_meets_in_its_middle(wide: SegmentationModel, monkeypatch) -> None:
    monkeypatch.setattr(module, "SEAM_SIDE", 5)
    image = draw(30, 100).transpose(2, 0, 1)
    seams = Seams(
        plan_of(wide, (30, 100), 40, 4),
        lambda r, c: image[:, r, c],
        TorchRuntime(wide, device="cpu", precision="float32"),
    )
    assert [place.window for place in seams._waiting] == [np.s_[10:20, 35:45], np.s_[10:20, 75:85]]


def test_exact_tiles_have_no_seams(wide: SegmentationModel) -> None:
    image = draw(90, 75).transpose(2, 0, 1)
    plan = plan_of(wide, (90, 75), 24, None)
    seams = Seams(plan, lambda r, c: image[:, r, c], TorchRuntime(wide, device="cpu", precision="float32"))
    assert seams.finish() is None


def test_a_resumed_job_measures_seams_on_what_is_left(wide: SegmentationModel) -> None:
    picture = draw(90, 75)
    runtime = TorchRuntime(wide, device="cpu", precision="float32")
    plan = plan_of(wide, (90, 75), 24, 4)
    places = [(t.write[0].start, t.write[1].start, *(w.stop - w.start for w in t.write)) for t in plan]

    class Forgetful:
        def write(self, row: int, column: int, labels: np.ndarray) -> None: ...

    for left, measured in ((3, True), (0, False)):
        reported: list[tuple[int, int]] = []
        result = label_raster(
            runtime,
            plan,
            open_source(picture),
            Forgetful(),
            finished=places[: 16 - left],
            progress=lambda done, of, reported=reported: reported.append((done, of)),
        )
        assert result.computed == left
        assert (result.seam_error is not None) == measured
        assert reported == [(done, 16) for done in range(16 - left, 17)]
