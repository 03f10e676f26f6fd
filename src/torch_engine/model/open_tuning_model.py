"""
Opens a model for tuning or scoring: loads its weights, plans what trains as the recipe says, adds adapters, holds on to
base values. Knows no data and no schedule.
"""

from __future__ import annotations

from typing import Any

import torch

from ..methods.lora import add_adapters, plain_name
from ..methods.regularize import regularizer_of
from ..state.state_store import StateStore
from . import compiling
from .four_bits import count_of
from .load_model import load_model
from .loss_scale import LossScale
from .optimizer import Optimizer
from .precision import Precision
from .tuned_language_model import Parts, TunedLanguageModel
from .tuning_plan import TuningPlan, plan_tuning


def open_tuning_model(
    folder: str, recipe: dict[str, Any], precision: Precision, *, is_tuned: bool = True
) -> TunedLanguageModel:
    """Not tuned: nothing will train, so neither optimizer slots nor base values are held."""
    model = load_model(folder, precision)
    own = dict(model.named_parameters())
    plan = plan_tuning(recipe, {name: p.ndim for name, p in own.items()})
    parameters = sum(count_of(p) for p in own.values())
    adapted = add_adapters(model, plan.adapter, recipe["train"]["seed"]) if plan.adapter else None
    trained = _trained(model, own, plan) if is_tuned else {}
    regularizer = regularizer_of(recipe["method"], adapted is not None) if is_tuned else None
    has_copy = regularizer is not None and regularizer.choice.teacher == "copy"
    state = StateStore()
    base_values = {}
    for name, parameter in trained.items():
        if adapted is None:
            base_values[parameter] = parameter.data.clone()
        state.add(name, parameter.data)
    if recipe["train"].get("gradient_checkpointing") and is_tuned:
        # transformers recomputes in training mode alone; dropout is 0 in both modes.
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
    copy = load_model(folder, precision) if has_copy else None
    length_step = None
    if is_tuned and is_compiled(recipe, precision):
        length_step = compiling.length_step(recipe["train"]["max_length"])
        for each in (model, copy):
            if each is not None:
                compiling.compile_layers(each)
    return TunedLanguageModel(
        Parts(
            model=model,
            adapted=adapted,
            lora=plan.adapter,
            copy=copy,
            trained=trained,
            base_values=base_values,
            regularizer=regularizer,
            optimizer=Optimizer(trained, recipe["train"], state, _embeddings(model)) if is_tuned else None,
            loss_scale=LossScale(state) if is_tuned and precision.compute == torch.float16 else None,
            state=state,
            precision=precision,
            parameters=parameters,
            length_step=length_step,
        )
    )


def is_compiled(recipe: dict[str, Any], precision: Precision) -> bool:
    """As the recipe asks for it, where this machine can."""
    return bool(recipe["train"].get("torch_compile")) and compiling.fault(precision.device.type) is None


def _embeddings(model: torch.nn.Module) -> set[str]:
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Embedding)}


def _trained(
    model: torch.nn.Module, own: dict[str, torch.nn.Parameter], plan: TuningPlan
) -> dict[str, torch.nn.Parameter]:
    """By name, in the model's order, in f32 whatever the base's format is."""
    if plan.adapter:
        trained = {plain_name(name): p for name, p in model.named_parameters() if ".lora_" in name}
    else:
        trained = {name: own[name] for name in plan.tensors}
    for parameter in trained.values():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return trained
