from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError, SettingError
from pixelwise.listener import Silent
from pixelwise.training.resuming.data_held import differences, hold_data, tell_moved
from pixelwise.training.resuming.data_record import DataRecord
from pixelwise.training.run_folder import RunFolder
from pixelwise.types import LabelSpace


@pytest.fixture
def run(shapes: Path, tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    DataRecord.of(open_data(shapes, seed=5), Silent()).save(run.splits_file)
    return run


def add(data: Path) -> None:
    for kind in ("images", "masks"):
        (data / kind / "99.png").write_bytes((data / kind / "04.png").read_bytes())


def remove(data: Path) -> None:
    for kind in ("images", "masks"):
        for number in ("03", "04", "05"):
            (data / kind / f"{number}.png").unlink()


def change(data: Path) -> None:
    (data / "masks" / "01.png").write_bytes((data / "masks" / "03.png").read_bytes())


def rename_mask(data: Path) -> None:
    (data / "masks" / "01.png").rename(data / "masks" / "01_mask.png")


def rename_class(data: Path) -> None:
    (data / "classes.txt").write_text("ground\ndisc\nrod\n")


def reorder_classes(data: Path) -> None:
    (data / "classes.txt").write_text("ground\nbar\ndisc\n")


def add_class(data: Path) -> None:
    (data / "classes.txt").write_text("ground\ndisc\nbar\nstar\n")


CHANGES: dict[Callable[[Path], None], str] = {
    add: "1 picture was added (images/99.png)",
    remove: "3 pictures are gone or cannot be used (images/",
    change: "1 file has other content (masks/01.png)",
    rename_mask: "1 picture has another annotation file (images/01.png)",
    rename_class: "1 class has another name (bar is rod now)",
    reorder_classes: "the classes were ground, disc, bar, and are ground, bar, disc now",
    add_class: "the classes were ground, disc, bar, and are ground, disc, bar, star now",
}


def opened(run: RunFolder, data: Path) -> tuple[DataRecord, DataSource]:
    record = DataRecord.load(run.splits_file)
    return record, record.restore(open_data(data))


def test_the_split_of_the_run_is_kept_whatever_the_seed(run: RunFolder, shapes: Path) -> None:
    record, source = opened(run, shapes)
    assert source.splits == open_data(shapes, seed=5).splits
    assert source.splits != open_data(shapes).splits
    before = run.splits_file.read_bytes()
    hold_data(run, record, source, Silent())
    assert run.splits_file.read_bytes() == before


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_data_that_changed_are_refused_with_what_differs(
    run: RunFolder, shapes: Path, change: Callable[[Path], None]
) -> None:
    change(shapes)
    record, source = opened(run, shapes)
    with pytest.raises(SettingError, match="began with") as refused:
        hold_data(run, record, source, Silent())
    assert CHANGES[change] in str(refused.value)
    assert refused.value.argument == "accept_changes"
    assert DataRecord.load(run.splits_file) == record


@pytest.mark.parametrize("change", [add, remove, change, rename_mask, rename_class], ids=lambda change: change.__name__)
def test_changes_that_are_accepted_are_written_down(
    run: RunFolder, shapes: Path, change: Callable[[Path], None]
) -> None:
    change(shapes)
    record, source = opened(run, shapes)
    hold_data(run, record, source, Silent(), accept_changes=True)
    again, source = opened(run, shapes)
    assert len(again.changes) == 1
    assert CHANGES[change] in again.changes[0]
    hold_data(run, again, source, Silent())
    kept = {name: [id for id in ids if id in again.splits[name]] for name, ids in record.splits.items()}
    assert {name: list(ids[: len(kept[name])]) for name, ids in again.splits.items()} == kept


@pytest.mark.parametrize("change", [reorder_classes, add_class], ids=lambda change: change.__name__)
def test_classes_that_the_network_does_not_have_cannot_be_accepted(
    run: RunFolder, shapes: Path, change: Callable[[Path], None]
) -> None:
    change(shapes)
    record, source = opened(run, shapes)
    with pytest.raises(DataError, match=r"which the network of the run .* cannot go on with"):
        hold_data(run, record, source, Silent(), accept_changes=True)


def test_a_split_without_pictures_is_refused(run: RunFolder, shapes: Path) -> None:
    for id in DataRecord.load(run.splits_file).splits["val"]:
        (shapes / id).unlink()
        (shapes / id.replace("images", "masks")).unlink()
    record, source = opened(run, shapes)
    with pytest.raises(DataError, match="no picture of split val"):
        hold_data(run, record, source, Silent(), accept_changes=True)


def test_data_may_be_moved(run: RunFolder, shapes: Path) -> None:
    shapes = shapes.rename(shapes.with_name("moved"))
    record, source = opened(run, shapes)
    hold_data(run, record, source, Silent())
    assert DataRecord.load(run.splits_file).root == str(shapes)


def test_other_meanings_of_the_numbers_in_masks_are_told(run: RunFolder) -> None:
    was = DataRecord.load(run.splits_file)
    space = LabelSpace(was.label_space.names, was.label_space.colors, mapping={0: 0, 1: 2, 2: 255, 7: 1, 255: 255})
    found = differences(was, dataclasses.replace(was, label_space=space))
    assert found.words == "values of the masks mean other classes (1 is bar, was disc, 2 is void, was bar, ...)"
    same = LabelSpace(was.label_space.names, mapping={0: 0, 1: 1, 2: 2, 255: 255})
    assert not differences(was, dataclasses.replace(was, label_space=same)).words, "other colours, the same meaning"


def test_runs_of_earlier_versions_go_on(run: RunFolder, shapes: Path) -> None:
    described = json.loads(run.splits_file.read_text())
    del described["files"], described["changes"]
    run.splits_file.write_text(json.dumps(described))
    record, source = opened(run, shapes)
    assert record.files is None
    hold_data(run, record, source, Silent())
    assert DataRecord.load(run.splits_file).files is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data": "x", "splits": {}}', '{"data": "x", "splits": {"val": 1}}'])
def test_a_damaged_record_is_refused(run: RunFolder, text: str) -> None:
    run.splits_file.write_text(text)
    with pytest.raises(DataError, match=r"splits\.json"):
        DataRecord.load(run.splits_file)


def test_pictures_that_the_data_moved_are_told(run: RunFolder, shapes: Path) -> None:
    record = DataRecord.load(run.splits_file)
    source = open_data(shapes, seed=5)
    assert record.moved(source) == {}
    train, val = source.splits["train"], source.splits["val"]
    other = dataclasses.replace(source, splits={"train": (*train[1:], val[0]), "val": (*val[1:], train[0])})
    moved = record.moved(other)
    assert moved == {val[0].id: ("val", "train"), train[0].id: ("train", "val")}
    assert "2 pictures are in another split than in the run" in tell_moved(moved, shapes, run.path)
    assert record.restore(other).splits == source.splits
