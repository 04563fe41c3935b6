"""Shards of a job, and what is refused where they do not fit together."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from bulk import predict
from PIL import Image
from verbs import files, run

from pixelwise.bulk.shards import SETTINGS_FILE, Shard, agree_on
from pixelwise.errors import DataError, SettingError
from pixelwise.inference.labelling.jobs import collect


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "a/b", "1/4/2", "-1/4", "1.5/4"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="give I/N"):
        Shard.parse(text)


def test_every_picture_belongs_to_one_part_whatever_the_others() -> None:
    paths = [PurePath(f"sub/{number}.png") for number in range(300)]
    shards = [Shard.parse(f"{number}/4") for number in range(1, 5)]
    parts = [[path for path in paths if shard.holds(path)] for shard in shards]
    assert sorted(path for part in parts for path in part) == sorted(paths)
    assert all(50 < len(part) < 100 for part in parts)


def test_a_part_of_a_manifest_looks_at_its_own_pictures_only_and_names_them_alike(tmp_path: Path) -> None:
    paths = [f"{number}.{suffix}" for number in range(20) for suffix in ("png", "jpg")]
    (tmp_path / "list.csv").write_text("\n".join(["path", *paths]))
    shards = [Shard(number, 3) for number in (1, 2, 3)]
    for path in filter(shards[0].holds, map(PurePath, paths)):
        (tmp_path / path).touch()
    jobs = collect([str(tmp_path / "list.csv")], tmp_path / "out", keep=shards[0].holds).jobs
    assert [job.picture.name for job in jobs] == [path for path in paths if shards[0].holds(PurePath(path))]
    assert [job.name.name for job in jobs] == [job.picture.name.replace(".", "_") for job in jobs]
    with pytest.raises(DataError, match="not there"):
        collect([str(tmp_path / "list.csv")], tmp_path / "out", keep=shards[1].holds)


def test_shards_must_agree(tmp_path: Path) -> None:
    agree_on({"mode": "auto", "shards": 3}, tmp_path)
    agree_on({"mode": "auto", "shards": 3}, tmp_path)
    with pytest.raises(SettingError, match="mode was 'auto', now it is 'exact'"):
        agree_on({"mode": "exact", "shards": 3}, tmp_path)
    assert files(tmp_path) == [SETTINGS_FILE]


@pytest.fixture
def few(tmp_path: Path) -> Path:
    (tmp_path / "few").mkdir()
    for name in "abcdef":
        Image.new("RGB", (40, 30), (200, 10 * ord(name) % 256, 0)).save(tmp_path / "few" / f"{name}.png")
    return tmp_path / "few"


def test_merging_asks_for_what_is_missing(
    model: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def merged() -> tuple[int, str]:
        status = predict(model, few, out, "--merge")
        return status, " ".join(capsys.readouterr().err.split())

    assert merged()[0] == 2
    assert predict(model, few, out, "--shard", "1/2") == 0
    status, message = merged()
    assert status == 2
    assert "of 2 shards, these have not ended: 2/2" in message
    assert predict(model, few, out, "--shard", "1/3") == 2
    assert "shards was 2, now it is 3" in " ".join(capsys.readouterr().err.split())
    assert predict(model, few, out, "--shard", "2/2") == 0
    Image.new("RGB", (40, 30)).save(few / "g.png")
    status, message = merged()
    assert status == 2
    assert "g.png is expected" in message
    (few / "g.png").rename(tmp_path / "g.png")
    assert merged() == (0, "")
    assert not [name for name in files(out) if name.startswith(".") or "-of-" in name]


def test_a_shard_that_has_ended_labels_nothing_again(
    model: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert predict(model, few, out, "--shard", "1/1") == 0
    capsys.readouterr()
    assert predict(model, few, out, "--shard", "1/1") == 0
    assert "6 of them were finished before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--engine", "spark"), "no engine 'spark'"),
        (("--workers", 2), "--engine local"),
        (("--shard", "3/2"), "--shard: '3/2' is no part"),
        (("--merge", "--shard", "1/2"), "--merge: this joins"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: tuple[object, ...],
    complaint: str,
    model: Path,
    few: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("predict", model, few, "--out", tmp_path / "out", *arguments) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_without_pyarrow_the_extra_is_named(
    model: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelwise.io.parquet.find_spec", lambda name: None)
    for more in (("--engine", "local"), ("--save", "pictures")):
        assert run("predict", model, few, "--out", tmp_path / "out", *more) == 2
        assert "pip install 'pixelwise[bulk]'" in " ".join(capsys.readouterr().err.split())
    assert run("predict", model, few, "--out", tmp_path / "out") == 0
