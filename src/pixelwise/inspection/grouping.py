"""Grouping stages that repeat into one row, so that a deep network is easy to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixelwise.inspection.table import StageRow

MOST_REPEATED_ROWS = 4
"""The most rows of repeated blocks that are listed one by one; more of them share a row."""

LONGEST_GROUP = 16
"""The most rows of a repeated group."""


def group_rows(rows: Sequence[StageRow]) -> list[StageRow]:
    """Group blocks that repeat into one row, such as ``blocks.4-19 (16x)``.

    Blocks repeat if their names count up and their sizes are equal. Parameters, multiply-adds and bytes of the row are
    the sums over the blocks; ``calls`` holds the output of each. Rows that do not repeat are returned unchanged.
    """
    grouped: list[StageRow] = []
    start = 0
    while start < len(rows):
        length, times = max(
            ((length, _repeats(rows[start:], length)) for length in range(1, LONGEST_GROUP + 1)),
            key=lambda found: found[0] * found[1] if found[1] > 1 else 0,  # with equal sums, the shortest
        )
        if times > 1 and length * times > MOST_REPEATED_ROWS:
            grouped.append(_join(rows[start : start + length * times], length))
            start += length * times
        else:
            grouped.append(rows[start])
            start += 1
    return grouped


def _repeats(rows: Sequence[StageRow], length: int) -> int:
    """Count how often the first ``length`` rows repeat without a gap, the first time included."""
    if len(rows) < length:
        return 0
    times = 1
    while (times + 1) * length <= len(rows):
        before = rows[(times - 1) * length : times * length]
        after = rows[times * length : (times + 1) * length]
        steps = {_step(one, other) for one, other in zip(before, after, strict=True)}
        if None in steps or len(steps) > 1:
            break
        if times > 1 and steps != {_step(rows[0], rows[length])}:
            break
        times += 1
    return times


def _step(row: StageRow, after: StageRow) -> object:
    """Give the name up to the number that is greater by one in the next block; None if the rows differ otherwise."""
    likeness = [
        (each.shape, each.stride, each.parameters, each.multiply_adds, each.calls == (), each.regions)
        for each in (row, after)
    ]
    if likeness[0] != likeness[1]:
        return None
    parts, others = _split(row.name), _split(after.name)
    differ = [place for place, (one, other) in enumerate(zip(parts, others, strict=False)) if one != other]
    if len(parts) != len(others) or len(differ) != 1:
        return None
    place = differ[0]
    counts = parts[place].isdigit() and others[place].isdigit() and int(others[place]) == int(parts[place]) + 1
    return "".join(parts[:place]) if counts else None


def _split(name: str) -> list[str]:
    """Split a name into numbers and the text between them."""
    return re.split(r"(\d+)", name)


def _join(rows: Sequence[StageRow], length: int) -> StageRow:
    first, last = rows[0], rows[-1]
    stem = str(_step(first, rows[length]))
    begin, end = (re.match(r"\d+", row.name.removeprefix(stem)) for row in (first, last))
    assert begin is not None
    assert end is not None
    blocks = len(rows) // length
    rest = first.name.removeprefix(stem + begin.group()) if length == 1 else ""
    return StageRow(
        f"{stem}{begin.group()}-{end.group()}{rest} ({blocks}x)",
        last.shape,
        last.geometry,
        sum(row.parameters for row in rows),
        sum(row.multiply_adds for row in rows),
        sum(row.written for row in rows),
        tuple(call for row in rows for call in row.every_call),
        regions=last.regions,
        blocks=blocks,
    )
