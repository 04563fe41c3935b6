"""Planning settings of networks that label pixels, with reasons, from the pictures, the classes and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pixelwise.data.fingerprint import Fingerprint
from pixelwise.errors import ModelError, unknown_name
from pixelwise.losses import OF_PIXELS, parse_loss
from pixelwise.models.build import MODELS
from pixelwise.training.planning.machine import Machine
from pixelwise.training.planning.plan_parts import (
    CROP_UNIT,
    Draft,
    choose_channels,
    choose_encoder,
    choose_machine_use,
    choose_vertical_flips,
    crop_size,
    short_of_time,
)
from pixelwise.training.planning.profile import NetworkProfile, profile_network

DEFAULT_MODEL = "deeplabv3plus"

CPU_CROP_PIXELS = 288 * 384
GPU_CROP_PIXELS = 512 * 512
CPU_PIXEL_BATCH = 8
CPU_STEP_MULTIPLY_ADDS = 1e11
"""The forward multiply-adds per step and CPU core with native bfloat16, and half as many without it. Together with the
backward pass, such a step takes a few seconds."""
LEAST_BATCH = 4
"""The least crops per step for which batch statistics are good enough; networks without norms may see a single crop."""
CPU_PLAIN_BATCH = 2
"""The crops per step of networks without norms, which have no statistics to estimate; their papers use 1, or about
20."""
GPU_PIXEL_BATCH = 16
GPU_BYTES_PER_PIXEL = 6_000
"""The memory assumed per crop pixel in training on a GPU, chosen generously."""

BORDER_WEIGHT = 10.0
"""Weight of a gap between annotated objects, as in U-Net's paper."""


def plan_pixels(fingerprint: Fingerprint, machine: Machine, fixed: Mapping[str, Any], *, work: float = 1.0) -> Draft:
    """Choose every setting except the number of steps, which needs a time or a count of epochs.

    Args:
        fingerprint: what the training pictures are like.
        machine: what they are trained on.
        fixed: settings that were given by hand; they win and steer the others.
        work: the share of the usual work that a step may have, at most 1.
    """
    draft = Draft(fixed)
    _choose_model(draft, fingerprint, machine)
    profile = profile_network(
        draft.values["model"],
        classes=len(fingerprint.class_pixels),
        encoder=draft.values["encoder"],
        in_channels=draft.values["in_channels"],
        options=draft.values["model_options"],
    )
    _choose_input(draft, fingerprint, machine, profile, work)
    _choose_edge(draft, profile)
    _choose_augmentation(draft, fingerprint)
    _choose_loss(draft, fingerprint)
    _choose_optimisation(draft, profile)
    choose_machine_use(draft, machine)
    return draft


def _choose_model(draft: Draft, fingerprint: Fingerprint, machine: Machine) -> None:
    draft.set("model", DEFAULT_MODEL, "sees context at several rates and scores at stride 4, which is cheap")
    if draft.values["model"] not in MODELS:
        raise ModelError(unknown_name("model", str(draft.values["model"]), MODELS))
    choose_encoder(draft)
    if machine.device == "cpu" and draft.values["model"] == "deeplabv3plus":
        draft.set(
            "model_options", {"decoder_channels": 128}, "half the paper's 256: a fifth more steps in the same time"
        )
    else:
        draft.set("model_options", {}, "as the model comes")
    choose_channels(draft, fingerprint)


def _choose_input(
    draft: Draft, fingerprint: Fingerprint, machine: Machine, profile: NetworkProfile, work: float
) -> None:
    height, width = fingerprint.median_size
    short = short_of_time(work)
    if machine.device != "cpu":
        reason = f"pictures are about {height}x{width}; {GPU_CROP_PIXELS:,} pixels per crop suit this {machine.device}"
        crop = draft.set("crop", profile.legal_crop(crop_size(height, width, GPU_CROP_PIXELS)), reason)
        fitting = int(0.8 * machine.memory / (GPU_BYTES_PER_PIXEL * crop[0] * crop[1]))
        devices = int(draft.values.get("devices", 1)) * int(draft.values.get("nodes", 1))
        most = 2 ** max(1, int(np.log2(max(2, fitting))))
        batch = devices * max(2, int(work * min(GPU_PIXEL_BATCH, most)))
        draft.set("batch", batch, f"{machine.memory / 2**30:.0f} GiB on the {machine.name}{short}")
        return
    affordable = CPU_STEP_MULTIPLY_ADDS * machine.cores * (1.0 if machine.native_bfloat16 else 0.5)
    least = LEAST_BATCH if profile.normalised else 1
    most = CPU_PIXEL_BATCH if profile.normalised else CPU_PLAIN_BATCH
    limit = CPU_CROP_PIXELS
    crop = profile.legal_crop(crop_size(height, width, limit))
    if work < 1:
        affordable = work * min(affordable, most * profile.multiply_adds(crop))
    while least * profile.multiply_adds(crop) > affordable and min(crop) > 3 * CROP_UNIT:
        limit = int(0.8 * limit)
        crop = profile.legal_crop(crop_size(height, width, limit))
    reason = f"pictures are about {height}x{width}; {limit:,} pixels per crop suit this cpu{short}"
    crop = draft.set("crop", crop, reason if limit == CPU_CROP_PIXELS else f"{reason} and so heavy a network")
    cost = profile.multiply_adds((int(crop[0]), int(crop[1])))
    batch = min(most, max(least, int(affordable / cost)))
    if batch == CPU_PIXEL_BATCH:
        draft.set("batch", batch, "enough for stable batch statistics; more only slows steps on a CPU")
    elif batch == CPU_PLAIN_BATCH and not profile.normalised:
        draft.set("batch", batch, "without batch statistics many small steps teach more than few large ones")
    else:
        why = f"a crop costs {cost / 1e9:.0f} G multiply-adds, and a step should take seconds{short}"
        draft.set("batch", batch, why)


def _choose_edge(draft: Draft, profile: NetworkProfile) -> None:
    """Choose what lies beyond the edge of pictures, and by how much crops are smaller than whole periods."""
    if profile.rounds_up:
        draft.set("edge", "none", "the network computes on pictures as they are; see benchmarks/edges.md")
    else:
        draft.set("edge", "mirror", "fewest wrong labels at the edge; see benchmarks/edges.md")
    if profile.period < 2:
        draft.set("shorter", 0, "the network treats all sizes alike")
        return
    # A quarter at most, because small crops would otherwise show more beyond the edge than necessary.
    most = min(profile.period - 1, int(min(draft.values["crop"])) // 4)
    draft.set("shorter", most, f"pictures are no multiples of {profile.period} pixels, so crops are none either")


def _choose_augmentation(draft: Draft, fingerprint: Fingerprint) -> None:
    draft.set("scale", (0.75, 2.0), "objects come in all sizes; magnified ones teach thin classes")
    draft.set("rotation", 0.0, "pictures taken upright stay upright")
    draft.set("hflip", True, "left and right rarely matter")
    choose_vertical_flips(draft, fingerprint)
    draft.set("color", 0.3, "brightness, contrast and saturation vary with the light")
    elastic = MODELS[draft.values["model"]].recipe.get("elastic", 0.0)
    if elastic:
        # The paper bends crops of about 400 pixels; smaller ones would be distorted too much.
        side = min(draft.values["crop"])
        draft.set("elastic", min(elastic, round(side / 32, 1)), "tissue deforms, as the network's paper has it")
    else:
        draft.set("elastic", 0.0, "things keep their shapes")
    share = fingerprint.class_pixels / max(1, fingerprint.class_pixels.sum())
    present = share[share > 0]
    rarest = float(present.min(initial=1.0))
    if len(present) > 1 and rarest < 0.05:
        draft.set(
            "rare_class_probability",
            0.5,
            f"the rarest class holds {100 * rarest:.2g}% of the pixels; half the crops seek rare ones",
        )
    else:
        draft.set("rare_class_probability", 0.0, "no class is rare")


def _choose_loss(draft: Draft, fingerprint: Fingerprint) -> None:
    loss = draft.set("loss", "ce", "cross-entropy counts every pixel; docs/losses.md lists the others")
    weights = class_weights(fingerprint.class_pixels)
    if all(term.name in OF_PIXELS for term in parse_loss(loss)):
        spread = max(weights) / min(weights)
        reason = f"square root of median frequency balancing; heaviest to lightest {spread:.1f}"
        draft.set("class_weights", weights, reason)
    else:
        reason = f"{loss}: classes count alike, however many pixels they have"
        draft.set("class_weights", (1.0,) * len(weights), reason)
    draft.set("label_smoothing", 0.0, "masks are taken at their word")
    border_weight = MODELS[draft.values["model"]].recipe.get("border_weight", 0.0)
    if fingerprint.objects:
        draft.set("border_weight", border_weight or BORDER_WEIGHT, "keeps touching objects apart (U-Net)")
    elif border_weight and len(weights) == 2:
        draft.set("border_weight", border_weight, "keeps touching objects apart, as the network's paper has it")
    else:
        draft.set("border_weight", 0.0, "no objects to keep apart are known")


def class_weights(pixels: np.ndarray[Any, np.dtype[np.int64]], *, limit: float = 10.0) -> tuple[float, ...]:
    """Square root of median frequency over frequency, scaled so that an average pixel weighs 1.

    The full ratio (Eigen and Fergus 2015, as SegNet used it) trades much precision for recall of rare classes; its
    square root is a compromise. Classes without a pixel weigh 1 before scaling.

    Args:
        pixels: pixels of each class in the training masks.
        limit: largest and smallest (as 1 / limit) weight before scaling.
    """
    frequency = pixels / max(1, pixels.sum())
    present = frequency > 0
    weights = np.ones(len(pixels))
    if present.any():
        weights[present] = np.sqrt(np.median(frequency[present]) / frequency[present]).clip(1 / limit, limit)
        weights /= (weights * frequency).sum()
    return tuple(float(round(weight, 4)) for weight in weights)


def _choose_optimisation(draft: Draft, profile: NetworkProfile) -> None:
    pretrained = profile.has_encoder and draft.values["weights"] != "none"
    draft.set("encoder_rate", 1.0, "the encoder learns at the rate of the decoder")
    draft.set("weight_decay", 0.01, "AdamW's usual")
    draft.set("schedule", "poly", "falls to zero over the run (DeepLab)")
    if profile.normalised:
        draft.set("learning_rate", 2e-3, "AdamW on a fresh decoder")
        draft.set("warmup", 0.03 if pretrained else 0.05, "the first steps of a fresh decoder are rough")
        draft.set("gradient_clip", 0.0, "batch norm keeps gradients in bounds")
    else:
        rate = MODELS[draft.values["model"]].recipe.get("learning_rate", 2e-4)
        draft.set("learning_rate", rate, "AdamW on a network without norms, which large steps would throw off")
        draft.set("warmup", 0.1, "without norms the first steps are the dangerous ones")
        draft.set("gradient_clip", 1.0, "nothing else bounds the gradients of a network without norms")
