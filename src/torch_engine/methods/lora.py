"""
Adapters through PEFT: LoRA, rsLoRA, DoRA. Says where they sit, and fills A from the run's own random stream, so that the
same recipe starts alike on every engine. B starts at 0: the tuned model starts as the base.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..data.random_streams import RandomStream
from ..engine_error import EngineError
from .narrow import Axes, is_in_layers, known_modules, module_of, nearest

if TYPE_CHECKING:
    import peft

adapter_name = "default"


@dataclass(frozen=True)
class LoraPlan:
    modules: list[str]
    """The maps that carry an adapter, in the model's order."""
    settings: dict[str, Any]

    @property
    def is_merged(self) -> bool:
        return self.settings["output"] == "merged"


def plan_lora(settings: dict[str, Any], axes: Axes, allowed: list[str]) -> LoraPlan:
    """`allowed` restricts where adapters may sit."""
    maps = [n for n, count in axes.items() if count == 2 and n.endswith(".weight") and is_in_layers(n)]
    for target in settings["target_modules"]:
        if not any(module_of(name) == target for name in maps):
            known = list(dict.fromkeys(module_of(name) for name in maps))
            raise EngineError(
                "unknown-module",
                f'The model has no linear map "{target}" for an adapter',
                remedy=f'Did you mean "{nearest(target, known)}"? Known: {", ".join(known)}.',
            )
    permitted, targets = set(allowed), set(settings["target_modules"])
    chosen = [name for name in maps if module_of(name) in targets and name in permitted]
    if not chosen:
        raise EngineError(
            "nothing-trains",
            "method.narrow.tune and adapter.target_modules have no map in common",
            remedy=f"Let narrow.tune name one of {', '.join(targets)}, or another of {', '.join(known_modules(axes))}.",
        )
    return LoraPlan([name.removesuffix(".weight") for name in chosen], settings)


def add_adapters(model: torch.nn.Module, plan: LoraPlan, seed: int) -> peft.PeftModel:
    """Changes `model` in place; the adapter's tensors are f32 whatever the base's are."""
    import peft  # Takes seconds to load, which runs without adapters need not wait for.

    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=plan.settings["r"],
        lora_alpha=plan.settings["alpha"],
        target_modules=list(plan.modules),
        lora_dropout=0.0,
        use_rslora=bool(plan.settings.get("use_rslora")),
        use_dora=bool(plan.settings.get("use_dora")),
    )
    adapted = peft.get_peft_model(model, config, adapter_name=adapter_name, autocast_adapter_dtype=True)
    stream = RandomStream(seed, "adapter")
    modules = dict(model.named_modules())
    with torch.no_grad():
        for lane, name in enumerate(plan.modules):
            a = modules[name].lora_A[adapter_name].weight
            bound = 1 / math.sqrt(a.shape[1])
            values = (2 * stream.uniform(a.numel(), lane) - 1) * bound
            a.copy_(torch.from_numpy(values).to(torch.float32).view_as(a))
    return adapted


def plain_name(name: str) -> str:
    """A parameter's name without what PEFT puts in: q_proj.weight, q_proj.lora_A.weight, …"""
    parts = [part for part in name.split(".") if part not in ("base_layer", adapter_name)]
    joined = ".".join(parts)
    return joined if parts[-1] != "lora_magnitude_vector" else f"{joined}.weight"


def short_modules(names: list[str], modules: list[str]) -> list[str]:
    """Short names where every layer's map carries an adapter, whole names otherwise."""
    short = list(dict.fromkeys(module.rpartition(".")[2] for module in modules))
    everywhere = [name for name in names if module_of(name) in short and name.endswith(".weight")]
    return short if len(everywhere) == len(modules) else list(modules)
