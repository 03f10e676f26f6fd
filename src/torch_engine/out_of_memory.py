"""
Out of memory, named: what was asked for, and the settings that would need less, the greatest gain first. Loads torch only
where it has been loaded already.
"""

from __future__ import annotations

import re
import sys

from .engine_error import EngineError
from .protocol import Start

_words = re.compile(r"out of memory|can't allocate memory|bad_alloc|allocation failed", re.IGNORECASE)


def named(error: BaseException, start: Start) -> EngineError | None:
    """None where it is something else."""
    torch = sys.modules.get("torch")
    is_cuda = torch is not None and isinstance(error, getattr(torch, "OutOfMemoryError", ()))
    if not is_cuda and not isinstance(error, MemoryError) and not _words.search(str(error)):
        return None
    where = f"{torch.cuda.get_device_name()} ran" if is_cuda and torch.cuda.is_available() else "This machine ran"
    message = f"{where} out of memory: {_first_sentence(str(error))}"
    remedy = f"In order of gain: {'; '.join(settings_that_save(start.recipe))}."
    return EngineError("out-of-memory", message, remedy=remedy)


def settings_that_save(recipe: dict) -> list[str]:
    """Only what the recipe does not do already."""
    train, method = recipe["train"], recipe["method"]
    found = []
    if "adapter" not in recipe and "narrow" not in method:
        found.append("adapter: { type: lora } (no moments, gradients and base values of the whole model)")
        found.append("method.narrow.tune: [attention] (those of a part of it alone)")
    if method.get("regularize", {}).get("teacher") == "copy":
        found.append("method.regularize.teacher: swap (no second set of weights)")
    if train["micro_batch_size"] > 1:
        half = max(1, train["micro_batch_size"] // 2)
        found.append(f"train.micro_batch_size: {half} (half the activations, the same result)")
    if not train.get("gradient_checkpointing"):
        found.append("train.gradient_checkpointing: true (activations of one layer at a time, about a third more time)")
    found.append(f"train.max_length: {max(16, train['max_length'] // 2)}")
    return found


def _first_sentence(text: str) -> str:
    return text.strip().split("\n")[0].split(". ")[0][:300]
