"""False labels at the right edge of pictures whose margin is empty, as around the round field of an angiogram.

    python benchmarks/margin.py --out runs/margin

Pictures of vessels in a round field on black are drawn, and a U-Net learns them by several rules: with ``edge=zeros``
and crops of whole periods, as before there was a choice, and on to what is planned today. Each labels pictures of 249
and of 256 columns that it has not seen. Counted are the pixels of the last two columns that come out as vessels; there
are none.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from pixelwise.cli.machine import keep_large_blocks, share_the_processor

keep_large_blocks()  # before torch starts threads

from pixelwise.data.source import open_data  # noqa: E402
from pixelwise.inference import Predictor  # noqa: E402
from pixelwise.training.fit import fit  # noqa: E402
from pixelwise.training.run_folder import RunFolder  # noqa: E402

ROWS, COLUMNS, CUT = 224, 256, 7
TRAINED, SEEN_NOT = 24, 20
SETTINGS = {"model": "unet", "crop": (128, 128), "batch": 4}
RULES: dict[str, dict[str, Any]] = {
    "zeros, never shown": {"edge": "zeros", "shorter": 0},
    "zeros, shown": {"edge": "zeros"},
    "mirror, shown": {},
}


def draw(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture (H, W, 3) and its mask (H, W): bright vessels in a dark field, black around it."""
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    for _ in range(8):
        steps = np.cumsum(rng.normal(0, 0.25, 60)) + rng.uniform(0, 2 * np.pi)
        start = np.array([rng.uniform(60, COLUMNS - 60), rng.uniform(40, ROWS - 40)])
        path = start + np.cumsum(4 * np.stack([np.cos(steps), np.sin(steps)], 1), 0)
        cv2.polylines(mask, [path.round().astype(np.int32)], False, 1, thickness=int(rng.integers(2, 5)))
    field = np.zeros((ROWS, COLUMNS), np.uint8)
    cv2.circle(field, (COLUMNS // 2 - 4, ROWS // 2), 100, 1, -1)
    mask *= field
    shade = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)[..., None]
    picture = (40 + 90 * shade) * field[..., None] + rng.normal(0, 6, (ROWS, COLUMNS, 1)).repeat(3, 2)
    return picture.clip(0, 255).astype(np.uint8), mask


def write(folder: Path, seed: int) -> None:
    """Write pictures and masks as a data set."""
    rng = np.random.default_rng(seed)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(TRAINED):
        picture, mask = draw(rng)
        Image.fromarray(picture).save(folder / "images" / f"{number:02}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number:02}.png")
    (folder / "classes.txt").write_text("background\nvessel\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    share_the_processor()
    write(options.out / "data", seed=0)
    rng = np.random.default_rng(1)
    unseen = [draw(rng) for _ in range(SEEN_NOT)]
    fixed = {**SETTINGS, "steps": options.steps, "validate_every": options.steps}
    print("| trained with | vessels in the last two columns of 249 | of 256 | IoU of vessels |")
    print("| --- | --- | --- | --- |")
    for number, (name, rule) in enumerate(RULES.items()):
        run = RunFolder(options.out / f"run-{number}")
        fit(open_data(options.out / "data"), run, fixed={**fixed, **rule}, epochs=1, console=Console(quiet=True))
        predictor = Predictor(run.path)
        whole = [predictor(picture).labels for picture, _ in unseen]
        cut = [predictor(picture[:, :-CUT]).labels for picture, _ in unseen]
        false = [sum(int(labels[:, -2:].sum()) for labels in some) for some in (cut, whole)]
        both = sum(int((labels & mask).sum()) for labels, (_, mask) in zip(whole, unseen, strict=True))
        either = sum(int((labels | mask).sum()) for labels, (_, mask) in zip(whole, unseen, strict=True))
        print(f"| {name} | {false[0]} | {false[1]} | {both / either:.3f} |", flush=True)


if __name__ == "__main__":
    main()
