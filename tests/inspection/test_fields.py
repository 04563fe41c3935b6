"""The field of every stage against measurement: the gradient of its output on a structural twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders.xception import AlignedXception
from pixelwise.inspection import StageRow, stage_rows
from pixelwise.models import MODELS, build_model
from pixelwise.nn.tracing.trace import trace

CELLS = 6
"""Outputs of a period that are measured, those first that should read most."""


def thin(network: nn.Module) -> nn.Module:
    """Let every convolution see one channel, which keeps what is read and makes large networks quick."""
    for part in list(network.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.Conv2d):
                layout = (child.kernel_size, child.stride, child.padding, child.dilation)
                setattr(part, name, nn.Conv2d(1, 1, *layout, bias=False))  # type: ignore[arg-type]
    return network


def twin(network: nn.Module) -> nn.Module:
    """Positive weights, identity norms and averages for maxima: what is read cannot cancel out."""
    for part in list(network.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.BatchNorm2d | nn.LocalResponseNorm):
                setattr(part, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                average = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, ceil_mode=child.ceil_mode)
                setattr(part, name, average)
    for parameter in network.parameters():
        parameter.data.fill_(0 if parameter.ndim == 1 else 1 / parameter[0].numel())
    return network.double().eval()


def last_module(stage: str) -> str:
    """The name of the module that gives what a stage gives: of ``a.b.0 .. 2``, ``a.b.2``."""
    first, _, last = stage.partition(" .. ")
    return ".".join([*first.split(".")[: -len(last.split("."))], last]) if last else first


def measured(network: nn.Module, images: Tensor, rows: list[StageRow]) -> dict[str, int]:
    """Most rows of the picture that one value of a module's outputs depends on, for each stage named after modules."""
    wanted = {row.name: row for row in rows if row.geometry is not None and not row.geometry.whole}
    outputs: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        # A copy, which is not changed by what overwrites the output later.
        return lambda _, __, output: outputs.setdefault(name, []).append(output.clone())

    modules = dict(network.named_modules(remove_duplicate=False))
    handles = [
        modules[last].register_forward_hook(keep(name)) for name in wanted if (last := last_module(name)) in modules
    ]
    images.requires_grad_()
    network(images)
    for handle in handles:
        handle.remove()
    fields = {}
    for name, given in outputs.items():
        geometry = wanted[name].geometry
        assert geometry is not None
        widest = 0
        for output in given:
            middle = output.shape[2] // 2
            period = range(middle, min(output.shape[2], middle + len(geometry.phases)))
            widest_first = sorted(period, key=lambda cell: geometry.reads(cell)[0] - geometry.reads(cell)[1])
            for cell in widest_first[:CELLS]:
                (gradient,) = torch.autograd.grad(output[:, :, cell].sum(), images, retain_graph=True)
                seen = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
                widest = max(widest, int(seen[-1] - seen[0]) + 1)
        fields[name] = widest
    return fields


def average(images: Tensor, kernel: int, stride: int | None = None, padding: int = 0, *_: Any, **more: Any) -> Tensor:
    """What takes the place of a maximum."""
    return F.avg_pool2d(images, kernel, stride, padding, ceil_mode=more.get("ceil_mode", False))


def check(network: nn.Module, *, size: tuple[int, int] = (96, 8), channels: int = 4) -> dict[str, int]:
    """Hold the field of each stage against what is measured, and return what was."""
    network = twin(network)
    rows = stage_rows(network, trace(network, (1, channels, *size)))
    found = measured(network, torch.ones(1, channels, *size, dtype=torch.float64), rows)
    fields = {row.name: row.geometry.receptive_field for row in rows if row.name in found and row.geometry}
    assert fields == found
    return found


def conv(kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, padding=kernel // 2, **options)


class Block(nn.Module):
    """Three convolutions and one activation for all of them; gives a pair, so that it is told by its parts."""

    def __init__(self, activation: nn.Module, *, first: bool = True) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = conv(), conv(5), conv()
        self.act = activation
        self.first = first

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        found = features
        for part in (self.conv1, self.conv2, self.conv3):
            found = part(self.act(found.clone())) if self.first else self.act(part(found))
        # In place, over what the last of them gave, where no gradient needs that.
        return found.add_(features) if self.first else found + features, features


class Chain(nn.Module):
    """Blocks one after the other."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> Tensor:
        for block in self.blocks:
            images = block(images)[0]
        return images * 1


class Do(nn.Module):
    """A function as a network, with its parts by name."""

    def __init__(self, function: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.function(self, images)
        return result


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_an_activation_used_again_and_again_is_of_no_stage_but_its_own(
    in_place: bool, first: bool, shared: bool
) -> None:
    one = nn.ReLU(inplace=in_place)
    blocks = [Block(one if shared else nn.ReLU(inplace=in_place), first=first) for _ in range(3)]
    found = check(Chain(*blocks))
    assert list(found.values()) == [3, 7, 9, 11, 15, 17, 19, 23, 25]
    assert [name.rpartition(".")[2] for name in found] == ["conv1", "conv2", "conv3"] * 3


@pytest.mark.parametrize("activation", [nn.Dropout(), nn.Identity(), nn.GELU(), nn.Sigmoid(), nn.LeakyReLU(0.1, True)])
def test_so_is_whatever_keeps_what_it_is_given(activation: nn.Module) -> None:
    assert list(check(Chain(Block(activation), Block(activation))).values()) == [3, 7, 9, 11, 15, 17]


def test_a_pool_and_a_step_up_that_are_used_again_have_a_row_for_each_time() -> None:
    def run(net: Any, images: Tensor) -> Tensor:
        fine = net.pool(net.one(images))
        coarse = net.pool(net.two(fine))
        found: Tensor = net.up(net.four(net.up(net.three(coarse)) + fine)) * 1
        return found

    network = Do(
        run, one=conv(), two=conv(), three=conv(), four=conv(), pool=nn.MaxPool2d(2), up=nn.UpsamplingNearest2d(None, 2)
    )
    found = check(network)
    assert found == {"one": 3, "two": 8, "three": 18, "four": 22}
    rows = stage_rows(network, trace(network, (1, 4, 32, 32)))
    assert [(row.name, row.stride, row.geometry and row.geometry.receptive_field) for row in rows[:-1]] == [
        ("one", 1, 3),
        ("pool (1 of 2)", 2, 4),
        ("two", 2, 8),
        ("pool (2 of 2)", 4, 10),
        ("three", 4, 18),
        ("up (1 of 2)", 2, 18),
        ("four", 2, 22),
        ("up (2 of 2)", 1, 22),
    ]


def test_a_pool_that_resizes_nothing_is_not_taken_for_the_layer_before() -> None:
    network = Do(lambda net, x: net.two(net.pool(net.one(x))) * 1, one=conv(), pool=nn.AvgPool2d(5, 1, 2), two=conv())
    assert check(network) == {"one": 3, "pool": 7, "two": 9}


def test_what_is_joined_in_between_is_not_taken_for_the_layer_before() -> None:
    network = Do(
        lambda net, x: net.act(net.narrow(x) + net.wide(x)).mul_(2),
        wide=conv(7),
        narrow=conv(),
        act=nn.ReLU(inplace=True),
    )
    assert check(network) == {"narrow": 3, "wide": 7}
    network = Do(
        lambda net, x: net.act(net.wide(x).add_(net.narrow(x))) * 1, narrow=conv(), wide=conv(7), act=nn.ReLU()
    )
    assert check(network) == {"narrow": 3, "wide": 7}


def test_weights_that_run_several_times_have_one_row_that_tells_the_most() -> None:
    recurrent = Do(lambda net, x: net.step(net.step(net.step(x))) * 1, step=conv())
    assert check(recurrent) == {"step": 7}

    def pyramid(net: Any, images: Tensor) -> Tensor:
        coarse = net.head(net.down(images))  # the coarse map first: the last call is not the widest
        return net.head(images) + F.interpolate(coarse, scale_factor=2.0)

    network = Do(pyramid, down=conv(stride=2), head=nn.Sequential(conv(), nn.ReLU(inplace=True)))
    assert check(network) == {"down": 3, "head": 7}
    rows = {row.name: row for row in stage_rows(network, trace(network, (1, 4, 32, 32)))}
    head = rows["head"]
    assert (head.shape, head.stride) == ((1, 4, 16, 16), 2)
    assert [(call.shape[2], call.geometry and call.geometry.receptive_field) for call in head.calls] == [
        (16, 7),
        (32, 3),
    ]
    assert head.parameters == 4 * 4 * 9 + 4
    assert head.multiply_adds == 144 * (16 * 16 + 32 * 32)
    assert rows["down"].calls == ()


def test_a_module_of_two_names_is_one_where_it_was_called() -> None:
    shared = conv()
    network = Do(lambda net, x: net.b(F.relu(net.a(x))) * 1, a=nn.Sequential(shared), b=nn.Sequential(shared))
    found = stage_rows(network, trace(network, (1, 4, 32, 32)))
    assert [(row.name, row.geometry and row.geometry.receptive_field) for row in found[:2]] == [("a", 3), ("b", 5)]
    assert sum(row.parameters for row in found) == shared.weight.numel() + 4, "once"


def test_weights_that_are_used_without_a_call_are_not_said_to_be_for_training() -> None:
    network = Do(
        lambda net, x: net.three(F.conv2d(net.one(x), net.two.weight, padding=1)),
        **{name: conv() for name in ("one", "two", "three", "rest")},
    )
    rows = {row.name: row.parameters for row in stage_rows(network, trace(network, (1, 4, 32, 32)))}
    assert rows == {"one": 148, "three": 148, "rest (training)": 148, "two.bias (training)": 4, "(between)": 144}


def test_the_aligned_xception() -> None:
    network = LastMap(thin(AlignedXception(41, output_stride=16)))
    found = check(network, size=(16 * 80, 16), channels=1)
    assert found["encoder.blocks.3.stack.conv3"] == 187
    assert [found[f"encoder.blocks.{block}.stack.conv3"] for block in (0, 1, 2, 3, 4)] == [19, 43, 91, 187, 283]


class LastMap(nn.Module):
    """An encoder that gives maps, as a network that gives one."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        last: Tensor = self.encoder(images)[-1]
        return last


@pytest.mark.parametrize("name", ["fcn8s", "unet2015", "deeplabv1", "fcn", "deeplabv3plus"])
def test_the_stages_of_models(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {} if MODELS[name].encoder is None else {"encoder": "test_resnet"}
    if "width" in MODELS[name].options.names():
        options["width"] = 1 / 64
    model = build_model(name, classes=2, **options)
    least, step = model.geometry.legal_sizes if model.border == "mirror" else (32, 32)
    rows = stage_rows(model.network, trace(model.network, (1, 3, 256 - 256 % step + least % step, least)))
    fields = [row.geometry.receptive_field or 0 for row in rows if row.geometry is not None]
    tall = least + -(-2 * max(fields) // step) * step
    with monkeypatch.context() as patch:
        patch.setattr(F, "max_pool2d", average)
        assert len(check(model.network, size=(tall, least), channels=3)) >= 3
