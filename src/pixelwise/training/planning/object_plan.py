"""Planning settings of networks that find objects, with reasons: anchors and limits follow from the objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pixelwise.data.fingerprint import Fingerprint
from pixelwise.data.object_survey import SPREAD_PERCENTILES, ObjectSurvey
from pixelwise.errors import SettingError
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.plan_parts import (
    Draft,
    choose_channels,
    choose_encoder,
    choose_machine_use,
    choose_vertical_flips,
    crop_size,
    short_of_time,
)
from pixelwise.training.settings import Settings
from pixelwise.words import counted

CPU_CROP_PIXEL_RANGE, GPU_CROP_PIXEL_RANGE = (256**2, 512**2), (640**2, 1024**2)
"""Least and most pixels of a crop."""
OBJECT_SIDES_PER_CROP = 2.5
"""The side of a crop in sides of a large object: a smaller crop would mostly show parts of objects."""
CPU_OBJECT_BATCH, GPU_OBJECT_BATCH = 2, 8
CPU_REGIONS, GPU_REGIONS = 128, 512
"""Proposals that a step learns from. The heads run on each, which is most of a step: 128 take a quarter of 512."""

FEWEST_REGIONS = 32

PYRAMID_LEVELS = 5
"""The number of maps of a feature pyramid, of strides 4 to 64: each has anchors twice as large as the one before."""
LEAST_ANCHOR, PAPER_ANCHOR, LARGEST_ANCHOR = 8, 32, 64
"""The smallest anchors are no smaller than two cells of stride 4 and no larger than those of the paper. If large
objects would otherwise be out of reach, they may be twice as large as in the paper."""
MOST_DETECTIONS_PER_OBJECT = 1.3
"""The detections per object of the most crowded picture: other pictures may be more crowded, and some detections are
wrong."""
FEWEST_DETECTIONS = 100
"""COCO's limit on detections, which AP uses unless pictures hold more objects."""


def plan_objects(
    traits: Fingerprint, survey: ObjectSurvey, machine: Machine, fixed: Mapping[str, Any], *, work: float = 1.0
) -> Draft:
    """Choose every setting except the number of steps.

    Args:
        traits: what the training pictures are like.
        survey: what their objects are like.
        machine: what they are trained on.
        fixed: settings that were given by hand; they win and steer the others. Options of the model are planned one by
            one beside those given.
        work: the share of the usual work that a step may have, at most 1.
    """
    _refuse_settings_of_pixels(fixed)
    draft = Draft(fixed)
    draft.set(
        "model", object_model(masks=survey.masks), f"objects are annotated by {'masks' if survey.masks else 'boxes'}"
    )
    cpu = machine.device == "cpu"
    choose_encoder(draft)
    choose_channels(draft, traits)
    _choose_options(draft, survey, cpu=cpu)
    height, width = traits.median_size
    large = survey.sizes[SPREAD_PERCENTILES.index(95)]
    least, most = CPU_CROP_PIXEL_RANGE if cpu else GPU_CROP_PIXEL_RANGE
    limit = round(work * min(max((OBJECT_SIDES_PER_CROP * large) ** 2, least), most))
    crop = draft.set(
        "crop",
        crop_size(height, width, limit),
        f"pictures are about {height}x{width}, large objects {large:.0f} pixels; the {machine.device} takes up to "
        f"{most:,} pixels" + short_of_time(work),
    )
    devices = int(draft.values.get("devices", 1)) * int(draft.values.get("nodes", 1))
    batch = CPU_OBJECT_BATCH if cpu else GPU_OBJECT_BATCH
    draft.set(
        "batch", devices * batch, "the heads run on every region of a crop; more steps teach more than more crops"
    )
    draft.set(
        "regions",
        max(FEWEST_REGIONS, round(work * (CPU_REGIONS if cpu else GPU_REGIONS))),
        "a quarter of the paper's 512: the heads run on each" if cpu else "as the paper has it on a pyramid",
    )
    _choose_augmentation(draft, traits, survey, crop)
    draft.set("encoder_rate", 1.0, "the encoder learns at the rate of the heads")
    draft.set("weight_decay", 0.01, "AdamW's usual")
    draft.set("schedule", "poly", "falls to zero over the run (DeepLab)")
    draft.set("learning_rate", 1e-3, "AdamW on fresh heads without norms")
    draft.set("warmup", 0.1, "the heads learn from proposals that are no good at first")
    draft.set("gradient_clip", 5.0, "nothing else bounds the gradients of heads without norms")
    draft.set("label_smoothing", 0.0, "annotations are taken at their word")
    choose_machine_use(draft, machine)
    return draft


def _refuse_settings_of_pixels(fixed: Mapping[str, Any]) -> None:
    """Refuse settings that have no effect; a file of settings that leaves them as they are may hold them.

    Raises:
        SettingError: one is set.
    """
    for name in ("loss", "class_weights", "label_smoothing", "border_weight"):
        if fixed.get(name) not in (None, [], Settings.model_fields[name].default):
            raise SettingError(
                f"{name} is for networks that label pixels; one that finds objects has the losses of its paper, so "
                f"leave it out, or name a model such as deeplabv3plus",
                argument=name,
            )


def _choose_options(draft: Draft, survey: ObjectSurvey, *, cpu: bool) -> None:
    given = dict(draft.values.get("model_options", {}))
    planned: dict[str, tuple[Any, str]] = {}
    pretrained = draft.values["weights"] != "none"
    planned["norm"] = (
        ("frozen", "a few crops are too few to measure statistics; those of ImageNet stay")
        if pretrained
        else ("batch", "nothing published to keep")
    )
    if given.get("neck", "fpn") == "fpn":
        planned["anchor_sizes"] = plan_anchors(survey)
    planned["anchor_ratios"] = plan_ratios(survey)
    detections = plan_detections(survey)
    planned["detections"] = detections, f"the most crowded picture holds {counted(survey.per_image_max, 'object')}"
    planned["nms"] = plan_suppression(survey)
    proposals = max(1000, 2 * detections)
    planned["proposals"] = proposals, "two a detection at least" if proposals > 1000 else "the usual"
    if cpu:
        planned["channels"] = 128, "half the paper's 256: a quarter of the work of a pyramid's convolutions"
        planned["head"] = 512, "half the paper's 1024: a quarter of the work on a proposal"
        if draft.values["model"] == "mask_rcnn":
            planned["mask_head"] = 128, "half the paper's 256: a quarter of the work on a mask"
    draft.values["model_options"] = {name: value for name, (value, _) in planned.items()} | given
    for name, (_, reason) in planned.items():
        draft.reasons[f"model_options.{name}"] = "set by hand" if name in given else reason


def object_model(*, masks: bool) -> str:
    """Choose the network by whether masks or only boxes of objects are annotated."""
    return "mask_rcnn" if masks else "faster_rcnn"


def plan_detections(survey: ObjectSurvey) -> int:
    """Choose the most detections per picture, which is also the limit of AP: a multiple of 50, at least 100."""
    return max(FEWEST_DETECTIONS, 50 * math.ceil(MOST_DETECTIONS_PER_OBJECT * survey.per_image_max / 50))


def plan_suppression(survey: ObjectSurvey) -> tuple[float, str]:
    """Choose the IoU above which the worse of two detections of a class is dropped, by how much objects overlap.

    Where the boxes of objects hardly overlap, two detections that overlap are one object found twice.

    Returns:
        A value from 0.3, because two detections of one object may differ that much, to the paper's 0.5; and the reason.
    """
    usual = survey.overlaps[SPREAD_PERCENTILES.index(99)]
    reason = f"99 of 100 boxes have an IoU below {usual:.2g} with all others of their class"
    return round(min(max(usual, 0.3), 0.5), 2), reason


def plan_anchors(survey: ObjectSurvey) -> tuple[list[list[int]], str]:
    """Choose one size of anchors per map, each twice the one before, so that most objects are near one of them.

    An anchor reaches objects that are up to 1.4 times larger or smaller: boxes of the same shape and position then have
    an IoU of at least 0.5. The finest anchors reach down to the smallest twentieth of the objects, unless the largest
    would then be out of reach.

    Returns:
        The sizes, and the reason.
    """
    small, large = (survey.sizes[SPREAD_PERCENTILES.index(percentile)] for percentile in (5, 95))
    reach = math.sqrt(2)
    first = min(max(reach * small, LEAST_ANCHOR), PAPER_ANCHOR)
    first = round(min(max(first, large / reach / 2 ** (PYRAMID_LEVELS - 1)), LARGEST_ANCHOR))
    sizes = [[first * 2**level] for level in range(PYRAMID_LEVELS)]
    return sizes, f"nine in ten objects measure {small:.0f} to {large:.0f} pixels"


def plan_ratios(survey: ObjectSurvey) -> tuple[list[float], str]:
    """Choose height over width of anchors: the paper's, and longer ones if a tenth of the objects needs them."""
    flat, tall = (survey.aspects[SPREAD_PERCENTILES.index(percentile)] for percentile in (5, 95))
    ratios = [0.5, 1.0, 2.0]
    ratios = [0.25, *ratios] if flat < 0.35 else ratios
    ratios = [*ratios, 4.0] if tall > 1 / 0.35 else ratios
    return ratios, f"nine in ten objects are {flat:.2g} to {tall:.2g} times as high as wide"


def _choose_augmentation(draft: Draft, traits: Fingerprint, survey: ObjectSurvey, crop: tuple[int, int]) -> None:
    draft.set("scale", (0.7, 1.5), "objects vary in size; anchors are laid for the size they have")
    draft.set("rotation", 0.0, "pictures taken upright stay upright")
    draft.set("hflip", True, "left and right rarely matter")
    choose_vertical_flips(draft, traits)
    draft.set("color", 0.3, "brightness, contrast and saturation vary with the light")
    draft.set("elastic", 0.0, "things keep their shapes")
    objects_per_crop = survey.objects / survey.images * survey.of / traits.pixels * crop[0] * crop[1]
    classes = sum(count > 0 for count in survey.class_objects)
    if objects_per_crop < 2 or classes > 1:
        average = counted(f"{objects_per_crop:.2g}", "object")
        reason = f"a crop anywhere would show {average} of {counted(classes, 'class')}; half the crops seek one"
        draft.set("rare_class_probability", 0.5, reason)
    else:
        draft.set(
            "rare_class_probability", 0.0, f"a crop anywhere shows {counted(f'{objects_per_crop:.0f}', 'object')}"
        )
