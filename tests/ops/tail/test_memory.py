"""How much memory the tail takes, as a process of its own sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelwise.losses import LOSSES
from pixelwise.ops.native import native_module

pytestmark = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="this system does not tell how much memory a process took"
)

PROBE = """
import json, os, sys
from pathlib import Path
import torch
from torch.nn import functional as F
from pixelwise.losses import LOSSES, make_loss
from pixelwise.ops import upsample_argmax, upsample_confusion

torch.set_num_threads(1)  # more would wait for each other wherever other tests keep the cores busy

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])

def growth(work, logits, target):
    work(logits[:1, :, :4, :4], target[:1, :16, :16])  # what is loaded and cached once
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = work(logits, target)
    return status("VmHWM") - before

def gradient_of(name):
    loss = make_loss(name)
    return lambda logits, target: torch.autograd.grad(loss(logits, target), logits)

def eager_loss(logits, target):
    full = F.interpolate(logits, target.shape[1:], mode="bilinear")
    return torch.autograd.grad(F.cross_entropy(full, target.long()), logits)

def labels(logits, target):
    return upsample_argmax(logits, target.shape[1:])

# The others have no kernel of their own, and are the same in both forms.
losses = ("ce", "focal", "ohem") if os.environ["PIXELWISE_NATIVE"] == "1" else LOSSES
result = {}
for classes in (21, 150):
    target = torch.randint(0, classes, (9, 144, 144)).to(torch.uint8)
    for dtype in (torch.float32, torch.bfloat16):
        logits = torch.randn(9, classes, 72, 72).to(dtype).requires_grad_()
        works = {**{name: gradient_of(name) for name in losses}, "labels": labels, "confusion": upsample_confusion}
        if dtype == torch.float32:
            works["eager"] = eager_loss
        for name, work in works.items():
            taken = growth(work, logits, target)
            result[f"{name} {str(dtype)[6:]} {classes}"] = [taken, logits.numel() * logits.element_size()]
print(json.dumps(result))
"""


@pytest.mark.parametrize("form", ["torch", "native"])
def test_more_classes_take_less_than_twice_their_logits(form: str) -> None:
    """All kinds of work in one test, because each needs the same process, which takes a minute."""
    if form == "native" and native_module() is None:
        pytest.skip("the native kernels are not built")
    taken = run_probe(native=form == "native")
    few, few_logits = taken["eager float32 21"]
    many, many_logits = taken["eager float32 150"]
    assert many - few > 8 * (many_logits - few_logits), "full-size logits should be seen"
    held = {"labels", "confusion", *(("ce", "focal", "ohem") if form == "native" else LOSSES)}
    assert {name.split()[0] for name in taken} == held | {"eager"}
    for work in held:
        for dtype in ("float32", "bfloat16"):
            few, few_logits = taken[f"{work} {dtype} 21"]
            many, many_logits = taken[f"{work} {dtype} 150"]
            # The Lovasz loss sums its gradient class by class, in float32 whatever the logits.
            most = 5 if (work, dtype) == ("lovasz", "bfloat16") else 2
            assert many - few < most * (many_logits - few_logits), f"{work} of {dtype}"


def run_probe(*, native: bool) -> dict[str, tuple[int, int]]:
    """Bytes taken by, and bytes of coarse logits of, each kind of work; in a fresh process that gives memory back."""
    environment = dict(os.environ, MALLOC_MMAP_THRESHOLD_="65536", PYTHONPATH=str(Path(__file__).parents[3] / "src"))
    environment["PIXELWISE_NATIVE"] = str(int(native))
    ran = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    return {name: (taken, logits) for name, (taken, logits) in json.loads(ran.stdout).items()}
