"""RoI pooling, warping and aligning: published values, slow loops that anyone can read, and the choice of a map."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, roi_align, roi_pool

from pixelwise.detection.roi import ROI_OPERATIONS, RegionReader, levels_of, read_regions
from pixelwise.errors import SettingError

RAMP = torch.arange(16.0).repeat(16, 1)[None, None]  # f(y, x) = x
BOX = torch.tensor([[0, 2.3, 3.7, 9.1, 11.2]])


def read_slowly(features: Tensor, roi: Tensor, *, cells: int, stride: float, operation: str, reduce: str) -> Tensor:
    """One region of one picture, bin by bin and sample by sample: (C, cells, cells)."""
    height, width = features.shape[2:]
    values = features[int(roi[0])]
    edges = [float(edge) / stride for edge in roi[1:]]
    if operation != "align":
        left, top, right, bottom = (math.floor(edge + 0.5) for edge in edges)
        edges = [left, top, max(right, left) + 1, max(bottom, top) + 1]
    left, top, right, bottom = edges
    down, along = (bottom - top) / cells, (right - left) / cells
    result = torch.zeros(values.shape[0], cells, cells, dtype=features.dtype)
    for row in range(cells):
        for column in range(cells):
            if operation == "pool":
                rows = range(math.floor(row * down) + int(top), math.ceil((row + 1) * down) + int(top))
                columns = range(math.floor(column * along) + int(left), math.ceil((column + 1) * along) + int(left))
                found = [values[:, y, x] for y in rows for x in columns if 0 <= y < height and 0 <= x < width]
            else:
                found = [
                    at(values, top + (row + (a + 0.5) / 2) * down - 0.5, left + (column + (b + 0.5) / 2) * along - 0.5)
                    for a in range(2)
                    for b in range(2)
                ]
            if found:
                stacked = torch.stack(found)
                result[:, row, column] = stacked.mean(0) if reduce == "avg" else stacked.amax(0)
    return result


def at(values: Tensor, y: float, x: float) -> Tensor:
    """Interpolate (C, h, w) between the middles of its cells; beyond one cell from the map there is 0."""
    height, width = values.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return torch.zeros_like(values[:, 0, 0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = y - top, x - left
    upper = (1 - u) * values[:, top, left] + u * values[:, top, right]
    return (1 - v) * upper + v * ((1 - u) * values[:, down, left] + u * values[:, down, right])


@pytest.mark.parametrize("reduce", ["avg", "max"])
@pytest.mark.parametrize("operation", ROI_OPERATIONS)
def test_regions_equal_a_slow_loop(operation: str, reduce: str) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 3, 11, 13, dtype=torch.float64)
    corners = torch.rand(40, 2, dtype=torch.float64) * 180 - 10
    sides = torch.rand(40, 2, dtype=torch.float64) ** 3 * 120
    number = torch.randint(0, 2, (40, 1)).double()
    rois = torch.cat([number, corners, corners + sides], 1)
    found = read_regions(features, rois, cells=4, stride=16, operation=operation, reduce=reduce)
    for roi, region in zip(rois, found, strict=True):
        expected = read_slowly(features, roi, cells=4, stride=16, operation=operation, reduce=reduce)
        torch.testing.assert_close(region, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize(("half_pixel", "first"), [(False, 3.15), (True, 2.65)])
def test_align_reads_a_ramp_exactly(half_pixel: bool, first: float, samples: int) -> None:
    found = read_regions(RAMP, BOX, cells=4, stride=1, samples=samples, half_pixel=half_pixel)
    assert found[0, 0, 0].tolist() == pytest.approx([first, first + 1.7, first + 3.4, first + 5.1], abs=1e-5)


def test_pool_gives_whole_cells_of_a_ramp() -> None:
    assert read_regions(RAMP, BOX, cells=4, stride=1, operation="pool", reduce="max")[0, 0, 0].tolist() == [3, 5, 7, 9]


def test_align_of_a_coarse_map() -> None:
    box = torch.tensor([[0.0, 40, 40, 104, 104]])
    for half_pixel, expected in ((False, [3.5, 5.5]), (True, [3.0, 5.0])):
        found = read_regions(RAMP, box, cells=2, stride=16, half_pixel=half_pixel)[0, 0, 0]
        assert found.tolist() == pytest.approx(expected)


def test_align_of_the_whole_map_is_the_map() -> None:
    features = torch.randn(1, 2, 16, 16)
    whole = torch.tensor([[0.0, 0, 0, 16, 16]])
    torch.testing.assert_close(read_regions(features, whole, cells=16, stride=1, samples=1), features)


def test_operations_that_torchvision_has_equal_its_own() -> None:
    torch.manual_seed(1)
    features, rois = torch.randn(1, 4, 20, 20), torch.tensor([[0, 3.3, 8.1, 60.7, 77.2], [0, 0, 0, 5, 5]])
    torch.testing.assert_close(
        read_regions(features, rois, cells=7, stride=4, half_pixel=False), roi_align(features, rois, 7, 0.25, 2)
    )
    pooled = read_regions(features, rois, cells=7, stride=4, operation="pool", reduce="max")
    torch.testing.assert_close(pooled, roi_pool(features, rois, 7, 0.25))


@pytest.mark.parametrize("reduce", ["avg", "max"])
@pytest.mark.parametrize("operation", ROI_OPERATIONS)
def test_gradients_reach_the_map(operation: str, reduce: str) -> None:
    torch.manual_seed(2)
    features = torch.randn(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 1.2, 0.7, 20.3, 17.9], [0, 8.0, 9.0, 9.0, 9.5]], dtype=torch.float64)

    def read(values: Tensor) -> Tensor:
        return read_regions(values, rois, cells=3, stride=4, operation=operation, reduce=reduce)

    torch.autograd.gradcheck(read, features)


def test_larger_boxes_go_to_coarser_maps() -> None:
    sides = torch.tensor([1.0, 111, 112, 223, 224, 447, 448, 5000])
    boxes = torch.stack([torch.zeros(8), torch.zeros(8), sides, sides], 1)
    assert levels_of(boxes, (4, 8, 16, 32)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert levels_of(boxes, (8, 16)).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert levels_of(torch.zeros(1, 4), (4, 8)).tolist() == [0]


def test_a_pyramid_is_read_as_torchvision_reads_it() -> None:
    torch.manual_seed(3)
    maps = [torch.randn(2, 3, 256 // stride, 320 // stride) for stride in (4, 8, 16, 32)]
    corners = torch.rand(2, 30, 2) * 200
    boxes = [torch.cat([corner, corner + torch.rand(30, 2) ** 2 * 300 + 1], 1) for corner in corners]
    reference = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    expected = reference({str(number): features for number, features in enumerate(maps)}, boxes, [(256, 320)] * 2)
    found = RegionReader(7, (4, 8, 16, 32), half_pixel=False)(maps, boxes)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.float16, torch.bfloat16])
def test_boxes_of_any_type_are_read_off_the_same_map(dtype: torch.dtype) -> None:
    # The area of the last is 240 x 240: it overflows in bytes, and that of 200 times its side in float16.
    boxes = torch.tensor([[0, 0, 12, 12], [3, 8, 64, 120], [0, 0, 240, 240]])
    maps = [torch.rand(2, 16, 64, 64), torch.rand(2, 16, 32, 32), torch.rand(2, 16, 16, 16)]
    assert torch.equal(levels_of(boxes.to(dtype), (4, 8, 16)), levels_of(boxes.float(), (4, 8, 16)))
    assert levels_of((boxes * 200).half(), (4, 8, 16)).tolist() == [2, 2, 2]
    for operation in ROI_OPERATIONS:
        reader = RegionReader(3, (4, 8, 16), operation=operation)
        expected = reader(maps, [boxes.float(), boxes[:1].float()])
        torch.testing.assert_close(reader(maps, [boxes.to(dtype), boxes[:1].to(dtype)]), expected)


def test_no_boxes_give_no_regions() -> None:
    maps = [torch.randn(1, 3, 8, 8), torch.randn(1, 3, 4, 4)]
    for operation in ROI_OPERATIONS:
        assert RegionReader(7, (4, 8), operation=operation)(maps, [torch.zeros(0, 4)]).shape == (0, 3, 7, 7)


def test_wrong_names_are_refused() -> None:
    with pytest.raises(SettingError, match="pool, warp, align"):
        RegionReader(7, (4,), operation="crop")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="avg, max"):
        read_regions(RAMP, BOX, cells=2, stride=1, reduce="sum")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="above 0"):
        read_regions(RAMP, BOX, cells=0, stride=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("half_pixel", [False, True])
@pytest.mark.parametrize(("cells", "samples", "channels"), [(7, 2, 256), (14, 2, 65), (3, 1, 7), (2, 3, 130)])
def test_the_native_kernel_computes_what_torchvision_does(
    cells: int, samples: int, channels: int, half_pixel: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(4)
    maps = [torch.randn(2, channels, 96 // stride, 128 // stride).to(dtype) for stride in (4, 8)]
    corners = torch.rand(2, 20, 2) * 150 - 20
    boxes = [torch.cat([corner, corner + torch.rand(20, 2) ** 2 * 150], 1) for corner in corners]
    boxes[0][0] = torch.tensor([0.0, 0, 128, 96])
    reader = RegionReader(cells, (4, 8), samples=samples, half_pixel=half_pixel)
    if not reader._native(maps, boxes[0]):
        pytest.skip("the native kernels are not installed")
    weights = torch.randn(40, channels, cells, cells)
    results = []
    for dtype_of_run, native in ((dtype, True), (torch.float32, False)):
        if not native:
            monkeypatch.setattr(RegionReader, "_native", lambda *_: False)
        learning = [features.detach().to(dtype_of_run, copy=True).requires_grad_() for features in maps]
        read = reader(learning, boxes)
        assert read.dtype == dtype_of_run
        (read.float() * weights).sum().backward()
        assert read.is_contiguous(memory_format=torch.channels_last) or not native
        results.append([read.detach().float(), *(features.grad.float() for features in learning)])
    for found, expected in zip(*results, strict=True):
        scale = float(expected.abs().max())
        tolerance = 1e-5 * scale if dtype == torch.float32 else 1e-2 * scale
        assert (found - expected).abs().max() <= tolerance


def test_regions_of_no_boxes_give_gradients_of_nothing() -> None:
    maps = [torch.randn(1, 8, 16, 16, requires_grad=True) for _ in range(2)]
    read = RegionReader(7, (4, 8))(maps, [torch.zeros(0, 4)])
    assert read.shape == (0, 8, 7, 7)
    read.sum().backward()
    assert all(features.grad is not None and not features.grad.any() for features in maps)
