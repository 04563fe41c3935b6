"""Long work as a terminal shows it, and a log file."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from rich.console import Console

from pixelwise.cli import progress
from pixelwise.cli.progress import Counter, Terminal, make_bar
from pixelwise.listener import Listener


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def listener_of(
    *, terminal: bool, clock: Callable[[], float] = time.monotonic
) -> tuple[Terminal, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    console, bars = Console(file=out, width=100), Console(file=err, width=100, force_terminal=terminal)
    return Terminal(console, bars=bars, clock=clock), out, err


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


def test_the_clock_starts_when_work_begins() -> None:
    clock = Clock()
    listener, out, _ = listener_of(terminal=False, clock=clock)
    with listener.progress("training", 4) as tell:
        clock.now += 600  # processes start, and pictures are decoded
        tell(0, 4)
        clock.now += 10
        tell(1, 4, "loss 0.5")
        clock.now += 30
        tell(4, 4, "loss 0.4")
    assert out.getvalue().splitlines() == [
        "training 0/4",
        "training 1/4, loss 0.5, 0:30 left",
        "training 4/4, loss 0.4, 0:00 left",
        "training 4/4 in 0:40, loss 0.4",
    ]


@pytest.mark.parametrize(("first", "elapsed"), [(0, 5), (600, 5), (1, 35)])
def test_the_clock_of_a_bar_starts_when_work_begins(first: int, elapsed: int) -> None:
    """Work that first tells of one step has begun with the bar."""
    clock = Clock()
    bar = make_bar(Console(file=io.StringIO(), force_terminal=True))
    bar.get_time = clock
    counter = Counter(bar, "training", 1000)
    clock.now += 30
    counter(first, 1000)
    clock.now += 5
    counter(first + 1, 1000)
    assert bar.tasks[0].elapsed == elapsed
    assert bar.tasks[0].completed == first + 1


def test_lines_and_tables_take_text_as_it_is() -> None:
    listener, out, _ = listener_of(terminal=False)
    listener.say("runs/[bold]a: 8 of 9 tensors fit")
    listener.table("the plan", [("crop", "64 [b] 64", "[dim] stays")])
    assert "runs/[bold]a: 8 of 9 tensors fit" in out.getvalue()
    assert "64 [b] 64" in out.getvalue()
    assert "[dim] stays" in out.getvalue()


def test_a_log_file_gets_the_first_note_a_line_now_and_then_and_the_last() -> None:
    clock = Clock()
    listener, out, err = listener_of(terminal=False, clock=clock)
    clock.now += 60  # somebody may watch the first minute
    with listener.progress("training", 100) as tell:
        tell(0, 100)
        for done in range(1, 101):
            clock.now += 0.5
            tell(done, 100, f"loss {1 / done:.3f}")
    lines = out.getvalue().splitlines()
    assert err.getvalue() == ""
    assert [line.split(",")[0] for line in lines] == [
        "training 1/100",
        "training 32/100",
        "training 63/100",
        "training 94/100",
        "training 100/100 in 0:50",
    ]
    assert lines[1] == "training 32/100, loss 0.031, 0:34 left"
    assert lines[-1] == "training 100/100 in 0:50, loss 0.010"


def test_a_log_file_hears_of_long_work_only() -> None:
    clock = Clock()
    listener, out, _ = listener_of(terminal=False, clock=clock)
    clock.now += 60  # somebody may watch the first minute
    with listener.progress("decoding pictures", 20) as tell:
        for done in range(1, 21):
            tell(done, 20)
            clock.now += 1
    assert out.getvalue() == "decoding pictures 17/20, 0:03 left\n"


def test_a_log_file_hears_more_in_the_first_minute() -> None:
    clock = Clock()
    listener, out, _ = listener_of(terminal=False, clock=clock)
    with listener.progress("timing", 200) as tell:
        for done in range(1, 201):
            clock.now += 0.5
            tell(done, 200)
    places = [int(line.split()[1].split("/")[0]) for line in out.getvalue().splitlines()]
    assert max(later - before for before, later in pairwise([0, *places]) if later <= 120) <= 10
    assert [later - before for before, later in pairwise(places) if before > 120] == [31]


def test_what_has_no_progress_is_named_at_once_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_AT_FIRST", 0.01)
    listener, out, err = listener_of(terminal=False)
    with listener.waiting("loading [b] torch"):
        assert out.getvalue() == "loading [b] torch ...\n"
        deadline = time.monotonic() + 10
        while out.getvalue().count("still loading [b] torch, ") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    said = out.getvalue()
    time.sleep(0.05)
    assert out.getvalue() == said
    assert err.getvalue() == ""


def test_a_terminal_shows_what_it_waits_for_and_forgets_it() -> None:
    listener, out, err = listener_of(terminal=True)
    with listener.waiting("loading torch"):
        pass
    assert out.getvalue() == ""
    assert "loading torch ..." in err.getvalue()


def test_a_terminal_gets_a_bar_that_leaves_a_line_where_there_was_more_to_tell() -> None:
    listener, out, err = listener_of(terminal=True)
    with listener.progress("training", 4) as tell:
        tell(0, 4)
        tell(2, 4, "loss 0.5, best mIoU 0.3")
        listener.say("between two steps")
        with listener.progress("scoring", 2) as inner:
            inner(1, 2)
        tell(4, 4, "loss 0.4, best mIoU 0.6")
    assert "between two steps\n" in out.getvalue()
    assert "training 4/4 in 0:00, loss 0.4, best mIoU 0.6" in out.getvalue()
    assert "loss 0.5, best mIoU 0.3" in err.getvalue()
    assert "left" in err.getvalue()
    assert "scoring" in err.getvalue()
    with listener.progress("scoring", 4) as tell:
        tell(4, 4)
    assert "scoring" not in out.getvalue()


def test_a_bar_goes_when_work_fails() -> None:
    listener, out, _ = listener_of(terminal=True)

    def work() -> None:
        with listener.progress("training", 4) as tell:
            tell(1, 4, "loss 0.5")
            raise RuntimeError("the power went out")

    with pytest.raises(RuntimeError, match="power"):
        work()
    assert "training" not in out.getvalue()
    with listener.progress("training", 4) as tell:
        tell(4, 4, "loss 0.5")
    assert "training 4/4" in out.getvalue()


def test_a_ci_machine_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    listener, out, err = listener_of(terminal=True)
    with listener.progress("training", 4) as tell:
        tell(1, 4, "loss 0.5")
    assert err.getvalue() == ""
    assert "training 1/4, loss 0.5" in out.getvalue()


def test_the_console_is_a_listener() -> None:
    listener: Listener = Terminal()
    assert listener
