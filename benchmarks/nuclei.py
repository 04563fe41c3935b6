"""Two roads to nuclei: Mask R-CNN, and U-Net with gap weights and connected parts, on one split, scored alike.

    python benchmarks/nuclei.py DATA --out DIR [--minutes 25] [--models mask_rcnn,unet] [--seed 0] [--tta hflip,vflip]

DATA is a folder of ``images/`` and ``instance_masks/`` (DSB 2018). A fifth of the pictures, chosen by their names and
the seed, is kept for the figures; a seventh of the rest chooses the best weights. Everything is done by the commands
that people use.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from pixelwise.data.source import open_data
from pixelwise.data.splits import carve
from pixelwise.models import MODELS

TEST, VAL = 1 / 5, 1 / 7
FIGURES = ("ap50_tp_fp_fn", "ap", "ap50", "pq", "boundary_ap")
COUNTS = ("tp", "fp", "fn", "score_threshold", "min_area")
PIXELWISE = (sys.executable, "-m", "pixelwise")


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


def score(run: Path, described: Path, *more: str) -> str:
    """Evaluate a run on the pictures kept for that, and say its figures and the time in a line."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scores.json"
        evaluate = ["evaluate", str(run), str(described), "--split", "test", "--json", str(file), *more]
        started = time.monotonic()
        subprocess.run([*PIXELWISE, *evaluate], check=True)
        seconds = time.monotonic() - started
        found = json.loads(file.read_text())
    shown = [f"{key} {found[key]:.3f}" for key in FIGURES] + [f"{key} {found[key]}" for key in COUNTS]
    return f"{', '.join(shown)}; evaluated in {seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--models", default="mask_rcnn,unet")
    parser.add_argument("--tta", default="", help="views that networks of pixels are evaluated with once more")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    described = write_split(options.data, options.out, options.seed)
    lines = []
    for model in options.models.split(","):
        run = options.out / model
        train = ["train", str(described), "--model", model, "--minutes", f"{options.minutes:g}", "--out", str(run)]
        started = time.monotonic()
        subprocess.run([*PIXELWISE, *train], check=True)
        lines.append(f"{model}, {(time.monotonic() - started) / 60:.1f} minutes: {score(run, described)}")
        if options.tta and not MODELS[model].objects:
            lines.append(f"{model}, --tta {options.tta}: {score(run, described, '--tta', options.tta)}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
