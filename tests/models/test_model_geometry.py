"""Every model reads what it declares: nothing beyond, and on a structural twin exactly that."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.models import MODELS, SegmentationModel, build_model
from pixelwise.nn.tracing.trace import trace

ENCODER = "test_resnet"  # a small one that timm has for tests
WIDTH = 1 / 32
CHANNELS = 3
SEMANTIC = sorted(name for name, entry in MODELS.items() if not entry.objects)


def small(name: str) -> SegmentationModel:
    """The structure of a model with few channels."""
    entry = MODELS[name]
    options: dict[str, Any] = {} if entry.encoder is None else {"encoder": ENCODER}
    if "width" in entry.options.names():
        options["width"] = WIDTH
    torch.manual_seed(0)
    return build_model(name, classes=2, **options).eval()


@pytest.fixture(scope="module", params=SEMANTIC)
def model(request: pytest.FixtureRequest) -> SegmentationModel:
    return small(request.param)


def finite(model: SegmentationModel) -> SegmentationModel:
    if model.geometry.whole:
        pytest.skip("sees the whole picture")
    return model


class Block:
    """Rows of one period in the middle of a picture, high and narrow, and the rows of the picture that they read."""

    def __init__(self, model: SegmentationModel) -> None:
        geometry = model.geometry
        assert geometry.halo is not None
        period = geometry.period
        self.start = geometry.halo + period
        self.stop = self.start + period
        self.height = self.stop + geometry.halo + period + 1  # an odd size
        self.width = 2 * period - 3
        first, last = geometry.reads(self.start, self.stop - 1)
        # Output y of an unpadded network lies on input y + margin; a model mirrors the margin around the picture.
        self.first, self.last = first - geometry.margin, last - geometry.margin

    def of(self, result: Tensor) -> Tensor:
        return result[:, :, self.start : self.stop]


@torch.no_grad()
def test_what_lies_beyond_the_context_never_reaches_a_block(model: SegmentationModel) -> None:
    geometry, block = finite(model).geometry, Block(model)
    assert geometry.context == max(block.start - block.first, block.last - (block.stop - 1))
    images = torch.randn(3, CHANNELS, block.height, block.width)
    images[0, :, : block.first] = torch.nan
    images[0, :, block.last + 1 :] = torch.nan
    images[1, :, : block.first + geometry.period] = torch.nan  # a period nearer, above and below
    images[2, :, block.last + 1 - geometry.period :] = torch.nan
    beyond, above, below = block.of(model(images))
    assert beyond.isfinite().all()
    assert above.isnan().any()
    assert below.isnan().any()


def twin(name: str) -> SegmentationModel:
    """Positive weights and identity norms: a pixel that is read cannot cancel out."""
    model = small(name).double()
    for part in list(model.modules()):
        for key, child in part.named_children():
            if isinstance(child, nn.BatchNorm2d | nn.LocalResponseNorm):
                setattr(part, key, nn.Identity())
    for parameter in model.parameters():
        weights = parameter.numel() // len(parameter)
        parameter.data.fill_(0 if parameter.ndim == 1 else 1 / weights)
    return model


def into_every_place(values: Tensor, *_: object, output_size: tuple[int, int], **__: object) -> Tensor:
    """Unpooling whose values reach wherever their indices could say."""
    height, width = output_size
    return values.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :height, :width]


@torch.no_grad()
@pytest.mark.parametrize("name", SEMANTIC)
def test_a_twin_reads_exactly_what_is_declared(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = finite(twin(name))
    monkeypatch.setattr(F, "max_unpool2d", into_every_place)
    block = Block(model)
    rows = (block.first - 1, block.first, block.last, block.last + 1)
    for axis in (2, 3):
        images = torch.zeros(4, CHANNELS, block.height, block.width, dtype=torch.float64)
        for image, row in zip(images, rows, strict=True):
            image[:, row] = 1
        result = model(images if axis == 2 else images.transpose(2, 3))
        read = block.of(result if axis == 2 else result.transpose(2, 3)).abs().amax((1, 2, 3)) > 0
        assert read.tolist() == [False, True, True, False]


@torch.no_grad()
def test_pictures_that_begin_a_period_later_give_the_same(model: SegmentationModel) -> None:
    geometry, block = finite(model).geometry, Block(model)
    images = torch.randn(1, CHANNELS, block.height + 2 * geometry.period, block.width)
    whole = model(images)
    part = model(images[:, :, geometry.period : -geometry.period + 2])  # of another odd size, too
    inside = slice(block.start, block.start + 1)  # the first row whose context lies within both
    expected = whole[:, :, inside.start + geometry.period : inside.stop + geometry.period]
    torch.testing.assert_close(part[:, :, inside], expected, rtol=0, atol=1e-5 * float(whole.abs().max()))


@torch.no_grad()
@pytest.mark.parametrize("size", [(33, 47), (70, 35), (1, 1)])
def test_coarse_cells_have_the_declared_stride_at_odd_sizes(model: SegmentationModel, size: tuple[int, int]) -> None:
    coarse = model.coarse(torch.randn(1, CHANNELS, *size))
    assert coarse.scale == 1 / model.stride
    assert coarse.offset == -model.first / model.stride
    side = 8 * model.geometry.period if model.border == "zeros" else model.geometry.input_size(64)
    traced = trace(model.network, (1, CHANNELS, side, side)).outputs[0]
    for cells, side in zip(coarse.logits.shape[2:], size, strict=True):
        geometry = model.geometry
        computed = geometry.padded_size(side) if model.border == "zeros" else geometry.input_size(side)
        assert cells == traced.output_size(computed)
        # No pixel lies a whole cell outside them.
        assert model.first < model.stride
        assert (cells - 1) * model.stride + model.first > side - 1 - model.stride


@torch.no_grad()
def test_who_sees_the_whole_picture_says_so(model: SegmentationModel) -> None:
    if not model.geometry.whole:
        return  # held to what it declares above
    assert (model.geometry.low, model.geometry.context, model.geometry.receptive_field) == (None, None, None)
    images = torch.randn(1, CHANNELS, 1024, 2 * model.geometry.period)
    images[:, :, 0] = torch.nan
    assert model(images)[:, :, -1].isnan().all()


@pytest.mark.parametrize("encoder", ["test_convnext", "tf_efficientnet_lite0", "regnetx_002"])
def test_encoders_of_many_kinds_keep_what_they_declare(encoder: str) -> None:
    torch.manual_seed(0)
    model = build_model("fcn", classes=2, encoder=encoder, hidden_channels=8).eval()
    test_what_lies_beyond_the_context_never_reaches_a_block(model)
