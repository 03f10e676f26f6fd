"""What a run runs on, for its record. Loads torch only where that has been done already."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import Any

from .numerics import engine_name, numerics_version


def environment(threads: int) -> dict[str, str]:
    import torch

    found = {
        "engine": engine_name,
        "numerics": numerics_version,
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "torch": torch.__version__,
        "transformers": _version("transformers"),
        "peft": _version("peft"),
        "bitsandbytes": _version("bitsandbytes"),
        "platform": f"{platform.system().lower()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "threads": str(threads),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["gpuMemoryBytes"] = str(torch.cuda.mem_get_info()[1])
        found["cuda"] = str(torch.version.cuda)
    return found


def peak_memory_bytes() -> int:
    """Of the GPU where there is one, else the largest resident size so far."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_room_bytes() -> int:
    """What this process could hold in all: what it has, and what nobody has."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
    try:
        with open("/proc/meminfo", encoding="utf-8") as lines:
            available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        with open("/proc/self/statm", encoding="utf-8") as own:
            return available + int(own.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def finished_event(reason: str, *, step: int = 0, seconds: float = 0, tokens: int = 0) -> dict[str, Any]:
    return {
        "type": "finished",
        "reason": reason,
        "step": step,
        "seconds": seconds,
        "tokens": tokens,
        "peakMemoryBytes": peak_memory_bytes(),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
