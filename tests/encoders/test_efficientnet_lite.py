import pytest
import timm
import torch

from pixelwise.encoders import TimmEncoder
from pixelwise.encoders.efficientnet_lite import EfficientNetLite
from pixelwise.errors import ModelError, SettingError


@pytest.mark.parametrize("version", range(5))
def test_has_the_tensors_of_timm(version: int) -> None:
    with torch.device("meta"):
        ours = EfficientNetLite(version)
        theirs = timm.create_model(f"tf_efficientnet_lite{version}", features_only=True)
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
    assert ours.channels == tuple(theirs.feature_info.channels())
    assert ours.strides == tuple(theirs.feature_info.reduction())


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("training", [False, True])
def test_gives_the_maps_of_timm(output_stride: int, training: bool) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, output_stride=output_stride).double()
    ours = EfficientNetLite(0, output_stride=output_stride).double()
    for value in theirs.state_dict().values():
        if value.dtype == torch.float64:
            value += 0.1 * torch.rand_like(
                value
            )  # norms begin as the identity, which would hide those that are left out
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    for found, expected in zip(ours.train(training)(images), theirs.train(training)(images), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_begins_with_the_variance_of_timm() -> None:
    torch.manual_seed(0)
    ours = EfficientNetLite(0).state_dict()
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True).state_dict()
    for name in ("conv_stem.weight", "blocks.1.0.conv_dw.weight", "blocks.5.1.conv_pwl.weight"):
        assert float(ours[name].std()) == pytest.approx(float(theirs[name].std()), rel=0.1)
        assert float(ours[name].mean().abs()) < 0.1 * float(ours[name].std())


def test_timms_name_means_our_form() -> None:
    encoder = TimmEncoder("tf_efficientnet_lite1", in_channels=5)
    assert isinstance(encoder.body, EfficientNetLite)
    assert encoder.body.conv_stem.in_channels == 5
    published = timm.get_pretrained_cfg("tf_efficientnet_lite1")
    assert encoder.default_normalisation == (published.mean, published.std)


@pytest.mark.parametrize(("version", "stride", "kind"), [(5, 32, ModelError), (0, 4, SettingError)])
def test_refuses_others(version: int, stride: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        EfficientNetLite(version, output_stride=stride)
