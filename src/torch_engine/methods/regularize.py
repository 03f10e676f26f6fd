"""
Regularized tuning: KL between the base's and the tuned next-token distributions, on the target tokens of chosen rows.
The penalty is weight · T² · mean over those tokens. Knows no model: it gives numbers and says which teacher stands
behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..engine_error import EngineError


@dataclass(frozen=True)
class TeacherChoice:
    """copy: a full second set of weights. swap: base values of the tuned tensors only, the rest is shared."""

    teacher: str
    reason: str


@dataclass(frozen=True)
class Regularizer:
    weight: float
    on: tuple[str, ...]
    direction: str
    temperature: float
    choice: TeacherChoice

    @property
    def factor(self) -> float:
        return self.weight * self.temperature**2


def regularizer_of(method: dict[str, Any], is_adapter: bool) -> Regularizer | None:
    settings = method.get("regularize")
    if settings is None:
        return None
    if "task" not in settings["on"] and "replay" not in method:
        # A penalty on rows that never come would be silence that looks like a method.
        raise EngineError(
            "nothing-regularized",
            "method.regularize.on names replay rows alone, and nothing is replayed",
            remedy="Add method.replay, or let regularize.on include task.",
        )
    return Regularizer(
        weight=settings["weight"],
        on=tuple(settings["on"]),
        direction=settings["direction"],
        temperature=settings["temperature"],
        choice=_choose_teacher(settings["teacher"], is_adapter),
    )


def _choose_teacher(wish: str, is_adapter: bool) -> TeacherChoice:
    if wish != "auto":
        return TeacherChoice(wish, "as the recipe says")
    if is_adapter:
        return TeacherChoice("swap", "the base is the same model with the adapter off, so nothing is held twice")
    reason = "only the base values of tuned tensors are held beside them; the numbers are those of a full copy"
    return TeacherChoice("swap", reason)
