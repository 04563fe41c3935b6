from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pixelwise.data.fingerprint import Fingerprint
from pixelwise.data.object_survey import ObjectSurvey
from pixelwise.errors import SettingError
from pixelwise.models import MODELS, build_model
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.object_plan import plan_anchors, plan_detections, plan_objects, plan_ratios
from pixelwise.training.planning.pixel_plan import plan_pixels
from pixelwise.training.planning.plan_parts import plan_steps
from pixelwise.training.settings import Settings

TRAITS = Fingerprint(
    images=100,
    median_size=(256, 320),
    channels=3,
    bits=8,
    value_range=None,
    class_pixels=np.array([10**6]),
    ignored_pixels=7 * 10**6,
    pixels=8 * 10**6,
    objects=True,
)
NUCLEI = ObjectSurvey(
    images=100,
    of=100,
    objects=4000,
    per_image_max=375,
    sizes=(4, 8, 14, 20, 28, 50, 80),
    aspects=(0.4, 0.55, 0.8, 1, 1.2, 1.8, 2.5),
    overlaps=(0, 0, 0, 0, 0.05, 0.16, 0.36),
    class_objects=(4000,),
    masks=True,
)
CPU = Machine("cpu", "2 CPU cores", 2, 8 << 30, 8 << 30, native_bfloat16=True)
GPU = Machine("cuda", "a GPU", 16, 80 << 30, 100 << 30, native_bfloat16=True)


def draft_of(survey: ObjectSurvey = NUCLEI, machine: Machine = CPU, **fixed: Any) -> Any:
    return plan_objects(TRAITS, survey, machine, {"model": "mask_rcnn", **fixed})


@pytest.mark.parametrize("machine", [CPU, GPU], ids=["cpu", "gpu"])
@pytest.mark.parametrize("model", ["mask_rcnn", "faster_rcnn"])
def test_a_plan_makes_settings_that_build(machine: Machine, model: str) -> None:
    draft = draft_of(machine=machine, model=model)
    assert all(draft.reasons.values())
    assert set(draft.values) - set(draft.reasons) == {"model_options"}, "its options have a reason each"
    plan_steps(draft, TRAITS, epochs=2, seconds=None, pace=(1.0, 1.0))
    settings = Settings.make({**draft.values, "reasons": draft.reasons})
    rows = {name: (value, reason) for name, value, reason in settings.rows()}
    assert rows["detections"] == ("500", "the most crowded picture holds 375 objects")
    assert rows["anchor sizes"][0] == "11 22 44 88 176"
    built = build_model(settings.model, classes=1, encoder="mobilenetv3_small_050", **settings.model_options)
    assert built.options.items() >= settings.model_options.items()
    assert MODELS[model].objects


def test_options_given_by_hand_win_one_by_one() -> None:
    draft = draft_of(model_options={"detections": 50, "roi": "pool"})
    assert draft.values["model_options"]["detections"] == 50
    assert draft.reasons["model_options.detections"] == "set by hand"
    assert draft.values["model_options"]["roi"] == "pool"
    assert draft.values["model_options"]["anchor_sizes"]
    assert "anchor_sizes" not in draft_of(model_options={"neck": "c4"}).values["model_options"]


def test_detections_leave_room_over_the_most_crowded_picture() -> None:
    assert plan_detections(NUCLEI) == 500
    assert plan_detections(replace(NUCLEI, per_image_max=7)) == 100
    assert plan_detections(replace(NUCLEI, per_image_max=385)) == 550
    proposals = draft_of(replace(NUCLEI, per_image_max=2000)).values["model_options"]["proposals"]
    assert proposals >= 2 * 1.3 * 2000


def test_detections_may_overlap_as_far_as_objects_do() -> None:
    for highest, expected in ((0.1, 0.3), (0.36, 0.36), (0.7, 0.5)):
        survey = replace(NUCLEI, overlaps=(*NUCLEI.overlaps[:-1], highest))
        draft = plan_objects(TRAITS, survey, CPU, {"model": "mask_rcnn"})
        assert draft.values["model_options"]["nms"] == expected
        assert f"{highest:g}" in draft.reasons["model_options.nms"]


@pytest.mark.parametrize(("small", "large"), [(8, 50), (10, 400), (40, 200), (3, 9), (100, 900)])
def test_anchors_reach_nine_in_ten_objects(small: float, large: float) -> None:
    sizes = [size for (size,) in plan_anchors(replace(NUCLEI, sizes=(1, small, 0, 0, 0, large, 0)))[0]]
    assert len(sizes) == 5
    assert sizes == [sizes[0] * 2**level for level in range(5)]
    for side in np.geomspace(max(small, 8), min(large, 1000), 20):
        ratios = [min(side, anchor) / max(side, anchor) for anchor in sizes]
        assert max(ratios) > 0.69 or side < sizes[0] / 1.42, "one anchor is at most 1.42 times larger or smaller"
    assert 8 <= sizes[0] <= (32 if large <= 32 * 16 * 1.41 else 64)


def test_crops_are_as_large_as_objects_need() -> None:
    traits = replace(TRAITS, median_size=(600, 800))
    crops = []
    for large in (50, 150, 900):
        survey = replace(NUCLEI, sizes=(4, 8, 14, 20, 28, large, 2 * large))
        crops.append(plan_objects(traits, survey, CPU, {"model": "mask_rcnn"}).values["crop"])
    assert crops[0][0] * crops[0][1] == pytest.approx(256**2, rel=0.15)
    assert crops[1][0] * crops[1][1] == pytest.approx(375**2, rel=0.15)
    assert crops[2][0] * crops[2][1] == pytest.approx(512**2, rel=0.15)


def test_settings_of_pixels_are_refused_unless_they_are_as_ever() -> None:
    unchanged = {"loss": "ce", "class_weights": [], "label_smoothing": 0.0, "border_weight": 0.0}
    assert draft_of(**unchanged).values["loss"] == "ce"
    for name, value in {"loss": "dice", "class_weights": [1.0, 2.0], "border_weight": 10.0}.items():
        with pytest.raises(SettingError, match=f"{name} is for networks that label pixels"):
            draft_of(**{name: value})


def test_long_objects_get_long_anchors() -> None:
    assert plan_ratios(NUCLEI)[0] == [0.5, 1.0, 2.0]
    assert plan_ratios(replace(NUCLEI, aspects=(0.1, 0.2, 0.5, 1, 2, 4, 6)))[0] == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_norms_are_frozen_only_where_something_is_published() -> None:
    assert draft_of().values["model_options"]["norm"] == "frozen"
    assert draft_of(weights="none").values["model_options"]["norm"] == "batch"


def test_crops_seek_objects_where_they_are_few_or_of_many_kinds() -> None:
    assert draft_of().values["rare_class_probability"] == 0
    assert draft_of(replace(NUCLEI, class_objects=(3000, 1000))).values["rare_class_probability"] == 0.5
    assert draft_of(replace(NUCLEI, objects=20)).values["rare_class_probability"] == 0.5


def test_gaps_between_annotated_objects_weigh() -> None:
    traits = replace(TRAITS, class_pixels=np.array([7 * 10**6, 10**6]))
    assert plan_pixels(traits, CPU, {"model": "unet"}).values["border_weight"] == 10
    assert plan_pixels(replace(traits, objects=False), CPU, {"model": "unet"}).values["border_weight"] == 0
    assert plan_pixels(traits, CPU, {"model": "unet", "border_weight": 3.0}).values["border_weight"] == 3
