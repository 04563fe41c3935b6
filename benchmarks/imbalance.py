"""What helps rare classes: losses, class weights and rare-class crops, with equal steps, three seeds each.

    python benchmarks/imbalance.py run DATA OUT       # trains what OUT lacks; may be stopped and called again
    python benchmarks/imbalance.py table OUT          # prints the table of benchmarks/imbalance.md

Every run is DeepLabv3+ on EfficientNet-Lite0 with its ImageNet weights, learnt from crops of 180x240; all validation
pictures are scored at their own size. Rare are the classes with fewer than 2% of the training pixels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pixelwise.cli.machine import keep_large_blocks, share_the_processor

keep_large_blocks()  # before torch starts threads
share_the_processor()

from pixelwise.data.fingerprint import fingerprint  # noqa: E402
from pixelwise.data.source import DataSource, open_data  # noqa: E402
from pixelwise.inference import Predictor  # noqa: E402
from pixelwise.io.images import DecodedPicture  # noqa: E402
from pixelwise.metrics.paired import Sampled, mean_of, sample_pixels  # noqa: E402
from pixelwise.scoring.pixel_judge import read_pair  # noqa: E402
from pixelwise.training.fit import fit  # noqa: E402
from pixelwise.training.planning.pixel_plan import class_weights  # noqa: E402
from pixelwise.training.run_folder import RunFolder  # noqa: E402

RARE_SHARE = 0.02
SEEDS = (0, 1, 2)
COMMON: dict[str, Any] = {"model": "deeplabv3plus", "encoder": "tf_efficientnet_lite0", "crop": (180, 240), "batch": 4}


def methods(pixels: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, dict[str, Any]]:
    """Settings of each method, by its name; the first is what the others are compared with."""
    even = (1.0,) * len(pixels)
    share = pixels / pixels.sum()
    median = np.median(share) / share
    full = tuple(float(weight) for weight in median / (median * share).sum())
    plain = {"loss": "ce", "class_weights": even, "rare_class_probability": 0.0}
    return {
        "cross-entropy": plain,
        "weights: median frequency": {**plain, "class_weights": full},
        "OHEM": {**plain, "loss": "ohem"},
        "Dice": {**plain, "loss": "dice"},
        "focal": {**plain, "loss": "focal"},
        "Lovasz": {**plain, "loss": "lovasz"},
        "rare-class crops": {**plain, "rare_class_probability": 0.5},
        "the plan: square root weights, rare-class crops": {
            **plain,
            "class_weights": class_weights(pixels),
            "rare_class_probability": 0.5,
        },
    }


def run(data: Path, out: Path, steps: int, seeds: Sequence[int]) -> None:
    """Train and score what is not in OUT yet, seed by seed."""
    source = open_data(data)
    # Only the last weights count, so that two pictures are enough for the validation that saves them.
    shown = replace(source, splits={"train": source.split("train"), "val": source.split("val")[:2]})
    pixels = fingerprint(source).class_pixels
    out.mkdir(parents=True, exist_ok=True)
    about = {"classes": source.label_space.names, "pixels": pixels.tolist(), "steps": steps}
    (out / "about.json").write_text(json.dumps(about))
    for seed in seeds:
        for number, (name, settings) in enumerate(methods(pixels).items()):
            scores = out / f"{number}-seed{seed}.npy"
            if scores.exists():
                continue
            started = time.monotonic()
            folder = RunFolder(out / f"{number}-seed{seed}-{time.time():.0f}")
            fixed = {**COMMON, **settings, "steps": steps, "validate_every": steps, "seed": seed}
            fit(shown, folder, fixed=fixed)
            trained = time.monotonic()
            np.save(scores, count(Predictor(folder.path), source))
            print(f"{name}, seed {seed}: {trained - started:.0f} + {time.monotonic() - trained:.0f} s", flush=True)


def count(predictor: Predictor, source: DataSource) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Confusion counts (P, K, K) of the validation pictures, ``[target, prediction]``."""
    pairs = sorted(source.split("val"), key=lambda pair: pair.id)
    samples = (read_pair(pair, source.label_space, predictor.preprocessing) for pair in pairs)
    return np.stack([predictor.confusion(DecodedPicture(sample.image), sample.mask) for sample in samples])


def table(out: Path) -> None:
    """Print a row per method: figures over three seeds, and differences to the first method with their intervals."""
    about = json.loads((out / "about.json").read_text())
    names, pixels = about["classes"], np.array(about["pixels"])
    rare = [name for name, share in zip(names, pixels / pixels.sum(), strict=True) if share < RARE_SHARE]
    print(f"steps {about['steps']}; rare: {', '.join(rare)}\n")
    print("| | rare IoU | over seeds | difference | mIoU | over seeds | difference | mean accuracy |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    first: list[Sampled] | None = None
    for number, name in enumerate(methods(pixels)):
        runs = [np.load(path) for path in sorted(out.glob(f"{number}-seed?.npy"))]
        if not runs:
            continue
        rows = [figures(counts, names, rare) for counts in runs]
        means = [mean_of(column) for column in zip(*rows, strict=True)]
        first = first or means
        cells = []
        for place, mean in enumerate(means[:2]):
            values = [row[place].value for row in rows]
            difference = mean - first[place]
            low, high = difference.interval or (0.0, 0.0)
            cells += [f"{mean.value:.3f}", f"{min(values):.3f} to {max(values):.3f}"]
            cells.append("" if mean is first[place] else f"{difference.value:+.3f} [{low:+.3f} to {high:+.3f}]")
        print(f"| {name} | {' | '.join(cells)} | {means[2].value:.3f} |")


def figures(counts: np.ndarray[Any, np.dtype[np.int64]], names: list[str], rare: list[str]) -> list[Sampled]:
    """Mean IoU of the rare classes, mIoU and mean accuracy of a run."""
    overall, classes = sample_pixels(list(counts), names)
    return [mean_of([classes[name] for name in rare]), overall["miou"], overall["mean_accuracy"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    training = verbs.add_parser("run")
    training.add_argument("data", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--steps", type=int, default=160)
    training.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    training.set_defaults(verb=lambda options: run(options.data, options.out, options.steps, options.seeds))
    printing = verbs.add_parser("table")
    printing.add_argument("out", type=Path)
    printing.set_defaults(verb=lambda options: table(options.out))
    options = parser.parse_args()
    options.verb(options)


if __name__ == "__main__":
    main()
