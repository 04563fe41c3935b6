"""The number formats that a device computes in natively."""

from __future__ import annotations

import torch


def has_native_bfloat16(device: str) -> bool:
    """Whether the device has bfloat16 arithmetic; without it the format is emulated and slower than float32.

    Args:
        device: ``"cpu"``, ``"cuda"`` or another torch device type.
    """
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False
