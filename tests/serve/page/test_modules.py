"""The parts of the page that compute: label maps, run lengths, colours, histograms; each against Python."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelwise.instances import BoxMask
from pixelwise.ops.rle import encode_rle
from pixelwise.types import default_colors

DECODE = """async (text) => {
  const { decodeLabels } = await import("/static/labels.js");
  const blob = new Blob([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))]);
  const { width, height, values } = await decodeLabels(blob);
  return [width, height, Array.from(values)];
}"""


def decoded(page: Any, picture: Image.Image, **options: Any) -> NDArray[np.int64]:
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    width, height, values = page.evaluate(DECODE, base64.b64encode(stream.getvalue()).decode())
    return np.array(values).reshape(height, width)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_label_maps_of_every_depth_are_read_exactly(page: Any, depth: int) -> None:
    rng = np.random.default_rng(depth)
    labels = np.kron(rng.integers(0, 2**depth, (7, 9)), np.ones((3, 5), int))
    labels[4] = rng.integers(0, 2**depth, labels.shape[1])
    if depth == 16:
        assert np.array_equal(decoded(page, Image.fromarray(labels.astype(np.uint16))), labels)
        return
    picture = Image.fromarray(labels.astype(np.uint8), "L")
    picture = picture.convert("P") if depth < 8 else picture
    picture.putpalette([value % 256 for value in range(768)]) if depth < 8 else None
    assert np.array_equal(decoded(page, picture, **({"bits": depth} if depth < 8 else {})), labels)


def test_a_label_map_that_is_cut_short_is_refused(page: Any) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60), dtype=np.uint8)).save(stream, "PNG")
    cut = base64.b64encode(stream.getvalue()[:900]).decode()
    refused = page.evaluate(f"(text) => ({DECODE})(text).then(() => false, () => true)", cut)
    assert refused


def test_masks_are_painted_where_they_lie_with_the_surest_on_top(page: Any) -> None:
    rng = np.random.default_rng(1)
    size = (37, 53)
    boxes = [(0, 0, 20, 30), (10, 15, 20, 38), (30, 2, 7, 9)]
    masks = [BoxMask(rng.random(box[2:]) < 0.6, *box[:2], size) for box in boxes]
    scores = [0.9, 0.4, 0.7]
    objects = [
        {"id": place + 1, "score": score, "area": mask.area, "counts": encode_rle(mask)["counts"]}
        for place, (mask, score) in enumerate(zip(masks, scores, strict=True))
    ]
    expected = np.zeros(size, int)
    for place in np.argsort(scores):
        expected[masks[place].full()] = place + 1
    ids, overlap = page.evaluate(
        """async ([objects, height, width]) => {
          const { paintIds } = await import("/static/objects_map.js");
          const { ids, overlap } = paintIds(objects, width, height);
          return [Array.from(ids), overlap];
        }""",
        [objects, *size],
    )
    assert np.array_equal(np.array(ids).reshape(size), expected)
    assert overlap


def test_masks_of_another_size_are_refused(page: Any) -> None:
    mask = BoxMask(np.ones((3, 3), np.bool_), 1, 1, (10, 10))
    counts = encode_rle(mask)["counts"]
    refused = page.evaluate(
        """async (counts) => {
          const { paintIds } = await import("/static/objects_map.js");
          try { paintIds([{ id: 1, area: 9, counts }], 11, 10); } catch { return true; }
          return false;
        }""",
        counts,
    )
    assert refused


def test_histograms_count_as_numpy_does(page: Any) -> None:
    areas = sorted(int(area) for area in 10 ** np.random.default_rng(2).uniform(0, 5, 400))
    found = page.evaluate(
        "async (areas) => { const { histogram } = await import('/static/areas.js'); return histogram(areas); }", areas
    )
    edges = np.array(found["edges"])
    edges[0], edges[-1] = areas[0], areas[-1]
    assert sum(found["counts"]) == len(areas)
    assert np.abs(np.histogram(areas, edges)[0] - found["counts"]).max() <= 1  # a number on an edge may round


# How people without one kind of cone see linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
SEEN = {
    "all": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def test_safe_colours_differ_for_the_colour_blind_more_than_those_of_models(page: Any) -> None:
    given = ["#{:02x}{:02x}{:02x}".format(*color) for color in default_colors(20)]

    def least(palette: str) -> float:
        colors = page.evaluate(
            """async ([palette, colors]) => {
              const { classColor } = await import("/static/palette.js");
              const { state } = await import("/static/state.js");
              state.palette = palette;
              state.models.push({ name: "many", classes: colors.map((color) => ({ color })) });
              return colors.map((_, place) => classColor("many", place));
            }""",
            [palette, given],
        )
        linear = (np.array(colors) / 255) ** 2.2
        gaps = []
        for matrix in SEEN.values():
            seen = np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2)
            apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
            gaps.append(apart[~np.eye(len(seen), dtype=bool)].min())
        return min(gaps)

    assert least("safe") > 3 * least("model")
    assert least("safe") > 0.18
