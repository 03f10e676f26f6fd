"""
AdamW behind clipping of the global norm, over named tensors. Its moments belong to the state store. Knows no model and
no schedule.
"""

from __future__ import annotations

from typing import Any

import torch

from ..state.state_store import StateStore


class Optimizer:
    def __init__(self, trained: dict[str, torch.nn.Parameter], settings: dict[str, Any], state: StateStore) -> None:
        self._trained = list(trained.values())
        self._state = state
        self._max_norm = settings["max_grad_norm"]
        decays = {name: p for name, p in trained.items() if p.ndim >= 2 and not name.endswith("norm.weight")}
        groups = [
            {"params": list(decays.values()), "weight_decay": settings["weight_decay"]},
            {"params": [p for name, p in trained.items() if name not in decays], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=0.0,
            betas=(settings["adam_beta1"], settings["adam_beta2"]),
            eps=settings["adam_epsilon"],
            fused=True,
        )
        for name, parameter in trained.items():
            self._adam.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": state.add(f"adam.first/{name}", torch.zeros_like(parameter)),
                "exp_avg_sq": state.add(f"adam.second/{name}", torch.zeros_like(parameter)),
            }

    def forget_gradients(self) -> None:
        for parameter in self._trained:
            parameter.grad = None

    def gradient_norm(self) -> float:
        gradients = [p.grad for p in self._trained if p.grad is not None]
        return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0

    def step(self, learning_rate: float) -> torch.Tensor:
        """Returns the norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self._trained, self._max_norm)
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        for slots in self._adam.state.values():
            slots["step"].fill_(self._state.optimizer_step)
        self._adam.step()
        self._state.optimizer_step += 1
        return norm
