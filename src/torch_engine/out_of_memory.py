"""
Out of memory, named: what was asked for, and the settings that would fit by an estimate from the model's own sizes, the
greatest gain first. Loads torch only where it has been loaded already.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .engine_error import EngineError
from .environment import memory_room_bytes
from .protocol import Start

_words = re.compile(r"out of memory|can't allocate memory|bad_alloc|allocation failed", re.IGNORECASE)
_usual_adapter = {"type": "lora", "r": 8, "alpha": 16, "target_modules": ["q_proj", "v_proj"], "output": "adapter"}
shortest = 16

Recipe = dict[str, Any]
Estimate = Callable[[Recipe], int]


@dataclass(frozen=True)
class Saving:
    setting: str
    change: Callable[[Recipe], Recipe]
    """The recipe with this setting; may be put on top of other changes."""
    price: str = ""


def named(error: BaseException, start: Start) -> EngineError | None:
    """None where it is something else."""
    torch = sys.modules.get("torch")
    is_cuda = torch is not None and isinstance(error, getattr(torch, "OutOfMemoryError", ()))
    if not is_cuda and not isinstance(error, MemoryError) and not _words.search(str(error)):
        return None
    where = f"{torch.cuda.get_device_name()} ran" if is_cuda and torch.cuda.is_available() else "This machine ran"
    message = f"{where} out of memory: {_first_sentence(str(error))}"
    return EngineError("out-of-memory", message, remedy=_remedy(start, torch is not None))


def _remedy(start: Start, has_torch: bool) -> str:
    folder = start.paths.get(start.recipe.get("model", ""), "")
    if has_torch and os.path.isdir(folder):
        from .model.memory_sizes import ModelSizes

        try:
            return settings_that_fit(start.recipe, ModelSizes(folder).bytes_for, memory_room_bytes())
        except (OSError, ValueError, KeyError, TypeError, EngineError) as unknown:
            print(f"What would fit cannot be told: {unknown!r}", file=sys.stderr)
    return f"Any of these needs less: {'; '.join(saving.setting for saving in savings(start.recipe))}."


def settings_that_fit(recipe: Recipe, estimate: Estimate, room: int) -> str:
    """In words. What ran out needed at least the room that there is: an estimate below it is raised to it."""
    factor = max(1.0, room / estimate(recipe))
    needs = lambda changed: factor * estimate(changed)  # noqa: E731
    told = sorted(_of_each_kind(recipe, needs, room), key=lambda saving: needs(saving.change(recipe)))
    fitting = [saving for saving in told if needs(saving.change(recipe)) < room]
    start = f"About {_size(needs(recipe))} are needed, {_size(room)} are there"
    if fitting:
        words = [f"{s.setting} ({_size(needs(s.change(recipe)))}{s.price})" for s in fitting]
        return f"{start}. By our estimate each of these fits, in order of gain: {'; '.join(words)}."
    together, chosen = recipe, []
    for saving in told:
        together = saving.change(together)
        chosen.append(saving.setting)
        if needs(together) < room:
            return f"{start}. No setting alone would fit, together these do: {'; '.join(chosen)} ({_size(needs(together))})."
    return f"{start}. All that saves leaves {_size(needs(together))}: take a smaller model or another machine."


def savings(recipe: Recipe) -> list[Saving]:
    """Only what the recipe does not do already. Of numbers, every step down, the nearest first."""
    return [saving for kind in _kinds(recipe) for saving in kind]


def _of_each_kind(recipe: Recipe, needs: Estimate, room: int) -> Iterator[Saving]:
    """Of each kind of setting the nearest that fits, else the one that saves most."""
    for kind in _kinds(recipe):
        if kind:
            yield next((saving for saving in kind if needs(saving.change(recipe)) < room), kind[-1])


def _kinds(recipe: Recipe) -> list[list[Saving]]:
    train, method = recipe["train"], recipe["method"]
    is_whole = not recipe.get("adapter") and "narrow" not in method
    micro, length = train["micro_batch_size"], train["max_length"]
    divisors = [n for n in range(micro - 1, 0, -1) if micro % n == 0]
    lengths = [length >> n for n in range(1, 20) if length >> n >= shortest]
    return [
        _adapters(recipe) if is_whole else [],
        [Saving("adapter.load_in_4bit: true", _with("adapter", "load_in_4bit", True), _price_of_4_bits)]
        if _may_be_packed(recipe)
        else [],
        []
        if train.get("optim") == "adamw_8bit"
        else [Saving("train.optim: adamw_8bit", _with("train", "optim", "adamw_8bit"), _price_of_8_bits)],
        [Saving("method.narrow.tune: [attention]", _with("method", "narrow", {"tune": ["attention"]}))] if is_whole else [],
        [Saving("method.regularize.teacher: swap", _with_swap, ", the same result")]
        if method.get("regularize", {}).get("teacher") == "copy"
        else [],
        [Saving(f"train.micro_batch_size: {n}", _with("train", "micro_batch_size", n), ", the same result") for n in divisors],
        []
        if train.get("gradient_checkpointing")
        else [
            Saving(
                "train.gradient_checkpointing: true",
                _with("train", "gradient_checkpointing", True),
                ", the same result, about a third more time",
            )
        ],
        [Saving(f"train.max_length: {n}", _with("train", "max_length", n), ", shorter rows") for n in lengths],
    ]


_price_of_8_bits = ", moments rounded to 8 bits, needs bitsandbytes"
_price_of_4_bits = ", the base rounded to 4 bits, needs bitsandbytes"


def _adapters(recipe: Recipe) -> list[Saving]:
    packed = {**_usual_adapter, "load_in_4bit": True}
    return [
        Saving("adapter: { type: lora }", lambda r: {**r, "adapter": _usual_adapter}),
        Saving("adapter: { type: lora, load_in_4bit: true }", lambda r: {**r, "adapter": packed}, _price_of_4_bits),
    ]


def _may_be_packed(recipe: Recipe) -> bool:
    adapter = recipe.get("adapter")
    return bool(adapter) and adapter.get("output") != "merged" and not adapter.get("load_in_4bit")


def _with(section: str, key: str, value: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: {**recipe, section: {**recipe[section], key: value}}


def _with_swap(recipe: Recipe) -> Recipe:
    return _with("method", "regularize", {**recipe["method"]["regularize"], "teacher": "swap"})(recipe)


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{max(1, round(count / 2**20))} MB"


def _first_sentence(text: str) -> str:
    return text.strip().split("\n")[0].split(". ")[0][:300]
