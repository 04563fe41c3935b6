"""Labels from a few strokes: our features beside a random forest on colour and Gaussian features, the field's usual.

For ten pictures of each data set, five strokes per class are drawn by a seeded walk inside the class, 3 pixels wide and
at most 60 long. The strokes of all ten pictures teach together, and all pixels are then labelled.

    uv run python benchmarks/scribbles.py DATA [--sets membranes,nuclei,camvid] [--seed 0] [--offset 0]

DATA holds `membranes/`, `nuclei/` and `camvid/`. IoU is over all pixels of the ten pictures, those under strokes
included.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from pixelwise.io.images import read_image
from pixelwise.io.masks import read_mask
from pixelwise.labelling.raster import paint_stroke
from pixelwise.labelling.scribbles.pixels import compute_features
from pixelwise.labelling.scribbles.teacher import Teacher, sample

PICTURES, STROKES, WIDTH, LONGEST = 10, 5, 3.0, 60
VOID = 255
Truth = NDArray[np.uint8]
Task = tuple[list[tuple[Path, Truth]], list[str], list[int]]
"""Pictures with their truth, the classes that have strokes, and those that are scored."""


def membranes(data: Path, offset: int) -> Task:
    """Cells and the membranes between them."""
    images = evenly(sorted((data / "membranes" / "images").iterdir()), offset)
    masks = [next((data / "membranes" / "masks").glob(f"{image.stem}.*")) for image in images]
    truths = [(read_mask(mask) > 0).astype(np.uint8) for mask in masks]
    return list(zip(images, truths, strict=True)), ["membrane", "cell"], [0, 1]


def nuclei(data: Path, offset: int) -> Task:
    """Nuclei in front of everything else."""
    images = evenly(sorted((data / "nuclei" / "images").iterdir()), offset)
    masks = [next((data / "nuclei" / "instance_masks").glob(f"{image.stem}.*")) for image in images]
    truths = [(read_mask(mask) > 0).astype(np.uint8) for mask in masks]
    return list(zip(images, truths, strict=True)), ["background", "nucleus"], [1]


def camvid(data: Path, offset: int) -> Task:
    """Road, sky and trees; all other classes are one, which has strokes and is not scored."""
    root = data / "camvid"
    wanted = ["road", "sky", "tree"]
    names = [line.split()[-1].lower() for line in (root / "classes.txt").read_text().splitlines() if line.strip()]
    lines = [line.split() for line in (root / "val.txt").read_text().splitlines() if line.strip()]
    found = []
    for image, mask in evenly(lines, offset):
        stored = read_mask(root / Path(*Path(mask).parts[-2:]))
        truth = np.full(stored.shape, len(wanted), np.uint8)
        for value, name in enumerate(wanted):
            truth[stored == names.index(name)] = value
        truth[stored >= len(names)] = VOID
        found.append((root / Path(*Path(image).parts[-2:]), truth))
    return found, [*wanted, "other"], [0, 1, 2]


SETS = {"membranes": membranes, "nuclei": nuclei, "camvid": camvid}


def evenly(items: list[Any], offset: int) -> list[Any]:
    return items[offset :: max(1, len(items) // PICTURES)][:PICTURES]


def draw_strokes(truth: Truth, classes: int, rng: np.random.Generator) -> Truth:
    """Draw strokes inside each class, away from its edge by a pixel where the class has such places."""
    strokes = np.full(truth.shape, VOID, np.uint8)
    for value in range(classes):
        whole = (truth == value).astype(np.uint8)
        core = np.asarray(cv2.erode(whole, np.ones((3, 3), np.uint8)), np.uint8)
        inside = core if core.sum() > 50 else whole
        for _ in range(STROKES if inside.any() else 0):
            paint_stroke(strokes, walk(inside, rng), WIDTH, value)
    return strokes


def walk(inside: Truth, rng: np.random.Generator) -> list[float]:
    """Walk through a region by steps of a pixel, straight on where that is possible, until it ends."""
    rows, columns = np.nonzero(inside)
    start = rng.integers(len(rows))
    x, y, heading = columns[start] + 0.5, rows[start] + 0.5, rng.uniform(0, 2 * math.pi)
    points = [float(x), float(y)]
    for _ in range(LONGEST - 1):
        for turn in (0, 0.3, -0.3, 0.6, -0.6, 1, -1):
            way = heading + turn + rng.normal(0, 0.1)
            to_x, to_y = x + math.cos(way), y + math.sin(way)
            if 0 <= to_x < inside.shape[1] and 0 <= to_y < inside.shape[0] and inside[int(to_y), int(to_x)]:
                break
        else:
            break
        x, y, heading = to_x, to_y, way
        points += [float(x), float(y)]
    return points


def iou(truths: list[Truth], labels: list[Truth], classes: int) -> NDArray[np.float64]:
    counts = np.zeros((classes, classes))
    for truth, found in zip(truths, labels, strict=True):
        known = truth != VOID
        places = truth[known].astype(int) * classes + found[known]
        counts += np.bincount(places, minlength=classes**2).reshape(classes, classes)
    both = np.diag(counts)
    scores: NDArray[np.float64] = both / (counts.sum(0) + counts.sum(1) - both)
    return scores


def run(name: str, data: Path, *, seed: int, offset: int) -> None:
    pairs, names, scored = SETS[name](data, offset)
    rng = np.random.default_rng(seed)
    features, samples, truths = [], [], []
    for image, truth in pairs:
        pixels = np.ascontiguousarray(read_image(image, channels=3).transpose(1, 2, 0))
        features.append(compute_features(pixels, encoded=True))
        samples.append(sample(features[-1], draw_strokes(truth, len(names), rng), VOID))
        truths.append(truth)

    usual = RandomForestClassifier(100, random_state=0, n_jobs=1)
    usual.fit(np.concatenate([one.features[0] for one in samples]), np.concatenate([one.classes for one in samples]))
    by_usual = []
    for one in features:
        height, width, count = one.gaussian.shape
        labels = usual.predict(one.gaussian.reshape(-1, count)).reshape(height, width)
        by_usual.append(cv2.resize(labels, one.size[::-1], interpolation=cv2.INTER_NEAREST))

    begun = time.process_time()
    teacher = Teacher(samples)
    taught = time.process_time() - begun
    begun = time.process_time()
    by_ours = [teacher.label(one) for one in features]
    labelled = time.process_time() - begun
    megapixels = sum(truth.size for truth in truths) / 1e6
    for which, found in (("random forest, colour and Gaussian", by_usual), ("with the encoder", by_ours)):
        scores = iou(truths, found, len(names))
        each = ", ".join(f"{names[value]} {scores[value]:.3f}" for value in scored)
        print(f"{name} seed {seed}: {which}: mean IoU {scores[scored].mean():.3f} ({each})", flush=True)
    print(f"{name}: CPU seconds: teaching {taught:.2f}, labelling {labelled / megapixels:.2f} a megapixel", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compare labels from strokes.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seed", type=int, default=0, help="decides where strokes lie")
    parser.add_argument("--offset", type=int, default=0, help="of the first picture; others are then drawn on")
    given = parser.parse_args()
    for chosen in given.sets.split(","):
        run(chosen, given.data, seed=given.seed, offset=given.offset)
