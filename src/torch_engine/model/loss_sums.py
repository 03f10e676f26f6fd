"""From the losses of single tokens to the means a step reports, summed in f64."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..batch import task_kind
from ..methods.regularize import Regularizer


@dataclass(frozen=True)
class StepCounts:
    """Of a whole optimizer step, all micro-batches together."""

    targets: int
    """N: every token whose cross-entropy counts."""
    regularized: int
    """M: tokens whose KL counts."""


@dataclass(frozen=True)
class StepMetrics:
    """Means over the whole step, in nats per token."""

    loss: float
    """Cross-entropy over task tokens."""
    replay_loss: float | None
    objective: float
    penalties: dict[str, float]
    gradient_norm: float
    """Before clipping."""
    loss_scale: float | None = None
    """Of an f16 run."""
    skipped_steps: int = 0
    """So far, because a gradient overflowed f16."""
    is_skipped: bool = False
    """Nothing was updated at this one."""


@dataclass
class LossSums:
    """Stays on the device until the means are asked for: one wait a step."""

    regularizer: Regularizer | None
    _task: list[torch.Tensor] = field(default_factory=list)
    _replay: list[torch.Tensor] = field(default_factory=list)
    _divergence: list[torch.Tensor] = field(default_factory=list)
    _tokens: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, cross_entropy: torch.Tensor, divergence: torch.Tensor | None) -> None:
        (self._task if kind == task_kind else self._replay).append(cross_entropy.double().sum())
        self._tokens[kind] = self._tokens.get(kind, 0) + len(cross_entropy)
        if divergence is not None:
            self._divergence.append(divergence.double().sum())

    def means(self, counts: StepCounts, gradient_norm: float) -> StepMetrics:
        task, replay, divergence = (float(sum(part)) for part in (self._task, self._replay, self._divergence))
        of_task = self._tokens.get(task_kind, 0)
        of_replay = sum(self._tokens.values()) - of_task
        penalty = divergence / counts.regularized if counts.regularized else 0.0
        factor = self.regularizer.factor if self.regularizer else 0.0
        return StepMetrics(
            loss=task / of_task if of_task else float("nan"),
            replay_loss=replay / of_replay if of_replay else None,
            objective=(task + replay) / counts.targets + factor * penalty,
            penalties={"penalty.kl": penalty} if self.regularizer else {},
            gradient_norm=gradient_norm,
        )
