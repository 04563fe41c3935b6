"""Proposals that were accepted are on the disk, whole or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelwise.errors import DataError, SettingError
from pixelwise.labelling.proposals import MOST_REMEMBERED, Proposals

LABELS = np.random.default_rng(0).integers(0, 3, (20, 30), dtype=np.uint8)


def test_a_kept_proposal_is_read_again(tmp_path: Path) -> None:
    proposals = Proposals(tmp_path)
    name = proposals.remember(LABELS)
    proposals.keep(name, (20, 30))
    assert np.array_equal(Proposals(tmp_path).read(name, (20, 30)), LABELS)
    Proposals(tmp_path).keep(name, (20, 30))  # is there already


def test_an_unknown_proposal_is_refused(tmp_path: Path) -> None:
    proposals = Proposals(tmp_path)
    names = [proposals.remember(LABELS + number) for number in range(MOST_REMEMBERED + 1)]
    proposals.keep(names[-1], (20, 30))
    with pytest.raises(SettingError, match="no longer known"):
        proposals.keep(names[0], (20, 30))


def test_a_proposal_that_was_altered_is_named(tmp_path: Path) -> None:
    proposals = Proposals(tmp_path)
    name, other = proposals.remember(LABELS), proposals.remember(LABELS + 1)
    proposals.keep(name, (20, 30))
    proposals.keep(other, (20, 30))
    (file,) = tmp_path.glob(f"{name}*")
    (second,) = tmp_path.glob(f"{other}*")
    file.write_bytes(second.read_bytes())
    with pytest.raises(DataError, match=rf"{name}\.labels: it does not hold"):
        proposals.read(name, (20, 30))
    file.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read"):
        proposals.read(name, (20, 30))


def test_a_proposal_for_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    proposals = Proposals(tmp_path)
    name = proposals.remember(LABELS)
    with pytest.raises(SettingError, match="no longer known"):
        proposals.keep(name, (20, 31))
    assert not list(tmp_path.iterdir())
