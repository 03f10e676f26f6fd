"""
Which device computes, in which number format, and why. What trains is held in f32 whatever computes: at small learning
rates an update is below half a bf16 spacing, and weights that cannot move would look as if nothing were forgotten.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import Any

import torch


_dtypes = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


@dataclass(frozen=True)
class Precision:
    device: torch.device
    compute: torch.dtype
    reason: str
    is_base_packed: bool = False
    """The base's linear maps are held in 4 bits."""

    @property
    def name(self) -> str:
        return next(name for name, dtype in _dtypes.items() if dtype == self.compute)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """One for each pass: its cache of cast weights must not outlive a swap of them."""
        if self.compute == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.compute)

    def of_other_base(self) -> Precision:
        """A base of its own is measured as it is stored."""
        return replace(self, is_base_packed=False)


def use_deterministic(recipe: dict[str, Any]) -> None:
    """Before a GPU is used. What has no reproducible way to be computed fails by its name."""
    if not recipe["train"].get("deterministic"):
        return
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    # Its backward pass sums in any order, and torch would only warn.
    torch.backends.cuda.enable_mem_efficient_sdp(False)


def choose_precision(recipe: dict[str, Any]) -> Precision:
    computing = _choose_computing(recipe)
    if not (recipe.get("adapter") or {}).get("load_in_4bit"):
        return computing
    return replace(computing, reason=f"{computing.reason}; the base is held in 4 bits (NF4)", is_base_packed=True)


def _choose_computing(recipe: dict[str, Any]) -> Precision:
    wish = recipe["train"].get("precision", "auto")
    if not torch.cuda.is_available():
        why = "it is built without CUDA" if torch.version.cuda is None else "no CUDA device is at hand"
        return _precision("cpu", wish, "f32", f"torch on the CPU, because {why}")
    usual = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "f32"
    return _precision("cuda", wish, usual, torch.cuda.get_device_name())


def _precision(device: str, wish: str, usual: str, where: str) -> Precision:
    name = usual if wish == "auto" else wish
    why = "" if wish == "auto" else ", as the recipe says"
    held = {"bf16": "; what trains is held in f32", "f16": "; what trains is held in f32, and the loss is scaled"}.get(name, "")
    return Precision(torch.device(device), _dtypes[name], f"{where}; computed in {name}{why}{held}")
