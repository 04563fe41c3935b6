"""Traced geometry against measurement: change each input row and see which outputs change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders.resnet import ResNet
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.nn.blocks import DepthwiseConv2d
from pixelwise.nn.tracing.trace import trace
from pixelwise.nn.upsampling import upsample_aligned

SIDE = 48


class Do(nn.Module):
    """A function as a network; its parts are registered so that they have parameters."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(parts)

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images, *self.parts)


def positive(network: nn.Module) -> nn.Module:
    """Weights that cannot cancel: what is read is then seen in the output."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in network.named_parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator) + 0.2
        if name.endswith("bias"):
            parameter.data.zero_()
    return network.double().eval()


@torch.no_grad()
def dependencies(network: nn.Module, size: tuple[int, int], *, axis: int, channels: int = 4) -> Tensor:
    """Whether output ``o`` along an axis changes with input ``i``: bool (outputs, inputs)."""
    generator = torch.Generator().manual_seed(1)
    picture = torch.rand(1, channels, *size, generator=generator, dtype=torch.float64)
    inputs = size[axis]
    changed = picture.repeat(inputs, 1, 1, 1)
    by = 10 + 10 * torch.rand(channels, 1, generator=generator, dtype=torch.float64)  # beyond any maximum of a pool
    for i in range(inputs):
        changed.select(axis + 2, i)[i] += by
    before, after = network(picture), network(changed)
    differs = ((after - before).abs() > 1e-9 * before.abs().max()).any(1)  # (inputs, h, w)
    return differs.any(2 - axis).T


def check(network: nn.Module, *, size: tuple[int, int] = (SIDE, SIDE), exact: bool = True, channels: int = 4) -> None:
    """Hold the traced geometry against what changes, at every output along both axes.

    Declared reads hold all that changes; where they lie inside the picture they are exactly its first and last.
    """
    network = positive(network)
    traced = trace(network, (1, channels, *size))
    assert not traced.outputs[0].whole
    for axis in (0, 1):
        changes = dependencies(network, size, axis=axis, channels=channels)
        geometry = traced.stages[-1].geometry  # of the network itself
        assert geometry is not None
        assert geometry.output_size(size[axis]) == traced.shapes[0][2 + axis] == len(changes)
        inside = 0
        for output, row in enumerate(changes):
            first, last = geometry.reads(output)
            seen = row.nonzero().flatten().tolist()
            if not seen:
                continue
            assert first <= seen[0], (axis, output, first, last, seen)
            assert seen[-1] <= last, (axis, output, first, last, seen)
            if exact and first >= 0 and last < size[axis]:
                inside += 1
                assert (seen[0], seen[-1]) == (first, last), (axis, output)
        assert inside >= len(geometry.phases) or not exact


def conv(kernel: int | tuple[int, int] = 3, **options: object) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, **options)  # type: ignore[arg-type]


def up(kernel: int, **options: object) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(4, 4, kernel, **options)  # type: ignore[arg-type]


def channels_last(images: Tensor, norm: nn.Module, linear: nn.Module) -> Tensor:
    return linear(norm(images.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def merge_patches(images: Tensor, linear: nn.Module) -> Tensor:
    """Four pixels side by side become channels, in channels-last order as in Swin."""
    last = images.permute(0, 2, 3, 1)
    parts = [last[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return linear(torch.cat(parts, 3)).permute(0, 3, 1, 2)


def crop_like(images: Tensor, inner: nn.Module) -> Tensor:
    found = inner(images)
    margin = (images.shape[2] - found.shape[2]) // 2
    return found + images[:, :, margin : margin + found.shape[2], margin : margin + found.shape[3]]


def unpooled(images: Tensor) -> Tensor:
    pooled, indices = F.max_pool2d(images, 2, return_indices=True)
    return F.max_unpool2d(pooled, indices, 2)


LOCAL = {
    "conv 3": lambda: conv(padding=1),
    "conv 5, stride 2": lambda: conv(5, stride=2, padding=2),
    "conv 2, stride 3": lambda: conv(2, stride=3),
    "atrous": lambda: conv(3, dilation=4, padding=4),
    "valid": lambda: conv(7),
    "wide and high kernels": lambda: nn.Sequential(conv((1, 7), padding=(0, 3)), conv((7, 1), padding=(3, 0))),
    "depthwise, uneven padding": lambda: DepthwiseConv2d(4, 3, stride=2, padding=(0, 1)),
    "max pool": lambda: nn.MaxPool2d(2),
    "max pool 3, stride 2": lambda: nn.MaxPool2d(3, 2, 1),
    "max pool, ceil": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "max pool, atrous": lambda: nn.MaxPool2d(3, 2, dilation=2),
    "average pool, ceil": lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "transposed 2": lambda: nn.Sequential(nn.MaxPool2d(2), up(2, stride=2)),
    "transposed 4": lambda: nn.Sequential(conv(stride=2, padding=1), up(4, stride=2, padding=1)),
    "transposed 3, output padding": lambda: up(3, stride=2, padding=1, output_padding=1),
    "transposed 6, stride 4": lambda: up(6, stride=4, padding=1),
    "nearest": lambda: nn.Sequential(nn.AvgPool2d(3), nn.Upsample(scale_factor=3.0)),
    "nearest to size": lambda: Do(lambda x: F.interpolate(F.max_pool2d(x, 4), (SIDE, SIDE))),
    "bilinear 2": lambda: nn.Sequential(conv(stride=2), nn.Upsample(scale_factor=2.0, mode="bilinear")),
    "bilinear 3": lambda: nn.Upsample(scale_factor=3.0, mode="bilinear"),
    "bilinear 8": lambda: nn.Sequential(nn.MaxPool2d(8), nn.Upsample(scale_factor=8.0, mode="bilinear")),
    "bilinear, cells on pixels 0, 4": lambda: Do(lambda x: upsample_aligned(F.max_pool2d(x, 4), 4)),
    "shuffle": lambda: nn.Sequential(nn.Conv2d(4, 16, 3, stride=2), nn.PixelShuffle(2)),
    "unshuffle": lambda: nn.PixelUnshuffle(2),
    "pad": lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), conv(5)),
    "replicate": lambda: nn.Sequential(nn.ReplicationPad2d(2), conv(5)),
    "crop": lambda: Do(lambda x, c: c(x)[:, :, 3:-2, 3:-2], conv(3, padding=1)),
    "every third": lambda: Do(lambda x, c: c(x)[:, :, 2:40:3, 2:40:3], conv(3, padding=1)),
    "cropped skip": lambda: Do(crop_like, nn.Sequential(conv(), conv())),
    "channel parts": lambda: Do(lambda x, c: torch.cat([c(x[:, 2:]), x.chunk(2, 1)[0]], 1), nn.Conv2d(2, 3, 5, 1, 2)),
    "one channel": lambda: Do(lambda x, c: c(x) * x[:, 1].unsqueeze(1), conv(padding=1)),
    "branches": lambda: Do(lambda x, a, b: a(x) + b(x), conv(3, stride=2, padding=1), nn.AvgPool2d(2)),
    "atrous branches": lambda: Do(
        lambda x, *parts: torch.cat([p(x) for p in parts], 1), conv(1), *(conv(dilation=d, padding=d) for d in (2, 5))
    ),
    "residual in place": lambda: Do(lambda x, c: c(x).add_(x).relu_(), conv(padding=1)),
    "mean over channels": lambda: Do(lambda x, c: c(x) * x.mean(1, keepdim=True), conv(padding=1)),
    "softmax over channels": lambda: Do(lambda x, c: F.softmax(c(x), 1), conv(padding=1)),
    "length over channels": lambda: Do(lambda x, c: F.normalize(c(x), dim=1), conv(padding=1)),
    "local response norm": lambda: nn.Sequential(nn.LocalResponseNorm(3), conv(stride=2)),
    "batch norm": lambda: nn.Sequential(conv(padding=1), nn.BatchNorm2d(4), nn.Hardswish(), nn.PReLU(4)),
    "channels last": lambda: Do(channels_last, nn.LayerNorm(4), nn.Linear(4, 6)),
    "channels last, no bias": lambda: Do(channels_last, nn.LayerNorm(4), nn.Linear(4, 6, bias=False)),
    "patches merged": lambda: Do(merge_patches, nn.Linear(16, 3)),
    "down and up": lambda: Do(
        lambda x, d, u, r: r(torch.cat([u(d(x)), x], 1)),
        conv(4, stride=4),
        up(4, stride=4),
        nn.Conv2d(8, 2, 3, padding=1),
    ),
}


@pytest.mark.parametrize("name", LOCAL)
def test_an_operator_reads_what_is_declared(name: str) -> None:
    check(LOCAL[name]())


def test_a_sparse_operator_reads_no_more_than_declared() -> None:
    check(up(3, stride=2, dilation=2), exact=False)  # some outputs meet no tap at all
    check(up(1, stride=2), exact=False)


def test_odd_sizes_differ_along_rows_and_columns() -> None:
    check(nn.Sequential(conv(3, stride=2), nn.MaxPool2d(2, ceil_mode=True), conv(3, padding=1)), size=(45, 50))


def test_unpooling_reads_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def into_every_place(values: Tensor, indices: Tensor, *_: object, **__: object) -> Tensor:
        return values.repeat_interleave(2, 2).repeat_interleave(2, 3)

    network = positive(Do(lambda x, c: c(unpooled(x)), conv(padding=1)))
    declared = trace(network, (1, 4, SIDE, SIDE)).outputs[0]
    monkeypatch.setattr(F, "max_unpool2d", into_every_place)  # where a value goes is decided by other pixels
    changes = dependencies(network, (SIDE, SIDE), axis=0)
    for output in range(4, SIDE - 4):
        seen = changes[output].nonzero().flatten()
        assert (seen[0], seen[-1]) == declared.reads(output)


WHOLE = {
    "global pooling": lambda: Do(lambda x, c: c(x) + x.mean((2, 3), keepdim=True), conv(padding=1)),
    "mean without dimensions": lambda: Do(lambda x: x - x.mean()),
    "largest of all": lambda: Do(lambda x: x - x.amax()),
    "mean over rows": lambda: Do(lambda x: x - x.mean(2, keepdim=True)),
    "adaptive pooling": lambda: nn.AdaptiveAvgPool2d(6),
    "instance norm": lambda: nn.InstanceNorm2d(4),
    "batch norm without running statistics": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "group norm": lambda: nn.GroupNorm(2, 4),
    "layer norm of all": lambda: nn.LayerNorm((4, SIDE, SIDE)),
    "softmax over columns": lambda: nn.Softmax(3),
    "squeeze and excite": lambda: Do(
        lambda x, c: x * torch.sigmoid(c(F.adaptive_avg_pool2d(x, 1))), nn.Conv2d(4, 4, 1)
    ),
    "attention": lambda: Do(
        lambda x: (
            F.scaled_dot_product_attention(*[x.flatten(2).transpose(1, 2)[:, None]] * 3)[:, 0]
            .transpose(1, 2)
            .unflatten(2, (SIDE, SIDE))
        )
    ),
    "product over places": lambda: Do(
        lambda x, m: m(x.flatten(2)).unflatten(2, (SIDE, SIDE)), nn.Linear(SIDE**2, SIDE**2)
    ),
    "product from the left": lambda: Do(
        lambda x: (torch.ones(SIDE**2, SIDE**2, device=x.device) @ x[0].flatten(1).T).T.unflatten(1, (SIDE, SIDE))[None]
    ),
    "rows for columns": lambda: Do(lambda x: x + x.transpose(2, 3)),
    "order of dimensions": lambda: Do(lambda x: x[:, :1] + x[:, :1].flatten().view(SIDE, SIDE).T),
    "turned": lambda: Do(lambda x: x + x.flip(2)),
    "rolled": lambda: Do(lambda x: x.roll(5, 2)),
    "padded in a circle": lambda: Do(lambda x: F.pad(x, (1, 1, 1, 1), mode="circular")[:, :, 1:-1, 1:-1] * 1),
    "rows side by side": lambda: Do(lambda x: torch.cat([x[:, :, 24:], x[:, :, :24]], 2)),
    "one row": lambda: Do(lambda x: x + x[:, :, :1]),
    "one row selected": lambda: Do(lambda x: x + x[:, :, 0].unsqueeze(2)),
    "rows chosen": lambda: Do(lambda x: x.index_select(2, torch.arange(SIDE - 1, -1, -1, device=x.device))),
    "stretched to a size": lambda: Do(lambda x: x + F.interpolate(F.avg_pool2d(x, 5), x.shape[2:], mode="bilinear")),
    "stretched from corner to corner": lambda: Do(
        lambda x: F.interpolate(F.avg_pool2d(x, 6), (SIDE, SIDE), mode="bilinear", align_corners=True)
    ),
    "stretched by a fraction": lambda: nn.Upsample(scale_factor=1.5),
    "not quite twice": lambda: nn.Upsample(scale_factor=2.01, mode="bilinear"),
    "bicubic": lambda: nn.Upsample(scale_factor=2.0, mode="bicubic"),
    "a part overwritten": lambda: Do(overwrite),
    "a former view": lambda: Do(overwrite_former_view),
    "unpooled from windows that overlap": lambda: Do(unpool_overlapping),
}


def overwrite(images: Tensor) -> Tensor:
    result = torch.zeros_like(images)
    result[:, :, 10:] = images[:, :, :-10]
    return result


def overwrite_former_view(images: Tensor) -> Tensor:
    copy = images.clone()
    former = copy.detach()
    copy += images.flip(2)
    return former * 2


def unpool_overlapping(images: Tensor) -> Tensor:
    pooled, indices = F.max_pool2d(images, 3, 2, 1, return_indices=True)
    return F.max_unpool2d(pooled, indices, 3, 2, 1, output_size=[SIDE, SIDE])


@pytest.mark.parametrize("name", WHOLE)
def test_what_looks_at_all_places_or_is_not_known_sees_the_whole_picture(name: str) -> None:
    network = WHOLE[name]()
    geometry = trace(network, (1, 4, SIDE, SIDE)).outputs[0]
    assert geometry.whole
    assert geometry.receptive_field is None
    assert network(torch.rand(1, 4, SIDE, SIDE)).ndim == 4  # it does run, beside being traced


def test_branches_of_a_chance_size_see_the_whole_picture() -> None:
    # 48 -> 15 and 48 -> 24 -> 15: equal sizes, yet different strides.
    network = Do(lambda x, a, b: a(x) + b(x), conv(4, stride=3), nn.Sequential(nn.AvgPool2d(2), conv(10)))
    assert trace(network, (1, 4, SIDE, SIDE)).outputs[0].whole


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ModelError, match="no map of places"):
        trace(nn.Sequential(conv(), nn.Flatten()), (1, 4, SIDE, SIDE))
    with pytest.raises(ModelError, match="one stride"):
        trace(nn.AvgPool2d((2, 1)), (1, 4, SIDE, SIDE))


def test_a_network_is_left_as_it_was() -> None:
    network = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.Dropout())
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trace(network, (1, 4, SIDE, SIDE))
    assert [part.training for part in network] == [True, True, False]
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def reads_of_last_map(encoder: nn.Module, side: int) -> tuple[int, int]:
    """First and last row that one value of the last map depends on, by its gradient on a structural twin."""
    for part in list(encoder.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(part, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                setattr(part, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    for parameter in encoder.parameters():
        parameter.data.fill_(1 / parameter[0].numel())
    images = torch.ones(1, 3, side, 32, dtype=torch.float64, requires_grad=True)
    last = encoder.double().eval()(images)[-1]
    last[:, :, last.shape[2] // 2].sum().backward()
    assert images.grad is not None
    seen = images.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    return int(seen[0]), int(seen[-1])


@pytest.mark.parametrize(
    ("depth", "stride_in", "field"), [(50, "1x1", 483), (50, "3x3", 427), (101, "1x1", 1027), (101, "3x3", 971)]
)
def test_residual_networks_have_their_published_fields(depth: int, stride_in: str, field: int) -> None:
    encoder = ResNet(depth, stride_in=stride_in, width=1 / 64)  # type: ignore[arg-type]
    geometry = trace(encoder, (1, 3, 64, 64)).outputs[-1]
    assert (geometry.receptive_field, geometry.stride) == (field, 32)
    side = 32 * (field // 32 + 3)
    assert reads_of_last_map(encoder, side) == geometry.reads(side // 64)


def test_inception_has_its_published_field() -> None:
    with torch.device("meta"):
        encoder = timm.create_model("inception_v3", features_only=True)
    assert trace(encoder, (1, 3, 299, 299)).outputs[-1].receptive_field == 1311


def test_an_encoder_of_channels_last_layers_has_a_finite_field() -> None:
    # Stem 4/4, then three 2/2 steps; six 7x7 a stage at most: 4 + 6 * (4 * 2 + 8 * 2 + 16 * 6 + 32 * 2) + 4 + 8 + 16.
    encoder = timm.create_model("convnext_atto", features_only=True)
    assert trace(encoder, (1, 3, 64, 64)).outputs[-1].receptive_field == 32 + 6 * (4 * 2 + 8 * 2 + 16 * 6 + 32 * 2)


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenetv3_small_050", "seresnext26d_32x4d", "convnextv2_atto"])
def test_encoders_that_squeeze_and_excite_see_the_whole_picture(name: str) -> None:
    with torch.device("meta"):
        encoder = timm.create_model(name, features_only=True)
    traced = trace(encoder, (1, 3, 64, 64))
    assert traced.outputs[-1].whole
    assert traced.outputs[-1].stride == 32


def test_multiply_adds_are_those_of_the_arithmetic() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),  # 432 weights, 48 x 48 places
        nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16),  # 144 weights, 24 x 24 places
        nn.ConvTranspose2d(16, 4, 4, stride=2, padding=1),  # 1024 weights, 24 x 24 places it starts from
    )
    traced = trace(network, (1, 3, SIDE, SIDE))
    assert [stage.multiply_adds for stage in traced.stages] == [
        432 * 48 * 48,
        144 * 24 * 24,
        1024 * 24 * 24,
        traced.multiply_adds,
    ]
    last = Do(channels_last, nn.LayerNorm(4), nn.Linear(4, 6))
    assert trace(last, (2, 4, SIDE, SIDE)).multiply_adds == 2 * 24 * SIDE * SIDE


def test_memory_counts_what_is_written_once() -> None:
    network = nn.Sequential(conv(padding=1), nn.ReLU(inplace=True), nn.ReLU(), nn.MaxPool2d(2))
    traced = trace(network, (1, 4, SIDE, SIDE))
    full = 4 * 4 * SIDE * SIDE
    indices = 2 * full // 4  # eight bytes each, beside the maxima
    assert [stage.written for stage in traced.stages[:4]] == [full, 0, full, full // 4 + indices]
    assert traced.written == traced.stages[-1].written


def test_stages_name_their_modules() -> None:
    traced = trace(nn.Sequential(conv(stride=2), nn.Sequential(nn.AdaptiveAvgPool2d(1))), (1, 4, SIDE, SIDE))
    assert [stage.name for stage in traced.stages] == ["0", "1.0", "1", ""]
    first, pooled = traced.stages[0], traced.stages[1]
    assert first.geometry == Geometry.identity().conv(3, stride=2)
    assert (first.kind, first.shape, first.parameters) == ("Conv2d", (1, 4, 23, 23), 4 * 4 * 9 + 4)
    assert pooled.geometry is not None
    assert pooled.geometry.whole
