"""
What trains: the recipe's adapter and narrow sections applied to a model's tensor names. Knows names and numbers of axes,
no values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..methods.lora import LoraPlan, plan_lora
from ..methods.narrow import Axes, narrowed_names


@dataclass(frozen=True)
class TuningPlan:
    tensors: list[str]
    """The model's own tensors that train; none with an adapter."""
    adapter: LoraPlan | None


def plan_tuning(recipe: dict[str, Any], axes: Axes) -> TuningPlan:
    narrow, adapter = recipe["method"].get("narrow"), recipe.get("adapter")
    allowed = narrowed_names(axes, narrow["tune"]) if narrow else list(axes)
    if adapter is None:
        return TuningPlan(allowed, None)
    return TuningPlan([], plan_lora(adapter, axes, allowed))
