"""From strokes to a trained network on nuclei, through the server, beside a network trained on the true masks.

Twelve pictures get five seeded strokes per class (as in `scribbles.py`), their proposals are accepted, and the server
trains. The same pictures with their true masks are trained on for the same time. Both networks label other pictures.

    uv run python benchmarks/label_loop.py DATA [--minutes 5] [--work DIR]

DATA holds `nuclei/`. The IoU of nuclei is over all pixels of the other pictures.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from scribbles import VOID, WIDTH, walk

from pixelwise.inference import Predictor
from pixelwise.io.masks import read_mask

PICTURES, OTHERS, STROKES = 12, 24, 5


def truth_of(image: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    mask = next((image.parent.parent / "instance_masks").glob(f"{image.stem}.*"))
    return (read_mask(mask) > 0).astype(np.uint8)


def label(server: httpx.Client, images: dict[str, Path]) -> list[float]:
    """Draw strokes on all pictures, then accept what is proposed; give the IoU of each picture's labels."""
    rng = np.random.default_rng(0)
    pictures = server.get("/v1/label").json()["pictures"]
    number = 0
    for picture in pictures:
        truth = truth_of(images[picture["name"]])
        actions = []
        for value in (0, 1):
            for _ in range(STROKES):
                number += 1
                points = walk((truth == value).astype(np.uint8), rng)
                named = {"kind": "stroke", "id": f"{number}", "stroke": f"{number}"}
                actions.append({**named, "value": value, "width": WIDTH, "points": points})
        server.post(f"/v1/label/pictures/{picture['id']}/actions", json={"actions": actions}).raise_for_status()
    scores = []
    for picture in pictures:
        for _ in range(3):  # until the strokes of all pictures were looked at
            answer = server.post(f"/v1/label/pictures/{picture['id']}/proposal").raise_for_status()
        name = json.loads(answer.headers["pixelwise-proposal"])["id"]
        accepted = {"kind": "accept", "id": f"accept-{picture['id']}", "map": name}
        server.post(f"/v1/label/pictures/{picture['id']}/actions", json={"actions": [accepted]}).raise_for_status()
        labels = server.get(f"/v1/label/pictures/{picture['id']}/labels").content
        found = np.frombuffer(labels, np.uint8).reshape(picture["height"], picture["width"])
        assert (found != VOID).all()
        scores.append(iou([truth_of(images[picture["name"]])], [found]))
    return scores


def iou(truths: list[Any], labels: list[Any]) -> float:
    both = sum(int(((truth == 1) & (found == 1)).sum()) for truth, found in zip(truths, labels, strict=True))
    either = sum(int(((truth == 1) | (found == 1)).sum()) for truth, found in zip(truths, labels, strict=True))
    return both / max(1, either)


def score(run: Path, others: list[Path]) -> float:
    predictor = Predictor(run)
    return iou([truth_of(image) for image in others], [predictor(image).labels for image in others])


def main(data: Path, minutes: float, work: Path) -> None:
    found = sorted((data / "nuclei" / "images").iterdir())
    images = found[:: len(found) // PICTURES][:PICTURES]
    others = found[5 :: len(found) // OTHERS][:OTHERS]
    assert not set(images) & set(others)
    for folder in ("pictures", "true/images", "true/masks"):
        (work / folder).mkdir(parents=True)
    for image in images:
        shutil.copy(image, work / "pictures")
        shutil.copy(image, work / "true" / "images")
        Image.fromarray(truth_of(image)).save(work / "true" / "masks" / f"{image.stem}.png")
    (work / "true" / "classes.txt").write_text("background\nnucleus\n")

    program = [sys.executable, "-m", "pixelwise"]
    command = [*program, "label", str(work / "pictures"), "--classes", "background,nucleus", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = next(match[1] for line in server.stdout if (match := re.search(r"label at (\S+)", line)))
    with httpx.Client(base_url=address, timeout=600) as client:
        scores = label(client, {image.name: image for image in images})
        print(f"labels from strokes: mean IoU of the pictures {np.mean(scores):.3f}", flush=True)
        client.post("/v1/label/training", json={"minutes": minutes}).raise_for_status()
        while (state := client.get("/v1/label/training").json())["state"] == "running":
            time.sleep(2)
        assert state["state"] == "finished", state
        assert client.get("/v1/label").json()["model"]
        first = client.get("/v1/label").json()["pictures"][0]["id"]
        client.post(f"/v1/label/pictures/{first}/proposal", params={"by": "model"}).raise_for_status()
    server.terminate()
    server.wait()
    print(f"network from strokes: IoU {score(Path(state['run']), others):.3f} on {len(others)} others", flush=True)

    run = work / "true-run"
    command = [*program, "train", str(work / "true"), "--minutes", f"{minutes:g}", "--out", str(run)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(f"network from the true masks: IoU {score(run, others):.3f} on {len(others)} others", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Label by strokes, train, and compare.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--work", type=Path, help="folder to keep; a temporary one by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main(given.data, given.minutes, given.work or Path(temporary))
