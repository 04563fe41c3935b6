"""Every fault of a data set is found under its right name, with the file at fault; what is sound is called sound."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from faults import coco, descriptions, masks, named_shapes, names, objects, pictures, splits, tools, yolo  # noqa: F401 -- they fill the table
from faults.sets import SOUND, by_lists
from faults.table import FAULTS, Writer

from pixelwise.data.doctor.diagnosis import diagnose

LEAST_FAULTS = 150


@pytest.fixture(scope="module")
def sound_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Writer], Path]:
    """Give the folder of a sound data set, which is written once; copy it before changing it."""

    @cache
    def written(writer: Writer) -> Path:
        root = tmp_path_factory.mktemp("sound") / "set"
        root.mkdir()
        writer(root)
        return root

    return written


@pytest.mark.parametrize("writer", [*SOUND, *tools.SOUND], ids=lambda writer: writer.__name__)
def test_sound_sets_are_sound(writer: Writer, sound_set: Callable[[Writer], Path]) -> None:
    diagnosis = diagnose(sound_set(writer))
    assert [one.line for one in diagnosis.findings if one.gravity != "note"] == []
    assert {one.kind for one in diagnosis.findings} == {"recognised"}
    assert diagnosis.summary["splits"] == {"train": 12, "val": 12}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name: str, sound_set: Callable[[Writer], Path], tmp_path: Path) -> None:
    fault = FAULTS[name]
    root = tmp_path / "set"
    shutil.copytree(sound_set(fault.sound), root)
    fault.breaks(root)
    findings = diagnose(root).findings
    said = "\n".join(f"{one.gravity} {one.kind}: {one.line}" for one in findings)
    told = [one for one in findings if (one.kind, one.gravity) == (fault.kind, fault.gravity)]
    assert any(fault.says in one.line for one in told), said
    assert {one.kind for one in findings if one.gravity != "note"} - {fault.kind} == fault.with_it, said


def test_there_are_many_kinds_of_faults() -> None:
    assert len(FAULTS) >= LEAST_FAULTS


def test_faults_are_told_together(sound_set: Callable[[Writer], Path], tmp_path: Path) -> None:
    """Also where the masks of what is left mean nothing known."""
    root = tmp_path / "set"
    shutil.copytree(sound_set(by_lists), root)
    (root / "masks/2.png").unlink()
    (root / "images/4.png").write_bytes(b"")
    FAULTS["number_that_no_class_has"].breaks(root)
    found = {one.kind: one.line for one in diagnose(root).findings if one.gravity == "error"}
    assert set(found) == {"pair_without_mask", "unreadable", "not_understood"}
    for kind, file in (("pair_without_mask", "2.png"), ("unreadable", "4.png"), ("not_understood", "3.png")):
        assert file in found[kind]
