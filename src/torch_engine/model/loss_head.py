"""
From hidden states to losses, in chunks of tokens, so that (tokens, vocabulary) is never held as a whole, let alone twice:
of a chunk the logits are held once, and their gradient is written in their place, block by block.
Makes its own gradients in the same pass: the tokens' weights are known beforehand. Softmax and sums are taken in f32,
products in the dtype of the hidden states, the head's gradient is summed in f32.

N tokens, D width, V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

chunk_cells = {"cpu": 2**22, "cuda": 2**27}
"""Logits held at once, as tokens · vocabulary."""
least_tokens = {"cpu": 512, "cuda": 64}
"""Of a chunk. Each one adds to the head's whole gradient: with a large vocabulary small chunks do little else."""
block_cells = {"cpu": 2**18, "cuda": 2**25}
"""Of a chunk, what goes from logits to their gradient at once, in their place: what stays in a cache, or fills a GPU."""
least_block = 32
"""Tokens of a block: the base's logits are made for a block alone, and each reads the base's whole head."""


@dataclass(frozen=True)
class Head:
    """logits = softcap(scale · hidden · weightᵀ + bias)"""

    weight_VD: torch.Tensor
    bias_V: torch.Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden_ND: torch.Tensor) -> torch.Tensor:
        """In f32."""
        with torch.autocast(hidden_ND.device.type, enabled=False):
            z_NV = torch.nn.functional.linear(hidden_ND, self.weight_VD.to(hidden_ND.dtype)).float()
            if self.bias_V is not None:
                z_NV = z_NV + self.bias_V.float()
        if self.scale != 1.0:
            z_NV = z_NV * self.scale
        return z_NV if self.softcap is None else self.softcap * torch.tanh(z_NV / self.softcap)

    def pull_back(self, gradient_NV: torch.Tensor, logits_NV: torch.Tensor) -> torch.Tensor:
        """From the gradient by the logits to that by hidden · weightᵀ."""
        if self.softcap is not None:
            gradient_NV = gradient_NV * (1 - (logits_NV / self.softcap) ** 2)
        return gradient_NV if self.scale == 1.0 else gradient_NV * self.scale


@dataclass(frozen=True)
class Teacher:
    """Gives the base's predictions of the same tokens."""

    hidden_ND: torch.Tensor
    head: Head
    ratio_N: torch.Tensor
    """What KL counts beside the cross-entropy of the same token; any factor T² is in here."""
    direction: str
    """forward: KL(base ‖ tuned). reverse: KL(tuned ‖ base)."""
    temperature: float


@dataclass(frozen=True)
class Losses:
    objective: torch.Tensor
    """Σ weights · (cross-entropy + ratio · divergence). The only one that can be differentiated."""
    cross_entropy_N: torch.Tensor
    divergence_N: torch.Tensor | None


def losses(
    hidden_ND: torch.Tensor,
    head: Head,
    labels_N: torch.Tensor,
    weights_N: torch.Tensor,
    teacher: Teacher | None = None,
    *,
    with_cross_entropy: bool = True,
) -> Losses:
    """Without cross-entropy the objective is the KL part alone."""
    objective, cross_entropy, divergence = _Losses.apply(
        hidden_ND, head.weight_VD, head, labels_N, weights_N, teacher, with_cross_entropy
    )
    return Losses(objective, cross_entropy, divergence)


@torch.no_grad()
def token_losses(hidden_ND: torch.Tensor, head: Head, labels_N: torch.Tensor) -> torch.Tensor:
    """(N) −log p(label), in f32."""
    found_N = hidden_ND.new_zeros(len(labels_N), dtype=torch.float32)
    for part, log_p in _predictions(hidden_ND, head):
        found_N[part] = -_of_labels(log_p, labels_N[part])
    return found_N


@torch.no_grad()
def token_comparisons(
    hidden_ND: torch.Tensor, head: Head, labels_N: torch.Tensor, base_ND: torch.Tensor, base_head: Head
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N) −log p(label) and (N) KL(base ‖ tuned) at T = 1, in f32."""
    losses_N = hidden_ND.new_zeros(len(labels_N), dtype=torch.float32)
    divergences_N = torch.zeros_like(losses_N)
    for part, log_p in _predictions(hidden_ND, head):
        losses_N[part] = -_of_labels(log_p, labels_N[part])
        log_p0 = base_head.logits(base_ND[part]).log_softmax(-1)
        p0 = log_p0.exp()
        divergences_N[part] = log_p0.sub_(log_p).mul_(p0).sum(-1)
    return losses_N, divergences_N


def _predictions(hidden_ND: torch.Tensor, head: Head) -> Iterator[tuple[slice, torch.Tensor]]:
    """Cells, and their log-probabilities, block by block."""
    for chunk in _chunks(head, len(hidden_ND), hidden_ND.device):
        z_NV = head.logits(hidden_ND[chunk])
        for block in _blocks(z_NV):
            yield slice(chunk.start + block.start, chunk.start + block.stop), z_NV[block].log_softmax(-1)


class _Losses(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden_ND, weight_VD, head, labels_N, weights_N, teacher, with_cross_entropy):
        count = hidden_ND.shape[0]
        cross_entropy_N = hidden_ND.new_zeros(count, dtype=torch.float32)
        divergence_N = None if teacher is None else torch.zeros_like(cross_entropy_N)
        d_hidden_ND = torch.zeros_like(hidden_ND) if ctx.needs_input_grad[0] else None
        d_weight_VD = None
        cast_VD = weight_VD.to(hidden_ND.dtype)
        for chunk in _chunks(head, count, hidden_ND.device):
            h = hidden_ND[chunk]
            z = head.logits(h)
            for block in _blocks(z):
                part = slice(chunk.start + block.start, chunk.start + block.stop)
                log_p = z[block].log_softmax(-1)
                cross_entropy_N[part] = -_of_labels(log_p, labels_N[part])
                pull = None
                if teacher is not None:
                    divergence_N[part], pull = _divergence(z[block], log_p, teacher, part)
                dz = _cross_entropy_gradient(log_p, labels_N[part]) if with_cross_entropy else log_p.zero_()
                if pull is not None:
                    dz += pull.mul_(teacher.ratio_N[part, None])
                z[block] = head.pull_back(dz.mul_(weights_N[part, None]), z[block])
            dz = z.to(hidden_ND.dtype)
            with torch.autocast(hidden_ND.device.type, enabled=False):
                if d_hidden_ND is not None:
                    d_hidden_ND[chunk] = dz @ cast_VD
                if ctx.needs_input_grad[1]:
                    d_part_VD = (dz.T @ h).float()
                    d_weight_VD = d_part_VD if d_weight_VD is None else d_weight_VD.add_(d_part_VD)
        per_token = cross_entropy_N if with_cross_entropy else torch.zeros_like(cross_entropy_N)
        if teacher is not None:
            per_token = per_token + teacher.ratio_N * divergence_N
        ctx.gradients = (d_hidden_ND, d_weight_VD)
        ctx.mark_non_differentiable(*(t for t in (cross_entropy_N, divergence_N) if t is not None))
        return (weights_N * per_token).sum(), cross_entropy_N, divergence_N

    @staticmethod
    def backward(ctx, d_objective, *_):
        d_hidden_ND, d_weight_VD = ctx.gradients
        ctx.gradients = None
        scaled = [None if d is None else d.mul_(d_objective.to(d.dtype)) for d in (d_hidden_ND, d_weight_VD)]
        return *scaled, None, None, None, None, None


def _divergence(z, log_p, teacher: Teacher, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """The KL of every token of the part at the temperature, and its gradient by the logits."""
    t = teacher.temperature
    z0 = teacher.head.logits(teacher.hidden_ND[part])
    log_q = log_p if t == 1 else (z / t).log_softmax(-1)
    log_q0 = (z0 / t).log_softmax(-1)
    if teacher.direction == "forward":
        q0 = log_q0.exp()
        divergence = log_q0.sub_(log_q).mul_(q0).sum(-1)
        return divergence, log_q.exp().sub_(q0).div_(t)
    q = log_q.exp()
    apart = log_q - log_q0
    divergence = (q * apart).sum(-1)
    return divergence, apart.sub_(divergence[:, None]).mul_(q).div_(t)


def _of_labels(log_p_NV: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
    return log_p_NV.gather(-1, labels_N[:, None])[:, 0]


def _cross_entropy_gradient(log_p_NV: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
    """In place of the log-probabilities: a fresh tensor of this size costs more than the arithmetic."""
    gradient = log_p_NV.exp_()
    gradient[torch.arange(len(labels_N), device=labels_N.device), labels_N] -= 1
    return gradient


def chunk_size(device: str, vocabulary: int) -> int:
    """Tokens whose logits are held at once."""
    kind = device if device in chunk_cells else "cpu"
    return max(least_tokens[kind], chunk_cells[kind] // vocabulary)


def _chunks(head: Head, count: int, device: torch.device) -> list[slice]:
    return _slices(count, chunk_size(device.type, head.weight_VD.shape[0]))


def _blocks(chunk_NV: torch.Tensor) -> list[slice]:
    count, vocabulary = chunk_NV.shape
    kind = chunk_NV.device.type if chunk_NV.device.type in block_cells else "cpu"
    return _slices(count, max(least_block, block_cells[kind] // vocabulary))


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
