"""How pictures go on beyond their right and bottom edge, up to the next multiple of the period."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pixelwise import build_model, load_model, save_model
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.inference import Predictor
from pixelwise.models import SegmentationModel
from pixelwise.models.base import continue_to
from pixelwise.models.prepare import prepare
from pixelwise.nn.image_mean import ImageMean
from pixelwise.preprocessing import Edge, Preprocessing
from pixelwise.types import LabelSpace


class Mean(nn.Module):
    """Says at every cell of stride 4 what the mean over the picture is."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = ImageMean()

    def forward(self, images: Tensor) -> Tensor:
        cells = nn.functional.avg_pool2d(images, 4)
        return self.mean(cells) + 0 * cells


def mean_model() -> SegmentationModel:
    inert = Preprocessing(mean=(0.0,) * 3, std=(1 / 255,) * 3)
    return SegmentationModel(Mean(), label_space=LabelSpace(("r", "g", "b")), preprocessing=inert, stride=4).eval()


@pytest.mark.parametrize("size", [(64, 41), (33, 64), (50, 41), (63, 33), (20, 70), (1, 40), (3, 2), (64, 64)])
def test_the_mirror_is_that_of_numpy(size: tuple[int, int]) -> None:
    whole = [max(64, -(-side // 32) * 32) for side in size]
    images = torch.randn(2, 3, *size)
    beyond = [(0, 0), (0, 0), *((0, full - side) for full, side in zip(whole, size, strict=True))]
    expected = np.pad(images.numpy(), beyond, mode="reflect")
    np.testing.assert_array_equal(continue_to(images, (whole[0], whole[1]), "mirror").numpy(), expected)
    assert not continue_to(images, (whole[0], whole[1]), "zeros")[:, :, size[0] :].any()


@pytest.mark.parametrize("name", ["unet", "deeplabv3plus", "fcn"])
@torch.no_grad()
def test_a_network_sees_the_mirrored_picture(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, classes=3, encoder="resnet10t").eval()
    assert isinstance(model, SegmentationModel)
    inputs: list[Tensor] = []
    model.network.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    images = torch.randn(1, 3, 70, 101)
    model(images)
    period = model.geometry.period
    assert period in (16, 32)
    beyond = ((0, 0), (0, 0), (0, -70 % period), (0, -101 % period))
    np.testing.assert_array_equal(inputs[0].numpy(), np.pad(images.numpy(), beyond, mode="reflect"))


@torch.no_grad()
def test_a_network_that_rounds_up_sees_the_picture_alone() -> None:
    """As it is, in tiles as whole, in the form that predicts as in the one that learns, and whatever lies beyond."""
    torch.manual_seed(0)
    model = build_model("unet", classes=3, encoder="tf_mobilenetv3_small_minimal_100").eval().double()
    assert isinstance(model, SegmentationModel)
    model.change_card(edge="none")
    shown: list[Tensor] = []
    handle = model.network.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    images = torch.randn(1, 3, 97, 131, dtype=torch.float64)
    whole = model(images)
    assert torch.equal(shown[0], images)
    assert whole.shape[2:] == (97, 131)
    handle.remove()
    torch.testing.assert_close(prepare(model, dtype=torch.float64)(images), whole, rtol=0, atol=1e-9)
    picture = np.random.default_rng(0).integers(0, 256, (331, 427, 3), dtype=np.uint8)
    expected = Predictor(model, precision="float64")(picture, probabilities=True).probabilities
    tiled = Predictor(model, precision="float64", mode="exact", tile=64)(picture, probabilities=True).probabilities
    assert expected is not None
    assert tiled is not None
    assert float(expected.std()) > 0.01
    np.testing.assert_allclose(tiled, expected, rtol=0, atol=1e-6)


class Lines(nn.Module):
    """Scores cells of stride 2 for lines: brighter than the cells at either side, of which the last stands for more."""

    def forward(self, images: Tensor) -> Tensor:
        cells = nn.functional.avg_pool2d(images, 2)
        wide = nn.functional.pad(cells, (1, 1, 0, 0), mode="replicate")
        line = 2 * cells - wide[..., :-2] - wide[..., 2:]
        return torch.cat([torch.full_like(line, 0.25), line], 1)


@torch.no_grad()
@pytest.mark.parametrize("turned", [False, True])
def test_an_empty_margin_goes_on_empty(turned: bool) -> None:
    preprocessing = Preprocessing(mean=(0.5,), std=(0.25,))
    space = LabelSpace(("nothing", "line"))
    model = SegmentationModel(Lines(), label_space=space, preprocessing=preprocessing, stride=2).eval()
    picture = torch.full((1, 1, 40, 39), -2.0)  # black
    picture[..., 10:12] = 2.0
    assert model.geometry.period == 2  # traced before rows and columns change places, which the trace does not follow
    if turned:
        model.network = Turned(model.network)
        picture = picture.transpose(2, 3)
    false = {}
    edges: tuple[Edge, ...] = ("zeros", "mirror")
    for edge in edges:
        model.change_card(edge=edge)
        labels = model(picture)[0].argmax(0)
        labels = labels.T if turned else labels
        assert labels[:, 10:12].all()
        false[edge] = int(labels[:, -2:].sum())
    assert false["zeros"] >= 40
    assert false["mirror"] == 0


class Turned(nn.Module):
    """Rows for columns."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.network(images.transpose(2, 3))
        return scores.transpose(2, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_image_pooling_leaves_out_what_is_beyond_the_picture(dtype: torch.dtype) -> None:
    model = mean_model()
    images = torch.rand(2, 3, 22, 15, dtype=torch.float64).round(decimals=1)
    found = model.coarse(images.to(dtype)).logits[:, :, 0, 0]
    tolerance = {torch.float32: 1e-6, torch.float64: 1e-7, torch.bfloat16: 1e-2}[dtype]
    # Cells that the edge divides count by their share, each with the mean of all that it sees.
    cells = nn.functional.avg_pool2d(continue_to(images, (24, 16), "mirror"), 4)
    rows, columns = torch.tensor([1, 1, 1, 1, 1, 0.5]), torch.tensor([1, 1, 1, 0.75])
    weights = (rows[:, None] * columns).double()
    expected = (cells * weights).sum((2, 3)) / weights.sum()
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
    after: Tensor = model.network.mean(cells)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(after, cells.mean((2, 3), keepdim=True))


def test_what_image_pooling_averages_does_not_depend_on_what_is_beyond() -> None:
    model = mean_model()
    images = torch.rand(1, 3, 20, 12)  # whole cells, but the network may compute at multiples of 8 alone
    model.geometry = Geometry(1, None, None, 8)
    torch.testing.assert_close(model.coarse(images).logits[0, :, 0, 0], images.mean((0, 2, 3)))
    model.change_card(edge="zeros")
    with pytest.raises(AssertionError):
        torch.testing.assert_close(model.coarse(images).logits[0, :, 0, 0], images.mean((0, 2, 3)))


def described_in(path: Path) -> tuple[dict[str, object], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as opened:
        described = json.loads(opened.metadata()["pixelwise"])
        return described, {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118


@torch.no_grad()
def test_files_say_how_pictures_went_on_in_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"
    model = build_model("deeplabv3plus", classes=3, encoder="resnet10t").eval()
    images = torch.randn(1, 3, 50, 41)
    save_model(model, path)
    described, tensors = described_in(path)
    assert described["edge"] == model.edge == load_model(path).edge == "mirror"
    torch.testing.assert_close(load_model(path)(images), model(images), rtol=0, atol=0)

    del described["edge"]  # as before there was a choice: zeros, which image pooling averages, too
    save_file(tensors, path, metadata={"pixelwise": json.dumps(described)})
    old = load_model(path)
    assert old.edge == "zeros"
    padded = nn.functional.pad(images, (0, 7, 0, 14))
    torch.testing.assert_close(old(images), old(padded)[:, :, :50, :41], rtol=0, atol=0)
    assert not torch.equal(old(images), model(images))


@pytest.mark.parametrize("edge", ["edge", 3, None, ["mirror"], "mirror" * 1000])
def test_an_edge_that_is_not_known_is_refused(tmp_path: Path, edge: object) -> None:
    path = tmp_path / "model.safetensors"
    save_model(build_model("fcn", classes=3, encoder="resnet10t"), path)
    described, tensors = described_in(path)
    save_file(tensors, path, metadata={"pixelwise": json.dumps({**described, "edge": edge})})
    with pytest.raises(ModelError, match="'zeros', 'mirror' or 'none'") as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400


class Logits(nn.Module):
    """The coarse logits alone, as an export computes them."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.coarse(images).logits


@torch.no_grad()
def test_what_lies_beyond_is_made_of_standard_operators() -> None:
    """Continuing the picture and leaving it out of the mean are part of an exported graph, with no operator of ours."""
    torch.manual_seed(0)
    model = build_model("deeplabv3plus", classes=3, encoder="resnet10t").eval()
    assert isinstance(model, SegmentationModel)
    images = torch.randn(1, 3, 50, 41)
    exported = torch.export.export(Logits(model), (images,))
    operators = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert all(operator.startswith("aten.") for operator in operators)
    torch.testing.assert_close(exported.module()(images), model.coarse(images).logits)
