from __future__ import annotations

import subprocess
import sys

import pytest

from pixelwise.listener import Listener, Silent


def test_the_silent_listener_is_a_listener_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    listener: Listener = Silent()
    listener.say("hello")
    listener.table("the plan", [("steps", "8", "set by hand")])
    with listener.progress("training", 8) as progress:
        progress(1, 8)
        progress(8, 8, note="loss 0.5")
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_whoever_listens_needs_neither_numpy_nor_torch() -> None:
    program = "import sys, pixelwise.listener; sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
