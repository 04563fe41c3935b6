"""Encoders of all families under the practical models: right for pictures of any size, or refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise import build_model
from pixelwise.errors import ModelError
from pixelwise.models import SegmentationModel
from pixelwise.nn.tracing.unread import unread_parameters
from pixelwise.tiling import read_window

PRACTICAL = ("unet", "deeplabv3plus", "fcn")

FAMILIES = """
    cpubone_nano cs3darknet_focus_s csatv2 cspnext_tiny darknet17 davit_tiny densenet121 dla46x_c dpn48b
    edgenext_xx_small efficientvim_m1 efficientvit_b0 efficientvit_m0 ese_vovnet19b_slim_dw fasternet_t0 fastvit_t8
    focalnet_tiny_srf ghostnet_050 hardcorenas_b hgnetv2_b0 hrnet_w18_small iformer_t inception_next_atto inception_v3
    inception_v4 lambda_resnet26t lcnet_035 lcnetv2_small legacy_seresnet18 legacy_xception lowformer_b0
    mobilenetv3_small_050 mobilevit_xxs mobilevitv2_050 mvitv2_tiny nextvit_small nf_regnet_b0 poolformerv2_s12
    pvt_v2_b0 rdnet_tiny regnetx_002 repghostnet_050 repvit_m1 res2net50_14w_8s resnest14d resnetv2_18
    resnetv2_50x1_bit rexnet_100 sam2_hiera_tiny selecsls42 shvit_s1 skresnet18 starnet_s050 swiftformer_xs
    test_byobnet test_convnext test_efficientnet test_resnet tf_efficientnet_lite0 tiny_vit_5m_224 tresnet_m
    twins_pcpvt_small twins_svt_small vgg11_bn xception41
"""
TAKEN = FAMILIES.split()

NO_PICTURE, ONE_SIZE, NO_PYRAMID = (
    "takes no picture of 256x256",
    "takes pictures of 256x256 but not of",
    "gives no pyramid",
)
REFUSED = {
    "beit_base_patch16_224": NO_PICTURE,
    "botnet26t_256": ONE_SIZE,
    "coat_tiny": NO_PICTURE,
    "coatnet_pico_rw_224": NO_PICTURE,
    "convmixer_768_32": NO_PYRAMID,
    "crossvit_tiny_240": "declares strides of 12, 17",
    "efficientformer_l1": NO_PICTURE,
    "gcvit_xxtiny": NO_PICTURE,
    "halonet26t": ONE_SIZE,
    "hiera_small_abswin_256": ONE_SIZE,
    "lambda_resnet26rpt_256": ONE_SIZE,
    "levit_128s": NO_PICTURE,
    "mambaout_femto": NO_PYRAMID,
    "maxvit_pico_rw_256": ONE_SIZE,
    "pit_ti_224": NO_PICTURE,
    "sebotnet33ts_256": ONE_SIZE,
    "swin_tiny_patch4_window7_224": NO_PICTURE,
    "swinv2_tiny_window8_256": NO_PYRAMID,
    "vit_tiny_patch16_224": NO_PICTURE,
    "xcit_nano_12_p8_224": NO_PYRAMID,
}
WITHOUT = {
    **{(name, "deeplabv3plus"): 4 for name in ("csatv2", "efficientvim_m1", "efficientvit_m0", "shvit_s1")},
    **{(name, "fcn"): 8 for name in ("efficientvim_m1", "efficientvit_m0", "shvit_s1")},
}
"""Encoder and model that looks for a map of a stride which the encoder does not have."""

QUICK = [
    ("unet", "tresnet_m"),
    ("fcn", "twins_pcpvt_small"),
    ("deeplabv3plus", "davit_tiny"),
    ("fcn", "mvitv2_tiny"),
    ("unet", "tiny_vit_5m_224"),
    ("fcn", "inception_v3"),
    ("unet", "mobilevitv2_050"),
    ("unet", "efficientvit_m0"),
    ("unet", "test_resnet"),
    ("deeplabv3plus", "test_convnext"),
]
PAIRS = [(model, encoder) for encoder in TAKEN for model in PRACTICAL if (encoder, model) not in WITHOUT]

SIZE = (45, 61)


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def built(request: pytest.FixtureRequest) -> SegmentationModel:
    model, encoder = request.param
    torch.manual_seed(0)
    built = build_model(model, classes=3, encoder=encoder)
    for part in built.modules():
        if isinstance(part, nn.Conv2d) and not part.weight.any():
            nn.init.normal_(part.weight, std=0.1)  # score layers that start at zero
    return built


@torch.no_grad()
def check_maps_of_an_odd_picture(model: SegmentationModel) -> Tensor:
    """Hold every map to the grid; returns the logits."""
    model.eval()
    trunk: Any = model.encoder
    seen: list[tuple[torch.Size, list[torch.Size]]] = []
    handle = trunk.register_forward_hook(lambda _, given, maps: seen.append((given[0].shape, [m.shape for m in maps])))
    images = torch.randn(1, 3, *SIZE, device=next(model.parameters()).device)
    logits = model(images)
    handle.remove()
    assert logits.shape == (1, 3, *SIZE)
    assert model.geometry.period % max(trunk.strides) == 0
    ((input_shape, maps),) = seen
    for side, given in zip(input_shape[2:], SIZE, strict=True):
        assert side % model.geometry.period == 0
        assert side >= given
    for shape, stride in zip(maps, trunk.strides, strict=True):
        assert min(shape[2:]) >= 2, "batch normalisation trains on a single picture"
        if trunk.exact:
            assert (shape[2] * stride, shape[3] * stride) == input_shape[2:]
    scale = model.coarse(images).scale
    assert scale == 1 / model.stride if trunk.exact else isinstance(scale, tuple), "else stretched over the picture"
    return logits


@pytest.mark.parametrize(("model", "encoder"), QUICK)
def test_maps_of_odd_pictures_lie_on_the_grid(model: str, encoder: str) -> None:
    with torch.device("meta"):
        check_maps_of_an_odd_picture(build_model(model, classes=3, encoder=encoder))


@pytest.mark.slow
def test_maps_of_odd_pictures_lie_on_the_grid_for_all(built: SegmentationModel) -> None:
    assert check_maps_of_an_odd_picture(built).isfinite().all()


@pytest.mark.parametrize(
    "encoder",
    [pytest.param(name, marks=() if name == "botnet26t_256" else pytest.mark.slow) for name in REFUSED],
)
def test_what_does_not_fit_is_refused_by_name_with_the_reason(encoder: str) -> None:
    for model in PRACTICAL:
        with torch.device("meta"), pytest.raises(ModelError, match=rf"'{encoder}' .*{REFUSED[encoder]}.*choose"):
            build_model(model, classes=3, encoder=encoder)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "model"), WITHOUT)
def test_maps_that_are_missing_are_named(encoder: str, model: str) -> None:
    with torch.device("meta"), pytest.raises(ModelError, match=f"stride {WITHOUT[encoder, model]}; '{encoder}' has"):
        build_model(model, classes=3, encoder=encoder)


@pytest.mark.slow
def test_every_parameter_that_is_read_learns_from_an_odd_picture(built: SegmentationModel) -> None:
    built.train()
    smallest = built.geometry.smallest
    unread = {f"network.{name}" for name in unread_parameters(built.network, (2, 3, smallest, smallest))}
    logits = built(torch.randn(2, 3, *SIZE))
    assert logits.shape == (2, 3, *SIZE)
    F.cross_entropy(logits, torch.randint(0, 3, (2, *SIZE))).backward()
    learning = {name: p for name, p in built.named_parameters() if p.requires_grad}  # some of timm's are frozen
    assert {name for name, p in learning.items() if p.grad is None} == unread
    assert all(torch.isfinite(p.grad).all() for p in built.parameters() if p.grad is not None)
    built.zero_grad(set_to_none=True)


@pytest.mark.slow
@torch.no_grad()
def test_tiles_equal_the_whole_where_that_is_said(built: SegmentationModel) -> None:
    built.eval()
    geometry = built.geometry
    if geometry.halo is None:
        pytest.skip("sees the whole picture")
    start = geometry.halo + geometry.period
    write = slice(start, start + geometry.period)
    height, width = write.stop + start + 13, 2 * geometry.period - 3  # an odd size
    read = read_window(write, height, geometry, None)
    assert 0 < read.start < read.stop < height
    picture = torch.randn(1, 3, height, width)
    whole: Tensor = built(picture)[:, :, write]
    tile: Tensor = built(picture[:, :, read])[:, :, write.start - read.start : write.stop - read.start]
    assert whole.std() > 0
    torch.testing.assert_close(tile, whole, rtol=0, atol=1e-4 * float(whole.abs().max()))
