from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from pixelwise.ops import native


@pytest.fixture
def load():
    """Load the kernels as a fresh process would."""
    return native.native_module.__wrapped__


def test_switch_turns_the_kernels_off(load, monkeypatch):
    monkeypatch.setenv("PIXELWISE_NATIVE", "0")
    assert load() is None


def test_an_installation_without_kernels_says_so_and_works(load, monkeypatch, caplog):
    monkeypatch.delenv("PIXELWISE_NATIVE", raising=False)
    monkeypatch.setitem(sys.modules, "pixelwise._native", None)
    with caplog.at_level(logging.WARNING):
        assert load() is None
    assert "C++ compiler" in caplog.text


def test_the_loaded_kernels_name_their_instruction_set():
    module = native.native_module()
    if module is None:
        pytest.skip("the native kernels are not built")
    assert module.isa() in ("baseline", "avx2", "avx512")


ONE_RUNTIME = """
import re, sys
from pathlib import Path
import numpy as np

for name in sys.argv[1:]:
    __import__(name)
torch, native = sys.modules["torch"], sys.modules["pixelwise._native"]
torch.set_num_threads(2)
logits = torch.randn(1, 5, 256, 256).exp()  # both compute in threads
labels = np.empty((1, 256, 256), np.uint8)
native.upsample_argmax(logits.numpy(), labels, (1.0, 0.0, 1.0, 0.0), 2)
assert (labels == logits.argmax(1).numpy()).all()
loaded = re.findall(r"/\\S*lib[gi]?omp\\S*", Path("/proc/self/maps").read_text())
print(*sorted(set(loaded)), sep="\\n")
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the libraries of a process are not listed here")
@pytest.mark.parametrize("order", [("torch", "pixelwise._native"), ("pixelwise._native", "torch")])
def test_torch_and_the_kernels_share_one_openmp(order: tuple[str, str]) -> None:
    if native.native_module() is None:
        pytest.skip("the native kernels are not built")
    ended = subprocess.run([sys.executable, "-c", ONE_RUNTIME, *order], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.split()) == 1, ended.stdout
