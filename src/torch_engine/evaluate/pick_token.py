"""
Which tokens follow: the likeliest, or drawn by their probabilities. With the same random numbers the embedded engine draws
the same, but for what rounding decides. Knows nothing of models or texts.

B rows, V vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..engine_error import EngineError


def pick_tokens(
    logits_BV: torch.Tensor, uniforms: Sequence[float], *, temperature: float = 1.0, top_p: float = 1.0
) -> list[int]:
    """
    Temperature 0: the first of the likeliest. Else the first token at which the probabilities, in f64, have used up the
    row's uniform: in the order of the vocabulary, or of their likelihood where only the likeliest `top_p` are taken.
    """
    if temperature == 0:
        return logits_BV.argmax(-1).tolist()
    logits = logits_BV.double()
    weights = torch.exp((logits - logits.amax(-1, keepdim=True)) / temperature)
    if not bool(torch.isfinite(weights.sum(-1)).all()):
        raise EngineError("not-finite", "The model gives no finite probabilities of the next token")
    if top_p == 1:
        return _drawn(weights, uniforms).tolist()
    ordered, order = torch.sort(weights, dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    nucleus = torch.where(before < top_p * ordered.sum(-1, keepdim=True), ordered, 0.0)
    return order.gather(-1, _drawn(nucleus, uniforms)[:, None])[:, 0].tolist()


def _drawn(weights_BV: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
    used = weights_BV.cumsum(-1)
    wanted = used[:, -1:] * torch.tensor(uniforms, dtype=torch.float64)[:, None]
    found = torch.searchsorted(used, wanted, right=True)[:, 0]
    last = used.shape[-1] - 1 - (weights_BV.flip(-1) > 0).to(torch.uint8).argmax(-1)
    return torch.minimum(found, last)
