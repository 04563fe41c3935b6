"""Writing the doctor's page: the findings about a data set, with pictures of each kind of finding."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.doctor.diagnosis import Diagnosis
from pixelwise.data.findings import FINDING_KINDS, GRAVITIES, Finding, Gravity
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.data.targets import read_target
from pixelwise.errors import DataError
from pixelwise.inference.drawing.object_overlay import overlay_objects
from pixelwise.inference.drawing.overlay import paint
from pixelwise.io.atomic import write_text
from pixelwise.io.images import read_image
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.report.rendering import environment, style, versions
from pixelwise.scoring.doubts import Doubt, Doubts
from pixelwise.scoring.example import reduced_size

DRAWN_PICTURES = 8
"""The most pictures that are drawn per finding."""
FINDING_SIDE = 360
"""The longer side in pixels that drawn pictures are reduced to."""
DRAWN_DOUBTS = 40
"""The most doubts of a model that are drawn."""
FRAME_COLOR = (255, 255, 255)
LISTED_FILES = 200
"""The most files that are listed per finding."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture of a finding.

    Args:
        id: the picture's path relative to its data set.
        image: uint8 (H, W, 3), with the annotation painted over it if that can be read.
        annotated: whether the annotation is painted over it.
    """

    id: str
    image: NDArray[np.uint8]
    annotated: bool


@dataclass(frozen=True)
class Card:
    """A finding with its pictures.

    Args:
        finding: the finding.
        title: the kind of finding, in words.
        why: the reason why it matters.
        pictures: some of the pictures that it is about.
    """

    finding: Finding
    title: str
    why: str
    pictures: tuple[Drawn, ...]


def write_doctor_page(
    path: str | os.PathLike[str],
    diagnosis: Diagnosis,
    *,
    title: str,
    doubts: Doubts | None = None,
    commands: Sequence[str] = (),
) -> None:
    """Write the findings about a data set as one HTML file that needs no other.

    Args:
        path: the file to write; it is written completely or not at all.
        diagnosis: the diagnosis of the data set.
        title: heading of the page, such as the name of the data set.
        doubts: where a model doubts the annotation.
        commands: the commands that write the same page again, or a clean copy.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    noticed = [finding for finding in diagnosis.findings if finding.kind != "recognised"]
    cards = [_card(finding, diagnosis.source) for finding in noticed]
    groups: Mapping[Gravity, list[Card]] = {
        gravity: [card for card in cards if card.finding.gravity == gravity] for gravity in GRAVITIES
    }
    page = (
        environment()
        .get_template("doctor.html.j2")
        .render(
            diagnosis=diagnosis,
            groups=groups,
            doubts=[] if doubts is None else _draw_doubts(doubts, diagnosis.source),
            doubted=doubts,
            recognised=[finding.line for finding in diagnosis.findings if finding.kind == "recognised"],
            headings={"error": "Errors", "warning": "Warnings", "note": "Notes"},
            meanings={
                "error": "would be misread or cannot be used; training refuses them",
                "warning": "used on a guess that a person should confirm",
                "note": "said so that nothing is lost in silence",
            },
            shares=_shares(diagnosis.source, diagnosis.summary.get("class_shares", {})),
            listed_files=LISTED_FILES,
            title=title,
            style=style(),
            commands=commands,
            versions=versions(),
            date=datetime.now().astimezone(),
        )
    )
    write_text(path, page)


def _card(finding: Finding, source: DataSource | None) -> Card:
    kind = FINDING_KINDS[finding.kind]
    pictures: list[Drawn] = []
    if source is not None:
        pairs = {pair.id: pair for pair in source.pairs}
        for file in finding.files:
            if len(pictures) == DRAWN_PICTURES:
                break
            drawn = _draw(file, pairs.get(file), source)
            if drawn is not None:
                pictures.append(drawn)
    return Card(finding, kind.title, kind.why, tuple(pictures))


def _draw(file: str, pair: Pair | None, source: DataSource) -> Drawn | None:
    """Draw a picture with its annotation; None if the file is no picture or cannot be read."""
    path = source.root / file if pair is None else pair.image
    if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    try:
        image = read_image(path).transpose(1, 2, 0)
    except DataError:
        return None
    image = np.ascontiguousarray(image)
    try:
        painted = image if pair is None else _painted(image, pair, source)
    except DataError:
        pair, painted = None, image
    size = reduced_size((image.shape[0], image.shape[1]), FINDING_SIDE)
    if size is not None:
        painted = np.asarray(cv2.resize(painted, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return Drawn(file, painted, pair is not None)


def _draw_doubts(doubts: Doubts, source: DataSource | None) -> list[tuple[Doubt, Drawn]]:
    """Draw the surroundings of the strongest doubts, with the annotation and a frame around what is doubted."""
    pairs = {} if source is None else {pair.id: pair for pair in source.pairs}
    drawn = []
    for doubt in doubts.found[:DRAWN_DOUBTS]:
        if source is None or doubt.id not in pairs:
            continue
        image = np.ascontiguousarray(read_image(pairs[doubt.id].image).transpose(1, 2, 0))
        painted = _painted(image, pairs[doubt.id], source).copy()
        left, top, right, bottom = doubt.box
        cv2.rectangle(painted, (left, top), (right - 1, bottom - 1), FRAME_COLOR, max(1, min(image.shape[:2]) // 250))
        margin = max(40, right - left, bottom - top) // 2
        rows = slice(max(0, top - margin), bottom + margin)
        columns = slice(max(0, left - margin), right + margin)
        both = np.concatenate([image[rows, columns], painted[rows, columns]], 1)
        size = reduced_size((both.shape[0], both.shape[1]), 2 * FINDING_SIDE)
        if size is not None:
            both = np.asarray(cv2.resize(both, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        drawn.append((doubt, Drawn(doubt.id, both, True)))
    return drawn


def _painted(image: NDArray[np.uint8], pair: Pair, source: DataSource) -> NDArray[np.uint8]:
    if pair.objects is not None:
        return overlay_objects(image, pair.objects.read(), source.label_space, numbers=False)
    return paint(image, read_target(pair, source.label_space), source.label_space, alpha=0.55)


def _shares(source: DataSource | None, shares: Mapping[str, float]) -> list[tuple[str, tuple[int, int, int], float]]:
    """Give the name, the colour and the share of the pixels of each class."""
    if source is None:
        return []
    named = zip(source.label_space.names, source.label_space.colors, strict=True)
    return [(name, color, shares[name]) for name, color in named if name in shares]
