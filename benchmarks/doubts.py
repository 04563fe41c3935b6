"""How well a model finds annotations that were changed: the share of them in the first tenth of its list of regions.

    python benchmarks/doubts.py prepare DATA OUT      # OUT/half to train on, OUT/changed with 2% of the regions changed
    pixelwise train OUT/half --minutes 6 --out OUT/run
    python benchmarks/doubts.py rank OUT

The training pictures of DATA are dealt out by turns. Regions are the connected parts of a class with at least 200
pixels; of those of the second half, 2% get another class, chosen with a seed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from pixelwise.cli.machine import keep_large_blocks, share_the_processor

keep_large_blocks()  # before torch starts threads

import shutil  # noqa: E402

from pixelwise.data.source import open_data  # noqa: E402
from pixelwise.data.targets import read_target  # noqa: E402
from pixelwise.inference import Predictor  # noqa: E402
from pixelwise.io.masks import write_labels  # noqa: E402
from pixelwise.scoring.doubts import find_doubts, regions_of  # noqa: E402

CHANGED_SHARE = 0.02


def prepare(data: Path, out: Path, seed: int) -> None:
    source = open_data(data)
    space = source.label_space
    rng = np.random.default_rng(seed)
    changed = []
    pairs = sorted(source.split("train"), key=lambda pair: pair.id)
    for number, pair in enumerate(pairs):
        folder = out / ("half", "changed")[number % 2]
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        target = read_target(pair, space).copy()
        if number % 2:
            known = target != space.ignore_index
            for region in list(regions_of(np.where(known, target, -1).astype(np.int64))):
                if rng.random() < CHANGED_SHARE:
                    window = target[region.window]
                    was = int(window[region.pixels][0])
                    window[region.pixels] = (was + rng.integers(1, len(space))) % len(space)
                    changed.append({"file": f"images/{pair.image.name}", "box": list(region.box)})
        shutil.copy(pair.image, folder / "images")
        write_labels(folder / "masks" / f"{pair.image.stem}.png", target, space)
        (folder / "classes.txt").write_text("\n".join(space.names) + "\n")
    (out / "changed.json").write_text(json.dumps(changed))


def rank(out: Path) -> None:
    share_the_processor()
    predictor = Predictor(out / "run")
    doubts = find_doubts(predictor, open_data(out / "changed", label_space=predictor.label_space))
    changed = json.loads((out / "changed.json").read_text())
    ranked = [one for one in doubts.found if one.kind == "class"]
    tenth = ranked[: doubts.regions // 10]

    def found(one: dict[str, object]) -> bool:
        """Whether the list has a region of that picture that holds the box and is hardly larger."""
        left, top, right, bottom = one["box"]  # type: ignore[misc]
        for doubt in tenth:
            inside = doubt.box[0] <= left and doubt.box[1] <= top and doubt.box[2] >= right and doubt.box[3] >= bottom
            sides = (doubt.box[2] - doubt.box[0]) * (doubt.box[3] - doubt.box[1])
            if doubt.id == one["file"] and inside and sides <= 2 * (right - left) * (bottom - top):
                return True
        return False

    hits = sum(map(found, changed))
    share = hits / len(changed)
    print(f"{len(changed)} regions changed of {doubts.regions}; {hits} of them ({share:.0%}) are in the first tenth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "rank"))
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.step == "prepare":
        prepare(options.paths[0], options.paths[1], options.seed)
    else:
        rank(options.paths[0])


if __name__ == "__main__":
    main()
