"""
The two models of an evaluation, base and tuned, behind one face: the base is the tuned model with every change switched
off, or another model (`retain.base`). Either way both are scored by the same code path.
"""

from __future__ import annotations

import numpy as np

from ..batch import Batch, ignored_label
from ..model.tuned_language_model import BaseStates, Pick, TunedLanguageModel


class ModelPair:
    def __init__(self, tuned: TunedLanguageModel, base: TunedLanguageModel | None = None) -> None:
        """`base`: another model that forgetting is measured against; default the tuned model's own base."""
        self._tuned = tuned
        self._other = base

    def score(self, batch: Batch, who: str) -> np.ndarray:
        return self._of(who).score(batch, who)

    def write(self, who: str, texts: list[list[int]], pick: Pick) -> None:
        """Texts of one length, side by side, grow until `pick` says nothing."""
        self._of(who).write(who, texts, pick)

    def base_states(self, batch: Batch) -> BaseStates | None:
        """May be given to `compare` again and again; None where another model is the base."""
        return self._tuned.base_states(batch) if self._other is None else None

    def compare(self, batch: Batch, base: BaseStates | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(B, T) of each labelled position, 0 elsewhere: the tuned model's score, and KL(base ‖ tuned)."""
        if self._other is None:
            return self._tuned.compare(batch, base)
        return self._tuned.score(batch, "tuned"), self._divergence_of_models(batch)

    def _divergence_of_models(self, batch: Batch) -> np.ndarray:
        found = np.zeros((batch.rows, batch.length), np.float32)
        for b in range(batch.rows):
            row = Batch(
                1, batch.length, batch.kind, *(t[b : b + 1] for t in (batch.ids, batch.labels, batch.positions)),
                tokens=batch.length, is_packed=batch.is_packed,
            )
            base, tuned = self._of("base").logits(row, "base")[0], self._tuned.logits(row, "tuned")[0]
            where = batch.labels[b].numpy() != ignored_label
            found[b, where] = divergence_of_logits(base[where], tuned[where])
        return found

    def _of(self, who: str) -> TunedLanguageModel:
        return self._other if who == "base" and self._other is not None else self._tuned


def divergence_of_logits(base_NV: np.ndarray, tuned_NV: np.ndarray) -> np.ndarray:
    """KL(p0 ‖ p) = Σ p0 (log p0 − log p), in f64."""
    log_p0, log_p = _log_softmax(base_NV), _log_softmax(tuned_NV)
    return (np.exp(log_p0) * (log_p0 - log_p)).sum(-1)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    z = logits.astype(np.float64)
    z -= z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


