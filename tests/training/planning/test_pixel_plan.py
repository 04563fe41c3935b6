from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixelwise.data.fingerprint import Fingerprint
from pixelwise.errors import ModelError, SettingError
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.pixel_plan import CPU_STEP_MULTIPLY_ADDS, class_weights, plan_pixels
from pixelwise.training.planning.profile import profile_network


def fingerprint(**changes: Any) -> Fingerprint:
    traits: dict[str, Any] = {
        "images": 100,
        "median_size": (360, 480),
        "channels": 3,
        "bits": 8,
        "value_range": None,
        "class_pixels": np.array([900, 90, 10]),
        "ignored_pixels": 0,
        "pixels": 100 * 360 * 480,
    }
    return Fingerprint(**{**traits, **changes})


def machine(**changes: Any) -> Machine:
    traits: dict[str, Any] = {
        "device": "cpu",
        "name": "2 CPU cores",
        "cores": 2,
        "memory": 8 << 30,
        "main_memory": 8 << 30,
        "native_bfloat16": True,
    }
    return Machine(**{**traits, **changes})


def test_every_choice_has_a_reason_and_hands_win() -> None:
    draft = plan_pixels(fingerprint(), machine(), {"batch": 5, "hflip": False})
    assert draft.values["batch"] == 5
    assert draft.values["hflip"] is False
    assert draft.reasons["batch"] == draft.reasons["hflip"] == "set by hand"
    assert set(draft.values) == set(draft.reasons)
    assert all(draft.reasons.values())


def test_crops_are_turned_over_where_up_and_down_are_alike() -> None:
    assert plan_pixels(fingerprint(), machine(), {}).values["vflip"] is False
    turned = plan_pixels(fingerprint(upright=False), machine(), {})
    assert turned.values["vflip"] is True
    assert "100 pictures" in turned.reasons["vflip"]


@pytest.mark.parametrize(
    ("fixed", "shorter", "edge"),
    [
        ({"model": "unet", "encoder": "resnet18"}, 31, "none"),
        ({"model": "unet", "encoder": "tf_efficientnet_lite0"}, 31, "none"),
        ({"model": "unet", "encoder": "resnet18", "crop": (64, 96)}, 16, "none"),  # no more than a quarter of a crop
        ({"model": "unet", "encoder": "resnet18", "shorter": 3, "edge": "mirror"}, 3, "mirror"),
        ({"model": "unet", "encoder": "resnet18", "model_options": {"upsampling": "bilinear"}}, 31, "mirror"),
        ({"model": "unet", "encoder": "vgg16"}, 31, "mirror"),  # rounds sizes down
        ({"model": "deeplabv3plus", "encoder": "resnet18"}, 15, "mirror"),
        ({"model": "unet2015"}, 0, "mirror"),  # mirrored at all sides, to the size that it needs
        ({"model": "fcn_dilated", "model_options": {"stretch": True}}, 0, "mirror"),  # takes pictures as they are
    ],
)
def test_crops_lack_of_whole_periods_what_pictures_lack(fixed: dict[str, Any], shorter: int, edge: str) -> None:
    draft = plan_pixels(fingerprint(), machine(), fixed)
    assert (draft.values["shorter"], draft.values["edge"]) == (shorter, edge)


def test_the_machine_decides_precision_and_batch() -> None:
    assert plan_pixels(fingerprint(), machine(), {}).values["precision"] == "bf16-mixed"
    assert plan_pixels(fingerprint(), machine(native_bfloat16=False), {}).values["precision"] == "32-true"
    gpu = machine(device="cuda", name="a GPU", native_bfloat16=False)
    assert plan_pixels(fingerprint(), gpu, {}).values["precision"] == "16-mixed"
    small = plan_pixels(fingerprint(), machine(device="cuda", memory=4 << 30), {}).values["batch"]
    large = plan_pixels(fingerprint(), machine(device="cuda", memory=80 << 30), {}).values["batch"]
    assert 2 <= small < large


def test_the_practical_models_are_planned_as_ever() -> None:
    for model in ("deeplabv3plus", "unet", "fcn"):
        values = plan_pixels(fingerprint(), machine(), {"model": model}).values
        assert (values["encoder"], values["crop"], values["batch"]) == ("tf_efficientnet_lite0", (288, 384), 8)
        assert (values["learning_rate"], values["warmup"], values["gradient_clip"]) == (2e-3, 0.03, 0.0)
        assert (values["elastic"], values["border_weight"]) == (0.0, 0.0)


def test_a_network_without_norms_learns_gently() -> None:
    plain = plan_pixels(fingerprint(), machine(), {"model": "unet2015"}).values
    normalised = plan_pixels(fingerprint(), machine(), {"model": "segnet_basic"}).values
    assert plain["learning_rate"] < normalised["learning_rate"]
    assert plain["warmup"] > normalised["warmup"]
    assert plain["gradient_clip"] > 0 == normalised["gradient_clip"]
    small = {"model": "unet2015", "model_options": {"width": 0.25}}
    assert plan_pixels(fingerprint(), machine(), small).values["batch"] == 2, "more steps rather than larger ones"
    assert plain["encoder"] is normalised["encoder"] is None


def test_a_heavy_network_gets_steps_of_few_pixels() -> None:
    costs = {}
    for model, least in (("segnet_basic", 4), ("segnet", 4), ("unet2015", 1)):
        values = plan_pixels(fingerprint(), machine(), {"model": model}).values
        profile = profile_network(model, classes=3, encoder=None, in_channels=3, options={})
        costs[model] = values["batch"] * profile.multiply_adds(values["crop"])
        assert least <= values["batch"] < 8
    assert max(costs.values()) <= 2 * CPU_STEP_MULTIPLY_ADDS
    slow, fast = (
        plan_pixels(fingerprint(), machine(**traits), {"model": "segnet"}).values
        for traits in ({"native_bfloat16": False}, {"cores": 32})
    )
    assert np.prod(slow["crop"]) < np.prod(fast["crop"])
    assert (fast["crop"], fast["batch"]) == ((288, 384), 8)
    narrow = plan_pixels(fingerprint(), machine(), {"model": "segnet", "model_options": {"width": 0.25}}).values
    assert (narrow["crop"], narrow["batch"]) == ((288, 384), 8)
    by_hand = plan_pixels(fingerprint(), machine(), {"model": "segnet", "crop": (480, 480)}).values
    assert by_hand["batch"] == 4, "as few as batch statistics bear"


def test_an_unpadded_network_gets_crops_that_leave_nothing_over() -> None:
    for size in ((512, 512), (360, 480), (100, 70)):
        crop = plan_pixels(fingerprint(median_size=size), machine(), {"model": "unet2015"}).values["crop"]
        assert [side % 16 for side in crop] == [4, 4]
    on_gpu = plan_pixels(fingerprint(), machine(device="cuda", name="a GPU"), {"model": "unet2015"}).values["crop"]
    assert [side % 16 for side in on_gpu] == [4, 4]


def test_the_recipe_of_the_paper_is_proposed_where_it_fits() -> None:
    cells = fingerprint(channels=1, class_pixels=np.array([20, 80]))
    values = plan_pixels(cells, machine(), {"model": "unet2015"}).values
    assert values["in_channels"] == 1, "nothing expects grey pictures to be RGB"
    assert values["border_weight"] == 10
    assert 5 <= values["elastic"] <= 10
    street = plan_pixels(fingerprint(), machine(), {"model": "unet2015"}).values
    assert street["border_weight"] == 0, "no objects are known among many classes"
    assert street["elastic"] > 0
    tiny = plan_pixels(fingerprint(median_size=(70, 90)), machine(), {"model": "unet2015"}).values
    assert tiny["elastic"] <= 3.2, "small crops would be torn"
    assert plan_pixels(cells, machine(), {"model": "unet2015", "elastic": 0, "border_weight": 0}).values["elastic"] == 0


def test_what_cannot_be_planned_is_named() -> None:
    with pytest.raises(ModelError, match="unet2015"):
        plan_pixels(fingerprint(), machine(), {"model": "unet-2015"})
    with pytest.raises(SettingError, match="trunk of its own"):
        plan_pixels(fingerprint(), machine(), {"model": "segnet", "encoder": "resnet18"})


def test_the_data_decide_channels_range_and_crops_of_rare_classes() -> None:
    deep = plan_pixels(fingerprint(channels=5, bits=16, value_range=(3.0, 4000.0)), machine(), {}).values
    assert deep["in_channels"] == 5
    assert deep["value_range"] == (3.0, 4000.0)
    assert plan_pixels(fingerprint(channels=1), machine(), {}).values["in_channels"] == 3
    assert plan_pixels(fingerprint(), machine(), {}).values["rare_class_probability"] > 0
    balanced = fingerprint(class_pixels=np.array([5, 5, 5]))
    assert plan_pixels(balanced, machine(), {}).values["rare_class_probability"] == 0


def test_the_type_of_numbers_is_what_pictures_hold_unless_their_range_is_given() -> None:
    assert plan_pixels(fingerprint(), machine(), {}).values["number_type"] == "uint8"
    deep = fingerprint(bits=16, value_range=(3.0, 4000.0), dtype="int16")
    assert plan_pixels(deep, machine(), {}).values["number_type"] == "int16"
    given = plan_pixels(deep, machine(), {"value_range": (0, 4095)}).values
    assert (given["number_type"], given["value_range"]) == ("any", (0, 4095))


@pytest.mark.parametrize(("loss", "balanced"), [("ce", True), ("0.5*ce+focal", True), ("ce+dice", False)])
def test_class_weights_are_for_losses_of_pixels(loss: str, balanced: bool) -> None:
    draft = plan_pixels(fingerprint(), machine(), {"loss": loss})
    assert draft.reasons["loss"] == "set by hand"
    assert (len(set(draft.values["class_weights"])) > 1) == balanced


def test_class_weights_are_the_root_of_median_frequency_and_average_to_one() -> None:
    pixels = np.array([10_000, 2_500, 100, 0])
    weights = np.array(class_weights(pixels))
    share = pixels / pixels.sum()
    assert (weights * share).sum() == pytest.approx(1, abs=1e-3)
    assert weights[1] / weights[0] == pytest.approx(2, rel=1e-3)
    assert weights[2] / weights[1] == pytest.approx(5, rel=1e-3)
    assert class_weights(np.zeros(2, np.int64)) == (1.0, 1.0)
