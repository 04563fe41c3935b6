"""A check that the whole chain learns objects: Mask R-CNN overfitted to the few pictures of a data set.

    python benchmarks/overfit.py DATA --out DIR [--minutes 6] [--model mask_rcnn]

DATA is a data set of annotated objects, such as fruits_nuts (18 pictures, COCO JSON). All of its pictures train, and
the same ones are scored, so that anything much below an AP of 1 is a fault of the chain. Done by the commands that
people use.
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

SETTINGS = ("scale=[0.8, 1.25]", "color=0")
"""Crops vary less than they would to learn what holds for other pictures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--model", default="mask_rcnn")
    options = parser.parse_args()
    ids = sorted({pair.id for pair in open_data(options.data).pairs})
    options.out.mkdir(parents=True, exist_ok=True)
    described, run = options.out / "dataset.yaml", options.out / options.model
    described.write_text(yaml.safe_dump({"path": str(options.data.resolve()), "splits": {"train": ids, "val": ids}}))
    train = ["train", str(described), "--model", options.model, "--minutes", f"{options.minutes:g}", "--out", str(run)]
    for setting in SETTINGS:
        train += ["--set", setting]
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "pixelwise", *train], check=True)
    minutes = (time.monotonic() - started) / 60
    found = json.loads((run / "scores.json").read_text())
    shown = ", ".join(f"{name} {found[name]:.3f}" for name in ("ap", "ap50", "box_ap", "ap50_tp_fp_fn"))
    print(f"{options.model}, {len(ids)} pictures, {minutes:.1f} minutes: {shown}")


if __name__ == "__main__":
    main()
