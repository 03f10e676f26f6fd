"""
AdamW behind clipping of the global norm, over named tensors. Its moments belong to the state store, in f32 or in 8 bits.
Knows no model and no schedule.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

from ..state.state_store import StateStore
from .bits_and_bytes import require_bitsandbytes

Named = dict[str, torch.nn.Parameter]

least_in_8_bits = 4096
"""Numbers of a tensor whose moments are worth it; below, they stay in f32, as bitsandbytes has it."""


class Optimizer:
    def __init__(
        self, trained: Named, settings: dict[str, Any], state: StateStore, embeddings: Collection[str] = ()
    ) -> None:
        """`embeddings`: their moments stay in f32 in any case, as transformers' own trainer does it."""
        self._trained = list(trained.values())
        self._state = state
        self._max_norm = settings["max_grad_norm"]
        packed = {}
        if settings.get("optim") == "adamw_8bit":
            require_bitsandbytes("train.optim: adamw_8bit")
            large = {name: p for name, p in trained.items() if p.numel() >= least_in_8_bits}
            packed = {name: p for name, p in large.items() if name not in embeddings}
        whole = {name: p for name, p in trained.items() if name not in packed}
        self._adams: list[torch.optim.Optimizer] = []
        if whole or not packed:
            self._adams.append(_adam(whole, settings, state))
        if packed:
            self._adams.append(_adam_in_8_bits(packed, settings, state))
        self.moments_in_8_bits = sum(p.numel() for p in packed.values())

    def forget_gradients(self) -> None:
        for parameter in self._trained:
            parameter.grad = None

    def gradient_norm(self) -> float:
        gradients = [p.grad for p in self._trained if p.grad is not None]
        return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0

    def unscale(self, factor: float) -> None:
        """Gradients of a scaled loss become those of the loss; a factor is a power of two, so nothing is rounded."""
        for parameter in self._trained:
            if parameter.grad is not None:
                parameter.grad.mul_(1 / factor)

    def step(self, learning_rate: float) -> torch.Tensor:
        """Returns the norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self._trained, self._max_norm)
        for adam in self._adams:
            for group in adam.param_groups:
                group["lr"] = learning_rate
            for slots in adam.state.values():
                if torch.is_tensor(slots["step"]):
                    slots["step"].fill_(self._state.optimizer_step)
                else:
                    slots["step"] = self._state.optimizer_step
            adam.step()
        self._state.optimizer_step += 1
        return norm


def _groups(named: Named, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Norms and biases do not decay."""
    decays = {name: p for name, p in named.items() if p.ndim >= 2 and not name.endswith("norm.weight")}
    groups = [
        {"params": list(decays.values()), "weight_decay": settings["weight_decay"]},
        {"params": [p for name, p in named.items() if name not in decays], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _rule(settings: dict[str, Any]) -> dict[str, Any]:
    betas = (settings["adam_beta1"], settings["adam_beta2"])
    return {"lr": 0.0, "betas": betas, "eps": settings["adam_epsilon"]}


def _adam(named: Named, settings: dict[str, Any], state: StateStore) -> torch.optim.Optimizer:
    adam = torch.optim.AdamW(_groups(named, settings), fused=True, **_rule(settings))
    for name, parameter in named.items():
        adam.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": state.add(f"adam.first/{name}", torch.zeros_like(parameter)),
            "exp_avg_sq": state.add(f"adam.second/{name}", torch.zeros_like(parameter)),
        }
    return adam


def _adam_in_8_bits(named: Named, settings: dict[str, Any], state: StateStore) -> torch.optim.Optimizer:
    """Moments in 8 bits, in parts of the largest of each 256 (arXiv:2110.02861)."""
    from bitsandbytes.optim import AdamW8bit

    adam = AdamW8bit(_groups(named, settings), min_8bit_size=1, **_rule(settings))
    for g, group in enumerate(adam.param_groups):
        for p, parameter in enumerate(group["params"]):
            adam.init_state(group, parameter, g, p)
    for name, parameter in named.items():
        slots = adam.state[parameter]
        for moment, number in (("first", 1), ("second", 2)):
            state.add(f"adam.{moment}/{name}", slots[f"state{number}"])
            state.add(f"adam.{moment}.largest/{name}", slots[f"absmax{number}"])
    return adam
