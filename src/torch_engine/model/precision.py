"""
Which device computes, in which number format, and why. What trains is held in f32 whatever computes: at small learning
rates an update is below half a bf16 spacing, and weights that cannot move would look as if nothing were forgotten.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Precision:
    device: torch.device
    compute: torch.dtype
    reason: str

    @property
    def name(self) -> str:
        return {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}[self.compute]

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """One for each pass: its cache of cast weights must not outlive a swap of them."""
        if self.compute == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.compute)


def choose_precision() -> Precision:
    if not torch.cuda.is_available():
        why = "built without CUDA" if torch.version.cuda is None else "no CUDA device is at hand"
        return Precision(torch.device("cpu"), torch.float32, f"torch on the CPU in f32: {why}")
    name = torch.cuda.get_device_name()
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Precision(torch.device("cuda"), torch.bfloat16, f"{name} in bf16, what trains is held in f32")
    return Precision(torch.device("cuda"), torch.float32, f"{name} in f32: it has no bf16")
