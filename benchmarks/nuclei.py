"""Two roads to nuclei: Mask R-CNN, and U-Net with gap weights and connected parts, on one split, scored alike.

    python benchmarks/nuclei.py DATA --out DIR [--minutes 25] [--models mask_rcnn,unet] [--seed 0]

DATA is a folder of ``images/`` and ``instance_masks/`` (DSB 2018). A fifth of the pictures, chosen by their names and
the seed, is kept for the figures; a seventh of the rest chooses the best weights. Everything is done by the commands
that people use.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import yaml

from pixelwise.data.source import open_data
from pixelwise.data.splits import carve

TEST, VAL = 1 / 5, 1 / 7
FIGURES = ("ap50_tp_fp_fn", "ap", "ap50", "pq", "boundary_ap")
COUNTS = ("tp", "fp", "fn")


def write_split(data: Path, folder: Path, seed: int) -> Path:
    """Describe the data with a split into train, val and test."""
    rest, test = carve(open_data(data).pairs, TEST, seed)
    train, val = carve(tuple(sorted(rest, key=lambda pair: pair.id)), VAL, seed + 1)
    splits = {
        name: sorted(pair.id for pair in pairs) for name, pairs in (("train", train), ("val", val), ("test", test))
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "dataset.yaml"
    file.write_text(yaml.safe_dump({"path": str(data.resolve()), "splits": splits}))
    print(", ".join(f"{len(ids)} {name}" for name, ids in splits.items()))
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--models", default="mask_rcnn,unet")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    described = write_split(options.data, options.out, options.seed)
    lines = []
    for model in options.models.split(","):
        run, scores = options.out / model, options.out / f"{model}.json"
        pixelwise = [sys.executable, "-m", "pixelwise"]
        train = ["train", str(described), "--model", model, "--minutes", f"{options.minutes:g}", "--out", str(run)]
        started = time.monotonic()
        subprocess.run([*pixelwise, *train], check=True)
        minutes = (time.monotonic() - started) / 60
        subprocess.run(
            [*pixelwise, "evaluate", str(run), str(described), "--split", "test", "--json", str(scores)], check=True
        )
        found = json.loads(scores.read_text())
        shown = [f"{key} {found[key]:.3f}" for key in FIGURES] + [f"{key} {found[key]}" for key in COUNTS]
        lines.append(f"{model}, {minutes:.1f} minutes: {', '.join(shown)}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
