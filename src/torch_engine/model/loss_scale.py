"""
What an f16 run multiplies its loss by, so that gradients do not vanish below the smallest number of f16: halved when they
overflow, doubled after long calm. Its numbers belong to the state store. Knows no model.
"""

from __future__ import annotations

import torch

from ..state.state_store import StateStore

first = 2.0**16
calm_steps = 2000
"""In a row without overflow: as torch's GradScaler has it."""
largest = 2.0**24
"""From here on f32 itself would be the next to overflow."""


class LossScale:
    def __init__(self, state: StateStore) -> None:
        # Powers of two and counts far below 2²⁴: f32 holds them exactly.
        self._numbers = state.add("loss.scale", torch.tensor([first, 0.0, 0.0]))

    @property
    def factor(self) -> float:
        return float(self._numbers[0])

    @property
    def skipped(self) -> int:
        """Steps of the run that were not made."""
        return int(self._numbers[2])

    def settle(self, is_finite: bool) -> None:
        """After each step."""
        factor, calm, skipped = self._numbers.tolist()
        if not is_finite:
            factor, calm, skipped = factor / 2, 0, skipped + 1
        elif calm + 1 >= calm_steps:
            factor, calm = min(largest, factor * 2), 0
        else:
            calm += 1
        self._numbers.copy_(torch.tensor([factor, calm, skipped]))
