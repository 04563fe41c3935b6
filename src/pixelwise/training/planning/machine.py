"""The devices and the memory of the machine, and whether it computes in bfloat16 natively."""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import torch

from pixelwise.ops.device import has_native_bfloat16
from pixelwise.processors import processors
from pixelwise.words import counted


@dataclass(frozen=True)
class Machine:
    """The device a run will use, as far as planning cares."""

    device: str
    """``"cpu"``, ``"cuda"`` or ``"mps"``."""
    name: str
    cores: int
    memory: int
    """Bytes of memory: the device's own on CUDA, the available part of main memory elsewhere."""
    main_memory: int
    """Bytes of main memory that are available."""
    native_bfloat16: bool

    @classmethod
    def detect(cls) -> Machine:
        """Examine this machine and choose its best device."""
        cores = processors()
        main_memory = psutil.virtual_memory().available
        if torch.cuda.is_available():
            properties = torch.cuda.get_device_properties(0)
            return cls(
                "cuda", properties.name, cores, properties.total_memory, main_memory, has_native_bfloat16("cuda")
            )
        if torch.backends.mps.is_available():
            return cls("mps", "Apple GPU", cores, main_memory, main_memory, native_bfloat16=False)
        return cls("cpu", f"{counted(cores, 'CPU core')}", cores, main_memory, main_memory, has_native_bfloat16("cpu"))
